//! `POST /v1/sessions/challenge`: continues a sign-in whose password was right.
//!
//! An accepted answer uses up its challenge. Every answer is checked against the
//! current items, which also decide the next step.

mod open;
mod steps;

use open::Open;
use portal::App;
use portal::actions::{Outcome, Pending, SignIn, WRONG_CHALLENGE as WRONG};
use portal::error::{Failure, FieldError};
use portal::factors::SubmittedCode;
use portal::http::{Answer, Fields, FromField, RefreshTokenIn, Request, Stopped, serve};
use portal::models::{ChallengeKind, PartnerId};
use portal::passwords::Password;
use portal::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(count_refused).await
}

/// Counts refused answers for an alarm.
async fn count_refused(app: &App, request: Request) -> Result<Answer, Failure> {
    let result = Box::pin(answer_challenge(app, request)).await;
    if let Err(Failure::Unauthenticated(_)) = &result {
        telemetry::count("ChallengesRefused", 1);
    }
    result
}

async fn answer_challenge(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body()?;
    let kind: Option<Kind> = body.required("challenge");
    let token: Option<String> = body.required("session");
    let refresh_token_in: Option<Option<RefreshTokenIn>> = body.optional("refresh_token_in");
    let refresh_token_in = refresh_token_in.map(|wanted| wanted.unwrap_or(RefreshTokenIn::Body));
    let answer = ChallengeAnswer::read(kind, &mut body);
    // Other input errors are reported only to a client that has a challenge.
    let input = body.finish(|| Some((token.clone()?, answer?, refresh_token_in?)));
    let Some(token) = token else { return Err(input.err().unwrap_or(WRONG)) };

    let now = app.now();
    let open = Open::read(app.store(), &token, now).await?;
    let (_, answer, refresh_token_in) = input?;
    let client = request.client(refresh_token_in);
    let sign_in = SignIn { app, origin: request.origin(), client: &client, now };
    let outcome = match (open, answer) {
        (Open::Choice { secret, offered }, ChallengeAnswer::Partner(partner)) => {
            Box::pin(steps::choose_partner(&sign_in, &secret, offered, &partner)).await?
        }
        (Open::Pending(pending), answer) => Box::pin(answer_pending(&sign_in, *pending, answer)).await?,
        (Open::Choice { .. }, _) => return Err(WRONG),
    };
    outcome.answer(refresh_token_in)
}

async fn answer_pending(sign_in: &SignIn<'_>, pending: Pending, answer: ChallengeAnswer) -> Result<Outcome, Failure> {
    match (pending.kind, answer) {
        (ChallengeKind::SecondFactor, ChallengeAnswer::SecondFactor(code)) => {
            Box::pin(steps::use_factor(sign_in, pending, &code)).await
        }
        (ChallengeKind::NewPassword, ChallengeAnswer::Password(password)) => {
            Box::pin(steps::set_password(sign_in, pending, &password)).await
        }
        (ChallengeKind::Enrolment, ChallengeAnswer::Enrolment(code)) => {
            Box::pin(steps::enrol(sign_in, pending, &code)).await
        }
        // The answer is for another kind of challenge.
        _ => Err(WRONG),
    }
}

/// The kind of a challenge, as a field.
#[derive(Clone, Copy)]
struct Kind(ChallengeKind);

/// The answer to a challenge.
enum ChallengeAnswer {
    Partner(PartnerId),
    SecondFactor(SubmittedCode),
    Password(Password),
    Enrolment(SubmittedCode),
}

impl ChallengeAnswer {
    /// Reads the answer to a challenge of this kind. Without a known kind it
    /// only checks the fields, and returns `None`.
    fn read(kind: Option<Kind>, body: &mut Fields) -> Option<Self> {
        match kind.map(|Kind(kind)| kind) {
            Some(ChallengeKind::ChoosePartner) => body.required("partner_id").map(Self::Partner),
            Some(ChallengeKind::SecondFactor) => body.required("code").map(Self::SecondFactor),
            Some(ChallengeKind::NewPassword) => body.required("new_password").map(Self::Password),
            Some(ChallengeKind::Enrolment) => body.required("code").map(Self::Enrolment),
            None => {
                let _: Option<Option<PartnerId>> = body.optional("partner_id");
                let _: Option<Option<SubmittedCode>> = body.optional("code");
                let _: Option<Option<Password>> = body.optional("new_password");
                None
            }
        }
    }
}

impl FromField for Kind {
    fn from_field(name: &str, value: &serde_json::Value) -> Result<Self, FieldError> {
        let Some(word) = value.as_str() else {
            return Err(FieldError::new(name, "wrong_type", "This field must be a string."));
        };
        ChallengeKind::parse(word).map(Self).map_err(|_| {
            let words = ChallengeKind::ALL.map(ChallengeKind::as_str).join(", ");
            FieldError::new(name, "invalid", format!("This field must be one of {words}."))
        })
    }
}
