//! `POST /v1/sessions`: signs a user in.
//!
//! An email may be used at several partners. No partner may find that out, or influence a sign-in at
//! another. So the password is compared with a fixed number of users, and every failure has the same
//! response after the same work: attempts are counted before the password is compared, and the same calls
//! are sent for a placeholder where a user is missing.

mod candidates;
mod limits;

use candidates::{Outcome, Refused};
use futures_util::future::{join_all, try_join_all};
use limits::{Limits, Open};
use portal::App;
use portal::actions::{CHALLENGE_LIFETIME, CHOOSE_PARTNER, SignIn, SigningIn};
use portal::error::Failure;
use portal::http::{Answer, RefreshTokenIn, Request, Stopped, serve};
use portal::models::{Email, EventAction, PartnerId, PartnerName, Timestamp};
use portal::passwords::SubmittedPassword;
use portal::random;
use portal::store::{Actor, ChoiceItem, Chosen, CommitError, Event, Key};
use portal::telemetry;
use serde::Serialize;

const WRONG: Failure = Failure::Unauthenticated("The email or the password is wrong.");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(sign_in).await
}

struct Input {
    email: Email,
    password: SubmittedPassword,
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
    proceed(&sign_in, &input, outcome?).await
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
    Ok(Input { email, password, partner, refresh_token_in })
}

/// Returns the users whose password was submitted.
///
/// # Errors
/// [`Failure::Unauthenticated`] when there is none, [`Failure::InitialPasswordExpired`], [`Failure::TooManyRequests`],
/// or why the password could not be compared.
async fn compare(sign_in: &SignIn<'_>, input: &Input) -> Result<Vec<SigningIn>, Failure> {
    let SignIn { app, origin, now, .. } = *sign_in;
    let store = app.store();
    let limits = Limits::of(&input.email, input.partner.as_ref(), origin.address);
    let (found, stored) =
        tokio::try_join!(candidates::find(sign_in, &input.email, input.partner.as_ref()), limits.read(store))?;
    let count = async {
        // The first attempt at this request has counted it.
        if origin.is_retry { Ok(Ok(Open::default())) } else { limits.count(store, &stored, now).await }
    };
    let (open, mut candidates) = tokio::try_join!(count, candidates::load(sign_in, found))?;
    let open = match open {
        Ok(open) => open,
        // A known source is not blocked by the failures of other clients in the same network.
        Err(seconds) => {
            let mut is_known = false;
            for candidate in &mut candidates {
                is_known |= candidate.keep_if_known(sign_in)?;
            }
            if !is_known {
                return Err(Failure::TooManyRequests(seconds));
            }
            Open::default()
        }
    };

    let counts = try_join_all(candidates.iter().map(|candidate| candidate.count(sign_in)));
    let verifications = async {
        // Yields first, so that the counts are sent before the digests occupy this thread.
        tokio::task::yield_now().await;
        candidates.iter().map(|candidate| candidate.verify(&input.password)).collect::<Result<Vec<bool>, Failure>>()
    };
    let (standings, are_right) = tokio::try_join!(counts, verifications)?;

    let (mut matching, mut refused) = (Vec::new(), Vec::new());
    for ((candidate, standing), is_right) in candidates.into_iter().zip(standings).zip(are_right) {
        match candidate.outcome(is_right, standing.as_ref(), now) {
            Outcome::Match(signing_in) => matching.push((*signing_in, standing)),
            Outcome::Refused(one) => refused.push(one),
        }
    }
    if matching.is_empty() {
        let (failed, _) =
            tokio::join!(open.fail(store), join_all(refused.iter().map(|one| record_refused(sign_in, one))));
        failed?;
        if refused.iter().any(|one| one.is_blocked) {
            telemetry::count("SignInsBlocked", 1);
        }
        return Err(if refused.iter().any(|one| one.is_expired) { Failure::InitialPasswordExpired } else { WRONG });
    }
    open.take_back(store).await?;
    // Issued tokens reset all counts of the user. A challenge resets none, and the client may never answer it. So the
    // count of this attempt is taken back here.
    let is_challenged = matching.len() > 1 || matching.iter().any(|(one, _)| one.credential.must_change);
    if is_challenged && !origin.is_retry {
        for (SigningIn { user, credential, .. }, standing) in &matching {
            if let Some(standing) = standing {
                store.take_guess_back(&user.id, credential.changed_at, standing).await?;
            }
        }
    }
    Ok(matching.into_iter().map(|(signing_in, _)| signing_in).collect())
}

/// Records a refused sign-in in the user's history, at most once in 15 minutes. For a placeholder it sends the same
/// transaction with a condition that fails. A failure to record the refusal is logged and otherwise ignored.
async fn record_refused(sign_in: &SignIn<'_>, refused: &Refused) {
    let SignIn { app, origin, now, .. } = *sign_in;
    let action = if refused.is_blocked { EventAction::SignInBlocked } else { EventAction::SignInRefused };
    let user = refused.candidate.user();
    let result = async {
        let event = Event::new(action, now, Actor::Anonymous, user, Some(origin.address), origin.request_id)?;
        let mut transaction = app.store().transaction();
        let (partner, id) = refused.candidate.ids();
        transaction.record_refused_sign_in(partner, id, &event, user.is_some());
        match transaction.commit().await {
            // The refusal is already recorded, or the candidate is a placeholder.
            Ok(()) | Err(CommitError::Refused(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(Failure::from(error)),
        }
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
async fn proceed(sign_in: &SignIn<'_>, input: &Input, matching: Vec<SigningIn>) -> Result<Answer, Failure> {
    let [signing_in] = matching.as_slice() else { return ask_for_partner(sign_in, &matching).await };
    let mut transaction = sign_in.app.store().transaction();
    if signing_in.credential.must_change {
        let challenge = sign_in.ask_for_new_password(&mut transaction, signing_in)?;
        transaction.commit().await?;
        return Answer::json(200, &challenge);
    }
    let issued = sign_in.issue(signing_in).await?;
    let SigningIn { user, credential, .. } = signing_in;
    sign_in.note(&mut transaction, user)?;
    if credential.digests.is_outdated() {
        let renewed = credential.renewed(credential.digests.renewed(&input.password, random::bytes()?)?);
        transaction.change_credential(&user.id, credential, &renewed);
    } else {
        transaction.check_credential(&user.id, credential.version);
    }
    let after = user.signed_in(sign_in.now);
    let signed_in = sign_in.commit(transaction, issued, signing_in, after, credential.changed_at).await?;
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
        generation: user.session_generation,
        credential_version: credential.version,
    });
    let expires_at = sign_in.now.plus(CHALLENGE_LIFETIME).unix_seconds();
    let choice = ChoiceItem { users: users.collect(), expires_at };
    let session = random::token()?;
    let mut transaction = store.transaction();
    transaction.add_choice(&session, &choice);
    transaction.commit().await?;
    Answer::json(200, &Choice { challenge: CHOOSE_PARTNER, session, partners })
}

#[derive(Serialize)]
struct Choice<'a> {
    challenge: &'static str,
    session: String,
    partners: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    id: &'a PartnerId,
    name: PartnerName,
}
