//! Sign-ins with a second factor: `POST /v1/sessions` and `POST /v1/sessions/challenge`.

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Client, Mailbox, NO_STREAMS, Partner, Stack, new_partner, secrets, stack};
use serde_json::json;

fn rows() -> Rows {
    Rows::of(&stack().ready)
}

#[tokio::test]
async fn a_sign_in_asks_for_the_second_factor_only_after_the_right_password() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, _) = ann.enrolled().await;

    let wrong = Client::new().sign_in(&ann.email, &secrets::password()).await;
    let unknown = Client::new().sign_in(&secrets::email("nobody"), &ann.password).await;
    wrong.problem(401, "unauthenticated");
    assert_eq!(wrong.json["detail"], unknown.json["detail"]);

    let client = Client::new();
    let asked = client.asked_for("second_factor", &ann).await;
    assert_eq!(asked.json["factors"], json!(["totp", "recovery_code"]));
    assert_eq!(asked.json["passkey"], json!(null));
    assert_eq!(asked.json.as_object().unwrap().len(), 4, "{asked}");
    let answer = client.use_factor(asked.text_at("/session"), &app.code_after(1)).await.expect(200);
    let again = Actor::from_answer(client, (*ann).clone(), &answer);
    again.is_signed_in().await;
    again.refreshed().await.is_signed_in().await;
    assert_eq!(answer.json["user"]["second_factor"], "totp");
    assert!(answer.json.get("recovery_codes").is_none());
    ann.is_signed_in().await;
}

#[tokio::test]
async fn a_code_is_accepted_once_over_all_challenges() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, _) = ann.enrolled().await;
    let client = Client::new();
    let code = app.code_after(1);
    for status in [200, 422] {
        let session = client.asked_for_factor(&ann).await;
        let answer = client.use_factor(&session, &code).await.expect(status);
        if status == 422 {
            answer.problem(422, "validation_failed").names_field("code");
        }
    }
}

#[tokio::test]
async fn an_earlier_code_is_rejected_after_a_later_one() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, _) = ann.enrolled().await;
    rows().forget_last_step(&ann).await;
    let (earlier, later) = (app.code(), app.code_after(1));
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &later).await.expect(200);
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &earlier).await.problem(422, "validation_failed").names_field("code");
}

/// Whether a user has a second factor is a part of the response to the right password only.
#[tokio::test]
async fn a_wrong_password_has_the_same_response_with_and_without_a_factor() {
    let partner = Partner::new().await;
    let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    ann.enrolled().await;
    let mut responses = Vec::new();
    for user in [&ann, &bob] {
        let answer = Client::new().sign_in_at(&user.partner_id, &user.email, &secrets::password()).await;
        answer.problem(401, "unauthenticated");
        let mut json = answer.json.clone();
        json.as_object_mut().unwrap().remove("request_id");
        responses.push(json);
    }
    assert_eq!(responses[0], responses[1]);
}

#[tokio::test]
async fn after_50_wrong_codes_in_a_row_codes_are_refused_until_the_password_is_new() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, codes) = ann.enrolled().await;
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &app.wrong_code()).await.problem(422, "validation_failed");
    rows().set_wrong_codes_in_a_row(&ann, 49).await;
    client.use_factor(&session, &app.wrong_code()).await.problem(422, "validation_failed");
    let blocked = client.use_factor(&session, &codes[0]).await;
    blocked.problem(422, "validation_failed").names_field("code");
    assert_eq!(blocked.json["errors"][0]["code"], "blocked", "{blocked}");
    let blocked = ann.reauthenticate(&json!({ "code": codes[0] })).await;
    assert_eq!(blocked.json["errors"][0]["code"], "blocked", "{blocked}");

    let password = secrets::password();
    partner.owner().set_password(&ann, &password, &json!({ "must_change": false })).await.expect(204);
    let session = client.asked_for_factor(&ann.with_password(&password)).await;
    client.use_factor(&session, &codes[0]).await.expect(200);
}

#[tokio::test]
async fn a_challenge_accepts_five_codes() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, codes) = ann.enrolled().await;
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    for wrong in [app.wrong_code(), "no code".to_owned(), String::new(), "ABCDE-FGHJK".to_owned(), app.wrong_code()] {
        client.use_factor(&session, &wrong).await.problem(422, "validation_failed").names_field("code");
    }
    client.use_factor(&session, &codes[0]).await.problem(401, "unauthenticated");

    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &codes[0]).await.expect(200);
    let refused = partner.owner().get("/v1/audit-events?action=second_factor.refused").await.expect(200);
    assert_eq!(refused.json["items"].as_array().unwrap().len(), 1, "once in 15 minutes: {refused}");
    assert_eq!(refused.json["items"][0]["target"]["id"], ann.id);
}

#[tokio::test]
async fn ten_wrong_codes_in_15_minutes_block_other_devices_but_not_a_known_one() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, codes) = ann.enrolled().await;
    // Known since a complete sign-in with a second factor.
    let session = ann.client.asked_for_factor(&ann).await;
    let known = json!({
        "challenge": "second_factor", "session": session, "code": codes[0], "refresh_token_in": "cookie",
    });
    let known = ann.client.post("/v1/sessions/challenge", &known).origin(&stack().ready.url).await.expect(200);
    let device = format!("__Host-device={}", known.cookie("__Host-device"));

    let stranger = Client::new();
    for _ in 0..2 {
        let session = stranger.asked_for_factor(&ann).await;
        for _ in 0..5 {
            stranger.use_factor(&session, &app.wrong_code()).await.problem(422, "validation_failed");
        }
    }
    let session = stranger.asked_for_factor(&ann).await;
    let blocked = stranger.use_factor(&session, &codes[1]).await;
    blocked.problem(429, "too_many_requests");
    assert!((1..=900).contains(&blocked.retry_after()), "{blocked}");

    let session = ann.client.asked_for_factor(&ann).await;
    ann.client.use_factor(&session, &codes[1]).header("cookie", &device).await.expect(200);
}

#[tokio::test]
async fn a_recovery_code_works_once_and_is_notified() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (_, codes) = ann.enrolled().await;
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &codes[3].to_lowercase().replace('-', " ")).await.expect(200);
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &codes[3]).await.problem(422, "validation_failed").names_field("code");
    assert_eq!(ann.factors().await.expect(200).json["recovery_codes_left"], 9);
    let used = partner.owner().get("/v1/audit-events?action=recovery_code.used").await.expect(200);
    assert_eq!(used.json["items"].as_array().unwrap().len(), 1);
    assert_eq!(used.json["items"][0]["summary"], "Nora Newcomer used a recovery code");
    let mail = Mailbox::new().wait_for(&ann.email, 2).await;
    assert!(mail.iter().any(|mail| mail.subject.starts_with("A recovery code of your account")), "{mail:?}");
}

/// Each of these answers is right. The challenge is used once, and so is the code. At most 200 answers are on their way at
/// a time, because each is a connection.
#[tokio::test]
async fn one_code_sent_in_parallel_gives_one_session() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, _) = ann.enrolled().await;
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    let code = app.code_after(1);
    let answers = stream::iter((0..1_000).map(|_| client.use_factor(&session, &code).into_future()));
    let answers: Vec<Answer> = answers.buffer_unordered(200).collect().await;
    let signed_in = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((answers.len(), signed_in), (1_000, 1));
    let refused = answers.iter().filter(|answer| answer.status != 200);
    let unexpected: Vec<&Answer> = refused.filter(|answer| ![401, 409, 422, 429].contains(&answer.status)).collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    assert_eq!(ann.sessions(&ann).await.expect(200).json["items"].as_array().unwrap().len(), 2);

    rows().forget_last_step(&ann).await;
    let mut sessions = Vec::new();
    for _ in 0..5 {
        sessions.push(client.asked_for_factor(&ann).await);
    }
    let code = app.code();
    let answers = join_all(sessions.iter().map(|session| client.use_factor(session, &code).into_future())).await;
    let signed_in = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(signed_in, 1, "{answers:?}");
}

#[tokio::test]
async fn a_challenge_is_void_when_what_it_was_decided_on_changes() {
    let partner = Partner::new().await;
    let owner = partner.owner();
    let ann = partner.new_user("viewer").await;
    let (app, codes) = ann.enrolled().await;
    let client = Client::new();

    let session = client.asked_for_factor(&ann).await;
    ann.renew_recovery_codes().await.expect(200);
    client.use_factor(&session, &app.code_after(1)).await.problem(401, "unauthenticated");
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &codes[0]).await.problem(422, "validation_failed");
    owner.force_logout(&ann).await.expect(200);
    client.use_factor(&session, &app.code_after(1)).await.problem(401, "unauthenticated");
    let session = client.asked_for_factor(&ann).await;
    owner.set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    client.use_factor(&session, &app.code_after(1)).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn an_answer_to_another_kind_of_challenge_is_rejected() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, _) = ann.enrolled().await;
    let client = Client::new();
    let session = client.asked_for_factor(&ann).await;
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
    client.enrol(&session, &app.code_after(1)).await.problem(401, "unauthenticated");
    client.use_factor("no-such-challenge", &app.code_after(1)).await.problem(401, "unauthenticated");
    client.use_factor(&session, &app.code_after(1)).await.expect(200);
}

#[tokio::test]
async fn a_new_password_needs_the_second_factor_first_and_keeps_it() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let (app, _) = ann.enrolled().await;
    let temporary = secrets::password();
    partner.owner().set_password(&ann, &temporary, &json!({})).await.expect(204);

    let client = Client::new();
    let session = client.asked_for_factor(&ann.with_password(&temporary)).await;
    client.answer_challenge(&session, &secrets::password()).await.problem(401, "unauthenticated");
    let next = client.use_factor(&session, &app.code_after(1)).await.expect(200);
    assert_eq!(next.json["challenge"], "new_password_required");
    let chosen = secrets::password();
    let answer = client.answer_challenge(&secrets::remembered(next.text_at("/session")), &chosen).await.expect(200);
    let again = Actor::from_answer(client, ann.with_password(&chosen), &answer);
    assert_eq!(again.factors().await.expect(200).json["second_factor"], "totp");
    Client::new().asked_for_factor(&again).await;
}

#[tokio::test]
async fn the_second_factor_follows_the_choice_of_the_partner() {
    let (email, password) = (secrets::email("both"), secrets::password());
    let one = new_partner(&stack().ready, &email, Some(&password)).await;
    let other = new_partner(&stack().ready, &email, Some(&password)).await;
    let (app, _) = Client::new().signed_in(&one).await.enrolled().await;

    let client = Client::new();
    for (user, has_factor) in [(&one, true), (&other, false)] {
        let choice = client.sign_in(&email, &password).await.expect(200);
        assert_eq!(choice.json["challenge"], "choose_partner");
        let session = secrets::remembered(choice.text_at("/session"));
        let answer = client.choose_partner(&session, &user.partner_id).await.expect(200);
        assert_eq!(answer.json["challenge"] == "second_factor", has_factor, "{answer}");
        if has_factor {
            let session = secrets::remembered(answer.text_at("/session"));
            client.use_factor(&session, &app.code_after(1)).await.expect(200);
        }
    }
}

/// A sign-in that was decided without the factor must not complete after it was added.
#[tokio::test]
async fn no_sign_in_without_the_factor_follows_its_addition() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let started = ann.start_totp().await.expect(200);
    let app = portal_tests::Authenticator::of(&started.json);
    let clients: Vec<Client> = (0..8).map(|_| Client::new()).collect();
    let sign_ins = join_all(
        clients.iter().map(|client| client.sign_in_at(&ann.partner_id, &ann.email, &ann.password).into_future()),
    );
    let (answers, confirmed) = tokio::join!(sign_ins, ann.confirm_totp(&app.code()).into_future());
    confirmed.expect(200);
    let complete = answers.iter().filter(|answer| answer.json["user"].is_object());
    let before = complete.filter(|answer| answer.json["user"]["second_factor"] == "none").count();
    let sessions = ann.sessions(&ann).await.expect(200).json["items"].as_array().unwrap().len();
    assert_eq!(sessions, before + 1, "only sign-ins before the addition began sessions: {answers:?}");
    Client::new().asked_for_factor(&ann).await;
}

const TABLES: [&str; 5] = ["UsersTable", "CredentialsTable", "SessionsTable", "AuditTable", "OutboxTable"];

/// Starts its own stack, so that the tables and the log are small. Its mail stays in the outbox.
#[tokio::test]
async fn no_table_no_event_and_no_log_has_a_code_a_secret_or_a_token_as_the_user_sees_it() {
    let stack = Stack::start("factors", &["--ephemeral", NO_STREAMS]).unwrap_or_else(|error| panic!("{error}"));
    let (ready, rows) = (&stack.ready, Rows::of(&stack.ready));
    let partner = Partner::of(ready).await;
    let owner = partner.owner();
    let ann = owner.add("Ann", "Lee").role("admin").signed_in().await;
    let started = ann.start_totp().await.expect(200);
    let app = portal_tests::Authenticator::of(&started.json);
    let first = app.code();
    let codes = portal_tests::authenticator::recovery_codes(&ann.confirm_totp(&first).await.expect(200));
    let mut hidden = vec![started.text_at("/secret").to_owned(), started.text_at("/uri").to_owned()];

    let client = Client::of(ready);
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, "ABCDE-FGHJK").await.problem(422, "validation_failed");
    client.use_factor(&session, &codes[0]).await.expect(200);
    ann.reauthenticate(&json!({ "code": codes[1] })).await.expect(204);
    let renewed = portal_tests::authenticator::recovery_codes(&ann.renew_recovery_codes().await.expect(200));
    hidden.push(session);

    owner.enrolled().await;
    owner.require_factors("everyone").await.expect(200);
    let bob = owner.add("Bob", "Lee").role("viewer").created().await;
    let asked = Client::of(ready).asked_for("second_factor_enrolment", &bob).await;
    let enrolment = portal_tests::Authenticator::of(&asked.json["totp"]);
    Client::of(ready).enrol(asked.text_at("/session"), &enrolment.code()).await.expect(200);
    hidden.extend(["/session", "/totp/secret"].map(|part| asked.text_at(part).to_owned()));
    // The last part of a challenge's token is its secret.
    let ends: Vec<String> =
        hidden.iter().filter_map(|text| text.rsplit_once('.')).map(|(_, end)| end.to_owned()).collect();
    hidden.extend(ends);
    for code in codes.iter().chain(&renewed).chain([&"ABCDE-FGHJK".to_owned()]) {
        hidden.extend([code.clone(), code.replace('-', "")]);
    }

    let last = ann.get("/v1/users/no-user").await;
    last.problem(404, "not_found");
    let mut texts = vec![("the log", stack.logged_until(last.text_at("/request_id")).await)];
    for table in TABLES {
        texts.push((table, format!("{:?}", rows.whole(table).await)));
    }
    for (place, text) in &texts {
        for secret in &hidden {
            assert!(!text.contains(secret.as_str()), "{place} has {secret}");
        }
        // A code of six digits may be a part of another number.
        for code in [&first, &enrolment.code()] {
            assert!(!text.contains(&format!("\"{code}\"")), "{place} has a code of an app");
        }
    }
    stack.end("TERM");
}
