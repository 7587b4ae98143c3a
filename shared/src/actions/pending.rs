//! The challenge that a request answers, and the items that are read for it.

use super::{CHALLENGE_LIFETIME, SigningIn};
use crate::error::Failure;
use crate::factors::{PASSKEY_CHALLENGE_LIFETIME, PasskeyChallenge, PasskeyPurpose};
use crate::models::{ChallengeKind, PartnerId, Status, Timestamp, UserId};
use crate::store::{Basis, CodesItem, ItemKey, Items, Key, PartnerItem, Store};

/// The failure for a challenge that cannot be answered, whatever the cause.
pub const WRONG_CHALLENGE: Failure = Failure::Unauthenticated("The challenge is invalid or has expired.");

/// A challenge of one user that can be answered.
pub struct Pending {
    /// What it asks for.
    pub kind: ChallengeKind,
    /// The secret part of its token.
    pub secret: String,
    /// The user.
    pub signing_in: SigningIn,
    /// The user's partner.
    pub partner: PartnerItem,
    /// The counts of the user's codes.
    pub codes: Option<CodesItem>,
    /// The time until which a passkey can answer it, in seconds since 1970. Other answers have longer.
    passkey_until: i64,
}

impl Pending {
    /// Reads the challenge that the token names. `None` if the token has another form. A token has 256 random bits, so
    /// failed attempts are not counted.
    ///
    /// # Errors
    /// [`WRONG_CHALLENGE`], [`Failure::InitialPasswordExpired`], or why it could not be read.
    pub async fn read(store: &Store, token: &str, now: Timestamp) -> Result<Option<Self>, Failure> {
        let Some((partner, id, secret)) = split(token) else { return Ok(None) };
        let (challenge_key, codes_key) = (Key::challenge(&id, secret), Key::codes(&id));
        let mut item_keys = SigningIn::item_keys(&partner, &id);
        item_keys.extend([challenge_key.item_key(), codes_key.item_key()]);
        let stored = store.read(&item_keys).await?;
        let challenge = stored
            .get(&challenge_key)?
            .filter(|challenge| challenge.expires_at > now.unix_seconds())
            .ok_or(WRONG_CHALLENGE)?;
        let (mut signing_in, partner) = unchanged(&stored, &partner, &id, challenge.basis)?.ok_or(WRONG_CHALLENGE)?;
        if signing_in.credential.is_expired(now) {
            return Err(Failure::InitialPasswordExpired);
        }
        signing_in.factors = challenge.factors;
        let earlier = CHALLENGE_LIFETIME.saturating_sub(PASSKEY_CHALLENGE_LIFETIME);
        Ok(Some(Self {
            kind: challenge.kind,
            secret: secret.to_owned(),
            signing_in,
            partner,
            codes: stored.get(&codes_key)?,
            passkey_until: challenge.expires_at.saturating_sub(i64::try_from(earlier.as_secs()).unwrap_or(i64::MAX)),
        }))
    }

    /// Returns the challenge for a passkey, if this one can be answered with a passkey.
    pub fn passkey_challenge(&self, now: Timestamp) -> Option<PasskeyChallenge> {
        let is_open = self.kind == ChallengeKind::SecondFactor && self.passkey_until > now.unix_seconds();
        is_open.then(|| PasskeyChallenge::derived(PasskeyPurpose::SecondFactor, &self.secret))
    }
}

impl SigningIn {
    /// Returns the keys of the items from which [`SigningIn::found`] makes a user who signs in.
    pub fn item_keys(partner: &PartnerId, id: &UserId) -> Vec<ItemKey> {
        vec![
            Key::user(partner, id).item_key(),
            Key::credential(id).item_key(),
            Key::sources(id).item_key(),
            Key::partner(partner).item_key(),
        ]
    }

    /// Returns an active user with the partner.
    ///
    /// # Errors
    /// [`Failure::Internal`] if an item is not valid.
    pub fn found(stored: &Items, partner: &PartnerId, id: &UserId) -> Result<Option<(Self, PartnerItem)>, Failure> {
        let (Some(item), Some(credential)) =
            (stored.get(&Key::user(partner, id))?, stored.credential(&Key::credential(id))?)
        else {
            return Ok(None);
        };
        let (user, sources) = (item.user, stored.get(&Key::sources(id))?);
        if user.status != Status::Active {
            return Ok(None);
        }
        let partner = stored.partner(&Key::partner(partner))?;
        Ok(Some((Self { user, credential, sources, factors: Vec::new() }, partner)))
    }
}

/// Returns the user with the partner, if the user is active, and if all that the challenge was decided on is the same as then.
///
/// # Errors
/// [`Failure::Internal`] if an item is not valid.
pub fn unchanged(
    stored: &Items,
    partner: &PartnerId,
    id: &UserId,
    basis: Basis,
) -> Result<Option<(SigningIn, PartnerItem)>, Failure> {
    let found = SigningIn::found(stored, partner, id)?;
    Ok(found.filter(|(signing_in, _)| signing_in.credential.basis(&signing_in.user) == basis))
}

/// Splits `<partner_id>.<user_id>.<secret>`.
fn split(token: &str) -> Option<(PartnerId, UserId, &str)> {
    let (partner, rest) = token.split_once('.')?;
    let (user, secret) = rest.split_once('.')?;
    Some((PartnerId::parse(partner).ok()?, UserId::parse(user).ok()?, secret))
}
