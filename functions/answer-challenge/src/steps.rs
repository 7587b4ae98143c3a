//! The answers to challenges. Each uses up its challenge, changes what it answers, and signs the user in or adds the next
//! challenge, in one transaction.

use portal::actions::{CodeAttempt, Outcome, Pending, SignIn, SigningIn, WRONG_CHALLENGE as WRONG, wrong_code};
use portal::error::{Failure, FieldError};
use portal::factors::{Accepted, Factors, RecoveryCodes, Step, SubmittedCode, TotpSecret};
use portal::mail::MailKind;
use portal::models::{EventAction, PartnerId, UsedFactor, User};
use portal::passwords::{About, Password};
use portal::random;
use portal::store::{Actor, CredentialItem, Transaction};

use crate::open::Offered;

/// Continues the sign-in at one of several partners.
pub(crate) async fn choose_partner(
    sign_in: &SignIn<'_>,
    secret: &str,
    offered: Vec<Offered>,
    partner: &PartnerId,
) -> Result<Outcome, Failure> {
    let chosen = offered.into_iter().find(|one| one.partner_id == *partner);
    let chosen = chosen
        .ok_or_else(|| Failure::field("partner_id", "not_offered", "The challenge does not offer this partner."))?;
    let (signing_in, partner) = chosen.found.ok_or(WRONG)?;
    if signing_in.credential.is_expired(sign_in.now) {
        return Err(Failure::InitialPasswordExpired);
    }
    let step = sign_in.next_step(&signing_in, partner.second_factor, false)?;
    let mut transaction = sign_in.app.store().transaction();
    transaction.use_choice(secret);
    Box::pin(sign_in.proceed(transaction, &signing_in, step, &partner.name)).await
}

/// Uses a second factor.
pub(crate) async fn use_factor(
    sign_in: &SignIn<'_>,
    pending: Pending,
    code: &SubmittedCode,
) -> Result<Outcome, Failure> {
    let Pending { secret, mut signing_in, partner, codes, .. } = pending;
    let SignIn { app, origin, now, .. } = *sign_in;
    let (user, before) = (signing_in.user.clone(), signing_in.credential.clone());
    count(sign_in, &user, &secret).await?;
    let is_known_device = sign_in.is_known_device(&signing_in);
    let attempt = CodeAttempt { app, origin, now, user: &user, credential: &before, is_known_device };
    let Accepted { factor, after } = attempt.check(code, codes, Actor::Anonymous).await?;

    signing_in.factors.push(factor);
    let step = sign_in.next_step(&signing_in, partner.second_factor, false)?;
    let mut transaction = app.store().transaction();
    transaction.use_challenge(&user.id, &secret);
    transaction.change_credential(&user.id, &before, &before.with_used_factor(after));
    if factor == UsedFactor::RecoveryCode {
        let event = sign_in.event(EventAction::RecoveryCodeUsed, &user)?;
        transaction.record(&user.partner_id, &event);
        sign_in.notify(&mut transaction, MailKind::RecoveryCodeUsed, &user, &event)?;
    }
    let (outcome, ()) =
        tokio::join!(Box::pin(sign_in.proceed(transaction, &signing_in, step, &partner.name)), attempt.clear());
    outcome
}

/// Chooses a new password in place of an initial one.
pub(crate) async fn set_password(
    sign_in: &SignIn<'_>,
    pending: Pending,
    password: &Password,
) -> Result<Outcome, Failure> {
    let Pending { secret, signing_in, partner, .. } = pending;
    let SigningIn { user: before, credential, .. } = &signing_in;
    let about = About::of(before, &partner.name);
    let digests = match password.check_strength(&about) {
        Ok(()) => credential.digests.change_to(password)?,
        Err(rejection) => Err(rejection),
    };
    let digests = digests
        .map_err(|rejection| Failure::PasswordRejected(vec![FieldError::password("new_password", rejection)]))?;

    let now = sign_in.now;
    let step = sign_in.next_step(&signing_in, partner.second_factor, true)?;
    let with_password = before.changed(now).with_new_password(false, now);
    let changed = credential.changed(digests, false, now);
    let mut transaction = sign_in.app.store().transaction();
    transaction.use_challenge(&before.id, &secret);
    transaction.change_credential(&before.id, credential, &changed);
    if step == Step::Enrolment {
        transaction.change_user(before, &with_password);
        record_password(sign_in, &mut transaction, before, &with_password)?;
        let next = SigningIn { user: with_password, credential: changed, ..signing_in };
        let challenge = sign_in.ask_for_enrolment(&mut transaction, &next, &partner.name)?;
        transaction.commit().await?;
        return Ok(Outcome::Challenged(challenge));
    }
    let after = with_password.signed_in(now);
    let issued = sign_in.issue(&signing_in).await?;
    transaction.change_user(before, &after);
    record_password(sign_in, &mut transaction, before, &after)?;
    let started = sign_in.event(EventAction::SessionStarted, before)?.sorted_last()?;
    sign_in.record(&mut transaction, before, &started)?;
    let signed_in = sign_in.commit(transaction, issued, &signing_in, &started, after, changed.changed_at).await?;
    Ok(Outcome::SignedIn(Box::new(signed_in)))
}

/// Adds the event of a new password, and its notification.
fn record_password(
    sign_in: &SignIn<'_>,
    transaction: &mut Transaction<'_>,
    before: &User,
    after: &User,
) -> Result<(), Failure> {
    let event = sign_in.event(EventAction::PasswordChanged, before)?.changing(Some(before), Some(after));
    transaction.record(&before.partner_id, &event);
    sign_in.notify(transaction, MailKind::PasswordChanged, before, &event)
}

/// Adds an authenticator app, which the partner requires.
pub(crate) async fn enrol(sign_in: &SignIn<'_>, pending: Pending, code: &SubmittedCode) -> Result<Outcome, Failure> {
    let Pending { secret, mut signing_in, .. } = pending;
    let now = sign_in.now;
    let before = signing_in.user.clone();
    count(sign_in, &before, &secret).await?;
    let app = TotpSecret::derived(&secret)?;
    let step = code.step_in(&app, now).ok_or_else(wrong_code)?;
    let codes = RecoveryCodes::generate(&random::bytes()?);
    let factors = Factors::default().with_app(app, step, now).with_recovery_codes(&before.id, &codes);

    let issued = sign_in.issue(&signing_in).await?;
    let after = before.changed(now).with_second_factor(factors.kind()).signed_in(now);
    signing_in.factors.push(UsedFactor::Totp);
    let credential: &CredentialItem = &signing_in.credential;
    let mut transaction = sign_in.app.store().transaction();
    transaction.use_challenge(&before.id, &secret);
    transaction.change_user(&before, &after);
    transaction.change_credential(&before.id, credential, &credential.with_factors(factors));
    let event = sign_in.event(EventAction::SecondFactorAdded, &before)?.changing(Some(&before), Some(&after));
    transaction.record(&before.partner_id, &event);
    sign_in.notify(&mut transaction, MailKind::SecondFactorAdded, &before, &event)?;
    let started = sign_in.event(EventAction::SessionStarted, &before)?.sorted_last()?;
    sign_in.record(&mut transaction, &before, &started)?;
    let password_set_at = credential.changed_at;
    let mut signed_in = sign_in.commit(transaction, issued, &signing_in, &started, after, password_set_at).await?;
    signed_in.recovery_codes = Some(codes);
    Ok(Outcome::SignedIn(Box::new(signed_in)))
}

/// Counts a code before it is checked. After too many, the challenge is void.
async fn count(sign_in: &SignIn<'_>, user: &User, secret: &str) -> Result<(), Failure> {
    let SignIn { app, origin, .. } = *sign_in;
    if origin.is_retry || app.store().count_code_of_challenge(&user.id, secret).await? { Ok(()) } else { Err(WRONG) }
}
