//! The end of a sign-in, whichever request comes to it: tokens, the session, and from where it was.

use std::time::Duration;

use serde::Serialize;

use crate::App;
use crate::error::Failure;
use crate::http::{Answer, RefreshTokenIn, Request};
use crate::identity::{Generation, Tokens};
use crate::models::{EventAction, Timestamp, User, UserId};
use crate::random;
use crate::session::{self, RefreshToken};
use crate::store::{
    Actor, ChallengeItem, CredentialItem, DEVICE_KNOWN_FOR, Event, SessionItem, Source, SourcesItem, Transaction,
};

/// How long a challenge can be answered.
pub const CHALLENGE_LIFETIME: Duration = Duration::from_mins(10);

/// The challenge to choose a new password.
pub const NEW_PASSWORD: &str = "new_password_required";

/// The challenge to choose a partner.
pub const CHOOSE_PARTNER: &str = "choose_partner";

/// A sign-in whose password was right, by a request.
#[derive(Clone, Copy)]
pub struct SignIn<'a> {
    /// Where.
    pub app: &'a App,
    /// What asked for it.
    pub request: &'a Request,
    /// When.
    pub now: Timestamp,
    /// Where the refresh token goes.
    pub refresh_token_in: RefreshTokenIn,
}

/// The user, as read.
#[derive(Debug)]
pub struct SigningIn {
    /// The user.
    pub user: User,
    /// What the password was compared with.
    pub credential: CredentialItem,
    /// From where the user signs in.
    pub sources: Option<SourcesItem>,
}

/// Tokens that are issued, and what their session replaces.
pub struct Issued {
    tokens: Tokens,
    term: session::SessionWindow,
    superseded: Vec<String>,
}

impl SignIn<'_> {
    /// From where the request comes, as `user` can know it.
    pub fn source(&self, user: &UserId) -> Source {
        Source::new(self.request.address(), self.request.devices().of(user))
    }

    /// Issues tokens for the user's present generation.
    ///
    /// # Errors
    /// What kept us from it, [`Failure::StaleRead`] among others.
    pub async fn issue(&self, signing_in: &SigningIn) -> Result<Issued, Failure> {
        let SigningIn { user, credential, .. } = signing_in;
        let term = session::SessionWindow { from: self.now, lifetime: self.app.session_lifetime()? };
        let (identity, store, generation) = (self.app.identity()?, self.app.store(), Generation::of(user));
        let (tokens, sessions) =
            tokio::join!(identity.issue(&generation, &credential.machine_secret), store.sessions_of(&user.id));
        let superseded = session::superseded(store, &user.id, sessions?, self.now).await?;
        Ok(Issued { tokens: tokens?, term, superseded })
    }

    /// Adds to `transaction` that the user signs in again: only while the user, the generation and the password are as read.
    ///
    /// # Errors
    /// As [`Event::new`].
    pub fn note(&self, transaction: &mut Transaction<'_>, user: &User) -> Result<(), Failure> {
        transaction.note_sign_in(user, self.now);
        transaction.record(&user.partner_id, &self.event(EventAction::SessionStarted, user)?);
        Ok(())
    }

    /// The event of what the user does with this sign-in.
    ///
    /// # Errors
    /// As [`Event::new`].
    pub fn event(&self, action: EventAction, user: &User) -> Result<Event, Failure> {
        Event::new(action, self.now, Actor::user(user), user, Some(self.request.address()), self.request.id())
    }

    /// Commits `transaction` together with the session, and answers with the tokens and the user as `after`. Beside it, the
    /// source is recorded for the password that was set at `password_set_at`: a sign-in that fails is not worth more.
    ///
    /// # Errors
    /// [`Failure::StaleRead`], or what kept us from it.
    pub async fn commit(
        &self,
        mut transaction: Transaction<'_>,
        issued: Issued,
        signing_in: &SigningIn,
        after: &User,
        password_set_at: Timestamp,
    ) -> Result<Answer, Failure> {
        let (user, sources) = (&signing_in.user, signing_in.sources.as_ref());
        let Issued { tokens, term, superseded } = issued;
        let refresh_token = RefreshToken::new(user, &tokens);
        transaction.add_session(
            &user.id,
            &tokens.origin_jti,
            &SessionItem {
                generation: user.session_generation,
                created_at: term.from,
                expires_at: term.from.plus(term.lifetime).unix_seconds(),
                address: self.request.address().to_owned(),
                user_agent: self.request.user_agent(),
                refresh_hash: refresh_token.hash(),
            },
        );
        for session_id in &superseded {
            transaction.end_session(&user.id, session_id);
        }

        let known = self.source(&user.id);
        let is_known_device = SourcesItem::knows_device(sources, password_set_at, &known, self.now);
        let is_known = SourcesItem::knows(sources, password_set_at, &known, self.now);
        let devices = self.request.devices();
        // A client that does not keep cookies is known by its network, and does not drive out the devices that do.
        let device = if is_known_device {
            devices.of(&user.id).map(str::to_owned)
        } else if self.refresh_token_in == RefreshTokenIn::Cookie || !is_known {
            Some(random::token()?)
        } else {
            None
        };
        let source = Source::new(self.request.address(), device.as_deref());
        let sources = SourcesItem::signed_in(sources, password_set_at, &source, self.now);
        let (committed, recorded) =
            tokio::join!(transaction.commit(), self.app.store().put_sources(&user.id, &sources));
        committed?;
        let answer = Answer::signed_in(after, &tokens, &refresh_token.as_text(), self.refresh_token_in, term.lifetime)?;
        match (recorded, device) {
            (Ok(()), Some(device)) => Ok(answer.with_device_cookie(&devices.with(&user.id, &device), DEVICE_KNOWN_FOR)),
            (Ok(()), None) => Ok(answer),
            (Err(error), _) => {
                tracing::warn!(request_id = self.request.id(), %error, "the source of a sign-in is not recorded");
                Ok(answer)
            }
        }
    }

    /// Adds to `transaction` a challenge to choose a new password, and returns the answer that asks for it.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn ask_for_new_password(
        &self,
        transaction: &mut Transaction<'_>,
        signing_in: &SigningIn,
    ) -> Result<Answer, Failure> {
        #[derive(Serialize)]
        struct Challenge {
            challenge: &'static str,
            session: String,
        }
        let (user, secret) = (&signing_in.user, random::token()?);
        let challenge = ChallengeItem {
            generation: user.session_generation,
            credential_version: signing_in.credential.version,
            expires_at: self.now.plus(CHALLENGE_LIFETIME).unix_seconds(),
        };
        transaction.add_challenge(&user.id, &secret, &challenge);
        let session = format!("{}.{}.{secret}", user.partner_id, user.id);
        Answer::json(200, &Challenge { challenge: NEW_PASSWORD, session })
    }
}
