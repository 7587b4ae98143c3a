//! What an event of the audit trail says was done.

use super::closed_set::closed_set;

closed_set! {
    /// What was done, or tried in vain.
    pub enum EventAction or UnknownEventAction("there is no such action") {
        /// A partner was made, with its primary admin.
        PartnerCreated = "partner.created",
        /// The primary admin was given a new password from outside.
        PrimaryAdminRecovered = "primary_admin.recovered",
        /// The primary admin made another admin the primary one.
        PrimaryAdminHandedOver = "primary_admin.handed_over",
        /// A user was added.
        UserAdded = "user.added",
        /// A user's name or email was changed.
        UserEdited = "user.edited",
        /// A user was suspended.
        UserSuspended = "user.suspended",
        /// A suspended user was let in again.
        UserReactivated = "user.reactivated",
        /// A user was removed.
        UserRemoved = "user.removed",
        /// A user's role or permissions were set.
        PermissionsSet = "permissions.set",
        /// A user was given a new password by another.
        PasswordSet = "password.set",
        /// Somebody changed their own password.
        PasswordChanged = "password.changed",
        /// Every session of a user was ended.
        LogoutForced = "logout.forced",
        /// Somebody signed in.
        SessionStarted = "session.started",
        /// Somebody signed out, or one session was ended.
        SessionEnded = "session.ended",
        /// A sign-in with a wrong password was refused.
        SignInRefused = "sign_in.refused",
        /// A sign-in from a source that is not known was refused, after too many wrong passwords.
        SignInBlocked = "sign_in.blocked",
        /// A user's access was reviewed, and decided on.
        AccessReviewed = "access.reviewed",
        /// Somebody tried to change something and was refused.
        ChangeRefused = "change.refused",
    }
}
