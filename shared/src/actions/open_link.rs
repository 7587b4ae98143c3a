//! Checks the token of a mailed link against the stored items. Every reason for which a link is not valid has the same
//! failure, after the same read.

use crate::error::Failure;
use crate::mail::{LinkKind, LinkToken};
use crate::models::{PartnerName, Timestamp, User};
use crate::store::{ItemKey, Items, Key, Store};

/// A valid link, and the items that were read for it.
#[derive(Debug)]
pub struct OpenLink {
    /// The token.
    pub token: LinkToken,
    /// The user of the link.
    pub user: User,
    /// The name of the partner.
    pub partner: PartnerName,
    /// The time at which the link expires.
    pub expires_at: Timestamp,
    /// All items that were read.
    pub stored: Items,
}

impl OpenLink {
    /// Reads the link with this token, which must be of one of these kinds. `more` are the keys of further items about the
    /// user, which are read at the same time.
    ///
    /// # Errors
    /// [`Failure::InvalidLink`], or why the items could not be read.
    pub async fn read(
        store: &Store,
        token: &str,
        kinds: &[LinkKind],
        more: impl FnOnce(&LinkToken) -> Vec<ItemKey>,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let token = LinkToken::parse(token).map_err(|_| Failure::InvalidLink)?;
        if !kinds.contains(&token.kind()) {
            return Err(Failure::InvalidLink);
        }
        let (user, partner) = (Key::user(token.partner(), token.user()), Key::partner(token.partner()));
        let links = Key::link(&token);
        let mut item_keys = more(&token);
        item_keys.extend([user.item_key(), partner.item_key(), links.item_key()]);
        let stored = store.read(&item_keys).await?;
        let (Some(user), Some(links)) = (stored.get(&user)?, stored.get(&links)?) else {
            return Err(Failure::InvalidLink);
        };
        let user = user.user;
        let expires_at = links.expiry(&token, &user, now).ok_or(Failure::InvalidLink)?;
        let partner = stored.partner(&partner)?.name;
        Ok(Self { token, user, partner, expires_at, stored })
    }
}
