//! Passkeys of the clients' users, and the sign-ins with them that were started.

use std::fmt;

use portal_tests::{Answer, Device, Ready, secrets};
use serde_json::Value;

/// A passkey that a device has made, and the credential that adds it to the user.
pub(crate) struct Made {
    /// The device with the passkey.
    pub(crate) device: Device,
    /// The id of the passkey.
    pub(crate) id: String,
    /// The challenge that the portal sent for it.
    pub(crate) challenge: String,
    /// The device's answer to the challenge.
    pub(crate) credential: Value,
}

impl Made {
    /// Makes a passkey for the options in a response.
    pub(crate) async fn create(ready: &Ready, options: &Value) -> Self {
        let mut device = Device::new(ready);
        let credential = device.create(options).await;
        let challenge = options["challenge"].as_str().unwrap().to_owned();
        Self { id: device.id(), challenge, credential, device }
    }

    /// The answer to a challenge. A wrong one is signed for another challenge.
    pub(crate) async fn answer(&self, options: &Value, is_wrong: bool) -> Value {
        let mut device = self.device.clone();
        if is_wrong {
            let right = device.right("webauthn.get", options);
            return device.forge(&right.with_another_challenge()).await;
        }
        device.answer(options).await
    }

    /// Whether the options list this passkey.
    pub(crate) fn is_listed_in(&self, options: &Value) -> bool {
        let listed = options["allowCredentials"].as_array().into_iter().flatten();
        listed.into_iter().any(|passkey| passkey["id"] == self.id.as_str())
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Made({})", self.id)
    }
}

/// A sign-in with a passkey in place of a password, which was started.
#[derive(Debug)]
pub(crate) struct Started {
    /// The token that names it.
    pub(crate) token: String,
    /// The options for the device.
    pub(crate) options: Value,
}

impl Started {
    /// The sign-in that a response has started.
    pub(crate) fn read(answer: &Answer) -> Self {
        Self { token: secrets::remembered(answer.text_at("/session")), options: answer.json["passkey"].clone() }
    }
}
