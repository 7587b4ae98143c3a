//! Invoked by operators: creates a partner and its primary admin.

use portal::App;
use portal::error::Failure;
use portal::http::{Fields, IdempotencyKey, Stopped, serve_invocations};
use portal::identity::machine_secret;
use portal::models::{
    EventAction, PartnerId, PartnerName, Permissions, PersonName, Profile, PublicUser, Requirement, Role, User, UserId,
};
use portal::passwords::{Digests, Issued};
use portal::random;
use portal::store::{Actor, CredentialItem, Event, IdempotencyItem, Key, PartnerItem};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_invocations(create_partner).await
}

async fn create_partner(app: &App, mut input: Fields, request_id: String) -> Result<Value, Failure> {
    let name: Option<PartnerName> = input.required("partner_name");
    let person = input.object("primary_admin", |fields| fields.person_with_password(name.as_ref()));
    let key: Option<Option<IdempotencyKey>> = input.optional("idempotency_key");
    let operator: Option<Option<PersonName>> = input.optional("operator");
    let (name, (first_name, last_name, email, password), key, operator) =
        input.finish(|| Some((name?, person?, key?, operator?)))?;

    let (now, store) = (app.now(), app.store());
    let kept = key.map(|key| Key::operator_idempotency(key.as_str()));
    let asked = json!([name, first_name, last_name, email, password.is_some()]).to_string();
    if let Some(kept) = &kept {
        let stored = store.read(&[kept.item_key()]).await?;
        if let Some(first) = store.first_answer(&stored, kept, &asked, password.as_ref(), now).await? {
            let mut answer: Value = first.read()?;
            if let Value::Object(fields) = &mut answer {
                fields.insert("idempotent_replayed".to_owned(), true.into());
            }
            return Ok(answer);
        }
    }

    let issued = Issued::given_or_generated(password, &random::bytes()?);
    let must_change_password = issued.generated().is_some();
    let profile = Profile {
        first_name,
        last_name,
        email,
        role: Role::PrimaryAdmin,
        permissions: Permissions::all(),
        must_change_password,
    };
    let partner_id = PartnerId::new(now, random::bytes()?);
    let user = User::new(UserId::new(now, random::bytes()?), partner_id.clone(), profile, now, None);
    let partner = PartnerItem {
        name,
        primary_admin_id: user.id.clone(),
        user_count: 1,
        created_at: now,
        second_factor: Requirement::default(),
    };
    let digests = Digests::new(issued.password(), random::bytes()?)?;

    let mut transaction = store.transaction();
    transaction.add_partner(&partner, &user);
    let credential = CredentialItem::new(digests, must_change_password, now, machine_secret()?);
    let credential = credential.generated(issued.generated().is_some());
    transaction.add_credential(&user.id, &credential);
    let event =
        Event::new(EventAction::PartnerCreated, now, Actor::operator(operator.as_ref()), &user, None, &request_id)?
            .changing(None, Some(&user));
    transaction.record(&partner_id, &event);
    let answer = |generated_password: Option<&str>| {
        json!({
            "partner_id": partner_id,
            "primary_admin": PublicUser::from(&user),
            "generated_password": generated_password,
        })
    };
    if let Some(kept) = &kept {
        transaction.keep(kept, &IdempotencyItem::create(&asked, &user.id, &credential, &answer(None), now)?, now);
    }
    transaction.commit().await?;
    Ok(answer(issued.generated()))
}
