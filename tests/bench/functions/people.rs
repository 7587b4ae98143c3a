//! Creates many users: the functions add one, and its items are copied with other ids and names.

use serde_json::{Value, json};

use crate::Outcome;
use crate::cloud::{Cloud, put, text};

/// The names of the added user. They have eight letters, like the names of all copies, so that sizes stay the same.
pub(crate) const FIRST_NAME: &str = "Firstone";
pub(crate) const LAST_NAME: &str = "Lastname";
/// The tables that hold a user.
const TABLES: [&str; 2] = ["UsersTable", "CredentialsTable"];
const AUDIT_TABLE: &str = "AuditTable";
const SESSIONS_TABLE: &str = "SessionsTable";
/// The limit of `BatchWriteItem`.
const BATCH: usize = 25;

/// The items of a user, to be copied.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prototype {
    rows: Vec<(&'static str, String)>,
    partner: String,
    id: String,
    email: String,
    machine_secret: String,
    generation: String,
}

/// A copied user.
#[derive(Debug, Clone, Default)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
    rows: Vec<(&'static str, Value)>,
}

impl Prototype {
    /// Collects all items that name this user. The tables are scanned, so they must still be small.
    pub(crate) async fn of(cloud: &Cloud, partner: &str, id: &str, email: &str) -> Outcome<Self> {
        let mut rows = Vec::new();
        let (mut machine_secret, mut generation) = (String::new(), String::new());
        for table in TABLES {
            let answer = cloud.dynamodb("Scan", &json!({ "TableName": table })).await?;
            for row in answer["Items"].as_array().into_iter().flatten() {
                let written = row.to_string();
                if written.contains(id) {
                    rows.push((table, written));
                    machine_secret = row["machine_secret"]["S"].as_str().map_or(machine_secret, str::to_owned);
                    generation = row["session_generation"]["N"].as_str().map_or(generation, str::to_owned);
                }
            }
        }
        if rows.len() < 3 {
            return Err(format!("expected at least three items for a user, found {}", rows.len()).into());
        }
        Ok(Self {
            rows,
            partner: partner.to_owned(),
            id: id.to_owned(),
            email: email.to_owned(),
            machine_secret,
            generation,
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Creates the copy with this number, at the same partner or another.
    pub(crate) fn copy(&self, number: u64, partner: &str) -> Outcome<Person> {
        let (first, last) = (letters(number * 7919), letters(number));
        // Keep the timestamp and change the random part: the id is still a UUID of version 7.
        let id = format!("{}{number:012x}", &self.id[..self.id.len() - 12]);
        let email = format!("{}-{number:012}@example.com", first.to_lowercase());
        let mut rows = Vec::new();
        for (table, row) in &self.rows {
            let row = row
                .replace(&self.id, &id)
                .replace(&self.email, &email)
                .replace(&self.partner, partner)
                .replace(FIRST_NAME, &first)
                .replace(&FIRST_NAME.to_lowercase(), &first.to_lowercase())
                .replace(LAST_NAME, &last)
                .replace(&LAST_NAME.to_lowercase(), &last.to_lowercase());
            rows.push((*table, serde_json::from_str(&row)?));
        }
        Ok(Person { id, email, rows })
    }

    /// Writes a copy to the tables, as before the first sign-in of a generation: the user pool does not have it yet.
    pub(crate) async fn arrive(&self, cloud: &Cloud, number: u64, partner: &str) -> Outcome<Person> {
        let person = self.copy(number, partner)?;
        for (table, row) in &person.rows {
            cloud.dynamodb("PutItem", &put(table, row)).await?;
        }
        Ok(person)
    }

    /// Writes a copy to the tables and, as after a first sign-in, to the user pool.
    pub(crate) async fn settle(&self, cloud: &Cloud, number: u64, partner: &str) -> Outcome<Person> {
        let person = self.arrive(cloud, number, partner).await?;
        let name = format!("{partner}.{}.{}", person.id, self.generation);
        let user = json!({ "UserPoolId": cloud.user_pool_id, "Username": name });
        let with = |more: Value| {
            let mut input = user.clone();
            for (key, value) in more.as_object().into_iter().flatten() {
                input[key] = value.clone();
            }
            input
        };
        cloud.cognito("AdminCreateUser", &with(json!({ "MessageAction": "SUPPRESS" }))).await?;
        let password = json!({ "Password": self.machine_secret, "Permanent": true });
        cloud.cognito("AdminSetUserPassword", &with(password)).await?;
        Ok(person)
    }

    /// Writes copies of the items that lists read until the partner has this many users, and sets its user count. The
    /// copies have numbers from `first` on.
    pub(crate) async fn fill(&self, cloud: &Cloud, partner: &str, first: u64, users: u64) -> Outcome<()> {
        let missing = users.saturating_sub(count(cloud, partner).await?);
        self.populate(cloud, partner, first..first + missing).await?;
        let there = count(cloud, partner).await?;
        if there != users {
            return Err(format!("the partner has {there} users, not {users}").into());
        }
        set_user_count(cloud, partner, users).await
    }

    /// Writes many copies of the items that lists read: those in the partner's partition.
    pub(crate) async fn populate(&self, cloud: &Cloud, partner: &str, numbers: std::ops::Range<u64>) -> Outcome<()> {
        let mut requests = Vec::new();
        for number in numbers {
            let rows = self.copy(number, partner)?.rows;
            let partition = format!("PARTNER#{partner}");
            let listed = rows.into_iter().filter(|(table, row)| *table == TABLES[0] && row["pk"]["S"] == partition);
            requests.extend(listed.map(|(_, row)| json!({ "PutRequest": { "Item": row } })));
            if requests.len() + self.rows.len() > BATCH {
                write(cloud, TABLES[0], &mut requests).await?;
            }
        }
        write(cloud, TABLES[0], &mut requests).await
    }
}

/// Gives the partner this many events: copies of its newest one, which concerns a user.
pub(crate) async fn happen(cloud: &Cloud, partner: &str, events: u64) -> Outcome<()> {
    let newest = json!({
        "TableName": AUDIT_TABLE,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": { ":pk": { "S": format!("PARTNER#{partner}") } },
        "ScanIndexForward": false,
    });
    let there = cloud.dynamodb("Query", &newest).await?["Items"].take();
    let (newest, there) = (there[0].to_string(), there.as_array().map_or(0, Vec::len) as u64);
    let id = text(&serde_json::from_str(&newest)?, "/sk/S")?;
    let mut requests = Vec::new();
    for number in there..events {
        let copy = newest.replace(&id, &format!("{}{number:012x}", &id[..id.len() - 12]));
        requests.push(json!({ "PutRequest": { "Item": serde_json::from_str::<Value>(&copy)? } }));
        if requests.len() == BATCH {
            write(cloud, AUDIT_TABLE, &mut requests).await?;
        }
    }
    write(cloud, AUDIT_TABLE, &mut requests).await
}

async fn write(cloud: &Cloud, table: &str, requests: &mut Vec<Value>) -> Outcome<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let answer = cloud.dynamodb("BatchWriteItem", &json!({ "RequestItems": { table: *requests } })).await?;
    requests.clear();
    if answer["UnprocessedItems"].as_object().is_some_and(|left| !left.is_empty()) {
        return Err("DynamoDB left items unprocessed".into());
    }
    Ok(())
}

/// Forgets the reads of all users by this user. A measurement makes more of them than the limit for a person.
pub(crate) async fn forget_reads(cloud: &Cloud, user: &str) -> Outcome<()> {
    use base64::Engine as _;
    use sha2::Digest as _;
    for kind in ["EXPENSIVE_READS", "READS_OF_EVERYBODY"] {
        let hash = base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(user.as_bytes()));
        let key = json!({ "pk": { "S": format!("ATTEMPTS#{kind}#{hash}") }, "sk": { "S": "ATTEMPTS" } });
        cloud.dynamodb("DeleteItem", &json!({ "TableName": SESSIONS_TABLE, "Key": key })).await?;
    }
    Ok(())
}

/// The number of users in the partner's partition.
pub(crate) async fn count(cloud: &Cloud, partner: &str) -> Outcome<u64> {
    let (mut count, mut start) = (0, Value::Null);
    loop {
        let mut query = json!({
            "TableName": TABLES[0],
            "Select": "COUNT",
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": { ":pk": { "S": format!("PARTNER#{partner}") }, ":prefix": { "S": "USER#" } },
        });
        if !start.is_null() {
            query["ExclusiveStartKey"] = start;
        }
        let mut answer = cloud.dynamodb("Query", &query).await?;
        count += answer["Count"].as_u64().ok_or("no count")?;
        start = answer["LastEvaluatedKey"].take();
        if start.is_null() {
            return Ok(count);
        }
    }
}

/// Sets the partner's user count, after users were written without the functions.
async fn set_user_count(cloud: &Cloud, partner: &str, count: u64) -> Outcome<()> {
    let update = json!({
        "TableName": TABLES[0],
        "Key": { "pk": { "S": format!("PARTNER#{partner}") }, "sk": { "S": "PARTNER" } },
        "UpdateExpression": "SET user_count = :count",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeValues": { ":count": { "N": count.to_string() } },
    });
    cloud.dynamodb("UpdateItem", &update).await?;
    Ok(())
}

/// A name of eight letters, different for each number.
pub(crate) fn letters(number: u64) -> String {
    let mut rest = number;
    let mut letters: Vec<u8> = Vec::new();
    for _ in 0..8 {
        letters.push(b'a' + u8::try_from(rest % 26).unwrap_or_default());
        rest /= 26;
    }
    letters.reverse();
    letters[0].make_ascii_uppercase();
    String::from_utf8_lossy(&letters).into_owned()
}

/// The claims of a token as the gateway passes them: every value is a string.
pub(crate) fn claims(token: &str) -> Outcome<Value> {
    use base64::Engine as _;
    let payload = token.split('.').nth(1).ok_or("not a token")?;
    let claims: Value = serde_json::from_slice(&base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(payload)?)?;
    let texts = claims.as_object().into_iter().flatten().map(|(name, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), Value::String(text))
    });
    Ok(Value::Object(texts.collect()))
}

/// The session from the response of a sign-in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) claims: Value,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

impl Session {
    pub(crate) fn read(answer: &Value) -> Outcome<Self> {
        let access_token = text(answer, "/access_token")?;
        Ok(Self { claims: claims(&access_token)?, refresh_token: text(answer, "/refresh_token")?, access_token })
    }

    /// The id of the session's user.
    pub(crate) fn user_id(&self) -> Outcome<String> {
        // `<partner>.<user>.<generation>`
        let username = text(&self.claims, "/username")?;
        Ok(username.split('.').nth(1).ok_or("the username has an unexpected form")?.to_owned())
    }
}
