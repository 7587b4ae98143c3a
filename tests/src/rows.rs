//! Direct access to the tables and the user pool: reads what no client can see, and writes states that otherwise need time
//! to pass. Everything that the tests know about keys and attributes is here.

use std::collections::HashMap;

use aws_credential_types::Credentials;
use aws_sdk_cognitoidentityprovider::types::{AuthFlowType, AuthenticationResultType, UserType};
use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::types::{AttributeValue, Get, PutRequest, TransactGetItem, WriteRequest};
use aws_smithy_http_client::Builder;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portal_core::mail::{Binding, LinkKind, LinkToken, SECRET_BYTES};
use portal_core::models::{Email, PartnerId, PersonName, Profile, Role, Timestamp, User as StoredUser, UserId};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::authenticator::now;
use crate::faults::Seen;
use crate::stack::variable;
use crate::{Ready, User, secrets};

/// An item.
pub type Row = HashMap<String, AttributeValue>;

/// Items with the logical ids of their tables, to make copies of them.
pub type Items = Vec<(&'static str, Row)>;

/// The tables and the user pool of a stack. Make one for each test, because its connections belong to the test's runtime.
#[derive(Debug)]
pub struct Rows {
    dynamodb: aws_sdk_dynamodb::Client,
    cognito: aws_sdk_cognitoidentityprovider::Client,
    ready: Ready,
}

impl Rows {
    /// Connects to the tables and the user pool of this stack.
    pub fn of(ready: &Ready) -> Self {
        // The embedded servers accept any credentials.
        let key = |name: &str| variable(name).unwrap_or_else(|| "tests".to_owned());
        let (id, secret) = (key("AWS_ACCESS_KEY_ID"), key("AWS_SECRET_ACCESS_KEY"));
        let credentials = Credentials::new(id, secret, variable("AWS_SESSION_TOKEN"), None, "tests");
        let region = Region::new(variable("AWS_REGION").unwrap_or_else(|| "us-east-1".to_owned()));
        let dynamodb = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region.clone())
            .credentials_provider(credentials.clone())
            .endpoint_url(&ready.dynamodb_url)
            .http_client(Builder::new().build_http())
            .build();
        let cognito = aws_sdk_cognitoidentityprovider::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region)
            .credentials_provider(credentials)
            .endpoint_url(&ready.cognito_url)
            .http_client(Builder::new().build_http())
            .build();
        Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
            cognito: aws_sdk_cognitoidentityprovider::Client::from_conf(cognito),
            ready: ready.clone(),
        }
    }

    /// The name of the table with this logical id, such as `UsersTable`.
    fn table(&self, logical_id: &str) -> &str {
        let found = self.ready.tables.iter().find(|name| name.contains(logical_id));
        found.unwrap_or_else(|| panic!("no {logical_id} in {:?}", self.ready.tables))
    }

    /// Every item with this partition key, in order of the sort key.
    pub async fn all(&self, table: &str, pk: &str) -> Vec<Row> {
        let query = self
            .dynamodb
            .query()
            .table_name(self.table(table))
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        query.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap()
    }

    /// Every item of a table.
    pub async fn whole(&self, table: &str) -> Vec<Row> {
        let scan = self.dynamodb.scan().table_name(self.table(table)).consistent_read(true);
        scan.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await.unwrap()
    }

    /// The mail about this user that is not sent yet.
    pub async fn outbox(&self, user: &User) -> Vec<Row> {
        let mut rows = self.whole("OutboxTable").await;
        rows.retain(|row| row.get("user_id") == Some(&AttributeValue::S(user.id.clone())));
        rows
    }

    /// Puts a request to reset the password for an email into the outbox, and returns its key.
    pub async fn put_reset_request(&self, email: &str) -> String {
        let pk = format!("0#{}", new_id_like("mail_01a2033bf69370018101010101010101"));
        let text = |value: &str| AttributeValue::S(value.to_owned());
        let number = |value: i64| AttributeValue::N(value.to_string());
        let row = [
            ("pk", text(&pk)),
            ("kind", text("password_reset")),
            ("email", text(email)),
            ("language", text("en")),
            ("created_at", text("2026-11-22T12:29:51.123Z")),
            ("attempts", number(0)),
            ("due_at", number(0)),
            ("expires_at", number(4_000_000_000)),
        ];
        let row = row.map(|(name, value)| (name.to_owned(), value)).into();
        self.put_many("OutboxTable", [row].into_iter()).await;
        pk
    }

    /// The keys of the mail in the outbox.
    pub async fn outbox_keys(&self) -> Vec<String> {
        self.whole("OutboxTable").await.iter().map(|row| row["pk"].as_s().unwrap().clone()).collect()
    }

    /// The partner's audit trail.
    pub async fn audit(&self, partner_id: &str) -> Vec<Row> {
        self.all("AuditTable", &format!("PARTNER#{partner_id}")).await
    }

    /// Puts this many events of one action into the partner's audit trail. Their times are in 2020, one second apart. All
    /// other attributes are copied from the partner's latest event.
    pub async fn put_events(&self, partner_id: &str, action: &str, count: usize) {
        const BEGINNING: usize = 1_577_836_800_000;
        let like = self.audit(partner_id).await.pop().unwrap();
        let event = |number: usize| {
            let (hours, minutes, seconds) = (number / 3_600, number / 60 % 60, number % 60);
            let at = format!("2020-01-{:02}T{:02}:{minutes:02}:{seconds:02}.000Z", 1 + hours / 24, hours % 24);
            let id = format!("evt_{:012x}70008{number:015x}", BEGINNING + 1_000 * number);
            let mut row = like.clone();
            for (name, value) in [("sk", id.as_str()), ("id", &id), ("at", &at), ("action", action)] {
                row.insert(name.to_owned(), AttributeValue::S(value.to_owned()));
            }
            row
        };
        self.put_many("AuditTable", (0..count).map(event)).await;
    }

    /// Replaces the actor of the partner's latest event.
    pub async fn set_actor(&self, partner_id: &str, actor: &[(&str, &str)]) {
        let mut row = self.audit(partner_id).await.pop().unwrap();
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), AttributeValue::S((*value).to_owned()));
        row.insert("actor".to_owned(), AttributeValue::M(actor.iter().map(text).collect()));
        self.dynamodb.put_item().table_name(self.table("AuditTable")).set_item(Some(row)).send().await.unwrap();
    }

    /// The partner's own item.
    pub async fn partner(&self, partner_id: &str) -> Row {
        let mut rows = self.all("UsersTable", &format!("PARTNER#{partner_id}")).await;
        rows.retain(|row| row["sk"] == AttributeValue::S("PARTNER".to_owned()));
        rows.remove(0)
    }

    /// The number of users in the partner's own item.
    pub async fn user_count(&self, partner_id: &str) -> u64 {
        self.partner(partner_id).await["user_count"].as_n().unwrap().parse().unwrap()
    }

    /// Sets which users of the partner need a second factor.
    pub async fn set_requirement(&self, partner_id: &str, requirement: &str) {
        let mut row = self.partner(partner_id).await;
        row.insert("second_factor".to_owned(), AttributeValue::S(requirement.to_owned()));
        self.put_user(row).await;
    }

    /// Sets the number of users in the partner's own item.
    pub async fn set_user_count(&self, partner_id: &str, count: u64) {
        let row = self.partner(partner_id).await;
        self.set("UsersTable", row, "user_count", AttributeValue::N(count.to_string())).await;
    }

    /// Sets the time at which a user was removed.
    pub async fn set_removed_at(&self, user: &User, at: &str) {
        let mut rows = self.all("UsersTable", &format!("PARTNER#{}", user.partner_id)).await;
        rows.retain(|row| row["sk"] == AttributeValue::S(format!("REMOVED#{}", user.id)));
        self.set_text("UsersTable", rows.remove(0), "removed_at", at).await;
    }

    /// The items that prevent a second event for the same refusal of this user. They are in the table of the audit trail.
    pub async fn refusals(&self, user: &User) -> Vec<Row> {
        self.all("AuditTable", &format!("REFUSED#{}#{}", user.partner_id, user.id)).await
    }

    /// The number of items that DynamoDB reads for a query, or the number of keys in a batch. An update counts as one item.
    pub async fn examined(&self, call: &Seen) -> u64 {
        // The embedded server checks only the form of a signature.
        const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/dynamodb/aws4_request, \
                                 SignedHeaders=host;x-amz-date, Signature=none";
        if call.operation == "UpdateItem" {
            return 1;
        }
        if call.operation != "Query" {
            let tables = call.body["RequestItems"].as_object().unwrap();
            return tables.values().map(|request| request["Keys"].as_array().unwrap().len() as u64).sum();
        }
        // Sends the same call again.
        let request = reqwest::Client::new().post(&self.ready.dynamodb_url).body(call.body.to_string());
        let request = request
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "DynamoDB_20120810.Query")
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", SIGNATURE);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["ScannedCount"].as_u64().unwrap_or_else(|| panic!("{answer}"))
    }

    /// The marks of the user's ended generations that repair has not removed.
    pub async fn marks(&self, user: &User) -> Vec<Row> {
        let mut rows = self.all("UsersTable", &format!("PARTNER#{}", user.partner_id)).await;
        let prefix = format!("ENDED#{}#", user.id);
        rows.retain(|row| row["sk"].as_s().unwrap().starts_with(&prefix));
        rows
    }

    /// The items with the user's secrets.
    pub async fn credentials(&self, user: &User) -> Vec<Row> {
        self.all("CredentialsTable", &format!("USER#{}", user.id)).await
    }

    /// The items of the user's sessions and challenges, without those of known sources and of submitted codes, which have the
    /// same partition key.
    pub async fn sessions(&self, user: &User) -> Vec<Row> {
        let mut rows = self.all("SessionsTable", &format!("USER#{}", user.id)).await;
        rows.retain(|row| !["SOURCES", "CODES"].contains(&row["sk"].as_s().unwrap().as_str()));
        rows
    }

    /// Makes every session of a user as old as if the user had signed in years ago, so that none is fresh.
    pub async fn age_sessions(&self, user: &User) {
        for row in self.sessions(user).await {
            for attribute in ["created_at", "reauthenticated_at"] {
                if row["sk"].as_s().unwrap().starts_with("SESSION#") && row.contains_key(attribute) {
                    self.set_text("SessionsTable", row.clone(), attribute, "2020-01-01T00:00:00.000Z").await;
                }
            }
        }
    }

    /// Forgets the last step of the user's authenticator app, so that its present code is accepted again.
    pub async fn forget_last_step(&self, user: &User) {
        let mut row = self.credentials(user).await.remove(0);
        let AttributeValue::M(factors) = row.get_mut("factors").unwrap() else { panic!("no factors") };
        let AttributeValue::M(app) = factors.get_mut("app").unwrap() else { panic!("no app") };
        app.insert("last_step".to_owned(), AttributeValue::N("0".to_owned()));
        let put = self.dynamodb.put_item().table_name(self.table("CredentialsTable"));
        put.set_item(Some(row)).send().await.unwrap();
    }

    /// Gives the open challenges for passkeys a day: those of the user and, if `session` is not empty, that of this sign-in
    /// without a password.
    pub async fn extend_passkey_challenges(&self, user: &User, session: &str) {
        let until = AttributeValue::N((now() + 24 * 60 * 60).to_string());
        let mut rows = self.sessions(user).await;
        if !session.is_empty() {
            let hash = URL_SAFE_NO_PAD.encode(Sha256::digest(session.as_bytes()));
            rows.extend(self.all("SessionsTable", &format!("PASSKEY#{hash}")).await);
        }
        for mut row in rows {
            let key = row["sk"].as_s().unwrap().clone();
            if let Some(AttributeValue::M(passkey)) = row.get_mut("passkey") {
                passkey.insert("until".to_owned(), until.clone());
            } else if key.starts_with("CHALLENGE#") || key == "PASSKEY" {
                row.insert("expires_at".to_owned(), until.clone());
            } else {
                continue;
            }
            let put = self.dynamodb.put_item().table_name(self.table("SessionsTable"));
            put.set_item(Some(row)).send().await.unwrap();
        }
    }

    /// Sets the number of consecutive wrong codes of a user, who must have sent one.
    pub async fn set_wrong_codes_in_a_row(&self, user: &User, count: u32) {
        let mut rows = self.all("SessionsTable", &format!("USER#{}", user.id)).await;
        rows.retain(|row| row["sk"].as_s().is_ok_and(|key| key == "CODES"));
        let mut row = rows.pop().expect("counts of codes");
        row.insert("in_a_row".to_owned(), AttributeValue::N(count.to_string()));
        let put = self.dynamodb.put_item().table_name(self.table("SessionsTable"));
        put.set_item(Some(row)).send().await.unwrap();
    }

    /// Lets every session of a user expire. The items remain, because `DynamoDB` deletes expired items late.
    pub async fn expire_sessions(&self, user: &User) {
        for mut row in self.sessions(user).await {
            row.insert("expires_at".to_owned(), AttributeValue::N("1".to_owned()));
            let put = self.dynamodb.put_item().table_name(self.table("SessionsTable"));
            put.set_item(Some(row)).send().await.unwrap();
        }
    }

    /// Puts one more link for the user's current state, as `send-mail` does, and returns its token. The link expires in 2100.
    pub async fn put_link(&self, user: &User, kind: LinkKind) -> String {
        self.put_link_until(user, kind, "2100-01-01T00:00:00.000Z").await
    }

    /// Puts a link that has expired.
    pub async fn put_expired_link(&self, user: &User, kind: LinkKind) -> String {
        self.put_link_until(user, kind, "2020-01-01T00:00:00.000Z").await
    }

    async fn put_link_until(&self, user: &User, kind: LinkKind, until: &str) -> String {
        let row = self.user(user).await;
        let stored = stored_user(&row);
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).unwrap();
        let token = LinkToken::new(kind, &stored.partner_id, &stored.id, secret);
        let binding = binding(kind, &row).expect("the user needs a link");
        let number = |value: i64| AttributeValue::N(value.to_string());
        let expires_at = Timestamp::parse(until).unwrap().unix_seconds();

        let sk = format!("LINKS#{kind}");
        let mut rows = self.all("SessionsTable", &format!("USER#{}", user.id)).await;
        rows.retain(|row| row["sk"].as_s().unwrap() == &sk);
        let before = rows.pop();
        let same = before.as_ref().filter(|row| row["binding"] == binding);
        let mut live = same.map(|row| row["live"].as_m().unwrap().clone()).unwrap_or_default();
        live.insert(token.hash(), number(expires_at));
        let revision = before.map_or(0, |row| row["revision"].as_n().unwrap().parse().unwrap());
        let row = Row::from(
            [
                ("pk", AttributeValue::S(format!("USER#{}", user.id))),
                ("sk", AttributeValue::S(sk)),
                ("binding", binding),
                ("revision", number(revision + 1)),
                ("live", AttributeValue::M(live)),
                ("expires_at", number(expires_at)),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        self.dynamodb.put_item().table_name(self.table("SessionsTable")).set_item(Some(row)).send().await.unwrap();
        secrets::remembered(token.expose())
    }

    /// Lets the user's invitation expire.
    pub async fn expire_invitation(&self, user: &User) {
        let mut row = self.user(user).await;
        assert!(row.contains_key("invited_at"), "the user is not invited");
        set_row_time(&mut row, "invited_at", Timestamp::parse("2020-01-01T00:00:00.000Z").unwrap());
        self.put_user(row).await;
    }

    /// The counters of this kind in the whole stack, such as `EXPENSIVE_READS`. Their items do not name the user.
    async fn counters(&self, kind: &str) -> Vec<Row> {
        let mut rows = self.whole("SessionsTable").await;
        let prefix = format!("ATTEMPTS#{kind}#");
        rows.retain(|row| row["pk"].as_s().unwrap().starts_with(&prefix));
        assert!(!rows.is_empty(), "there is no counter for {kind}");
        rows
    }

    /// The values of all counters of this kind.
    pub async fn attempts(&self, kind: &str) -> Vec<u32> {
        let counters = self.counters(kind).await;
        counters.iter().map(|row| row["attempts"].as_n().unwrap().parse().unwrap()).collect()
    }

    /// Sets the value of every counter of this kind.
    pub async fn set_attempts(&self, kind: &str, attempts: u32) {
        for row in self.counters(kind).await {
            self.set("SessionsTable", row, "attempts", AttributeValue::N(attempts.to_string())).await;
        }
    }

    /// The user's own item.
    pub async fn user(&self, user: &User) -> Row {
        let mut rows = self.all("UsersTable", &format!("PARTNER#{}", user.partner_id)).await;
        let key = AttributeValue::S(format!("USER#{}", user.id));
        rows.retain(|row| row["sk"] == key);
        rows.remove(0)
    }

    /// The id of the primary admin in the partner's own item, and the ids of those of these users that have the role. Both are
    /// read in one transaction.
    pub async fn primary_admins(&self, users: &[&User]) -> (String, Vec<String>) {
        let key = |sk: String| {
            let pk = AttributeValue::S(format!("PARTNER#{}", users[0].partner_id));
            HashMap::from([("pk".to_owned(), pk), ("sk".to_owned(), AttributeValue::S(sk))])
        };
        let keys = ["PARTNER".to_owned()].into_iter().chain(users.iter().map(|user| format!("USER#{}", user.id)));
        let gets = keys.map(|sk| {
            let get = Get::builder().table_name(self.table("UsersTable")).set_key(Some(key(sk))).build().unwrap();
            TransactGetItem::builder().get(get).build()
        });
        let answer = self.dynamodb.transact_get_items().set_transact_items(Some(gets.collect())).send().await.unwrap();
        let mut rows = answer.responses.unwrap().into_iter().map(|found| found.item.unwrap());
        let named = rows.next().unwrap()["primary_admin_id"].as_s().unwrap().clone();
        let primary = rows.filter(|row| row["role"].as_s().unwrap() == "primary_admin");
        let id = |row: Row| row["sk"].as_s().unwrap().strip_prefix("USER#").unwrap().to_owned();
        (named, primary.map(id).collect())
    }

    /// The items of a user without sessions: the user, the email entry, the credential, and the events about the user.
    pub async fn items_of(&self, user: &User) -> Items {
        let partition = AttributeValue::S(format!("PARTNER#{}", user.partner_id));
        let mut entries = self.all("UsersTable", &format!("EMAIL#{}", user.email)).await;
        entries.retain(|row| row["sk"] == partition);
        let mut events = self.audit(&user.partner_id).await;
        let id = AttributeValue::S(user.id.clone());
        events.retain(|row| row["target"].as_m().is_ok_and(|target| target["id"] == id));
        let mut items = vec![("UsersTable", self.user(user).await)];
        items.extend(entries.into_iter().map(|row| ("UsersTable", row)));
        items.extend(self.credentials(user).await.into_iter().map(|row| ("CredentialsTable", row)));
        items.extend(events.into_iter().map(|row| ("AuditTable", row)));
        items
    }

    /// Puts copies of items in which these texts are replaced. Events get new ids.
    pub async fn put_copies(&self, items: &[(&'static str, Row)], replaced: &[(&str, &str)]) {
        let events = items.iter().filter(|(table, _)| *table == "AuditTable");
        let ids = events.map(|(_, event)| event["id"].as_s().unwrap().as_str());
        let ids: Vec<(&str, String)> = ids.map(|id| (id, new_id_like(id))).collect();
        let replaced: Vec<(&str, &str)> =
            replaced.iter().copied().chain(ids.iter().map(|(id, new)| (*id, new.as_str()))).collect();
        let mut writes: HashMap<String, Vec<WriteRequest>> = HashMap::new();
        for (table, row) in items {
            let row = row.iter().map(|(name, value)| (name.clone(), with_replaced(value, &replaced))).collect();
            let put = PutRequest::builder().set_item(Some(row)).build().unwrap();
            let write = WriteRequest::builder().put_request(put).build();
            writes.entry(self.table(table).to_owned()).or_default().push(write);
        }
        let answer = self.dynamodb.batch_write_item().set_request_items(Some(writes)).send().await.unwrap();
        assert!(answer.unprocessed_items().is_none_or(HashMap::is_empty), "every item is written");
    }

    /// Increments the number of users in the partner's own item.
    pub async fn count_user(&self, partner_id: &str) {
        self.dynamodb
            .update_item()
            .table_name(self.table("UsersTable"))
            .key("pk", AttributeValue::S(format!("PARTNER#{partner_id}")))
            .key("sk", AttributeValue::S("PARTNER".to_owned()))
            .update_expression("ADD user_count :one")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await
            .unwrap();
    }

    /// Puts copies of a user's item under new ids. The copies have no email entry and no password.
    pub async fn put_copies_of_user(&self, user: &User, count: usize) {
        let like = self.user(user).await;
        let copies = (0..count).map(|number| {
            let id = format!("usr_{:012x}70008{number:015x}", 1_577_836_800_000_u64);
            let mut row = like.clone();
            row.insert("sk".to_owned(), AttributeValue::S(format!("USER#{id}")));
            // An item without this time was created at the time of its id.
            let created_at = like.get("created_at").map_or_else(
                || UserId::parse(&user.id).unwrap().at(),
                |millis| Timestamp::from_unix_millis(millis.as_n().unwrap().parse().unwrap()),
            );
            set_row_time(&mut row, "created_at", created_at);
            row
        });
        self.put_many("UsersTable", copies).await;
    }

    /// Puts copies of the user's mark into the same shard, for users who do not exist.
    pub async fn put_copies_of_mark(&self, user: &User, count: usize) {
        let like = self.marks(user).await.remove(0);
        let copies = (0..count).map(|number| {
            let id = format!("usr_{:012x}70008{number:015x}", 1_577_836_800_000_u64);
            let mut row = like.clone();
            for (name, value) in [("sk", format!("ENDED#{id}#1")), ("user_id", id)] {
                row.insert(name.to_owned(), AttributeValue::S(value));
            }
            row
        });
        self.put_many("UsersTable", copies).await;
    }

    /// Puts an item into the Users table that has only a key.
    pub async fn put_bare_key(&self, pk: &str, sk: &str) {
        let key = [("pk", pk), ("sk", sk)].map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        self.put_user(Row::from(key)).await;
    }

    async fn put_many(&self, table: &str, rows: impl Iterator<Item = Row>) {
        let write = |row| {
            let put = PutRequest::builder().set_item(Some(row)).build().unwrap();
            WriteRequest::builder().put_request(put).build()
        };
        let writes: Vec<WriteRequest> = rows.map(write).collect();
        for writes in writes.chunks(25) {
            let write = self.dynamodb.batch_write_item().request_items(self.table(table), writes.to_vec());
            let answer = write.send().await.unwrap();
            assert!(answer.unprocessed_items().is_none_or(HashMap::is_empty), "every item is written");
        }
    }

    /// Writes a user's item as it was at another time, as a restored table has it.
    pub async fn put_user(&self, row: Row) {
        self.dynamodb.put_item().table_name(self.table("UsersTable")).set_item(Some(row)).send().await.unwrap();
    }

    /// Deletes a user's item, as if the user were not added yet.
    pub async fn delete_user(&self, user: &User) {
        let mut key = self.user(user).await;
        key.retain(|name, _| name == "pk" || name == "sk");
        let delete = self.dynamodb.delete_item().table_name(self.table("UsersTable"));
        delete.set_key(Some(key)).send().await.unwrap();
    }

    /// The responses to creates and restores that are stored for retries by this actor, or by operators.
    pub async fn kept_answers(&self, actor: Option<&User>) -> Vec<Row> {
        let of = actor.map_or_else(|| "operator".to_owned(), |actor| format!("{}#{}", actor.partner_id, actor.id));
        self.all("UsersTable", &format!("IDEMPOTENCY#{of}")).await
    }

    /// Lets the stored response with this idempotency key expire.
    pub async fn expire_kept_answer(&self, actor: Option<&User>, key: &str) {
        let mut rows = self.kept_answers(actor).await;
        rows.retain(|row| row["sk"] == AttributeValue::S(format!("KEY#{key}")));
        self.set("UsersTable", rows.remove(0), "expires_at", AttributeValue::N("1577836800".to_owned())).await;
    }

    async fn set_text(&self, table: &str, key: Row, attribute: &str, value: &str) {
        self.set(table, key, attribute, AttributeValue::S(value.to_owned())).await;
    }

    async fn set(&self, table: &str, mut key: Row, attribute: &str, value: AttributeValue) {
        key.retain(|name, _| name == "pk" || name == "sk");
        self.dynamodb
            .update_item()
            .table_name(self.table(table))
            .set_key(Some(key))
            .update_expression("SET #attribute = :value")
            .condition_expression("attribute_exists(pk) AND attribute_exists(#attribute)")
            .expression_attribute_names("#attribute", attribute)
            .expression_attribute_values(":value", value)
            .send()
            .await
            .unwrap();
    }

    /// Sets the time of the user's last sign-in.
    pub async fn set_last_sign_in(&self, user: &User, at: &str) {
        self.set_text("UsersTable", self.user(user).await, "last_sign_in_key", at).await;
    }

    /// Sets a time of the user: `created_at`, `password_changed_at` or `reviewed_at`.
    pub async fn set_time(&self, user: &User, of: &str, at: &str) {
        let mut row = self.user(user).await;
        assert!(of == "created_at" || row.contains_key(of), "the user has no {of}");
        set_row_time(&mut row, of, Timestamp::parse(at).unwrap());
        self.put_user(row).await;
    }

    /// The items with the order of the partner's reviews.
    pub async fn review_orders(&self, partner_id: &str) -> Vec<Row> {
        let mut rows = self.whole("SessionsTable").await;
        let prefix = format!("REVIEW#{partner_id}#");
        rows.retain(|row| row["pk"].as_s().unwrap().starts_with(&prefix));
        rows
    }

    /// Lets the order of the partner's reviews expire. The items remain, because `DynamoDB` deletes expired items late.
    pub async fn expire_review_orders(&self, partner_id: &str) {
        for row in self.review_orders(partner_id).await {
            self.set("SessionsTable", row, "expires_at", AttributeValue::N("1".to_owned())).await;
        }
    }

    /// Sets the digest of the user's password.
    pub async fn set_digest(&self, user: &User, digest: &str) {
        let mut row = self.credentials(user).await.remove(0);
        let Some(AttributeValue::M(digests)) = row.get_mut("digests") else { panic!("the credential has no digests") };
        digests.insert("present".to_owned(), AttributeValue::S(digest.to_owned()));
        let put = self.dynamodb.put_item().table_name(self.table("CredentialsTable"));
        put.set_item(Some(row)).send().await.unwrap();
    }

    /// Lets the user's initial password expire.
    pub async fn expire_initial_password(&self, user: &User) {
        let row = self.credentials(user).await.remove(0);
        self.set_text("CredentialsTable", row, "must_change_by", "2020-01-01T00:00:00.000Z").await;
    }

    /// Makes the user's marks due, as if the time between two attempts of repair had passed.
    pub async fn let_marks_be_due(&self, user: &User) {
        for mark in self.marks(user).await {
            self.set_text("UsersTable", mark, "repair_due", "2020-01-01T00:00:00.000Z").await;
        }
    }

    /// Every text in the user's credentials that is long enough to be a secret: the digests, the salt and the machine secret.
    pub async fn hidden(&self, user: &User) -> Vec<String> {
        let rows = self.credentials(user).await;
        let values = rows.iter().flat_map(|row| row.iter().filter(|(name, _)| *name != "pk" && *name != "sk"));
        let mut texts = Vec::new();
        values.for_each(|(_, value)| collect_texts(value, &mut texts));
        // Times are not secrets.
        texts.retain(|text| text.len() >= 16 && !(text.starts_with("20") && text.ends_with('Z')));
        texts
    }

    async fn machine_secret(&self, user: &User) -> String {
        self.credentials(user).await[0]["machine_secret"].as_s().unwrap().clone()
    }

    /// The names of the user's Cognito users. There is one for each generation.
    pub async fn cognito_users(&self, user: &User) -> Vec<String> {
        let prefix = format!("{}.{}.", user.partner_id, user.id);
        self.cognito_users_with(&prefix).await
    }

    /// The names of all Cognito users.
    pub async fn every_cognito_user(&self) -> Vec<String> {
        self.cognito_users_with("").await
    }

    async fn cognito_users_with(&self, prefix: &str) -> Vec<String> {
        let list = self.cognito.list_users().user_pool_id(&self.ready.user_pool_id);
        let users: Vec<UserType> = list.into_paginator().items().send().collect::<Result<_, _>>().await.unwrap();
        users.iter().filter_map(UserType::username).filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// Deletes every Cognito user of a partner, as if the user pool were lost. Returns their number.
    pub async fn lose_cognito_users(&self, partner_id: &str) -> usize {
        let names = self.cognito_users_with(&format!("{partner_id}.")).await;
        for name in &names {
            let delete = self.cognito.admin_delete_user().user_pool_id(&self.ready.user_pool_id).username(name);
            delete.send().await.unwrap();
        }
        names.len()
    }

    /// Deletes the Cognito user of an access token. Every holder of a token can do this, because it has the self-service scope.
    pub async fn delete_own_cognito_user(&self, access_token: &str) {
        self.cognito.delete_user().access_token(access_token).send().await.unwrap();
    }

    /// An ID token, which Cognito issues to a client that knows the user's machine secret. The portal never returns one.
    pub async fn id_token(&self, user: &User) -> String {
        self.tokens(user).await.id_token.unwrap()
    }

    /// An access token that Cognito issues without a sign-in at the portal.
    pub async fn access_token(&self, user: &User) -> String {
        self.tokens(user).await.access_token.unwrap()
    }

    async fn tokens(&self, user: &User) -> AuthenticationResultType {
        let name = self.cognito_users(user).await.remove(0);
        let answer = self
            .cognito
            .admin_initiate_auth()
            .user_pool_id(&self.ready.user_pool_id)
            .client_id(&self.ready.client_id)
            .auth_flow(AuthFlowType::AdminUserPasswordAuth)
            .auth_parameters("USERNAME", name)
            .auth_parameters("PASSWORD", self.machine_secret(user).await)
            .send()
            .await
            .unwrap();
        answer.authentication_result.unwrap()
    }
}

/// A new id with the same time and other random digits.
pub fn new_id_like(id: &str) -> String {
    const DIGITS: usize = 12;
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let digits = u64::from_be_bytes(random) >> 16;
    format!("{}{digits:0DIGITS$x}", &id[..id.len() - DIGITS])
}

/// The binding of links of this kind to the current state of a stored user. `None` if the user needs no such link.
pub fn binding(kind: LinkKind, row: &Row) -> Option<AttributeValue> {
    Binding::of(kind, &stored_user(row)).map(|binding| attribute(&serde_json::to_value(binding).unwrap()))
}

/// The properties of a stored user to which links are bound.
fn stored_user(row: &Row) -> StoredUser {
    let text = |name: &str| row.get(name).map(|value| value.as_s().unwrap().as_str());
    let number = |name: &str| row.get(name).map(|value| value.as_n().unwrap().parse::<u64>().unwrap());
    let id = |name: &str, prefix: &str| text(name).unwrap().strip_prefix(prefix).unwrap().to_owned();
    let profile = Profile {
        first_name: PersonName::parse("Ann").unwrap(),
        last_name: None,
        email: Email::parse(text("email").unwrap()).unwrap(),
        role: Role::Viewer,
        permissions: Role::Viewer.default_permissions(),
        must_change_password: *row["must_change_password"].as_bool().unwrap(),
    };
    let (partner, user) = (id("pk", "PARTNER#"), id("sk", "USER#"));
    let at = Timestamp::from_unix_millis(0);
    let new = StoredUser::new(UserId::parse(&user).unwrap(), PartnerId::parse(&partner).unwrap(), profile, at, None);
    StoredUser {
        pending_email: text("pending_email").map(|email| Email::parse(email).unwrap()),
        invited_at: row.get("invited_at").map(|_| at),
        invitations: number("invitations").unwrap_or_default(),
        session_generation: number("session_generation").unwrap(),
        password_version: number("password_version").unwrap(),
        ..new
    }
}

/// The stored form of a value.
fn attribute(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Number(value) => AttributeValue::N(value.to_string()),
        Value::String(value) => AttributeValue::S(value.clone()),
        Value::Array(values) => AttributeValue::L(values.iter().map(attribute).collect()),
        Value::Object(values) => {
            AttributeValue::M(values.iter().map(|(name, value)| (name.clone(), attribute(value))).collect())
        }
    }
}

fn with_replaced(value: &AttributeValue, replaced: &[(&str, &str)]) -> AttributeValue {
    match value {
        AttributeValue::S(text) => {
            let new = |text: String, (old, new): &(&str, &str)| text.replace(old, new);
            AttributeValue::S(replaced.iter().fold(text.clone(), new))
        }
        AttributeValue::L(values) => {
            AttributeValue::L(values.iter().map(|value| with_replaced(value, replaced)).collect())
        }
        AttributeValue::M(values) => {
            let values = values.iter().map(|(name, value)| (name.clone(), with_replaced(value, replaced)));
            AttributeValue::M(values.collect())
        }
        other => other.clone(),
    }
}

/// Sets a time of a user, and the same time in the short text that an access review reads: a letter, and the milliseconds
/// in hexadecimal.
fn set_row_time(row: &mut Row, of: &str, at: Timestamp) {
    row.insert(of.to_owned(), AttributeValue::N(at.unix_millis().to_string()));
    let letter = match of {
        "created_at" => "c",
        "password_changed_at" | "invited_at" => "i",
        "reviewed_at" => "r",
        _ => panic!("a review does not consider {of}"),
    };
    let text = row["review"].as_s().unwrap();
    // Only an initial password is considered.
    if of == "password_changed_at" && !text.split(' ').any(|word| word.starts_with('i')) {
        return;
    }
    let millis = at.unix_millis();
    let others = text.split(' ').enumerate().filter(|(index, word)| *index == 0 || !word.starts_with(letter));
    let mut words: Vec<String> = others.map(|(_, word)| word.to_owned()).collect();
    words.push(format!("{letter}{millis:x}"));
    row.insert("review".to_owned(), AttributeValue::S(words.join(" ")));
}

fn collect_texts(value: &AttributeValue, texts: &mut Vec<String>) {
    match value {
        AttributeValue::S(text) => texts.push(text.clone()),
        AttributeValue::L(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        AttributeValue::M(values) => values.values().for_each(|value| collect_texts(value, texts)),
        _ => {}
    }
}
