//! The challenge that a request answers, and the items that are read for it.

use portal::actions::{Pending, SigningIn, WRONG_CHALLENGE as WRONG, unchanged};
use portal::error::Failure;
use portal::models::{PartnerId, Timestamp};
use portal::store::{Chosen, Key, PartnerItem, Store};

/// A challenge that can be answered.
pub(crate) enum Open {
    Choice { secret: String, offered: Vec<Offered> },
    Pending(Box<Pending>),
}

/// A partner that the user can choose.
pub(crate) struct Offered {
    pub(crate) partner_id: PartnerId,
    /// The user at this partner, unless the user can no longer sign in with this challenge.
    pub(crate) found: Option<(SigningIn, PartnerItem)>,
}

impl Open {
    /// Reads the challenge that the token names.
    pub(crate) async fn read(store: &Store, token: &str, now: Timestamp) -> Result<Self, Failure> {
        match Pending::read(store, token, now).await? {
            Some(pending) => Ok(Self::Pending(Box::new(pending))),
            None => Self::choice(store, token, now).await,
        }
    }

    async fn choice(store: &Store, token: &str, now: Timestamp) -> Result<Self, Failure> {
        let key = Key::choice(token);
        let choice = store.read(&[key.item_key()]).await?.get(&key)?;
        let choice = choice.filter(|choice| choice.expires_at > now.unix_seconds()).ok_or(WRONG)?;
        let item_keys: Vec<_> =
            choice.users.iter().flat_map(|user| SigningIn::item_keys(&user.partner_id, &user.user_id)).collect();
        let stored = store.read(&item_keys).await?;
        let mut offered = Vec::new();
        for Chosen { partner_id, user_id, basis } in choice.users {
            let found = unchanged(&stored, &partner_id, &user_id, basis)?;
            offered.push(Offered { partner_id, found });
        }
        Ok(Self::Choice { secret: token.to_owned(), offered })
    }
}
