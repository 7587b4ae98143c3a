//! `POST /v1/sessions`: signs a user in.
//!
//! An email may be used in several partners, and none of them may find that out, or have an influence on a sign-in at
//! another. So the password is compared with a fixed number of users, and every way to fail has the same answer after the
//! same work: attempts are counted before they are compared, and where a user is missing the same calls are sent for nobody.

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
    let sign_in = SignIn { app, request: &request, now: app.now(), refresh_token_in: input.refresh_token_in };
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
    // A malformed id is a partner that does not exist: the same answer, after the same work.
    let nobody = || PartnerId::new(Timestamp::from_unix_millis(0), [0; 10]);
    let partner = partner.map(|id| PartnerId::parse(&id).unwrap_or_else(|_| nobody()));
    Ok(Input { email, password, partner, refresh_token_in })
}

/// The users whose password it is.
///
/// # Errors
/// [`Failure::Unauthenticated`] when there is none, [`Failure::TooManyRequests`], or what kept us from comparing.
async fn compare(sign_in: &SignIn<'_>, input: &Input) -> Result<Vec<SigningIn>, Failure> {
    let SignIn { app, request, now, .. } = *sign_in;
    let store = app.store();
    let limits = Limits::of(&input.email, input.partner.as_ref(), request.address());
    let (found, stored) =
        tokio::try_join!(candidates::find(sign_in, &input.email, input.partner.as_ref()), limits.read(store))?;
    let count = async {
        // A request that is decided again has been counted.
        if request.is_retry() { Ok(Ok(Open::default())) } else { limits.count(store, &stored, now).await }
    };
    let (open, mut candidates) = tokio::try_join!(count, candidates::load(sign_in, found))?;
    let open = match open {
        Ok(open) => open,
        // A user who knows the source is not kept out by what others did behind the same network.
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
        // The counts are on their way while this computes.
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
    // Tokens clear all counts of the user who gets them. A challenge may never be answered.
    let is_challenged = matching.len() > 1 || matching.iter().any(|(one, _)| one.credential.must_change);
    if is_challenged && !request.is_retry() {
        for (SigningIn { user, credential, .. }, standing) in &matching {
            if let Some(standing) = standing {
                store.take_guess_back(&user.id, credential.changed_at, standing).await?;
            }
        }
    }
    Ok(matching.into_iter().map(|(signing_in, _)| signing_in).collect())
}

/// Records in the user's history that a sign-in was refused: once in a quarter of an hour. For nobody the same is sent,
/// under a condition that fails. That it cannot be recorded changes nothing.
async fn record_refused(sign_in: &SignIn<'_>, refused: &Refused) {
    let SignIn { app, request, now, .. } = *sign_in;
    let action = if refused.is_blocked { EventAction::SignInBlocked } else { EventAction::SignInRefused };
    let user = refused.candidate.user();
    let result = async {
        let event = Event::new(action, now, Actor::Anonymous, user, Some(request.address()), request.id())?;
        let mut transaction = app.store().transaction();
        let (partner, id) = refused.candidate.ids();
        transaction.record_refused_sign_in(partner, id, &event, user.is_some());
        match transaction.commit().await {
            // It is recorded already, or there is nobody.
            Ok(()) | Err(CommitError::Refused(_)) => Ok(()),
            Err(CommitError::Store(error)) => Err(Failure::from(error)),
        }
    };
    if let Err(failure) = result.await {
        let problem = format!("{failure:?}");
        tracing::warn!(request_id = request.id(), problem, "a refused sign-in is not in the audit trail");
    }
}

/// The next step of a sign-in whose password is right.
async fn proceed(sign_in: &SignIn<'_>, input: &Input, matching: Vec<SigningIn>) -> Result<Answer, Failure> {
    let [signing_in] = matching.as_slice() else { return ask_for_partner(sign_in, &matching).await };
    let mut transaction = sign_in.app.store().transaction();
    if signing_in.credential.must_change {
        let answer = sign_in.ask_for_new_password(&mut transaction, signing_in)?;
        transaction.commit().await?;
        return Ok(answer);
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
    sign_in.commit(transaction, issued, signing_in, &user.signed_in(sign_in.now), credential.changed_at).await
}

/// The password is right at several partners, and only at those.
async fn ask_for_partner(sign_in: &SignIn<'_>, matching: &[SigningIn]) -> Result<Answer, Failure> {
    let store = sign_in.app.store();
    let keys: Vec<_> = matching.iter().map(|one| Key::partner(&one.user.partner_id)).collect();
    let stored = store.read(&keys.iter().map(Key::item_key).collect::<Vec<_>>()).await?;
    let mut partners = Vec::new();
    for (SigningIn { user, .. }, key) in matching.iter().zip(&keys) {
        let name = stored.get(key)?.ok_or_else(|| Failure::bug("a user without a partner"))?.name;
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
