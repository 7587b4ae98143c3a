//! Completes a sign-in whose password was right: issues tokens, creates the session and records the source, or asks for
//! a second factor or a new password. `sign-in` and `answer-challenge` share this code.

use std::time::Duration;

use serde::Serialize;

use crate::App;
use crate::error::Failure;
use crate::factors::{PasskeyChallenge, PasskeyPurpose, Presented, Progress, Step, TotpSecret, can_enrol, next_step};
use crate::http::{Answer, RefreshTokenIn};
use crate::identity::{Generation, Tokens};
use crate::mail::MailKind;
use crate::models::{ChallengeKind, EventAction, PartnerName, Requirement, Timestamp, UsedFactor, User, UserId};
use crate::origin::Origin;
use crate::passkeys::RequestOptions;
use crate::random;
use crate::session::{self, Client, RefreshToken, SignedIn};
use crate::store::{
    Actor, ChallengeItem, CredentialItem, Event, Key, PartnerItem, SessionItem, Source, SourcesItem, Transaction,
};

/// The time in which a client can answer a challenge.
pub const CHALLENGE_LIFETIME: Duration = Duration::from_mins(10);

/// The age of an account from which a sign-in from an unknown source is notified. A new user's first sources are all
/// unknown.
const NOTIFIED_AGE: Duration = Duration::from_mins(10);

/// A request that signs a user in.
#[derive(Clone, Copy)]
pub struct SignIn<'a> {
    /// The state of the function.
    pub app: &'a App,
    /// The request.
    pub origin: Origin<'a>,
    /// The client.
    pub client: &'a Client,
    /// The time of the sign-in. Everything that it writes has this time.
    pub now: Timestamp,
}

/// A user who signs in, and the items that were read for it.
#[derive(Debug)]
pub struct SigningIn {
    /// The user.
    pub user: User,
    /// The credential that the password is compared with.
    pub credential: CredentialItem,
    /// The networks and devices from which the user has signed in.
    pub sources: Option<SourcesItem>,
    /// The second factors that this sign-in has used.
    pub factors: Vec<UsedFactor>,
}

/// A challenge, which the client answers to continue its sign-in.
#[derive(Serialize)]
pub struct Challenge {
    #[serde(rename = "challenge")]
    kind: ChallengeKind,
    session: String,
    #[serde(flatten)]
    details: Details,
}

/// What a client needs for its answer.
#[derive(Serialize)]
#[serde(untagged)]
enum Details {
    NewPassword {},
    SecondFactor {
        /// The factors that the user can use. The one to ask for first comes first.
        factors: Vec<UsedFactor>,
        /// The options for a passkey, if the user has one.
        passkey: Option<RequestOptions>,
    },
    Enrolment {
        totp: NewApp,
    },
}

/// What a user needs to add an authenticator app.
#[derive(Serialize)]
pub struct NewApp {
    secret: String,
    uri: String,
}

impl NewApp {
    /// Returns what `user` needs to add the app with this secret.
    pub fn new(secret: &TotpSecret, user: &User, partner: &PartnerName) -> Self {
        Self { secret: secret.to_base32(), uri: secret.uri(partner.as_str(), user.email.typed()) }
    }
}

/// What follows an accepted step of a sign-in.
pub enum Outcome {
    /// The client has to answer another challenge.
    Challenged(Challenge),
    /// The user is signed in.
    SignedIn(Box<SignedIn>),
}

impl Outcome {
    /// Returns the response. The refresh token is where the client has requested it.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn answer(&self, refresh_token_in: RefreshTokenIn) -> Result<Answer, Failure> {
        match self {
            Self::Challenged(challenge) => Answer::json(200, challenge),
            Self::SignedIn(signed_in) => Answer::signed_in(signed_in, refresh_token_in),
        }
    }
}

/// Issued tokens, and the sessions that end when theirs begins.
pub struct Issued {
    tokens: Tokens,
    term: session::SessionWindow,
    superseded: Vec<String>,
}

impl SignIn<'_> {
    /// Returns the source of the request: its network, and its device if the request names one for `user`.
    pub fn source(&self, user: &UserId) -> Source {
        Source::new(self.origin.address, self.client.devices.of(user))
    }

    /// Returns whether the request comes from a device that the user has signed in from.
    pub fn is_known_device(&self, SigningIn { user, credential, sources, .. }: &SigningIn) -> bool {
        let source = self.source(&user.id);
        SourcesItem::knows_device(sources.as_ref(), credential.changed_at, &source, self.now)
    }

    /// Reads which users of the partner of `user` need a second factor.
    ///
    /// # Errors
    /// Why it could not be read.
    pub async fn partner_of(&self, user: &User) -> Result<PartnerItem, Failure> {
        let key = Key::partner(&user.partner_id);
        self.app.store().read(&[key.item_key()]).await?.partner(&key)
    }

    /// Returns the next step. `has_new_password` means that this sign-in has chosen a new password in place of an initial
    /// one.
    ///
    /// # Errors
    /// [`Failure::EnrolmentNeedsProof`].
    pub fn next_step(
        &self,
        signing_in: &SigningIn,
        requirement: Requirement,
        has_new_password: bool,
    ) -> Result<Step, Failure> {
        let SigningIn { user, credential, sources, factors } = signing_in;
        let factor = match (factors.is_empty(), credential.factors.is_empty()) {
            (false, _) => Presented::Factor,
            (true, false) => Presented::NotYet,
            (true, true) => Presented::Nothing,
        };
        let source = self.source(&user.id);
        let is_known = SourcesItem::knows(sources.as_ref(), credential.changed_at, &source, self.now);
        let progress = Progress {
            factor,
            must_change_password: credential.must_change && !has_new_password,
            can_enrol: can_enrol(user, is_known, has_new_password),
        };
        next_step(requirement, user, progress).map_err(|_| Failure::EnrolmentNeedsProof)
    }

    /// Signs the user in with what `transaction` changes, or adds the challenge for the next step to it, and commits it.
    ///
    /// # Errors
    /// [`Failure::StaleRead`], or why it could not be committed.
    pub async fn proceed(
        &self,
        mut transaction: Transaction<'_>,
        signing_in: &SigningIn,
        step: Step,
        partner: &PartnerName,
    ) -> Result<Outcome, Failure> {
        let challenge = match step {
            Step::Complete => None,
            Step::SecondFactor => Some(self.ask_for_second_factor(&mut transaction, signing_in)?),
            Step::NewPassword => Some(self.ask_for_new_password(&mut transaction, signing_in)?),
            Step::Enrolment => Some(self.ask_for_enrolment(&mut transaction, signing_in, partner)?),
        };
        if let Some(challenge) = challenge {
            transaction.commit().await?;
            return Ok(Outcome::Challenged(challenge));
        }
        let issued = self.issue(signing_in).await?;
        let event = self.note(&mut transaction, signing_in)?;
        let after = signing_in.user.signed_in(self.now);
        let password_set_at = signing_in.credential.changed_at;
        let signed_in = self.commit(transaction, issued, signing_in, &event, after, password_set_at).await?;
        Ok(Outcome::SignedIn(Box::new(signed_in)))
    }

    /// Issues tokens for the user's current generation.
    ///
    /// # Errors
    /// Why no tokens were issued; one reason is [`Failure::StaleRead`].
    pub async fn issue(&self, signing_in: &SigningIn) -> Result<Issued, Failure> {
        let SigningIn { user, credential, .. } = signing_in;
        let term = session::SessionWindow { from: self.now, lifetime: self.app.session_lifetime()? };
        let (identity, store, generation) = (self.app.identity()?, self.app.store(), Generation::of(user));
        let issue = identity.issue(&generation, &credential.machine_secret, user.has_cognito_user());
        let (tokens, sessions) = tokio::join!(issue, store.sessions_of(&user.id));
        let superseded = session::superseded(store, &user.id, sessions?, self.now).await?;
        Ok(Issued { tokens: tokens?, term, superseded })
    }

    /// Adds the sign-in and its event to `transaction`, which then requires that the user is active, in the generation
    /// that was read, and has the password that was compared. Returns the event.
    ///
    /// # Errors
    /// As [`Event::new`].
    pub fn note(&self, transaction: &mut Transaction<'_>, signing_in: &SigningIn) -> Result<Event, Failure> {
        let SigningIn { user, credential, .. } = signing_in;
        transaction.note_sign_in(user, credential, self.now);
        let event = self.event(EventAction::SessionStarted, user)?;
        self.record(transaction, user, &event)?;
        Ok(event)
    }

    /// Adds a notification of `user` about what `event` records. It adds nothing if mail is off.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn notify(
        &self,
        transaction: &mut Transaction<'_>,
        kind: MailKind,
        user: &User,
        event: &Event,
    ) -> Result<(), Failure> {
        transaction.notify(kind, user, event, Some(self.origin.user_agent))
    }

    /// Adds the event of the sign-in to `transaction`. It expires, because sign-ins are most of a history.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn record(&self, transaction: &mut Transaction<'_>, user: &User, event: &Event) -> Result<(), Failure> {
        transaction.record_for(self.app.sign_in_history()?, &user.partner_id, event);
        Ok(())
    }

    /// Returns an audit event for an action of the user in this sign-in.
    ///
    /// # Errors
    /// As [`Event::new`].
    pub fn event(&self, action: EventAction, user: &User) -> Result<Event, Failure> {
        Event::new(action, self.now, Actor::user(user), user, Some(self.origin.address), self.origin.request_id)
    }

    /// Commits `transaction` together with the session. The user is then as `after`. `event` records the sign-in, of which
    /// the user is notified if the source is unknown.
    /// At the same time it records the source for the password that was set at `password_set_at`, also when the commit
    /// fails. A failure to record the source is logged, and does not fail the sign-in.
    ///
    /// # Errors
    /// [`Failure::StaleRead`], or why it could not be committed.
    pub async fn commit(
        &self,
        mut transaction: Transaction<'_>,
        issued: Issued,
        signing_in: &SigningIn,
        event: &Event,
        after: User,
        password_set_at: Timestamp,
    ) -> Result<SignedIn, Failure> {
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
                address: self.origin.address.to_owned(),
                user_agent: self.client.user_agent.clone(),
                refresh_hash: refresh_token.hash(),
                factors: signing_in.factors.clone(),
                reauthenticated_at: None,
                enrolment: None,
                passkey: None,
            },
        );
        for session_id in &superseded {
            transaction.end_session(&user.id, session_id);
        }

        let known = self.source(&user.id);
        let is_known_device = SourcesItem::knows_device(sources, password_set_at, &known, self.now);
        let is_known = SourcesItem::knows(sources, password_set_at, &known, self.now);
        if !is_known && self.now >= user.created_at.plus(NOTIFIED_AGE) {
            self.notify(&mut transaction, MailKind::NewSignIn, user, event)?;
        }
        let devices = &self.client.devices;
        // A client that does not keep cookies is known by its network. It gets no device: a new one at each sign-in
        // would displace the known devices.
        let device = if is_known_device {
            devices.of(&user.id).map(str::to_owned)
        } else if self.client.keeps_cookies || !is_known {
            Some(random::token()?)
        } else {
            None
        };
        let source = Source::new(self.origin.address, device.as_deref());
        let sources = SourcesItem::signed_in(sources, password_set_at, &source, self.now);
        let (committed, recorded) =
            tokio::join!(transaction.commit(), self.app.store().put_sources(&user.id, &sources));
        committed?;
        let devices = match recorded {
            Ok(()) => device.map(|device| devices.with(&user.id, &device)),
            Err(error) => {
                tracing::warn!(
                    request_id = self.origin.request_id,
                    %error,
                    "could not record the source of a sign-in; the sign-in succeeded"
                );
                None
            }
        };
        let lifetime = term.lifetime;
        Ok(SignedIn { user: after, tokens, refresh_token, lifetime, devices, recovery_codes: None })
    }

    /// Adds a challenge to choose a new password to `transaction`, and returns it.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn ask_for_new_password(
        &self,
        transaction: &mut Transaction<'_>,
        signing_in: &SigningIn,
    ) -> Result<Challenge, Failure> {
        let (session, _) = self.add_challenge(transaction, ChallengeKind::NewPassword, signing_in)?;
        Ok(Challenge { kind: ChallengeKind::NewPassword, session, details: Details::NewPassword {} })
    }

    /// Adds a challenge to use a second factor to `transaction`, and returns it.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn ask_for_second_factor(
        &self,
        transaction: &mut Transaction<'_>,
        signing_in: &SigningIn,
    ) -> Result<Challenge, Failure> {
        let (session, secret) = self.add_challenge(transaction, ChallengeKind::SecondFactor, signing_in)?;
        let (factors, party) = (&signing_in.credential.factors, self.app.relying_party());
        let challenge = PasskeyChallenge::derived(PasskeyPurpose::SecondFactor, &secret);
        let party = party.filter(|_| !factors.passkeys().is_empty());
        let passkey = party.map(|party| RequestOptions::new(party, challenge, factors.passkeys()));
        let details = Details::SecondFactor { factors: factors.offered(passkey.is_some()), passkey };
        Ok(Challenge { kind: ChallengeKind::SecondFactor, session, details })
    }

    /// Adds a challenge to add a second factor to `transaction`, and returns it. The secret of the authenticator app is
    /// derived from the challenge's token, so that it is stored only after its first code.
    ///
    /// # Errors
    /// [`Failure::Internal`].
    pub fn ask_for_enrolment(
        &self,
        transaction: &mut Transaction<'_>,
        signing_in: &SigningIn,
        partner: &PartnerName,
    ) -> Result<Challenge, Failure> {
        let (session, secret) = self.add_challenge(transaction, ChallengeKind::Enrolment, signing_in)?;
        let totp = NewApp::new(&TotpSecret::derived(&secret)?, &signing_in.user, partner);
        Ok(Challenge { kind: ChallengeKind::Enrolment, session, details: Details::Enrolment { totp } })
    }

    /// Adds a challenge, and returns its token and the secret part of it.
    fn add_challenge(
        &self,
        transaction: &mut Transaction<'_>,
        kind: ChallengeKind,
        signing_in: &SigningIn,
    ) -> Result<(String, String), Failure> {
        let (user, secret) = (&signing_in.user, random::token()?);
        let challenge = ChallengeItem {
            kind,
            basis: signing_in.credential.basis(user),
            factors: signing_in.factors.clone(),
            codes: 0,
            expires_at: self.now.plus(CHALLENGE_LIFETIME).unix_seconds(),
        };
        transaction.add_challenge(&user.id, &secret, &challenge);
        Ok((format!("{}.{}.{secret}", user.partner_id, user.id), secret))
    }
}
