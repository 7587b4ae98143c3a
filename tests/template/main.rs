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
const KNOWN_VARIABLES: [&str; 8] = [
    "EMAIL_HASH_KEY",
    "USERS_TABLE",
    "CREDENTIALS_TABLE",
    "SESSIONS_TABLE",
    "AUDIT_TABLE",
    "USER_POOL_ID",
    "USER_POOL_CLIENT_ID",
    "REFRESH_TOKEN_DAYS",
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
fn only_functions_that_handle_passwords_access_the_digests() {
    let touching: BTreeSet<_> = functions()
        .iter()
        .filter(|function| !actions(function, "CredentialsTable").is_empty())
        .map(|function| folder(function).to_owned())
        .collect();
    let expected = [
        "add-user",
        "answer-challenge",
        "change-users",
        "create-partner",
        "decide-access",
        "hand-over",
        "import-users",
        "recover-primary-admin",
        "remove-user",
        "set-password",
        "sign-in",
    ];
    assert_eq!(touching, expected.map(str::to_owned).into());
    for function in functions() {
        assert!(
            !actions(&function, "CredentialsTable").contains("dynamodb:Query"),
            "{} reads digests by key only",
            function.logical_id
        );
    }
}

#[test]
fn only_end_all_sessions_scans_a_table() {
    for function in functions() {
        let scans =
            function.statements.iter().any(|statement| list(statement, "Action").contains(&"dynamodb:Scan".into()));
        assert_eq!(scans, function.logical_id == "EndAllSessionsFunction", "{}", function.logical_id);
    }
}

#[test]
fn the_routes_are_exactly_the_listed_ones() {
    let contract = [
        "POST /v1/sessions → sign-in",
        "POST /v1/sessions/challenge → answer-challenge",
        "POST /v1/sessions/refresh → refresh-session",
        "DELETE /v1/sessions/current → sign-out",
        "GET /v1/me → get-me",
        "GET /v1/users → list-users",
        "POST /v1/users → add-user",
        "GET /v1/users/{user_id} → get-user",
        "PATCH /v1/users/{user_id} → edit-user",
        "PUT /v1/users/{user_id}/password → set-password",
        "PUT /v1/users/{user_id}/permissions → set-permissions",
        "POST /v1/primary-admin → hand-over",
        "PUT /v1/users/{user_id}/status → set-status",
        "GET /v1/users/{user_id}/sessions → list-sessions",
        "DELETE /v1/users/{user_id}/sessions/{session_id} → end-session",
        "POST /v1/users/{user_id}/force-logout → force-logout",
        "DELETE /v1/users/{user_id} → remove-user",
        "POST /v1/users/bulk → change-users",
        "POST /v1/users/import → import-users",
        "GET /v1/audit-events → list-audit-events",
        "GET /v1/access-review → review-access",
        "POST /v1/access-review/decisions → decide-access",
        "GET /v1/access-review/record → get-review-record",
        "GET / → portal-page",
        "GET /assets/{file+} → portal-page",
        "HEAD / → portal-page",
        "HEAD /assets/{file+} → portal-page",
        "GET /openapi.json → portal-page",
        "GET /reference → portal-page",
    ];
    let functions = functions();
    let found: BTreeSet<_> = functions
        .iter()
        .flat_map(|function| function.routes.iter().map(|route| format!("{} → {}", route.name, folder(function))))
        .collect();
    assert_eq!(found, contract.map(str::to_owned).into());
}

#[test]
fn operator_functions_have_no_route() {
    let off: BTreeSet<_> = functions()
        .into_iter()
        .filter(|function| function.routes.is_empty())
        .map(|function| (folder(&function).to_owned(), function.schedules))
        .collect();
    let expected =
        [("create-partner", 0), ("end-all-sessions", 0), ("recover-primary-admin", 0), ("repair-identities", 1)];
    assert_eq!(off, expected.map(|(folder, schedules)| (folder.to_owned(), schedules)).into());
}
