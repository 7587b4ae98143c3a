//! Packs `assets/` for the binary: joins the templates of the first screens and the texts of one language into a page, one page
//! for each language, and the modules and the other templates into scripts, removes comments, compresses each file once, and
//! names their folder by a digest of their content, so that browsers can cache them forever. Converts the API's contract to
//! JSON, and to a page for readers.

#[path = "build/bundle.rs"]
mod bundle;
#[path = "build/minify.rs"]
mod minify;
#[path = "build/reference.rs"]
mod reference;
#[path = "build/templates.rs"]
mod templates;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use brotli::enc::BrotliEncoderParams;
use serde_yaml_ng::Value;
use sha2::{Digest as _, Sha256};

use bundle::Scripts;

/// The page itself. It contains the folder's name, so it is not part of the digest.
const PAGE: &str = "index.html";

/// The contract of the API.
const CONTRACT: &str = "../../shared/openapi.yaml";

/// The languages of the page: `en.js` has the English texts. The first one is for browsers that want none of them.
const LANGUAGES: [&str; 2] = ["en", "fr"];

/// The module that the page runs. The script with all modules of the first screens has its name.
const ENTRY: &str = "main.js";

/// The names of the later scripts, with the folders of the modules that each has: the user's own account, and all other views. There
/// is one of each for each language, with its texts.
const LATER: [(&str, &[&str]); 3] = [
    ("account", &["account/"]),
    ("review", &["review/", "record/", "history/", "user/", "users/export"]),
    ("views", &[""]),
];

/// The statement with which such a script adds the texts of the document's language. The module `language.js` has this name in it.
const ADD_TEXTS: &str = "$language.addTexts(\"{language}\",{texts});";

/// The style sheet that only the reference loads.
const REFERENCE_STYLE: &str = "build/reference.css";

/// The placeholder in `index.html` for the folder's name.
const ASSETS: &str = "{assets}";

/// The placeholder in `index.html` for the templates of the first screens.
const TEMPLATES: &str = "{templates}\n";

/// The placeholders in `index.html` for the code of the language and its texts.
const LANGUAGE: &str = "{language}";
const TEXTS: &str = "{texts}";

/// The number of bytes of the digest in the folder's name.
const NAME_BYTES: usize = 8;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed={CONTRACT}");
    #[allow(clippy::disallowed_methods, reason = "cargo sets OUT_DIR for build scripts")]
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut sources = BTreeMap::new();
    read(Path::new("assets"), "", &mut sources)?;
    let mut page = sources.remove(PAGE).ok_or("there is no index.html")?;
    let (mut assets, mut modules, mut markup) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (name, content) in sources {
        match extension(&name) {
            Some("html") => drop(markup.insert(name, content)),
            Some("js") => drop(modules.insert(name, content)),
            Some("css") => assets.push((name, dense(&content))),
            Some(_) | None => assets.push((name, content)),
        }
    }
    let separate = LANGUAGES.map(|language| format!("{language}.js"));
    let scripts = bundle::bundle(
        &modules,
        &markup,
        &Scripts { entry: ENTRY, later: &LATER, preamble: ADD_TEXTS, separate: &separate },
    )?;
    // All that the scripts consist of, by which the texts are distributed.
    let code = |name: &str| {
        let script = scripts.iter().find(|script| script.name == name);
        script
            .map(|script| script.content.clone() + &script.templates)
            .ok_or_else(|| format!("there is no script {name}"))
    };
    let first = code(ENTRY)? + &page;
    let later = LATER.iter().map(|(name, _)| code(name)).collect::<Result<Vec<_>, _>>()?;
    let mut texts = BTreeMap::new();
    for language in LANGUAGES {
        let module = modules.get(&format!("{language}.js")).ok_or("a language has no texts")?;
        texts.insert(language, Texts::split(module, &first, &later)?);
    }
    let mut templates = String::new();
    for script in scripts {
        let place = LATER.iter().position(|(name, _)| *name == script.name);
        if let Some(place) = place {
            let content = minify::minify(&script.content);
            for (language, texts) in &texts {
                let own = texts.later.get(place).ok_or("a script has no texts")?;
                let statement = ADD_TEXTS.replace(LANGUAGE, language).replace(TEXTS, own);
                assets.push((format!("{}-{language}.js", script.name), content.replace(ADD_TEXTS, &statement)));
            }
        } else if script.name == ENTRY {
            assets.push((script.name, minify::minify(&script.content)));
            templates = script.templates;
        } else {
            assets.push((script.name, script.content));
        }
    }
    println!("cargo::rerun-if-changed={REFERENCE_STYLE}");
    assets.push(("reference.css".to_owned(), without_comments(&fs::read_to_string(REFERENCE_STYLE)?)));
    let folder = digest(&assets)?;
    for (placeholder, content) in [(TEMPLATES, &templates), (ASSETS, &folder)] {
        page = page.replace(placeholder, content);
    }
    let inline = page.split_once("<script>").and_then(|(_, rest)| rest.split_once("</script>"));
    let (inline, _) = inline.ok_or("the page has no inline script")?;
    let inline = BASE64_STANDARD.encode(Sha256::digest(inline));
    let contract: Value = serde_yaml_ng::from_str(&fs::read_to_string(CONTRACT)?)?;

    let mut table = format!("const FOLDER: &str = {folder:?};\nconst LANGUAGES: &[&str] = &{LANGUAGES:?};\n");
    writeln!(table, "/// The hash of the page's inline script, for the content security policy.")?;
    writeln!(table, "macro_rules! inline_script {{ () => {{ \"'sha256-{inline}'\" }} }}")?;
    table.push_str("const PAGES: &[File] = &[\n");
    for (language, texts) in &texts {
        // The texts come last, because they may contain anything.
        let page = page.replace(LANGUAGE, language).replace(TEXTS, &texts.first.replace('<', "\\u003c"));
        pack(&out, language, &format!("{language}.html"), &page, &mut table)?;
    }
    table.push_str("];\nconst DOCUMENTS: &[File] = &[\n");
    pack(&out, "/openapi.json", "openapi.json", &serde_json::to_string(&contract)?, &mut table)?;
    pack(&out, "/reference", "reference.html", &reference::page(&contract, &folder)?, &mut table)?;
    table.push_str("];\nconst ASSETS: &[File] = &[\n");
    for (name, content) in assets {
        pack(&out, &name, &name, &content, &mut table)?;
    }
    table.push_str("];\n");
    fs::write(out.join("files.rs"), table)?;
    Ok(())
}

/// The texts of a language as JSON, in the order of their file: those that the first screens can need, and those of each later script.
struct Texts {
    first: String,
    later: Vec<String>,
}

impl Texts {
    /// `first` is all that the first screens consist of, and `later` all of each later script. The last one has every text that no
    /// other names.
    fn split(module: &str, first: &str, later: &[String]) -> Result<Self, Box<dyn Error>> {
        let (_, object) = module.split_once("export default ").ok_or("a language has no texts")?;
        serde_json::from_str::<BTreeMap<String, String>>(object.trim_end().trim_end_matches(';'))?;
        let mut parts = vec![Vec::new(); later.len() + 1];
        for line in object.lines().filter(|line| line.starts_with('"')) {
            let key = line.split('"').nth(1).ok_or("a text has no key")?;
            let mut places: Vec<usize> = if is_named(key, first) {
                vec![0]
            } else {
                (1..).zip(later).filter(|(_, code)| is_named(key, code)).map(|(place, _)| place).collect()
            };
            if places.is_empty() {
                places.push(later.len());
            }
            for place in places {
                parts.get_mut(place).ok_or("a text has no place")?.push(line.trim_end_matches(','));
            }
        }
        let mut parts = parts.into_iter().map(|lines| format!("{{\n{}\n}}", lines.join(",\n"))).collect::<Vec<_>>();
        for texts in &parts {
            serde_json::from_str::<BTreeMap<String, String>>(texts)?;
        }
        let first = parts.remove(0);
        Ok(Self { first, later: parts })
    }
}

/// Whether code names the key of a text, the key without its plural form, its group as in `word("fact", name)`, or a beginning of
/// the key in a template literal, as in `role.${user.role}`.
fn is_named(key: &str, code: &str) -> bool {
    let base = key.strip_suffix(".one").or_else(|| key.strip_suffix(".other")).unwrap_or(key);
    let group = key.split('.').next().unwrap_or(key);
    if code.contains(&format!("word(\"{group}\",")) {
        return true;
    }
    [key, base].iter().any(|key| code.contains(&format!("\"{key}\"")))
        || key
            .match_indices('.')
            .filter_map(|(at, _)| key.get(..=at))
            .any(|start| code.contains(&format!("`{start}${{")))
}

/// A name for the content of these files.
fn digest(files: &[(String, String)]) -> Result<String, std::fmt::Error> {
    let mut digest = Sha256::new();
    for (name, content) in files {
        digest.update(name);
        digest.update(content.len().to_le_bytes());
        digest.update(content);
    }
    let mut name = String::new();
    for byte in digest.finalize().iter().take(NAME_BYTES) {
        write!(name, "{byte:02x}")?;
    }
    Ok(name)
}

/// Writes a file to `out`, plain and compressed, and adds it to `table` under `name`.
fn pack(out: &Path, name: &str, path: &str, content: &str, table: &mut String) -> Result<(), Box<dyn Error>> {
    let (mut gzip, mut brotli) = (Vec::new(), Vec::new());
    zopfli::compress(zopfli::Options::default(), zopfli::Format::Gzip, content.as_bytes(), &mut gzip)?;
    brotli::BrotliCompress(&mut content.as_bytes(), &mut brotli, &BrotliEncoderParams::default())?;
    if let Some(parent) = out.join(path).parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(out.join(path), content)?;
    fs::write(out.join(format!("{path}.gz")), gzip)?;
    fs::write(out.join(format!("{path}.br")), brotli)?;
    let kind = content_type(path)?;
    let digest = digest(&[(path.to_owned(), content.to_owned())])?;
    writeln!(
        table,
        "File {{ name: {name:?}, content_type: {kind:?}, digest: {digest:?}, plain: include_bytes!({path:?}), \
         gzip: include_bytes!(\"{path}.gz\"), brotli: include_bytes!(\"{path}.br\") }},"
    )?;
    Ok(())
}

/// Reads every file in `folder` without its comments. The keys of `sources` are paths below `assets/`.
fn read(folder: &Path, prefix: &str, sources: &mut BTreeMap<String, String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("the name of an asset is not UTF-8")?;
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            read(&path, &format!("{name}/"), sources)?;
        } else {
            sources.insert(name, without_comments(&fs::read_to_string(path)?));
        }
    }
    Ok(())
}

/// Removes the white space of a style sheet that has no meaning. Its strings contain none of these signs beside a space.
fn dense(style: &str) -> String {
    let joined = style.replace('\n', "");
    [(" {", "{"), ("{ ", "{"), ("; ", ";"), (": ", ":"), (", ", ","), (" }", "}")]
        .iter()
        .fold(joined, |style, (from, to)| style.replace(from, to))
}

/// Removes indentation, empty lines and lines that contain only a comment. The lines of a multi-line template literal would
/// change too, so eslint rejects those.
fn without_comments(source: &str) -> String {
    let mut kept = String::new();
    let mut is_comment = false;
    for line in source.lines().map(str::trim) {
        is_comment |= line.starts_with("/*");
        if !is_comment && !line.is_empty() && !line.starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
        is_comment &= !line.ends_with("*/");
    }
    kept
}

fn extension(name: &str) -> Option<&str> {
    Path::new(name).extension().and_then(|extension| extension.to_str())
}

fn content_type(name: &str) -> Result<&'static str, String> {
    match extension(name) {
        Some("css") => Ok("text/css; charset=utf-8"),
        Some("html") => Ok("text/html; charset=utf-8"),
        Some("js") => Ok("text/javascript; charset=utf-8"),
        Some("json") => Ok("application/json"),
        Some("svg") => Ok("image/svg+xml"),
        Some(_) | None => Err(format!("the content type of {name} is unknown")),
    }
}
