//! The users that a password is compared with: a fixed number, whoever they are.

use portal::actions::{SignIn, SigningIn};
use portal::error::Failure;
use portal::models::{Email, PartnerId, Status, Timestamp, User, UserId};
use portal::passwords::{SubmittedPassword, verify_nobody};
use portal::random;
use portal::store::{Key, SourcesItem, Standing};

/// With how many users a password is compared when the request names no partner.
const COMPARED: usize = 3;

/// How many partners with one email are looked at for those that the device names.
const LOOKED_AT: i32 = 100;

/// A user, or nobody in the place of one.
pub(crate) struct Candidate {
    partner: PartnerId,
    id: UserId,
    found: Option<Box<SigningIn>>,
}

/// What came of a comparison.
pub(crate) enum Outcome {
    /// The right password of an active user.
    Match(Box<SigningIn>),
    /// Anything else.
    Refused(Refused),
}

/// A user whom the request did not sign in, or nobody.
pub(crate) struct Refused {
    pub(crate) candidate: Candidate,
    /// The password was right, but was not changed in time.
    pub(crate) is_expired: bool,
    /// From this source no password would have been right.
    pub(crate) is_blocked: bool,
}

/// Who has the email: at the partner, or at the first partners, those before whose users the device names.
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
        store.users_with_email(email, LOOKED_AT).await?
    };
    let devices = sign_in.request.devices();
    entries.sort_by_key(|entry| devices.of(&entry.user_id).is_none());
    let found = entries.into_iter().map(|entry| (entry.partner_id, entry.user_id));
    let count = if partner.is_some() { 1 } else { COMPARED };
    let mut found: Vec<_> = found.take(count).collect();
    while found.len() < count {
        found.push(nobody(sign_in.now)?);
    }
    Ok(found)
}

/// Ids of nobody: random, so that what is sent for nobody meets at no key.
fn nobody(now: Timestamp) -> Result<(PartnerId, UserId), Failure> {
    Ok((PartnerId::new(now, random::bytes()?), UserId::new(now, random::bytes()?)))
}

/// Reads them, and those who are nobody alike.
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
        let found = match (stored.get(&user)?, stored.get(&credential)?) {
            (Some(item), Some(credential)) => {
                Some(Box::new(SigningIn { user: item.user, credential, sources: stored.get(&sources)? }))
            }
            (Some(_), None) | (None, _) => None,
        };
        Ok(Candidate { partner, id, found })
    };
    found.into_iter().map(candidate).collect()
}

impl Candidate {
    /// Puts nobody in the place of a user who does not know the source. Returns whether a user is left.
    pub(crate) fn keep_if_known(&mut self, sign_in: &SignIn<'_>) -> Result<bool, Failure> {
        let is_known = self.found.as_ref().is_some_and(|found| {
            let SigningIn { user, credential, sources } = &**found;
            SourcesItem::knows(sources.as_ref(), credential.changed_at, &sign_in.source(&user.id), sign_in.now)
        });
        if !is_known {
            let (partner, id) = nobody(sign_in.now)?;
            *self = Self { partner, id, found: None };
        }
        Ok(is_known)
    }

    /// Counts the attempt as failed, before it is compared; or returns how it was counted, for a request that is decided
    /// again.
    pub(crate) async fn count(&self, sign_in: &SignIn<'_>) -> Result<Option<Standing>, Failure> {
        let store = sign_in.app.store();
        let Some(found) = &self.found else {
            if !sign_in.request.is_retry() {
                store.count_no_guess(&self.id).await?;
            }
            return Ok(None);
        };
        let SigningIn { user, credential, sources } = &**found;
        let (source, set_at) = (sign_in.source(&user.id), credential.changed_at);
        if sign_in.request.is_retry() {
            return Ok(Some(SourcesItem::standing(sources.as_ref(), set_at, &source, sign_in.now)));
        }
        Ok(Some(store.count_guess(&user.id, sources.as_ref(), set_at, &source, sign_in.now).await?))
    }

    /// Computes one digest, and whether it is the password's.
    pub(crate) fn verify(&self, password: &SubmittedPassword) -> Result<bool, Failure> {
        match &self.found {
            Some(found) => Ok(found.credential.digests.verify(password)?),
            None => Ok(verify_nobody(password).map(|()| false)?),
        }
    }

    /// What the comparison means. A source that is shut out signs nobody in, except with a password that is not guessed.
    pub(crate) fn outcome(self, is_right: bool, standing: Option<&Standing>, now: Timestamp) -> Outcome {
        let Self { partner, id, found } = self;
        let is_shut = standing == Some(&Standing::Shut);
        match found {
            Some(found) if is_right && found.user.status == Status::Active => {
                let (is_blocked, is_expired) =
                    (is_shut && !found.credential.is_generated, found.credential.is_expired(now));
                if is_blocked || is_expired {
                    let candidate = Self { partner, id, found: Some(found) };
                    Outcome::Refused(Refused { candidate, is_expired: is_expired && !is_blocked, is_blocked })
                } else {
                    Outcome::Match(found)
                }
            }
            found => {
                let is_blocked = is_shut && found.as_ref().is_some_and(|found| !found.credential.is_generated);
                Outcome::Refused(Refused { candidate: Self { partner, id, found }, is_expired: false, is_blocked })
            }
        }
    }

    /// The user, if there is one.
    pub(crate) fn user(&self) -> Option<&User> {
        self.found.as_ref().map(|found| &found.user)
    }

    /// The ids, which may be nobody's.
    pub(crate) fn ids(&self) -> (&PartnerId, &UserId) {
        (&self.partner, &self.id)
    }
}
