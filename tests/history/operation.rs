//! The clients' requests and their responses, with the times of both by one clock.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use portal_tests::faults::Trace;
use portal_tests::{Answer, Authenticator, Client, secrets};
use serde_json::{Value, json};

use crate::model::{ALL, Factors, Person, reduced};
use crate::passkeys::{Made, Started};
use crate::random::Random;
use crate::recorder::Commit;

/// A session that a sign-in started.
#[derive(Debug)]
pub(crate) struct Session {
    /// The id of its user.
    pub(crate) user: String,
    /// The tokens' `origin_jti`.
    pub(crate) id: String,
    /// The generation that its tokens name.
    pub(crate) generation: u64,
    /// The access token.
    pub(crate) token: String,
    /// The refresh token.
    pub(crate) refresh_token: String,
    /// The time of the sign-in's response.
    pub(crate) since: Instant,
    /// The client, which has an address.
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

impl Access {
    /// A random access: a role with all permissions up to its ceiling, or with fewer.
    pub(crate) fn random(random: &mut Random) -> Self {
        let (role, ceiling): (_, &[&str]) = match random.below(10) {
            0..6 => ("admin", &ALL),
            6..9 => ("manager", &["users.read", "users.add", "users.edit", "users.force_logout", "audit.read"]),
            _ => ("viewer", &["users.read", "audit.read"]),
        };
        let is_whole = random.chance(70);
        Self { role, permissions: ceiling.iter().copied().filter(|_| is_whole || random.chance(70)).collect() }
    }
}

/// A code of a second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Code {
    /// The code of an authenticator app in a step.
    App {
        app: Authenticator,
        step: u64,
    },
    Recovery(String),
}

impl Code {
    /// A code in the form of a recovery code that no user has.
    pub(crate) fn wrong() -> Self {
        Self::Recovery("00000-00000".to_owned())
    }

    fn text(&self) -> String {
        match self {
            Self::App { app, step } => app.code_at(*step),
            Self::Recovery(code) => code.clone(),
        }
    }
}

/// What a challenge asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asks {
    Partner,
    Password,
    Factor,
    /// The first code of this authenticator app.
    Enrolment(Authenticator),
}

impl Asks {
    /// What a response asks for, if it has a challenge.
    pub(crate) fn read(json: &Value) -> Option<Self> {
        match json["challenge"].as_str()? {
            "choose_partner" => Some(Self::Partner),
            "new_password_required" => Some(Self::Password),
            "second_factor" => Some(Self::Factor),
            "second_factor_enrolment" => Some(Self::Enrolment(Authenticator::of(&json["totp"]))),
            other => panic!("an unknown challenge: {other}"),
        }
    }
}

/// A challenge from a response.
#[derive(Debug)]
pub(crate) struct Challenge {
    pub(crate) asks: Asks,
    /// The challenge's token.
    pub(crate) token: String,
    /// The sign-in's email.
    pub(crate) email: String,
    /// The sign-in's password.
    pub(crate) password: String,
    /// The user who signs in, or `None` if a partner must be chosen.
    pub(crate) user: Option<String>,
    /// The partners that are offered.
    pub(crate) offered: Vec<String>,
    /// The options for a passkey, if the user has one.
    pub(crate) passkey: Value,
    /// A time before the request was sent.
    pub(crate) invoked: Instant,
    /// A time after the response.
    pub(crate) responded: Instant,
    /// The client, which has an address.
    pub(crate) client: Client,
}

impl Challenge {
    /// The challenge in the response to a sign-in, if there is one.
    pub(crate) fn read(client: &Client, operation: &Operation) -> Option<Self> {
        let (email, password) = match &operation.action {
            Action::SignIn { email, password, .. } => (email, password),
            Action::AnswerChallenge { challenge, reply: Reply::Password(new) } => (&challenge.email, new),
            Action::AnswerChallenge { challenge, .. } => (&challenge.email, &challenge.password),
            _ => return None,
        };
        let json = &operation.answer.json;
        let (asks, user) = (Asks::read(json)?, asked_user(json));
        let ids = json["partners"].as_array().into_iter().flatten().filter_map(|partner| partner["id"].as_str());
        Some(Self {
            asks,
            token: secrets::remembered(operation.answer.text_at("/session")),
            email: email.clone(),
            password: password.clone(),
            user,
            offered: ids.map(str::to_owned).collect(),
            passkey: json["passkey"].clone(),
            invoked: operation.invoked,
            responded: operation.responded,
            client: client.clone(),
        })
    }
}

/// The user who has to answer the challenge in a response, unless it offers partners. The challenge's token contains the
/// user's id.
pub(crate) fn asked_user(json: &Value) -> Option<String> {
    let token = json["session"].as_str().filter(|_| json["challenge"] != "choose_partner")?;
    token.split('.').nth(1).map(str::to_owned)
}

/// The input for a challenge.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Partner(String),
    Password(String),
    Factor(Code),
    /// The answer of this passkey, or a wrong one.
    Passkey {
        made: Arc<Made>,
        is_wrong: bool,
    },
    /// The code of the new app in this step.
    Enrolment(u64),
}

/// What the response to a success contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Response {
    Empty,
    /// The user that the request names, or the caller.
    User,
    NewUser,
    Users,
    /// The removed users.
    RemovedUsers,
    /// The decision, and the user unless the decision removed the user.
    Decision,
    /// The time since which all sessions are invalid.
    SignedOutAt,
    /// The user and the tokens of a new session.
    Session,
    AccessToken,
    /// What the client needs to add a second factor, or to sign in with a passkey.
    Started,
    /// The recovery codes, unless the user has some already.
    RecoveryCodes,
    /// The requirement of the partner.
    Settings,
}

/// The sessions that an action ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended<'a> {
    None,
    /// All sessions of this user.
    All(&'a str),
    /// The session with this id.
    One(&'a str),
    /// The caller's session.
    Own,
    /// The caller's other sessions.
    Others,
}

/// How an action changes permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permissions {
    Same,
    Fewer,
    More,
    /// Some may be added and others removed.
    Other,
}

/// What a client chooses from.
#[derive(Debug)]
pub(crate) struct Choices<'a> {
    pub(crate) target: String,
    /// A user who was removed, as far as the clients know.
    pub(crate) removed: Option<String>,
    /// The latest known version of the target.
    pub(crate) version: Option<u64>,
    /// The session of the request.
    pub(crate) own: &'a Session,
    pub(crate) own_password: String,
    pub(crate) is_primary_admin: bool,
    /// The app that was started in this session, and the number of the user's next unused step.
    pub(crate) started: Option<(Authenticator, u64)>,
    /// The passkey that was made in this session.
    pub(crate) made: Option<Arc<Made>>,
    /// The user's known passkeys.
    pub(crate) passkeys: &'a [Arc<Made>],
    /// Emails that many requests use.
    pub(crate) emails: &'a [(String, String)],
    /// The known sessions of all users.
    pub(crate) sessions: &'a [Arc<Session>],
}

/// A random decision of a review. Removals are rare, because other requests remove users too.
fn decision(random: &mut Random) -> &'static str {
    match random.below(10) {
        0..4 => "keep",
        4..7 => "reduce",
        7..9 => "suspend",
        _ => "remove",
    }
}

/// A random requirement of a partner. Every user who lacks a factor is locked out by the last one, so it is rare.
fn requirement(random: &mut Random) -> &'static str {
    match random.below(10) {
        0..5 => "optional",
        5..8 => "admins",
        _ => "everyone",
    }
}

/// The body of a request that adds a user.
fn new_user(email: &str, first_name: &str, password: Option<&str>, access: &Access) -> Value {
    let mut user = json!({
        "first_name": first_name,
        "last_name": "Tester",
        "email": email,
        "role": access.role,
        "permissions": access.permissions,
    });
    if let Some(password) = password {
        user["password"] = password.into();
        user["must_change"] = false.into();
    }
    user
}

/// Clients add no passkey to a user who has more than this.
const MOST_PASSKEYS: usize = 3;

/// Events that may follow another event in the same transaction.
pub(crate) const SECOND_EVENTS: [&str; 3] = ["access.reviewed", "primary_admin.handed_over", "session.started"];

/// What a client requests.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Me,
    Get {
        target: String,
    },
    List,
    Edit {
        target: String,
        first_name: Option<String>,
        email: Option<String>,
        if_match: Option<u64>,
    },
    SetPermissions {
        target: String,
        access: Access,
        if_match: Option<u64>,
    },
    SetPassword {
        target: String,
        password: String,
    },
    OwnPassword {
        current: String,
        new: String,
    },
    ForceLogout {
        target: String,
        if_match: Option<u64>,
    },
    Remove {
        target: String,
    },
    SetStatus {
        target: String,
        is_active: bool,
        if_match: Option<u64>,
    },
    EndSession {
        target: String,
        session: String,
    },
    HandOver {
        target: String,
        current: String,
    },
    Decide {
        target: String,
        decision: &'static str,
        if_match: Option<u64>,
    },
    /// Without a password the portal generates one, which must be changed.
    Add {
        email: String,
        first_name: String,
        password: Option<String>,
        access: Access,
    },
    ListRemoved,
    /// Restores a removed user with this password, which must be changed.
    Restore {
        target: String,
        password: String,
    },
    /// Without a partner, the sign-in is at any partner where the password is right.
    SignIn {
        partner: Option<String>,
        email: String,
        password: String,
    },
    AnswerChallenge {
        challenge: Arc<Challenge>,
        reply: Reply,
    },
    SignOut,
    Refresh,
    /// Starts to add an authenticator app, or to replace it.
    StartApp,
    /// Adds the app that was started, with its code in a step.
    ConfirmApp {
        app: Authenticator,
        step: u64,
    },
    RemoveApp,
    /// Starts to add a passkey.
    StartPasskey,
    /// Adds the passkey that a device has made.
    AddPasskey {
        made: Arc<Made>,
    },
    RemovePasskey {
        id: String,
    },
    /// Starts a sign-in with a passkey in place of a password.
    StartPasskeySignIn,
    SignInWithPasskey {
        started: Arc<Started>,
        made: Arc<Made>,
    },
    ResetFactors {
        target: String,
    },
    /// Sets which users of the partner need a second factor.
    Require {
        requirement: &'static str,
    },
}

impl Action {
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
            | Self::Decide { target, .. }
            | Self::Restore { target, .. }
            | Self::ResetFactors { target } => Some(target),
            Self::Me
            | Self::List
            | Self::ListRemoved
            | Self::OwnPassword { .. }
            | Self::Add { .. }
            | Self::SignIn { .. }
            | Self::AnswerChallenge { .. }
            | Self::SignOut
            | Self::Refresh
            | Self::StartApp
            | Self::ConfirmApp { .. }
            | Self::RemoveApp
            | Self::StartPasskey
            | Self::AddPasskey { .. }
            | Self::RemovePasskey { .. }
            | Self::StartPasskeySignIn
            | Self::SignInWithPasskey { .. }
            | Self::Require { .. } => None,
        }
    }

    /// Whether a result in a response with many results belongs to this operation.
    fn is_named_by(&self, result: &Value) -> bool {
        match self {
            Self::Add { email, .. } => result["email"] == email.as_str(),
            _ => result["user_id"].as_str() == self.target(),
        }
    }

    /// The version in its `If-Match`.
    pub(crate) fn if_match(&self) -> Option<u64> {
        match self {
            Self::Edit { if_match, .. }
            | Self::SetPermissions { if_match, .. }
            | Self::ForceLogout { if_match, .. }
            | Self::SetStatus { if_match, .. }
            | Self::Decide { if_match, .. } => *if_match,
            _ => None,
        }
    }

    /// The audit event of a success, or `None` for reads.
    pub(crate) fn event(&self) -> Option<&'static str> {
        match self {
            Self::Me
            | Self::Get { .. }
            | Self::List
            | Self::ListRemoved
            | Self::Refresh
            | Self::StartApp
            | Self::StartPasskey
            | Self::StartPasskeySignIn => None,
            Self::Edit { .. } => Some("user.edited"),
            Self::SetPermissions { .. } => Some("permissions.set"),
            Self::SetPassword { .. } => Some("password.set"),
            Self::OwnPassword { .. } => Some("password.changed"),
            Self::ForceLogout { .. } => Some("logout.forced"),
            Self::Remove { .. } => Some("user.removed"),
            Self::Add { .. } => Some("user.added"),
            Self::Restore { .. } => Some("user.restored"),
            Self::SignIn { .. } | Self::AnswerChallenge { .. } | Self::SignInWithPasskey { .. } => {
                Some("session.started")
            }
            Self::SignOut | Self::EndSession { .. } => Some("session.ended"),
            Self::SetStatus { is_active: true, .. } => Some("user.reactivated"),
            Self::SetStatus { is_active: false, .. } => Some("user.suspended"),
            Self::HandOver { .. } => Some("primary_admin.handed_over"),
            Self::Decide { .. } => Some("access.reviewed"),
            Self::ConfirmApp { .. } | Self::AddPasskey { .. } => Some("second_factor.added"),
            Self::RemoveApp | Self::RemovePasskey { .. } => Some("second_factor.removed"),
            Self::ResetFactors { .. } => Some("second_factor.reset"),
            Self::Require { .. } => Some("settings.changed"),
        }
    }

    /// Whether the audit trail may record it as this event. An app may replace another one. A new password does not
    /// complete a sign-in if the user has to add a second factor.
    pub(crate) fn is_recorded_as(&self, event: &str) -> bool {
        let other = match self {
            Self::ConfirmApp { .. } => Some("second_factor.replaced"),
            Self::AnswerChallenge { reply: Reply::Password(_), .. } => Some("password.changed"),
            _ => None,
        };
        self.event() == Some(event) || other == Some(event)
    }

    /// What the response to a success contains.
    pub(crate) fn response(&self) -> Response {
        match self {
            Self::Me
            | Self::Get { .. }
            | Self::Edit { .. }
            | Self::SetPermissions { .. }
            | Self::SetStatus { .. }
            | Self::HandOver { .. }
            | Self::Restore { .. } => Response::User,
            Self::Add { .. } => Response::NewUser,
            Self::List => Response::Users,
            Self::ListRemoved => Response::RemovedUsers,
            Self::Decide { .. } => Response::Decision,
            Self::ForceLogout { .. } => Response::SignedOutAt,
            Self::SignIn { .. } | Self::AnswerChallenge { .. } | Self::SignInWithPasskey { .. } => Response::Session,
            Self::Refresh => Response::AccessToken,
            Self::StartApp | Self::StartPasskey | Self::StartPasskeySignIn => Response::Started,
            Self::ConfirmApp { .. } | Self::AddPasskey { .. } => Response::RecoveryCodes,
            Self::Require { .. } => Response::Settings,
            Self::SetPassword { .. }
            | Self::OwnPassword { .. }
            | Self::Remove { .. }
            | Self::EndSession { .. }
            | Self::SignOut
            | Self::RemoveApp
            | Self::RemovePasskey { .. }
            | Self::ResetFactors { .. } => Response::Empty,
        }
    }

    /// The sessions that every success ends for good, except those above the maximum number. Replacing an app ends the
    /// others, but adding the first one does not. A reset ends all, but only of a user who has a factor.
    pub(crate) fn ended_sessions(&self) -> Ended<'_> {
        match self {
            Self::ForceLogout { target, .. }
            | Self::SetPassword { target, .. }
            | Self::Remove { target }
            | Self::SetStatus { target, is_active: false, .. }
            | Self::Decide { target, decision: "suspend" | "remove", .. } => Ended::All(target),
            Self::EndSession { session, .. } => Ended::One(session),
            Self::OwnPassword { .. } | Self::RemoveApp | Self::RemovePasskey { .. } => Ended::Others,
            Self::SignOut => Ended::Own,
            _ => Ended::None,
        }
    }

    /// The permission that it needs, or `None` if users may always do it to themselves.
    pub(crate) fn needed_permission(&self, own: bool, changes_email: bool) -> Option<&'static str> {
        match self {
            Self::Get { .. } | Self::ForceLogout { .. } | Self::EndSession { .. } if own => None,
            Self::Edit { .. } if own && !changes_email => None,
            Self::Get { .. } | Self::List => Some("users.read"),
            Self::Edit { .. } | Self::SetPassword { .. } => Some("users.edit"),
            Self::SetPermissions { .. } | Self::HandOver { .. } | Self::Decide { decision: "keep" | "reduce", .. } => {
                Some("users.set_permissions")
            }
            Self::ForceLogout { .. } | Self::EndSession { .. } => Some("users.force_logout"),
            Self::Remove { .. } | Self::SetStatus { .. } | Self::Decide { .. } => Some("users.remove"),
            Self::Add { .. } | Self::ListRemoved | Self::Restore { .. } => Some("users.add"),
            Self::ResetFactors { .. } => Some("users.reset_factors"),
            Self::Me
            | Self::OwnPassword { .. }
            | Self::SignIn { .. }
            | Self::AnswerChallenge { .. }
            | Self::SignOut
            | Self::Refresh
            | Self::StartApp
            | Self::ConfirmApp { .. }
            | Self::RemoveApp
            | Self::StartPasskey
            | Self::AddPasskey { .. }
            | Self::RemovePasskey { .. }
            | Self::StartPasskeySignIn
            | Self::SignInWithPasskey { .. }
            | Self::Require { .. } => None,
        }
    }

    /// Whether the caller and the target, the primary admin and an admin, swap their roles.
    pub(crate) fn swaps_roles(&self) -> bool {
        matches!(self, Self::HandOver { .. })
    }

    /// Whether a success removes the target.
    pub(crate) fn removes(&self) -> bool {
        matches!(self, Self::Remove { .. } | Self::Decide { decision: "remove", .. })
    }

    /// How a success may change the permissions of the target.
    pub(crate) fn permissions(&self) -> Permissions {
        match self {
            Self::SetPermissions { .. } => Permissions::Other,
            Self::Decide { decision: "reduce", .. } => Permissions::Fewer,
            Self::HandOver { .. } => Permissions::More,
            _ => Permissions::Same,
        }
    }

    /// The caller's password, if the request must contain it.
    pub(crate) fn current_password(&self) -> Option<&str> {
        match self {
            Self::OwnPassword { current, .. } | Self::HandOver { current, .. } => Some(current),
            _ => None,
        }
    }

    /// The password that the user has after a success, if the request contains it.
    pub(crate) fn new_password(&self) -> Option<&str> {
        match self {
            Self::Add { password, .. } => password.as_deref(),
            Self::SetPassword { password, .. }
            | Self::OwnPassword { new: password, .. }
            | Self::SignIn { password, .. }
            | Self::AnswerChallenge { reply: Reply::Password(password), .. } => Some(password),
            Self::AnswerChallenge { challenge, .. } => Some(&challenge.password),
            _ => None,
        }
    }

    /// Whether the number of its requests is limited: attempts with a password, a code or a token regardless of their
    /// result, and users' changes of themselves.
    pub(crate) fn is_limited(&self, own: bool) -> bool {
        let is_attempt = match self {
            Self::SignIn { .. } | Self::Refresh | Self::AnswerChallenge { reply: Reply::Factor(_), .. } => true,
            _ => self.current_password().is_some(),
        };
        let is_own_change = match self {
            Self::Edit { .. } | Self::EndSession { .. } => own,
            Self::ConfirmApp { .. }
            | Self::RemoveApp
            | Self::AddPasskey { .. }
            | Self::RemovePasskey { .. }
            | Self::Require { .. } => true,
            _ => false,
        };
        is_attempt || is_own_change
    }

    /// Whether it succeeds without a change for a user who already has the requested values.
    pub(crate) fn may_be_unchanged(&self) -> bool {
        matches!(
            self,
            Self::Edit { .. }
                | Self::SetPermissions { .. }
                | Self::SetStatus { .. }
                | Self::ResetFactors { .. }
                | Self::Require { .. }
        )
    }

    /// A random action in a session. Sign-ins and new users are chosen elsewhere.
    pub(crate) fn random(random: &mut Random, choices: Choices<'_>) -> Self {
        let Choices { target, version, own, own_password: current, is_primary_admin, .. } = choices;
        let Choices { removed, started, made, passkeys, emails, sessions, .. } = choices;
        let if_match = if random.chance(50) { version } else { None };
        let hands_over = is_primary_admin && random.chance(10);
        let requires = is_primary_admin && random.chance(8);
        if let Some((app, step)) = started
            && random.chance(60)
        {
            return Self::ConfirmApp { app, step };
        }
        if let Some(made) = made
            && random.chance(60)
        {
            return Self::AddPasskey { made };
        }
        match random.below(130) {
            _ if requires => Self::Require { requirement: requirement(random) },
            _ if hands_over => Self::HandOver { target, current },
            0..10 => Self::Get { target },
            10..15 => Self::Me,
            15..18 => Self::List,
            18..30 => Self::Edit { target, first_name: Some(secrets::random(8)), email: None, if_match },
            30..38 => {
                let email = random.pick(emails).map(|(email, _)| email.clone());
                Self::Edit { target, first_name: None, email, if_match }
            }
            38..54 => Self::SetPermissions { target, access: Access::random(random), if_match },
            54..60 => Self::ForceLogout { target, if_match },
            60..64 if target != own.user => Self::SetPassword { target, password: secrets::password() },
            60..67 => Self::OwnPassword { current, new: secrets::password() },
            67..70 => Self::Remove { target },
            70..73 => Self::SignOut,
            // It reactivates more often than it suspends.
            73..81 => Self::SetStatus { target, is_active: random.chance(60), if_match },
            81..86 => Self::Decide { target, decision: decision(random), if_match },
            86..90 => {
                let ended = random.pick(sessions).map_or(own, Arc::as_ref);
                Self::EndSession { target: ended.user.clone(), session: ended.id.clone() }
            }
            90..91 => Self::HandOver { target, current },
            91..96 => Self::StartApp,
            96..98 => Self::RemoveApp,
            98..100 => Self::ResetFactors { target },
            100..101 => Self::Require { requirement: requirement(random) },
            101..105 if passkeys.len() < MOST_PASSKEYS => Self::StartPasskey,
            105..107 => {
                let id = random.pick(passkeys).map_or_else(|| "unknown".to_owned(), |made| made.id.clone());
                Self::RemovePasskey { id }
            }
            107..110 => Self::ListRemoved,
            110..122 => Self::Restore { target: removed.unwrap_or(target), password: secrets::password() },
            _ => Self::Refresh,
        }
    }

    /// Sends the request.
    pub(crate) async fn send(&self, client: &Client, session: Option<&Session>, trace: &Trace) -> Answer {
        let token = session.map(|session| session.token.as_str()).unwrap_or_default();
        let path = |target: &str| format!("/v1/users/{target}");
        let call = |method: &str, path: &str| client.call(method, path).bearer(token);
        let call = match self {
            Self::Me => call("GET", "/v1/me"),
            Self::Get { target } => call("GET", &path(target)),
            Self::List => call("GET", "/v1/users?limit=100"),
            Self::ListRemoved => call("GET", "/v1/removed-users?limit=100"),
            Self::Restore { target, password } => {
                call("POST", &format!("/v1/removed-users/{target}/restore")).json(&json!({ "password": password }))
            }
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
            Self::Add { email, first_name, password, access } => {
                call("POST", "/v1/users").json(&new_user(email, first_name, password.as_deref(), access))
            }
            Self::SignIn { partner: Some(partner), email, password } => client.sign_in_at(partner, email, password),
            Self::SignIn { partner: None, email, password } => client.sign_in(email, password),
            Self::AnswerChallenge { challenge, reply: Reply::Partner(partner) } => {
                let body = json!({ "challenge": "choose_partner", "session": challenge.token, "partner_id": partner });
                client.post("/v1/sessions/challenge", &body)
            }
            Self::AnswerChallenge { challenge, reply: Reply::Password(password) } => {
                client.answer_challenge(&challenge.token, password)
            }
            Self::AnswerChallenge { challenge, reply: Reply::Factor(code) } => {
                client.use_factor(&challenge.token, &code.text())
            }
            Self::AnswerChallenge { challenge, reply: Reply::Enrolment(step) } => {
                let Asks::Enrolment(app) = &challenge.asks else { panic!("it asks for no app: {challenge:?}") };
                client.enrol(&challenge.token, &app.code_at(*step))
            }
            Self::AnswerChallenge { challenge, reply: Reply::Passkey { made, is_wrong } } => {
                let credential = made.answer(&challenge.passkey, *is_wrong).await;
                client.answer_with_passkey(&challenge.token, &credential)
            }
            Self::StartApp => call("POST", "/v1/me/factors/totp"),
            Self::ConfirmApp { app, step } => {
                call("POST", "/v1/me/factors/totp/confirm").json(&json!({ "code": app.code_at(*step) }))
            }
            Self::RemoveApp => call("DELETE", "/v1/me/factors/totp"),
            Self::StartPasskey => call("POST", "/v1/me/passkeys/options"),
            Self::AddPasskey { made } => {
                call("POST", "/v1/me/passkeys").json(&json!({ "name": "Phone", "credential": made.credential }))
            }
            Self::RemovePasskey { id } => call("DELETE", &format!("/v1/me/passkeys/{id}")),
            Self::StartPasskeySignIn => client.start_passkey_sign_in(),
            Self::SignInWithPasskey { started, made } => {
                client.sign_in_with_passkey(&started.token, &made.answer(&started.options, false).await)
            }
            Self::ResetFactors { target } => call("DELETE", &format!("{}/factors", path(target))),
            Self::Require { requirement } => call("PUT", "/v1/settings").json(&json!({ "second_factor": requirement })),
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

/// What a client sends: one operation, or many with one response.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    One(Action),
    Bulk {
        action: &'static str,
        targets: Vec<String>,
    },
    /// An import of users with these emails and first names. All of them get the same access.
    Import {
        rows: Vec<(String, String)>,
        access: Access,
    },
}

impl Request {
    /// Sends the request.
    pub(crate) async fn send(&self, client: &Client, session: Option<&Session>, trace: &Trace) -> Answer {
        let token = session.map(|session| session.token.as_str()).unwrap_or_default();
        let call = |path: &str| client.call("POST", path).bearer(token).within(trace);
        match self {
            Self::One(action) => action.send(client, session, trace).await,
            Self::Bulk { action, targets } => {
                call("/v1/users/bulk").json(&json!({ "action": action, "user_ids": targets })).await
            }
            Self::Import { rows, access } => {
                let permissions: Vec<&str> = access.permissions.iter().copied().collect();
                let (role, permissions) = (access.role, permissions.join(" "));
                let mut lines = vec!["first_name,last_name,email,role,permissions".to_owned()];
                let line = |(email, first_name): &(_, _)| format!("{first_name},Tester,{email},{role},{permissions}");
                lines.extend(rows.iter().map(line));
                call("/v1/users/import?dry_run=false").body("text/csv", lines.join("\r\n")).await
            }
        }
    }

    /// The operations in the request, each with its own response.
    pub(crate) fn actions(self, answer: &Answer) -> Vec<(Action, Answer)> {
        let actions: Vec<Action> = match self {
            Self::One(action) => return vec![(action, answer.clone())],
            Self::Bulk { action, targets } => targets
                .into_iter()
                .map(|target| match action {
                    "remove" => Action::Remove { target },
                    "force_logout" => Action::ForceLogout { target, if_match: None },
                    _ => Action::SetStatus { target, is_active: false, if_match: None },
                })
                .collect(),
            Self::Import { rows, access } => rows
                .into_iter()
                .map(|(email, first_name)| Action::Add { email, first_name, password: None, access: access.clone() })
                .collect(),
        };
        let results = answer.json["results"].as_array().cloned().unwrap_or_default();
        let is_whole = results.len() == actions.len();
        let part = |(number, action): (usize, Action)| {
            let part = match results.get(number) {
                _ if answer.status != 200 => answer.clone(),
                Some(result) if is_whole && action.is_named_by(result) => answer_of(result, answer),
                // A result is missing, so the response is invalid.
                _ => Answer { status: 500, json: Value::Null, ..answer.clone() },
            };
            (action, part)
        };
        actions.into_iter().enumerate().map(part).collect()
    }
}

/// The response that a request for this part alone would have had.
fn answer_of(result: &Value, answer: &Answer) -> Answer {
    let outcome = result["outcome"].as_str().unwrap_or_default();
    let (status, mut json) = match outcome {
        "done" | "unchanged" | "added" => (200, result["user"].clone()),
        "exists" => (409, json!({ "code": "email_taken" })),
        "unavailable" => (503, result["problem"].clone()),
        _ => {
            let status = match result["problem"]["code"].as_str().unwrap_or_default() {
                "session_ended" => 401,
                "not_found" => 404,
                "conflict" => 409,
                _ => 403,
            };
            (status, result["problem"].clone())
        }
    };
    if json.is_null() {
        json = json!({});
    }
    json["outcome"] = outcome.into();
    if let Some(password) = result.get("generated_password") {
        json["generated_password"] = password.clone();
    }
    Answer { status, json, ..answer.clone() }
}

/// One operation and its response.
#[derive(Debug)]
pub(crate) struct Operation {
    /// The session of the request, or `None` for a sign-in.
    pub(crate) session: Option<Arc<Session>>,
    /// The requested operation.
    pub(crate) action: Action,
    /// A time before the request was sent.
    pub(crate) invoked: Instant,
    /// A time after the response.
    pub(crate) responded: Instant,
    /// The response.
    pub(crate) answer: Answer,
    /// Whether it was one of many in a request.
    pub(crate) is_part: bool,
}

impl Operation {
    /// Changes the model of the target as a success does. Users who are added, removed or restored have no such change.
    pub(crate) fn apply(&self, person: &mut Person, commit: &Commit) -> Result<(), String> {
        match &self.action {
            Action::Edit { first_name, email, .. } => {
                person.version += 1;
                person.first_name.clone_from(first_name.as_ref().unwrap_or(&person.first_name.clone()));
                person.email.clone_from(email.as_ref().unwrap_or(&person.email.clone()));
            }
            Action::SetPermissions { access, .. } => {
                person.version += 1;
                person.access_version += 1;
                person.access = access.clone();
            }
            Action::SetPassword { password, .. } => {
                person.password.clone_from(password);
                person.must_change = false;
                person.sign_out(&commit.at);
            }
            Action::ForceLogout { .. } => person.sign_out(&commit.at),
            Action::SetStatus { is_active: true, .. } => {
                person.version += 1;
                person.access_version += 1;
                person.is_active = true;
            }
            Action::SetStatus { is_active: false, .. } => person.suspend(&commit.at),
            Action::HandOver { .. } => person.take_all_permissions_as("primary_admin"),
            Action::Decide { decision, .. } => {
                match *decision {
                    "suspend" if person.is_active => person.suspend(&commit.at),
                    _ => person.version += 1,
                }
                if *decision == "reduce" {
                    person.access_version += 1;
                    person.access = reduced(&person.access).ok_or("the access could not be reduced")?;
                }
                person.reviewed_at = Some(commit.at.clone());
            }
            Action::EndSession { session, .. } => {
                person.sessions.remove(session).ok_or("it ended no session")?;
            }
            Action::OwnPassword { new, .. } => {
                person.version += 1;
                person.password.clone_from(new);
                let own = self.own_session();
                person.sessions.retain(|session, _| *session == own);
            }
            Action::SignIn { .. } | Action::AnswerChallenge { .. } | Action::SignInWithPasskey { .. } => {
                let mut has_factor = matches!(self.action, Action::SignInWithPasskey { .. });
                if let Action::AnswerChallenge { challenge, reply } = &self.action {
                    has_factor = self.apply_reply(challenge, reply, person)?;
                }
                for session in &commit.ended {
                    person.sessions.remove(session);
                }
                if commit.begun.iter().any(|(_, live)| live.has_factor != has_factor) {
                    return Err("the session records other factors than the sign-in used".to_owned());
                }
                if !commit.begun.is_empty() {
                    person.last_sign_in_at = Some(commit.at.clone());
                }
                person.sessions.extend(commit.begun.iter().cloned());
            }
            Action::ConfirmApp { .. }
            | Action::AddPasskey { .. }
            | Action::RemoveApp
            | Action::RemovePasskey { .. }
            | Action::ResetFactors { .. } => return self.apply_to_factors(person, commit),
            Action::SignOut => {
                let own = self.own_session();
                person.sessions.remove(&own).ok_or("it ended no session")?;
            }
            Action::Add { .. } | Action::Remove { .. } | Action::Restore { .. } | Action::Require { .. } => {
                return Err("it is not a change of a user".to_owned());
            }
            Action::Me
            | Action::Get { .. }
            | Action::List
            | Action::ListRemoved
            | Action::Refresh
            | Action::StartApp
            | Action::StartPasskey
            | Action::StartPasskeySignIn => {
                return Err("it only reads".to_owned());
            }
        }
        Ok(())
    }

    /// Changes the model of a user whose second factors a success changes.
    fn apply_to_factors(&self, person: &mut Person, commit: &Commit) -> Result<(), String> {
        match &self.action {
            Action::ConfirmApp { app, step } => {
                person.version += 1;
                let own = self.own_session();
                if person.has_app() {
                    person.sessions.retain(|session, _| *session == own);
                }
                let mut factors = self.factors_of(person);
                factors.app = Some((app.clone(), *step));
                person.change_factors(Some(factors));
                person.sessions.get_mut(&own).ok_or("its session does not exist")?.has_factor = true;
            }
            Action::AddPasskey { made } => {
                person.version += 1;
                let mut factors = self.factors_of(person);
                factors.passkeys.insert(made.id.clone());
                person.change_factors(Some(factors));
                let own = person.sessions.get_mut(&self.own_session()).ok_or("its session does not exist")?;
                own.has_factor = true;
            }
            Action::RemoveApp | Action::RemovePasskey { .. } => {
                person.version += 1;
                let own = self.own_session();
                person.sessions.retain(|session, _| *session == own);
                let mut factors = person.factors.take().ok_or("there was no factor to remove")?;
                match &self.action {
                    Action::RemovePasskey { id } => {
                        factors.passkeys.remove(id);
                    }
                    _ => factors.app = None,
                }
                person.change_factors(Some(factors).filter(|factors| !factors.is_empty()));
            }
            Action::ResetFactors { .. } => {
                person.factors.as_ref().ok_or("there were no factors to reset")?;
                person.sign_out(&commit.at);
                person.change_factors(None);
            }
            _ => return Err("it does not change second factors".to_owned()),
        }
        Ok(())
    }

    /// The id of the request's session.
    fn own_session(&self) -> String {
        self.session.as_ref().map(|session| session.id.clone()).unwrap_or_default()
    }

    /// The factors of a user, to which one is added. The first one comes with the recovery codes in the response.
    fn factors_of(&self, person: &mut Person) -> Factors {
        person.factors.take().unwrap_or_else(|| Factors::with_codes(&self.answer.json["recovery_codes"]))
    }

    /// Changes the model of a user as an accepted reply does. Returns whether it uses a second factor.
    fn apply_reply(&self, challenge: &Challenge, reply: &Reply, person: &mut Person) -> Result<bool, String> {
        match reply {
            Reply::Partner(_) => Ok(false),
            Reply::Password(password) => {
                person.version += 1;
                person.password.clone_from(password);
                person.must_change = false;
                Ok(false)
            }
            Reply::Factor(code) => {
                person.factors.as_mut().ok_or("a code was accepted without a factor")?.consume(code)?;
                Ok(true)
            }
            Reply::Passkey { .. } => Ok(true),
            Reply::Enrolment(step) => {
                let Asks::Enrolment(app) = &challenge.asks else { return Err("no app was asked for".to_owned()) };
                person.version += 1;
                let codes = Factors::with_codes(&self.answer.json["recovery_codes"]);
                person.change_factors(Some(Factors { app: Some((app.clone(), *step)), ..codes }));
                Ok(true)
            }
        }
    }

    /// Whether it is a sign-in with a passkey that was started as this one.
    pub(crate) fn uses(&self, started: &Started) -> bool {
        matches!(&self.action, Action::SignInWithPasskey { started: own, .. } if own.token == started.token)
    }

    /// Whether it succeeded and the client knows it.
    pub(crate) fn is_granted(&self) -> bool {
        (200..300).contains(&self.answer.status)
    }

    /// Whether the client cannot know the result.
    pub(crate) fn is_unknown(&self) -> bool {
        matches!(self.answer.status, 502..=504)
    }

    /// Whether the response shows that nothing changed: the user already has that status, or the sign-in returned a
    /// challenge. A new password is stored even if another challenge follows.
    pub(crate) fn is_unchanged(&self) -> bool {
        match self.action {
            Action::SetStatus { .. } => self.answer.json["outcome"] == "unchanged",
            Action::AnswerChallenge { reply: Reply::Password(_), .. } => false,
            Action::SignIn { .. } | Action::AnswerChallenge { .. } => self.answer.json["challenge"].is_string(),
            _ => false,
        }
    }

    /// Whether it may have succeeded without a change: the response looks the same if the user already has the
    /// requested values.
    pub(crate) fn may_be_unchanged(&self) -> bool {
        self.is_unchanged() || (!self.is_part && self.action.may_be_unchanged())
    }

    /// The user in the response to a success.
    pub(crate) fn user(&self) -> &Value {
        match self.action.response() {
            Response::Session | Response::Decision => &self.answer.json["user"],
            _ => &self.answer.json,
        }
    }

    /// Whether a commit of this request can be this operation's.
    pub(crate) fn is_about(&self, commit: &Commit) -> bool {
        let is_it = match &self.action {
            Action::Add { email, .. } => commit.added.as_ref().is_some_and(|added| added.email == *email),
            action => action.target() == Some(&commit.target),
        };
        is_it || !self.is_part
    }

    /// Whether the response has this version in its `ETag`.
    pub(crate) fn has_version(&self, version: u64) -> bool {
        self.answer.header("etag") == format!("\"{version}\"")
    }

    /// The problem's code.
    pub(crate) fn code(&self) -> &str {
        self.answer.json["code"].as_str().unwrap_or_default()
    }

    /// The request id, which the audit trail contains too.
    pub(crate) fn request_id(&self) -> &str {
        self.answer.header("apigw-requestid")
    }

    /// The user who sent the request.
    pub(crate) fn actor(&self) -> Option<&str> {
        self.session.as_ref().map(|session| session.user.as_str())
    }
}
