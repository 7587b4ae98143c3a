//! Adds users.

use super::Context;
use crate::error::Failure;
use crate::identity::machine_secret;
use crate::models::{EventAction, Profile, User, UserId};
use crate::passwords::{Digests, Issued, Password};
use crate::random;
use crate::store::{CredentialItem, Transaction};

/// The most users that one transaction adds: each is 4 of its 100 operations, beside the partner's count, the caller and
/// the caller's session.
pub const MAX_ADDED_AT_ONCE: usize = 24;

/// Somebody who is to be added.
#[derive(Debug)]
pub struct Newcomer {
    /// The user that it will be.
    pub user: User,
    credential: CredentialItem,
    issued: Issued,
}

impl From<Newcomer> for (User, Issued) {
    fn from(Newcomer { user, issued, .. }: Newcomer) -> Self {
        (user, issued)
    }
}

impl Newcomer {
    /// The password that we made, for the one answer that tells it.
    pub fn generated_password(&self) -> Option<&str> {
        self.issued.generated()
    }
}

impl<'a> Context<'a> {
    /// Makes somebody of `profile` whom the caller is to add, with this password or one that we make. Hashes it.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn newcomer(&self, profile: Profile, password: Option<Password>) -> Result<Newcomer, Failure> {
        let (now, actor) = (self.now, &self.caller.user);
        let issued = Issued::given_or_generated(password, &random::bytes()?);
        let must_change = profile.must_change_password;
        let id = UserId::new(now, random::bytes()?);
        let user = User::new(id, actor.partner_id.clone(), profile, now, Some(actor.id.clone()));
        let digests = Digests::new(issued.password(), random::bytes()?)?;
        let credential =
            CredentialItem::new(digests, must_change, now, machine_secret()?).generated(issued.generated().is_some());
        Ok(Newcomer { user, credential, issued })
    }

    /// The transaction that adds these, of whom there are [`MAX_ADDED_AT_ONCE`] at the most; to be committed.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    pub fn adding(&self, newcomers: &[Newcomer]) -> Result<Transaction<'a>, Failure> {
        let partner = &self.caller.user.partner_id;
        let mut transaction = self.app.store().transaction();
        self.caller.require_caller(&mut transaction, None);
        transaction.add_users(partner, newcomers.iter().map(|newcomer| &newcomer.user));
        for Newcomer { user, credential, .. } in newcomers {
            transaction.add_credential(&user.id, credential);
            let event = self.event(EventAction::UserAdded, user)?.changing(None, Some(user));
            transaction.record(partner, &event);
        }
        Ok(transaction)
    }
}
