//! `POST /v1/sessions`: signs a user in.
//!
//! An email may be used at several partners. No partner may find that out, or influence a sign-in at
//! another. So the password is compared with a fixed number of users, and every failure has the same
//! response after the same work: attempts are counted before the password is compared, and the same calls
//! are sent for a placeholder where a user is missing.

mod candidates;
mod limits;

use std::slice;
use std::sync::Arc;

use candidates::{Candidate, Refused, Verdict};
use futures_util::future::{FutureExt as _, join_all, try_join_all};
use limits::{Limits, Open};
use portal::App;
use portal::actions::{CHALLENGE_LIFETIME, Issued, SignIn, SigningIn};
use portal::error::Failure;
use portal::factors::Step;
use portal::http::{Answer, RefreshTokenIn, Request, Stopped, serve};
use portal::mail::MailKind;
use portal::models::{ChallengeKind, Email, EventAction, PartnerId, PartnerName, Requirement, Timestamp};
use portal::passwords::{Digests, HashingFailed, SubmittedPassword, verify_nobody};
use portal::random;
use portal::store::{Actor, ChoiceItem, Chosen, Event, Items, Key, PartnerItem, Standing};
use portal::telemetry;
use serde::Serialize;
use tokio::task::JoinError;

const WRONG: Failure = Failure::Unauthenticated("The email or the password is wrong.");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(sign_in).await
}

struct Input {
    email: Email,
    password: Arc<SubmittedPassword>,
    partner: Option<PartnerId>,
    refresh_token_in: RefreshTokenIn,
}

async fn sign_in(app: &App, request: Request) -> Result<Answer, Failure> {
    let input = parse(&request)?;
    let client = request.client(input.refresh_token_in);
    let sign_in = SignIn { app, origin: request.origin(), client: &client, now: app.now() };
    let outcome = Box::pin(compare(&sign_in, &input)).await;
    if let Err(
        failure @ (Failure::Unauthenticated(_) | Failure::InitialPasswordExpired | Failure::TooManyRequests(_)),
    ) = &outcome
    {
        let (address, email) = (request.address(), app.pseudonym(&input.email)?);
        let is_blocked = matches!(failure, Failure::TooManyRequests(_));
        tracing::info!(request_id = request.id(), address, email, is_blocked, "sign-in refused");
        telemetry::count("SignInsRefused", 1);
    }
    Box::pin(proceed(&sign_in, &input, outcome?)).await
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let email = body.required("email");
    let password = body.required("password");
    let partner: Option<Option<String>> = body.optional("partner_id");
    let refresh_token_in: Option<Option<RefreshTokenIn>> = body.optional("refresh_token_in");
    let input =
        body.finish(|| Some((email?, password?, partner?, refresh_token_in?.unwrap_or(RefreshTokenIn::Body))))?;
    let (email, password, partner, refresh_token_in) = input;
    if refresh_token_in == RefreshTokenIn::Cookie && request.is_cross_origin() {
        return Err(Failure::Unauthenticated("A page of another origin cannot sign in with a cookie."));
    }
    // A malformed id is treated as a partner that does not exist: the same response after the same work.
    let unknown = || PartnerId::new(Timestamp::from_unix_millis(0), [0; 10]);
    let partner = partner.map(|id| PartnerId::parse(&id).unwrap_or_else(|_| unknown()));
    Ok(Input { email, password: Arc::new(password), partner, refresh_token_in })
}

/// When a request counts towards the limits for requests.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Counting {
    /// Before the password is compared.
    First,
    /// Only when it has failed. The source is known to every user that the password is compared with, and the counts of
    /// these users, which are made before, limit it.
    OnFailure,
    /// The first attempt at this request has counted it, or the limit is reached.
    Never,
}

/// The counts of a request, which are made before its password is compared.
struct Counts {
    open: Open,
    /// The standing of the source with each candidate.
    standings: Vec<Option<Standing>>,
    /// A limit was reached meanwhile, so only users with this known source can sign in.
    only_known: bool,
}

/// The request whose password is compared, and what was read for it.
struct Comparison<'a> {
    sign_in: &'a SignIn<'a>,
    limits: Limits,
    stored: Items,
    counting: Counting,
    candidates: Vec<Candidate>,
    /// Whether the source is known to each candidate.
    known: Vec<bool>,
}

/// The users whose password was submitted.
enum Compared {
    /// The only user, and the next step.
    One { signing_in: Box<SigningIn>, step: Result<Step, Failure>, prepared: Option<Box<Prepared>> },
    /// The users of several partners.
    Several(Vec<SigningIn>),
}

/// What was prepared for the only user while the request was counted.
struct Prepared {
    partner: PartnerItem,
    issued: Result<Issued, Failure>,
}

/// Returns the users whose password was submitted.
///
/// # Errors
/// [`Failure::Unauthenticated`] when there is none, [`Failure::InitialPasswordExpired`], [`Failure::TooManyRequests`],
/// or why the password could not be compared.
async fn compare(sign_in: &SignIn<'_>, input: &Input) -> Result<Compared, Failure> {
    let comparison = Comparison::begin(sign_in, input).await?;
    let hashes = hashes(&comparison.candidates, &input.password).shared();
    let counted = async {
        let mut counts = Box::pin(comparison.count()).await?;
        let verdicts = comparison.verdicts(&counts, right(hashes.clone().await)?);
        if verdicts.contains(&Verdict::Match) {
            counts.open.take_back(sign_in.app.store()).await?;
            counts.open = Open::default();
        }
        Ok::<_, Failure>((counts, verdicts))
    };
    let compared = async {
        // Yields first, so that the counts are sent before the digests are computed.
        tokio::task::yield_now().await;
        let are_right = right(hashes.clone().await)?;
        // Tokens are worth nothing without a session, which begins only after all counts are made. If the partner
        // requires a second factor that the user has not added yet, they are dropped.
        Ok(match comparison.only_match(&are_right) {
            Some(signing_in) => {
                let (issued, partner) = tokio::join!(sign_in.issue(signing_in), sign_in.partner_of(&signing_in.user));
                Some(Prepared { partner: partner?, issued })
            }
            None => None,
        })
    };
    let ((counts, verdicts), prepared) = tokio::try_join!(counted, compared)?;
    Box::pin(comparison.end(counts, verdicts, prepared)).await
}

/// Computes the digest of the password for each candidate, on another thread: the counts are made meanwhile.
fn hashes(
    candidates: &[Candidate],
    password: &Arc<SubmittedPassword>,
) -> impl Future<Output = Result<Result<Vec<bool>, HashingFailed>, Arc<JoinError>>> + use<> {
    let digests: Vec<Option<Digests>> = candidates.iter().map(Candidate::digests).collect();
    let password = Arc::clone(password);
    async move {
        let verified = move || {
            let one = |digests: &Option<Digests>| match digests {
                Some(digests) => digests.verify(&password),
                None => verify_nobody(&password).map(|()| false),
            };
            digests.iter().map(one).collect()
        };
        tokio::task::spawn_blocking(verified).await.map_err(Arc::new)
    }
}

/// Returns for each candidate whether the password is right.
fn right(hashed: Result<Result<Vec<bool>, HashingFailed>, Arc<JoinError>>) -> Result<Vec<bool>, Failure> {
    Ok(hashed.map_err(|_| Failure::bug("the thread that hashes has panicked"))??)
}

impl<'a> Comparison<'a> {
    /// Reads the limits and the candidates.
    async fn begin(sign_in: &'a SignIn<'a>, input: &Input) -> Result<Self, Failure> {
        let SignIn { app, origin, now, .. } = *sign_in;
        let limits = Limits::of(&input.email, input.partner.as_ref(), origin.address);
        let (found, stored) = tokio::try_join!(
            candidates::find(sign_in, &input.email, input.partner.as_ref()),
            limits.read(app.store())
        )?;
        let mut candidates = candidates::load(sign_in, found).await?;
        let are_known: Vec<Option<bool>> = candidates.iter().map(|candidate| candidate.is_known(sign_in)).collect();
        let known: Vec<bool> = are_known.iter().map(|is_known| is_known.unwrap_or_default()).collect();
        let counting = if origin.is_retry {
            Counting::Never
        } else if let Some(seconds) = limits.blocked(&stored, now)? {
            // A known source is not blocked by the failures of other clients in the same network.
            if !known.contains(&true) {
                return Err(Failure::TooManyRequests(seconds));
            }
            keep(&mut candidates, &known, now)?;
            Counting::Never
        } else if known.contains(&true) && !are_known.contains(&Some(false)) {
            Counting::OnFailure
        } else {
            Counting::First
        };
        Ok(Self { sign_in, limits, stored, counting, candidates, known })
    }

    /// Counts the request: first towards the limits for requests, and then for each candidate, so that a request above a
    /// limit counts for no user.
    async fn count(&self) -> Result<Counts, Failure> {
        let SignIn { app, now, .. } = *self.sign_in;
        let open = match self.counting {
            Counting::First => Box::pin(self.limits.count(app.store(), &self.stored, now)).await?,
            Counting::OnFailure | Counting::Never => Ok(Open::default()),
        };
        let (open, only_known) = match open {
            Ok(open) => (open, false),
            Err(_) if self.known.contains(&true) => (Open::default(), true),
            Err(seconds) => return Err(Failure::TooManyRequests(seconds)),
        };
        let candidates = self.candidates.iter().zip(&self.known);
        let standings = candidates.map(|(candidate, is_known)| self.count_for(candidate, only_known && !is_known));
        let standings = try_join_all(standings).await?;
        Ok(Counts { open, standings, only_known })
    }

    async fn count_for(&self, candidate: &Candidate, is_replaced: bool) -> Result<Option<Standing>, Failure> {
        if is_replaced {
            Candidate::replaced(self.sign_in.now)?.count(self.sign_in).await
        } else {
            candidate.count(self.sign_in).await
        }
    }

    /// Returns the only user whose password is right, if this is certain to be a sign-in unless a limit is reached. Above a
    /// limit only users with this known source can sign in, so the user must have it if another one has it.
    fn only_match(&self, are_right: &[bool]) -> Option<&SigningIn> {
        let candidates = self.candidates.iter().zip(&self.known).zip(are_right);
        let mut right = candidates.filter(|(_, is_right)| **is_right).map(|(candidate, _)| candidate);
        match (right.next(), right.next()) {
            (Some((candidate, is_known)), None) if *is_known || !self.known.contains(&true) => candidate.ready(),
            (_, _) => None,
        }
    }

    /// Returns what the comparison means for each candidate.
    fn verdicts(&self, counts: &Counts, are_right: Vec<bool>) -> Vec<Verdict> {
        let candidates = self.candidates.iter().zip(&self.known).zip(&counts.standings).zip(are_right);
        let verdict =
            |(((candidate, is_known), standing), is_right): (((&Candidate, &bool), &Option<Standing>), bool)| {
                if counts.only_known && !is_known {
                    Verdict::Wrong
                } else {
                    candidate.verdict(is_right, standing.as_ref(), self.sign_in.now)
                }
            };
        candidates.map(verdict).collect()
    }

    /// Records what was refused, and returns the users who matched.
    async fn end(
        mut self,
        counts: Counts,
        verdicts: Vec<Verdict>,
        prepared: Option<Prepared>,
    ) -> Result<Compared, Failure> {
        let SignIn { app, origin, now, .. } = *self.sign_in;
        let store = app.store();
        if counts.only_known {
            keep(&mut self.candidates, &self.known, now)?;
        }
        let (mut matching, mut refused) = (Vec::new(), Vec::new());
        for ((candidate, standing), verdict) in self.candidates.into_iter().zip(counts.standings).zip(verdicts) {
            match candidate.decided(verdict) {
                Ok(signing_in) => matching.push((signing_in, standing)),
                Err(one) => refused.push(one),
            }
        }
        if matching.is_empty() {
            let failed = async {
                match self.counting {
                    Counting::First => counts.open.fail(store).await,
                    Counting::OnFailure => self.limits.count_failure(store, &self.stored, now).await,
                    Counting::Never => Ok(()),
                }
            };
            let recorded = join_all(refused.iter().map(|one| record_refused(self.sign_in, one)));
            let (failed, _) = tokio::join!(failed, recorded);
            failed?;
            let is_any = |verdict| refused.iter().any(|one| one.verdict == verdict);
            if is_any(Verdict::Blocked) {
                telemetry::count("SignInsBlocked", 1);
            }
            return Err(if is_any(Verdict::Expired) { Failure::InitialPasswordExpired } else { WRONG });
        }
        let (users, standings): (Vec<SigningIn>, Vec<Option<Standing>>) = matching.into_iter().unzip();
        let compared = Compared::decided(self.sign_in, users, prepared).await?;
        // Issued tokens reset all counts of the user. A challenge resets none, and the client may never answer it. So the
        // count of this attempt is taken back here.
        let is_challenged = !matches!(compared, Compared::One { step: Ok(Step::Complete), .. });
        if is_challenged && !origin.is_retry {
            for (SigningIn { user, credential, .. }, standing) in compared.users().iter().zip(&standings) {
                if let Some(standing) = standing {
                    store.take_guess_back(&user.id, credential.changed_at, standing).await?;
                }
            }
        }
        Ok(compared)
    }
}

impl Compared {
    /// Decides the next step of the only user. Only a user without a second factor who has chosen a password needs the
    /// partner's requirement.
    async fn decided(
        sign_in: &SignIn<'_>,
        mut matching: Vec<SigningIn>,
        prepared: Option<Prepared>,
    ) -> Result<Self, Failure> {
        let signing_in = match matching.pop() {
            Some(only) if matching.is_empty() => only,
            last => {
                matching.extend(last);
                return Ok(Self::Several(matching));
            }
        };
        let has_more_steps = signing_in.credential.must_change || !signing_in.credential.factors.is_empty();
        let prepared = prepared.filter(|_| !has_more_steps);
        let requirement = match &prepared {
            Some(prepared) => prepared.partner.second_factor,
            None if has_more_steps => Requirement::default(),
            None => sign_in.partner_of(&signing_in.user).await?.second_factor,
        };
        let step = sign_in.next_step(&signing_in, requirement, false);
        Ok(Self::One { signing_in: Box::new(signing_in), step, prepared: prepared.map(Box::new) })
    }

    fn users(&self) -> &[SigningIn] {
        match self {
            Self::One { signing_in, .. } => slice::from_ref(&**signing_in),
            Self::Several(users) => users,
        }
    }
}

/// Replaces the candidates without this known source with placeholders.
fn keep(candidates: &mut [Candidate], known: &[bool], now: Timestamp) -> Result<(), Failure> {
    for (candidate, _) in candidates.iter_mut().zip(known).filter(|(_, is_known)| !**is_known) {
        *candidate = Candidate::replaced(now)?;
    }
    Ok(())
}

/// Records a refused sign-in in the user's history, at most once in 15 minutes. For a placeholder it sends the same
/// transaction with a condition that fails. A failure to record the refusal is logged and otherwise ignored.
async fn record_refused(sign_in: &SignIn<'_>, refused: &Refused) {
    let SignIn { app, origin, now, .. } = *sign_in;
    let is_blocked = refused.verdict == Verdict::Blocked;
    let action = if is_blocked { EventAction::SignInBlocked } else { EventAction::SignInRefused };
    let user = refused.candidate.user();
    let result = async {
        let event = Event::new(action, now, Actor::Anonymous, user, Some(origin.address), origin.request_id)?;
        let mut transaction = app.store().transaction();
        let (partner, id) = refused.candidate.ids();
        transaction.record_refused_sign_in(partner, id, &event, user.is_some());
        if let Some(user) = user.filter(|_| is_blocked) {
            // Of several on one day, the function that sends mail sends the first.
            sign_in.notify(&mut transaction, MailKind::SignInBlocked, user, &event)?;
        }
        // If a condition fails, the refusal is already recorded, or the candidate is a placeholder.
        transaction.commit_if_possible().await?;
        Ok::<_, Failure>(())
    };
    if let Err(failure) = result.await {
        let problem = format!("{failure:?}");
        tracing::warn!(
            request_id = origin.request_id,
            problem,
            "could not record a refused sign-in; the response is unchanged"
        );
    }
}

/// Continues a sign-in whose password is right: completes it, or returns a challenge.
async fn proceed(sign_in: &SignIn<'_>, input: &Input, compared: Compared) -> Result<Answer, Failure> {
    let (signing_in, step, prepared) = match compared {
        Compared::One { signing_in, step, prepared } => (signing_in, step?, prepared),
        Compared::Several(matching) => return ask_for_partner(sign_in, &matching).await,
    };
    let mut transaction = sign_in.app.store().transaction();
    let SigningIn { user, credential, .. } = &*signing_in;
    // With a challenge for a new password, the digest is computed again anyway.
    if step != Step::NewPassword && credential.digests.is_outdated() {
        let renewed = credential.renewed(credential.digests.renewed(&input.password, random::bytes()?)?);
        transaction.change_credential(&user.id, credential, &renewed);
    }
    let challenge = match step {
        Step::Complete => None,
        Step::SecondFactor => Some(sign_in.ask_for_second_factor(&mut transaction, &signing_in)?),
        Step::NewPassword => Some(sign_in.ask_for_new_password(&mut transaction, &signing_in)?),
        Step::Enrolment => {
            let partner = match prepared.as_ref() {
                Some(prepared) => prepared.partner.name.clone(),
                None => sign_in.partner_of(user).await?.name,
            };
            Some(sign_in.ask_for_enrolment(&mut transaction, &signing_in, &partner)?)
        }
    };
    if let Some(challenge) = challenge {
        transaction.commit().await?;
        return Answer::json(200, &challenge);
    }
    let issued = match prepared {
        Some(prepared) => prepared.issued?,
        None => sign_in.issue(&signing_in).await?,
    };
    let event = sign_in.note(&mut transaction, &signing_in)?;
    let after = user.signed_in(sign_in.now);
    let signed_in = sign_in.commit(transaction, issued, &signing_in, &event, after, credential.changed_at).await?;
    Answer::signed_in(&signed_in, input.refresh_token_in)
}

/// Returns a challenge to choose one of the partners at which the password is right.
async fn ask_for_partner(sign_in: &SignIn<'_>, matching: &[SigningIn]) -> Result<Answer, Failure> {
    let store = sign_in.app.store();
    let keys: Vec<_> = matching.iter().map(|one| Key::partner(&one.user.partner_id)).collect();
    let stored = store.read(&keys.iter().map(Key::item_key).collect::<Vec<_>>()).await?;
    let mut partners = Vec::new();
    for (SigningIn { user, .. }, key) in matching.iter().zip(&keys) {
        let name = stored.partner(key)?.name;
        partners.push(Named { id: &user.partner_id, name });
    }
    let users = matching.iter().map(|SigningIn { user, credential, .. }| Chosen {
        partner_id: user.partner_id.clone(),
        user_id: user.id.clone(),
        basis: credential.basis(user),
    });
    let expires_at = sign_in.now.plus(CHALLENGE_LIFETIME).unix_seconds();
    let choice = ChoiceItem { users: users.collect(), expires_at };
    let session = random::token()?;
    let mut transaction = store.transaction();
    transaction.add_choice(&session, &choice);
    transaction.commit().await?;
    Answer::json(200, &Choice { challenge: ChallengeKind::ChoosePartner, session, partners })
}

#[derive(Serialize)]
struct Choice<'a> {
    challenge: ChallengeKind,
    session: String,
    partners: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a PartnerId,
    name: PartnerName,
}
