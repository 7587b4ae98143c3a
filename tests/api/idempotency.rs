//! `Idempotency-Key`: a retried create or restore is carried out once.

use futures::future::join_all;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Call, Client, Partner, invoke, secrets, stack};
use serde_json::{Value, json};

use crate::restore_user::{listed, removed};

fn key() -> String {
    format!("a key of {}", secrets::random(12))
}

/// A body for a new viewer with a generated password.
fn body() -> Value {
    json!({ "first_name": "Ann", "last_name": "Lee", "email": secrets::email("ann"), "role": "viewer" })
}

fn with(body: &Value, field: &str, value: impl Into<Value>) -> Value {
    let mut body = body.clone();
    body[field] = value.into();
    body
}

fn add(actor: &Actor, key: &str, body: &Value) -> Call {
    actor.post("/v1/users", body).idempotency_key(key)
}

/// Checks that the response is a replay of the first one, without the generated password.
#[track_caller]
fn assert_replays(answer: &Answer, first: &Answer) {
    assert_eq!(answer.status, first.status, "{answer}");
    assert_eq!(answer.header("idempotent-replayed"), "true", "{answer}");
    assert_eq!(first.header("idempotent-replayed"), "", "{first}");
    // The replay has the same fields in the same order.
    let generated = first.json["generated_password"].to_string();
    assert_eq!(answer.text, first.text.replace(&generated, "null"));
    for header in ["location", "etag", "content-type"] {
        assert_eq!(answer.header(header), first.header(header), "{header}");
    }
}

async fn total(actor: &Actor) -> Value {
    actor.get("/v1/users").await.expect(200).json["total"].clone()
}

#[tokio::test]
async fn a_retry_gets_the_first_response_without_the_password() {
    let partner = Partner::new().await;
    let (key, body) = (key(), body());
    let first = add(partner.owner(), &key, &body).await.expect(201);
    let generated = secrets::remembered(first.text_at("/generated_password"));

    for _ in 0..2 {
        assert_replays(&add(partner.owner(), &key, &body).await, &first);
    }

    assert_eq!(total(partner.owner()).await, 2);
    let challenged = Client::new().sign_in(body["email"].as_str().unwrap(), &generated).await.expect(200);
    assert_eq!(challenged.json["challenge"], "new_password_required", "the first password is still valid");
}

#[tokio::test]
async fn an_equivalent_body_counts_as_the_same_request() {
    let partner = Partner::new().await;
    let (key, body) = (key(), body());
    let first = add(partner.owner(), &key, &body).await.expect(201);
    secrets::remembered(first.text_at("/generated_password"));
    // This body has the default values as explicit fields, and other white space.
    let same = with(&with(&body, "permissions", json!(["users.read"])), "must_change", true);
    let text = serde_json::to_string_pretty(&same).unwrap();
    let call = partner.owner().call("POST", "/v1/users").body("application/json", text).idempotency_key(&key);
    assert_replays(&call.await, &first);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_rejected() {
    let partner = Partner::new().await;
    let (key, body) = (key(), body());
    let first = add(partner.owner(), &key, &body).await.expect(201);
    secrets::remembered(first.text_at("/generated_password"));
    let others = [
        with(&body, "first_name", "Anna"),
        with(&body, "last_name", "Other"),
        with(&body, "email", secrets::email("other")),
        with(&body, "role", "manager"),
        with(&body, "permissions", json!([])),
        with(&body, "must_change", false),
        with(&body, "password", secrets::password()),
    ];
    for other in others {
        add(partner.owner(), &key, &other).await.problem(422, "idempotency_key_reused");
    }
    assert_eq!(total(partner.owner()).await, 2);
    assert_replays(&add(partner.owner(), &key, &body).await, &first);
}

#[tokio::test]
async fn another_password_is_another_request() {
    let partner = Partner::new().await;
    let key = key();
    let body = with(&body(), "password", secrets::password());
    let first = add(partner.owner(), &key, &body).await.expect(201);
    assert!(first.json["generated_password"].is_null());

    let other = with(&body, "password", secrets::password());
    add(partner.owner(), &key, &other).await.problem(422, "idempotency_key_reused");
    let mut none = body.clone();
    none.as_object_mut().unwrap().remove("password");
    add(partner.owner(), &key, &none).await.problem(422, "idempotency_key_reused");
    assert_replays(&add(partner.owner(), &key, &body).await, &first);
}

#[tokio::test]
async fn a_key_belongs_to_its_actor() {
    let (partner, other_partner) = (Partner::new().await, Partner::new().await);
    let other_admin = partner.new_user("admin").await;
    let (key, mine) = (key(), with(&body(), "password", secrets::password()));
    let first = add(partner.owner(), &key, &mine).await.expect(201);

    // For another admin the email is taken, but the key can be used with another body.
    add(&other_admin, &key, &mine).await.problem(409, "email_taken");
    let theirs = add(&other_admin, &key, &with(&body(), "password", secrets::password())).await.expect(201);
    let elsewhere = add(other_partner.owner(), &key, &mine).await.expect(201);

    for answer in [&theirs, &elsewhere] {
        assert_eq!(answer.header("idempotent-replayed"), "", "{answer}");
        assert_ne!(answer.json["id"], first.json["id"]);
    }
    assert_replays(&add(partner.owner(), &key, &mine).await, &first);
}

/// Hashes up to 40 passwords: about 2 s.
#[tokio::test]
async fn concurrent_retries_add_one_user() {
    let partner = Partner::new().await;
    for body in [body(), with(&body(), "password", secrets::password())] {
        let (key, before) = (key(), total(partner.owner()).await.as_u64().unwrap());
        let retries = (0..10).map(|_| add(partner.owner(), &key, &body).into_future());
        let answers = join_all(retries).await;
        let first: Vec<_> = answers.iter().filter(|answer| answer.header("idempotent-replayed").is_empty()).collect();
        assert_eq!(first.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
        if let Some(generated) = first[0].json["generated_password"].as_str() {
            secrets::remembered(generated);
        }
        for answer in answers.iter().filter(|answer| !answer.header("idempotent-replayed").is_empty()) {
            assert_replays(answer, first[0]);
        }
        assert_eq!(total(partner.owner()).await, before + 1);
    }
}

#[tokio::test]
async fn a_retry_gets_the_first_response_even_if_the_user_has_changed() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (key, body) = (key(), with(&with(&body(), "password", secrets::password()), "must_change", false));
    let first = add(owner, &key, &body).await.expect(201);
    let ann = portal_tests::User {
        id: first.text_at("/id").to_owned(),
        partner_id: partner.id.clone(),
        email: first.text_at("/email").to_owned(),
        password: body["password"].as_str().unwrap().to_owned(),
    };

    owner.edit(&ann, &json!({ "first_name": "Anna", "email": secrets::email("anna") })).await.expect(200);
    assert_replays(&add(owner, &key, &body).await, &first);
    owner.set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    assert_replays(&add(owner, &key, &body).await, &first);
    owner.remove(&ann).await.expect(204);
    assert_replays(&add(owner, &key, &body).await, &first);
    owner.get(&ann.path()).await.problem(404, "not_found");
    assert_eq!(total(owner).await, 1);
}

/// The portal compares the password of a retry with the first one only. Otherwise an admin could guess the user's new password.
#[tokio::test]
async fn a_retry_reveals_nothing_about_a_password_chosen_by_the_user() {
    let partner = Partner::new().await;
    let adder =
        partner.owner().add("Adam", "Adder").role("admin").with("permissions", json!(["users.add"])).signed_in();
    let adder = adder.await;
    let (key, body) = (key(), with(&body(), "permissions", json!([])));
    let body = with(&body, "password", secrets::password());
    let first = add(&adder, &key, &body).await.expect(201);
    let ann = portal_tests::User {
        id: first.text_at("/id").to_owned(),
        partner_id: partner.id.clone(),
        email: first.text_at("/email").to_owned(),
        password: body["password"].as_str().unwrap().to_owned(),
    };
    let (client, own) = (Client::new(), secrets::password());
    let challenge = client.challenged(&ann).await;
    client.answer_challenge(&challenge, &own).await.expect(200);

    for password in [own, secrets::password(), ann.password.clone()] {
        for _ in 0..3 {
            assert_replays(&add(&adder, &key, &with(&body, "password", password.clone())).await, &first);
        }
    }
    partner.owner().remove(&ann).await.expect(204);
    assert_replays(&add(&adder, &key, &with(&body, "password", secrets::password())).await, &first);
    let kept = &Rows::of(&stack().ready).kept_answers(Some(&adder)).await[0];
    assert_eq!(kept["comparisons"].as_n().unwrap(), "0", "no password was compared: {kept:?}");
}

#[tokio::test]
async fn five_wrong_passwords_void_a_key() {
    let partner = Partner::new().await;
    let (key, body) = (key(), with(&body(), "password", secrets::password()));
    let first = add(partner.owner(), &key, &body).await.expect(201);
    for _ in 0..6 {
        assert_replays(&add(partner.owner(), &key, &body).await, &first);
    }
    for wrong in 1..=5 {
        let other = with(&body, "password", secrets::password());
        add(partner.owner(), &key, &other).await.problem(422, "idempotency_key_reused");
        if wrong < 5 {
            assert_replays(&add(partner.owner(), &key, &body).await, &first);
        }
    }
    add(partner.owner(), &key, &body).await.problem(422, "idempotency_key_reused");
    let rows = Rows::of(&stack().ready);
    rows.expire_kept_answer(Some(partner.owner()), &key).await;
    add(partner.owner(), &key, &body).await.problem(409, "email_taken");
    let next = with(&body, "email", secrets::email("next"));
    add(partner.owner(), &key, &next).await.expect(201);
}

/// Hashes about ten passwords.
#[tokio::test]
async fn concurrent_wrong_passwords_are_compared_at_most_five_times() {
    let partner = Partner::new().await;
    let (key, body) = (key(), with(&body(), "password", secrets::password()));
    add(partner.owner(), &key, &body).await.expect(201);
    let guesses =
        (0..12).map(|_| add(partner.owner(), &key, &with(&body, "password", secrets::password())).into_future());
    for answer in join_all(guesses).await {
        answer.problem(422, "idempotency_key_reused");
    }
    add(partner.owner(), &key, &body).await.problem(422, "idempotency_key_reused");
    let kept = &Rows::of(&stack().ready).kept_answers(Some(partner.owner())).await[0];
    let count = |name: &str| kept[name].as_n().unwrap().as_str();
    assert_eq!((count("comparisons"), count("mismatches")), ("5", "5"));
}

#[tokio::test]
async fn no_key_is_confused_with_another_item() {
    let partner = Partner::new().await;
    for key in ["USER#", "PARTNER", "ENDED#usr_1#1", &format!("USER#{}", partner.owner().id)] {
        let body = with(&with(&body(), "email", secrets::email("ann")), "password", secrets::password());
        add(partner.owner(), key, &body).await.expect(201);
    }
    let kept = Rows::of(&stack().ready).kept_answers(Some(partner.owner())).await;
    assert_eq!(kept.len(), 4);
    assert!(kept.iter().all(|row| row["sk"].as_s().unwrap().starts_with("KEY#")), "{kept:?}");
}

#[tokio::test]
async fn a_retry_is_authorized_again() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let (key, body) = (key(), with(&body(), "password", secrets::password()));
    let first = add(&admin, &key, &body).await.expect(201);

    let less = json!({ "role": "admin", "permissions": ["users.read", "users.edit"] });
    partner.owner().set_permissions(&admin, &less).await.expect(200);
    add(&admin, &key, &body).await.problem(403, "missing_permission");
    let too_little = json!({ "role": "admin", "permissions": ["users.add"] });
    partner.owner().set_permissions(&admin, &too_little).await.expect(200);
    add(&admin, &key, &body).await.problem(403, "exceeds_own_permissions");
    partner.owner().set_permissions(&admin, &json!({ "role": "manager" })).await.expect(200);
    assert_replays(&add(&admin, &key, &body).await, &first);
    partner.owner().force_logout(&admin).await.expect(200);
    add(&admin, &key, &body).await.problem(401, "session_ended");
}

#[tokio::test]
async fn a_rejected_request_does_not_use_its_key_up() {
    let partner = Partner::new().await;
    let (key, body) = (key(), with(&body(), "password", secrets::password()));
    let taken = with(&body, "email", partner.owner().email.clone());
    add(partner.owner(), &key, &taken).await.problem(409, "email_taken");
    add(partner.owner(), &key, &with(&body, "password", "short")).await.problem(422, "password_rejected");
    assert!(Rows::of(&stack().ready).kept_answers(Some(partner.owner())).await.is_empty());
    let first = add(partner.owner(), &key, &body).await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), "");
}

#[tokio::test]
async fn a_key_is_printable_and_not_too_long() {
    let partner = Partner::new().await;
    let body = with(&body(), "password", secrets::password());
    let long = "k".repeat(256);
    for bad in [&b""[..], long.as_bytes(), "schlüssel".as_bytes(), b"\xff\xfe", b"a\tb"] {
        let call = partner.owner().post("/v1/users", &body).header_bytes("idempotency-key", bad);
        call.await.problem(400, "invalid_request").names_field("Idempotency-Key");
    }
    assert_eq!(total(partner.owner()).await, 1);

    let printable: String = (b' '..=b'~').map(char::from).collect();
    for good in [&long[1..], printable.trim(), "k"] {
        let body = with(&body, "email", secrets::email("ann"));
        let first = add(partner.owner(), good, &body).await.expect(201);
        assert_replays(&add(partner.owner(), good, &body).await, &first);
    }
}

#[tokio::test]
async fn a_key_expires() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let (key, body) = (key(), with(&body(), "password", secrets::password()));
    let first = add(partner.owner(), &key, &body).await.expect(201);
    rows.expire_kept_answer(Some(partner.owner()), &key).await;

    add(partner.owner(), &key, &body).await.problem(409, "email_taken");
    let next = with(&body, "email", secrets::email("next"));
    let second = add(partner.owner(), &key, &next).await.expect(201);
    assert_ne!(second.json["id"], first.json["id"]);
    assert_replays(&add(partner.owner(), &key, &next).await, &second);
    add(partner.owner(), &key, &body).await.problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_stored_response_holds_no_secret() {
    let partner = Partner::new().await;
    let rows = Rows::of(&stack().ready);
    let given = with(&body(), "password", secrets::password());
    let mut hidden = vec![given["password"].as_str().unwrap().to_owned()];
    for body in [body(), given] {
        let answer = add(partner.owner(), &key(), &body).await.expect(201);
        hidden.extend(answer.json["generated_password"].as_str().map(secrets::remembered));
        let user = portal_tests::User { id: answer.text_at("/id").to_owned(), ..partner.owner().user.clone() };
        hidden.extend(rows.hidden(&user).await);
    }
    let (ann, body) = (removed(&partner, "viewer").await, json!({ "password": secrets::password() }));
    partner.owner().restore(&ann, &body).idempotency_key(&key()).await.expect(200);
    hidden.push(body["password"].as_str().unwrap().to_owned());
    hidden.extend(rows.hidden(&ann).await);

    let kept = rows.kept_answers(Some(partner.owner())).await;

    assert_eq!(kept.len(), 3);
    let kept = format!("{kept:?}");
    assert!(hidden.len() >= 9, "the list includes passwords, digests and machine secrets: {}", hidden.len());
    for secret in hidden {
        assert!(!kept.contains(&secret), "{secret} in {kept}");
    }
}

#[tokio::test]
async fn a_retried_restore_gets_the_first_response_and_changes_nothing() {
    let (partner, rows) = (Partner::new().await, Rows::of(&stack().ready));
    let owner = partner.owner();
    let (invite, given) = (json!({ "invite": true }), json!({ "password": secrets::password() }));
    for (body, unlike) in [(&invite, &given), (&given, &invite)] {
        let (ann, other, key) = (removed(&partner, "viewer").await, removed(&partner, "viewer").await, key());
        let restore = |body: &Value| owner.restore(&ann, body).idempotency_key(&key);
        let first = restore(body).await.expect(200);
        let state = async || (rows.user(&ann).await, rows.credentials(&ann).await, rows.audit(&partner.id).await.len());
        let before = state().await;
        assert_replays(&restore(body).await, &first);
        for body in [&json!({ "password": secrets::password() }), unlike] {
            restore(body).await.problem(422, "idempotency_key_reused");
        }
        owner.restore(&other, body).idempotency_key(&key).await.problem(422, "idempotency_key_reused");
        add(owner, &key, &self::body()).await.problem(422, "idempotency_key_reused");
        assert_replays(&restore(body).await, &first);
        // An invitation is in the transaction of an event, so there is no further one.
        assert_eq!(state().await, before);

        // The response stays the same for a user who has been removed again.
        owner.remove(&ann).await.expect(204);
        assert_replays(&restore(body).await, &first);
        let still = listed(owner).await;
        assert!(still.iter().any(|user| user["id"] == ann.id), "{still:?}");
        owner.restore(&ann, body).idempotency_key(&self::key()).await.expect(200);
    }
}

#[tokio::test]
async fn a_retried_restore_reveals_nothing_about_a_later_password() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, key, body) = (removed(&partner, "viewer").await, key(), json!({ "password": secrets::password() }));
    let first = owner.restore(&ann, &body).idempotency_key(&key).await.expect(200);
    let own = secrets::password();
    owner.set_password(&ann, &own, &json!({})).await.expect(204);
    for password in [own, secrets::password()] {
        let retry = owner.restore(&ann, &json!({ "password": password })).idempotency_key(&key);
        assert_replays(&retry.await, &first);
    }
    let kept = &Rows::of(&stack().ready).kept_answers(Some(owner)).await[0];
    assert_eq!(kept["comparisons"].as_n().unwrap(), "0", "no password was compared: {kept:?}");
}

#[tokio::test]
async fn concurrent_retries_restore_a_user_once() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let (ann, key, body) = (removed(&partner, "viewer").await, key(), json!({ "password": secrets::password() }));
    let retries = (0..4).map(|_| owner.restore(&ann, &body).idempotency_key(&key).into_future());
    let answers = join_all(retries).await;
    let (first, replays): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.header("idempotent-replayed").is_empty());
    assert_eq!(first.len(), 1, "{:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    first[0].clone().expect(200);
    for answer in replays {
        assert_replays(answer, first[0]);
    }
    let events = owner.get(&format!("/v1/audit-events?user_id={}&action=user.restored", ann.id)).await.expect(200);
    assert_eq!(events.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(total(owner).await, 2);
}

#[tokio::test]
async fn a_retried_restore_is_authorized_again() {
    let partner = Partner::new().await;
    let admin = partner.new_user("admin").await;
    let (ann, key, body) = (removed(&partner, "manager").await, key(), json!({ "password": secrets::password() }));
    let first = admin.restore(&ann, &body).idempotency_key(&key).await.expect(200);
    let refusals = [(json!(["users.read"]), "missing_permission"), (json!(["users.add"]), "exceeds_own_permissions")];
    for (permissions, code) in refusals {
        let less = json!({ "role": "admin", "permissions": permissions });
        partner.owner().set_permissions(&admin, &less).await.expect(200);
        admin.restore(&ann, &body).idempotency_key(&key).await.problem(403, code);
    }
    partner.owner().set_permissions(&admin, &json!({ "role": "admin" })).await.expect(200);
    assert_replays(&admin.restore(&ann, &body).idempotency_key(&key).await, &first);
}

#[tokio::test]
async fn retries_create_one_partner() {
    let (ready, rows) = (&stack().ready, Rows::of(&stack().ready));
    let primary_admin = json!({ "first_name": "Olive", "last_name": "Owner", "email": secrets::email("olive") });
    let key = key();
    let input = json!({ "partner_name": "Acme", "primary_admin": primary_admin, "idempotency_key": key });
    let create = async |input: &Value| invoke(ready, "create-partner", input).await;

    let inputs = vec![input.clone(); 4];
    let answers = join_all(inputs.iter().map(create)).await;
    let answers: Vec<Value> = answers.into_iter().map(portal_tests::Invoked::worked).collect();
    let first: Vec<&Value> = answers.iter().filter(|answer| answer["generated_password"].is_string()).collect();
    assert_eq!(first.len(), 1, "the other responses are replays");
    let generated = secrets::remembered(first[0]["generated_password"].as_str().unwrap());
    assert!(first[0].get("idempotent_replayed").is_none());
    for replay in answers.iter().filter(|answer| answer["generated_password"].is_null()) {
        let mut expected = with(first[0], "generated_password", Value::Null);
        expected["idempotent_replayed"] = true.into();
        assert_eq!(*replay, expected);
    }

    let mut other_admin = input.clone();
    other_admin["primary_admin"]["email"] = secrets::email("other").into();
    let mut with_password = input.clone();
    with_password["primary_admin"]["password"] = secrets::password().into();
    for other in [with(&input, "partner_name", "Other"), other_admin, with_password] {
        let answer = create(&other).await;
        assert_eq!(answer.payload["errorType"], "idempotency_key_reused", "{}", answer.payload);
    }
    for bad in [json!(""), json!("k".repeat(256)), json!("schlüssel"), json!(7)] {
        let message = create(&with(&input, "idempotency_key", bad)).await.failed();
        assert!(message.contains("idempotency_key"), "{message}");
    }

    let kept = rows.kept_answers(None).await;
    let kept: Vec<String> =
        kept.iter().filter(|row| row["sk"].as_s() == Ok(&format!("KEY#{key}"))).map(|row| format!("{row:?}")).collect();
    assert_eq!(kept.len(), 1);
    assert!(!kept[0].contains(&generated));
    rows.expire_kept_answer(None, &key).await;
    let again = create(&input).await.worked();
    secrets::remembered(again["generated_password"].as_str().unwrap());
    assert_ne!(again["partner_id"], first[0]["partner_id"]);
}

#[tokio::test]
async fn the_password_in_a_retry_of_create_partner_is_compared() {
    let ready = &stack().ready;
    let password = secrets::password();
    let primary_admin = json!({
        "first_name": "Olive", "last_name": "Owner", "email": secrets::email("olive"), "password": password,
    });
    let input = json!({ "partner_name": "Acme", "primary_admin": primary_admin, "idempotency_key": key() });
    let first = invoke(ready, "create-partner", &input).await.worked();
    let mut other = input.clone();
    other["primary_admin"]["password"] = secrets::password().into();
    let refused = invoke(ready, "create-partner", &other).await;
    assert_eq!(refused.payload["errorType"], "idempotency_key_reused");
    let replay = invoke(ready, "create-partner", &input).await.worked();
    assert_eq!(replay["partner_id"], first["partner_id"]);
    assert_eq!(replay["idempotent_replayed"], true);
}
