//! The changing actions. Each has one row, which contains all that the suite knows about it: how it is requested, what it
//! changes, and the events that show that it was committed.

use std::ops::Deref;

use portal_core::mail::LinkKind;
use portal_tests::Call;
use serde_json::{Value, json};

use crate::scene::Scene;

/// A changing action, by its number in the table. An action that can take several paths through the calls to AWS has a row
/// for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Action(usize);

impl Action {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..ACTIONS.len()).map(Self)
    }

    pub(crate) fn number(self) -> usize {
        self.0
    }
}

impl Deref for Action {
    type Target = Row;

    fn deref(&self) -> &Row {
        &ACTIONS[self.0]
    }
}

/// The primary admin of the partner before the action. The primary admin is also the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// The action creates the partner.
    New,
    SignedOut,
    /// Signed out, with a password that must be changed first.
    MustChangePassword,
    /// Signed out, with the same email and the same password at two partners.
    AtTwoPartners,
    SignedIn,
    SignedInTwice,
}

/// The other user that the action changes, before the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    None,
    SignedOut,
    /// Signed out after a sign-in.
    HasSignedIn,
    Suspended,
    /// Invited, without a password.
    Invited,
    /// Removed, and to be restored.
    Removed,
    /// The action ends the session.
    SignedIn,
    /// As `SignedIn`, with an authenticator app.
    HasFactor,
    /// As `SignedIn`. The request is for this user and for another user before it.
    SecondOfTwo,
}

/// The request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Request {
    Http(fn(&Scene) -> Call),
    /// An invocation by an operator with this input.
    Invocation(fn(&Scene) -> Value),
}

/// What the action changes in the items of the target, or else of the caller.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Effect {
    Nothing,
    /// An attribute gets this value.
    Stores(&'static str, &'static str),
    ChangesEmail,
    EndsAllSessions,
    /// The new password may be temporary, and all sessions may end.
    SetsPassword {
        is_temporary: bool,
        ends_sessions: bool,
    },
    /// The user gets another invitation.
    Invites,
    /// The user has to confirm a new email.
    RequestsEmail,
    /// A mail with a link to reset the password is added to the outbox.
    RequestsReset,
    /// Adds a second factor of this kind.
    AddsFactor(&'static str),
    RemovesFactor,
    /// A passkey gets another name. Only its user sees it, so there is no event.
    RenamesPasskey,
    /// Removes the factors and ends all sessions.
    ResetsFactors,
    RenewsRecoveryCodes,
    /// The partner gets this requirement.
    Requires(&'static str),
    Suspends,
    Reactivates,
    MakesPrimaryAdmin,
    Removes,
    /// The removed user exists again, with a temporary password or an invitation.
    Restores,
}

/// The authenticator app of the caller before the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Factor {
    None,
    /// The caller has started to add one in the session.
    Started,
    Added,
    /// The partner requires one, and the sign-in asks the caller to add it.
    Required,
}

/// The passkey of the caller before the action, and what the caller's device has prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Passkey {
    None,
    /// Made for the session, and not added yet.
    Made,
    Added,
    /// Added, with an answer to the challenge of a sign-in.
    ForChallenge,
    /// Added, with an answer that replaces the email and the password.
    ForSignIn,
    /// Added, with an answer that authenticates the caller again.
    ForReauthentication,
}

/// The sessions of the caller that the action ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    None,
    All,
    Others,
}

/// What the response contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Returns {
    /// Nothing that a client can use, except the tokens of a session.
    Other,
    Challenge,
    /// A new access token for the session of the caller.
    AccessToken,
}

/// All that the suite knows about an action.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
pub(crate) struct Row {
    pub(crate) label: &'static str,
    /// The function that carries it out.
    pub(crate) function: &'static str,
    pub(crate) caller: Caller,
    pub(crate) factor: Factor,
    pub(crate) passkey: Passkey,
    /// Whether the action answers a challenge of the caller.
    pub(crate) answers_challenge: bool,
    /// The kind of the link of the caller that the action uses.
    pub(crate) link: Option<LinkKind>,
    pub(crate) target: Target,
    pub(crate) request: Request,
    /// The event in the audit trail once the action is committed. A refresh and a challenge have no event.
    pub(crate) event: Option<&'static str>,
    /// A second event in the same transaction.
    pub(crate) second_event: Option<&'static str>,
    pub(crate) effect: Effect,
    pub(crate) ends: Ended,
    pub(crate) returns: Returns,
    /// Whether it is a part of a sign-in.
    pub(crate) is_sign_in: bool,
    /// Whether it uses a code or a passkey of the caller.
    pub(crate) uses_factor: bool,
    /// The number of users that it adds to the partner.
    pub(crate) adds: usize,
    /// Whether it invites the users that it adds or restores, so that they have no password.
    pub(crate) invites: bool,
    /// Whether the request has an idempotency key.
    pub(crate) has_key: bool,
}

/// A change by the primary admin without another user. The rows below replace what differs.
const CHANGE: Row = Row {
    label: "",
    function: "",
    caller: Caller::SignedIn,
    factor: Factor::None,
    passkey: Passkey::None,
    answers_challenge: false,
    link: None,
    target: Target::None,
    request: Request::Invocation(|_| Value::Null),
    event: None,
    second_event: None,
    effect: Effect::Nothing,
    ends: Ended::None,
    returns: Returns::Other,
    is_sign_in: false,
    uses_factor: false,
    adds: 0,
    invites: false,
    has_key: false,
};

/// A sign-in by the primary admin.
const SIGN_IN: Row = Row {
    function: "sign-in",
    caller: Caller::SignedOut,
    request: Request::Http(|scene| {
        let client = scene.sessions.first().map_or_else(|| scene.client(), |actor| actor.client.clone());
        client.sign_in_at(&scene.owner.partner_id, &scene.owner.email, &scene.owner.password)
    }),
    event: Some("session.started"),
    is_sign_in: true,
    ..CHANGE
};

/// A decision in a review.
const DECISION: Row =
    Row { function: "decide-access", target: Target::SignedOut, event: Some("access.reviewed"), ..CHANGE };

/// A restore of a removed user.
const RESTORE: Row = Row {
    function: "restore-user",
    target: Target::Removed,
    event: Some("user.restored"),
    effect: Effect::Restores,
    ..CHANGE
};

/// A request for two users.
const BULK: Row = Row { function: "change-users", target: Target::SecondOfTwo, ..CHANGE };

/// The invocation that creates a partner.
const CREATE_PARTNER: Row = Row {
    function: "create-partner",
    caller: Caller::New,
    request: Request::Invocation(|scene| {
        let (email, password) = (&scene.owner.email, &scene.owner.password);
        let admin = json!({ "first_name": "Olive", "last_name": "Owner", "email": email, "password": password });
        json!({ "partner_name": "Acme", "primary_admin": admin })
    }),
    event: Some("partner.created"),
    ..CHANGE
};

/// The tests of single scenarios use the first row of each function.
static ACTIONS: &[Row] = &[
    Row { label: "sign in again", caller: Caller::SignedIn, ..SIGN_IN },
    Row { label: "sign in, first time", ..SIGN_IN },
    Row {
        label: "sign in, challenged",
        caller: Caller::MustChangePassword,
        event: None,
        returns: Returns::Challenge,
        ..SIGN_IN
    },
    Row {
        label: "sign in, at one of two",
        caller: Caller::AtTwoPartners,
        request: Request::Http(|scene| scene.client().sign_in(&scene.owner.email, &scene.owner.password)),
        event: None,
        returns: Returns::Challenge,
        ..SIGN_IN
    },
    Row {
        label: "answer challenge",
        function: "answer-challenge",
        caller: Caller::MustChangePassword,
        answers_challenge: true,
        request: Request::Http(|scene| scene.client().answer_challenge(scene.challenge(), &scene.new_password)),
        event: Some("password.changed"),
        second_event: Some("session.started"),
        effect: Effect::SetsPassword { is_temporary: false, ends_sessions: false },
        ..SIGN_IN
    },
    Row {
        label: "choose partner",
        function: "answer-challenge",
        caller: Caller::AtTwoPartners,
        answers_challenge: true,
        request: Request::Http(|scene| scene.client().choose_partner(scene.challenge(), &scene.owner.partner_id)),
        ..SIGN_IN
    },
    Row {
        label: "sign in, asked for the second factor",
        factor: Factor::Added,
        event: None,
        returns: Returns::Challenge,
        ..SIGN_IN
    },
    Row {
        label: "use second factor",
        function: "answer-challenge",
        factor: Factor::Added,
        answers_challenge: true,
        request: Request::Http(|scene| scene.client().use_factor(scene.challenge(), &scene.app().code())),
        uses_factor: true,
        ..SIGN_IN
    },
    Row {
        label: "use recovery code",
        function: "answer-challenge",
        factor: Factor::Added,
        answers_challenge: true,
        request: Request::Http(|scene| scene.client().use_factor(scene.challenge(), scene.recovery_code())),
        event: Some("recovery_code.used"),
        second_event: Some("session.started"),
        uses_factor: true,
        ..SIGN_IN
    },
    Row {
        label: "add a factor in the sign-in",
        function: "answer-challenge",
        factor: Factor::Required,
        answers_challenge: true,
        request: Request::Http(|scene| scene.client().enrol(scene.challenge(), &scene.app().code())),
        event: Some("second_factor.added"),
        second_event: Some("session.started"),
        effect: Effect::AddsFactor("totp"),
        ..SIGN_IN
    },
    Row {
        label: "start totp",
        function: "start-totp",
        request: Request::Http(|scene| scene.caller().start_totp()),
        ..CHANGE
    },
    Row {
        label: "confirm totp",
        function: "confirm-totp",
        factor: Factor::Started,
        request: Request::Http(|scene| scene.caller().confirm_totp(&scene.app().code())),
        event: Some("second_factor.added"),
        effect: Effect::AddsFactor("totp"),
        ..CHANGE
    },
    Row {
        label: "remove totp",
        function: "remove-totp",
        caller: Caller::SignedInTwice,
        factor: Factor::Added,
        request: Request::Http(|scene| scene.caller().remove_totp()),
        event: Some("second_factor.removed"),
        effect: Effect::RemovesFactor,
        ends: Ended::Others,
        ..CHANGE
    },
    Row {
        label: "renew recovery codes",
        function: "renew-recovery-codes",
        factor: Factor::Added,
        request: Request::Http(|scene| scene.caller().renew_recovery_codes()),
        event: Some("recovery_codes.renewed"),
        effect: Effect::RenewsRecoveryCodes,
        ..CHANGE
    },
    Row {
        label: "reauthenticate",
        function: "reauthenticate",
        request: Request::Http(|scene| {
            scene.caller().reauthenticate(&json!({ "current_password": scene.owner.password }))
        }),
        ..CHANGE
    },
    Row {
        label: "reauthenticate, with app",
        function: "reauthenticate",
        factor: Factor::Added,
        request: Request::Http(|scene| scene.caller().reauthenticate(&json!({ "code": scene.app().code() }))),
        uses_factor: true,
        ..CHANGE
    },
    Row {
        label: "reauthenticate, recovery",
        function: "reauthenticate",
        factor: Factor::Added,
        request: Request::Http(|scene| scene.caller().reauthenticate(&json!({ "code": scene.recovery_code() }))),
        event: Some("recovery_code.used"),
        uses_factor: true,
        ..CHANGE
    },
    Row {
        label: "start passkey",
        function: "start-passkey",
        request: Request::Http(|scene| scene.caller().start_passkey()),
        ..CHANGE
    },
    Row {
        label: "add passkey",
        function: "add-passkey",
        passkey: Passkey::Made,
        request: Request::Http(|scene| scene.caller().add_passkey("Phone", &scene.passkey().answer)),
        event: Some("second_factor.added"),
        effect: Effect::AddsFactor("passkey"),
        ..CHANGE
    },
    Row {
        label: "rename passkey",
        function: "rename-passkey",
        passkey: Passkey::Added,
        request: Request::Http(|scene| scene.caller().rename_passkey(&scene.passkey().id, "Laptop")),
        effect: Effect::RenamesPasskey,
        ..CHANGE
    },
    Row {
        label: "remove passkey",
        function: "remove-passkey",
        caller: Caller::SignedInTwice,
        passkey: Passkey::Added,
        request: Request::Http(|scene| scene.caller().remove_passkey(&scene.passkey().id)),
        event: Some("second_factor.removed"),
        effect: Effect::RemovesFactor,
        ends: Ended::Others,
        ..CHANGE
    },
    Row {
        label: "use passkey",
        function: "answer-passkey",
        passkey: Passkey::ForChallenge,
        answers_challenge: true,
        request: Request::Http(|scene| scene.client().answer_with_passkey(scene.challenge(), &scene.passkey().answer)),
        uses_factor: true,
        ..SIGN_IN
    },
    Row {
        label: "start passkey sign-in",
        function: "start-passkey-sign-in",
        caller: Caller::SignedOut,
        request: Request::Http(|scene| scene.client().start_passkey_sign_in()),
        ..CHANGE
    },
    Row {
        label: "sign in with passkey",
        function: "sign-in-with-passkey",
        passkey: Passkey::ForSignIn,
        request: Request::Http(|scene| {
            scene.client().sign_in_with_passkey(&scene.passkey().session, &scene.passkey().answer)
        }),
        uses_factor: true,
        ..SIGN_IN
    },
    Row {
        label: "start passkey reauthentication",
        function: "start-passkey-reauthentication",
        passkey: Passkey::Added,
        request: Request::Http(|scene| scene.caller().start_passkey_reauthentication()),
        ..CHANGE
    },
    Row {
        label: "reauthenticate with passkey",
        function: "reauthenticate-with-passkey",
        passkey: Passkey::ForReauthentication,
        request: Request::Http(|scene| scene.caller().reauthenticate_with_passkey(&scene.passkey().answer)),
        uses_factor: true,
        ..CHANGE
    },
    Row {
        label: "reset factors",
        function: "reset-factors",
        target: Target::HasFactor,
        request: Request::Http(|scene| scene.caller().reset_factors(scene.changed())),
        event: Some("second_factor.reset"),
        effect: Effect::ResetsFactors,
        ..CHANGE
    },
    Row {
        label: "set settings",
        function: "set-settings",
        factor: Factor::Added,
        request: Request::Http(|scene| scene.caller().require_factors("admins")),
        event: Some("settings.changed"),
        effect: Effect::Requires("admins"),
        ..CHANGE
    },
    Row {
        label: "refresh",
        function: "refresh-session",
        request: Request::Http(|scene| scene.caller().client.refresh(&scene.caller().refresh_token)),
        returns: Returns::AccessToken,
        ..CHANGE
    },
    Row {
        label: "sign out",
        function: "sign-out",
        request: Request::Http(|scene| {
            scene.caller().sign_out().json(&json!({ "refresh_token": scene.caller().refresh_token }))
        }),
        event: Some("session.ended"),
        ends: Ended::All,
        ..CHANGE
    },
    Row {
        label: "add",
        function: "add-user",
        request: Request::Http(added),
        event: Some("user.added"),
        adds: 1,
        ..CHANGE
    },
    Row {
        label: "add, with a key",
        function: "add-user",
        request: Request::Http(|scene| added(scene).idempotency_key(&scene.key)),
        event: Some("user.added"),
        adds: 1,
        has_key: true,
        ..CHANGE
    },
    Row {
        label: "add, invited",
        function: "add-user",
        request: Request::Http(|scene| {
            let body = json!({ "first_name": "Nina", "last_name": "New", "email": scene.new_email, "invite": true });
            scene.caller().post("/v1/users", &body)
        }),
        event: Some("user.added"),
        adds: 1,
        invites: true,
        ..CHANGE
    },
    Row {
        label: "edit name",
        function: "edit-user",
        target: Target::SignedOut,
        request: Request::Http(|scene| scene.caller().edit(scene.changed(), &json!({ "first_name": "Zora" }))),
        event: Some("user.edited"),
        effect: Effect::Stores("first_name", "Zora"),
        ..CHANGE
    },
    Row {
        label: "edit email",
        function: "edit-user",
        target: Target::SignedOut,
        request: Request::Http(|scene| scene.caller().edit(scene.changed(), &json!({ "email": scene.new_email }))),
        event: Some("user.edited"),
        effect: Effect::ChangesEmail,
        ..CHANGE
    },
    Row {
        label: "request own email",
        function: "edit-user",
        request: Request::Http(|scene| scene.caller().edit(&scene.owner, &json!({ "email": scene.new_email }))),
        event: Some("email_change.requested"),
        effect: Effect::RequestsEmail,
        ..CHANGE
    },
    Row {
        label: "confirm own email",
        function: "confirm-email-change",
        link: Some(LinkKind::EmailChange),
        request: Request::Http(|scene| scene.caller().confirm_email(scene.link())),
        event: Some("user.edited"),
        effect: Effect::ChangesEmail,
        ..CHANGE
    },
    Row {
        label: "invite again",
        function: "invite-user",
        target: Target::Invited,
        request: Request::Http(|scene| scene.caller().invite(scene.changed())),
        event: Some("invitation.sent"),
        effect: Effect::Invites,
        ..CHANGE
    },
    Row {
        label: "request reset",
        function: "request-password-reset",
        request: Request::Http(|scene| scene.client().request_reset(&scene.owner.email)),
        effect: Effect::RequestsReset,
        ..CHANGE
    },
    Row {
        label: "look up link",
        function: "look-up-password-reset",
        link: Some(LinkKind::PasswordReset),
        request: Request::Http(|scene| scene.client().look_up(scene.link())),
        ..CHANGE
    },
    Row {
        label: "confirm reset",
        function: "confirm-password-reset",
        link: Some(LinkKind::PasswordReset),
        request: Request::Http(|scene| scene.client().confirm_reset(scene.link(), &scene.new_password)),
        event: Some("password.reset"),
        effect: Effect::SetsPassword { is_temporary: false, ends_sessions: true },
        ends: Ended::All,
        ..CHANGE
    },
    Row {
        label: "set password",
        function: "set-password",
        target: Target::SignedIn,
        request: Request::Http(|scene| scene.caller().set_password(scene.changed(), &scene.new_password, &json!({}))),
        event: Some("password.set"),
        effect: Effect::SetsPassword { is_temporary: true, ends_sessions: true },
        ..CHANGE
    },
    Row {
        label: "own password",
        function: "set-password",
        caller: Caller::SignedInTwice,
        request: Request::Http(|scene| scene.caller().set_own_password(&scene.owner.password, &scene.new_password)),
        event: Some("password.changed"),
        effect: Effect::SetsPassword { is_temporary: false, ends_sessions: false },
        ends: Ended::Others,
        ..CHANGE
    },
    Row {
        label: "set permissions",
        function: "set-permissions",
        target: Target::SignedOut,
        request: Request::Http(|scene| scene.caller().set_permissions(scene.changed(), &json!({ "role": "viewer" }))),
        event: Some("permissions.set"),
        effect: Effect::Stores("role", "viewer"),
        ..CHANGE
    },
    Row {
        label: "suspend",
        function: "set-status",
        target: Target::SignedIn,
        request: Request::Http(|scene| scene.caller().suspend(scene.changed())),
        event: Some("user.suspended"),
        effect: Effect::Suspends,
        ..CHANGE
    },
    Row {
        label: "reactivate",
        function: "set-status",
        target: Target::Suspended,
        request: Request::Http(|scene| scene.caller().reactivate(scene.changed())),
        event: Some("user.reactivated"),
        effect: Effect::Reactivates,
        ..CHANGE
    },
    Row {
        label: "end session",
        function: "end-session",
        target: Target::SignedIn,
        request: Request::Http(|scene| scene.caller().end_session(scene.changed(), &scene.target_session_id())),
        event: Some("session.ended"),
        ..CHANGE
    },
    Row {
        label: "force logout",
        function: "force-logout",
        target: Target::SignedIn,
        request: Request::Http(|scene| scene.caller().force_logout(scene.changed())),
        event: Some("logout.forced"),
        effect: Effect::EndsAllSessions,
        ..CHANGE
    },
    Row {
        label: "remove",
        function: "remove-user",
        target: Target::SignedIn,
        request: Request::Http(|scene| scene.caller().remove(scene.changed())),
        event: Some("user.removed"),
        effect: Effect::Removes,
        ..CHANGE
    },
    Row {
        label: "restore, with a key",
        request: Request::Http(|scene| {
            let body = json!({ "password": scene.new_password });
            scene.caller().restore(scene.changed(), &body).idempotency_key(&scene.key)
        }),
        has_key: true,
        ..RESTORE
    },
    Row {
        label: "restore, invited",
        request: Request::Http(|scene| scene.caller().restore(scene.changed(), &json!({ "invite": true }))),
        invites: true,
        ..RESTORE
    },
    Row {
        label: "remove two",
        request: Request::Http(|scene| scene.caller().change_users("remove", scene.both_targets())),
        event: Some("user.removed"),
        effect: Effect::Removes,
        ..BULK
    },
    Row {
        label: "force logout of two",
        request: Request::Http(|scene| scene.caller().change_users("force_logout", scene.both_targets())),
        event: Some("logout.forced"),
        effect: Effect::EndsAllSessions,
        ..BULK
    },
    Row {
        label: "suspend two",
        request: Request::Http(|scene| scene.caller().change_users("suspend", scene.both_targets())),
        event: Some("user.suspended"),
        effect: Effect::Suspends,
        ..BULK
    },
    Row {
        label: "import two",
        function: "import-users",
        request: Request::Http(|scene| {
            let row = |email: &str| format!("Nina,New,{email},viewer\n");
            let rows = scene.new_emails().map(row).concat();
            scene.caller().import(format!("first_name,last_name,email,role\n{rows}"), false)
        }),
        event: Some("user.added"),
        adds: 2,
        ..CHANGE
    },
    Row {
        label: "hand over",
        function: "hand-over",
        target: Target::HasSignedIn,
        request: Request::Http(|scene| scene.caller().hand_over(scene.changed())),
        event: Some("primary_admin.handed_over"),
        // The permissions of the previous primary admin.
        second_event: Some("permissions.set"),
        effect: Effect::MakesPrimaryAdmin,
        ..CHANGE
    },
    Row {
        label: "review: keep",
        request: Request::Http(|scene| scene.caller().decide(scene.changed(), "keep")),
        ..DECISION
    },
    Row {
        label: "review: reduce",
        request: Request::Http(|scene| scene.caller().decide(scene.changed(), "reduce")),
        second_event: Some("permissions.set"),
        effect: Effect::Stores("role", "manager"),
        ..DECISION
    },
    Row {
        label: "review: suspend",
        target: Target::SignedIn,
        request: Request::Http(|scene| scene.caller().decide(scene.changed(), "suspend")),
        second_event: Some("user.suspended"),
        effect: Effect::Suspends,
        ..DECISION
    },
    Row {
        label: "review: remove",
        target: Target::SignedIn,
        request: Request::Http(|scene| scene.caller().decide(scene.changed(), "remove")),
        second_event: Some("user.removed"),
        effect: Effect::Removes,
        ..DECISION
    },
    Row { label: "create partner", ..CREATE_PARTNER },
    Row {
        label: "create partner, with a key",
        request: Request::Invocation(|scene| {
            let Request::Invocation(input) = CREATE_PARTNER.request else { unreachable!("it has no route") };
            let mut input = input(scene);
            input["idempotency_key"] = scene.key.as_str().into();
            input
        }),
        has_key: true,
        ..CREATE_PARTNER
    },
    Row {
        label: "recover primary admin",
        function: "recover-primary-admin",
        request: Request::Invocation(
            |scene| json!({ "partner_id": scene.owner.partner_id, "password": scene.new_password }),
        ),
        event: Some("primary_admin.recovered"),
        effect: Effect::SetsPassword { is_temporary: true, ends_sessions: true },
        ends: Ended::All,
        ..CHANGE
    },
];

fn added(scene: &Scene) -> Call {
    let body = json!({
        "first_name": "Nina",
        "last_name": "New",
        "email": scene.new_email,
        "password": scene.new_password,
        "must_change": false,
    });
    scene.caller().post("/v1/users", &body)
}

impl Row {
    /// The number of its events.
    pub(crate) fn events(&self) -> usize {
        self.adds.max(1)
    }

    /// Whether it has a transaction. Some have one without an event.
    pub(crate) fn has_transaction(&self) -> bool {
        let without_event = ["reauthenticate", "reauthenticate-with-passkey", "rename-passkey"];
        self.event.is_some() || without_event.contains(&self.function)
    }

    /// The number of its transactions without conflicts.
    pub(crate) fn transactions(&self) -> usize {
        if self.is_bulk() { 2 } else { 1 }
    }

    pub(crate) fn is_bulk(&self) -> bool {
        self.target == Target::SecondOfTwo
    }

    pub(crate) fn is_import(&self) -> bool {
        self.adds > 1
    }

    /// Whether it creates a partner, so that there is none before.
    pub(crate) fn creates_partner(&self) -> bool {
        self.caller == Caller::New
    }

    /// Whether it recovers the primary admin.
    pub(crate) fn recovers(&self) -> bool {
        self.event == Some("primary_admin.recovered")
    }

    /// Whether it changes another user, who exists before.
    pub(crate) fn has_target(&self) -> bool {
        !matches!(self.target, Target::None | Target::Removed)
    }

    /// Whether it changes another user and nothing else. Its runs can have the same partner and the same caller, because each
    /// has its own target. Actions that also write the partner's item would meet each other's transactions.
    pub(crate) fn changes_target_only(&self) -> bool {
        self.has_target() && !self.removes() && !self.makes_primary_admin()
    }

    /// Whether it ends one session or all sessions of another user.
    pub(crate) fn ends_target_session(&self) -> bool {
        matches!(self.target, Target::SignedIn | Target::HasFactor | Target::SecondOfTwo)
    }

    /// Whether it only removes its target, which another removal does too.
    pub(crate) fn is_removal(&self) -> bool {
        self.event == Some("user.removed")
    }

    pub(crate) fn removes(&self) -> bool {
        matches!(self.effect, Effect::Removes)
    }

    pub(crate) fn makes_primary_admin(&self) -> bool {
        matches!(self.effect, Effect::MakesPrimaryAdmin)
    }

    pub(crate) fn sets_password(&self) -> bool {
        matches!(self.effect, Effect::SetsPassword { .. })
    }
}

/// The events that record one of these effects. A decision records its effect in a second event.
pub(crate) fn events_with(is_one: fn(&Effect) -> bool) -> Vec<&'static str> {
    let rows = ACTIONS.iter().filter(|row| row.function != DECISION.function && is_one(&row.effect));
    rows.filter_map(|row| row.event).collect()
}

impl Effect {
    /// Whether the user gets a higher version.
    pub(crate) fn increments_version(&self) -> bool {
        !matches!(
            self,
            Self::Nothing | Self::RequestsReset | Self::Removes | Self::RenewsRecoveryCodes | Self::Requires(_)
        )
    }

    /// Whether all sessions of the user end with their generation.
    pub(crate) fn ends_generation(&self) -> bool {
        matches!(
            self,
            Self::EndsAllSessions
                | Self::Suspends
                | Self::Restores
                | Self::ResetsFactors
                | Self::SetsPassword { ends_sessions: true, .. }
        )
    }
}
