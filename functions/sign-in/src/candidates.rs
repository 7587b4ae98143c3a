//! The users whose passwords a sign-in compares. Their number is fixed: placeholders replace missing users.

use portal::actions::{SignIn, SigningIn};
use portal::error::Failure;
use portal::models::{Email, PartnerId, Status, Timestamp, User, UserId};
use portal::passwords::Digests;
use portal::random;
use portal::store::{Key, SourcesItem, Standing};

/// The number of users that a password is compared with when the request names no partner.
const COMPARED: usize = 3;

/// The maximum number of users with one email that are read. Users whose device the request names are compared first.
const MAX_READ: i32 = 100;

/// A user whose password is compared, or a placeholder.
pub(crate) struct Candidate {
    partner: PartnerId,
    id: UserId,
    /// `None` for a placeholder.
    found: Option<Box<SigningIn>>,
}

/// What a comparison means for the sign-in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The right password of an active user.
    Match,
    /// The password was right, but it has expired: it was not changed in time.
    Expired,
    /// The source is blocked, so the password was refused whether or not it was right.
    Blocked,
    /// Anything else.
    Wrong,
}

/// A candidate that the request did not sign in.
pub(crate) struct Refused {
    pub(crate) candidate: Candidate,
    pub(crate) verdict: Verdict,
}

/// Returns the users with this email: the one at `partner`, or the first ones at all partners. Users whose
/// device the request names come first. Placeholders complete the list.
pub(crate) async fn find(
    sign_in: &SignIn<'_>,
    email: &Email,
    partner: Option<&PartnerId>,
) -> Result<Vec<(PartnerId, UserId)>, Failure> {
    let store = sign_in.app.store();
    let mut entries = if let Some(partner) = partner {
        let key = Key::email(email, partner);
        store.read(&[key.item_key()]).await?.get(&key)?.into_iter().collect()
    } else {
        store.users_with_email(email, MAX_READ).await?
    };
    let devices = &sign_in.client.devices;
    entries.sort_by_key(|entry| devices.of(&entry.user_id).is_none());
    let found = entries.into_iter().map(|entry| (entry.partner_id, entry.user_id));
    let count = if partner.is_some() { 1 } else { COMPARED };
    let mut found: Vec<_> = found.take(count).collect();
    while found.len() < count {
        found.push(placeholder(sign_in.now)?);
    }
    Ok(found)
}

/// Returns ids that no user has. They are random, so that concurrent calls for placeholders do not use the same keys.
fn placeholder(now: Timestamp) -> Result<(PartnerId, UserId), Failure> {
    Ok((PartnerId::new(now, random::bytes()?), UserId::new(now, random::bytes()?)))
}

/// Reads the items of these users. For placeholders it sends the same reads.
pub(crate) async fn load(sign_in: &SignIn<'_>, found: Vec<(PartnerId, UserId)>) -> Result<Vec<Candidate>, Failure> {
    let keys = |(partner, id): &(PartnerId, UserId)| (Key::user(partner, id), Key::credential(id), Key::sources(id));
    let item_keys: Vec<_> = found
        .iter()
        .map(keys)
        .flat_map(|(user, credential, sources)| [user.item_key(), credential.item_key(), sources.item_key()])
        .collect();
    let stored = sign_in.app.store().read(&item_keys).await?;
    let candidate = |(partner, id): (PartnerId, UserId)| {
        let (user, credential, sources) = keys(&(partner.clone(), id.clone()));
        let found = match (stored.get(&user)?, stored.credential(&credential)?) {
            (Some(item), Some(credential)) => Some(Box::new(SigningIn {
                user: item.user,
                credential,
                sources: stored.get(&sources)?,
                factors: Vec::new(),
            })),
            (Some(_), None) | (None, _) => None,
        };
        Ok(Candidate { partner, id, found })
    };
    found.into_iter().map(candidate).collect()
}

impl Candidate {
    /// Returns a placeholder in place of this candidate.
    pub(crate) fn replaced(now: Timestamp) -> Result<Self, Failure> {
        let (partner, id) = placeholder(now)?;
        Ok(Self { partner, id, found: None })
    }

    /// Returns whether the source of the request is known to the user. `None` for a placeholder.
    pub(crate) fn is_known(&self, sign_in: &SignIn<'_>) -> Option<bool> {
        let SigningIn { user, credential, sources, .. } = &**self.found.as_ref()?;
        let source = sign_in.source(&user.id);
        Some(SourcesItem::knows(sources.as_ref(), credential.changed_at, &source, sign_in.now))
    }

    /// Counts the attempt as failed, before the password is compared, and returns the standing of the
    /// source. A retry is not counted again. For a placeholder it sends the same update with a
    /// condition that fails, and returns `None`.
    pub(crate) async fn count(&self, sign_in: &SignIn<'_>) -> Result<Option<Standing>, Failure> {
        let store = sign_in.app.store();
        let Some(found) = &self.found else {
            if !sign_in.origin.is_retry {
                store.count_no_guess(&self.id).await?;
            }
            return Ok(None);
        };
        let SigningIn { user, credential, sources, .. } = &**found;
        let (source, set_at) = (sign_in.source(&user.id), credential.changed_at);
        if sign_in.origin.is_retry {
            return Ok(Some(SourcesItem::standing(sources.as_ref(), set_at, &source, sign_in.now)));
        }
        Ok(Some(store.count_guess(&user.id, sources.as_ref(), set_at, &source, sign_in.now).await?))
    }

    /// Returns what the password is compared with. A placeholder has no right password.
    pub(crate) fn digests(&self) -> Option<Digests> {
        self.found.as_ref().map(|found| found.credential.digests.clone())
    }

    /// Returns what the comparison means for the sign-in. A blocked source signs no user in, except with a generated
    /// password, which cannot be guessed.
    pub(crate) fn verdict(&self, is_right: bool, standing: Option<&Standing>, now: Timestamp) -> Verdict {
        let Some(SigningIn { user, credential, .. }) = self.found.as_deref() else { return Verdict::Wrong };
        if standing == Some(&Standing::Shut) && !credential.is_generated {
            Verdict::Blocked
        } else if !is_right || user.status != Status::Active {
            Verdict::Wrong
        } else if credential.is_expired(now) {
            Verdict::Expired
        } else {
            Verdict::Match
        }
    }

    /// Returns the user, if a right password signs the user in without another step, and if the source is certainly not
    /// blocked. So the time of a response reveals nothing if tokens are issued before all counts are made.
    pub(crate) fn ready(&self) -> Option<&SigningIn> {
        let found = self.found.as_deref()?;
        let SigningIn { user, credential, sources, .. } = found;
        let has_more_steps = credential.must_change || !credential.factors.is_empty();
        let is_open = credential.is_generated || SourcesItem::is_far_from_shut(sources.as_ref(), credential.changed_at);
        (is_open && user.status == Status::Active && !has_more_steps).then_some(found)
    }

    /// Returns the user who signs in, or a refusal.
    pub(crate) fn decided(self, verdict: Verdict) -> Result<SigningIn, Refused> {
        match (verdict, self.found) {
            (Verdict::Match, Some(found)) => Ok(*found),
            (verdict, found) => Err(Refused { candidate: Self { found, ..self }, verdict }),
        }
    }

    /// Returns the user, or `None` for a placeholder.
    pub(crate) fn user(&self) -> Option<&User> {
        self.found.as_ref().map(|found| &found.user)
    }

    /// Returns the ids of the user or of the placeholder.
    pub(crate) fn ids(&self) -> (&PartnerId, &UserId) {
        (&self.partner, &self.id)
    }
}
