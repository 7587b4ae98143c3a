//! One email at several partners. Events at one partner have no influence on a sign-in at another, and do not reveal whether
//! the email is used elsewhere.

use portal_tests::rows::Rows;
use portal_tests::{Answer, Client, Partner, User, invoke, new_partner, secrets, stack};
use serde_json::{Value, json};

/// Makes a new partner whose primary admin has this email and password.
async fn owner(email: &str, password: &str) -> User {
    new_partner(&stack().ready, email, Some(password)).await
}

/// Checks that the response offers exactly these partners, and returns the session of the challenge.
#[track_caller]
fn choice(answer: &Answer, users: &[&User]) -> String {
    assert_eq!(answer.json["challenge"], "choose_partner", "{answer}");
    assert_eq!(answer.json.as_object().unwrap().len(), 3, "{answer}");
    let mut ids: Vec<&str> = users.iter().map(|user| user.partner_id.as_str()).collect();
    ids.sort_unstable();
    let expected: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "name": "Acme Agency" })).collect();
    assert_eq!(answer.json["partners"], json!(expected), "{answer}");
    secrets::remembered(answer.text_at("/session"))
}

#[tokio::test]
async fn a_user_of_another_partner_with_the_same_email_changes_nothing() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let victim = partner.new_user("viewer").await;
    let adder = other.owner().add("Ada", "Adder").role("manager").permissions(&["users.add"]).signed_in().await;
    for user in [&victim.user, &partner.owner().user] {
        let add = adder.add("Twin", "Lee").with("email", user.email.to_uppercase()).role("viewer").permissions(&[]);
        let twin = add.created().await;

        let answer = Client::new().sign_in(&user.email, &user.password).await.expect(200);
        assert_eq!(answer.json["user"]["id"], user.id);
        // The second user learns nothing either: the sign-in is the same as if the email were used nowhere else.
        let answer = Client::new().sign_in(&user.email, &twin.password).await.expect(200);
        assert_eq!(answer.json["user"]["id"], twin.id);
        Client::new().sign_in(&user.email, &secrets::password()).await.problem(401, "unauthenticated");
    }
    let ann = other.owner().add("Ann", "Lee").created().await;
    other.owner().edit(&ann, &json!({ "email": victim.email })).await.problem(409, "email_taken");
}

#[tokio::test]
async fn an_edited_email_changes_nothing_at_another_partner() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let ann = other.owner().add("Ann", "Lee").created().await;
    other.owner().edit(&ann, &json!({ "email": partner.owner().email })).await.expect(200);
    Client::new().sign_in(&partner.owner().email, &partner.owner().password).await.expect(200);
}

#[tokio::test]
async fn one_password_at_several_partners_offers_a_choice_of_exactly_those() {
    let (email, password) = (secrets::email("both"), secrets::password());
    let (one, two) = (owner(&email, &password).await, owner(&email, &password).await);
    let other = owner(&email, &secrets::password()).await;
    let client = Client::new();

    let answer = client.sign_in(&email, &password).await.expect(200);
    let session = choice(&answer, &[&one, &two]);

    // A partner that is not offered does not use the challenge up.
    client
        .choose_partner(&session, &other.partner_id)
        .await
        .problem(422, "validation_failed")
        .names_field("partner_id");
    let answer = client.choose_partner(&session, &two.partner_id).await.expect(200);
    assert_eq!(answer.json["user"]["id"], two.id, "{answer}");
    assert!(answer.json["refresh_token"].is_string() && answer.json["access_token"].is_string());
    client.choose_partner(&session, &two.partner_id).await.problem(401, "unauthenticated");
    for user in [&one, &two] {
        client.sign_in_at(&user.partner_id, &email, &password).await.expect(200);
    }
    let answer = client.sign_in(&email, &other.password).await.expect(200);
    assert_eq!(answer.json["user"]["id"], other.id, "{answer}");
}

#[tokio::test]
async fn a_choice_is_followed_by_a_new_password_if_one_is_required() {
    let partner = Partner::new().await;
    let email = secrets::email("both");
    let ann = partner.owner().add("Ann", "Lee").with("email", email.clone()).without("must_change").created().await;
    let two = owner(&email, &ann.password).await;
    let client = Client::new();
    let answer = client.sign_in(&email, &ann.password).await.expect(200);
    let session = secrets::remembered(answer.text_at("/session"));
    assert_eq!(answer.json["challenge"], "choose_partner", "{answer}");

    let answer = client.choose_partner(&session, &partner.id).await.expect(200);
    assert_eq!(answer.json["challenge"], "new_password_required", "{answer}");
    client.choose_partner(&session, &two.partner_id).await.problem(401, "unauthenticated");
    let next = secrets::remembered(answer.text_at("/session"));
    let answer = client.answer_challenge(&next, &secrets::password()).await.expect(200);
    assert_eq!(answer.json["user"]["id"], ann.id, "{answer}");
}

#[tokio::test]
async fn an_invalid_choice_is_rejected() {
    let partner = Partner::new().await;
    let email = secrets::email("both");
    let ann = partner.owner().add("Ann", "Lee").with("email", email.clone()).created().await;
    let two = owner(&email, &ann.password).await;
    let client = Client::new();
    let answer = client.sign_in(&email, &ann.password).await.expect(200);
    let session = secrets::remembered(answer.text_at("/session"));

    partner.owner().force_logout(&ann).await.expect(200);
    client.choose_partner(&session, &partner.id).await.problem(401, "unauthenticated");
    User::recovered(&stack().ready, &two.partner_id, None).await;
    client.choose_partner(&session, &two.partner_id).await.problem(401, "unauthenticated");

    for session in ["", "nonsense", &"x".repeat(5000), &session[1..]] {
        client.choose_partner(session, &partner.id).await.problem(401, "unauthenticated");
    }
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
    let password = client.challenged(&partner.owner().add("Bo", "Lee").without("must_change").created().await).await;
    client.choose_partner(&password, &partner.id).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_fourth_partner_needs_its_id_or_a_known_device() {
    let email = secrets::email("many");
    let mut users = Vec::new();
    for _ in 0..4 {
        users.push(owner(&email, &secrets::password()).await);
    }
    users.sort_by(|one, other| one.partner_id.cmp(&other.partner_id));
    let (fourth, client) = (&users[3], Client::new());
    client.sign_in(&email, &fourth.password).await.problem(401, "unauthenticated");

    let answer = client.sign_in_at(&fourth.partner_id, &email, &fourth.password).await.expect(200);
    let device = answer.cookie("__Host-device");
    assert!(device.starts_with(&format!("{}.", fourth.id)), "{answer}");
    let answer = client.sign_in(&email, &fourth.password).header("cookie", &format!("__Host-device={device}")).await;
    assert_eq!(answer.expect(200).json["user"]["id"], fourth.id);
}

#[tokio::test]
async fn an_expired_initial_password_is_reported_only_without_another_match() {
    let partner = Partner::new().await;
    let email = secrets::email("both");
    let ann = partner.owner().add("Ann", "Lee").with("email", email.clone()).without("must_change").created().await;
    Rows::of(&stack().ready).expire_initial_password(&ann).await;
    Client::new().sign_in(&email, &ann.password).await.problem(403, "initial_password_expired");
    let two = owner(&email, &ann.password).await;
    let answer = Client::new().sign_in(&email, &ann.password).await.expect(200);
    assert_eq!(answer.json["user"]["id"], two.id, "{answer}");
}

#[tokio::test]
async fn a_sign_in_at_a_second_partner_needs_no_partner_id() {
    // As in the README, a new primary admin signs in with email and password only.
    let input = json!({
        "partner_name": "Second",
        "primary_admin": { "first_name": "Bo", "last_name": "Day", "email": secrets::email("bo") },
    });
    for _ in 0..2 {
        let answer = invoke(&stack().ready, "create-partner", &input).await.worked();
        let password = secrets::remembered(answer["generated_password"].as_str().unwrap());
        let email = answer["primary_admin"]["email"].as_str().unwrap();
        let answer = Client::new().sign_in(email, &password).await.expect(200);
        assert_eq!(answer.json["challenge"], "new_password_required", "{answer}");
    }
}
