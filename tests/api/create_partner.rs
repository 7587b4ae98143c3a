//! `create-partner`, through the Invoke API.

use portal_tests::{Client, Partner, User, invoke, new_partner, secrets, stack};
use serde_json::{Value, json};

#[tokio::test]
async fn a_given_password_signs_in_and_a_generated_one_must_be_changed() {
    let ready = &stack().ready;
    let given = new_partner(ready, &secrets::email("given"), Some(&secrets::password())).await;
    let owner = Client::new().signed_in(&given).await;
    let me = owner.get("/v1/me").await.expect(200);
    assert_eq!(me.me()["role"], "primary_admin");
    assert_eq!(me.json["must_change_password"], false);

    let generated = new_partner(ready, &secrets::email("generated"), None).await;
    let client = Client::new();
    let session = client.challenged(&generated).await;
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}

#[tokio::test]
async fn a_function_can_be_invoked_by_its_logical_id() {
    let primary_admin = json!({ "first_name": "Olive", "last_name": "Owner", "email": secrets::email("olive") });
    let input = json!({ "partner_name": "Acme", "primary_admin": primary_admin });
    let answer = invoke(&stack().ready, "CreatePartnerFunction", &input).await.worked();
    secrets::remembered(answer["generated_password"].as_str().unwrap());
    assert!(answer["partner_id"].is_string());
}

#[tokio::test]
async fn two_partners_neither_see_nor_change_each_other() {
    let (one, two) = (Partner::new().await, Partner::new().await);
    let ann = two.owner().add("Ann", "Lee").created().await;
    let body = json!({ "first_name": "Eve" });

    let list = one.owner().get("/v1/users").await.expect(200);
    assert_eq!(list.json["total"], 1);
    assert_eq!(list.json["items"][0]["id"], one.owner().id);
    let calls = [
        one.owner().get(&ann.path()),
        one.owner().edit(&ann, &body),
        one.owner().set_password(&ann, &secrets::password(), &json!({})),
        one.owner().set_permissions(&ann, &json!({ "role": "viewer" })),
        one.owner().force_logout(&ann),
        one.owner().remove(&ann),
    ];
    for call in calls {
        call.await.problem(404, "not_found");
    }
    assert_eq!(two.owner().see(&ann).await["version"], 1);
}

#[tokio::test]
async fn bad_input_is_a_function_error_that_names_the_field() {
    let ready = &stack().ready;
    let admin = json!({ "first_name": "Olive", "last_name": "Owner", "email": secrets::email("olive") });
    let mut no_email = admin.clone();
    no_email["email"] = "plain".into();
    let mut weak = admin.clone();
    weak["password"] = "short".into();
    let inputs = [
        (json!({ "primary_admin": admin }), "partner_name"),
        (json!({ "partner_name": "", "primary_admin": admin }), "partner_name"),
        (json!({ "partner_name": "Acme" }), "primary_admin"),
        (json!({ "partner_name": "Acme", "primary_admin": no_email }), "email"),
        (json!({ "partner_name": "Acme", "primary_admin": weak }), "password"),
        (json!({ "partner_name": "Acme", "primary_admin": admin, "unheard_of": 1 }), "unheard_of"),
    ];
    let mut no_last_name = json!({ "partner_name": "Acme", "primary_admin": admin });
    no_last_name["primary_admin"].as_object_mut().unwrap().remove("last_name");
    for (input, field) in inputs.into_iter().chain([(no_last_name, "last_name")]) {
        let message = invoke(ready, "create-partner", &input).await.failed();
        assert!(message.contains(field), "{field} in {message:?}");
    }
}

#[tokio::test]
async fn the_partners_name_does_not_make_a_strong_password_anywhere() {
    let (ready, guessable) = (&stack().ready, "DlomzrguWyfkqhtb26");
    // At another partner, the same letters are unknown.
    Partner::new().await.owner().add("Ann", "Lee").with("password", guessable).created().await;

    let email = secrets::email("olive");
    let mut primary_admin =
        json!({ "first_name": "Olive", "last_name": "Owner", "email": email, "password": guessable });
    let input = json!({ "partner_name": "Wyfkqhtb Dlomzrgu", "primary_admin": primary_admin });
    let message = invoke(ready, "create-partner", &input).await.failed();
    assert!(message.contains("password"), "{message}");
    let password = secrets::password();
    primary_admin["password"] = password.clone().into();
    let input = json!({ "partner_name": "Wyfkqhtb Dlomzrgu", "primary_admin": primary_admin });
    let answer = invoke(ready, "create-partner", &input).await.worked();
    let (id, partner_id) = (&answer["primary_admin"]["id"], &answer["partner_id"]);
    let [id, partner_id] = [id, partner_id].map(|id| id.as_str().unwrap().to_owned());

    let owner = Client::new().signed_in(&User { id, partner_id, email, password }).await;
    let ann = owner.add("Ann", "Lee").with("must_change", true).created().await;
    let client = Client::new();
    let session = client.challenged(&ann).await;
    for answer in [
        owner.add("Bob", "Lee").with("password", guessable).send().await,
        owner.set_password(&ann, guessable, &json!({})).await,
        owner.set_own_password(&owner.password, guessable).await,
        client.answer_challenge(&session, guessable).await,
    ] {
        answer.problem(422, "password_rejected");
        assert_eq!(answer.json["errors"][0]["code"], "guessable", "{answer}");
    }
    let input = json!({ "partner_id": owner.partner_id, "password": guessable });
    let message = invoke(ready, "recover-primary-admin", &input).await.failed();
    assert!(message.contains("password"), "{message}");
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}

#[tokio::test]
async fn a_primary_admin_may_have_a_single_name() {
    let (email, password) = (secrets::email("suharto"), secrets::password());
    for last_name in [Value::Null, json!("")] {
        let input = json!({
            "partner_name": "Acme",
            "primary_admin": { "first_name": "Suharto", "last_name": last_name, "email": email, "password": password },
        });
        let answer = invoke(&stack().ready, "create-partner", &input).await.worked();
        assert_eq!(answer["primary_admin"]["last_name"], Value::Null, "{answer}");
        let partner = answer["partner_id"].as_str().unwrap();
        let signed_in = Client::new().sign_in_at(partner, &email, &password).await.expect(200);
        assert_eq!(signed_in.json["user"]["first_name"], "Suharto");
    }
}
