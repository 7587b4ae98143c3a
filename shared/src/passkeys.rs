//! Passkeys (`WebAuthn`): the relying party, the options that a browser passes to an authenticator, and the answer as a
//! client submits it. `portal-webauthn` verifies answers.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::factors::{PASSKEY_CHALLENGE_LIFETIME, Passkey, PasskeyChallenge, user_handle, user_of_handle};
use crate::models::{PartnerId, PartnerName, PasskeyName, Timestamp, User, UserId};

/// The name of the portal in the dialogs of browsers.
pub const RELYING_PARTY_NAME: &str = "Partner Portal";

/// ES256, ES384 and RS256: the algorithms that the verifying library supports, the preferred one first.
const ALGORITHMS: [i32; 3] = [-7, -35, -257];

/// Required, because a passkey counts as both factors.
const VERIFICATION: &str = "required";

/// The portal, as browsers and authenticators know it. It comes from the configuration only, never from a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// The host of the page, for which authenticators make passkeys.
    pub id: String,
    /// The origin of the page.
    pub origin: String,
}

impl RelyingParty {
    /// Returns the relying party of a portal whose page has this address. `None` if its host has no name: there are no
    /// passkeys for IP addresses.
    pub(crate) fn of(portal_url: &str) -> Option<Self> {
        let (scheme, rest) = portal_url.split_once("://")?;
        let authority = rest.split('/').next()?.to_ascii_lowercase();
        let id = authority.split(':').next()?.to_owned();
        let is_host = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        let is_name = is_host && id.bytes().any(|byte| byte.is_ascii_alphabetic());
        is_name.then(|| Self { id, origin: format!("{}://{authority}", scheme.to_ascii_lowercase()) })
    }
}

/// A passkey that an authenticator has.
#[derive(Debug, Serialize)]
struct Descriptor {
    #[serde(rename = "type")]
    kind: &'static str,
    id: String,
    transports: Vec<String>,
}

impl Descriptor {
    fn all(passkeys: &[Passkey]) -> Vec<Self> {
        let one = |passkey: &Passkey| Self {
            kind: "public-key",
            id: passkey.id.clone(),
            transports: passkey.transports.clone(),
        };
        passkeys.iter().map(one).collect()
    }
}

/// The options for the use of a passkey (`PublicKeyCredentialRequestOptionsJSON`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestOptions {
    challenge: String,
    timeout: u128,
    rp_id: String,
    allow_credentials: Vec<Descriptor>,
    user_verification: &'static str,
}

impl RequestOptions {
    /// Returns the options for one of `passkeys`. Without any, the user chooses among those that the authenticator has.
    pub fn new(party: &RelyingParty, challenge: PasskeyChallenge, passkeys: &[Passkey]) -> Self {
        Self {
            challenge: challenge.to_text(),
            timeout: PASSKEY_CHALLENGE_LIFETIME.as_millis(),
            rp_id: party.id.clone(),
            allow_credentials: Descriptor::all(passkeys),
            user_verification: VERIFICATION,
        }
    }
}

/// The options for a new passkey (`PublicKeyCredentialCreationOptionsJSON`).
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreationOptions {
    rp: Party,
    user: Account,
    challenge: String,
    pub_key_cred_params: Vec<Algorithm>,
    timeout: u128,
    exclude_credentials: Vec<Descriptor>,
    authenticator_selection: Selection,
    attestation: &'static str,
}

#[derive(Debug, Serialize)]
struct Party {
    id: String,
    name: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    id: String,
    name: String,
    display_name: String,
}

#[derive(Debug, Serialize)]
struct Algorithm {
    #[serde(rename = "type")]
    kind: &'static str,
    alg: i32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    resident_key: &'static str,
    require_resident_key: bool,
    user_verification: &'static str,
}

impl CreationOptions {
    /// Returns the options for a new passkey of `user`, who has `passkeys`. The name of the account has the partner's
    /// name, so that one person's accounts at several partners differ.
    pub fn new(
        party: &RelyingParty,
        challenge: PasskeyChallenge,
        user: &User,
        partner: &PartnerName,
        passkeys: &[Passkey],
    ) -> Self {
        Self {
            rp: Party { id: party.id.clone(), name: RELYING_PARTY_NAME },
            user: Account {
                id: user_handle(&user.partner_id, &user.id),
                name: format!("{} ({partner})", user.email.typed()),
                display_name: user.full_name(),
            },
            challenge: challenge.to_text(),
            pub_key_cred_params: ALGORITHMS.map(|alg| Algorithm { kind: "public-key", alg }).into(),
            timeout: PASSKEY_CHALLENGE_LIFETIME.as_millis(),
            exclude_credentials: Descriptor::all(passkeys),
            // Discoverable, so that the passkey can replace the email and the password.
            authenticator_selection: Selection {
                resident_key: "required",
                require_resident_key: true,
                user_verification: VERIFICATION,
            },
            attestation: "none",
        }
    }
}

/// The answer of an authenticator, as submitted (`RegistrationResponseJSON` or `AuthenticationResponseJSON`).
pub struct PasskeyAnswer(Value);

impl PasskeyAnswer {
    /// Reads an answer, which must be an object. Its content is checked when it is verified.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        value.is_object().then(|| Self(value.clone()))
    }

    /// Returns the answer, for the library that verifies it.
    pub fn json(&self) -> &Value {
        &self.0
    }

    /// Returns the id of the passkey that the answer claims to be from.
    pub fn passkey_id(&self) -> &str {
        self.0.get("rawId").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the user that the answer claims to be from. `None` if it names none, which only an answer to a challenge
    /// that lists passkeys may.
    fn user_handle(&self) -> Option<&str> {
        self.0.get("response")?.get("userHandle")?.as_str()
    }

    /// Returns the user that the answer claims to be from.
    pub fn user(&self) -> Option<(PartnerId, UserId)> {
        user_of_handle(self.user_handle()?)
    }

    /// Returns whether the answer names another user.
    pub fn is_of_another(&self, user: &User) -> bool {
        self.user_handle().is_some_and(|handle| handle != crate::factors::user_handle(&user.partner_id, &user.id))
    }
}

impl fmt::Debug for PasskeyAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasskeyAnswer(…)")
    }
}

/// A passkey, as its user sees it.
#[derive(Debug, Serialize)]
pub struct PublicPasskey<'a> {
    id: &'a str,
    name: &'a PasskeyName,
    added_at: Timestamp,
    last_used_at: Option<Timestamp>,
}

impl<'a> From<&'a Passkey> for PublicPasskey<'a> {
    fn from(passkey: &'a Passkey) -> Self {
        let Passkey { id, name, added_at, used_at, .. } = passkey;
        Self { id, name, added_at: *added_at, last_used_at: *used_at }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_relying_party_is_the_host_and_the_origin_of_the_page() {
        for (url, id, origin) in [
            ("https://portal.example", "portal.example", "https://portal.example"),
            ("https://Portal.Example/", "portal.example", "https://portal.example"),
            ("https://portal.example:8443/a/b", "portal.example", "https://portal.example:8443"),
            ("http://localhost:3000", "localhost", "http://localhost:3000"),
        ] {
            let expected = RelyingParty { id: id.to_owned(), origin: origin.to_owned() };
            assert_eq!(RelyingParty::of(url), Some(expected), "{url}");
        }
        for url in ["", "portal.example", "http://127.0.0.1:3000", "http://[fe80::1]:3000", "https://", "https://:443"]
        {
            assert_eq!(RelyingParty::of(url), None, "{url}");
        }
    }

    #[test]
    fn an_answer_is_an_object_and_names_its_passkey_and_its_user() {
        let at = Timestamp::from_unix_millis(1);
        let (partner, user) = (PartnerId::new(at, [1; 10]), UserId::new(at, [2; 10]));
        let value = json!({ "rawId": "AAAA", "response": { "userHandle": user_handle(&partner, &user) } });
        let answer = PasskeyAnswer::read(&value).unwrap();
        assert_eq!(answer.passkey_id(), "AAAA");
        assert_eq!(answer.user(), Some((partner, user)));
        assert_eq!(format!("{answer:?}"), "PasskeyAnswer(…)");
        for (value, is_answer) in [(json!({}), true), (json!([]), false), (json!("AAAA"), false), (json!(1), false)] {
            let answer = PasskeyAnswer::read(&value);
            assert_eq!(answer.is_some(), is_answer, "{value}");
            assert!(answer.is_none_or(|answer| answer.user().is_none() && answer.passkey_id().is_empty()));
        }
    }
}
