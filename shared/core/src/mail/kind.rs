//! The kinds of mail.

use super::LinkKind;
use crate::models::closed_set;

closed_set! {
    /// The reason for a mail.
    pub enum MailKind or UnknownMailKind("there is no such kind of mail") {
        /// A client asked for a link to reset the password for an email.
        PasswordReset = "password_reset",
        /// A user asked to change their email, and confirms the new address with a link.
        EmailChange = "email_change",
        /// Another user or an operator set the user's password.
        PasswordSet = "password_set",
        /// The user changed their own password.
        PasswordChanged = "password_changed",
        /// A password was chosen with a mailed link.
        PasswordWasReset = "password_was_reset",
        /// The email of the user was changed. The previous address and the new one get a mail each.
        EmailChanged = "email_changed",
        /// The user signed in from a device and a network that the portal does not know.
        NewSignIn = "new_sign_in",
        /// Another user ended all sessions of the user.
        LogoutForced = "logout_forced",
        /// The user was suspended.
        Suspended = "suspended",
        /// The role or the permissions of the user were changed.
        AccessChanged = "access_changed",
        /// The portal was handed over. The previous primary admin and the new one get a mail each.
        HandedOver = "handed_over",
        /// Sign-ins from unknown sources are blocked after too many wrong passwords.
        SignInBlocked = "sign_in_blocked",
        /// The user added or replaced a second factor.
        SecondFactorAdded = "second_factor_added",
        /// The user removed the second factor.
        SecondFactorRemoved = "second_factor_removed",
        /// Another user or an operator removed the second factors of the user.
        SecondFactorReset = "second_factor_reset",
        /// A recovery code of the user was used.
        RecoveryCodeUsed = "recovery_code_used",
        /// The user was invited to choose a password.
        Invitation = "invitation",
    }
}

impl MailKind {
    /// Returns the kind of the link in a mail of this kind. `None` for a notification.
    pub const fn link(self) -> Option<LinkKind> {
        match self {
            Self::Invitation => Some(LinkKind::Invitation),
            Self::PasswordReset => Some(LinkKind::PasswordReset),
            Self::EmailChange => Some(LinkKind::EmailChange),
            Self::PasswordSet
            | Self::PasswordChanged
            | Self::PasswordWasReset
            | Self::EmailChanged
            | Self::NewSignIn
            | Self::LogoutForced
            | Self::Suspended
            | Self::AccessChanged
            | Self::HandedOver
            | Self::SignInBlocked
            | Self::SecondFactorAdded
            | Self::SecondFactorRemoved
            | Self::SecondFactorReset
            | Self::RecoveryCodeUsed => None,
        }
    }

    /// Returns the rank of the kind. Mail with a lower rank is sent first: a user waits for a link that was just asked
    /// for, and an import can add hundreds of invitations.
    pub const fn rank(self) -> u8 {
        match self.link() {
            Some(LinkKind::PasswordReset | LinkKind::EmailChange) => 0,
            None => 1,
            Some(LinkKind::Invitation) => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requested_link_is_sent_first_and_an_invitation_last() {
        assert!(MailKind::PasswordReset.rank() < MailKind::NewSignIn.rank());
        assert!(MailKind::NewSignIn.rank() < MailKind::Invitation.rank());
        let with_link: Vec<_> = MailKind::ALL.into_iter().filter(|kind| kind.link().is_some()).collect();
        assert_eq!(with_link, [MailKind::PasswordReset, MailKind::EmailChange, MailKind::Invitation]);
    }
}
