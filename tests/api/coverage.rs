//! Every route has an authorization test: these tests send every kind of request to each route of the template.

use std::collections::BTreeSet;

use portal_tests::contract::{self, Documented};
use portal_tests::rows::Rows;
use portal_tests::template::{Function, Route, functions};
use portal_tests::{Actor, Answer, Call, Client, Partner, User, secrets, stack};
use serde_json::{Value, json};

/// A status and a problem's code; an empty code for success.
type Says = (u16, &'static str);

/// The responses of a route that needs a token to requests in which exactly one thing is wrong.
#[derive(Debug)]
struct Row {
    route: String,
    /// A valid body, with placeholders. It is empty if the route has none.
    body: String,
    media_type: &'static str,
    /// The response to a caller without the permission.
    too_little_permission: Says,
    /// The response to an admin for the primary admin as the target.
    primary_admin_as_target: Says,
    /// The response for a user of another partner.
    foreign_user: Says,
    /// The action in the record of a refusal.
    attempted: String,
}

const OK: Says = (200, "");
const MISSING: Says = (403, "missing_permission");
const PROTECTED: Says = (403, "primary_admin_protected");
const NOT_FOUND: Says = (404, "not_found");

/// A session that does not exist. A caller without the permission gets 403 and does not learn this.
const NO_SESSION: &str = "0b2c4f7e-0000-4000-8000-000000000000";

impl Row {
    /// The row of a route. The contract shows whether a request names a user, and the event of the function has a valid
    /// body. An action that differs from the others has a case here.
    fn new(function: &Function, route: &str, documented: &Documented) -> Self {
        let event: Value = serde_json::from_str(&function.event()).unwrap();
        let is_csv = event["headers"]["content-type"] == "text/csv";
        let names_user = route.contains("{user_id}") || documented.fields.contains("user_id");
        let ok = (documented.success, "");
        let changes_user = names_user && !route.starts_with("GET ");
        let ordinary = Self {
            route: route.to_owned(),
            body: event["body"].as_str().unwrap_or_default().to_owned(),
            media_type: if is_csv { "text/csv" } else { "application/json" },
            too_little_permission: MISSING,
            primary_admin_as_target: if changes_user { PROTECTED } else { ok },
            foreign_user: if names_user { NOT_FOUND } else { ok },
            attempted: function.binary.replace('-', "_"),
        };
        match route {
            // Every user may read their own data, and the response to a bulk request has a result for each user.
            "GET /v1/me" | "POST /v1/users/bulk" => Self { too_little_permission: ok, ..ordinary },
            "DELETE /v1/sessions/current" => Self { too_little_permission: ok, body: "{}".to_owned(), ..ordinary },
            // The list is for the admins who may end the sessions.
            "GET /v1/users/{user_id}/sessions" => Self { primary_admin_as_target: PROTECTED, ..ordinary },
            "POST /v1/users/import" => Self { attempted: "add_user".to_owned(), ..ordinary },
            // The access of the primary admin can only be kept.
            "POST /v1/access-review/decisions" => Self {
                body: json!({ "user_id": "{{user_id}}", "decision": "keep" }).to_string(),
                primary_admin_as_target: ok,
                attempted: "keep_access".to_owned(),
                ..ordinary
            },
            // It concerns the caller, who has no such link.
            "POST /v1/email-changes/confirm" => Self {
                primary_admin_as_target: (422, "invalid_link"),
                foreign_user: (422, "invalid_link"),
                attempted: "edit_user".to_owned(),
                ..ordinary
            },
            // Only the primary admin may do this, so no permission is missing.
            "POST /v1/primary-admin" => Self { too_little_permission: PROTECTED, ..ordinary },
            "PUT /v1/settings" => Self {
                too_little_permission: PROTECTED,
                primary_admin_as_target: PROTECTED,
                foreign_user: (403, "second_factor_required"),
                ..ordinary
            },
            // They concern the caller, who has no second factor, sends a wrong password, and answers no challenge.
            "GET /v1/me/factors" | "GET /v1/settings" | "POST /v1/me/factors/totp" | "POST /v1/me/passkeys/options" => {
                Self { too_little_permission: ok, ..ordinary }
            }
            "POST /v1/me/factors/totp/confirm" | "POST /v1/me/reauthentication" => {
                ordinary.always((422, "validation_failed"))
            }
            // The user of a restore has not been removed.
            "POST /v1/removed-users/{user_id}/restore"
            | "DELETE /v1/me/factors/totp"
            | "POST /v1/me/recovery-codes"
            | "PATCH /v1/me/passkeys/{passkey_id}"
            | "DELETE /v1/me/passkeys/{passkey_id}"
            | "POST /v1/me/reauthentication/passkey/options" => ordinary.always(NOT_FOUND),
            "POST /v1/me/passkeys" => {
                let body = json!({ "name": "Phone", "credential": {} }).to_string();
                Self { body, ..ordinary }.always((422, "validation_failed"))
            }
            "POST /v1/me/reauthentication/passkey" => {
                let body = json!({ "credential": {} }).to_string();
                Self { body, ..ordinary }.always((422, "validation_failed"))
            }
            _ => ordinary,
        }
    }
}

impl Row {
    /// The row of a route that has this response for every user.
    fn always(self, says: Says) -> Self {
        Self { too_little_permission: says, primary_admin_as_target: says, foreign_user: says, ..self }
    }
}

/// Every route that needs a token.
fn protected_routes() -> Vec<Row> {
    let contract = contract::routes();
    let mut rows = Vec::new();
    for function in functions() {
        for route in function.routes.iter().filter(|route| !route.public) {
            rows.push(Row::new(&function, &route.name, &contract[&route.name]));
        }
    }
    assert!(rows.len() >= 20, "{} routes", rows.len());
    rows
}

/// Every public route, and its response to an empty object.
const PUBLIC_ROUTES: [(&str, Says); 15] = [
    ("GET /", OK),
    ("GET /assets/{file+}", (404, "")),
    ("HEAD /", OK),
    ("HEAD /assets/{file+}", (404, "")),
    ("GET /openapi.json", OK),
    ("GET /reference", OK),
    ("POST /v1/sessions", (422, "validation_failed")),
    ("POST /v1/sessions/challenge", (422, "validation_failed")),
    ("POST /v1/sessions/challenge/passkey", (422, "validation_failed")),
    ("POST /v1/sessions/passkey", (422, "validation_failed")),
    ("POST /v1/sessions/passkey/options", OK),
    ("POST /v1/sessions/refresh", (401, "unauthenticated")),
    ("POST /v1/password-resets", (422, "validation_failed")),
    ("POST /v1/password-resets/lookup", (422, "validation_failed")),
    ("POST /v1/password-resets/confirm", (422, "validation_failed")),
];

fn routes(public: bool) -> Vec<String> {
    let routes = functions().into_iter().flat_map(|function| function.routes);
    let mut names: Vec<_> = routes.filter(|route| route.public == public).map(|Route { name, .. }| name).collect();
    names.sort();
    names
}

impl Row {
    /// A call with this query and no body.
    fn call(&self, client: &Client, target: &User, query: &str) -> Call {
        let (method, path) = self.route.split_once(' ').unwrap();
        let path = path.replace("{user_id}", &target.id).replace("{session_id}", NO_SESSION);
        let path = path.replace("{passkey_id}", "no-such-passkey");
        client.call(method, &format!("{path}{query}"))
    }

    /// A call with the valid body.
    fn in_order(&self, client: &Client, target: &User, query: &str) -> Call {
        let call = self.call(client, target, query);
        if self.body.is_empty() {
            return call;
        }
        let mut body = self.body.clone();
        for (name, value) in [
            ("user_id", target.id.as_str()),
            ("next_admin_id", &target.id),
            ("current_password", &secrets::password()),
            ("new_email", &secrets::email("ann")),
            ("email_link", "no-such-link"),
            ("new_code", "000000"),
        ] {
            body = body.replace(&format!("{{{{{name}}}}}"), value);
        }
        assert!(!body.contains("{{"), "{} has an unknown placeholder", self.route);
        call.body(self.media_type, body)
    }

    async fn send(&self, client: &Client, token: Option<&str>, target: &User) -> Answer {
        let call = self.in_order(client, target, "");
        match token {
            Some(token) => call.bearer(token).await,
            None => call.await,
        }
    }

    async fn as_actor(&self, actor: &Actor, target: &User) -> Answer {
        self.send(&actor.client, Some(&actor.token), target).await
    }

    fn is_change(&self) -> bool {
        !self.route.starts_with("GET ")
    }
}

#[track_caller]
fn check(case: &str, answer: &Answer, (status, code): Says) {
    is_guarded(case, answer);
    // A response to HEAD has no body that could name the code.
    if code.is_empty() || case.starts_with("HEAD ") {
        assert!(answer.status == status, "{case}: expected {status}, got {answer}");
    } else {
        assert!(answer.json["code"] == code, "{case}: expected {status} {code}, got {answer}");
        answer.problem(status, code);
    }
}

/// Every response of a function has the headers that protect browsers.
#[track_caller]
fn is_guarded(case: &str, answer: &Answer) {
    let is_document = case.starts_with("HEAD ") || (case.starts_with("GET /") && !case.starts_with("GET /v1/"));
    let is_kept = is_document && answer.status == 200;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("referrer-policy", "no-referrer"),
        ("cache-control", if is_kept { "no-cache" } else { "no-store" }),
    ] {
        let found: Vec<_> = answer.headers.get_all(name).iter().collect();
        assert_eq!(found, [value], "{case}: {name} in {answer}");
    }
}

#[test]
fn the_template_has_exactly_the_routes_that_are_covered() {
    let mut protected: Vec<_> = protected_routes().into_iter().map(|row| row.route).collect();
    protected.sort();
    assert_eq!(routes(false), protected, "every route that needs a token has a row");
    let mut public: Vec<_> = PUBLIC_ROUTES.iter().map(|(route, _)| (*route).to_owned()).collect();
    public.sort();
    assert_eq!(routes(true), public, "only these routes are public");
}

#[tokio::test]
async fn a_public_route_needs_no_token() {
    for (route, says) in PUBLIC_ROUTES {
        let (method, path) = route.split_once(' ').unwrap();
        check(route, &Client::new().call(method, path).json(&json!({})).await, says);
    }
}

#[tokio::test]
async fn a_request_without_a_token_is_rejected_by_the_gateway() {
    let partner = Partner::new().await;
    let client = Client::new();
    for row in &protected_routes() {
        row.send(&client, None, partner.owner()).await.gateway(401, "Unauthorized");
    }
}

#[tokio::test]
async fn an_id_token_is_not_an_access_token() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    let token = secrets::remembered(Rows::of(&stack().ready).id_token(&admin).await);
    for row in &protected_routes() {
        let answer = row.send(&admin.client, Some(&token), &ann).await;
        check(&row.route, &answer, (401, "unauthenticated"));
    }
}

#[tokio::test]
async fn a_token_without_a_session_item_is_rejected() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    // Cognito issues this token to a client that knows the machine secret. It is valid, but the portal has no session for it.
    let token = secrets::remembered(Rows::of(&stack().ready).access_token(&admin).await);
    for row in &protected_routes() {
        let answer = row.send(&admin.client, Some(&token), &ann).await;
        check(&row.route, &answer, (401, "session_ended"));
    }
}

#[tokio::test]
async fn a_signed_out_session_is_rejected() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let ann = partner.owner().add("Ann", "Lee").created().await;
    admin.sign_out().await.expect(204);
    for row in &protected_routes() {
        check(&row.route, &row.as_actor(&admin, &ann).await, (401, "session_ended"));
    }
}

#[tokio::test]
async fn a_missing_permission_is_rejected_and_refused_changes_are_recorded() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).created().await;
    let weak = partner.owner().add("Wea", "Kly").role("viewer").permissions(&[]).created().await;
    for row in &protected_routes() {
        // Each call has a new session, because one of them signs out.
        let weak = Client::new().signed_in(&weak).await;
        check(&row.route, &row.as_actor(&weak, &ann).await, row.too_little_permission);
    }
    assert_eq!(partner.owner().see(&ann).await["version"], 1, "nothing changed");
    let refusals = partner.owner().get("/v1/audit-events?action=change.refused&limit=100").await.expect(200);
    let refusals = refusals.json["items"].as_array().unwrap();
    // An action that several routes can do is recorded once a minute.
    let attempted: BTreeSet<&str> =
        refusals.iter().map(|event| event["after"]["attempted"].as_str().unwrap()).collect();
    let routes = protected_routes();
    let refused = routes.iter().filter(|row| row.is_change() && row.too_little_permission.0 == 403);
    let changes: BTreeSet<&str> = refused.map(|row| row.attempted.as_str()).collect();
    assert!(changes.len() >= 10, "{changes:?}");
    assert_eq!(attempted, changes);
}

#[tokio::test]
async fn a_user_of_another_partner_does_not_exist() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let foreign = other.owner().add("Ann", "Lee").signed_in().await;
    for row in &protected_routes() {
        let owner = partner.owner().elsewhere().await;
        check(&row.route, &row.as_actor(&owner, &foreign).await, row.foreign_user);
    }
    foreign.is_signed_in().await;
    assert_eq!(other.owner().see(&foreign).await["version"], 1, "nothing changed");
}

#[tokio::test]
async fn the_primary_admin_is_protected_from_every_other_admin() {
    let partner = Partner::new().await;
    let before = partner.owner().see(partner.owner()).await;
    let admin = partner.owner().add("Ada", "Min").role("admin").created().await;
    for row in &protected_routes() {
        let admin = Client::new().signed_in(&admin).await;
        check(&row.route, &row.as_actor(&admin, partner.owner()).await, row.primary_admin_as_target);
    }
    partner.owner().is_signed_in().await;
    let mut kept = before;
    let after = partner.owner().see(partner.owner()).await;
    // The decision to keep the access increments the version.
    kept["version"] = 2.into();
    kept["updated_at"] = after["updated_at"].clone();
    assert_eq!(after, kept, "nothing else changed");
}

/// A call of a route, the expected response, and the field that the response names.
type Case = (Call, Says, Option<&'static str>);

const BAD: Says = (400, "invalid_request");

/// Sends these calls to every route, with the owner's token where one is needed, and checks that nothing has changed.
async fn every_route_rejects(of: impl Fn(&Client, &str, Option<(&Row, &User)>) -> Vec<Case>) {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").signed_in().await;
    let rows = protected_routes();
    let rows = rows.iter().map(|row| (row.route.as_str(), Some((row, &*ann))));
    for (route, protected) in rows.chain(PUBLIC_ROUTES.map(|(route, _)| (route, None))) {
        for (call, says, field) in of(&owner.client, route, protected) {
            let answer = if protected.is_some() { call.bearer(&owner.token).await } else { call.await };
            check(route, &answer, says);
            if let Some(field) = field.filter(|_| !route.starts_with("HEAD ")) {
                answer.problem(says.0, says.1).names_field(field);
            }
        }
    }
    ann.is_signed_in().await;
    owner.is_signed_in().await;
    assert_eq!(owner.see(&ann).await["version"], 1);
    assert_eq!(owner.get("/v1/users").await.expect(200).json["total"], 2);
}

fn public(client: &Client, route: &str, query: &str) -> Call {
    let (method, path) = route.split_once(' ').unwrap();
    client.call(method, &format!("{path}{query}"))
}

#[tokio::test]
async fn an_unknown_query_parameter_is_rejected_before_anything_changes() {
    every_route_rejects(|client, route, protected| {
        let query = "?unheard_of=1";
        let call = match protected {
            Some((row, ann)) => row.in_order(client, ann, query),
            None if route.contains(" /v1/") => public(client, route, query).json(&json!({})),
            None => return Vec::new(),
        };
        vec![(call, BAD, Some("unheard_of"))]
    })
    .await;
}

#[tokio::test]
async fn a_body_above_the_limit_is_rejected_by_every_route() {
    every_route_rejects(|client, route, protected| {
        let most = if route == "POST /v1/users/import" { 1_048_576 } else { 65_536 };
        let call = || match protected {
            Some((row, ann)) => row.call(client, ann, ""),
            None => public(client, route, ""),
        };
        // A body that is not text reaches the function in base64.
        ["application/json", "application/octet-stream"]
            .map(|kind| (call().body(kind, vec![b'['; most + 1]), (413, "body_too_large"), None))
            .into()
    })
    .await;
}

#[tokio::test]
async fn headers_above_the_limit_of_api_gateway_are_rejected_for_every_route() {
    for route in routes(true).into_iter().chain(routes(false)) {
        let answer = public(&Client::new(), &route, "").header("x-padding", &"x".repeat(10_240)).await;
        if route.starts_with("HEAD ") {
            answer.expect(431);
        } else {
            answer.gateway(431, "Request Header Fields Too Large");
        }
    }
}

#[tokio::test]
async fn a_body_at_the_limit_is_accepted() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let body = json!({ "first_name": "Ann", "last_name": "Lee", "email": secrets::email("ann") }).to_string();
    let padded = format!("{body}{}", " ".repeat(65_536 - body.len()));
    owner.call("POST", "/v1/users").body("application/json", padded).await.expect(201);
    let table = format!("first_name,last_name,email,role\nBob,Ray,{},viewer\n", secrets::email("bob"));
    let planned = owner.import(format!("{table}{}", "\n".repeat(1_048_576 - table.len())), true).await.expect(200);
    assert_eq!(planned.json["rows"], 1, "{planned}");
    let binary = owner.call("POST", "/v1/users").body("application/octet-stream", vec![0xff; 65_536]).await;
    binary.problem(415, "unsupported_media_type");
}

#[tokio::test]
async fn an_encoded_body_is_rejected_by_every_route() {
    every_route_rejects(|client, route, protected| {
        let call = || match protected {
            Some((row, ann)) => row.in_order(client, ann, ""),
            None => public(client, route, "").json(&json!({})),
        };
        ["gzip", "br, identity", "", "utf-8"]
            .map(|coding| (call().header("content-encoding", coding), (415, "unsupported_media_type"), None))
            .into()
    })
    .await;
    let partner = Partner::new().await;
    partner.owner().get("/v1/me").header("content-encoding", "Identity").await.expect(200);
}

#[tokio::test]
async fn no_change_ignores_a_condition_header() {
    let contract = contract::routes();
    let is_conditional = |route: &str| contract.get(route).is_some_and(|documented| documented.is_conditional);
    assert!(routes(false).iter().filter(|route| is_conditional(route)).count() >= 8);
    every_route_rejects(|client, route, protected| {
        let is_change = protected.map_or(route.starts_with("POST "), |(row, _)| row.is_change());
        if !is_change {
            return Vec::new();
        }
        let call = || match protected {
            Some((row, ann)) => row.in_order(client, ann, ""),
            None => public(client, route, "").json(&json!({})),
        };
        let stale = if is_conditional(route) {
            (call().if_match("\"999\""), (412, "version_mismatch"), None)
        } else {
            (call().if_match("\"1\""), BAD, Some("If-Match"))
        };
        let mut calls = vec![stale, (call().header("if-none-match", "*"), BAD, Some("If-None-Match"))];
        for unreadable in [&b"\"1\xe9\""[..], b"1", b"", b"\"1\" \"1\"", b"\"9,*"] {
            calls.push((call().header_bytes("if-match", unreadable), BAD, Some("If-Match")));
        }
        calls
    })
    .await;
}
