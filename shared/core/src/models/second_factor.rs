//! Second factors: what a user has, what a sign-in used, and which users of a partner need one.

use super::Role;
use super::closed_set::closed_set;

closed_set! {
    /// The strongest second factor of a user. Clients see no more than this.
    #[derive(Default)]
    pub enum SecondFactor or UnknownSecondFactor("there is no such second factor") {
        /// The user has none.
        #[default]
        None = "none",
        /// An authenticator app, which shows time-based codes.
        Totp = "totp",
        /// A passkey.
        Passkey = "passkey",
    }
}

closed_set! {
    /// A factor that a sign-in used in addition to the password.
    pub enum UsedFactor or UnknownUsedFactor("there is no such factor") {
        /// A code of an authenticator app.
        Totp = "totp",
        /// A passkey.
        Passkey = "passkey",
        /// One of the recovery codes, which replaces another factor once.
        RecoveryCode = "recovery_code",
    }
}

closed_set! {
    /// The users of a partner who need a second factor.
    #[derive(Default)]
    pub enum Requirement or UnknownRequirement("there is no such requirement") {
        /// No user needs one.
        #[default]
        Optional = "optional",
        /// The primary admin and the admins need one.
        Admins = "admins",
        /// All users need one.
        Everyone = "everyone",
    }
}

impl Requirement {
    /// Returns whether users with this role need a second factor.
    pub const fn covers(self, role: Role) -> bool {
        match (self, role) {
            (Self::Everyone, _) | (Self::Admins, Role::PrimaryAdmin | Role::Admin) => true,
            (Self::Optional, _) | (Self::Admins, Role::Manager | Role::Viewer) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract() {
        assert_eq!(SecondFactor::ALL.map(SecondFactor::as_str), ["none", "totp", "passkey"]);
        assert_eq!(UsedFactor::ALL.map(UsedFactor::as_str), ["totp", "passkey", "recovery_code"]);
        assert_eq!(Requirement::ALL.map(Requirement::as_str), ["optional", "admins", "everyone"]);
        assert_eq!((SecondFactor::default(), Requirement::default()), (SecondFactor::None, Requirement::Optional));
    }

    #[test]
    fn a_requirement_covers_the_roles_that_it_names() {
        let covered = |requirement: Requirement| Role::ALL.map(|role| requirement.covers(role));
        assert_eq!(covered(Requirement::Optional), [false; 4]);
        assert_eq!(covered(Requirement::Admins), [true, true, false, false]);
        assert_eq!(covered(Requirement::Everyone), [true; 4]);
    }
}
