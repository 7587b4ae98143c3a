//! Verifies the answers of passkeys with `webauthn-rs-core`. It is a crate of its own because that library is large: only
//! the functions that verify link it.
//!
//! The library checks the type of the ceremony, the challenge, the origin, the relying party, the presence and the
//! verification of the user, the algorithm, the signature and the counter. Its states are made here from the portal's own
//! items, so nothing in the format of a library is stored.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portal::error::Failure;
use portal::factors::{PASSKEY_CHALLENGE_LIFETIME, Passkey, PasskeyChallenge};
use portal::models::{PasskeyName, Timestamp};
use portal::passkeys::{PasskeyAnswer, RELYING_PARTY_NAME, RelyingParty};
use serde_cbor_2::Value;
use serde_json::json;
use url::Url;
use webauthn_rs_core::WebauthnCore;
use webauthn_rs_core::proto::{
    AttestationFormat, AuthenticationState, AuthenticatorTransport, COSEAlgorithm, COSEKey, COSEKeyType, Credential,
    ECDSACurve, ParsedAttestation, RegisteredExtensions, RegistrationState, RequestRegistrationExtensions,
    UserVerificationPolicy,
};

/// The longest id of a passkey. The specification allows 1,023 bytes; discoverable passkeys have far fewer.
const MAX_ID_BYTES: usize = 255;

/// A passkey that an authenticator has made.
#[derive(Debug)]
pub struct Registered {
    id: String,
    key: String,
    counter: u32,
    synced: bool,
    transports: Vec<String>,
}

impl Registered {
    /// Returns the passkey with the name that its user has chosen.
    pub fn named(self, name: PasskeyName, at: Timestamp) -> Passkey {
        let Self { id, key, counter, synced, transports } = self;
        Passkey { id, name, key, counter, synced, transports, added_at: at, used_at: None }
    }
}

/// The state of a passkey after its use.
#[derive(Debug, PartialEq, Eq)]
pub struct Used {
    /// The counter of the authenticator.
    pub counter: u32,
    /// Whether the passkey can be synchronized between devices.
    pub synced: bool,
}

/// The answer is not valid. The causes are not distinguished.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejected;

impl From<Rejected> for Failure {
    fn from(_: Rejected) -> Self {
        Self::field("credential", "wrong_passkey", "The answer of the passkey is not valid here.")
    }
}

/// Verifies the answer to a request for a new passkey of a user who has the passkeys `known`.
///
/// # Errors
/// Returns [`Rejected`].
pub fn verify_registration(
    party: &RelyingParty,
    challenge: PasskeyChallenge,
    known: &[Passkey],
    answer: &PasskeyAnswer,
) -> Result<Registered, Rejected> {
    let known: Vec<&str> = known.iter().map(|passkey| passkey.id.as_str()).collect();
    let state: RegistrationState = serde_json::from_value(json!({
        "policy": UserVerificationPolicy::Required,
        "exclude_credentials": known,
        "challenge": challenge.to_text(),
        "credential_algorithms": COSEAlgorithm::secure_algs(),
        "require_resident_key": true,
        "authenticator_attachment": null,
        "extensions": RequestRegistrationExtensions::default(),
        "allow_synchronised_authenticators": true,
    }))
    .map_err(|_| Rejected)?;
    let submitted = serde_json::from_value(answer.json().clone()).map_err(|_| Rejected)?;
    let credential = core(party)?.register_credential(&submitted, &state, None).map_err(|_| Rejected)?;
    if credential.cred_id.is_empty() || credential.cred_id.len() > MAX_ID_BYTES {
        return Err(Rejected);
    }
    let transports = credential.transports.unwrap_or_default();
    Ok(Registered {
        id: URL_SAFE_NO_PAD.encode(&credential.cred_id),
        key: URL_SAFE_NO_PAD.encode(key_bytes(&credential.cred)?),
        counter: credential.counter,
        synced: credential.backup_eligible,
        transports: TRANSPORTS
            .iter()
            .filter(|(transport, _)| transports.contains(transport))
            .map(|(_, name)| (*name).to_owned())
            .collect(),
    })
}

/// Verifies the answer to a request for the use of `passkey`. It rejects a counter that has not grown since the last use,
/// unless the authenticator does not count.
///
/// # Errors
/// Returns [`Rejected`].
pub fn verify_use(
    party: &RelyingParty,
    challenge: PasskeyChallenge,
    passkey: &Passkey,
    answer: &PasskeyAnswer,
) -> Result<Used, Rejected> {
    let state: AuthenticationState = serde_json::from_value(json!({
        "credentials": [],
        "policy": UserVerificationPolicy::Required,
        "challenge": challenge.to_text(),
        "appid": null,
        // Some authenticators begin to synchronize passkeys that they made before.
        "allow_backup_eligible_upgrade": true,
    }))
    .map_err(|_| Rejected)?;
    let credential = Credential {
        cred_id: URL_SAFE_NO_PAD.decode(&passkey.id).map_err(|_| Rejected)?,
        cred: key(&passkey.key)?,
        counter: passkey.counter,
        transports: None,
        user_verified: true,
        backup_eligible: passkey.synced,
        backup_state: false,
        registration_policy: UserVerificationPolicy::Required,
        extensions: RegisteredExtensions::none(),
        attestation: ParsedAttestation::default(),
        attestation_format: AttestationFormat::None,
    };
    let submitted = serde_json::from_value(answer.json().clone()).map_err(|_| Rejected)?;
    let core = core(party)?;
    let used = core.authenticate_single_credential(&submitted, &state, &credential).map_err(|_| Rejected)?;
    Ok(Used { counter: used.counter(), synced: used.backup_eligible() })
}

/// The transports that browsers know, with their names.
const TRANSPORTS: [(AuthenticatorTransport, &str); 5] = [
    (AuthenticatorTransport::Internal, "internal"),
    (AuthenticatorTransport::Hybrid, "hybrid"),
    (AuthenticatorTransport::Usb, "usb"),
    (AuthenticatorTransport::Nfc, "nfc"),
    (AuthenticatorTransport::Ble, "ble"),
];

/// The library warns of this constructor, because its caller has to choose every policy. `webauthn-rs` chooses the same
/// ones, but stores states and keys in its own formats.
fn core(party: &RelyingParty) -> Result<WebauthnCore, Rejected> {
    let origin = Url::parse(&party.origin).map_err(|_| Rejected)?;
    let (lifetime, exactly) = (PASSKEY_CHALLENGE_LIFETIME, Some(false));
    Ok(WebauthnCore::new_unsafe_experts_only(RELYING_PARTY_NAME, &party.id, vec![origin], lifetime, exactly, exactly))
}

/// Writes a public key as a `COSE_Key` (RFC 9052).
fn key_bytes(key: &COSEKey) -> Result<Vec<u8>, Rejected> {
    let (kind, parameters) = match &key.key {
        COSEKeyType::EC_EC2(key) => {
            let curve = match key.curve {
                ECDSACurve::SECP256R1 => 1,
                ECDSACurve::SECP384R1 => 2,
                ECDSACurve::SECP521R1 => 3,
            };
            let (x, y) = (Value::Bytes(key.x.clone()), Value::Bytes(key.y.clone()));
            (2, vec![(-1, Value::Integer(curve)), (-2, x), (-3, y)])
        }
        COSEKeyType::RSA(key) => (3, vec![(-1, Value::Bytes(key.n.clone())), (-2, Value::Bytes(key.e.to_vec()))]),
        COSEKeyType::EC_OKP(_) => return Err(Rejected),
    };
    let algorithm = Value::Integer(key.type_ as i128);
    let common = [(1, Value::Integer(kind)), (3, algorithm)];
    let map: BTreeMap<Value, Value> =
        common.into_iter().chain(parameters).map(|(label, value)| (Value::Integer(label), value)).collect();
    serde_cbor_2::to_vec(&Value::Map(map)).map_err(|_| Rejected)
}

/// Reads what [`key_bytes`] writes.
fn key(text: &str) -> Result<COSEKey, Rejected> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Rejected)?;
    let value: Value = serde_cbor_2::from_slice(&bytes).map_err(|_| Rejected)?;
    COSEKey::try_from(&value).map_err(|_| Rejected)
}
