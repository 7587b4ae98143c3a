//! `GET /` and `GET /assets/{file+}`: the files that a browser loads. `tests/browser` tests what the page does.
//! `GET /openapi.json` and `GET /reference`: the contract of the API for programs and for readers.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use brotli::Decompressor;
use portal_core::models::EventAction;
use portal_core::policy::ActionKind;
use portal_tests::browser::Language;
use portal_tests::{Answer, Client, Partner, workspace};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The maximum size of the files that open the page, compressed with Brotli.
const MAX_OPENING_BYTES: usize = 35_000;

/// The maximum size of the files that open the page and of any one later script, compressed with Brotli.
const MAX_BYTES: usize = 60_000;

/// The names of the later scripts, without the language.
const LATER: [&str; 3] = ["account", "review", "views"];

/// The paths of all files that the page names.
async fn assets() -> Vec<String> {
    let page = Client::new().get("/").await.expect(200);
    let paths: BTreeSet<_> =
        page.text.split('"').filter(|text| text.starts_with("/assets/")).map(str::to_owned).collect();
    assert_eq!(paths.len(), 3, "a script, a style sheet and an icon: {page}");
    paths.into_iter().collect()
}

/// The path of a file that the page loads later.
async fn later(name: &str) -> String {
    let known = assets().await.swap_remove(0);
    let (folder, _) = known.rsplit_once('/').unwrap();
    format!("{folder}/{name}")
}

/// The texts in a page.
fn texts(page: &str) -> Value {
    let (_, rest) = page.split_once("<script type=\"application/json\" id=\"texts\">").unwrap();
    let (texts, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(texts).unwrap()
}

fn source(name: &str) -> String {
    fs::read_to_string(workspace().join("functions/portal-page/assets").join(name)).unwrap()
}

/// Every file in `assets/` and the folders in it: its path there, and its text.
fn sources() -> Vec<(String, String)> {
    fn read(folder: &Path, prefix: &str, sources: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().into_string().unwrap());
            if entry.path().is_dir() {
                read(&entry.path(), &format!("{name}/"), sources);
            } else {
                sources.push((name, fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    let mut sources = Vec::new();
    read(&workspace().join("functions/portal-page/assets"), "", &mut sources);
    sources
}

#[track_caller]
fn is_guarded(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    for directive in [
        "default-src 'none'",
        "style-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ] {
        assert!(policy.split("; ").any(|given| given.trim() == directive), "{directive} in {policy}");
    }
    assert!(policy.contains("; script-src 'self' 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
    assert_eq!(answer.header("strict-transport-security"), "max-age=31536000; includeSubDomains");
    assert!(answer.header("permissions-policy").contains("camera=()"));
}

#[tokio::test]
async fn the_page_is_revalidated_and_its_files_are_cached_forever() {
    let page = Client::new().get("/").await.expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.header("cache-control"), "no-cache");
    is_guarded(&page);
    for path in assets().await {
        let file = Client::new().get(&path).await.expect(200);
        assert_eq!(file.header("cache-control"), "public, max-age=31536000, immutable", "{path}");
        assert_eq!(file.header("vary"), "accept-encoding", "{path}");
        let kind = match path.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            _ => "image/svg+xml",
        };
        assert_eq!(file.header("content-type"), kind, "{path}");
        is_guarded(&file);
    }
}

#[tokio::test]
async fn a_browser_that_has_the_page_gets_304_without_a_body() {
    for path in ["/", "/openapi.json", "/reference"] {
        let mut tags = BTreeSet::new();
        for coding in ["br", "gzip", "identity"] {
            let get =
                |tag: &str| Client::new().get(path).header("accept-encoding", coding).header("if-none-match", tag);
            let full = get("\"other\"").await.expect(200);
            let tag = full.header("etag").to_owned();
            for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
                let answer = get(&known).await.expect(304);
                assert_eq!((answer.text.as_str(), answer.header("etag")), ("", tag.as_str()), "{path}");
                for name in ["cache-control", "vary", "content-security-policy"] {
                    assert_eq!(answer.header(name), full.header(name), "{name} of {path}");
                }
            }
            tags.insert(tag);
        }
        assert_eq!(tags.len(), 3, "each coding has its own tag: {tags:?}");
    }
}

#[tokio::test]
async fn the_page_has_the_texts_of_the_one_language_that_the_user_prefers() {
    use Language::{English, French};
    for (accepted, cookie, language) in [
        ("", "", English),
        ("en-US,en;q=0.9", "", English),
        ("de", "", English),
        ("fr-CA, fr;q=0.9, en;q=0.8", "", French),
        ("de, fr;q=0.5", "", French),
        ("fr", "language=en", English),
        ("en", "a=b; language=fr", French),
        ("fr", "language=de", French),
        ("en", "language=", English),
    ] {
        let get = |tag: &str| {
            let get = Client::new().get("/").header("accept-language", accepted).header("cookie", cookie);
            get.header("if-none-match", tag)
        };
        let page = get("\"other\"").await.expect(200);
        assert!(page.text.contains(&format!("<html lang=\"{}\">", language.code())), "{accepted} {cookie}");
        // The later scripts have the other texts.
        let first = texts(&page.text);
        let mut all = first.as_object().unwrap().clone();
        for (name, own) in LATER.into_iter().zip(["authenticate.title", "review.lead", "import.title"]) {
            let path = later(&format!("{name}-{}.js", language.code())).await;
            let script = Client::new().get(&path).await.expect(200).text;
            let (_, more) = script.split_once(&format!("$language.addTexts(\"{}\",", language.code())).unwrap();
            let more: Value = serde_json::Deserializer::from_str(more).into_iter().next().unwrap().unwrap();
            assert!(first["users.add"].is_string() && more[own].is_string());
            all.extend(more.as_object().unwrap().clone());
        }
        assert_eq!(Value::Object(all), Value::Object(language.texts()), "{accepted} {cookie}");
        assert_eq!(page.header("vary"), "accept-encoding, accept-language, cookie");
        let tag = page.header("etag");
        assert_eq!(get(tag).await.expect(304).header("vary"), page.header("vary"));
        let other = if language == English { "fr" } else { "en" };
        Client::new().get("/").header("accept-language", other).header("if-none-match", tag).await.expect(200);
    }
}

#[tokio::test]
async fn the_texts_of_each_language_can_be_loaded_later() {
    let script = assets().await.into_iter().find(|path| path.rsplit('.').next() == Some("js")).unwrap();
    let script = Client::new().get(&script).await.expect(200).text;
    for language in [Language::English, Language::French] {
        let file = Client::new().get(&later(&format!("{}.js", language.code())).await).await.expect(200);
        assert_eq!(file.header("content-type"), "text/javascript; charset=utf-8");
        for (key, text) in language.texts() {
            let line = format!("\"{key}\": {text}");
            assert!(file.text.contains(&line), "{line}");
            assert!(!script.contains(&line), "{line} is in the script, too");
        }
    }
}

#[tokio::test]
async fn the_compressed_page_is_small_also_with_any_one_later_script() {
    for (language, other) in [(Language::English, "fr.js"), (Language::French, "en.js")] {
        let mut opening = assets().await;
        opening.push("/".to_owned());
        let mut at_opening = 0;
        for path in opening {
            at_opening += size(&path, language).await;
        }
        println!("{at_opening} bytes in {language:?}");
        assert!(at_opening <= MAX_OPENING_BYTES, "{at_opening} bytes in {language:?}");
        let scripts = LATER.map(|name| format!("{name}-{}.js", language.code()));
        for name in scripts.iter().map(String::as_str).chain([other]) {
            let with_script = at_opening + size(&later(name).await, language).await;
            println!("{with_script} bytes with {name}");
            assert!(with_script <= MAX_BYTES, "{with_script} bytes with {name}");
        }
    }
}

/// The body in a coding.
async fn compressed(path: &str, coding: &str, language: Language) -> Vec<u8> {
    let url = format!("{}{path}", portal_tests::stack().ready.url);
    let request = reqwest::Client::new().get(url).header("accept-language", language.code());
    let response = request.header("accept-encoding", coding).send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], coding, "{path}");
    response.bytes().await.unwrap().to_vec()
}

/// The size in bytes for a browser that accepts Brotli. Gzip is larger, and no compression larger still.
async fn size(path: &str, language: Language) -> usize {
    let (gzip, brotli) = (compressed(path, "gzip", language).await, compressed(path, "br", language).await);
    let plain = Client::new().get(path).header("accept-language", language.code()).await.expect(200);
    assert!(brotli.len() < gzip.len() && gzip.len() < plain.text.len(), "{path}");
    brotli.len()
}

#[tokio::test]
async fn a_browser_that_accepts_brotli_gets_the_same_file_in_it() {
    let mut paths = assets().await;
    paths.extend(["/", "/openapi.json", "/reference"].map(str::to_owned));
    for path in paths {
        let plain = Client::new().get(&path).await.expect(200).text;
        let mut text = String::new();
        Decompressor::new(compressed(&path, "br", Language::English).await.as_slice(), 4096)
            .read_to_string(&mut text)
            .unwrap();
        assert!(text == plain, "{path}");
    }
}

#[tokio::test]
async fn a_client_that_refuses_compression_gets_the_plain_page() {
    for accepted in ["identity", "deflate", "gzip;q=0", "gzip;q=0.0, br;q=0", "br;q=0.5, identity"] {
        let page = Client::new().get("/").header("accept-encoding", accepted).await.expect(200);
        assert_eq!(page.header("content-encoding"), "", "{accepted}");
        assert!(page.text.starts_with("<!doctype html>"), "{accepted}");
    }
}

/// `shared/openapi.yaml`.
fn contract() -> Value {
    serde_yaml_ng::from_str(&fs::read_to_string(workspace().join("shared/openapi.yaml")).unwrap()).unwrap()
}

#[tokio::test]
async fn the_contract_is_served_as_json_to_everyone() {
    let answer = Client::new().get("/openapi.json").await.expect(200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("vary"), "accept-encoding");
    is_guarded(&answer);
    assert!(answer.json == contract(), "the JSON differs from shared/openapi.yaml");
    let servers: Vec<_> = answer.json["servers"].as_array().unwrap().iter().map(|server| &server["url"]).collect();
    assert_eq!(servers, ["/"], "the document is valid under every domain");
    assert!(size("/openapi.json", Language::English).await < answer.text.len() / 2);
}

/// The values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    page.split(&format!(" {attribute}=\"")).skip(1).map(|rest| rest.split_once('"').unwrap().0).collect()
}

#[tokio::test]
async fn the_reference_has_every_operation_and_every_schema_of_the_contract() {
    let answer = Client::new().get("/reference").await.expect(200);
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("vary"), "accept-encoding");
    is_guarded(&answer);
    let (page, contract) = (answer.text, contract());
    let ids = values(&page, "id");
    let mut operations = 0;
    for (path, item) in contract["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.contains(&id), "{id} has a section");
            let (_, section) = page.split_once(&format!("<h3 id=\"{id}\">")).unwrap();
            let section = section.split("<h3").next().unwrap();
            let mut expected = vec![
                format!("<b>{}</b> {path}</code>", method.to_uppercase()),
                operation["summary"].as_str().unwrap().to_owned(),
            ];
            let codes = operation["description"].as_str().unwrap_or_default().split('`').skip(1).step_by(2);
            expected.extend(codes.map(|code| format!("<code>{code}</code>")));
            expected.extend(
                operation["responses"].as_object().unwrap().keys().map(|status| format!("<code>{status}</code>")),
            );
            let body = &operation["requestBody"]["content"]["application/json"]["schema"]["properties"];
            let names = body.as_object().into_iter().flat_map(|fields| fields.keys().map(String::as_str));
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names = names.chain(parameters.filter_map(|parameter| parameter["name"].as_str()));
            expected.extend(names.map(|name| format!("<th role=\"rowheader\" scope=\"row\"><code>{name}</code></th>")));
            for text in expected {
                assert!(section.contains(&text), "{id}: {text}");
            }
            operations += 1;
        }
    }
    assert_eq!(page.matches("<section class=\"operation\">").count(), operations);
    for name in contract["components"]["schemas"].as_object().unwrap().keys() {
        assert!(ids.contains(&format!("schema-{name}").as_str()), "{name} has a section");
    }
}

#[tokio::test]
async fn the_reference_is_whole_and_all_its_links_lead_somewhere() {
    const EMPTY_ELEMENTS: [&str; 3] = ["!doctype", "link", "meta"];
    let page = Client::new().get("/reference").await.expect(200).text;
    for forbidden in ["<script", "<style", " style=", " onclick=", "javascript:", "http://", "https://", "**", "`"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    let mut open = Vec::new();
    for tag in page.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap_or_else(|| panic!("<{tag} has no end"));
        assert!(!text.contains('>'), "{text} is not escaped");
        let name = tag.split_whitespace().next().unwrap();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name), "the end of {name}"),
            None if !EMPTY_ELEMENTS.contains(&name) => open.push(name),
            None => {}
        }
    }
    assert!(open.is_empty(), "{open:?} have no end");
    let ids = values(&page, "id");
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "every id is unique");
    for link in values(&page, "href").into_iter().collect::<BTreeSet<_>>() {
        match link.strip_prefix('#') {
            Some(id) => assert!(ids.contains(&id), "{link}"),
            None => drop(Client::new().get(link).await.expect(200)),
        }
    }
}

#[tokio::test]
async fn head_returns_the_headers_of_get_without_a_body() {
    let paths = assets().await.into_iter().chain(["/".to_owned()]);
    for path in paths {
        let (get, head) =
            (Client::new().get(&path).await.expect(200), Client::new().call("HEAD", &path).await.expect(200));
        assert_eq!(head.text, "", "{path}");
        for name in ["content-type", "cache-control", "vary", "content-security-policy", "x-content-type-options"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
    }
    Client::new().call("HEAD", "/assets/0000000000000000/main.js").await.expect(404);
}

#[tokio::test]
async fn unknown_files_get_404() {
    let known = assets().await.swap_remove(0);
    let (folder, _) = known.rsplit_once('/').unwrap();
    let other_version = "/assets/0000000000000000/main.js";
    for path in [
        other_version,
        &format!("{folder}/index"),
        &format!("{folder}/index.html"),
        &format!("{folder}/openapi.json"),
        &format!("{folder}/%2e%2e%2fmain.rs"),
        "/assets/main.js",
        "/assets/%2e%2e%2findex.html",
    ] {
        let answer = Client::new().get(path).await.expect(404);
        assert!(!answer.header("cache-control").contains("immutable"), "{answer}");
    }
}

#[tokio::test]
async fn only_one_script_in_the_page_is_inline_and_nothing_is_from_elsewhere() {
    let page = Client::new().get("/").await.expect(200).text;
    for forbidden in ["<style", " style=", " onclick=", "javascript:", "http://", "https://"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert_eq!(page.matches("<script").count(), 3);
    assert_eq!(page.matches("<script type=\"module\" src=\"/assets/").count(), 1);
    // Data, which no browser runs.
    assert_eq!(page.matches("<script type=\"application/json\"").count(), 1);
    let (_, inline) = page.split_once("<script>").unwrap();
    let (inline, _) = inline.split_once("</script>").unwrap();
    let hash = BASE64_STANDARD.encode(Sha256::digest(inline));
    let policy = Client::new().get("/").await.expect(200);
    let allowed = format!("script-src 'self' 'sha256-{hash}'");
    assert!(policy.header("content-security-policy").split("; ").any(|given| given == allowed), "{allowed}");
    for (name, text) in sources() {
        for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"] {
            assert!(!text.contains(forbidden), "{forbidden} in {name}");
        }
    }
}

#[tokio::test]
async fn the_page_or_a_later_script_has_every_template_that_a_script_uses() {
    let page = Client::new().get("/").await.expect(200).text;
    let mut scripts = String::new();
    for name in LATER {
        scripts += &Client::new().get(&later(&format!("{name}-en.js")).await).await.expect(200).text;
    }
    let (markup, _) = page.split_once("<script type=\"application/json\"").unwrap();
    let (_, templates) = page.rsplit_once("</script>").unwrap();
    assert!(!markup.contains("=\"{") && !templates.contains(['{', '}']), "every placeholder is replaced");
    let [first, later] = [(&page, "<template id=\""), (&scripts, "[\"template|id=")]
        .map(|(text, start)| text.split(start).skip(1).map(|rest| rest.split_once('"').unwrap().0).collect::<Vec<_>>());
    for name in ["sign-in", "portal", "users", "user-row"] {
        assert!(first.contains(&name), "{name} is needed at once");
    }
    for name in [
        "user-dialog",
        "import-dialog",
        "review",
        "record",
        "history",
        "redeem",
        "user",
        "removed",
        "account",
        "authenticate",
    ] {
        assert!(later.contains(&name), "{name} is needed later");
    }
    let templates = [first, later].concat();
    let scripts: String =
        sources().into_iter().filter(|(name, _)| name.rsplit('.').next() == Some("js")).map(|(_, text)| text).collect();
    let made: BTreeSet<_> = scripts.split("make(\"").skip(1).map(|rest| rest.split_once('"').unwrap().0).collect();
    assert_eq!(
        templates.iter().copied().collect::<BTreeSet<_>>().len(),
        templates.len(),
        "every template is there once: {templates:?}"
    );
    for name in &made {
        assert!(templates.contains(name), "{name}");
    }
    assert!(made.len() > 20, "{made:?}");
}

#[test]
fn every_language_has_every_text() {
    let (english, french) = (Language::English.texts(), Language::French.texts());
    let keys = |texts: &serde_json::Map<String, Value>| texts.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(keys(&english), keys(&french));
    for (key, text) in &english {
        let placeholders = |text: &Value| -> BTreeSet<String> {
            let parts = text.as_str().unwrap().split('{').skip(1);
            parts.map(|part| part.split_once('}').unwrap().0.to_owned()).collect()
        };
        assert_eq!(placeholders(text), placeholders(&french[key]), "{key} has the same values in every language");
    }
}

#[test]
fn french_texts_follow_french_typography() {
    for (key, text) in Language::French.texts() {
        let text = text.as_str().unwrap();
        let signs: Vec<char> = text.chars().collect();
        for pair in signs.windows(2) {
            let [before, sign] = pair else { unreachable!("two") };
            let needs_space = matches!(sign, ':' | ';' | '!' | '?' | '»');
            assert!(
                !needs_space || matches!(before, '\u{A0}' | '\u{202F}'),
                "{key} needs a no-break space before {sign}"
            );
            assert!(*before != '«' || matches!(sign, '\u{A0}' | '\u{202F}'), "{key} needs a no-break space after «");
        }
        assert!(!text.contains('\''), "{key} needs ’ instead of '");
    }
}

#[test]
fn every_text_that_a_script_or_template_names_exists() {
    let texts = Language::English.texts();
    for (name, text) in sources() {
        if name == "en.js" || name == "fr.js" {
            continue;
        }
        let groups: BTreeSet<&str> =
            texts.keys().filter_map(|key| key.split_once('.').map(|(group, _)| group)).collect();
        for quoted in text.split('"') {
            let is_key = quoted.split_once('.').is_some_and(|(group, rest)| groups.contains(group) && !rest.is_empty())
                && quoted.chars().all(|sign| sign.is_ascii_lowercase() || matches!(sign, '.' | '_'));
            // Permissions look like keys.
            let is_permission = texts.contains_key(&format!("permission.{quoted}"));
            let is_there = texts.contains_key(quoted) || texts.contains_key(&format!("{quoted}.other"));
            assert!(!is_key || is_permission || is_there, "{quoted} in {name}");
        }
    }
}

/// The page offers each of these texts as a filter of the history.
#[test]
fn every_audit_action_has_a_text() {
    let texts = Language::English.texts();
    let named = texts.keys().filter_map(|key| key.strip_prefix("event.")).filter(|key| key.contains('.'));
    let actions = EventAction::ALL.map(EventAction::as_str);
    assert_eq!(named.collect::<BTreeSet<_>>(), BTreeSet::from(actions));
}

#[test]
fn every_change_that_can_be_refused_has_a_text() {
    let texts = Language::English.texts();
    for change in ActionKind::ALL.iter().filter(|kind| kind.attempt().is_some()) {
        assert!(texts.contains_key(&format!("attempt.{}", change.as_str())), "{change:?}");
    }
}

#[tokio::test]
async fn the_roles_of_the_page_are_the_roles_of_the_server() {
    let script = source("access.js");
    let (_, roles) = script.split_once("ROLES = ").unwrap();
    let (roles, _) = roles.split_once(';').unwrap();
    let roles: Value = serde_json::from_str(roles).unwrap();
    let partner = Partner::new().await;
    let all = partner.owner().see(partner.owner()).await["permissions"].clone();
    assert_eq!(roles["admin"]["ceiling"], all, "an admin may have every permission");
    for (role, known) in roles.as_object().unwrap() {
        let user = partner.owner().add("Ann", "Lee").role(role).created().await;
        assert_eq!(partner.owner().see(&user).await["permissions"], known["preset"], "{role}");
        for permission in all.as_array().unwrap() {
            let answer =
                partner.owner().set_permissions(&user, &json!({ "role": role, "permissions": [permission] })).await;
            let is_possible = known["ceiling"].as_array().unwrap().contains(permission);
            assert_eq!(answer.status == 200, is_possible, "{role} and {permission}: {answer}");
        }
    }
}
