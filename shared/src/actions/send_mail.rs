//! Sends one mail of the outbox. `send-mail` and `sweep-outbox` share this code.
//!
//! The mail is claimed first, so that it is sent once even if both find it. Then the current items are read: a link is
//! sent only for the state of the user in which it was asked for. Its token is made just before the mail is sent, and
//! only its hash is stored. If the process dies after that, the mail is sent again, with another token.

use std::slice;
use std::time::Duration;

use crate::App;
use crate::error::Failure;
use crate::mail::{Binding, By, Content, Letter, Link, LinkKind, MailKind, Offer, Offered, Place, Rendered, mail_name};
use crate::mailer::{Mailer, SendError};
use crate::models::{Email, EventAction, PartnerName, PendingKind, Status, Timestamp, User};
use crate::store::{Actor, Event, ItemKey, Key, OutboxItem, Store, jitter};
use crate::telemetry;

/// The time for which a mail is retried while the mail service is unavailable.
const MAX_AGE: Duration = Duration::from_hours(24);

/// The delay after the first failure. It doubles with each failure.
const FIRST_DELAY: Duration = Duration::from_secs(30);

/// The maximum delay before a retry.
const MAX_DELAY: Duration = Duration::from_hours(1);

/// The maximum number of users with one email in a mail to reset passwords. A user of another partner names the partner.
const MAX_OFFERS: i32 = 20;

/// The result for one mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendOutcome {
    /// The mail was sent.
    Sent,
    /// The mail is no longer needed, and was deleted.
    Dropped,
    /// The mail service is unavailable; the mail will be retried.
    Postponed,
    /// The mail cannot be sent. It was deleted, and events record it.
    Failed,
    /// Another invocation has claimed the mail, or it is not due.
    NotClaimed,
}

/// A mail that is ready to be sent.
struct Prepared {
    to: Email,
    /// The users that the mail is about.
    users: Vec<User>,
    mail: Rendered,
}

/// Sends the mail at `key`, if it is due.
///
/// # Errors
/// Returns why the items could not be read or written. The mail is then due again when the lease of its claim ends.
pub async fn send_mail(app: &App, key: &Key<OutboxItem>) -> Result<SendOutcome, Failure> {
    let (store, mailer, now) = (app.store(), app.mailer()?, app.now());
    let Some(item) = store.claim_mail(key, now).await? else { return Ok(SendOutcome::NotClaimed) };
    let Some(prepared) = Box::pin(prepare(store, mailer, &item, now)).await? else {
        store.delete_mail(&item).await?;
        return Ok(SendOutcome::Dropped);
    };
    let Prepared { to, users, mail } = &prepared;
    let sent = mailer.send(to, &users.iter().collect::<Vec<_>>(), mail).await;
    let (id, kind, attempts) = (item.id(), item.kind.as_str(), item.attempts);
    match sent {
        Ok(()) => {
            store.delete_mail(&item).await?;
            tracing::info!(mail = id, kind, attempts, "sent a mail");
            Ok(SendOutcome::Sent)
        }
        Err(SendError::Unavailable(code)) if now < item.created_at.plus(MAX_AGE) => {
            tracing::warn!(mail = id, kind, attempts, code, "could not send a mail; it will be retried");
            store.postpone_mail(&item, now.plus(delay(attempts))).await?;
            Ok(SendOutcome::Postponed)
        }
        Err(error) => {
            let (reason, code) = match error {
                SendError::Rejected(code) => ("rejected", code),
                SendError::Unavailable(code) => ("expired", code),
            };
            tracing::error!(mail = id, kind, attempts, code, "could not send a mail; it is dropped");
            telemetry::count("MailFailed", 1);
            record_failure(store, &item, users, reason, now).await?;
            Ok(SendOutcome::Failed)
        }
    }
}

/// Returns the delay before the next attempt.
fn delay(attempts: u32) -> Duration {
    let doubled = FIRST_DELAY.saturating_mul(1 << attempts.saturating_sub(1).min(10));
    doubled.min(MAX_DELAY) + jitter(6)
}

/// Deletes the mail and records the failure in the history of each user, in one transaction.
async fn record_failure(
    store: &Store,
    item: &OutboxItem,
    users: &[User],
    reason: &str,
    now: Timestamp,
) -> Result<(), Failure> {
    let mut transaction = store.transaction();
    transaction.drop_mail(item);
    for user in users {
        let event = Event::new(EventAction::MailFailed, now, Actor::System, user, None, item.id())?;
        transaction.record(&user.partner_id, &event.failing(reason));
    }
    // If a condition fails, another invocation has claimed the mail since, and decides about it.
    transaction.commit_if_possible().await?;
    Ok(())
}

/// Returns the mail, or `None` if it is no longer needed.
async fn prepare(
    store: &Store,
    mailer: &Mailer,
    item: &OutboxItem,
    now: Timestamp,
) -> Result<Option<Prepared>, Failure> {
    if item.kind == MailKind::PasswordReset {
        prepare_reset(store, mailer, item, now).await
    } else {
        prepare_for_user(store, mailer, item, now).await
    }
}

/// Prepares a mail to one user: a notification, an invitation or a link to confirm a new email.
async fn prepare_for_user(
    store: &Store,
    mailer: &Mailer,
    item: &OutboxItem,
    now: Timestamp,
) -> Result<Option<Prepared>, Failure> {
    let Some((partner, user)) = item.partner_id.as_ref().zip(item.user_id.as_ref()) else {
        return Err(Failure::bug("a mail without a user"));
    };
    let (user_key, partner_key) = (Key::user(partner, user), Key::partner(partner));
    let actor_key = item.actor_id.as_ref().map(|actor| Key::user(partner, actor));
    let mut item_keys = vec![user_key.item_key(), partner_key.item_key()];
    item_keys.extend(actor_key.as_ref().map(Key::item_key));
    let stored = store.read(&item_keys).await?;
    // A user who was removed gets no mail.
    let Some(user) = stored.get(&user_key)?.map(|item| item.user) else { return Ok(None) };
    let partner = mail_name(stored.partner(&partner_key)?.name.as_str());
    let actor = actor_key.map(|key| stored.get(&key)).transpose()?.flatten();
    let actor = actor.map(|item| mail_name(&item.user.full_name()));
    let by = match (&item.actor_id, &actor) {
        (None, _) => By::Operator,
        (Some(id), _) if *id == user.id => By::You,
        (Some(_), Some(name)) => By::User(name),
        (Some(_), None) => By::Admin,
    };

    let Some(to) = recipient(item, &user) else { return Ok(None) };
    let link = match item.link_kind() {
        None => None,
        Some(kind) => match new_link(store, mailer, item, kind, &user, now).await? {
            // The link is no longer needed.
            None => return Ok(None),
            link => link,
        },
    };
    let link = link.as_ref().map(|(url, expires_at)| Link { url, expires_at: *expires_at });
    let role = user.role;
    let content = match (item.kind, link) {
        (MailKind::Invitation, Some(link)) => Content::Invitation { by, link },
        (MailKind::EmailChange, Some(link)) => Content::EmailChange(link),
        (MailKind::PasswordSet, _) => Content::PasswordSet(by),
        (MailKind::PasswordChanged, _) => Content::PasswordChanged,
        (MailKind::PasswordWasReset, _) => Content::PasswordWasReset,
        (MailKind::EmailChanged, _) => Content::EmailChanged { by, is_new: to.same_address(&user.email) },
        (MailKind::NewSignIn, _) => Content::NewSignIn,
        (MailKind::LogoutForced, _) => Content::LogoutForced(by),
        (MailKind::Suspended, _) => Content::Suspended(by),
        (MailKind::AccessChanged, _) => Content::AccessChanged { by, role },
        (MailKind::HandedOver, _) => Content::HandedOver { by },
        (MailKind::SignInBlocked, _) if !store.mark_block_mail(&user.id, item).await? => return Ok(None),
        (MailKind::SignInBlocked, _) => Content::SignInBlocked,
        (MailKind::SecondFactorAdded, _) => Content::SecondFactorAdded,
        (MailKind::SecondFactorRemoved, _) => Content::SecondFactorRemoved,
        (MailKind::SecondFactorReset, _) => Content::SecondFactorReset(by),
        (MailKind::RecoveryCodeUsed, _) => Content::RecoveryCodeUsed,
        (MailKind::Invitation | MailKind::EmailChange | MailKind::PasswordReset, _) => {
            return Err(Failure::bug("a mail without its link"));
        }
    };
    let letter = Letter {
        language: item.language,
        name: &mail_name(&user.full_name()),
        partner: &partner,
        portal_url: mailer.portal_url(),
        at: item.created_at,
        place: place(item),
        content,
    };
    let mail = letter.render();
    Ok(Some(Prepared { to, users: vec![user], mail }))
}

/// Returns the address for a mail to one user: that at the time of the change for a notification, and the current one for a
/// link.
fn recipient(item: &OutboxItem, user: &User) -> Option<Email> {
    match item.link_kind() {
        None => Some(item.email.clone().unwrap_or_else(|| user.email.clone())),
        Some(LinkKind::Invitation | LinkKind::PasswordReset) => Some(user.email.clone()),
        Some(LinkKind::EmailChange) => user.pending_email.clone(),
    }
}

/// Makes the link of a mail. Returns its address and its expiry, or `None` if the user is in another state than when the
/// link was asked for.
async fn new_link(
    store: &Store,
    mailer: &Mailer,
    item: &OutboxItem,
    kind: LinkKind,
    user: &User,
    now: Timestamp,
) -> Result<Option<(String, Timestamp)>, Failure> {
    let is_current = item.binding.is_some() && Binding::of(kind, user) == item.binding;
    let Some(expiry) = kind.expiry(user, now).filter(|_| is_current) else { return Ok(None) };
    let token = store.new_link(kind, user, expiry, now).await?;
    Ok(Some((token.url(mailer.portal_url()), expiry)))
}

/// Prepares the response to a request to reset a password: one mail with an offer for each user with this email.
async fn prepare_reset(
    store: &Store,
    mailer: &Mailer,
    item: &OutboxItem,
    now: Timestamp,
) -> Result<Option<Prepared>, Failure> {
    let Some(email) = &item.email else { return Err(Failure::bug("a request to reset a password without an email")) };
    let users = users_with(store, item, email).await?;
    let mut offers = Vec::new();
    for (user, partner) in &users {
        let partner = mail_name(partner.as_str());
        let (kind, is_first) = match user.pending().map(|pending| pending.kind) {
            None => (LinkKind::PasswordReset, false),
            Some(PendingKind::Invitation) => (LinkKind::Invitation, true),
            Some(PendingKind::InitialPassword) => (LinkKind::PasswordReset, true),
        };
        let link = match kind.expiry(user, now) {
            Some(expiry) => Some((store.new_link(kind, user, expiry, now).await?.url(mailer.portal_url()), expiry)),
            None => None,
        };
        offers.push((partner, kind, is_first, link));
    }
    let offers: Vec<Offer<'_>> = offers
        .iter()
        .map(|(partner, kind, is_first, link)| {
            let link = link.as_ref().map(|(url, expires_at)| Link { url, expires_at: *expires_at });
            let offered = match (link, kind) {
                (None, _) => Offered::Expired,
                (Some(link), LinkKind::Invitation) => Offered::Invitation(link),
                (Some(link), _) if *is_first => Offered::FirstPassword(link),
                (Some(link), _) => Offered::Reset(link),
            };
            Offer { partner, offered }
        })
        .collect();
    let Some((first, partner)) = users.first() else { return Ok(None) };
    let letter = Letter {
        language: first.language,
        name: &mail_name(&first.full_name()),
        partner: &mail_name(partner.as_str()),
        portal_url: mailer.portal_url(),
        at: item.created_at,
        place: place(item),
        content: Content::PasswordReset(&offers),
    };
    let (to, mail) = (first.email.clone(), letter.render());
    Ok(Some(Prepared { to, users: users.into_iter().map(|(user, _)| user).collect(), mail }))
}

/// Returns the active users with this email, and the name of the partner of each, sorted by this name.
async fn users_with(store: &Store, item: &OutboxItem, email: &Email) -> Result<Vec<(User, PartnerName)>, Failure> {
    let entries = match &item.partner_id {
        Some(partner) => {
            let key = Key::email(email, partner);
            store.read(slice::from_ref(&key.item_key())).await?.get(&key)?.into_iter().collect()
        }
        None => store.users_with_email(email, MAX_OFFERS).await?,
    };
    let keys = |entry: &crate::store::EmailItem| {
        (Key::user(&entry.partner_id, &entry.user_id), Key::partner(&entry.partner_id))
    };
    let item_keys: Vec<ItemKey> =
        entries.iter().map(keys).flat_map(|(user, partner)| [user.item_key(), partner.item_key()]).collect();
    let stored = store.read(&item_keys).await?;
    let mut users = Vec::new();
    for (user_key, partner_key) in entries.iter().map(keys) {
        let Some(user) = stored.get(&user_key)?.map(|item| item.user) else { continue };
        if user.status == Status::Active && user.email.same_address(email) {
            users.push((user, stored.partner(&partner_key)?.name));
        }
    }
    users.sort_by(|(_, one), (_, other)| one.cmp(other));
    Ok(users)
}

fn place(item: &OutboxItem) -> Place<'_> {
    Place { address: item.address.as_deref(), browser: item.browser.as_deref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_an_hour() {
        let seconds = |attempts| delay(attempts).as_secs();
        assert_eq!([1, 2, 3, 7].map(seconds), [30, 60, 120, 1_920]);
        assert_eq!([8, 100].map(seconds), [3_600, 3_600]);
    }
}
