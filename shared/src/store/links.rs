//! The links that were mailed to users, as hashes. Each user has one item for each kind of link.
//!
//! The items are in the Sessions table: they expire like its other items, every function that redeems a link changes
//! sessions anyway, and a hash is of no use to a function that can read it. A restored table restores no valid link,
//! because `end-all-sessions`, which follows a restore, begins a new generation of every user.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::expression::{Expression, number};
use super::keys::{self, ItemKey, Key, Table};
use super::read::Item;
use super::{Condition, Store, StoreError, Transaction};
use crate::error::Failure;
use crate::mail::{Binding, LinkKind, LinkToken};
use crate::models::{Timestamp, User, UserId};
use crate::random;

/// The maximum number of links of one kind that are valid at the same time. A mail can be sent twice, and a user can ask
/// for another link before the first one arrives: all of them work.
const MAX_LIVE: usize = 3;

/// The valid links of one kind of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinksItem {
    /// The state of the user for which the links were sent.
    binding: Binding,
    /// Counts the changes of the item.
    revision: u64,
    /// The expiry of each link, in seconds since 1970, by the hash of its token.
    live: BTreeMap<String, i64>,
    expires_at: i64,
}

impl Key<LinksItem> {
    /// Returns the key of the links of one kind of a user.
    pub fn links(user: &UserId, kind: LinkKind) -> Self {
        Self::at(ItemKey::new(Table::Sessions, keys::user_sort_key(user), format!("LINKS#{kind}")))
    }

    /// Returns the key of the links among which a token is.
    pub fn link(token: &LinkToken) -> Self {
        Self::links(token.user(), token.kind())
    }
}

impl LinksItem {
    /// Returns the item with one more link. Links for another state of the user are dropped, and so is the one that
    /// expires first if there are too many.
    fn with(before: Option<&Self>, binding: Binding, token: &LinkToken, expiry: Timestamp, now: Timestamp) -> Self {
        let same = before.filter(|before| before.binding == binding);
        let mut live = same.map(|before| before.live.clone()).unwrap_or_default();
        live.retain(|_, expiry| *expiry > now.unix_seconds());
        while live.len() >= MAX_LIVE {
            let first = live.iter().min_by_key(|(_, expiry)| **expiry).map(|(hash, _)| hash.clone());
            first.and_then(|first| live.remove(&first));
        }
        live.insert(token.hash(), expiry.unix_seconds());
        let expires_at = live.values().copied().max().unwrap_or_default();
        Self { binding, revision: before.map_or(1, |before| before.revision + 1), live, expires_at }
    }

    /// Returns when the link with this token expires. `None` if it is not valid for `user`: it expired, was redeemed or
    /// was sent for another state of the user.
    pub fn expiry(&self, token: &LinkToken, user: &User, now: Timestamp) -> Option<Timestamp> {
        let is_bound = token.partner() == &user.partner_id
            && token.user() == &user.id
            && Binding::of(token.kind(), user).is_some_and(|binding| binding == self.binding);
        let expiry = self.live.get(&token.hash()).copied().filter(|expiry| *expiry > now.unix_seconds())?;
        is_bound.then(|| Timestamp::from_unix_seconds(expiry))
    }
}

impl Store {
    /// Stores the hash of a new link of `user`. `before` must be a recent read of the user's links of this kind. Returns
    /// false if they have changed since, or if the user needs no such link.
    async fn add_link(
        &self,
        token: &LinkToken,
        before: Option<&LinksItem>,
        user: &User,
        expiry: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(binding) = Binding::of(token.kind(), user) else { return Ok(false) };
        let after = LinksItem::with(before, binding, token, expiry, now);
        let mut expression = Expression::default();
        match before {
            Some(before) => expression.when("revision", "=", number(before.revision)),
            None => expression.when_absent(),
        }
        for (attribute, value) in serde_dynamo::to_item::<_, Item>(&after)? {
            expression.set(&attribute, value);
        }
        self.update_if(&Key::link(token).item_key, expression).await
    }

    async fn try_add(
        &self,
        token: &LinkToken,
        user: &User,
        expiry: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let key = Key::link(token);
        let before = self.read(&[key.item_key()]).await?.get(&key)?;
        self.add_link(token, before.as_ref(), user, expiry, now).await
    }

    /// Makes a link for `user` and stores its hash. Returns its token, which is stored nowhere.
    ///
    /// # Errors
    /// Returns [`Failure::Conflict`] if the links kept changing or the user needs no such link, or why they could not be
    /// written.
    pub async fn new_link(
        &self,
        kind: LinkKind,
        user: &User,
        expiry: Timestamp,
        now: Timestamp,
    ) -> Result<LinkToken, Failure> {
        const MAX_ATTEMPTS: u32 = 5;
        let token = LinkToken::new(kind, &user.partner_id, &user.id, random::bytes()?);
        for _ in 0..MAX_ATTEMPTS {
            if self.try_add(&token, user, expiry, now).await? {
                return Ok(token);
            }
        }
        Err(Failure::Conflict)
    }
}

impl Transaction<'_> {
    /// Redeems a link, and with it all links of its kind of the user. It requires that the link has not been redeemed.
    pub fn redeem_link(&mut self, token: &LinkToken) {
        let mut expression = Expression::default();
        expression.when_entry_exists("live", &token.hash());
        self.delete(Condition::Link, &Key::link(token).item_key, expression);
    }

    /// Voids all links of one kind of a user. Links are also void when the user's generation, password or email is
    /// another one.
    pub fn void_links(&mut self, user: &UserId, kind: LinkKind) {
        self.delete(Condition::Unconditional, &Key::links(user, kind).item_key, Expression::default());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::mail::SECRET_BYTES;
    use crate::models::{Email, PartnerId, PersonName, Profile, Role};

    fn now() -> Timestamp {
        Timestamp::from_unix_seconds(1_795_350_591)
    }

    fn ann() -> User {
        let profile = Profile {
            first_name: PersonName::parse("Ann").unwrap(),
            last_name: PersonName::parse("Lee").ok(),
            email: Email::parse("ann@example.com").unwrap(),
            role: Role::Viewer,
            permissions: Role::Viewer.default_permissions(),
            must_change_password: false,
        };
        User::new(UserId::new(now(), [1; 10]), PartnerId::new(now(), [2; 10]), profile, now(), None)
    }

    fn token(secret: u8) -> LinkToken {
        LinkToken::new(LinkKind::PasswordReset, &ann().partner_id, &ann().id, [secret; SECRET_BYTES])
    }

    fn with(before: Option<&LinksItem>, user: &User, number: u8) -> LinksItem {
        let binding = Binding::of(LinkKind::PasswordReset, user).unwrap();
        LinksItem::with(before, binding, &token(number), later(u64::from(number)), now())
    }

    fn later(minutes: u64) -> Timestamp {
        now().plus(Duration::from_mins(minutes))
    }

    #[test]
    fn three_links_are_valid_and_a_fourth_replaces_the_first() {
        let mut item = None;
        for number in 1..=4 {
            item = Some(with(item.as_ref(), &ann(), number));
        }
        let item = item.unwrap();
        let valid: Vec<u8> = (1..=4).filter(|n| item.expiry(&token(*n), &ann(), now()).is_some()).collect();
        assert_eq!(valid, [2, 3, 4]);
        assert_eq!(item.expiry(&token(3), &ann(), now()), Some(later(3)));
        assert_eq!((item.revision, item.expires_at), (4, later(4).unix_seconds()));
    }

    #[test]
    fn a_link_is_valid_until_it_expires_and_for_the_same_state_of_the_user_only() {
        let item = with(None, &ann(), 1);
        assert_eq!(item.expiry(&token(1), &ann(), later(1)), None);
        assert_eq!(item.expiry(&token(2), &ann(), now()), None);
        assert_eq!(item.expiry(&token(1), &ann().signed_out(now()), now()), None);
        let colleague = User { id: UserId::new(now(), [3; 10]), ..ann() };
        assert_eq!(item.expiry(&token(1), &colleague, now()), None);
        let another = LinkToken::new(LinkKind::Invitation, &ann().partner_id, &ann().id, [1; SECRET_BYTES]);
        assert_eq!(item.expiry(&another, &ann(), now()), None);
    }

    #[test]
    fn a_link_for_a_new_state_of_the_user_drops_the_others() {
        let after = ann().signed_out(now());
        let item = with(Some(&with(None, &ann(), 1)), &after, 2);
        assert_eq!(item.live.len(), 1);
        assert_eq!(item.expiry(&token(2), &after, now()), Some(later(2)));
    }
}
