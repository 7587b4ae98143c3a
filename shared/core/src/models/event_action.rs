//! The actions that audit events record.

use super::closed_set::closed_set;

closed_set! {
    /// An action that was performed, or attempted and rejected.
    pub enum EventAction or UnknownEventAction("there is no such action") {
        /// A partner was created with its primary admin.
        PartnerCreated = "partner.created",
        /// An operator set a new password for the primary admin.
        PrimaryAdminRecovered = "primary_admin.recovered",
        /// The primary admin made another admin the primary admin.
        PrimaryAdminHandedOver = "primary_admin.handed_over",
        /// A user was added.
        UserAdded = "user.added",
        /// A user's name or email was changed.
        UserEdited = "user.edited",
        /// A user was suspended.
        UserSuspended = "user.suspended",
        /// A suspended user was reactivated.
        UserReactivated = "user.reactivated",
        /// A user was removed.
        UserRemoved = "user.removed",
        /// A user's role or permissions were set.
        PermissionsSet = "permissions.set",
        /// A user set a new password for another user.
        PasswordSet = "password.set",
        /// A user changed their own password.
        PasswordChanged = "password.changed",
        /// All sessions of a user were ended.
        LogoutForced = "logout.forced",
        /// A user signed in.
        SessionStarted = "session.started",
        /// A user signed out, or one session was ended.
        SessionEnded = "session.ended",
        /// A sign-in with a wrong password was rejected.
        SignInRefused = "sign_in.refused",
        /// A sign-in from an unknown source was rejected because of too many wrong passwords.
        SignInBlocked = "sign_in.blocked",
        /// A review decided about a user's access.
        AccessReviewed = "access.reviewed",
        /// A user attempted a change that was rejected.
        ChangeRefused = "change.refused",
    }
}
