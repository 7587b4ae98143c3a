//! Lists as CSV: `GET /v1/users` and `GET /v1/audit-events` with `Accept: text/csv`.

use std::collections::BTreeMap;

use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Call, Partner, User, stack};
use serde_json::{Value, json};

/// The cells of a line by their headings.
pub(crate) type Line = BTreeMap<String, String>;

fn csv_of(actor: &Actor, path: &str) -> Call {
    actor.get(path).header("accept", "text/csv")
}

/// Checks that the response is a CSV table with this file name, and returns its lines.
#[track_caller]
fn lines(answer: &Answer, name: &str) -> Vec<Line> {
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(answer.header("content-disposition"), format!("attachment; filename=\"{name}\""));
    assert_eq!(
        answer.text.matches('\n').count(),
        answer.text.matches("\r\n").count(),
        "lines end with CRLF, as RFC 4180 requires"
    );
    csv::Reader::from_reader(answer.text.as_bytes()).deserialize().collect::<Result<_, _>>().unwrap()
}

/// The path of the next page from the `Link` header.
fn next(answer: &Answer) -> Option<String> {
    let link = Some(answer.header("link")).filter(|link| !link.is_empty())?;
    let path = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\""));
    Some(path.unwrap_or_else(|| panic!("{link}")).to_owned())
}

/// Reads every line of all pages of a list.
pub(crate) async fn all(actor: &Actor, path: &str, name: &str) -> Vec<Line> {
    let (mut found, mut path) = (Vec::new(), Some(path.to_owned()));
    while let Some(page) = path {
        let answer = csv_of(actor, &page).await;
        found.extend(lines(&answer, name));
        path = next(&answer);
    }
    found
}

/// The cell for a value.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(cell).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// Sorts the names of the objects in cells, since their order has no meaning.
fn sorted(mut lines: Vec<Line>) -> Vec<Line> {
    for cell in lines.iter_mut().flat_map(Line::values_mut) {
        if let Ok(mut value @ Value::Object(_)) = serde_json::from_str(cell) {
            value.sort_all_objects();
            *cell = value.to_string();
        }
    }
    lines
}

#[tokio::test]
async fn the_users_table_has_every_field() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    owner.add("Zoë", "O'Neill, \"Zo\"").role("viewer").created().await;
    owner.add("Suharto", "").role("viewer").created().await;
    partner.new_user("manager").await;

    let answer = csv_of(owner, "/v1/users").await;

    let table = lines(&answer, "users.csv");
    assert_eq!(next(&answer), None, "there is no next page");
    let list = owner.get("/v1/users").await.expect(200);
    let users = list.json["items"].as_array().unwrap();
    let expected: Vec<Line> = users
        .iter()
        .map(|user| {
            let mut fields = user.as_object().unwrap().clone();
            let pending = fields.remove("pending").unwrap();
            for field in ["kind", "expires_at"] {
                fields.insert(format!("pending_{field}"), pending[field].clone());
            }
            fields.iter().map(|(name, value)| (name.clone(), cell(value))).collect()
        })
        .collect();
    assert_eq!(table, expected);
    assert!(
        answer.text.starts_with("id,partner_id,first_name,last_name,email,"),
        "the columns have the order of the contract: {answer}"
    );
}

#[tokio::test]
async fn the_history_table_has_every_field() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("manager").created().await;
    owner.set_permissions(&ann, &json!({ "role": "viewer" })).await.expect(200);

    let table = all(owner, "/v1/audit-events", "history.csv").await;

    let list = owner.get("/v1/audit-events").await.expect(200);
    let events = list.json["items"].as_array().unwrap();
    let expected: Vec<Line> = events
        .iter()
        .map(|event| {
            let mut line = Line::new();
            for (name, value) in event.as_object().unwrap() {
                match (name.as_str(), value) {
                    ("actor" | "target", Value::Object(who)) => {
                        line.extend(who.iter().map(|(part, value)| (format!("{name}_{part}"), cell(value))));
                    }
                    _ => {
                        line.insert(name.clone(), cell(value));
                    }
                }
            }
            line
        })
        .collect();
    assert_eq!(sorted(table.clone()), sorted(expected));
    assert_eq!(
        table[0]["summary"],
        "Olive Owner changed the role of Ann Lee from manager to viewer and the permissions to users.read"
    );
}

/// The cells of a table where a spreadsheet splits its lines at `separator`.
fn split(table: &str, separator: u8) -> Vec<String> {
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).delimiter(separator).from_reader(table.as_bytes());
    reader.into_records().flat_map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>()).collect()
}

async fn keep(admin: &Actor, user: &User, note: &str) {
    let body = json!({ "user_id": user.id, "decision": "keep", "note": note });
    admin.post("/v1/access-review/decisions", &body).await.expect(200);
}

#[tokio::test]
async fn no_cell_starts_a_formula_with_any_separator() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let names = [
        ("=HYPERLINK(\"https://evil.example\")", "'=HYPERLINK(\"https://evil.example\")"),
        ("+1", "'+1"),
        ("-1+1", "'-1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("＝1+1", "'＝1+1"),
        ("Ann;=1+1", "Ann;'=1+1"),
        ("Ann, \"@SUM(A1)\"", "Ann, \"'@SUM(A1)\""),
        ("Ann|-2+3;+4", "Ann|'-2+3;'+4"),
        ("'=1", "''=1"),
    ];
    for (name, cell) in names {
        let ann = owner.add(name, "Lee").created().await;
        keep(owner, &ann, name).await;

        let users = csv_of(owner, &format!("/v1/users?search={}", ann.email)).await;
        assert_eq!(lines(&users, "users.csv")[0]["first_name"], cell);
        let history = csv_of(owner, &format!("/v1/audit-events?user_id={}", ann.id)).await;
        assert_eq!(lines(&history, "history.csv")[0]["target_name"], format!("{cell} Lee"));
        let record = csv_of(owner, "/v1/access-review/record").await;
        assert_eq!(lines(&record, "access-review-record.csv")[0]["note"], cell);
        let review = csv_of(owner, "/v1/access-review").await;
        for table in [users, history, record, review] {
            for separator in [b',', b';', b'\t', b'|'] {
                for cell in split(&table.text, separator) {
                    let start = cell.trim_start_matches([' ', '"']);
                    assert!(!start.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']), "{cell:?} in {table}");
                }
            }
        }
    }
}

#[tokio::test]
async fn ordinary_values_are_exported_unchanged() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Jean-Luc", "O'Neill; \"Zo\"").created().await;
    for note in ["12", "a+b-c@example.com; Jean-Luc", "1 = 1"] {
        keep(owner, &ann, note).await;
    }
    let record = csv_of(owner, "/v1/access-review/record").await;
    let record = lines(&record, "access-review-record.csv");
    let mut notes: Vec<_> = record.iter().map(|line| line["note"].as_str()).collect();
    notes.sort_unstable();
    assert_eq!(notes, ["1 = 1", "12", "a+b-c@example.com; Jean-Luc"]);
    assert_eq!(record[0]["user_name"], "Jean-Luc O'Neill; \"Zo\"");
}

#[tokio::test]
async fn links_to_the_next_page_keep_the_filters() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for name in ["Ann", "Bea", "Cat", "Dan", "Eve"] {
        owner.add(name, "de la Tour & Co").role("viewer").created().await;
    }
    let names = |table: &[Line]| table.iter().map(|line| line["first_name"].clone()).collect::<Vec<_>>();

    let users = all(owner, "/v1/users?search=tour+%26&role=viewer&sort=name&order=desc&limit=2", "users.csv").await;
    assert_eq!(names(&users), ["Eve", "Dan", "Cat", "Bea", "Ann"]);
    let added =
        all(owner, &format!("/v1/audit-events?action=user.added&limit=2&actor_id={}", owner.id), "history.csv").await;
    let targets: Vec<_> = added.iter().map(|line| line["target_name"].split(' ').next().unwrap()).collect();
    assert_eq!(targets, ["Eve", "Dan", "Cat", "Bea", "Ann"]);
}

#[tokio::test]
async fn a_csv_page_has_at_most_a_thousand_lines() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    Rows::of(&stack().ready).put_events(&partner.id, "user.edited", 1_200).await;

    let first = csv_of(owner, "/v1/audit-events").await;
    assert_eq!(lines(&first, "history.csv").len(), 1_000);
    let second = csv_of(owner, &next(&first).unwrap()).await;
    assert_eq!(lines(&second, "history.csv").len(), 202, "the page includes the partner's creation and a sign-in");
    assert_eq!(next(&second), None);

    for path in ["/v1/users", "/v1/audit-events"] {
        csv_of(owner, &format!("{path}?limit=1000")).await.expect(200);
        csv_of(owner, &format!("{path}?limit=1001")).await.problem(400, "invalid_request").names_field("limit");
        owner.get(&format!("{path}?limit=101")).await.problem(400, "invalid_request").names_field("limit");
    }
}

#[tokio::test]
async fn a_csv_page_of_large_events_ends_early_and_has_a_next_page() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let name = "\u{1f9d1}".repeat(100);
    let large = owner.add(&name, &name).created().await;
    Rows::of(&stack().ready).put_events(&partner.id, "user.edited", 900).await;

    for (filter, all_of_them) in [(String::new(), 903), (format!("&user_id={}", large.id), 901)] {
        let first = csv_of(owner, &format!("/v1/audit-events?limit=1000{filter}")).await;
        let count = lines(&first, "history.csv").len();
        assert!((100..900).contains(&count), "{count} lines of {} bytes", first.text.len());
        let rest = all(owner, &next(&first).unwrap(), "history.csv").await;
        assert_eq!(count + rest.len(), all_of_them);
    }
}

#[tokio::test]
async fn without_a_request_for_csv_the_response_is_json() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    for accept in ["*/*", "application/json", "text/html, */*;q=0.8", "text/csv;q=0.1, application/json"] {
        for path in ["/v1/users", "/v1/audit-events"] {
            let answer = owner.get(path).header("accept", accept).await.expect(200);
            assert_eq!(answer.header("content-type"), "application/json", "{accept}");
            assert!(answer.json["items"].is_array(), "{answer}");
        }
    }
}

#[tokio::test]
async fn csv_needs_the_same_permission_as_the_list() {
    let partner = Partner::new().await;
    let weak = partner.owner().add("Wea", "Kly").role("viewer").permissions(&[]).signed_in().await;
    for path in ["/v1/users", "/v1/audit-events"] {
        csv_of(&weak, path).await.problem(403, "missing_permission");
    }
}
