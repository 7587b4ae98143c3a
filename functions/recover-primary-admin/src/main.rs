//! Invoked by operators: sets a new password for a primary admin who is locked out, and ends all of their sessions. It can
//! also remove the second factors.

use portal::App;
use portal::error::Failure;
use portal::factors::Factors;
use portal::http::{Fields, Stopped, serve_invocations};
use portal::identity::Generation;
use portal::mail::MailKind;
use portal::models::{EventAction, PartnerId, PartnerName, PersonName, PublicUser, SecondFactor, User};
use portal::passwords::{About, Issued, Password};
use portal::random;
use portal::store::{Actor, CredentialItem, Event, Key, PartnerItem, Store};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_invocations(recover_primary_admin).await
}

async fn recover_primary_admin(app: &App, mut input: Fields, request_id: String) -> Result<Value, Failure> {
    let partner: Option<PartnerId> = input.required("partner_id");
    let password: Option<Option<Password>> = input.optional("password");
    let operator: Option<Option<PersonName>> = input.optional("operator");
    let reset_factors: Option<Option<bool>> = input.optional("reset_factors");
    let (partner, password, operator, reset_factors) =
        input.finish(|| Some((partner?, password?, operator?, reset_factors?.unwrap_or_default())))?;

    let now = app.now();
    let (name, user, credential) = load(app.store(), &partner).await?;
    let issued = Issued::given_or_generated(password, &random::bytes()?);
    let about = About::of(&user, &name);
    let digests = match issued.password().check_strength(&about) {
        Ok(()) => credential.digests.change_to(issued.password())?,
        Err(rejection) => Err(rejection),
    };
    let digests = digests.map_err(|rejection| Failure::password("password", rejection))?;

    let mut after = user.signed_out(now).with_new_password(true, now);
    let mut changed = credential.changed(digests, true, now).generated(issued.generated().is_some());
    let has_reset = reset_factors && !credential.factors.is_empty();
    if has_reset {
        after = after.with_second_factor(SecondFactor::None);
        changed = CredentialItem { version: changed.version, ..changed.with_factors(Factors::default()) };
    }
    let mut transaction = app.store().transaction();
    transaction.change_user(&user, &after);
    transaction.change_credential(&user.id, &credential, &changed);
    transaction.end_generation(&user, now);
    let actor = Actor::operator(operator.as_ref());
    let event = Event::new(EventAction::PrimaryAdminRecovered, now, actor, &user, None, &request_id)?
        .changing(Some(&user), Some(&after));
    transaction.record(&partner, &event);
    transaction.notify(MailKind::PasswordSet, &user, &event, None)?;
    if has_reset {
        transaction.notify(MailKind::SecondFactorReset, &user, &event, None)?;
    }
    transaction.commit().await?;

    app.identity()?.end_soon(&[Generation::of(&user)]).await;
    Ok(json!({
        "partner_id": partner,
        "primary_admin": PublicUser::from(&after),
        "generated_password": issued.generated(),
    }))
}

async fn load(store: &Store, partner: &PartnerId) -> Result<(PartnerName, User, CredentialItem), Failure> {
    let key = Key::partner(partner);
    let PartnerItem { name, primary_admin_id: id, .. } =
        store.read(&[key.item_key()]).await?.get(&key)?.ok_or(Failure::NotFound)?;
    let (user, credential) = (Key::user(partner, &id), Key::credential(&id));
    let stored = store.read(&[user.item_key(), credential.item_key()]).await?;
    match (stored.get(&user)?.filter(|item| item.user.is_primary_admin()), stored.credential(&credential)?) {
        (Some(item), Some(credential)) => Ok((name, item.user, credential)),
        (Some(_), None) => Err(Failure::bug("a primary admin without a credential")),
        // The primary admin changed between the two reads.
        (None, _) => Err(Failure::StaleRead),
    }
}
