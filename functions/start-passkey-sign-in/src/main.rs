//! `POST /v1/sessions/passkey/options`: starts a sign-in with a passkey in place of an email and a password. It reads
//! nothing, so the response reveals nothing.

use portal::App;
use portal::error::Failure;
use portal::factors::{PASSKEY_CHALLENGE_LIFETIME, PasskeyChallenge, PasskeyPurpose};
use portal::http::{Answer, Request, Stopped, serve};
use portal::passkeys::RequestOptions;
use portal::random;
use portal::store::PasskeySignInItem;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(start_passkey_sign_in).await
}

#[derive(Serialize)]
struct Started {
    session: String,
    passkey: RequestOptions,
}

async fn start_passkey_sign_in(app: &App, request: Request) -> Result<Answer, Failure> {
    request.no_body()?;
    let party = app.require_passkeys()?;
    let session = random::token()?;
    let expires_at = app.now().plus(PASSKEY_CHALLENGE_LIFETIME).unix_seconds();
    let mut transaction = app.store().transaction();
    transaction.add_passkey_sign_in(&session, &PasskeySignInItem { expires_at });
    transaction.commit().await?;
    let challenge = PasskeyChallenge::derived(PasskeyPurpose::SignIn, &session);
    Answer::json(200, &Started { session, passkey: RequestOptions::new(party, challenge, &[]) })
}
