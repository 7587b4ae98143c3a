//! The users of the benchmark, and requests of each kind. Each request is prepared so that it succeeds, and its
//! response is checked.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use portal_bench::results::{FIRST_SIGN_IN, SIGN_IN_CODE};
use serde_json::{Value, json};
use totp_rs::{Builder, Secret};

use crate::cloud::{Cloud, text};
use crate::people::{FIRST_NAME, LAST_NAME, Person, Prototype, Session, forget_reads};
use crate::stand_in::Process;
use crate::{Outcome, root};

/// The work of the first depends on the size of the portal, the next four need an authenticator app, and the next seven a
/// passkey. Mail is off in the benchmark, so that it measures the requests of clients alone, and the others need mail.
const NOT_MEASURED: [&str; 21] = [
    "end-all-sessions",
    "confirm-totp",
    "remove-totp",
    "renew-recovery-codes",
    "set-settings",
    "add-passkey",
    "answer-passkey",
    "reauthenticate-with-passkey",
    "remove-passkey",
    "rename-passkey",
    "sign-in-with-passkey",
    "start-passkey-reauthentication",
    "send-mail",
    "sweep-outbox",
    "note-delivery",
    "invite-user",
    "restore-user",
    "request-password-reset",
    "look-up-password-reset",
    "confirm-password-reset",
    "confirm-email-change",
];

/// The common password of all users here. It is strong enough for the portal.
const PASSWORD: &str = "copper-Lantern-meadow-84";
const OTHER_PASSWORD: &str = "violet-Harbor-stone-31";
/// The number of previous passwords that the portal keeps.
const HISTORY: usize = 5;
/// The length of a step of authenticator apps in seconds.
const STEP: u64 = 30;
/// The number of users who sign in, in turns, because attempts are counted by email.
const GUESTS: usize = 60;
/// The number of users in the list.
const COLLEAGUES: u64 = 300;
/// The number of users of the partner that is reviewed. No measurement adds users to it.
const REVIEWED: u64 = 5_000;
/// The number of its first copied user. Other copies have smaller or much larger numbers.
const FIRST_REVIEWED: u64 = 50_000_000;

/// The functions that the scene needs.
pub(crate) struct Hands {
    pub(crate) create_partner: Process,
    pub(crate) sign_in: Process,
    pub(crate) add_user: Process,
    pub(crate) set_password: Process,
    pub(crate) start_totp: Process,
    pub(crate) confirm_totp: Process,
}

/// The data for the measurements.
pub(crate) struct Scene {
    pub(crate) cloud: Cloud,
    hands: Hands,
    partner: String,
    owner: Session,
    /// The primary admin of the partner that is reviewed.
    reviewer: Session,
    /// A user who must choose a password at the first sign-in.
    newcomer: Prototype,
    /// A user who signs in with the common password, before the first sign-in.
    settled: Prototype,
    /// The same, after it. Lists and reviews read such users.
    regular: Prototype,
    /// The same, with a full history of passwords.
    seasoned: Prototype,
    /// A user with an authenticator app.
    secured: Prototype,
    /// The secret of this app, and the last step whose code it has used.
    app: (String, u64),
    target: Person,
    guests: Vec<Person>,
    /// Another partner, whose primary admin is recovered repeatedly.
    second: String,
    count: u64,
}

/// The history of passwords of the users in a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum History {
    /// No user has an earlier password.
    None,
    /// Every user has as many earlier passwords as the portal keeps.
    Full,
}

/// The users with an email.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Account {
    /// No user has it.
    None,
    /// A user who has chosen a password.
    Active,
    /// A user who is suspended.
    Suspended,
    /// A user of each of two partners.
    AtTwoPartners,
}

impl Scene {
    pub(crate) async fn set(cloud: Cloud, hands: Hands) -> Outcome<Self> {
        let partner = new_partner(&hands, "owner@example.com", Some(PASSWORD)).await?;
        let second = new_partner(&hands, "second@example.com", None).await?;
        let body = json!({ "email": "owner@example.com", "password": PASSWORD });
        let event = Event::read("sign-in")?.address(1).body(&body);
        let owner = Session::read(&event.call(&hands.sign_in).await?)?;
        let mut scene = Self {
            reviewer: owner.clone(),
            newcomer: Prototype::default(),
            settled: Prototype::default(),
            regular: Prototype::default(),
            seasoned: Prototype::default(),
            secured: Prototype::default(),
            app: (String::new(), 0),
            target: Person::default(),
            guests: Vec::new(),
            count: 1000,
            cloud,
            hands,
            partner,
            owner,
            second,
        };
        scene.newcomer = scene.add("newcomer0@example.com", true).await?;
        scene.settled = scene.add("settled00@example.com", false).await?;
        scene.regular = scene.add_regular("regular00@example.com").await?;
        scene.seasoned = scene.add_seasoned("seasoned0@example.com").await?;
        scene.secure("secured00@example.com").await?;
        scene.target = scene.new_person().await?;
        for _ in 0..GUESTS {
            let guest = scene.new_person().await?;
            scene.guests.push(guest);
        }
        scene.regular.fill(&scene.cloud, &scene.partner, 1, COLLEAGUES).await?;
        let (large, reviewer) = scene.new_owner("reviewer@example.com").await?;
        scene.regular.fill(&scene.cloud, &large, FIRST_REVIEWED, REVIEWED).await?;
        scene.reviewer = reviewer;
        Ok(scene)
    }

    /// Adds a user through the function and copies its items.
    async fn add(&self, email: &str, must_change: bool) -> Outcome<Prototype> {
        let body = json!({
            "first_name": FIRST_NAME, "last_name": LAST_NAME, "email": email, "password": PASSWORD,
            "must_change": must_change,
        });
        let answer = self.owned("add-user")?.body(&body).call(&self.hands.add_user).await?;
        Prototype::of(&self.cloud, &self.partner, &text(&answer, "/id")?, email).await
    }

    /// Adds a user and signs the user in.
    async fn add_regular(&mut self, email: &str) -> Outcome<Prototype> {
        let user = self.add(email, false).await?;
        self.count += 1;
        let body = json!({ "email": email, "password": PASSWORD, "partner_id": self.partner });
        Event::read("sign-in")?.address(self.count).body(&body).call(&self.hands.sign_in).await?;
        Prototype::of(&self.cloud, &self.partner, user.id(), email).await
    }

    /// Adds a user with an authenticator app.
    async fn secure(&mut self, email: &str) -> Outcome<()> {
        let user = self.add(email, false).await?;
        self.count += 1;
        let body = json!({ "email": email, "password": PASSWORD, "partner_id": self.partner });
        let event = Event::read("sign-in")?.address(self.count).body(&body);
        let session = Session::read(&event.call(&self.hands.sign_in).await?)?;
        let started = Event::read("start-totp")?.claims(&session).call(&self.hands.start_totp).await?;
        self.app = (text(&started, "/secret")?, present_step()?);
        let body = json!({ "code": code(&self.app.0, self.app.1)? });
        Event::read("confirm-totp")?.claims(&session).body(&body).call(&self.hands.confirm_totp).await?;
        self.secured = Prototype::of(&self.cloud, &self.partner, user.id(), email).await?;
        Ok(())
    }

    async fn new_person(&mut self) -> Outcome<Person> {
        self.count += 1;
        self.settled.settle(&self.cloud, self.count, &self.partner).await
    }

    /// Adds a user and changes the password until the history is full.
    async fn add_seasoned(&self, email: &str) -> Outcome<Prototype> {
        let user = self.add(email, false).await?;
        // A password in the history is rejected, so the common password is set again after enough others.
        let others = (0..=HISTORY).map(|number| format!("{number}-{OTHER_PASSWORD}"));
        for password in others.chain([PASSWORD.to_owned()]) {
            let body = json!({ "password": password, "must_change": false });
            self.owned("set-password")?.user(user.id()).body(&body).call(&self.hands.set_password).await?;
        }
        Prototype::of(&self.cloud, &self.partner, user.id(), email).await
    }

    /// An event with the primary admin as the caller.
    fn owned(&self, function: &str) -> Outcome<Event> {
        Ok(Event::read(function)?.claims(&self.owner))
    }

    /// The next request for the function, or `None` if the benchmark has none for it.
    pub(crate) async fn request(&mut self, function: &str) -> Outcome<Option<String>> {
        self.count += 1;
        let count = self.count;
        let roles = [("manager", ["users.read"]), ("viewer", ["users.read"])];
        let event = match function {
            "get-user" | "list-sessions" => self.owned(function)?.user(&self.target.id),
            "edit-user" => {
                let body = json!({ "last_name": format!("Lee-{}", crate::people::letters(count)) });
                self.owned(function)?.user(&self.target.id).body(&body)
            }
            "set-permissions" => {
                let (role, permissions) = roles[usize::try_from(count % 2)?];
                let person = self.new_person().await?;
                let body = json!({ "role": role, "permissions": permissions });
                self.owned(function)?.user(&person.id).body(&body)
            }
            "reset-factors" => {
                let person = self.secured.settle(&self.cloud, count, &self.partner).await?;
                self.owned(function)?.user(&person.id)
            }
            "add-user" => {
                let email = format!("added-{count:012}@example.com");
                self.owned(function)?.body(&json!({ "first_name": "Ann", "last_name": "Lee", "email": email }))
            }
            "import-users" => self.owned(function)?.with("new_email", &format!("imported-{count:012}@example.com")),
            "end-session" => {
                let session = self.open_session().await?;
                let user = session.user_id()?;
                let event = self.owned(function)?.with("caller_id", &user);
                event.with("origin_jti", &text(&session.claims, "/origin_jti")?)
            }
            "hand-over" => {
                let (partner, owner) = self.new_owner(&format!("giver-{count:012}@example.com")).await?;
                // Only a user who has signed in can become the primary admin.
                let heir = self.regular.settle(&self.cloud, count, &partner).await?;
                let body = json!({ "user_id": heir.id, "current_password": PASSWORD });
                Event::read(function)?.claims(&owner).body(&body)
            }
            "set-password" => return self.set_password(History::None).await.map(Some),
            "sign-in" => return self.sign_in(History::None).await.map(Some),
            FIRST_SIGN_IN => {
                let person = self.settled.arrive(&self.cloud, count, &self.partner).await?;
                let body = json!({ "email": person.email, "password": PASSWORD, "partner_id": self.partner });
                Event::read("sign-in")?.body(&body)
            }
            "review-access" | "get-review-record" => {
                forget_reads(&self.cloud, &self.reviewer.user_id()?).await?;
                Event::read(function)?.claims(&self.reviewer)
            }
            "list-audit-events" => {
                forget_reads(&self.cloud, &self.owner.user_id()?).await?;
                self.owned(function)?
            }
            "sign-out" => {
                let session = self.open_session().await?;
                let body = json!({ "refresh_token": session.refresh_token });
                Event::read(function)?.claims(&session).body(&body)
            }
            "refresh-session" => Event::read(function)?.body(&json!({ "refresh_token": self.owner.refresh_token })),
            "answer-challenge" => {
                self.count += 1;
                let person = self.newcomer.settle(&self.cloud, self.count, &self.partner).await?;
                let challenge = self.challenge(&person).await?;
                let body = json!({
                    "challenge": "new_password_required", "session": challenge, "new_password": OTHER_PASSWORD,
                });
                Event::read(function)?.body(&body)
            }
            SIGN_IN_CODE => {
                let person = self.secured.settle(&self.cloud, count, &self.partner).await?;
                let challenge = self.challenge(&person).await?;
                let (secret, used) = &self.app;
                // A code of the next step is accepted too.
                let code = code(secret, present_step()?.max(used + 1))?;
                let body = json!({ "challenge": "second_factor", "session": challenge, "code": code });
                Event::read("answer-challenge")?.body(&body)
            }
            "create-partner" => {
                let admin = json!({ "first_name": "Bo", "last_name": "Day", "email": format!("{count}@example.com") });
                return Ok(Some(json!({ "partner_name": "Third", "primary_admin": admin }).to_string()));
            }
            "recover-primary-admin" => return Ok(Some(json!({ "partner_id": self.second }).to_string())),
            "repair-identities" => return Ok(Some("{}".to_owned())),
            "portal-page" => Event::read(function)?,
            name if NOT_MEASURED.contains(&name) => return Ok(None),
            // It also keeps the session of the primary admin fresh, as some of the others need it.
            "reauthenticate" => self.owned(function)?.body(&json!({ "current_password": PASSWORD })),
            // The request of the event file, for a new user if it names one.
            _ => match self.owned(function)? {
                event if event.names_user() => event.user(&self.new_person().await?.id),
                event if event.has_route() => event,
                _ => return Ok(None),
            },
        };
        Ok(Some(event.address(count).written()))
    }

    /// The session of the challenge that a user's right password gets.
    async fn challenge(&self, person: &Person) -> Outcome<String> {
        let body = json!({ "email": person.email, "password": PASSWORD, "partner_id": self.partner });
        let event = Event::read("sign-in")?.address(self.count).body(&body);
        text(&event.call(&self.hands.sign_in).await?, "/session")
    }

    /// A sign-in by a user with or without a history of passwords.
    pub(crate) async fn sign_in(&mut self, history: History) -> Outcome<String> {
        self.count += 1;
        let email = match history {
            History::None => self.guests[usize::try_from(self.count)? % GUESTS].email.clone(),
            History::Full => self.seasoned.settle(&self.cloud, self.count, &self.partner).await?.email,
        };
        let body = json!({ "email": email, "password": PASSWORD, "partner_id": self.partner });
        Ok(Event::read("sign-in")?.address(self.count).body(&body).written())
    }

    /// A new password for a user with or without a history of passwords.
    pub(crate) async fn set_password(&mut self, history: History) -> Outcome<String> {
        self.count += 1;
        let prototype = match history {
            History::None => &self.settled,
            History::Full => &self.seasoned,
        };
        let person = prototype.settle(&self.cloud, self.count, &self.partner).await?;
        let body = json!({ "password": "quiet-Walnut-ferry-207" });
        Ok(self.owned("set-password")?.user(&person.id).address(self.count).body(&body).written())
    }

    /// A request to reset the password for a new email, and the users with this email.
    pub(crate) async fn reset(&mut self, account: Account) -> Outcome<String> {
        self.count += 1;
        let person = self.settled.copy(self.count, &self.partner)?;
        if account != Account::None {
            self.settled.arrive(&self.cloud, self.count, &self.partner).await?;
        }
        if account == Account::AtTwoPartners {
            self.settled.arrive(&self.cloud, self.count, &self.second).await?;
        }
        if account == Account::Suspended {
            let pk = format!("PARTNER#{}", self.partner);
            let update = json!({
                "TableName": "UsersTable",
                "Key": { "pk": { "S": pk }, "sk": { "S": format!("USER#{}", person.id) } },
                "UpdateExpression": "SET #status = :suspended",
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeNames": { "#status": "status" },
                "ExpressionAttributeValues": { ":suspended": { "S": "suspended" } },
            });
            self.cloud.dynamodb("UpdateItem", &update).await?;
        }
        let body = json!({ "email": person.email });
        Ok(Event::read("request-password-reset")?.address(self.count).body(&body).written())
    }

    async fn open_session(&mut self) -> Outcome<Session> {
        let event = self.sign_in(History::None).await?;
        let answer = self.hands.sign_in.invoke(&event).await?;
        Session::read(&answered(&answer.body)?)
    }

    /// Creates a partner and signs its primary admin in. Returns the partner's id and the session.
    pub(crate) async fn new_owner(&mut self, email: &str) -> Outcome<(String, Session)> {
        let partner = new_partner(&self.hands, email, Some(PASSWORD)).await?;
        self.count += 1;
        let body = json!({ "email": email, "password": PASSWORD, "partner_id": partner });
        let event = Event::read("sign-in")?.address(self.count).body(&body);
        Ok((partner, Session::read(&event.call(&self.hands.sign_in).await?)?))
    }

    /// A user whose items can be copied to any partner.
    pub(crate) fn prototype(&self) -> &Prototype {
        &self.regular
    }

    /// The raw reads: one user's item, and all items that a request about that user reads.
    pub(crate) fn raw_reads(&self) -> Outcome<[(&'static str, String); 2]> {
        let key = |user: &str| json!({ "pk": { "S": format!("PARTNER#{}", self.partner) }, "sk": { "S": format!("USER#{user}") } });
        let owner = self.owner.user_id()?;
        let session = format!("SESSION#{}", text(&self.owner.claims, "/origin_jti")?);
        let session = json!({ "pk": { "S": format!("USER#{owner}") }, "sk": { "S": session } });
        let one = json!({ "TableName": "UsersTable", "ConsistentRead": true, "Key": key(&self.target.id) });
        let all = json!({ "RequestItems": {
            "UsersTable": { "ConsistentRead": true, "Keys": [key(&owner), key(&self.target.id)] },
            "SessionsTable": { "ConsistentRead": true, "Keys": [session] },
        } });
        Ok([("GetItem", one.to_string()), ("BatchGetItem", all.to_string())])
    }
}

async fn new_partner(hands: &Hands, email: &str, password: Option<&str>) -> Outcome<String> {
    let mut admin = json!({ "first_name": "Olive", "last_name": "Owner", "email": email });
    if let Some(password) = password {
        admin["password"] = json!(password);
    }
    let input = json!({ "partner_name": "Acme Agency", "primary_admin": admin });
    let answer = hands.create_partner.invoke(&input.to_string()).await?;
    text(&serde_json::from_slice(&answer.body)?, "/partner_id")
}

/// The number of the present step of authenticator apps.
#[allow(clippy::disallowed_methods, reason = "the app has the time of the functions, which is that of the machine")]
fn present_step() -> Outcome<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / STEP)
}

/// The code of an authenticator app in a step.
fn code(secret: &str, step: u64) -> Outcome<String> {
    let secret = Secret::try_from_base32(secret).map_err(|error| format!("the secret of an app: {error:?}"))?;
    let app = Builder::new().with_secret(secret).build().map_err(|error| format!("an app: {error:?}"))?;
    Ok(app.generate(step * STEP).to_string())
}

/// The body of a successful response.
pub(crate) fn answered(answer: &[u8]) -> Outcome<Value> {
    let answer: Value = serde_json::from_slice(answer)?;
    if !answer["errorType"].is_null() {
        return Err(format!("the function failed: {answer}").into());
    }
    // Functions that are invoked directly return no status code.
    let Some(status) = answer["statusCode"].as_u64() else { return Ok(answer) };
    if !(200..300).contains(&status) {
        return Err(format!("the function returned {answer}").into());
    }
    Ok(answer["body"].as_str().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default())
}

/// An event of the HTTP API, created from a file in tests/events.
pub(crate) struct Event(Value);

impl Event {
    pub(crate) fn read(function: &str) -> Outcome<Self> {
        let path = root().join("tests/events").join(format!("{function}.json"));
        let event = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut event: Value = serde_json::from_str(&event)?;
        // Read unfiltered lists unless `query` is called.
        event["rawQueryString"] = json!("");
        event.as_object_mut().map(|event| event.remove("queryStringParameters"));
        Ok(Self(event))
    }

    /// Adds the claims of a signed-in user, as the gateway passes them.
    pub(crate) fn claims(mut self, session: &Session) -> Self {
        self.0["requestContext"]["authorizer"]["jwt"]["claims"] = session.claims.clone();
        self.0["headers"]["authorization"] = json!(format!("Bearer {}", session.access_token));
        self
    }

    /// Fills in the id of the user.
    pub(crate) fn user(self, id: &str) -> Self {
        self.with("user_id", id)
    }

    fn names_user(&self) -> bool {
        self.0.to_string().contains("{{user_id}}")
    }

    fn has_route(&self) -> bool {
        self.0["routeKey"].is_string()
    }

    /// Fills in a placeholder.
    fn with(self, placeholder: &str, value: &str) -> Self {
        let written = self.0.to_string().replace(&format!("{{{{{placeholder}}}}}"), value);
        // Ids need no escaping.
        Self(serde_json::from_str(&written).unwrap_or_default())
    }

    pub(crate) fn body(mut self, body: &Value) -> Self {
        self.0["body"] = json!(body.to_string());
        self
    }

    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        self.0["queryStringParameters"][name] = json!(value);
        let raw = self.0["rawQueryString"].as_str().unwrap_or_default();
        self.0["rawQueryString"] = json!(format!("{raw}&{name}={value}").trim_start_matches('&'));
        self
    }

    /// Sets a source address for this number, because attempts are counted by address.
    pub(crate) fn address(mut self, number: u64) -> Self {
        let [.., b, c, d] = number.to_be_bytes();
        self.0["requestContext"]["http"]["sourceIp"] = json!(format!("10.{b}.{c}.{d}"));
        self
    }

    pub(crate) fn written(&self) -> String {
        self.0.to_string()
    }

    async fn call(&self, process: &Process) -> Outcome<Value> {
        answered(&process.invoke(&self.written()).await?.body)
    }
}
