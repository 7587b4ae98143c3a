//! Creates users and the transaction that adds them.

use super::Call;
use crate::error::Failure;
use crate::identity::machine_secret;
use crate::mail::MailKind;
use crate::models::{EventAction, Language, Profile, User, UserId};
use crate::passwords::{Digests, Issued, Password};
use crate::random;
use crate::store::{CredentialItem, OutboxItem, Transaction};

/// The maximum number of users that one transaction adds. Each takes 4 of its 100 operations. The partner's count, the
/// caller, the caller's session and an idempotency item take one each.
pub const MAX_ADDED_AT_ONCE: usize = 24;

/// The maximum number of users that one transaction invites. Each takes one operation more, for the mail.
pub const MAX_INVITED_AT_ONCE: usize = 19;

/// How a new user gets a password.
#[derive(Debug)]
pub enum FirstPassword {
    /// The caller gives it.
    Given(Password),
    /// The portal generates it.
    Generated,
    /// The user chooses it. Until then there is none: the portal mails an invitation.
    Invited,
}

impl FirstPassword {
    /// Returns the password, if the caller gives it.
    pub fn given(&self) -> Option<&Password> {
        match self {
            Self::Given(password) => Some(password),
            Self::Generated | Self::Invited => None,
        }
    }

    /// Returns the word for this kind, which identifies a request.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Given(_) => "given",
            Self::Generated => "generated",
            Self::Invited => "invited",
        }
    }
}

/// A user to be added.
#[derive(Debug)]
pub struct Newcomer {
    /// The user.
    pub user: User,
    /// The user's credential.
    pub credential: CredentialItem,
    /// `None` for an invited user.
    issued: Option<Issued>,
}

impl From<Newcomer> for (User, Option<Issued>) {
    fn from(Newcomer { user, issued, .. }: Newcomer) -> Self {
        (user, issued)
    }
}

impl Newcomer {
    /// Returns the password, if the portal generated it. Only one response contains it.
    pub fn generated_password(&self) -> Option<&str> {
        self.issued.as_ref().and_then(Issued::generated)
    }
}

impl<'a> Call<'a> {
    /// Creates a user with this profile. The portal writes to the user in `language`, or by default in the caller's. It
    /// hashes the password, if there is one, and writes nothing.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn newcomer(
        &self,
        profile: Profile,
        language: Option<Language>,
        first: FirstPassword,
    ) -> Result<Newcomer, Failure> {
        let (now, actor) = (self.now, &self.caller.user);
        let issued = match first {
            FirstPassword::Given(password) => Some(Issued::given_or_generated(Some(password), &random::bytes()?)),
            FirstPassword::Generated => Some(Issued::given_or_generated(None, &random::bytes()?)),
            FirstPassword::Invited => None,
        };
        let id = UserId::new(now, random::bytes()?);
        let user = User {
            language: language.unwrap_or(actor.language),
            ..User::new(id, actor.partner_id.clone(), profile, now, Some(actor.id.clone()))
        };
        let (user, digests) = if let Some(issued) = &issued {
            (user, Digests::new(issued.password(), random::bytes()?)?)
        } else {
            let user = User { password_changed_at: None, ..user.invited(now) };
            (user, Digests::without_password(random::bytes()?, random::bytes()?))
        };
        let is_generated = issued.as_ref().is_some_and(|issued| issued.generated().is_some());
        let credential = CredentialItem::new(digests, user.must_change_password, now, machine_secret()?);
        Ok(Newcomer { user, credential: credential.generated(is_generated), issued })
    }

    /// Returns a transaction that adds these users, at most [`MAX_ADDED_AT_ONCE`] or, if they are invited,
    /// [`MAX_INVITED_AT_ONCE`]. The caller of this method commits it.
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
            if user.invited_at.is_some() {
                transaction.send(&OutboxItem::link(MailKind::Invitation, user, &event)?);
            }
        }
        Ok(transaction)
    }
}
