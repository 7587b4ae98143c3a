//! `POST /v1/me/reauthentication`: authenticates the caller again, which makes the session fresh for 15 minutes. A user
//! with a second factor uses it, and other users the password.

use portal::App;
use portal::actions::{Call, CodeAttempt};
use portal::error::Failure;
use portal::factors::SubmittedCode;
use portal::http::{Answer, Request, Stopped, serve};
use portal::mail::MailKind;
use portal::models::{EventAction, UsedFactor};
use portal::passwords::SubmittedPassword;
use portal::store::{Actor, CodesItem, Counter, CredentialItem, Key, Source, SourcesItem};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(reauthenticate).await
}

/// What the caller proves their identity with.
enum Proof {
    Password(SubmittedPassword),
    Code(SubmittedCode),
}

async fn reauthenticate(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = read.item(|claims| Key::credential(claims.user()));
    let sources = read.item(|claims| Key::sources(claims.user()));
    let codes = read.item(|claims| Key::codes(claims.user()));
    let passwords = read.counter(|claims| Counter::current_password(claims.user(), claims.session_id()));
    let call = read.send().await?;
    let credential = call.own_credential(&credential)?;
    match parse(&request, &credential)? {
        Proof::Password(password) => with_password(&call, &credential, &password, &passwords).await?,
        Proof::Code(code) => {
            let id = &call.caller.user.id;
            let source = Source::new(request.address(), request.devices().of(id));
            let (sources, set_at) = (call.get(&sources)?, credential.changed_at);
            let is_known_device = SourcesItem::knows_device(sources.as_ref(), set_at, &source, call.now);
            with_code(&call, &credential, &code, call.get(&codes)?, is_known_device).await?;
        }
    }
    Ok(Answer::no_content())
}

fn parse(request: &Request, credential: &CredentialItem) -> Result<Proof, Failure> {
    let mut body = request.body()?;
    let needs_code = !credential.factors.is_empty();
    let (wanted, unwanted) = if needs_code { ("code", "current_password") } else { ("current_password", "code") };
    let password: Option<Option<SubmittedPassword>> = body.optional("current_password");
    let code: Option<Option<SubmittedCode>> = body.optional("code");
    let (has_password, has_code) = (matches!(password, Some(Some(_))), matches!(code, Some(Some(_))));
    let (has_wanted, has_unwanted) = if needs_code { (has_code, has_password) } else { (has_password, has_code) };
    if has_unwanted {
        let message = if needs_code { "A code of the second factor is needed." } else { "There is no second factor." };
        body.refuse(unwanted, "not_allowed", message);
    }
    if !has_wanted && password.is_some() && code.is_some() {
        body.refuse(wanted, "required", "This field is required.");
    }
    body.finish(|| match (password?, code?) {
        (Some(password), None) => Some(Proof::Password(password)),
        (None, Some(code)) => Some(Proof::Code(code)),
        _ => None,
    })
}

async fn with_password(
    call: &Call<'_>,
    credential: &CredentialItem,
    password: &SubmittedPassword,
    counter: &Counter,
) -> Result<(), Failure> {
    let caller = &call.caller;
    if !call.is_current_password(password, credential, counter).await? {
        call.record_refused_sign_in().await;
        return Err(Failure::field("current_password", "wrong", "The current password is wrong."));
    }
    let mut transaction = call.transaction();
    caller.change_session(&mut transaction, &caller.session.reauthenticated(None, call.now), None);
    transaction.check_credential(&caller.user.id, credential.version);
    transaction.clear_counter(counter);
    Ok(transaction.commit().await?)
}

async fn with_code(
    call: &Call<'_>,
    credential: &CredentialItem,
    code: &SubmittedCode,
    codes: Option<CodesItem>,
    is_known_device: bool,
) -> Result<(), Failure> {
    let Call { app, origin, caller, now, .. } = call;
    let (user, now) = (&caller.user, *now);
    let attempt = CodeAttempt { app, origin: *origin, now, user, credential, is_known_device };
    let accepted = attempt.check(code, codes, Actor::user(user)).await?;
    let session = caller.session.reauthenticated(Some(accepted.factor), now);
    let mut transaction = call.transaction();
    caller.change_session(&mut transaction, &session, None);
    transaction.change_credential(&user.id, credential, &credential.with_used_factor(accepted.after));
    if accepted.factor == UsedFactor::RecoveryCode {
        let event = call.event(EventAction::RecoveryCodeUsed, user)?;
        transaction.record(&user.partner_id, &event);
        call.notify(&mut transaction, MailKind::RecoveryCodeUsed, user, &event)?;
    }
    let (committed, ()) = tokio::join!(transaction.commit(), attempt.clear());
    Ok(committed?)
}
