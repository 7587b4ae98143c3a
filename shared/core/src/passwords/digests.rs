//! The stored digests of a user's passwords: the current one and the four before it.

use std::fmt;
use std::hint::black_box;

use serde::{Deserialize, Serialize};

use super::digest::{Cost, Digest, Recipe};
use super::{HashingFailed, Password, Rejection, SubmittedPassword};

/// The number of previous passwords that are remembered. With the current one, there are five in total.
const MAX_PREVIOUS: usize = 4;

/// The digests of a user's last five passwords, including the current one.
///
/// All have the same random salt, which belongs to this user, so comparing a new password with all five costs one hash.
/// `Debug` hides the digests. Serde writes them as PHC strings, which belong only in the Credentials table.
#[derive(Clone, Serialize, Deserialize)]
pub struct Digests {
    present: Digest,
    /// The digests of the previous passwords, newest first.
    previous: Vec<Digest>,
}

impl Digests {
    /// Returns the digests for a user's first password. `salt` is random and unique to the user. Computes one hash.
    pub fn new(password: &Password, salt: [u8; 16]) -> Result<Self, HashingFailed> {
        let present = Digest::compute(password.as_bytes(), Recipe::new(Cost::TODAY, &salt))?;
        Ok(Self { present, previous: Vec::new() })
    }

    /// Returns the digests of a user who has no password yet. `salt` is random and unique to the user, and `random` stands
    /// for a digest, so that no password verifies, and a sign-in does the same work as for other users.
    pub fn without_password(salt: [u8; 16], random: [u8; 32]) -> Self {
        Self { present: Digest::of_no_password(Recipe::new(Cost::TODAY, &salt), random), previous: Vec::new() }
    }

    /// Returns whether this is the current password. Computes one hash for any input.
    pub fn verify(&self, attempt: &SubmittedPassword) -> Result<bool, HashingFailed> {
        let typed = Digest::compute(attempt.as_bytes(), self.present.recipe().clone())?;
        Ok(typed.matches(&self.present) & attempt.can_match())
    }

    /// Returns the digests after a change to this password, or `Reused` if it is one of the last five.
    ///
    /// Computes one hash if all digests have today's parameters and the same salt, and one more for each other
    /// combination.
    pub fn change_to(&self, password: &Password) -> Result<Result<Self, Rejection>, HashingFailed> {
        let hash = |recipe: &Recipe| Digest::compute(password.as_bytes(), recipe.clone());
        let present = hash(&Recipe::new(Cost::TODAY, self.present.recipe().salt()))?;
        let mut made = vec![present.clone()];
        let mut reused = false;
        for old in self.newest_first() {
            let new = match made.iter().find(|new| new.recipe() == old.recipe()) {
                Some(new) => new.clone(),
                None => hash(old.recipe())?,
            };
            reused |= new.matches(old);
            made.push(new);
        }
        if reused {
            return Ok(Err(Rejection::Reused));
        }
        let previous = self.newest_first().take(MAX_PREVIOUS).cloned().collect();
        Ok(Ok(Self { present, previous }))
    }

    /// Returns whether the current digest has parameters other than today's.
    pub fn is_outdated(&self) -> bool {
        self.present.recipe().cost() != Cost::TODAY
    }

    /// Hashes the current password again with today's parameters and a new salt. The previous digests do not change.
    ///
    /// Returns the same digests if `attempt` is not the current password. Computes two hashes, once per user and change
    /// of parameters.
    pub fn renewed(&self, attempt: &SubmittedPassword, salt: [u8; 16]) -> Result<Self, HashingFailed> {
        if !self.verify(attempt)? {
            return Ok(self.clone());
        }
        let present = Digest::compute(attempt.as_bytes(), Recipe::new(Cost::TODAY, &salt))?;
        Ok(Self { present, previous: self.previous.clone() })
    }

    fn newest_first(&self) -> impl Iterator<Item = &Digest> {
        [&self.present].into_iter().chain(&self.previous)
    }
}

impl fmt::Debug for Digests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digests(…)")
    }
}

/// Does the work of `Digests::verify` for an unknown email, so that the response time does not reveal that it is
/// unknown.
pub fn verify_nobody(password: &SubmittedPassword) -> Result<(), HashingFailed> {
    let typed = Digest::compute(password.as_bytes(), Recipe::new(Cost::TODAY, &[0; 16]))?;
    black_box(typed.matches(&typed.clone()) & password.can_match());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::digest::count;
    use super::*;

    const SALT: [u8; 16] = [7; 16];

    fn password(number: u32) -> Password {
        Password::parse(&format!("password number {number}")).unwrap()
    }

    fn attempt(number: u32) -> SubmittedPassword {
        SubmittedPassword::parse(password(number).expose())
    }

    /// Returns digests as an earlier version with cheaper parameters would have stored them, newest first.
    fn outdated(numbers: &[u32], salt: [u8; 16]) -> Digests {
        let recipe = Recipe::new(Cost::CHEAP, &salt);
        let mut all = numbers.iter().map(|n| Digest::compute(password(*n).as_bytes(), recipe.clone()).unwrap());
        Digests { present: all.next().unwrap(), previous: all.collect() }
    }

    /// Returns the digests of password 1 after changes to password 2, 3 and so on up to `last`.
    fn after_changes_up_to(last: u32) -> Digests {
        (2..=last).fold(Digests::new(&password(1), SALT).unwrap(), |digests, number| {
            digests.change_to(&password(number)).unwrap().unwrap()
        })
    }

    #[test]
    fn only_the_current_password_verifies() {
        let digests = after_changes_up_to(2);
        assert!(digests.verify(&attempt(2)).unwrap());
        assert!(!digests.verify(&attempt(1)).unwrap());
        assert!(!digests.verify(&SubmittedPassword::parse("")).unwrap());
        assert!(!digests.verify(&SubmittedPassword::parse("Password number 2")).unwrap());
        assert!(!digests.verify(&SubmittedPassword::parse("password number 2 ")).unwrap());
    }

    #[test]
    fn a_user_without_a_password_has_the_work_of_others_and_can_choose_one() {
        let digests = Digests::without_password(SALT, [3; 32]);
        let (verified, hashes) = count::during(|| digests.verify(&attempt(1)).unwrap());
        assert_eq!((verified, hashes), (false, 1));
        let chosen = (1..=5).fold(digests, |digests, number| digests.change_to(&password(number)).unwrap().unwrap());
        assert!(chosen.verify(&attempt(5)).unwrap());
        assert!(matches!(chosen.change_to(&password(1)).unwrap(), Err(Rejection::Reused)));
    }

    #[test]
    fn a_password_typed_in_another_unicode_form_verifies() {
        let digests = Digests::new(&Password::parse("caf\u{E9} am kleinen Platz").unwrap(), SALT).unwrap();
        assert!(digests.verify(&SubmittedPassword::parse("cafe\u{301} am kleinen Platz")).unwrap());
    }

    #[test]
    fn a_text_that_is_too_long_never_verifies_even_if_its_beginning_would() {
        let longest = "x".repeat(128);
        let digests = Digests::new(&Password::parse(&longest).unwrap(), SALT).unwrap();
        assert!(digests.verify(&SubmittedPassword::parse(&longest)).unwrap());
        let (verified, hashes) =
            count::during(|| digests.verify(&SubmittedPassword::parse(&format!("{longest}x"))).unwrap());
        assert_eq!((verified, hashes), (false, 1));
    }

    #[test]
    fn the_last_five_passwords_are_rejected_and_the_sixth_is_accepted() {
        let digests = after_changes_up_to(6);
        for reused in 2..=6 {
            assert_eq!(digests.change_to(&password(reused)).unwrap().unwrap_err(), Rejection::Reused, "{reused}");
        }
        let changed = digests.change_to(&password(1)).unwrap().unwrap();
        assert!(changed.verify(&attempt(1)).unwrap());
        assert!(changed.change_to(&password(2)).unwrap().is_ok());
        assert_eq!(changed.change_to(&password(3)).unwrap().unwrap_err(), Rejection::Reused);
    }

    #[test]
    fn new_verify_and_change_compute_one_hash_each() {
        assert_eq!(count::during(|| Digests::new(&password(1), SALT).unwrap()).1, 1);
        let digests = after_changes_up_to(6);
        for typed in [attempt(6), attempt(1), SubmittedPassword::parse(""), SubmittedPassword::parse(&"x".repeat(500))]
        {
            assert_eq!(count::during(|| digests.verify(&typed).unwrap()).1, 1);
            assert_eq!(count::during(|| verify_nobody(&typed).unwrap()).1, 1);
        }
        assert_eq!(count::during(|| digests.change_to(&password(7)).unwrap().unwrap()).1, 1);
        assert_eq!(count::during(|| digests.change_to(&password(2)).unwrap().unwrap_err()).1, 1);
    }

    #[test]
    fn an_unknown_email_costs_the_same_hash_as_a_known_one() {
        let recipe = Digests::new(&password(1), SALT).unwrap().present.recipe().clone();
        assert!(recipe.cost() == Cost::TODAY && recipe.salt().len() == 16);
        assert!(
            serde_json::to_string(&Digests::new(&password(1), SALT).unwrap()).unwrap().contains("$m=19456,t=2,p=1$")
        );
    }

    #[test]
    fn outdated_digests_verify_at_their_own_cost_and_can_be_renewed() {
        let old = outdated(&[3, 2, 1], SALT);
        assert!(old.is_outdated());
        assert!(old.verify(&attempt(3)).unwrap());

        let renewed = old.renewed(&attempt(3), [8; 16]).unwrap();
        assert!(!renewed.is_outdated());
        assert!(renewed.verify(&attempt(3)).unwrap());
        assert!(!renewed.verify(&attempt(2)).unwrap());
        for reused in 1..=3 {
            assert_eq!(renewed.change_to(&password(reused)).unwrap().unwrap_err(), Rejection::Reused, "{reused}");
        }
        let (changed, hashes) = count::during(|| renewed.change_to(&password(4)).unwrap().unwrap());
        assert_eq!(hashes, 2, "one for the renewed digest and one for the older two");
        assert!(changed.verify(&attempt(4)).unwrap());
    }

    #[test]
    fn a_wrong_password_renews_nothing() {
        let old = outdated(&[1], SALT);
        for wrong in [attempt(2), SubmittedPassword::parse(&"x".repeat(500))] {
            let kept = old.renewed(&wrong, [8; 16]).unwrap();
            assert!(kept.is_outdated());
            assert!(kept.verify(&attempt(1)).unwrap() && !kept.verify(&wrong).unwrap());
        }
    }

    #[test]
    fn a_change_renews_outdated_digests_and_still_remembers_them() {
        let (changed, hashes) = count::during(|| outdated(&[2, 1], SALT).change_to(&password(3)).unwrap().unwrap());
        assert_eq!(hashes, 2 + 2, "the test makes two, one is today's, and one is compared with both old ones");
        assert!(!changed.is_outdated());
        for reused in 1..=3 {
            assert_eq!(changed.change_to(&password(reused)).unwrap().unwrap_err(), Rejection::Reused, "{reused}");
        }
    }

    #[test]
    fn digests_are_stored_as_phc_strings_newest_first() {
        let digests = after_changes_up_to(3);
        let json = serde_json::to_value(&digests).unwrap();
        assert_eq!(json["previous"].as_array().unwrap().len(), 2);
        for text in [&json["present"], &json["previous"][0], &json["previous"][1]] {
            assert!(
                text.as_str().unwrap().starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"),
                "{text}"
            );
        }
        let again: Digests = serde_json::from_value(json.clone()).unwrap();
        assert!(again.verify(&attempt(3)).unwrap());
        assert_eq!(serde_json::to_value(&again).unwrap(), json);
    }

    #[test]
    fn a_malformed_digest_is_rejected_and_not_repeated_in_the_error() {
        let error = serde_json::from_str::<Digests>(r#"{"present":"$argon2id$secret","previous":[]}"#).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn debug_hides_the_digests() {
        assert_eq!(format!("{:?}", outdated(&[1], SALT)), "Digests(…)");
    }
}
