//! Creates users and the transaction that adds them.

use super::Call;
use crate::error::Failure;
use crate::identity::machine_secret;
use crate::models::{EventAction, Language, Profile, User, UserId};
use crate::passwords::{Digests, Issued, Password};
use crate::random;
use crate::store::{CredentialItem, Transaction};

/// The maximum number of users that one transaction adds. Each takes 4 of its 100 operations. The partner's count, the
/// caller, the caller's session and an idempotency item take one each.
pub const MAX_ADDED_AT_ONCE: usize = 24;

/// A user to be added.
#[derive(Debug)]
pub struct Newcomer {
    /// The user.
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
    /// Returns the password, if the portal generated it. Only one response contains it.
    pub fn generated_password(&self) -> Option<&str> {
        self.issued.generated()
    }
}

impl<'a> Call<'a> {
    /// Creates a user with this profile, and with this password or a generated one. The portal writes to the user in
    /// `language`, or by default in the caller's. It hashes the password and writes nothing.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn newcomer(
        &self,
        profile: Profile,
        language: Option<Language>,
        password: Option<Password>,
    ) -> Result<Newcomer, Failure> {
        let (now, actor) = (self.now, &self.caller.user);
        let issued = Issued::given_or_generated(password, &random::bytes()?);
        let must_change = profile.must_change_password;
        let id = UserId::new(now, random::bytes()?);
        let user = User {
            language: language.unwrap_or(actor.language),
            ..User::new(id, actor.partner_id.clone(), profile, now, Some(actor.id.clone()))
        };
        let digests = Digests::new(issued.password(), random::bytes()?)?;
        let credential =
            CredentialItem::new(digests, must_change, now, machine_secret()?).generated(issued.generated().is_some());
        Ok(Newcomer { user, credential, issued })
    }

    /// Returns a transaction that adds these users, at most
    /// [`MAX_ADDED_AT_ONCE`]. The caller of this method commits it.
    ///
    /// # Errors
    /// As [`event`](Self::event).
    pub fn adding(&self, newcomers: &[Newcomer]) -> Result<Transaction<'a>, Failure> {
        let partner = &self.caller.user.partner_id;
        let mut transaction = self.transaction();
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
