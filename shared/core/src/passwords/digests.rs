//! What is kept of a user's passwords: the digest of the present one and of the four before it.

use std::fmt;
use std::hint::black_box;

use serde::{Deserialize, Serialize};

use super::digest::{Cost, Digest, Recipe};
use super::{HashingFailed, Password, Rejection, SubmittedPassword};

/// How many passwords are remembered beside the present one: five in all.
const MAX_PREVIOUS: usize = 4;

/// The digests of a user's last five passwords, the present one among them.
///
/// All are made with one random salt of the user's own, so comparing a new password with five costs one hash. `Debug` hides
/// them, and serde writes PHC strings: they belong into the Credentials table only.
#[derive(Clone, Serialize, Deserialize)]
pub struct Digests {
    present: Digest,
    /// Newest first.
    previous: Vec<Digest>,
}

impl Digests {
    /// The digests of a user's first password. The salt is random and the user's own. One hash.
    pub fn new(password: &Password, salt: [u8; 16]) -> Result<Self, HashingFailed> {
        let present = Digest::compute(password.as_bytes(), Recipe::new(Cost::TODAY, &salt))?;
        Ok(Self { present, previous: Vec::new() })
    }

    /// Whether this is the present password. One hash, whatever was typed.
    pub fn verify(&self, attempt: &SubmittedPassword) -> Result<bool, HashingFailed> {
        let typed = Digest::compute(attempt.as_bytes(), self.present.recipe().clone())?;
        Ok(typed.matches(&self.present) & attempt.can_match())
    }

    /// The digests once this is the password, or `Reused` when it is one of the last five.
    ///
    /// One hash as long as every digest was made with today's parameters and one salt; one more for each other way of making.
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

    /// Whether the present digest was made with other parameters than today's.
    pub fn is_outdated(&self) -> bool {
        self.present.recipe().cost() != Cost::TODAY
    }

    /// The same password with today's parameters and a new salt; the previous ones stay as they are.
    ///
    /// An attempt that is not the present password changes nothing. Two hashes, once per user and change of parameters.
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

/// Does the work of `Digests::verify` for an email that nobody has, so that the answer's delay does not tell.
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

    /// Digests as an earlier version of the system with cheaper parameters would have left them, newest first.
    fn outdated(numbers: &[u32], salt: [u8; 16]) -> Digests {
        let recipe = Recipe::new(Cost::CHEAP, &salt);
        let mut all = numbers.iter().map(|n| Digest::compute(password(*n).as_bytes(), recipe.clone()).unwrap());
        Digests { present: all.next().unwrap(), previous: all.collect() }
    }

    /// `1`, then changed to `2`, … up to `last`.
    fn after_changes_up_to(last: u32) -> Digests {
        (2..=last).fold(Digests::new(&password(1), SALT).unwrap(), |digests, number| {
            digests.change_to(&password(number)).unwrap().unwrap()
        })
    }

    #[test]
    fn only_the_present_password_verifies() {
        let digests = after_changes_up_to(2);
        assert!(digests.verify(&attempt(2)).unwrap());
        assert!(!digests.verify(&attempt(1)).unwrap());
        assert!(!digests.verify(&SubmittedPassword::parse("")).unwrap());
        assert!(!digests.verify(&SubmittedPassword::parse("Password number 2")).unwrap());
        assert!(!digests.verify(&SubmittedPassword::parse("password number 2 ")).unwrap());
    }

    #[test]
    fn a_password_typed_in_another_unicode_form_verifies() {
        let digests = Digests::new(&Password::parse("caf\u{E9} am kleinen Platz").unwrap(), SALT).unwrap();
        assert!(digests.verify(&SubmittedPassword::parse("cafe\u{301} am kleinen Platz")).unwrap());
    }

    #[test]
    fn more_than_the_longest_password_never_verifies_though_its_beginning_would() {
        let longest = "x".repeat(128);
        let digests = Digests::new(&Password::parse(&longest).unwrap(), SALT).unwrap();
        assert!(digests.verify(&SubmittedPassword::parse(&longest)).unwrap());
        let (verified, hashes) =
            count::during(|| digests.verify(&SubmittedPassword::parse(&format!("{longest}x"))).unwrap());
        assert_eq!((verified, hashes), (false, 1));
    }

    #[test]
    fn the_last_five_passwords_are_refused_and_the_sixth_is_welcome() {
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
    fn making_verifying_and_changing_cost_one_hash_each() {
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
    fn nobody_costs_what_a_user_costs() {
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
    fn an_attempt_that_is_not_the_password_renews_nothing() {
        let old = outdated(&[1], SALT);
        for wrong in [attempt(2), SubmittedPassword::parse(&"x".repeat(500))] {
            let kept = old.renewed(&wrong, [8; 16]).unwrap();
            assert!(kept.is_outdated());
            assert!(kept.verify(&attempt(1)).unwrap() && !kept.verify(&wrong).unwrap());
        }
    }

    #[test]
    fn a_change_makes_outdated_digests_new_but_remembers_them() {
        let (changed, hashes) = count::during(|| outdated(&[2, 1], SALT).change_to(&password(3)).unwrap().unwrap());
        assert_eq!(hashes, 2 + 2, "two were made by the test, one is today's and one compares with both old ones");
        assert!(!changed.is_outdated());
        for reused in 1..=3 {
            assert_eq!(changed.change_to(&password(reused)).unwrap().unwrap_err(), Rejection::Reused, "{reused}");
        }
    }

    #[test]
    fn it_is_stored_as_phc_strings_newest_first() {
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
    fn a_broken_digest_is_not_read_and_not_repeated() {
        let error = serde_json::from_str::<Digests>(r#"{"present":"$argon2id$secret","previous":[]}"#).unwrap_err();
        assert!(!error.to_string().contains("secret"));
    }

    #[test]
    fn debug_hides_them() {
        assert_eq!(format!("{:?}", outdated(&[1], SALT)), "Digests(…)");
    }
}
