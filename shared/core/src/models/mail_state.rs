//! Whether mail reaches a user.

use super::closed_set::closed_set;

closed_set! {
    /// What the mail service reported about a user's current address.
    #[derive(Default)]
    pub enum MailState or UnknownMailState("there is no such state") {
        /// No problem was reported.
        #[default]
        Ok = "ok",
        /// Mail to the address was rejected permanently.
        Bounced = "bounced",
        /// The recipient marked a mail as unwanted.
        Complained = "complained",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract() {
        assert_eq!(MailState::ALL.map(MailState::as_str), ["ok", "bounced", "complained"]);
        assert_eq!(MailState::default(), MailState::Ok);
    }
}
