//! `POST /v1/me/factors/totp/confirm`: adds the authenticator app that `start-totp` has started, with its first code. It
//! replaces an earlier one.
//!
//! The first second factor comes with recovery codes. A replaced one may be in other hands, so all other sessions end.

use portal::App;
use portal::actions::{Call, wrong_code};
use portal::error::Failure;
use portal::factors::{RecoveryCodes, SubmittedCode, TotpSecret};
use portal::http::{Answer, Request, Stopped, serve};
use portal::mail::MailKind;
use portal::models::{EventAction, UsedFactor};
use portal::random;
use portal::store::{Counter, Key, SessionItem};
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(confirm_totp).await
}

#[derive(Serialize)]
struct Confirmed {
    /// `None` if the user has recovery codes already.
    recovery_codes: Option<Vec<String>>,
}

async fn confirm_totp(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let changes = read.counter(|claims| Counter::own_changes("FACTORS", claims.user()));
    let (call, code) = read.send_with(parse(&request)).await?;
    let (caller, now) = (&call.caller, call.now);
    caller.require_fresh(now)?;
    let credential = call.own_credential(&credential)?;
    let enrolment = caller.session.enrolment.as_ref().filter(|enrolment| enrolment.until > now.unix_seconds());
    let enrolment = enrolment
        .ok_or_else(|| Failure::field("code", "not_started", "No authenticator app is being added. Start again."))?;
    let secret = TotpSecret::derived(&enrolment.token)?;
    let step = code.step_in(&secret, now).ok_or_else(wrong_code)?;

    let user = &caller.user;
    let (is_first, is_replaced) = (credential.factors.is_empty(), credential.factors.app().is_some());
    let codes = if is_first { Some(RecoveryCodes::generate(&random::bytes()?)) } else { None };
    let mut factors = credential.factors.with_app(secret, step, now);
    if let Some(codes) = &codes {
        factors = factors.with_recovery_codes(&user.id, codes);
    }
    let after = user.changed(now).with_second_factor(factors.kind());
    let session = SessionItem { enrolment: None, ..caller.session.reauthenticated(Some(UsedFactor::Totp), now) };
    let mut transaction = call.transaction();
    call.count_own_change(&mut transaction, &changes)?;
    if is_replaced {
        call.end_other_sessions(&mut transaction).await?;
        transaction.change_user_unless_signed_in(user, &after);
    } else {
        transaction.change_user(user, &after);
    }
    caller.change_session(&mut transaction, &session, Some(user));
    transaction.change_credential(&user.id, &credential, &credential.with_factors(factors));
    let action = if is_replaced { EventAction::SecondFactorReplaced } else { EventAction::SecondFactorAdded };
    let event = call.event(action, user)?.changing(Some(user), Some(&after));
    transaction.record(&user.partner_id, &event);
    call.notify(&mut transaction, MailKind::SecondFactorAdded, user, &event)?;
    transaction.commit().await?;
    Answer::json(200, &Confirmed { recovery_codes: codes.as_ref().map(RecoveryCodes::shown) })
}

fn parse(request: &Request) -> Result<SubmittedCode, Failure> {
    let mut body = request.body()?;
    let code = body.required("code");
    body.finish(|| code)
}
