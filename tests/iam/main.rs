//! Checks that no function has more permissions than it uses. A script runs every branch that calls AWS, on a stack
//! that records the permissions that each function has, uses and lacks. A permission that is never used must be removed
//! from the template.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};

use futures::FutureExt as _;
use portal_core::mail::LinkKind;
use portal_tests::faults::{FaultyStack, Moment, Seen, Service, Trace, Verdict};
use portal_tests::rows::Rows;
use portal_tests::{Actor, Authenticator, Client, Partner, Ready, User, invoke, invoke_within, new_partner, secrets};
use serde_json::json;

/// The digest of `password` in the test suite of Argon2's reference implementation. Its parameters differ from ours.
const OUTDATED: &str = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";

/// The stack and the partner of the script.
struct Life<'a> {
    stack: &'a FaultyStack,
    partner: Partner,
}

impl Life<'_> {
    fn ready(&self) -> &Ready {
        &self.stack.ready
    }

    fn client(&self) -> Client {
        Client::of(self.ready())
    }

    fn owner(&self) -> &Actor {
        self.partner.owner()
    }

    /// A new user, signed in.
    async fn viewer(&self) -> Actor {
        self.partner.new_user("viewer").await
    }

    /// A trace in which Cognito refuses all calls.
    fn while_cognito_ends_nothing(&self) -> Trace {
        let trace = Trace::new();
        self.stack.faults.watch(&trace, async |seen: Seen, moment| match (moment, seen.service) {
            (Moment::Before, Service::Cognito) => Verdict::refused(Service::Cognito),
            (Moment::Before | Moment::After, _) => Verdict::GoOn,
        });
        trace
    }
}

/// Creates partners, and repeats a creation with the same idempotency key.
async fn create_partners(life: &Life<'_>) {
    let mut input = json!({
        "partner_name": "Acme Agency",
        "primary_admin": {
            "first_name": "Olive", "last_name": "Owner", "email": secrets::email("olive"), "password": secrets::password(),
        },
    });
    invoke(life.ready(), "create-partner", &input).await.worked();
    input["primary_admin"]["email"] = secrets::email("olive").into();
    input["idempotency_key"] = secrets::random(20).into();
    invoke(life.ready(), "create-partner", &input).await.worked();
    let again = invoke(life.ready(), "create-partner", &input).await.worked();
    assert_eq!(again["idempotent_replayed"], true, "{again}");
    input["primary_admin"]["password"] = secrets::password().into();
    invoke(life.ready(), "create-partner", &input).await.failed();
}

/// Adds a user, and repeats the request with the same idempotency key.
async fn add_users(life: &Life<'_>) {
    let body = json!({
        "first_name": "Ann", "last_name": "Lee", "email": secrets::email("ann"), "password": secrets::password(),
    });
    let key = secrets::random(20);
    for replayed in ["", "true"] {
        let answer = life.owner().post("/v1/users", &body).header("idempotency-key", &key).await.expect(201);
        assert_eq!(answer.header("idempotent-replayed"), replayed, "{answer}");
    }
}

/// Signs in without and with the partner, with a wrong password, more often than the maximum number of sessions, and
/// with an outdated digest.
async fn sign_in(life: &Life<'_>) {
    let rows = Rows::of(life.ready());
    let ann = life.owner().add("Ann", "Lee").role("viewer").created().await;
    let client = life.client();
    client.sign_in(&ann.email, &secrets::password()).await.problem(401, "unauthenticated");
    assert!(rows.cognito_users(&ann).await.is_empty(), "the first sign-in creates the Cognito user");
    client.sign_in(&ann.email, &ann.password).await.expect(200);
    let first = client.clone().signed_in(&ann).await;
    for _ in 0..20 {
        client.sign_in(&ann.email, &ann.password).await.expect(200);
    }
    first.is_signed_out().await;

    rows.set_digest(&ann, OUTDATED).await;
    client.sign_in(&ann.email, "password").await.expect(200);
    let digest = rows.hidden(&ann).await.into_iter().find(|text| text.starts_with("$argon2id"));
    assert!(digest.is_some_and(|digest| digest != OUTDATED), "the digest is renewed");
}

/// Chooses one of two partners. Responds to a challenge with a wrong token, a rejected password and a good one.
async fn answer_challenge(life: &Life<'_>) {
    let (email, password) = (secrets::email("both"), secrets::password());
    let one = new_partner(life.ready(), &email, Some(&password)).await;
    new_partner(life.ready(), &email, Some(&password)).await;
    let answer = life.client().sign_in(&email, &password).await.expect(200);
    life.client().choose_partner(answer.text_at("/session"), &one.partner_id).await.expect(200);

    let ann = life.owner().add("Ann", "Lee").without("must_change").created().await;
    let client = life.client();
    client.answer_challenge("no-such-challenge", &secrets::password()).await.problem(401, "unauthenticated");
    let session = client.challenged(&ann).await;
    client.answer_challenge(&session, &ann.password).await.problem(422, "password_rejected");
    client.answer_challenge(&session, &secrets::password()).await.expect(200);
}

/// Signs in from an unknown source to an account that is not new, which the user is notified of.
async fn sign_in_elsewhere(life: &Life<'_>) {
    let ann = life.viewer().await;
    Rows::of(life.ready()).set_time(&ann, "created_at", "2026-01-01T00:00:00.000Z").await;
    life.client().sign_in(&ann.email, &ann.password).await.expect(200);
}

/// Sends mail with links, and mail that the mail service rejects, from the stream and by the schedule.
async fn send_mail(life: &Life<'_>) {
    let rows = Rows::of(life.ready());
    for function in ["send-mail", "sweep-outbox"] {
        // First whatever the script has added.
        sent(function, life, &Trace::new()).await;
        let ann = life.viewer().await;
        rows.put_reset_request(&ann.email).await;
        sent(function, life, &Trace::new()).await;

        rows.put_reset_request(&ann.email).await;
        let rejecting = Trace::new();
        life.stack.faults.watch(&rejecting, async |seen: Seen, _| match seen.service {
            Service::Ses => Verdict::refused(Service::Ses),
            Service::DynamoDb | Service::Cognito => Verdict::GoOn,
        });
        sent(function, life, &rejecting).await;
        let failed = life.owner().get("/v1/audit-events?action=mail.failed").await.expect(200);
        assert_eq!(failed.json["items"][0]["target"]["id"], ann.id, "{failed}");
    }
}

/// Invokes a function that sends all mail in the outbox.
async fn sent(function: &str, life: &Life<'_>, trace: &Trace) {
    let rows = Rows::of(life.ready());
    let records = rows.outbox_keys().await.into_iter().map(
        |pk| json!({ "eventName": "INSERT", "dynamodb": { "Keys": { "pk": { "S": pk } }, "SequenceNumber": "1" } }),
    );
    let input = match function {
        "send-mail" => json!({ "Records": records.collect::<Vec<_>>() }),
        _ => json!({ "older_than_seconds": 0 }),
    };
    let report = invoke_within(trace, life.ready(), function, &input).await.worked();
    assert_eq!(rows.outbox_keys().await, [""; 0], "{report}");
}

/// Notes that mail to a user bounced.
async fn note_delivery(life: &Life<'_>) {
    let ann = life.viewer().await;
    let report = json!({ "detail": {
        "eventType": "Bounce",
        "bounce": { "bounceType": "Permanent", "bouncedRecipients": [{ "emailAddress": ann.email }] },
        "mail": { "tags": { "user-0": [format!("{}-{}", ann.partner_id, ann.id)] } },
    } });
    let noted = invoke(life.ready(), "note-delivery", &report).await.worked();
    assert_eq!(noted["changed"], 1, "{noted}");
}

/// Refreshes on a later day than the sign-in, and with an invalid token, and signs out with the refresh token.
async fn refresh_and_sign_out(life: &Life<'_>) {
    let ann = life.viewer().await;
    Rows::of(life.ready()).set_last_sign_in(&ann, "2020-01-01T00:00:00.000Z").await;
    ann.refreshed().await.is_signed_in().await;
    ann.client.refresh("no-such-token").await.problem(401, "unauthenticated");
    ann.sign_out().json(&json!({ "refresh_token": ann.refresh_token })).await.expect(204);
    ann.cannot_refresh().await;
}

/// Reads users one by one, in every order, and by search.
async fn read(life: &Life<'_>) {
    let owner = life.owner();
    let ann = life.viewer().await;
    ann.is_signed_in().await;
    owner.see(&ann).await;
    for sort in ["name", "email", "created_at", "last_sign_in_at"] {
        for search in ["", "&search=nora"] {
            owner.get(&format!("/v1/users?sort={sort}{search}")).await.expect(200);
        }
    }
}

/// Reads the history with filters that are index keys, and with one that is not.
async fn read_history(life: &Life<'_>) {
    let owner = life.owner();
    let ann = life.viewer().await;
    for filter in [String::new(), format!("?user_id={}", ann.id), format!("?actor_id={}&action=user.added", owner.id)] {
        let answer = owner.get(&format!("/v1/audit-events{filter}")).await.expect(200);
        assert_ne!(answer.json["items"], json!([]), "{answer}");
    }
}

/// Changes another user, and the caller.
async fn edit(life: &Life<'_>) {
    let owner = life.owner();
    let ann = life.viewer().await;
    owner.edit(&ann, &json!({ "first_name": "Anna", "email": secrets::email("anna") })).await.expect(200);
    ann.edit(&ann, &json!({ "last_name": "Leigh" })).await.expect(200);
    owner.set_permissions(&ann, &json!({ "role": "manager" })).await.expect(200);
}

/// Sets the password of another user, and the caller's own: with a wrong current password, to a previous password, and
/// while signed in elsewhere.
async fn set_passwords(life: &Life<'_>) {
    let ann = life.viewer().await;
    let elsewhere = ann.elsewhere().await;
    ann.set_own_password(&secrets::password(), &secrets::password()).await.problem(422, "validation_failed");
    ann.set_own_password(&ann.password, &ann.password).await.problem(422, "password_rejected");
    ann.set_own_password(&ann.password, &secrets::password()).await.expect(204);
    elsewhere.is_signed_out().await;
    life.owner().set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    ann.is_signed_out().await;
}

/// Ends users' sessions while Cognito works.
async fn end(life: &Life<'_>) {
    let rows = Rows::of(life.ready());
    let (ann, bob, cat) = (life.viewer().await, life.viewer().await, life.viewer().await);
    life.owner().force_logout(&ann).await.expect(200);
    life.owner().remove(&bob).await.expect(204);
    life.owner().suspend(&cat).await.expect(200);
    life.owner().reactivate(&cat).await.expect(200);
    let other = Partner::of(life.ready()).await;
    User::recovered(life.ready(), &other.id, None).await;
    let removed = life.owner().get("/v1/removed-users").await.expect(200);
    assert_eq!(removed.json["items"][0]["id"], bob.id, "{removed}");
    for user in [&*ann, &*bob, &*cat, &**other.owner()] {
        assert!(
            rows.cognito_users(user).await.is_empty(),
            "the Cognito user of the ended generation is deleted at once"
        );
    }
    let (body, key) = (json!({ "password": bob.password }), secrets::random(20));
    for replayed in ["", "true"] {
        let answer = life.owner().restore(&bob, &body).idempotency_key(&key).await.expect(200);
        assert_eq!(answer.header("idempotent-replayed"), replayed, "{answer}");
    }
    let dan = life.viewer().await;
    life.owner().remove(&dan).await.expect(204);
    life.owner().restore(&dan, &json!({ "invite": true })).await.expect(200);
    let eve = life.viewer().await;
    life.owner().remove(&eve).await.expect(204);
    life.viewer().await.restore(&eve, &json!({ "invite": true })).await.problem(403, "missing_permission");
}

/// Reviews users with every decision, and reads the decisions.
async fn review(life: &Life<'_>) {
    let rows = Rows::of(life.ready());
    let owner = life.owner();
    for decision in ["keep", "reduce", "suspend", "remove"] {
        let ann = life.partner.new_user("manager").await;
        owner.decide(&ann, decision).await.expect(200);
        let is_over = ["suspend", "remove"].contains(&decision);
        assert_eq!(rows.cognito_users(&ann).await.is_empty(), is_over, "{decision}: the Cognito user");
    }
    life.viewer().await.decide(owner, "keep").await.problem(403, "missing_permission");
    let list = owner.get("/v1/access-review").await.expect(200);
    assert_ne!(list.json["items"], json!([]), "{list}");
    let mut page = owner.get("/v1/access-review?limit=1").await.expect(200);
    while let Some(cursor) = page.json["next_cursor"].as_str() {
        page = owner.get(&format!("/v1/access-review?limit=1&cursor={cursor}")).await.expect(200);
    }
    let record = owner.get("/v1/access-review/record").await.expect(200);
    assert_eq!(record.json["items"].as_array().map(Vec::len), Some(4), "{record}");
    // For users with a later decision, the function reads the audit trail.
    let to = record.text_at("/items/3/at");
    owner.get(&format!("/v1/access-review/record?to={to}")).await.expect(200);
    owner.get("/v1/audit-events?action=access.reviewed").await.expect(200);
}

/// Changes many users with every action, and imports users, one of whom already exists.
async fn change_many(life: &Life<'_>) {
    let (owner, rows) = (life.owner(), Rows::of(life.ready()));
    for action in ["suspend", "force_logout", "remove"] {
        let users = [life.viewer().await, life.viewer().await];
        let answer = owner.change_users(action, users.iter().map(|user| &**user)).await.expect(200);
        for (result, user) in answer.json["results"].as_array().unwrap().iter().zip(&users) {
            assert_eq!(result["outcome"], "done", "{answer}");
            assert!(rows.cognito_users(user).await.is_empty(), "{action}: the Cognito user is deleted at once");
        }
    }
    let row = |email: &str| format!("Ann,Lee,{email},admin\n");
    let table = format!("first_name,last_name,email,role\n{}{}", row(&owner.email), row(&secrets::email("ann")));
    let key = secrets::random(20);
    for dry_run in [true, false, false] {
        owner.import(table.clone(), dry_run).idempotency_key(&key).await.expect(200);
    }
    // The audit trail records refused changes.
    life.viewer().await.change_users("remove", [&**owner]).await.expect(200);
    life.viewer().await.import(table, false).await.problem(403, "missing_permission");
}

/// Invites a user, again and by an import, requests and confirms a reset, and changes the email of the caller.
async fn mailed_links(life: &Life<'_>) {
    let (owner, client, rows) = (life.owner(), life.client(), Rows::of(life.ready()));
    let ann = owner.add("Ann", "Lee").role("viewer").invited().await;
    owner.invite(&ann).await.expect(202);
    let table = format!("first_name,last_name,email,role\nBob,Ray,{},viewer\n", secrets::email("bob"));
    owner.call("POST", "/v1/users/import?dry_run=false&invite=true").body("text/csv", table).await.expect(200);

    let token = rows.put_link(&ann, LinkKind::Invitation).await;
    client.look_up(&token).await.expect(200);
    client.confirm_reset(&token, &secrets::password()).await.expect(204);
    client.request_reset(&ann.email).await.expect(202);
    let token = rows.put_link(&ann, LinkKind::PasswordReset).await;
    client.confirm_reset(&token, &secrets::password()).await.expect(204);

    let admin = life.partner.new_user("admin").await;
    admin.edit(&admin, &json!({ "email": secrets::email("new") })).await.expect(200);
    let token = rows.put_link(&admin, LinkKind::EmailChange).await;
    admin.confirm_email(&token).await.expect(200);
}

/// Hands the primary admin's role over, with a wrong password and with the right one.
async fn hand_over(life: &Life<'_>) {
    let partner = Partner::of(life.ready()).await;
    let (owner, ann) = (partner.owner(), partner.new_user("admin").await);
    let wrong = json!({ "user_id": ann.id, "current_password": secrets::password() });
    owner.post("/v1/primary-admin", &wrong).await.problem(422, "validation_failed");
    owner.hand_over(&ann).await.expect(200);
}

/// Adds an authenticator app and replaces it, authenticates again, signs in with wrong and right codes, replaces the recovery
/// codes, and removes the app, each while signed in elsewhere.
async fn second_factors(life: &Life<'_>) {
    let ann = life.viewer().await;
    ann.factors().await.expect(200);
    ann.reauthenticate(&json!({ "current_password": secrets::password() })).await.problem(422, "validation_failed");
    ann.reauthenticate(&json!({ "current_password": ann.password })).await.expect(204);
    let elsewhere = ann.elsewhere().await;
    let (_, codes) = ann.enrolled().await;
    let app = Authenticator::of(&ann.start_totp().await.expect(200).json);
    ann.confirm_totp(&app.code()).await.expect(200);
    elsewhere.is_signed_out().await;

    let client = life.client();
    let session = client.asked_for_factor(&ann).await;
    client.use_factor(&session, &app.wrong_code()).await.problem(422, "validation_failed");
    client.use_factor(&session, &codes[0]).await.expect(200);
    ann.reauthenticate(&json!({ "code": app.wrong_code() })).await.problem(422, "validation_failed");
    ann.reauthenticate(&json!({ "code": codes[1] })).await.expect(204);
    ann.renew_recovery_codes().await.expect(200);
    ann.remove_totp().await.expect(204);

    let bob = life.viewer().await;
    bob.enrolled().await;
    life.owner().reset_factors(&bob).await.expect(204);
    ann.reset_factors(&bob).await.problem(403, "missing_permission");
}

/// Adds, renames and removes passkeys, and uses one in every way, with wrong and right answers. The first sign-ins of a
/// generation create its Cognito user.
async fn passkeys(life: &Life<'_>) {
    let ann = life.viewer().await;
    let (mut device, other) = (ann.with_passkey().await, ann.with_passkey().await);
    ann.rename_passkey(&device.id(), "Tablet").await.expect(200);
    let wrong = json!({});
    let options = ann.start_passkey_reauthentication().await.expect(200);
    ann.reauthenticate_with_passkey(&wrong).await.problem(422, "validation_failed");
    ann.reauthenticate_with_passkey(&device.answer(&options.json).await).await.expect(204);

    // An older account is notified of each sign-in from an unknown source.
    Rows::of(life.ready()).set_time(&ann, "created_at", "2026-01-01T00:00:00.000Z").await;
    life.owner().force_logout(&ann).await.expect(200);
    let client = life.client();
    let asked = client.asked_for("second_factor", &ann).await;
    client.answer_with_passkey(asked.text_at("/session"), &wrong).await.problem(422, "validation_failed");
    let answer = device.answer(&asked.json["passkey"]).await;
    client.answer_with_passkey(asked.text_at("/session"), &answer).await.expect(200);

    life.owner().force_logout(&ann).await.expect(200);
    let client = life.client();
    let (session, options) = client.started_passkey().await;
    let mut forged = other.with_key_of(&device);
    let wrong = forged.answer(&options).await;
    client.sign_in_with_passkey(&session, &wrong).await.problem(401, "unauthenticated");
    let answer = device.answer(&options).await;
    let answer = client.sign_in_with_passkey(&session, &answer).await.expect(200);
    let ann = Actor::from_answer(client.clone(), (*ann).clone(), &answer);
    let (session, options) = client.started_passkey().await;
    client.sign_in_with_passkey(&session, &device.answer(&options).await).await.expect(200);
    ann.remove_passkey(&device.id()).await.expect(204);

    // Challenges for a new password.
    let mut device = other;
    life.owner().set_password(&ann, &secrets::password(), &json!({})).await.expect(204);
    let (session, options) = client.started_passkey().await;
    client.sign_in_with_passkey(&session, &device.answer(&options).await).await.expect(200);
    let bob = life.viewer().await;
    let mut device = bob.with_passkey().await;
    let temporary = secrets::password();
    life.owner().set_password(&bob, &temporary, &json!({})).await.expect(204);
    let asked = client.asked_for("second_factor", &bob.with_password(&temporary)).await;
    let answer = device.answer(&asked.json["passkey"]).await;
    client.answer_with_passkey(asked.text_at("/session"), &answer).await.expect(200);
}

/// Requires a second factor, which a user then adds in the sign-in, and resets that of the primary admin.
async fn required_factors(life: &Life<'_>) {
    let partner = Partner::of(life.ready()).await;
    let owner = partner.owner();
    let admin = partner.new_user("admin").await;
    owner.enrolled().await;
    admin.settings().await.expect(200);
    admin.require_factors("everyone").await.problem(403, "primary_admin_protected");
    owner.require_factors("everyone").await.expect(200);
    let ann = owner.add("Ann", "Lee").created().await;
    let client = life.client();
    let asked = client.asked_for("second_factor_enrolment", &ann).await;
    let app = Authenticator::of(&asked.json["totp"]);
    client.enrol(asked.text_at("/session"), &app.code()).await.expect(200);
    let input = json!({ "partner_id": partner.id, "reset_factors": true });
    let answer = invoke(life.ready(), "recover-primary-admin", &input).await.worked();
    secrets::remembered(answer["generated_password"].as_str().unwrap());
}

/// Lists sessions, and ends a session of another user, another session of the caller, and the caller's current session.
async fn end_sessions(life: &Life<'_>) {
    let (ann, bob) = (life.viewer().await, life.viewer().await);
    let elsewhere = ann.elsewhere().await;
    life.owner().end_session(&bob, &bob.session_id().await).await.expect(204);
    for session in [elsewhere, ann.clone()] {
        ann.end_session(&ann, &session.session_id().await).await.expect(204);
        session.is_signed_out().await;
    }
}

/// Repairs a generation that Cognito did not end. The first attempt fails.
async fn repair(life: &Life<'_>) {
    let rows = Rows::of(life.ready());
    let ann = life.viewer().await;
    life.owner().force_logout(&ann).within(&life.while_cognito_ends_nothing()).await.expect(200);
    assert_eq!(rows.cognito_users(&ann).await.len(), 1, "Cognito is down");

    let now = json!({ "older_than_seconds": 0 });
    let in_vain = invoke_within(&life.while_cognito_ends_nothing(), life.ready(), "repair-identities", &now).await;
    assert_ne!(in_vain.worked()["failed"], 0);
    assert_eq!(rows.marks(&ann).await.len(), 1, "postponed, but not given up");

    rows.let_marks_be_due(&ann).await;
    let repaired = invoke(life.ready(), "repair-identities", &now).await.worked();
    assert_eq!(repaired["failed"], 0, "{repaired}");
    assert!(rows.cognito_users(&ann).await.is_empty() && rows.marks(&ann).await.is_empty());
}

/// Ends all sessions, as after a restore.
async fn end_all(life: &Life<'_>) {
    let ann = life.viewer().await;
    ann.enrolled().await;
    let answer = invoke(life.ready(), "end-all-sessions", &json!({ "reset_factors": true })).await.worked();
    assert_eq!(answer["next"], json!(null), "{answer}");
    ann.is_signed_out().await;
}

async fn live(stack: &FaultyStack) {
    let life = Life { stack, partner: Partner::of(&stack.ready).await };
    create_partners(&life).await;
    add_users(&life).await;
    sign_in(&life).await;
    sign_in_elsewhere(&life).await;
    answer_challenge(&life).await;
    refresh_and_sign_out(&life).await;
    read(&life).await;
    read_history(&life).await;
    edit(&life).await;
    set_passwords(&life).await;
    end(&life).await;
    end_sessions(&life).await;
    review(&life).await;
    change_many(&life).await;
    mailed_links(&life).await;
    hand_over(&life).await;
    second_factors(&life).await;
    passkeys(&life).await;
    required_factors(&life).await;
    repair(&life).await;
    send_mail(&life).await;
    note_delivery(&life).await;
    end_all(&life).await;
}

/// This test hashes about 80 passwords, which takes about 10 s.
#[tokio::test]
async fn every_function_uses_all_its_permissions_and_lacks_none() {
    let record = std::env::temp_dir().join(format!("portal-tests-calls-{}.txt", std::process::id()));
    let stack = FaultyStack::start_with("own", &["--record-calls", record.to_str().unwrap()]).unwrap();

    let lived = AssertUnwindSafe(live(&stack)).catch_unwind().await;

    let record = fs::read_to_string(&record).and_then(|text| fs::remove_file(&record).map(|()| text)).unwrap();
    let [granted, used, refused] = ["granted", "used", "refused"].map(|word| calls(&record, word));
    // Report refused calls first: they explain why the script failed.
    assert!(refused.is_empty(), "the policies in template.yaml lack:\n{}", list(&refused));
    lived.unwrap_or_else(|panic| resume_unwind(panic));
    assert!(used.len() > 100, "a record without calls proves nothing:\n{record}");
    let unused: BTreeSet<_> = granted.difference(&used).copied().collect();
    assert!(unused.is_empty(), "template.yaml grants permissions that no function uses:\n{}", list(&unused));
}

/// `function action resource` of each line of the record that begins with the word.
fn calls<'a>(record: &'a str, word: &str) -> BTreeSet<&'a str> {
    record.lines().filter_map(|line| line.strip_prefix(word)).map(str::trim_start).collect()
}

fn list(calls: &BTreeSet<&str>) -> String {
    calls.iter().copied().collect::<Vec<_>>().join("\n")
}
