//! The changing actions, and the events that show that they were committed.

/// A changing action. An action that can take several paths through the calls to AWS has a variant for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Action {
    SignInFirst,
    SignInAgain,
    SignInChallenged,
    SignInChoice,
    ChoosePartner,
    AnswerChallenge,
    Refresh,
    SignOut,
    Add,
    AddWithKey,
    EditName,
    EditEmail,
    SetPassword,
    OwnPassword,
    SetPermissions,
    Suspend,
    Reactivate,
    EndSession,
    ForceLogout,
    Remove,
    BulkRemove,
    BulkForceLogout,
    BulkSuspend,
    Import,
    HandOver,
    ReviewKeep,
    ReviewReduce,
    ReviewSuspend,
    ReviewRemove,
    CreatePartner,
    CreatePartnerWithKey,
    Recover,
}

impl Action {
    pub(crate) const ALL: [Self; 32] = [
        Self::SignInFirst,
        Self::SignInAgain,
        Self::SignInChallenged,
        Self::SignInChoice,
        Self::ChoosePartner,
        Self::AnswerChallenge,
        Self::Refresh,
        Self::SignOut,
        Self::Add,
        Self::AddWithKey,
        Self::EditName,
        Self::EditEmail,
        Self::SetPassword,
        Self::OwnPassword,
        Self::SetPermissions,
        Self::Suspend,
        Self::Reactivate,
        Self::EndSession,
        Self::ForceLogout,
        Self::Remove,
        Self::BulkRemove,
        Self::BulkForceLogout,
        Self::BulkSuspend,
        Self::Import,
        Self::HandOver,
        Self::ReviewKeep,
        Self::ReviewReduce,
        Self::ReviewSuspend,
        Self::ReviewRemove,
        Self::CreatePartner,
        Self::CreatePartnerWithKey,
        Self::Recover,
    ];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::SignInFirst => "sign in, first time",
            Self::SignInAgain => "sign in again",
            Self::SignInChallenged => "sign in, challenged",
            Self::SignInChoice => "sign in, at one of two",
            Self::ChoosePartner => "choose partner",
            Self::AnswerChallenge => "answer challenge",
            Self::Refresh => "refresh",
            Self::SignOut => "sign out",
            Self::Add => "add",
            Self::AddWithKey => "add, with a key",
            Self::EditName => "edit name",
            Self::EditEmail => "edit email",
            Self::SetPassword => "set password",
            Self::OwnPassword => "own password",
            Self::SetPermissions => "set permissions",
            Self::Suspend => "suspend",
            Self::Reactivate => "reactivate",
            Self::EndSession => "end session",
            Self::ForceLogout => "force logout",
            Self::Remove => "remove",
            Self::BulkRemove => "remove two",
            Self::BulkForceLogout => "force logout of two",
            Self::BulkSuspend => "suspend two",
            Self::Import => "import two",
            Self::HandOver => "hand over",
            Self::ReviewKeep => "review: keep",
            Self::ReviewReduce => "review: reduce",
            Self::ReviewSuspend => "review: suspend",
            Self::ReviewRemove => "review: remove",
            Self::CreatePartner => "create partner",
            Self::CreatePartnerWithKey => "create partner, with a key",
            Self::Recover => "recover primary admin",
        }
    }

    /// The function that carries it out.
    pub(crate) fn function(self) -> &'static str {
        match self {
            Self::SignInFirst | Self::SignInAgain | Self::SignInChallenged | Self::SignInChoice => "sign-in",
            Self::AnswerChallenge | Self::ChoosePartner => "answer-challenge",
            Self::Refresh => "refresh-session",
            Self::SignOut => "sign-out",
            Self::Add | Self::AddWithKey => "add-user",
            Self::EditName | Self::EditEmail => "edit-user",
            Self::SetPassword | Self::OwnPassword => "set-password",
            Self::SetPermissions => "set-permissions",
            Self::Suspend | Self::Reactivate => "set-status",
            Self::EndSession => "end-session",
            Self::ForceLogout => "force-logout",
            Self::Remove => "remove-user",
            Self::BulkRemove | Self::BulkForceLogout | Self::BulkSuspend => "change-users",
            Self::Import => "import-users",
            Self::HandOver => "hand-over",
            Self::ReviewKeep | Self::ReviewReduce | Self::ReviewSuspend | Self::ReviewRemove => "decide-access",
            Self::CreatePartner | Self::CreatePartnerWithKey => "create-partner",
            Self::Recover => "recover-primary-admin",
        }
    }

    /// The event in the audit trail once the action is committed. A refresh commits nothing, and a challenge has no event.
    pub(crate) fn event(self) -> Option<&'static str> {
        match self {
            Self::SignInFirst | Self::SignInAgain | Self::ChoosePartner => Some("session.started"),
            Self::AnswerChallenge | Self::OwnPassword => Some("password.changed"),
            Self::SignInChallenged | Self::SignInChoice | Self::Refresh => None,
            Self::SignOut | Self::EndSession => Some("session.ended"),
            Self::Add | Self::AddWithKey | Self::Import => Some("user.added"),
            Self::EditName | Self::EditEmail => Some("user.edited"),
            Self::SetPassword => Some("password.set"),
            Self::SetPermissions => Some("permissions.set"),
            Self::Suspend | Self::BulkSuspend => Some("user.suspended"),
            Self::Reactivate => Some("user.reactivated"),
            Self::ForceLogout | Self::BulkForceLogout => Some("logout.forced"),
            Self::Remove | Self::BulkRemove => Some("user.removed"),
            Self::HandOver => Some("primary_admin.handed_over"),
            Self::ReviewKeep | Self::ReviewReduce | Self::ReviewSuspend | Self::ReviewRemove => Some("access.reviewed"),
            Self::CreatePartner | Self::CreatePartnerWithKey => Some("partner.created"),
            Self::Recover => Some("primary_admin.recovered"),
        }
    }

    /// The decision, if the action is one of an access review.
    pub(crate) fn decision(self) -> Option<&'static str> {
        match self {
            Self::ReviewKeep => Some("keep"),
            Self::ReviewReduce => Some("reduce"),
            Self::ReviewSuspend => Some("suspend"),
            Self::ReviewRemove => Some("remove"),
            _ => None,
        }
    }

    /// A second event in the same transaction.
    pub(crate) fn event_beside(self) -> Option<&'static str> {
        match self {
            // A hand-over also sets the permissions of the previous primary admin.
            Self::ReviewReduce | Self::HandOver => Some("permissions.set"),
            Self::AnswerChallenge => Some("session.started"),
            Self::ReviewSuspend => Some("user.suspended"),
            Self::ReviewRemove => Some("user.removed"),
            _ => None,
        }
    }

    /// The name of the action in a bulk request, if it is one.
    pub(crate) fn to_many(self) -> Option<&'static str> {
        match self {
            Self::BulkRemove => Some("remove"),
            Self::BulkForceLogout => Some("force_logout"),
            Self::BulkSuspend => Some("suspend"),
            _ => None,
        }
    }

    /// The number of its events.
    pub(crate) fn events(self) -> usize {
        if self == Self::Import { 2 } else { 1 }
    }

    /// Whether it removes its target.
    pub(crate) fn removes(self) -> bool {
        matches!(self, Self::Remove | Self::BulkRemove | Self::ReviewRemove)
    }

    /// Whether it creates a partner, so that there is none before.
    pub(crate) fn creates_partner(self) -> bool {
        matches!(self, Self::CreatePartner | Self::CreatePartnerWithKey)
    }

    /// Whether it is a sign-in with a password that must be changed first.
    pub(crate) fn meets_challenge(self) -> bool {
        matches!(self, Self::SignInChallenged | Self::AnswerChallenge)
    }

    /// Whether it is a sign-in with an email that has the same password at two partners.
    pub(crate) fn meets_choice(self) -> bool {
        matches!(self, Self::SignInChoice | Self::ChoosePartner)
    }

    /// Whether it changes another user.
    pub(crate) fn has_target(self) -> bool {
        self.needs_target_session()
            || matches!(
                self,
                Self::EditName
                    | Self::EditEmail
                    | Self::SetPermissions
                    | Self::Reactivate
                    | Self::HandOver
                    | Self::ReviewKeep
                    | Self::ReviewReduce
            )
    }

    /// Whether it ends one session or all sessions of another user.
    pub(crate) fn needs_target_session(self) -> bool {
        matches!(
            self,
            Self::SetPassword
                | Self::Suspend
                | Self::EndSession
                | Self::ForceLogout
                | Self::Remove
                | Self::BulkRemove
                | Self::BulkForceLogout
                | Self::BulkSuspend
                | Self::ReviewSuspend
                | Self::ReviewRemove
        )
    }
}
