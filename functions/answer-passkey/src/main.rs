//! `POST /v1/sessions/challenge/passkey`: continues a sign-in whose password was right with a passkey. `answer-challenge`
//! takes all other answers.

use portal::App;
use portal::actions::{Pending, SignIn, WRONG_CHALLENGE as WRONG, record_refused_factor};
use portal::error::Failure;
use portal::http::{Answer, RefreshTokenIn, Request, Stopped, serve};
use portal::models::UsedFactor;
use portal::passkeys::PasskeyAnswer;
use portal::store::Actor;
use portal::telemetry;
use portal_webauthn::{Rejected, verify_use};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(count_refused).await
}

/// Counts refused answers for an alarm.
async fn count_refused(app: &App, request: Request) -> Result<Answer, Failure> {
    let result = Box::pin(answer_passkey(app, request)).await;
    if let Err(Failure::Unauthenticated(_)) = &result {
        telemetry::count("ChallengesRefused", 1);
    }
    result
}

async fn answer_passkey(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body()?;
    let token: Option<String> = body.required("session");
    let answer: Option<PasskeyAnswer> = body.required("credential");
    let refresh_token_in: Option<Option<RefreshTokenIn>> = body.optional("refresh_token_in");
    let refresh_token_in = refresh_token_in.map(|wanted| wanted.unwrap_or(RefreshTokenIn::Body));
    // Other input errors are reported only to a client that has a challenge.
    let input = body.finish(|| Some((token.clone()?, answer?, refresh_token_in?)));
    let Some(token) = token else { return Err(input.err().unwrap_or(WRONG)) };

    let now = app.now();
    let pending = Pending::read(app.store(), &token, now).await?.ok_or(WRONG)?;
    let (_, answer, refresh_token_in) = input?;
    let party = app.require_passkeys()?;
    let challenge = pending.passkey_challenge(now).ok_or(WRONG)?;
    let Pending { secret, mut signing_in, partner, .. } = pending;
    let (user, before) = (signing_in.user.clone(), signing_in.credential.clone());
    let passkey = before.factors.passkey(answer.passkey_id()).filter(|_| !answer.is_of_another(&user));
    let verified =
        passkey.ok_or(Rejected).and_then(|passkey| Ok((passkey, verify_use(party, challenge, passkey, &answer)?)));
    let (passkey, verified) = match verified {
        Ok(verified) => verified,
        Err(rejected) => {
            record_refused_factor(app, request.origin(), now, &user, Actor::Anonymous).await;
            return Err(rejected.into());
        }
    };

    let client = request.client(refresh_token_in);
    let sign_in = SignIn { app, origin: request.origin(), client: &client, now };
    signing_in.factors.push(UsedFactor::Passkey);
    let step = sign_in.next_step(&signing_in, partner.second_factor, false)?;
    let mut transaction = app.store().transaction();
    transaction.use_challenge(&user.id, &secret);
    // The use changes the credential.factors under a condition on its version, so one answer begins one session.
    let factors = before.factors.with_used_passkey(&passkey.id, verified.counter, verified.synced, now);
    transaction.change_credential(&user.id, &before, &before.with_used_factor(factors));
    Box::pin(sign_in.proceed(transaction, &signing_in, step, &partner.name)).await?.answer(refresh_token_in)
}
