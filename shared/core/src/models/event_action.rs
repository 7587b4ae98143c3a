//! The actions that audit events record, with one row for each: the word, and the sentence about an event.

use super::closed_set::closed_set;

/// Declares [`EventAction`] from rows of `Name = word, sentence;`. A row can have a second sentence, for events without
/// values from before the action.
macro_rules! event_actions {
    ($(
        $(#[$about:meta])*
        $action:ident = $word:literal, $sentence:literal $(, without values before: $other:literal)?;
    )+) => {
        closed_set! {
            /// An action that was performed, or attempted and rejected.
            pub enum EventAction or UnknownEventAction("there is no such action") {
                $($(#[$about])* $action = $word,)+
            }
        }

        impl EventAction {
            /// Returns the sentence about an event, without its subject, which is the actor. It can contain these
            /// placeholders:
            ///
            /// - `{target}`: the name of the target;
            /// - `{whose}`: "their own" if the target is the actor, otherwise the name of the target;
            /// - `{the password}`, `{the email}`, `{the sessions}`: "their own password" or "the password of" the target;
            /// - `{changes}`: "changed" and the fields, with their values;
            /// - `{role}`: the role after the action;
            /// - `{decision}`: the decision of a review;
            /// - `{second_factor}`: the users who need a second factor;
            /// - `{attempt}`, `{code}`: the refused action, and the reason.
            pub const fn sentence(self, has_values_before: bool) -> &'static str {
                match self {
                    $(Self::$action => {
                        $(if !has_values_before {
                            return $other;
                        })?
                        $sentence
                    })+
                }
            }
        }
    };
}

event_actions! {
    /// A partner was created with its primary admin.
    PartnerCreated = "partner.created", "created the partner, with {target} as its primary admin";
    /// An operator set a new password for the primary admin.
    PrimaryAdminRecovered = "primary_admin.recovered", "gave {target} a new password and ended every session";
    /// The primary admin made another admin the primary admin.
    PrimaryAdminHandedOver = "primary_admin.handed_over", "handed the portal over to {target}";
    /// A user was added.
    UserAdded = "user.added", "added {target} as {role}";
    /// A user's name or email was changed.
    UserEdited = "user.edited", "{changes}";
    /// A user was suspended. A suspended user can also get another reason.
    UserSuspended = "user.suspended", "suspended {target}",
        without values before: "noted why {target} is suspended";
    /// A suspended user was reactivated. An active user can also get another reason.
    UserReactivated = "user.reactivated", "reactivated {target}",
        without values before: "noted why {target} is active";
    /// A user was removed.
    UserRemoved = "user.removed", "removed {target}";
    /// A removed user was restored.
    UserRestored = "user.restored", "restored {target} as {role}";
    /// A user's role or permissions were set.
    PermissionsSet = "permissions.set", "{changes}";
    /// A user set a new password for another user.
    PasswordSet = "password.set", "set a new password for {target}";
    /// A user changed their own password.
    PasswordChanged = "password.changed", "changed {the password}";
    /// A user chose a new password with a mailed link.
    PasswordReset = "password.reset", "chose a new password with a mailed link";
    /// A user added a second factor.
    SecondFactorAdded = "second_factor.added", "added a second factor";
    /// A user replaced a second factor.
    SecondFactorReplaced = "second_factor.replaced", "replaced the second factor";
    /// A user removed a second factor.
    SecondFactorRemoved = "second_factor.removed", "removed the second factor";
    /// The second factors of a user were removed by another user or by an operator.
    SecondFactorReset = "second_factor.reset", "removed the second factors of {target} and ended every session";
    /// A user signed in or authenticated again with a recovery code.
    RecoveryCodeUsed = "recovery_code.used", "used a recovery code";
    /// A user got new recovery codes.
    RecoveryCodesRenewed = "recovery_codes.renewed", "replaced the recovery codes";
    /// A wrong code of a second factor was rejected.
    SecondFactorRefused = "second_factor.refused", "entered a wrong code for {target} and was refused";
    /// The users who need a second factor were set.
    SettingsChanged = "settings.changed", "changed the settings: a second factor is {second_factor}";
    /// A user was invited, or got another invitation.
    InvitationSent = "invitation.sent", "sent an invitation to {target}";
    /// A user accepted the invitation and chose a password.
    InvitationAccepted = "invitation.accepted", "accepted the invitation";
    /// A user asked to change their own email, and has to confirm the new one.
    EmailChangeRequested = "email_change.requested", "asked to change {the email}";
    /// All sessions of a user were ended.
    LogoutForced = "logout.forced", "ended {the sessions}";
    /// A user signed in.
    SessionStarted = "session.started", "signed in";
    /// A user signed out, or one session was ended. The event of a sign-out does not describe the session.
    SessionEnded = "session.ended", "ended a session of {whose}", without values before: "signed out";
    /// A sign-in with a wrong password was rejected.
    SignInRefused = "sign_in.refused", "tried to sign in as {target} and was refused";
    /// A sign-in from an unknown source was rejected because of too many wrong passwords.
    SignInBlocked = "sign_in.blocked",
        "tried to sign in as {target} and was blocked after too many wrong passwords from unknown sources";
    /// A mail could not be sent.
    MailFailed = "mail.failed", "could not send mail to {target} ({code})";
    /// Mail to a user was rejected permanently.
    MailBounced = "mail.bounced", "recorded that mail to {target} was rejected";
    /// A user marked a mail as unwanted.
    MailComplained = "mail.complained", "recorded that {target} marked mail as unwanted";
    /// A review decided about a user's access.
    AccessReviewed = "access.reviewed", "reviewed the access of {target} and {decision}";
    /// A user attempted a change that was rejected.
    ChangeRefused = "change.refused", "tried to {attempt} and was refused ({code})";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_has_only_known_placeholders() {
        let known = [
            "target",
            "whose",
            "the password",
            "the email",
            "the sessions",
            "changes",
            "role",
            "decision",
            "second_factor",
            "attempt",
            "code",
        ];
        for sentence in EventAction::ALL.iter().flat_map(|action| [true, false].map(|has| action.sentence(has))) {
            let placeholders: Vec<_> = sentence.split(['{', '}']).skip(1).step_by(2).collect();
            assert!(placeholders.iter().all(|placeholder| known.contains(placeholder)), "{sentence}");
            let without = placeholders.iter().fold(sentence.to_owned(), |sentence, placeholder| {
                sentence.replacen(&format!("{{{placeholder}}}"), "", 1)
            });
            assert!(!without.contains(['{', '}']), "{sentence}");
        }
    }
}
