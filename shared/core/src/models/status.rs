//! The status of a user.

use super::closed_set::closed_set;

closed_set! {
    /// Whether a user may sign in and act.
    pub enum Status or UnknownStatus("there is no such status") {
        /// The user may sign in and act.
        Active = "active",
        /// The user exists, but may neither sign in nor act.
        Suspended = "suspended",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract() {
        assert_eq!(Status::ALL.map(Status::as_str), ["active", "suspended"]);
        assert_eq!(serde_json::to_string(&Status::Active).unwrap(), r#""active""#);
        assert_eq!(Status::parse("ACTIVE"), Err(UnknownStatus));
    }
}
