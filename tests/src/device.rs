//! Authenticators with a passkey, and a browser's part of `WebAuthn`. The crate `passkey` makes keys, signatures and messages,
//! so that the portal is tested against another implementation than the one that it verifies with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use passkey::authenticator::{Authenticator, UiHint, UserCheck, UserValidationMethod};
use passkey::client::{Client as Browser, DefaultClientData};
use passkey::crypto::rust_crypto::RustCryptoBackend;
use passkey::types::ctap2::{Aaguid, Ctap2Error, get_assertion, make_credential};
use passkey::types::webauthn::{
    CredentialCreationOptions, CredentialRequestOptions, PublicKeyCredentialCreationOptions,
    PublicKeyCredentialRequestOptions,
};
use passkey::types::{Bytes, Passkey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::authenticator::recovery_codes;
use crate::{Actor, Answer, Call, Client, Ready, secrets};

/// A device with one passkey.
#[derive(Clone)]
pub struct Device {
    passkey: Option<Passkey>,
    /// Whether the passkey counts its signatures.
    counts: bool,
    /// The origin of the page that the browser shows.
    origin: String,
}

/// A user who confirms everything, and is verified exactly when this was asked for.
struct Willing;

#[async_trait::async_trait]
impl UserValidationMethod for Willing {
    type PasskeyItem = Passkey;

    async fn check_user<'a>(
        &self,
        _: UiHint<'a, Passkey>,
        presence: bool,
        verification: bool,
    ) -> Result<UserCheck, Ctap2Error> {
        Ok(UserCheck { presence, verification })
    }

    fn is_presence_enabled(&self) -> bool {
        true
    }

    fn is_verification_enabled(&self) -> Option<bool> {
        Some(true)
    }
}

/// What a forged answer has in place of the right values.
#[derive(Debug, Clone)]
pub struct Forged {
    /// The type of the ceremony.
    pub kind: &'static str,
    /// The signed challenge.
    pub challenge: String,
    /// The origin of the page.
    pub origin: String,
    /// The relying party.
    pub party: String,
    /// Whether the authenticator has verified the user.
    pub is_verified: bool,
}

impl Forged {
    /// The same with another challenge of the same length.
    pub fn with_another_challenge(&self) -> Self {
        let first = if self.challenge.starts_with('A') { "B" } else { "A" };
        Self { challenge: format!("{first}{}", &self.challenge[1..]), ..self.clone() }
    }
}

impl Device {
    /// A device without a passkey, whose browser shows the page of this stack.
    pub fn new(ready: &Ready) -> Self {
        Self { passkey: None, counts: false, origin: ready.url.clone() }
    }

    /// A device whose passkeys count their signatures.
    pub fn counting(ready: &Ready) -> Self {
        Self { counts: true, ..Self::new(ready) }
    }

    fn authenticator(&self) -> Authenticator<Option<Passkey>, Willing, RustCryptoBackend> {
        let mut authenticator =
            Authenticator::new(Aaguid::new_empty(), self.passkey.clone(), Willing, RustCryptoBackend);
        authenticator.set_make_credentials_with_signature_counter(self.counts);
        authenticator
    }

    fn url(&self) -> Url {
        Url::parse(&self.origin).unwrap()
    }

    /// Makes a passkey, as a browser does it for `navigator.credentials.create`.
    pub async fn create(&mut self, options: &Value) -> Value {
        let public_key: PublicKeyCredentialCreationOptions = serde_json::from_value(options.clone()).unwrap();
        let mut browser = Browser::new(self.authenticator()).allows_insecure_localhost(true);
        let request = CredentialCreationOptions { public_key };
        let created = browser.register(&self.url(), request, DefaultClientData).await.unwrap();
        self.passkey.clone_from(browser.authenticator().store());
        serde_json::to_value(created).unwrap()
    }

    /// Uses the passkey, as a browser does it for `navigator.credentials.get`.
    pub async fn answer(&mut self, options: &Value) -> Value {
        let mut options = options.clone();
        // A list without entries is as good as none.
        if options["allowCredentials"].as_array().is_some_and(Vec::is_empty) {
            options.as_object_mut().unwrap().remove("allowCredentials");
        }
        let public_key: PublicKeyCredentialRequestOptions = serde_json::from_value(options).unwrap();
        let mut browser = Browser::new(self.authenticator()).allows_insecure_localhost(true);
        let request = CredentialRequestOptions { public_key };
        let answer = browser.authenticate(&self.url(), request, DefaultClientData).await.unwrap();
        self.passkey.clone_from(browser.authenticator().store());
        serde_json::to_value(answer).unwrap()
    }

    /// The right values of an answer to these options, of which a test changes some.
    pub fn right(&self, kind: &'static str, options: &Value) -> Forged {
        let party = if kind == "webauthn.create" { &options["rp"]["id"] } else { &options["rpId"] };
        Forged {
            kind,
            challenge: options["challenge"].as_str().unwrap().to_owned(),
            origin: self.origin.clone(),
            party: party.as_str().unwrap().to_owned(),
            is_verified: true,
        }
    }

    /// Makes a passkey with values that no browser would accept.
    pub async fn forge_creation(&mut self, options: &Value, forged: &Forged) -> Value {
        let (data, hash) = client_data(forged);
        let public_key: PublicKeyCredentialCreationOptions = serde_json::from_value(options.clone()).unwrap();
        let mut authenticator = self.authenticator();
        let request = make_credential::Request {
            client_data_hash: hash,
            rp: make_credential::PublicKeyCredentialRpEntity { id: forged.party.clone(), name: None },
            user: public_key.user,
            pub_key_cred_params: public_key.pub_key_cred_params,
            exclude_list: None,
            extensions: None,
            options: make_credential::Options { rk: true, up: true, uv: forged.is_verified },
            pin_auth: None,
            pin_protocol: None,
        };
        let made = authenticator.make_credential(request).await.unwrap();
        self.passkey.clone_from(authenticator.store());
        let response = json!({
            "clientDataJSON": encoded(&data),
            "attestationObject": encoded(&made.as_webauthn_bytes()),
        });
        self.credential(&response)
    }

    /// Uses the passkey with values that no browser would accept.
    pub async fn forge(&mut self, forged: &Forged) -> Value {
        let (data, hash) = client_data(forged);
        let mut authenticator = self.authenticator();
        let request = get_assertion::Request {
            rp_id: forged.party.clone(),
            client_data_hash: hash,
            allow_list: None,
            extensions: None,
            options: get_assertion::Options { up: true, uv: forged.is_verified },
            pin_auth: None,
            pin_protocol: None,
        };
        let used = authenticator.get_assertion(request).await.unwrap();
        self.passkey.clone_from(authenticator.store());
        let response = json!({
            "clientDataJSON": encoded(&data),
            "authenticatorData": encoded(&used.auth_data.to_vec()),
            "signature": encoded(&used.signature),
            "userHandle": used.user.map(|user| encoded(&user.id)),
        });
        self.credential(&response)
    }

    fn credential(&self, response: &Value) -> Value {
        let id = self.id();
        json!({
            "id": id, "rawId": id, "type": "public-key", "response": response, "clientExtensionResults": {},
        })
    }

    /// The id of the passkey.
    pub fn id(&self) -> String {
        encoded(&self.passkey.as_ref().expect("a passkey").credential_id)
    }

    /// Sets the counter of the passkey: its next signature has the next number.
    pub fn set_counter(&mut self, counter: u32) {
        self.passkey.as_mut().expect("a passkey").counter = Some(counter);
    }

    /// A passkey with the id of this one, and the key and the user of another.
    pub fn with_key_of(&self, other: &Self) -> Self {
        let mut passkey = other.passkey.clone().expect("a passkey");
        passkey.credential_id = self.passkey.as_ref().expect("a passkey").credential_id.clone();
        Self { passkey: Some(passkey), ..self.clone() }
    }

    /// The same passkey with another user handle.
    pub fn with_user_of(&self, other: &Self) -> Self {
        let mut passkey = self.passkey.clone().expect("a passkey");
        passkey.user_handle.clone_from(&other.passkey.as_ref().expect("a passkey").user_handle);
        Self { passkey: Some(passkey), ..self.clone() }
    }
}

fn client_data(forged: &Forged) -> (Vec<u8>, Bytes) {
    let Forged { kind, challenge, origin, .. } = forged;
    let data = json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false }).to_string();
    let hash = Sha256::digest(data.as_bytes()).to_vec().into();
    (data.into_bytes(), hash)
}

fn encoded(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Actor {
    /// Asks for the options for a new passkey.
    pub fn start_passkey(&self) -> Call {
        self.call("POST", "/v1/me/passkeys/options")
    }

    /// Tries to add a passkey.
    pub fn add_passkey(&self, name: &str, credential: &Value) -> Call {
        self.post("/v1/me/passkeys", &json!({ "name": name, "credential": credential }))
    }

    /// Tries to rename a passkey.
    pub fn rename_passkey(&self, id: &str, name: &str) -> Call {
        self.patch(&format!("/v1/me/passkeys/{id}"), &json!({ "name": name }))
    }

    /// Tries to remove a passkey.
    pub fn remove_passkey(&self, id: &str) -> Call {
        self.delete(&format!("/v1/me/passkeys/{id}"))
    }

    /// Asks for the options to authenticate again with a passkey.
    pub fn start_passkey_reauthentication(&self) -> Call {
        self.call("POST", "/v1/me/reauthentication/passkey/options")
    }

    /// Tries to authenticate again with a passkey.
    pub fn reauthenticate_with_passkey(&self, credential: &Value) -> Call {
        self.post("/v1/me/reauthentication/passkey", &json!({ "credential": credential }))
    }

    /// Adds a passkey of this device, which must succeed. Returns the response.
    pub async fn added_passkey(&self, device: &mut Device) -> Answer {
        let options = self.start_passkey().await.expect(200);
        let created = device.create(&options.json).await;
        let added = self.add_passkey("Phone", &created).await.expect(201);
        if added.json["recovery_codes"].is_array() {
            recovery_codes(&added);
        }
        added
    }

    /// Adds a passkey of a new device, which must succeed.
    pub async fn with_passkey(&self) -> Device {
        let mut device = Device::new(&self.client.ready);
        self.added_passkey(&mut device).await;
        device
    }
}

impl Client {
    /// Tries to continue a sign-in with a passkey.
    pub fn answer_with_passkey(&self, session: &str, credential: &Value) -> Call {
        self.post("/v1/sessions/challenge/passkey", &json!({ "session": session, "credential": credential }))
    }

    /// Asks for the options to sign in with a passkey alone.
    pub fn start_passkey_sign_in(&self) -> Call {
        self.call("POST", "/v1/sessions/passkey/options")
    }

    /// Like [`start_passkey_sign_in`](Self::start_passkey_sign_in). Returns the session and the options.
    pub async fn started_passkey(&self) -> (String, Value) {
        let started = self.start_passkey_sign_in().await.expect(200);
        (secrets::remembered(started.text_at("/session")), started.json["passkey"].clone())
    }

    /// Tries to sign in with a passkey alone.
    pub fn sign_in_with_passkey(&self, session: &str, credential: &Value) -> Call {
        self.post("/v1/sessions/passkey", &json!({ "session": session, "credential": credential }))
    }
}
