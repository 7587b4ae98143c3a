//! The second factors of a user, as the credential stores them.

use std::fmt;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::recovery::hash_of;
use super::{Passkey, RecoveryCodes, SubmittedCode, TotpSecret};
use crate::models::{PasskeyName, SecondFactor, Timestamp, UsedFactor, UserId};

/// The second factors of a user. `Debug` hides them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Factors {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<App>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    passkeys: Vec<Passkey>,
    /// The hashes of the recovery codes that have not been used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recovery: Vec<String>,
}

/// An authenticator app.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct App {
    secret: TotpSecret,
    /// The last step whose code was accepted. Only the codes of later steps are.
    last_step: u64,
    /// The time at which the app was added.
    pub added_at: Timestamp,
}

/// A right code.
#[derive(Debug)]
pub struct Accepted {
    /// What the code was.
    pub factor: UsedFactor,
    /// The factors after its use: the same code is never accepted again.
    pub after: Factors,
}

impl Factors {
    /// Returns the strongest factor.
    pub fn kind(&self) -> SecondFactor {
        match (self.passkeys.is_empty(), &self.app) {
            (false, _) => SecondFactor::Passkey,
            (true, Some(_)) => SecondFactor::Totp,
            (true, None) => SecondFactor::None,
        }
    }

    /// Returns whether there is no factor.
    pub fn is_empty(&self) -> bool {
        self.kind() == SecondFactor::None
    }

    /// Returns the authenticator app, if there is one.
    pub fn app(&self) -> Option<&App> {
        self.app.as_ref()
    }

    /// Returns the passkeys, in the order in which they were added.
    pub fn passkeys(&self) -> &[Passkey] {
        &self.passkeys
    }

    /// Returns the passkey with this id.
    pub fn passkey(&self, id: &str) -> Option<&Passkey> {
        self.passkeys.iter().find(|passkey| passkey.id == id)
    }

    /// Returns the number of recovery codes that have not been used.
    pub fn recovery_codes_left(&self) -> usize {
        self.recovery.len()
    }

    /// Returns the factors with which a sign-in can continue. The one to ask for first comes first. Passkeys can be off.
    pub fn offered(&self, are_passkeys_on: bool) -> Vec<UsedFactor> {
        let app = self.app.as_ref().map(|_| UsedFactor::Totp);
        let passkey = (are_passkeys_on && !self.passkeys.is_empty()).then_some(UsedFactor::Passkey);
        let recovery = (!self.recovery.is_empty()).then_some(UsedFactor::RecoveryCode);
        app.into_iter().chain(passkey).chain(recovery).collect()
    }

    /// Returns the factors with one more passkey.
    #[must_use]
    pub fn with_passkey(&self, passkey: Passkey) -> Self {
        let mut after = self.clone();
        after.passkeys.push(passkey);
        after
    }

    /// Returns the factors without this passkey. As with [`without_app`](Self::without_app), no recovery codes are left if
    /// it was the only factor.
    #[must_use]
    pub fn without_passkey(&self, id: &str) -> Self {
        let mut without = self.clone();
        without.passkeys.retain(|passkey| passkey.id != id);
        if without.is_empty() { Self::default() } else { without }
    }

    /// Returns the factors with another name for this passkey.
    #[must_use]
    pub fn with_renamed_passkey(&self, id: &str, name: &PasskeyName) -> Self {
        self.with_changed_passkey(id, |passkey| passkey.name = name.clone())
    }

    /// Returns the factors after the use of this passkey. `counter` and `synced` are what the authenticator reported.
    #[must_use]
    pub fn with_used_passkey(&self, id: &str, counter: u32, synced: bool, at: Timestamp) -> Self {
        self.with_changed_passkey(id, |passkey| {
            (passkey.counter, passkey.synced, passkey.used_at) = (counter, synced, Some(at));
        })
    }

    fn with_changed_passkey(&self, id: &str, change: impl FnOnce(&mut Passkey)) -> Self {
        let mut after = self.clone();
        if let Some(passkey) = after.passkeys.iter_mut().find(|passkey| passkey.id == id) {
            change(passkey);
        }
        after
    }

    /// Returns the factors with this authenticator app, which replaces an earlier one. `step` is the step of the code
    /// that confirmed it.
    #[must_use]
    pub fn with_app(&self, secret: TotpSecret, step: u64, at: Timestamp) -> Self {
        Self { app: Some(App { secret, last_step: step, added_at: at }), ..self.clone() }
    }

    /// Returns the factors without an authenticator app. Recovery codes only replace another factor, so none are left
    /// if it was the only one.
    #[must_use]
    pub fn without_app(&self) -> Self {
        let without = Self { app: None, ..self.clone() };
        if without.is_empty() { Self::default() } else { without }
    }

    /// Returns the factors with these recovery codes, which replace earlier ones.
    #[must_use]
    pub fn with_recovery_codes(&self, user: &UserId, codes: &RecoveryCodes) -> Self {
        Self { recovery: codes.hashes(user), ..self.clone() }
    }

    /// Checks a submitted code. Returns `None` if it is wrong, or was used before.
    pub fn accept(&self, user: &UserId, code: &SubmittedCode, now: Timestamp) -> Option<Accepted> {
        self.accept_app_code(code, now).or_else(|| self.accept_recovery_code(user, code))
    }

    fn accept_app_code(&self, code: &SubmittedCode, now: Timestamp) -> Option<Accepted> {
        let app = self.app.as_ref()?;
        let step = app.secret.step_of(code.app_code()?, now).filter(|step| *step > app.last_step)?;
        let app = App { last_step: step, ..app.clone() };
        Some(Accepted { factor: UsedFactor::Totp, after: Self { app: Some(app), ..self.clone() } })
    }

    fn accept_recovery_code(&self, user: &UserId, code: &SubmittedCode) -> Option<Accepted> {
        let hash = hash_of(user, code).filter(|_| !self.is_empty())?;
        let is_same = |stored: &String| bool::from(stored.as_bytes().ct_eq(hash.as_bytes()));
        let index = self.recovery.iter().position(is_same)?;
        let mut after = self.clone();
        after.recovery.remove(index);
        Some(Accepted { factor: UsedFactor::RecoveryCode, after })
    }
}

impl fmt::Debug for Factors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Factors(…)")
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("App(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use totp_rs::{Builder, Secret};

    use super::super::RECOVERY_CODE_BYTES;
    use super::*;

    fn user() -> UserId {
        UserId::new(Timestamp::from_unix_millis(1), [1; 10])
    }

    fn now() -> Timestamp {
        Timestamp::from_unix_seconds(1_795_350_600)
    }

    fn secret() -> TotpSecret {
        TotpSecret::derived("a-token").unwrap()
    }

    /// The code of the step of a time.
    fn code(at: Timestamp) -> SubmittedCode {
        let secret = Secret::try_from_base32(secret().to_base32()).unwrap();
        let totp = Builder::new().with_secret(secret).build().unwrap();
        SubmittedCode::parse(&totp.generate(at.unix_seconds().unsigned_abs()).to_string())
    }

    fn codes() -> RecoveryCodes {
        RecoveryCodes::generate(&std::array::from_fn(|index| u8::try_from(index).unwrap()))
    }

    fn enrolled() -> Factors {
        Factors::default().with_app(secret(), 0, now()).with_recovery_codes(&user(), &codes())
    }

    fn later(steps: u64) -> Timestamp {
        now().plus(Duration::from_secs(30 * steps))
    }

    #[test]
    fn a_step_is_accepted_once_and_no_earlier_one_after_it() {
        let accepted = enrolled().accept(&user(), &code(now()), now()).unwrap();
        assert_eq!(accepted.factor, UsedFactor::Totp);
        let after = accepted.after;
        assert!(after.accept(&user(), &code(now()), now()).is_none(), "the same code again");
        assert!(after.accept(&user(), &code(later(1)), now()).is_some(), "the code of the next step");
        let ahead = enrolled().accept(&user(), &code(later(1)), now()).unwrap().after;
        assert!(ahead.accept(&user(), &code(now()), now()).is_none(), "an earlier step");
    }

    #[test]
    fn the_code_that_confirmed_an_app_is_used() {
        let step = now().unix_seconds().unsigned_abs() / 30;
        let factors = Factors::default().with_app(secret(), step, now());
        assert!(factors.accept(&user(), &code(now()), now()).is_none());
        assert!(factors.accept(&user(), &code(later(1)), later(1)).is_some());
    }

    #[test]
    fn a_recovery_code_works_once() {
        let shown = codes().shown();
        let mut factors = enrolled();
        for (used, typed) in shown.iter().enumerate() {
            assert_eq!(factors.recovery_codes_left(), shown.len() - used);
            let typed = SubmittedCode::parse(&typed.to_lowercase());
            let accepted = factors.accept(&user(), &typed, now()).unwrap();
            assert_eq!(accepted.factor, UsedFactor::RecoveryCode);
            factors = accepted.after;
            assert!(factors.accept(&user(), &typed, now()).is_none());
        }
        assert_eq!(factors.offered(true), [UsedFactor::Totp]);
    }

    #[test]
    fn recovery_codes_are_of_one_user_and_need_another_factor() {
        let typed = SubmittedCode::parse(&codes().shown()[0]);
        let another = UserId::new(Timestamp::from_unix_millis(1), [2; 10]);
        assert!(enrolled().accept(&another, &typed, now()).is_none());
        let alone = Factors { app: None, ..enrolled() };
        assert!(alone.accept(&user(), &typed, now()).is_none());
        assert_eq!(enrolled().without_app(), Factors::default());
    }

    #[test]
    fn new_recovery_codes_replace_earlier_ones() {
        let again = RecoveryCodes::generate(&[9; RECOVERY_CODE_BYTES]);
        let factors = enrolled().with_recovery_codes(&user(), &again);
        assert!(factors.accept(&user(), &SubmittedCode::parse(&codes().shown()[0]), now()).is_none());
        assert!(factors.accept(&user(), &SubmittedCode::parse(&again.shown()[0]), now()).is_some());
    }

    #[test]
    fn a_user_without_factors_has_no_right_code() {
        let none = Factors::default();
        assert!(none.is_empty() && none.offered(true).is_empty() && none.app().is_none());
        assert!(none.accept(&user(), &code(now()), now()).is_none());
        assert_eq!(enrolled().kind(), SecondFactor::Totp);
        assert_eq!(enrolled().offered(true), [UsedFactor::Totp, UsedFactor::RecoveryCode]);
    }

    #[test]
    fn factors_are_stored_in_few_bytes_and_read_back() {
        let text = serde_json::to_string(&enrolled()).unwrap();
        assert!(text.len() < 400, "{} bytes: {text}", text.len());
        assert_eq!(serde_json::from_str::<Factors>(&text).unwrap(), enrolled());
        assert_eq!(serde_json::to_string(&Factors::default()).unwrap(), "{}");
        let later = r#"{"keys":[{"id":"AAAA"}]}"#;
        assert_eq!(serde_json::from_str::<Factors>(later).unwrap(), Factors::default());
    }

    /// A passkey as most authenticators make them: an id of 32 bytes, and a key on the curve P-256.
    fn passkey(number: u8) -> Passkey {
        Passkey {
            id: format!("{}{number}", "A".repeat(42)),
            name: PasskeyName::parse("The phone of Maximiliane").unwrap(),
            key: "A".repeat(103),
            counter: 0,
            synced: true,
            transports: vec!["internal".to_owned(), "hybrid".to_owned()],
            added_at: now(),
            used_at: None,
        }
    }

    #[test]
    fn a_passkey_is_the_strongest_factor_and_can_be_off() {
        let both = enrolled().with_passkey(passkey(1));
        assert_eq!(both.kind(), SecondFactor::Passkey);
        assert_eq!(both.offered(true), [UsedFactor::Totp, UsedFactor::Passkey, UsedFactor::RecoveryCode]);
        assert_eq!(both.offered(false), [UsedFactor::Totp, UsedFactor::RecoveryCode]);
        assert_eq!(both.without_app().kind(), SecondFactor::Passkey);
        assert_eq!(both.without_app().recovery_codes_left(), 10);
        assert_eq!(both.without_passkey(&passkey(1).id), enrolled());
        assert_eq!(both.without_passkey("another"), both);
        assert_eq!(both.without_app().without_passkey(&passkey(1).id), Factors::default());
    }

    #[test]
    fn the_use_and_the_name_of_a_passkey_change_only_this_passkey() {
        let two = Factors::default().with_passkey(passkey(1)).with_passkey(passkey(2));
        let used = two.with_used_passkey(&passkey(2).id, 7, false, later(1));
        assert_eq!(used.passkeys()[0], passkey(1));
        let after = used.passkey(&passkey(2).id).unwrap();
        assert_eq!((after.counter, after.synced, after.used_at), (7, false, Some(later(1))));
        let name = PasskeyName::parse("Key").unwrap();
        let renamed = two.with_renamed_passkey(&passkey(1).id, &name);
        assert_eq!((&renamed.passkeys()[0].name, &renamed.passkeys()[1]), (&name, &passkey(2)));
        assert_eq!(two.with_renamed_passkey("another", &name), two);
    }

    #[test]
    fn ten_passkeys_are_stored_in_few_bytes_and_read_back() {
        let factors = (0..10).fold(enrolled(), |factors, number| factors.with_passkey(passkey(number)));
        let used = factors.with_used_passkey(&passkey(3).id, 1_234, true, later(1));
        let text = serde_json::to_string(&used).unwrap();
        assert!(text.len() < 3_500, "{} bytes: {text}", text.len());
        assert_eq!(serde_json::from_str::<Factors>(&text).unwrap(), used);
    }

    #[test]
    fn debug_hides_all_secrets() {
        assert_eq!(format!("{:?} {:?}", enrolled(), enrolled().app.unwrap()), "Factors(…) App(…)");
    }

    proptest! {
        #[test]
        fn no_text_but_the_codes_is_accepted(text in "[0-9A-Za-z -]{0,12}") {
            let typed = SubmittedCode::parse(&text);
            let accepted = enrolled().accept(&user(), &typed, now());
            let is_app_code = [0, 1, 2].iter().any(|steps| {
                let at = Timestamp::from_unix_seconds(now().unix_seconds() + 30 * (steps - 1));
                typed.app_code().is_some() && typed.app_code() == code(at).app_code()
            });
            let is_recovery_code = codes().shown().iter().any(|shown| {
                typed.recovery_code().is_some() && typed.recovery_code() == SubmittedCode::parse(shown).recovery_code()
            });
            prop_assert_eq!(accepted.is_some(), is_app_code || is_recovery_code);
        }

        #[test]
        fn the_accepted_steps_only_grow(offsets in prop::collection::vec((0..40_u64, 0..3_i64), 1..40)) {
            let (mut factors, mut last) = (enrolled(), 0);
            for (step, offset) in offsets {
                let at = later(step);
                let shown = Timestamp::from_unix_seconds(at.unix_seconds() + 30 * (offset - 1));
                let number = shown.unix_seconds() / 30;
                let accepted = factors.accept(&user(), &code(shown), at);
                prop_assert_eq!(accepted.is_some(), number > last);
                if let Some(accepted) = accepted {
                    (factors, last) = (accepted.after, number);
                }
            }
        }
    }
}
