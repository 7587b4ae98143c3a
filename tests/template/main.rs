//! Compares `template.yaml` with the rest of the repository. It names exactly what exists, and no function has more
//! permissions than it should.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test reports a failure with a panic"
)]

mod alarms;
mod contract;
mod crates;
mod edge;
mod events;
mod operations;

use std::collections::BTreeSet;
use std::fs;

use portal_tests::template::{Function, functions};
use portal_tests::workspace;
use serde_yaml_ng::Value;

/// The variables that `config.rs` reads and the template sets.
const KNOWN_VARIABLES: [&str; 14] = [
    "EMAIL_HASH_KEY",
    "INVITATIONS_PER_DAY",
    "USERS_TABLE",
    "CREDENTIALS_TABLE",
    "SESSIONS_TABLE",
    "AUDIT_TABLE",
    "OUTBOX_TABLE",
    "MAIL_FROM",
    "MAIL_CONFIGURATION_SET",
    "PORTAL_URL",
    "USER_POOL_ID",
    "USER_POOL_CLIENT_ID",
    "REFRESH_TOKEN_DAYS",
    "SIGN_IN_HISTORY_DAYS",
];

/// `functions/add-user/` → `add-user`.
fn folder(function: &Function) -> &str {
    function.code_uri.strip_prefix("functions/").unwrap().strip_suffix('/').unwrap()
}

/// The values of a statement's key, which holds one value or a list, as texts.
fn list(statement: &Value, key: &str) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => serde_yaml_ng::to_string(other).unwrap(),
    };
    match &statement[key] {
        Value::Sequence(values) => values.iter().map(text).collect(),
        Value::Null => Vec::new(),
        value => vec![text(value)],
    }
}

#[test]
fn every_function_has_a_folder_and_every_folder_a_function() {
    let named: BTreeSet<_> = functions().iter().map(|function| folder(function).to_owned()).collect();
    let found: BTreeSet<_> = fs::read_dir(workspace().join("functions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(named, found);
}

#[test]
fn a_function_has_one_name_everywhere() {
    for function in functions() {
        let folder = folder(&function);
        let manifest = fs::read_to_string(workspace().join("functions").join(folder).join("Cargo.toml")).unwrap();
        assert_eq!(manifest.matches(&format!("name = \"{folder}\"")).count(), 2, "package and binary in {folder}");
        assert_eq!(function.binary, folder);
        let camel: String = folder.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
        assert_eq!(function.logical_id, format!("{camel}Function"));
        let suite = workspace().join("tests/api").join(format!("{}.rs", folder.replace('-', "_")));
        assert!(suite.is_file(), "{folder} has no suite");
    }
}

#[test]
fn a_function_gets_only_variables_that_the_code_reads() {
    for function in functions() {
        for name in &function.environment {
            assert!(KNOWN_VARIABLES.contains(&name.as_str()), "{} has {name}", function.logical_id);
        }
    }
}

#[test]
fn a_function_gets_a_resource_name_exactly_when_it_may_use_the_resource() {
    let resources = [
        ("USERS_TABLE", "UsersTable"),
        ("CREDENTIALS_TABLE", "CredentialsTable"),
        ("SESSIONS_TABLE", "SessionsTable"),
        ("AUDIT_TABLE", "AuditTable"),
        ("OUTBOX_TABLE", "OutboxTable"),
        ("USER_POOL_ID", "UserPool"),
    ];
    for function in functions() {
        let allowed: Vec<String> =
            function.statements.iter().flat_map(|statement| list(statement, "Resource")).collect();
        for (variable, resource) in resources {
            let may_use = allowed.iter().any(|text| text.contains(&format!("{resource}.Arn")));
            let knows = function.environment.iter().any(|name| name == variable);
            // Signing out revokes a refresh token with the client's id only, which needs no permission.
            if function.logical_id == "SignOutFunction" && variable == "USER_POOL_ID" {
                continue;
            }
            // `GET /v1/me` shows whether mail is on.
            if function.logical_id == "GetMeFunction" && variable == "OUTBOX_TABLE" {
                continue;
            }
            assert_eq!(may_use, knows, "{} and {resource}", function.logical_id);
        }
    }
}

#[test]
fn no_statement_has_a_wildcard() {
    for function in functions() {
        // The page is part of its function's binary, so this function reads nothing.
        let needs_nothing = function.logical_id == "PortalPageFunction";
        assert_eq!(function.statements.is_empty(), needs_nothing, "{}", function.logical_id);
        for statement in &function.statements {
            assert_eq!(statement["Effect"], "Allow");
            for key in ["Action", "Resource"] {
                let values = list(statement, key);
                assert!(!values.is_empty(), "{} has a statement without {key}", function.logical_id);
                for value in values {
                    assert!(!value.contains('*'), "{} may {value}", function.logical_id);
                }
            }
        }
    }
}

/// The actions that a function may use on a table or the user pool.
fn actions(function: &Function, resource: &str) -> BTreeSet<String> {
    let on =
        |statement: &&Value| list(statement, "Resource").iter().any(|text| text.contains(&format!("{resource}.Arn")));
    function.statements.iter().filter(on).flat_map(|statement| list(statement, "Action")).collect()
}

#[test]
fn no_function_changes_or_deletes_events_and_only_two_read_them() {
    for function in functions() {
        let allowed = actions(&function, "AuditTable");
        let may: &[&str] = match folder(&function) {
            "list-audit-events" | "get-review-record" => &["dynamodb:BatchGetItem", "dynamodb:Query"],
            _ => &["dynamodb:PutItem"],
        };
        let may: BTreeSet<_> = may.iter().map(|action| (*action).to_owned()).collect();
        assert!(allowed.is_empty() || allowed == may, "{} may {allowed:?}", function.logical_id);
    }
}

#[test]
fn only_functions_that_handle_passwords_or_second_factors_access_the_credentials() {
    let mut hashing = 0;
    for function in functions() {
        let mut allowed = actions(&function, "CredentialsTable");
        // The removal of a user removes the digest, and reads nothing.
        let removes = allowed.remove("dynamodb:DeleteItem");
        assert!(
            !removes || actions(&function, "UsersTable").contains("dynamodb:DeleteItem"),
            "{}",
            function.logical_id
        );
        let needs_credentials = function.hashes_passwords() || function.handles_factors();
        assert_eq!(!allowed.is_empty(), needs_credentials, "{} may {allowed:?}", function.logical_id);
        assert!(!allowed.contains("dynamodb:Query"), "{} reads digests by key only", function.logical_id);
        hashing += usize::from(function.hashes_passwords());
    }
    assert!(hashing > 5, "{hashing} functions hash passwords");
}

#[test]
fn only_end_all_sessions_scans_the_users_and_only_sweep_outbox_the_outbox() {
    let scans = |function: &Function, table| actions(function, table).contains("dynamodb:Scan");
    for function in functions() {
        assert_eq!(scans(&function, "UsersTable"), folder(&function) == "end-all-sessions", "{}", function.logical_id);
        assert_eq!(scans(&function, "OutboxTable"), folder(&function) == "sweep-outbox", "{}", function.logical_id);
        for table in ["CredentialsTable", "SessionsTable", "AuditTable"] {
            assert!(!scans(&function, table), "{} scans {table}", function.logical_id);
        }
    }
}

/// Other functions add mail, and cannot read or change it.
#[test]
fn only_the_functions_that_send_mail_read_the_outbox_and_call_the_mail_service() {
    for function in functions() {
        let sends = ["send-mail", "sweep-outbox"].contains(&folder(&function));
        let only_adds = actions(&function, "OutboxTable").iter().all(|action| action == "dynamodb:PutItem");
        assert_eq!(!only_adds, sends, "{}", function.logical_id);
        let calls = function.statements.iter().any(|statement| list(statement, "Action") == ["ses:SendEmail"]);
        assert_eq!(calls, sends, "{}", function.logical_id);
        assert!(!sends || actions(&function, "CredentialsTable").is_empty(), "{}", function.logical_id);
    }
}

/// So neither its response nor its time can depend on whether a user has the email.
#[test]
fn the_function_that_requests_a_reset_cannot_read_users() {
    let all = functions();
    let function = all.iter().find(|function| folder(function) == "request-password-reset").unwrap();
    for table in ["UsersTable", "CredentialsTable", "AuditTable"] {
        assert!(actions(function, table).is_empty(), "{table}");
    }
    assert!(actions(function, "OutboxTable").iter().eq(["dynamodb:PutItem"]));
}

/// `contract` compares the routes under `/v1` with `shared/openapi.yaml`.
#[test]
fn only_the_page_has_routes_outside_of_the_contract() {
    let page = [
        "GET / → portal-page",
        "GET /assets/{file+} → portal-page",
        "HEAD / → portal-page",
        "HEAD /assets/{file+} → portal-page",
        "GET /openapi.json → portal-page",
        "GET /reference → portal-page",
    ];
    let functions = functions();
    let others = functions.iter().flat_map(|function| function.routes.iter().map(move |route| (function, route)));
    let others: BTreeSet<_> = others
        .filter(|(_, route)| !route.name.contains(" /v1/"))
        .map(|(function, route)| format!("{} → {}", route.name, folder(function)))
        .collect();
    assert_eq!(others, page.map(str::to_owned).into());
}

#[test]
fn functions_of_operators_schedules_and_events_have_no_route() {
    let off: BTreeSet<_> = functions()
        .into_iter()
        .filter(|function| function.routes.is_empty())
        .map(|function| (folder(&function).to_owned(), function.schedules))
        .collect();
    let expected = [
        ("create-partner", 0),
        ("end-all-sessions", 0),
        ("note-delivery", 0),
        ("recover-primary-admin", 0),
        ("repair-identities", 1),
        ("send-mail", 0),
        ("sweep-outbox", 1),
    ];
    assert_eq!(off, expected.map(|(folder, schedules)| (folder.to_owned(), schedules)).into());
}
