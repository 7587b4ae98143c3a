//! `POST /v1/sessions/passkey`: signs a user in with a passkey in place of an email and a password. The passkey names the
//! user. It counts as both factors, because the user was verified by the authenticator.
//!
//! Nothing is counted: a signature cannot be guessed. Every failure has the same response.

use portal::App;
use portal::actions::{Outcome, SignIn, SigningIn, record_refused_factor};
use portal::error::Failure;
use portal::factors::{PasskeyChallenge, PasskeyPurpose};
use portal::http::{Answer, RefreshTokenIn, Request, Stopped, serve};
use portal::models::UsedFactor;
use portal::passkeys::{PasskeyAnswer, RelyingParty};
use portal::store::{Actor, Key};
use portal::telemetry;
use portal_webauthn::verify_use;

const WRONG: Failure = Failure::Unauthenticated("The passkey is unknown here, or its answer is not valid.");

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(sign_in_with_passkey).await
}

async fn sign_in_with_passkey(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body()?;
    let (token, answer) = (body.required("session"), body.required("credential"));
    let refresh_token_in: Option<Option<RefreshTokenIn>> = body.optional("refresh_token_in");
    let refresh_token_in = refresh_token_in.map(|wanted| wanted.unwrap_or(RefreshTokenIn::Body));
    let (token, answer, refresh_token_in): (String, PasskeyAnswer, RefreshTokenIn) =
        body.finish(|| Some((token?, answer?, refresh_token_in?)))?;
    if refresh_token_in == RefreshTokenIn::Cookie && request.is_cross_origin() {
        return Err(Failure::Unauthenticated("A page of another origin cannot sign in with a cookie."));
    }
    let party = app.require_passkeys()?;
    let client = request.client(refresh_token_in);
    let sign_in = SignIn { app, origin: request.origin(), client: &client, now: app.now() };
    let result = Box::pin(complete(&sign_in, party, &token, &answer)).await;
    if let Err(Failure::Unauthenticated(_) | Failure::InitialPasswordExpired) = &result {
        tracing::info!(request_id = request.id(), address = request.address(), "sign-in with a passkey refused");
        telemetry::count("SignInsRefused", 1);
    }
    result?.answer(refresh_token_in)
}

async fn complete(
    sign_in: &SignIn<'_>,
    party: &RelyingParty,
    token: &str,
    answer: &PasskeyAnswer,
) -> Result<Outcome, Failure> {
    let SignIn { app, now, .. } = *sign_in;
    let (partner, id) = answer.user().ok_or(WRONG)?;
    let challenge_key = Key::passkey_sign_in(token);
    let mut item_keys = SigningIn::item_keys(&partner, &id);
    item_keys.push(challenge_key.item_key());
    let stored = app.store().read(&item_keys).await?;
    stored.get(&challenge_key)?.filter(|challenge| challenge.expires_at > now.unix_seconds()).ok_or(WRONG)?;
    let (mut signing_in, partner) = SigningIn::found(&stored, &partner, &id)?.ok_or(WRONG)?;
    let (user, credential) = (signing_in.user.clone(), signing_in.credential.clone());
    let passkey = credential.factors.passkey(answer.passkey_id()).ok_or(WRONG)?;
    let challenge = PasskeyChallenge::derived(PasskeyPurpose::SignIn, token);
    let Ok(verified) = verify_use(party, challenge, passkey, answer) else {
        record_refused_factor(app, sign_in.origin, now, &user, Actor::Anonymous).await;
        return Err(WRONG);
    };
    if credential.is_expired(now) {
        return Err(Failure::InitialPasswordExpired);
    }

    signing_in.factors.push(UsedFactor::Passkey);
    let step = sign_in.next_step(&signing_in, partner.second_factor, false)?;
    let mut transaction = app.store().transaction();
    transaction.use_passkey_sign_in(token);
    let factors = credential.factors.with_used_passkey(&passkey.id, verified.counter, verified.synced, now);
    transaction.change_credential(&user.id, &credential, &credential.with_used_factor(factors));
    Box::pin(sign_in.proceed(transaction, &signing_in, step, &partner.name)).await
}
