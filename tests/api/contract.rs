//! The harness compares every request under `/v1` and its response with `shared/openapi.yaml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use portal_tests::{Answer, Client, Partner, contract, secrets, stack, workspace};
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, Request};
use serde_json::{Value, json};

fn request(method: Method, path: &str, body: &Value) -> Request {
    let mut request = Request::new(method, format!("{}{path}", stack().ready.url).parse().unwrap());
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    if !body.is_null() {
        *request.body_mut() = Some(body.to_string().into());
    }
    request
}

#[track_caller]
fn is_found(expected: &str, request: &Request, answer: &Answer) {
    assert_eq!(contract::mismatch(request, answer).as_deref(), Some(expected));
}

#[tokio::test]
async fn a_response_that_is_not_documented_is_found() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let answer = owner.get(&owner.path()).await.expect(200);
    let sent = request(Method::GET, &owner.path(), &Value::Null);
    assert_eq!(contract::mismatch(&sent, &answer), None);

    let undocumented = Answer { status: 409, ..answer.clone() };
    is_found("getUser: 409: an undocumented status", &sent, &undocumented);

    let mut csv = answer.clone();
    csv.headers.insert("content-type", HeaderValue::from_static("text/csv"));
    is_found("getUser: 200: the undocumented media type \"text/csv\"", &sent, &csv);

    let mut untagged = answer.clone();
    untagged.headers.remove("etag");
    is_found("getUser: 200: the header ETag is missing", &sent, &untagged);

    let mut badly_tagged = answer.clone();
    badly_tagged.headers.insert("etag", HeaderValue::from_static("1"));
    let found = contract::mismatch(&sent, &badly_tagged).unwrap();
    assert!(found.starts_with("getUser: 200: the header ETag: "), "{found}");

    for header in ["location", "set-cookie"] {
        let mut unexpected = answer.clone();
        unexpected.headers.insert(HeaderName::from_static(header), HeaderValue::from_static("/"));
        is_found(&format!("getUser: 200: the undocumented header {header}"), &sent, &unexpected);
    }
}

/// The message has the place and the keyword, but no value.
#[tokio::test]
async fn a_body_that_does_not_fit_its_schema_is_found_and_not_shown() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let answer = owner.get(&owner.path()).await.expect(200);
    let sent = request(Method::GET, &owner.path(), &Value::Null);
    let secret = secrets::password();
    for (field, place) in [("email", "/email"), ("unknown", "")] {
        let mut changed = answer.json.clone();
        changed[field] = json!({ "secret": secret });
        let found = contract::mismatch(&sent, &Answer { text: changed.to_string(), ..answer.clone() }).unwrap();
        assert!(found.starts_with(&format!("getUser: 200: at {place:?} the keyword /")), "{field}");
        assert!(!found.contains(&secret), "{field}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_documented_and_succeeds_is_found() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let list = owner.get("/v1/users").await.expect(200);
    assert_eq!(contract::mismatch(&request(Method::GET, "/v1/users?limit=5", &Value::Null), &list), None);
    let unknown = request(Method::GET, "/v1/users?colour=red", &Value::Null);
    is_found("listUsers: 200: the undocumented parameter colour", &unknown, &list);
    let wrong = request(Method::GET, "/v1/users?limit=none", &Value::Null);
    let found = contract::mismatch(&wrong, &list).unwrap();
    assert!(found.starts_with("listUsers: 200: the parameter limit: at \"\" the keyword /"), "{found}");

    let user = owner.get(&owner.path()).await.expect(200);
    let fits = request(Method::PATCH, &owner.path(), &json!({ "first_name": "Ann" }));
    assert_eq!(contract::mismatch(&fits, &user), None);
    let unknown = request(Method::PATCH, &owner.path(), &json!({ "nickname": "Ann" }));
    let found = contract::mismatch(&unknown, &user).unwrap();
    assert!(found.starts_with("editUser: 200: the request's body: at \"\" the keyword /"), "{found}");
    let without = request(Method::PATCH, &owner.path(), &Value::Null);
    is_found("editUser: 200: the request's body: the body is not JSON", &without, &user);
}

#[tokio::test]
async fn an_unknown_route_has_the_response_of_api_gateway() {
    let client = Client::new();
    let answer = client.get("/v1/nothing").await;
    answer.gateway(404, "Not Found");
    let sent = request(Method::GET, "/v1/nothing", &Value::Null);
    is_found("GET /v1/nothing: 200: an unknown operation succeeds", &sent, &Answer { status: 200, ..answer });
}

/// The lines of a text that are not comments.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

/// `getMe 200`, and what follows.
fn read(line: &str) -> ((String, u16), &str) {
    let mut words = line.splitn(3, ' ');
    let operation = words.next().unwrap().to_owned();
    let status = words.next().unwrap_or_else(|| panic!("a line without a status: {line}")).parse().unwrap();
    ((operation, status), words.next().unwrap_or_default())
}

#[test]
#[ignore = "reads what the suites recorded: `.ci/run` runs it after them"]
fn every_documented_status_is_produced_by_a_test_or_listed_with_a_reason() {
    let mut produced = BTreeSet::new();
    for entry in fs::read_dir(contract::records()).expect("the records of the suites, which have to run before") {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        produced.extend(lines(&text).map(|line| read(line).0));
    }
    let list = fs::read_to_string(workspace().join("tests/api/unproduced.txt")).unwrap();
    let listed: BTreeMap<(String, u16), &str> = lines(&list).map(read).collect();
    for (status, reason) in &listed {
        assert!(!reason.is_empty(), "{status:?} is listed without a reason");
    }
    let listed: BTreeSet<(String, u16)> = listed.into_keys().collect();
    let documented = contract::documented();

    let shown = |statuses: Vec<&(String, u16)>| -> Vec<String> {
        statuses.into_iter().map(|(operation, status)| format!("{operation} {status}")).collect()
    };
    let unproduced = documented.iter().filter(|status| !produced.contains(status) && !listed.contains(status));
    assert_eq!(shown(unproduced.collect()), [""; 0], "documented, but no test produces it");
    let needless = listed.iter().filter(|status| produced.contains(status) || !documented.contains(status));
    assert_eq!(shown(needless.collect()), [""; 0], "listed, but a test produces it, or it is not documented");
}
