//! What a list costs as the portal grows: the partner that is listed, and the others.

use portal_bench::statistics::Sample;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Outcome;
use crate::measure::{Calls, milliseconds, summary};
use crate::people::{letters, set_user_count};
use crate::scene::{Event, Scene, answered};
use crate::stand_in::{Process, Program};

const TURN: usize = 10;
/// Each of the partners beside those that are listed.
const USERS_OF_OTHERS: u64 = 1_000;
/// The partner whose first page is full and that the larger ones are held against.
pub(crate) const BASE: u64 = 100;
pub(crate) const PAGE: &str = "first 25 by name";
pub(crate) const SEARCH: &str = "search";
/// A search reads a lot, so fewer of them say enough.
const SEARCHES: usize = 25;

/// One list, again and again.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// [`PAGE`] or [`SEARCH`].
    pub(crate) list: &'static str,
    /// In the partner.
    pub(crate) users: u64,
    /// In other partners.
    pub(crate) others: u64,
    pub(crate) time: Sample,
    pub(crate) calls: Calls,
    /// What it would be to read every whole item of the partner.
    pub(crate) whole_read_units: f64,
}

struct Partner {
    id: String,
    users: u64,
    page: String,
    search: String,
    whole_read_units: f64,
}

/// Measures lists of partners of these sizes, alone and beside many others, a thousand users each.
pub(crate) async fn measure(
    scene: &mut Scene,
    list_users: &Program,
    sizes: &[u64],
    others: u64,
    requests: usize,
) -> Outcome<Vec<Row>> {
    let mut partners = Vec::new();
    for (number, users) in (1..).zip(sizes) {
        let (id, owner) = scene.new_owner(&format!("owner-of-{users}@example.com")).await?;
        let first = number * 1_000_000;
        // The owner is one of them.
        scene.prototype().populate(&scene.cloud, &id, first..first + users - 1).await?;
        set_user_count(&scene.cloud, &id, *users).await?;
        let list = || Ok::<_, Box<dyn std::error::Error>>(Event::read("list-users")?.claims(&owner));
        let somebody = letters(first + users / 2).to_lowercase();
        let search = list()?.query("search", &somebody).written();
        let whole_read_units = whole(scene, &id).await?;
        partners.push(Partner { id, users: *users, page: list()?.written(), search, whole_read_units });
    }
    let mut rows = lists(scene, list_users, &partners, 0, requests).await?;
    let largest = partners.last().ok_or("no size is given")?;
    for other in 0..others {
        let id = format!("{}{other:012x}", &largest.id[..largest.id.len() - 12]);
        let first = 100_000_000 + other * USERS_OF_OTHERS;
        scene.prototype().populate(&scene.cloud, &id, first..first + USERS_OF_OTHERS).await?;
    }
    rows.extend(lists(scene, list_users, &partners, others * USERS_OF_OTHERS, requests).await?);
    Ok(rows)
}

async fn lists(
    scene: &Scene,
    program: &Program,
    partners: &[Partner],
    others: u64,
    requests: usize,
) -> Outcome<Vec<Row>> {
    let mut rows = Vec::new();
    let process = Process::start(program).await?.0;
    for (list, count) in [(PAGE, requests), (SEARCH, SEARCHES.min(requests))] {
        let request = |partner: &Partner| if list == SEARCH { partner.search.clone() } else { partner.page.clone() };
        let mut times = vec![Vec::new(); partners.len()];
        for round in 0..=count.div_ceil(TURN) {
            for (number, partner) in partners.iter().enumerate() {
                for _ in 0..TURN {
                    let answer = process.invoke(&request(partner)).await?;
                    let expected = if list == SEARCH { 1 } else { partner.users.min(25) };
                    let items = answered(&answer.body)?["items"].as_array().map_or(0, Vec::len) as u64;
                    if items != expected {
                        return Err(format!("{list} of {} users has {items} items", partner.users).into());
                    }
                    if round > 0 {
                        times[number].push(milliseconds(answer.after));
                    }
                }
            }
        }
        let recorded = Program { environment: scene.cloud.recorded(program.environment.clone()), ..program.clone() };
        let process = Process::start(&recorded).await?.0;
        for (partner, times) in partners.iter().zip(times) {
            scene.cloud.recorder.take();
            let answer = process.invoke(&request(partner)).await?;
            answered(&answer.body)?;
            let calls = summary(&scene.cloud.recorder.take(), answer.at);
            let (users, whole_read_units) = (partner.users, partner.whole_read_units);
            rows.push(Row { list, users, others, time: Sample::new(times), calls, whole_read_units });
        }
    }
    Ok(rows)
}

/// Read request units of every user's whole item, page by page.
async fn whole(scene: &Scene, partner: &str) -> Outcome<f64> {
    let mut units = 0.0;
    let mut start = Value::Null;
    loop {
        let mut query = json!({
            "TableName": "UsersTable",
            "ConsistentRead": true,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :user)",
            "ExpressionAttributeValues": { ":pk": { "S": format!("PARTNER#{partner}") }, ":user": { "S": "USER#" } },
            "ReturnConsumedCapacity": "TOTAL",
        });
        if !start.is_null() {
            query["ExclusiveStartKey"] = start;
        }
        let answer = scene.cloud.dynamodb("Query", &query).await?;
        units += answer["ConsumedCapacity"]["CapacityUnits"].as_f64().ok_or("no consumed capacity")?;
        start = answer["LastEvaluatedKey"].clone();
        if start.is_null() {
            return Ok(units);
        }
    }
}
