//! An authenticator app, made from RFC 6238 and RFC 4226 alone, so that the portal is tested against another implementation.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use crate::{Actor, Answer, Call, Client, secrets};

/// The length of a step in seconds.
const STEP: u64 = 30;

/// The block of SHA-1, to which HMAC pads a key.
const BLOCK: usize = 64;

/// An authenticator app with the secret of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// Reads the secret in a response, and checks that the URI for a QR code has the same.
    #[track_caller]
    pub fn of(totp: &Value) -> Self {
        let secret = secrets::remembered(totp["secret"].as_str().unwrap_or_else(|| panic!("a secret: {totp}")));
        let uri = totp["uri"].as_str().unwrap();
        assert!(uri.starts_with("otpauth://totp/Partner%20Portal:"), "{uri}");
        assert!(uri.contains(&format!("?secret={secret}&")), "the URI has the same secret");
        assert!(uri.ends_with("&algorithm=SHA1&digits=6&period=30"), "{uri}");
        Self(from_base32(&secret))
    }

    /// The number of the present step.
    pub fn present_step() -> u64 {
        now() / STEP
    }

    /// Reads a secret that a user types into the app.
    pub fn with_secret(secret: &str) -> Self {
        Self(from_base32(&secrets::remembered(secret)))
    }

    /// The code of the present step.
    pub fn code(&self) -> String {
        self.code_after(0)
    }

    /// The code of a later step. The portal accepts that of the next one, too.
    pub fn code_after(&self, steps: u64) -> String {
        self.code_at(Self::present_step() + steps)
    }

    /// A wrong code: that of no step that the portal accepts.
    pub fn wrong_code(&self) -> String {
        let step = Self::present_step();
        let right: Vec<String> = (step - 3..step + 6).map(|step| self.code_at(step)).collect();
        let wrong = (0..10).map(|number| format!("{number:06}"));
        wrong.into_iter().find(|code| !right.contains(code)).expect("ten codes are not all right")
    }

    /// The code of a step. RFC 4226, 5.3: the HMAC of the step's number, truncated to six digits.
    pub fn code_at(&self, step: u64) -> String {
        let digest = hmac_sha1(&self.0, &step.to_be_bytes());
        let offset = usize::from(digest[19] & 0x0f);
        let bytes: [u8; 4] = digest[offset..offset + 4].try_into().unwrap();
        format!("{:06}", (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000)
    }
}

#[allow(clippy::disallowed_methods, reason = "the app has the time of the stack, which is that of the machine")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn hmac_sha1(key: &[u8], message: &[u8]) -> [u8; 20] {
    let padded = |with: u8| -> Vec<u8> { (0..BLOCK).map(|index| key.get(index).unwrap_or(&0) ^ with).collect() };
    let inner = Sha1::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha1::new().chain_update(padded(0x5c)).chain_update(inner).finalize().into()
}

fn from_base32(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut length) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            other => panic!("{other} is not in base 32"),
        };
        (bits, length) = (bits << 5 | u32::from(value), length + 5);
        if length >= 8 {
            length -= 8;
            bytes.push(u8::try_from(bits >> length & 0xff).unwrap());
        }
    }
    bytes
}

impl Actor {
    /// Reads this actor's own second factors.
    pub fn factors(&self) -> Call {
        self.get("/v1/me/factors")
    }

    /// Starts to add an authenticator app.
    pub fn start_totp(&self) -> Call {
        self.call("POST", "/v1/me/factors/totp")
    }

    /// Tries to add the app that was started, with its code.
    pub fn confirm_totp(&self, code: &str) -> Call {
        self.post("/v1/me/factors/totp/confirm", &json!({ "code": code }))
    }

    /// Tries to remove the app.
    pub fn remove_totp(&self) -> Call {
        self.delete("/v1/me/factors/totp")
    }

    /// Tries to replace the recovery codes.
    pub fn renew_recovery_codes(&self) -> Call {
        self.call("POST", "/v1/me/recovery-codes")
    }

    /// Tries to authenticate again.
    pub fn reauthenticate(&self, body: &Value) -> Call {
        self.post("/v1/me/reauthentication", body)
    }

    /// Tries to remove the second factors of a user.
    pub fn reset_factors(&self, user: &crate::User) -> Call {
        self.delete(&format!("{}/factors", user.path()))
    }

    /// Reads the settings of the partner.
    pub fn settings(&self) -> Call {
        self.get("/v1/settings")
    }

    /// Tries to set which users need a second factor.
    pub fn require_factors(&self, of: &str) -> Call {
        self.put("/v1/settings", &json!({ "second_factor": of }))
    }

    /// Adds an authenticator app, which must succeed. Returns it with the recovery codes. The present step is used.
    pub async fn enrolled(&self) -> (Authenticator, Vec<String>) {
        let app = Authenticator::of(&self.start_totp().await.expect(200).json);
        let confirmed = self.confirm_totp(&app.code()).await.expect(200);
        (app, recovery_codes(&confirmed))
    }
}

impl Client {
    /// Tries to continue a sign-in with a code.
    pub fn use_factor(&self, session: &str, code: &str) -> Call {
        let body = json!({ "challenge": "second_factor", "session": session, "code": code });
        self.post("/v1/sessions/challenge", &body)
    }

    /// Tries to add an app in a sign-in, with its code.
    pub fn enrol(&self, session: &str, code: &str) -> Call {
        let body = json!({ "challenge": "second_factor_enrolment", "session": session, "code": code });
        self.post("/v1/sessions/challenge", &body)
    }

    /// Starts the sign-in of a user until a challenge of this kind. Returns the response.
    pub async fn asked_for(&self, challenge: &str, user: &crate::User) -> Answer {
        let answer = self.sign_in_at(&user.partner_id, &user.email, &user.password).await.expect(200);
        assert_eq!(answer.json["challenge"], challenge, "{answer}");
        secrets::remembered(answer.text_at("/session"));
        answer
    }

    /// Starts the sign-in of a user who has a second factor. Returns the challenge's session.
    pub async fn asked_for_factor(&self, user: &crate::User) -> String {
        self.asked_for("second_factor", user).await.text_at("/session").to_owned()
    }
}

/// The recovery codes in a response.
#[track_caller]
pub fn recovery_codes(answer: &Answer) -> Vec<String> {
    let codes = answer.json["recovery_codes"].as_array().unwrap_or_else(|| panic!("recovery codes: {answer}"));
    let codes: Vec<String> = codes.iter().map(|code| secrets::remembered(code.as_str().unwrap())).collect();
    assert_eq!(codes.len(), 10, "{answer}");
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of RFC 4226, appendix D.
    #[test]
    fn the_codes_are_those_of_rfc_4226() {
        let app = Authenticator(b"12345678901234567890".to_vec());
        let codes =
            ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        assert_eq!((0..10).map(|step| app.code_at(step)).collect::<Vec<_>>(), codes);
        assert_eq!(from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"), app.0);
    }
}
