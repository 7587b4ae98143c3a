//! Measures the cost of a list as the portal grows: the listed partner, the other partners, and the history.

use portal_bench::results::{FIRST_REVIEW_PAGE, HISTORY, HISTORY_OF_ONE, LATER_REVIEW_PAGE, PAGE, SEARCH};
use portal_bench::statistics::Sample;
use serde::Serialize;
use serde_json::{Value, json};

use crate::Outcome;
use crate::measure::{Calls, milliseconds, summary};
use crate::people::{self, letters};
use crate::scene::{Event, Scene, answered};
use crate::stand_in::{Process, Program};

const TURN: usize = 10;
/// The number of users of each of the other partners.
const USERS_OF_OTHERS: u64 = 1_000;
/// The size of the partner with which larger ones are compared. Its first page is full.
pub(crate) const BASE: u64 = 100;
/// Searches and reviews read a lot, so fewer of them are measured. A user may read all users 150 times.
const SEARCHES: usize = 25;
/// The number of starts of each list.
const STARTS: usize = 5;

/// The results of one list.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// The name of the list, such as [`PAGE`].
    pub(crate) list: &'static str,
    /// The number of users, or events, of the partner.
    pub(crate) size: u64,
    /// The number of users at other partners.
    pub(crate) others: u64,
    pub(crate) time: Sample,
    /// The start and the first request.
    pub(crate) cold: Sample,
    /// The average processor time of one request.
    pub(crate) processor: f64,
    pub(crate) calls: Calls,
    /// The read units for reading all items of the partner.
    pub(crate) whole_read_units: f64,
}

/// A request that is measured repeatedly.
#[derive(Clone)]
struct Question {
    list: &'static str,
    size: u64,
    others: u64,
    request: String,
    /// The expected number of items in the response.
    items: u64,
    whole_read_units: f64,
}

/// Measures lists of partners of these sizes, first alone and then with many other partners of a thousand users each.
pub(crate) async fn measure(
    scene: &mut Scene,
    (list_users, review_access): (&Program, &Program),
    sizes: &[u64],
    others: u64,
    requests: usize,
) -> Outcome<Vec<Row>> {
    let (mut pages, mut searches) = (Vec::new(), Vec::new());
    let (mut first_reviews, mut later_reviews) = (Vec::new(), Vec::new());
    let mut largest = String::new();
    for (number, users) in (1..).zip(sizes) {
        let (id, owner) = scene.new_owner(&format!("owner-of-{users}@example.com")).await?;
        let first = number * 1_000_000;
        // The owner is one of the users.
        scene.prototype().fill(&scene.cloud, &id, first, *users).await?;
        let list = || Ok::<_, Box<dyn std::error::Error>>(Event::read("list-users")?.claims(&owner));
        let review = Event::read("review-access")?.claims(&owner);
        let name_part = letters(first + users / 2).to_lowercase();
        let whole_read_units = whole(scene, "UsersTable", &id, "USER#").await?;
        let question = |list, request: &Event, items| Question {
            list,
            size: *users,
            others: 0,
            request: request.written(),
            items,
            whole_read_units,
        };
        pages.push(question(PAGE, &list()?, 25.min(*users)));
        searches.push(question(SEARCH, &list()?.query("search", &name_part), 1));
        first_reviews.push(question(FIRST_REVIEW_PAGE, &review, 25.min(*users)));
        if let Some(cursor) = next_cursor(review_access, &review).await? {
            let later = review.query("cursor", &cursor);
            later_reviews.push(question(LATER_REVIEW_PAGE, &later, 25.min(*users - 25)));
        }
        largest = id;
    }
    let mut rows = ask(scene, list_users, &pages, requests).await?;
    rows.extend(ask(scene, list_users, &searches, SEARCHES.min(requests)).await?);
    rows.extend(ask(scene, review_access, &first_reviews, SEARCHES.min(requests)).await?);
    rows.extend(ask(scene, review_access, &later_reviews, requests).await?);
    for other in 0..others {
        let id = format!("{}{other:012x}", &largest[..largest.len() - 12]);
        let first = 100_000_000 + other * USERS_OF_OTHERS;
        scene.prototype().populate(&scene.cloud, &id, first..first + USERS_OF_OTHERS).await?;
    }
    for question in pages.iter_mut().chain(&mut searches) {
        question.others = others * USERS_OF_OTHERS;
    }
    rows.extend(ask(scene, list_users, &pages, requests).await?);
    rows.extend(ask(scene, list_users, &searches, SEARCHES.min(requests)).await?);
    Ok(rows)
}

/// Measures the newest page of histories of these sizes: of all events, and of the events of one user.
pub(crate) async fn history(
    scene: &mut Scene,
    list_audit_events: &Program,
    sizes: &[u64],
    requests: usize,
) -> Outcome<Vec<Row>> {
    let (mut all, mut of_one) = (Vec::new(), Vec::new());
    for size in sizes {
        let (id, owner) = scene.new_owner(&format!("owner-of-{size}-events@example.com")).await?;
        people::happen(&scene.cloud, &id, *size).await?;
        let list = || Ok::<_, Box<dyn std::error::Error>>(Event::read("list-audit-events")?.claims(&owner));
        let whole_read_units = whole(scene, "AuditTable", &id, "evt_").await?;
        let question = |list, request: &Event| Question {
            list,
            size: *size,
            others: 0,
            request: request.written(),
            items: 25,
            whole_read_units,
        };
        all.push(question(HISTORY, &list()?));
        of_one.push(question(HISTORY_OF_ONE, &list()?.query("user_id", &owner.user_id()?)));
    }
    let mut rows = ask(scene, list_audit_events, &all, requests).await?;
    rows.extend(ask(scene, list_audit_events, &of_one, requests).await?);
    Ok(rows)
}

/// The cursor of the next page of a list, if it has one.
async fn next_cursor(program: &Program, list: &Event) -> Outcome<Option<String>> {
    let process = Process::start(program).await?.0;
    let answer = process.invoke(&list.written()).await?;
    Ok(answered(&answer.body)?["next_cursor"].as_str().map(str::to_owned))
}

/// Starts the program some times, each with this request. Returns the times of the start and the first response.
async fn starts(program: &Program, request: &str) -> Outcome<Sample> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let (process, start) = Process::start(program).await?;
        let answer = process.invoke(request).await?;
        answered(&answer.body)?;
        times.push(milliseconds(start + answer.after));
    }
    Ok(Sample::new(times))
}

/// Measures the requests in turns.
async fn ask(scene: &Scene, program: &Program, questions: &[Question], count: usize) -> Outcome<Vec<Row>> {
    let process = Process::start(program).await?.0;
    let mut times = vec![Vec::new(); questions.len()];
    let mut processor = vec![0.0; questions.len()];
    for round in 0..=count.div_ceil(TURN) {
        for ((question, times), processor) in questions.iter().zip(&mut times).zip(&mut processor) {
            for _ in 0..TURN {
                let before = process.processor_time()?;
                let answer = process.invoke(&question.request).await?;
                let items = answered(&answer.body)?["items"].as_array().map_or(0, Vec::len) as u64;
                if items != question.items {
                    return Err(format!("{} of {} has {items} items", question.list, question.size).into());
                }
                if round > 0 {
                    times.push(milliseconds(answer.after));
                    *processor += process.processor_time()? - before;
                }
            }
        }
    }
    let recorded = Program { environment: scene.cloud.recorded(program.environment.clone()), ..program.clone() };
    let process = Process::start(&recorded).await?.0;
    let mut rows = Vec::new();
    for ((question, times), processor) in questions.iter().zip(times).zip(processor) {
        let cold = starts(program, &question.request).await?;
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let processor = processor / times.len() as f64;
        scene.cloud.recorder.take();
        let answer = process.invoke(&question.request).await?;
        answered(&answer.body)?;
        let calls = summary(&scene.cloud.recorder.take(), answer.at);
        let Question { list, size, others, whole_read_units, .. } = *question;
        rows.push(Row { list, size, others, time: Sample::new(times), cold, processor, calls, whole_read_units });
    }
    Ok(rows)
}

/// The read request units for all items of the partner in this table, read page by page.
async fn whole(scene: &Scene, table: &str, partner: &str, prefix: &str) -> Outcome<f64> {
    let mut units = 0.0;
    let mut start = Value::Null;
    loop {
        let mut query = json!({
            "TableName": table,
            "ConsistentRead": true,
            "KeyConditionExpression": "pk = :pk AND begins_with(sk, :prefix)",
            "ExpressionAttributeValues": { ":pk": { "S": format!("PARTNER#{partner}") }, ":prefix": { "S": prefix } },
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
