//! Passkeys as a whole: a walk through all routes, and the answers that are rejected everywhere.

use std::time::Duration;

use portal_tests::device::Forged;
use portal_tests::rows::Rows;
use portal_tests::{Actor, Answer, Client, Device, Partner, Stack, stack};
use serde_json::{Value, json};

#[tokio::test]
async fn a_walk_through_the_life_of_a_passkey() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = Device::counting(&stack().ready);
    ann.added_passkey(&mut device).await;
    ann.rename_passkey(&device.id(), "Key").await.expect(200);
    let listed = ann.factors().await.expect(200).json;
    assert_eq!(listed["passkeys"][0]["name"], "Key");
    let users = partner.owner().get("/v1/users?second_factor=passkey").await.expect(200);
    assert_eq!(users.json["items"][0]["id"], ann.id);

    let client = Client::new();
    let asked = client.asked_for("second_factor", &ann).await;
    let answer = device.answer(&asked.json["passkey"]).await;
    client.answer_with_passkey(asked.text_at("/session"), &answer).await.expect(200);
    let (session, options) = client.started_passkey().await;
    let signed_in = client.sign_in_with_passkey(&session, &device.answer(&options).await).await.expect(200);
    let again = Actor::from_answer(client, (*ann).clone(), &signed_in);
    Rows::of(&stack().ready).age_sessions(&ann).await;
    again.remove_passkey(&device.id()).await.problem(403, "reauthentication_required");
    let options = again.start_passkey_reauthentication().await.expect(200);
    again.reauthenticate_with_passkey(&device.answer(&options.json).await).await.expect(204);
    again.remove_passkey(&device.id()).await.expect(204);
    assert_eq!(again.factors().await.expect(200).json["second_factor"], "none");
}

/// The three ways to use a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    SecondFactor,
    SignIn,
    Reauthentication,
}

const USES: [Use; 3] = [Use::SecondFactor, Use::SignIn, Use::Reauthentication];

/// A challenge that was asked for.
struct Asked {
    client: Client,
    session: String,
    options: Value,
}

impl Use {
    async fn ask(self, user: &Actor) -> Asked {
        let client = user.client.clone();
        let (session, options) = match self {
            Self::SecondFactor => {
                let asked = client.asked_for("second_factor", user).await;
                (asked.text_at("/session").to_owned(), asked.json["passkey"].clone())
            }
            Self::SignIn => client.started_passkey().await,
            Self::Reauthentication => (String::new(), user.start_passkey_reauthentication().await.expect(200).json),
        };
        Asked { client, session, options }
    }

    async fn send(self, user: &Actor, asked: &Asked, credential: &Value) -> Answer {
        match self {
            Self::SecondFactor => asked.client.answer_with_passkey(&asked.session, credential).await,
            Self::SignIn => asked.client.sign_in_with_passkey(&asked.session, credential).await,
            Self::Reauthentication => user.reauthenticate_with_passkey(credential).await,
        }
    }

    /// The response to an answer that is not valid.
    #[track_caller]
    fn is_rejected(self, case: &str, answer: &Answer) {
        let (status, code) = match self {
            Self::SecondFactor | Self::Reauthentication => (422, "validation_failed"),
            Self::SignIn => (401, "unauthenticated"),
        };
        assert_eq!(answer.status, status, "{self:?} {case}: {answer}");
        let problem = answer.problem(status, code);
        if status == 422 {
            problem.names_field("credential");
        }
    }
}

#[tokio::test]
async fn answers_with_a_wrong_value_are_rejected_everywhere() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = Device::counting(&stack().ready);
    ann.added_passkey(&mut device).await;
    for way in USES {
        let asked = way.ask(&ann).await;
        let right = device.right("webauthn.get", &asked.options);
        for (case, forged) in [
            ("another type", Forged { kind: "webauthn.create", ..right.clone() }),
            ("another challenge", right.with_another_challenge()),
            ("another origin", Forged { origin: "https://evil.example".to_owned(), ..right.clone() }),
            ("another port", Forged { origin: "http://localhost:1".to_owned(), ..right.clone() }),
            ("a subdomain", Forged { origin: right.origin.replace("localhost", "a.localhost"), ..right.clone() }),
            ("another relying party", Forged { party: "evil.example".to_owned(), ..right.clone() }),
            ("no verification", Forged { is_verified: false, ..right.clone() }),
        ] {
            let answer = device.forge(&forged).await;
            way.is_rejected(case, &way.send(&ann, &asked, &answer).await);
        }
        let mut broken = device.forge(&right).await;
        broken["response"]["signature"] = json!("MEQCIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAiAA");
        way.is_rejected("another signature", &way.send(&ann, &asked, &broken).await);
        let answer = device.forge(&right).await;
        assert!(way.send(&ann, &asked, &answer).await.status < 300, "{way:?}: the right values");
    }
}

#[tokio::test]
async fn an_answer_for_one_purpose_is_rejected_for_the_others() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    for asked_for in USES {
        let asked = asked_for.ask(&ann).await;
        let answer = device.answer(&asked.options).await;
        for way in USES.into_iter().filter(|way| *way != asked_for) {
            let other = way.ask(&ann).await;
            way.is_rejected("another purpose", &way.send(&ann, &other, &answer).await);
        }
    }
    let options = ann.start_passkey().await.expect(200).json;
    let request = json!({
        "challenge": options["challenge"], "rpId": "localhost", "allowCredentials": [], "userVerification": "required",
    });
    let answer = device.answer(&request).await;
    for way in [Use::SecondFactor, Use::SignIn] {
        let other = way.ask(&ann).await;
        way.is_rejected("a registration", &way.send(&ann, &other, &answer).await);
    }
    // The session has the challenge of the registration, so none for a re-authentication is open.
    Use::Reauthentication.is_rejected("a registration", &ann.reauthenticate_with_passkey(&answer).await);
}

#[tokio::test]
async fn a_counter_that_does_not_grow_is_rejected() {
    let partner = Partner::new().await;
    let ann = partner.new_user("viewer").await;
    let mut device = Device::counting(&stack().ready);
    ann.added_passkey(&mut device).await;
    for way in USES {
        device.set_counter(100 * (way as u32 + 1));
        let asked = way.ask(&ann).await;
        let answer = device.answer(&asked.options).await;
        assert!(way.send(&ann, &asked, &answer).await.status < 300, "{way:?}");
        let asked = way.ask(&ann).await;
        for before in [0, 50, 100 * (way as u32 + 1)] {
            device.set_counter(before);
            let answer = device.answer(&asked.options).await;
            way.is_rejected("a counter that went back", &way.send(&ann, &asked, &answer).await);
        }
    }
}

#[tokio::test]
async fn a_passkey_of_another_user_or_partner_is_rejected() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let (ann, bob) = (partner.new_user("viewer").await, partner.new_user("viewer").await);
    let foreign = other.new_user("viewer").await;
    let own = ann.with_passkey().await;
    for theirs in [bob.with_passkey().await, foreign.with_passkey().await] {
        for way in USES {
            let asked = way.ask(&ann).await;
            let mut options = asked.options.clone();
            options["allowCredentials"] = json!([]);
            // The other's passkey with this user's handle, this user's id with the other's key, and this passkey with the
            // other's handle.
            let forged = [theirs.with_user_of(&own), own.with_key_of(&theirs), own.with_user_of(&theirs)];
            for mut device in forged {
                let answer = device.answer(&options).await;
                way.is_rejected("another user", &way.send(&ann, &asked, &answer).await);
            }
            if way != Use::SignIn {
                let answer = theirs.clone().answer(&options).await;
                way.is_rejected("another user", &way.send(&ann, &asked, &answer).await);
            }
        }
    }
}

/// A stack with its own time.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_challenge_expires_after_five_minutes() {
    let started = Stack::start_at(1_800_000_000_000, "passkeys", &["--ephemeral"]);
    let (stack, clock) = started.unwrap_or_else(|error| panic!("{error}"));
    let partner = Partner::of(&stack.ready).await;
    let ann = partner.new_user("viewer").await;
    let mut device = ann.with_passkey().await;
    let bob = partner.new_user("viewer").await;
    let options = bob.start_passkey().await.expect(200).json;
    let created = Device::new(&stack.ready).create(&options).await;
    let mut asked = Vec::new();
    for way in USES {
        asked.push((way, way.ask(&ann).await));
    }
    clock.advance(Duration::from_mins(5));
    for (way, asked) in &asked {
        let answer = device.answer(&asked.options).await;
        let answer = way.send(&ann, asked, &answer).await;
        match way {
            Use::SecondFactor | Use::SignIn => {
                answer.problem(401, "unauthenticated");
            }
            Use::Reauthentication => way.is_rejected("expired", &answer),
        }
    }
    bob.add_passkey("Phone", &created).await.problem(422, "validation_failed").names_field("credential");
    stack.end("TERM");
}
