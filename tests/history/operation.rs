//! What the clients ask for and what they are answered, with the times of both by one clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use portal_tests::faults::Trace;
use portal_tests::{Answer, Client, secrets};
use serde_json::{Value, json};

/// A session that a sign-in began.
#[derive(Debug)]
pub(crate) struct Session {
    /// Whose.
    pub(crate) user: String,
    /// The tokens' `origin_jti`.
    pub(crate) id: String,
    /// The generation that its tokens name.
    pub(crate) generation: u64,
    /// The access token.
    pub(crate) token: String,
    /// The refresh token.
    pub(crate) refresh_token: String,
    /// When the sign-in was answered.
    pub(crate) since: Instant,
    /// From where.
    pub(crate) client: Client,
}

impl Session {
    /// The session of these tokens.
    pub(crate) fn read(client: &Client, answer: &Answer) -> Self {
        let token = secrets::remembered(answer.text_at("/access_token"));
        let (user, id, generation) = named_by(&token);
        let refresh_token = secrets::remembered(answer.text_at("/refresh_token"));
        Self { user, id, generation, token, refresh_token, since: Instant::now(), client: client.clone() }
    }
}

/// The user, the session and the generation that an access token names.
pub(crate) fn named_by(token: &str) -> (String, String, u64) {
    let claims: Value = jsonwebtoken::dangerous::insecure_decode(token).unwrap().claims;
    let mut name = claims["username"].as_str().unwrap().split('.').skip(1);
    let user = name.next().unwrap().to_owned();
    (user, claims["origin_jti"].as_str().unwrap().to_owned(), name.next().unwrap().parse().unwrap())
}

/// Role and permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) role: &'static str,
    pub(crate) permissions: BTreeSet<&'static str>,
}

/// What a client asks for.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    Me,
    Get { target: String },
    List,
    Edit { target: String, first_name: Option<String>, email: Option<String>, if_match: Option<u64> },
    SetPermissions { target: String, access: Access, if_match: Option<u64> },
    SetPassword { target: String, password: String },
    OwnPassword { current: String, new: String },
    ForceLogout { target: String, if_match: Option<u64> },
    Remove { target: String },
    SetStatus { target: String, is_active: bool, if_match: Option<u64> },
    EndSession { target: String, session: String },
    HandOver { target: String, current: String },
    Decide { target: String, decision: &'static str, if_match: Option<u64> },
    Add { email: String, first_name: String, password: String, access: Access },
    SignIn { email: String, password: String },
    SignOut,
    Refresh,
}

impl Wish {
    /// The user that it names.
    pub(crate) fn target(&self) -> Option<&str> {
        match self {
            Self::Get { target }
            | Self::Edit { target, .. }
            | Self::SetPermissions { target, .. }
            | Self::SetPassword { target, .. }
            | Self::ForceLogout { target, .. }
            | Self::Remove { target }
            | Self::SetStatus { target, .. }
            | Self::EndSession { target, .. }
            | Self::HandOver { target, .. }
            | Self::Decide { target, .. } => Some(target),
            Self::Me
            | Self::List
            | Self::OwnPassword { .. }
            | Self::Add { .. }
            | Self::SignIn { .. }
            | Self::SignOut
            | Self::Refresh => None,
        }
    }

    /// The version that it insists on.
    pub(crate) fn if_match(&self) -> Option<u64> {
        match self {
            Self::Edit { if_match, .. }
            | Self::SetPermissions { if_match, .. }
            | Self::ForceLogout { if_match, .. }
            | Self::SetStatus { if_match, .. }
            | Self::Decide { if_match, .. } => *if_match,
            Self::Me
            | Self::Get { .. }
            | Self::List
            | Self::SetPassword { .. }
            | Self::OwnPassword { .. }
            | Self::Remove { .. }
            | Self::EndSession { .. }
            | Self::HandOver { .. }
            | Self::Add { .. }
            | Self::SignIn { .. }
            | Self::SignOut
            | Self::Refresh => None,
        }
    }

    /// The audit event that it leaves when it is granted; none for what only reads.
    pub(crate) fn event(&self) -> Option<&'static str> {
        match self {
            Self::Me | Self::Get { .. } | Self::List | Self::Refresh => None,
            Self::Edit { .. } => Some("user.edited"),
            Self::SetPermissions { .. } => Some("permissions.set"),
            Self::SetPassword { .. } => Some("password.set"),
            Self::OwnPassword { .. } => Some("password.changed"),
            Self::ForceLogout { .. } => Some("logout.forced"),
            Self::Remove { .. } => Some("user.removed"),
            Self::Add { .. } => Some("user.added"),
            Self::SignIn { .. } => Some("session.started"),
            Self::SignOut | Self::EndSession { .. } => Some("session.ended"),
            Self::SetStatus { is_active: true, .. } => Some("user.reactivated"),
            Self::SetStatus { is_active: false, .. } => Some("user.suspended"),
            Self::HandOver { .. } => Some("primary_admin.handed_over"),
            Self::Decide { .. } => Some("access.reviewed"),
        }
    }

    /// Asks for it.
    pub(crate) async fn send(
        &self,
        partner: &str,
        client: &Client,
        session: Option<&Session>,
        trace: &Trace,
    ) -> Answer {
        let token = session.map(|session| session.token.as_str()).unwrap_or_default();
        let path = |target: &str| format!("/v1/users/{target}");
        let call = |method: &str, path: &str| client.call(method, path).bearer(token);
        let call = match self {
            Self::Me => call("GET", "/v1/me"),
            Self::Get { target } => call("GET", &path(target)),
            Self::List => call("GET", "/v1/users?limit=100"),
            Self::Edit { target, first_name, email, .. } => {
                let mut changes = serde_json::Map::new();
                changes.extend(first_name.iter().map(|name| ("first_name".to_owned(), name.clone().into())));
                changes.extend(email.iter().map(|email| ("email".to_owned(), email.clone().into())));
                call("PATCH", &path(target)).json(&Value::Object(changes))
            }
            Self::SetPermissions { target, access, .. } => {
                let body = json!({ "role": access.role, "permissions": access.permissions });
                call("PUT", &format!("{}/permissions", path(target))).json(&body)
            }
            Self::SetPassword { target, password } => {
                let body = json!({ "password": password, "must_change": false });
                call("PUT", &format!("{}/password", path(target))).json(&body)
            }
            Self::OwnPassword { current, new } => {
                let own = session.map(|session| session.user.as_str()).unwrap_or_default();
                let body = json!({ "password": new, "current_password": current });
                call("PUT", &format!("{}/password", path(own))).json(&body)
            }
            Self::ForceLogout { target, .. } => call("POST", &format!("{}/force-logout", path(target))),
            Self::Remove { target } => call("DELETE", &path(target)),
            Self::SetStatus { target, is_active, .. } => {
                let status = if *is_active { "active" } else { "suspended" };
                call("PUT", &format!("{}/status", path(target))).json(&json!({ "status": status }))
            }
            Self::EndSession { target, session } => call("DELETE", &format!("{}/sessions/{session}", path(target))),
            Self::HandOver { target, current } => {
                call("POST", "/v1/primary-admin").json(&json!({ "user_id": target, "current_password": current }))
            }
            Self::Decide { target, decision, .. } => {
                call("POST", "/v1/access-review/decisions").json(&json!({ "user_id": target, "decision": decision }))
            }
            Self::Add { email, first_name, password, access } => call("POST", "/v1/users").json(&json!({
                "first_name": first_name,
                "last_name": "Somebody",
                "email": email,
                "password": password,
                "must_change": false,
                "role": access.role,
                "permissions": access.permissions,
            })),
            Self::SignIn { email, password } => client.sign_in_at(partner, email, password),
            Self::SignOut => call("DELETE", "/v1/sessions/current"),
            Self::Refresh => client.refresh(session.map(|session| session.refresh_token.as_str()).unwrap_or_default()),
        };
        let call = call.within(trace);
        match self.if_match() {
            Some(version) => call.if_match(&format!("\"{version}\"")).await,
            None => call.await,
        }
    }
}

/// One wish and its answer.
#[derive(Debug)]
pub(crate) struct Operation {
    /// With which session; none to sign in.
    pub(crate) session: Option<Arc<Session>>,
    /// What for.
    pub(crate) wish: Wish,
    /// Before it was sent.
    pub(crate) invoked: Instant,
    /// After it was answered.
    pub(crate) responded: Instant,
    /// The answer.
    pub(crate) answer: Answer,
}

impl Operation {
    /// It was granted, and the client knows.
    pub(crate) fn is_granted(&self) -> bool {
        (200..300).contains(&self.answer.status)
    }

    /// The client cannot know whether it happened.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.answer.status, 502..=504)
    }

    /// The problem's code.
    pub(crate) fn code(&self) -> &str {
        self.answer.json["code"].as_str().unwrap_or_default()
    }

    /// What names it in the audit trail.
    pub(crate) fn request_id(&self) -> &str {
        self.answer.header("apigw-requestid")
    }

    /// Whoever acts.
    pub(crate) fn actor(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.user.as_str())
    }
}
