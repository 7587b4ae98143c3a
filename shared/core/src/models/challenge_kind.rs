//! The kinds of challenges.

use super::closed_set::closed_set;

closed_set! {
    /// What a sign-in asks for after the password was right.
    pub enum ChallengeKind or UnknownChallengeKind("there is no such challenge") {
        /// A choice between the partners at which the password is right.
        ChoosePartner = "choose_partner",
        /// A second factor.
        SecondFactor = "second_factor",
        /// A new password in place of an initial one.
        NewPassword = "new_password_required",
        /// A first second factor, because the partner requires one.
        Enrolment = "second_factor_enrolment",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract_in_the_order_of_the_steps() {
        let words = ["choose_partner", "second_factor", "new_password_required", "second_factor_enrolment"];
        assert_eq!(ChallengeKind::ALL.map(ChallengeKind::as_str), words);
    }
}
