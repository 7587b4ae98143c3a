//! `GET /v1/access-review`: the users with their access and its use, page by page.
//! The users to review first are at the top.

use futures_util::future::try_join;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Format, Request, Stopped, serve_with};
use portal::models::{PartnerId, PublicUser, Reviewer, Timestamp, User};
use portal::policy::Action;
use portal::review::{Access, Facts, Reason, Review, Share, Summary, reduced};
use portal::store::{Counter, Place, ReviewCursor, ReviewEntry, ReviewOrder, ReviewPage, Store};
use serde::Serialize;

const PARAMETERS: [&str; 4] = ["limit", "cursor", "inactive_days", "summary_only"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().parameters(&PARAMETERS), review_access).await
}

/// The columns of a CSV response.
const COLUMNS: [&str; 22] = [
    "user.id",
    "user.first_name",
    "user.last_name",
    "user.email",
    "user.role",
    "user.permissions",
    "user.status",
    "user.must_change_password",
    "user.last_sign_in_at",
    "user.created_at",
    "password_changed_at",
    "open_sessions",
    "reviewed_at",
    "reviewed_by.id",
    "reviewed_by.name",
    "reasons",
    "reduced.role",
    "reduced.permissions",
    "user.last_active_at",
    "user.pending.kind",
    "user.pending.expires_at",
    "user.second_factor",
];

/// The maximum number of users whose sessions are read concurrently.
const AT_ONCE: usize = 16;

#[derive(Serialize)]
struct List<'a> {
    inactive_days: u32,
    items: Vec<Item<'a>>,
    next_cursor: Option<String>,
    total: u64,
    summary: Summary,
}

#[derive(Serialize)]
struct Item<'a> {
    user: PublicUser<'a>,
    password_changed_at: Option<Timestamp>,
    open_sessions: usize,
    reviewed_at: Option<Timestamp>,
    reviewed_by: Option<&'a Reviewer>,
    reasons: &'a [Reason],
    /// The access that the decision `reduce` would leave.
    reduced: Option<Access>,
}

/// A user, and the reasons to review its access.
struct Entry {
    user: User,
    reasons: Vec<Reason>,
}

/// A page of a review, and its order, which the next page needs.
struct Page {
    order: ReviewOrder,
    page: ReviewPage,
}

async fn review_access(app: &App, request: Request) -> Result<Answer, Failure> {
    let store = app.store();
    let input = parse(&request);
    let is_counted = input.as_ref().is_ok_and(|input| input.reads_many(request.format()));
    let mut read = Call::begin(app, &request)?;
    let counter = is_counted.then(|| read.counter(|claims| Counter::reads_of_everybody(claims.user())));
    let call = read.send().await?;
    let (caller, now) = (&call.caller.user, call.now);
    request.no_body()?;
    let input = input?;
    call.authorize(&Action::ReviewAccess).await?;

    let list = format!("{} access review {}", caller.partner_id, input.inactive_days);
    let review = Review { now, inactive_days: input.inactive_days, requirement: call.caller.requirement };
    let page = async {
        match &input.cursor {
            None if input.is_summary_only => summary(store, &caller.partner_id, review).await,
            None => first_page(store, &caller.partner_id, review, input.limit).await,
            Some(cursor) => later_page(store, &caller.partner_id, &list, cursor, input.limit, now).await,
        }
    };
    let Page { order, page } = match &counter {
        Some(counter) => call.counted(counter, Box::pin(page)).await?,
        None => page.await?,
    };
    let next_cursor = page.next.map(|place| order.cursor(&place, &list));
    let with_reasons = |user: User| Entry { reasons: review.reasons(&Facts::of(&user)), user };
    let entries: Vec<Entry> = page.users.into_iter().map(with_reasons).collect();

    let open_sessions = open_sessions(store, &entries, now).await?;
    let items: Vec<Item<'_>> = entries.iter().zip(open_sessions).map(|(entry, open)| item(entry, open)).collect();
    match request.format() {
        Format::Json => {
            let summary = order.summary();
            let total = summary.users;
            Answer::json(200, &List { inactive_days: input.inactive_days, items, next_cursor, total, summary })
        }
        Format::Csv => Answer::csv("access-review.csv", &COLUMNS, &items, &request, next_cursor.as_deref()),
    }
}

/// Reads all users, and returns a page without users. Its order is neither computed nor stored.
async fn summary(store: &Store, partner: &PartnerId, review: Review) -> Result<Page, Failure> {
    let mut summary = Summary::default();
    for share in store.review_entries(partner, |entry| Share::of(&entry.facts, &review)).await? {
        summary.count(share);
    }
    let order = ReviewOrder::new(partner, [], summary, review.now)?;
    Ok(Page { order, page: ReviewPage { users: Vec::new(), next: None } })
}

/// Reads all users, and computes the order and the summary of the review. If there are more users than the page holds,
/// the order is stored for the other pages.
async fn first_page(store: &Store, partner: &PartnerId, review: Review, limit: usize) -> Result<Page, Failure> {
    let mut summary = Summary::default();
    let kept =
        |entry: ReviewEntry| (entry.name_key.into_boxed_str(), entry.id.to_bytes(), Share::of(&entry.facts, &review));
    let mut by_name = store.review_entries(partner, kept).await?;
    by_name.sort_unstable_by(|(key, id, _), (other_key, other_id, _)| (key, id).cmp(&(other_key, other_id)));
    let mut ranked = Vec::with_capacity(by_name.len());
    for (place, (_, id, share)) in by_name.into_iter().enumerate() {
        summary.count(share);
        ranked.push((share.rank, place, id));
    }
    ranked.sort_unstable_by_key(|(rank, place, _)| (*rank, *place));
    let count = ranked.len();
    let users = ranked.into_iter().map(|(_, place, id)| (place, id));
    let order = ReviewOrder::new(partner, users, summary, review.now)?;
    if count <= limit {
        let users = store.users(partner, &order.ids()?).await?;
        return Ok(Page { order, page: ReviewPage { users, next: None } });
    }
    let kept = store.keep_review_order(&order, review.now);
    let start = Place::InOrder { before: 0, after: None };
    let ((), page) = try_join(kept, store.review_page(&order, &start, limit, review.now)).await?;
    Ok(Page { page: page.ok_or_else(Failure::cursor)?, order })
}

/// Reads the users of a page from the stored order.
async fn later_page(
    store: &Store,
    partner: &PartnerId,
    list: &str,
    cursor: &str,
    limit: usize,
    now: Timestamp,
) -> Result<Page, Failure> {
    let cursor = ReviewCursor::read(list, cursor).ok_or_else(Failure::cursor)?;
    let order = store.review_order(partner, &cursor, now).await?.ok_or_else(expired)?;
    let page = store.review_page(&order, cursor.place(), limit, now).await?.ok_or_else(expired)?;
    Ok(Page { order, page })
}

fn expired() -> Failure {
    Failure::query("cursor", "The order of this review is no longer stored; start again without a cursor.")
}

fn item(entry: &Entry, open_sessions: usize) -> Item<'_> {
    let Entry { user, reasons } = entry;
    let review = user.review();
    Item {
        user: user.into(),
        password_changed_at: user.password_changed_at,
        open_sessions,
        reviewed_at: review.map(|(at, _)| at),
        reviewed_by: review.and_then(|(_, by)| by),
        reasons,
        reduced: reduced(user),
    }
}

/// Returns the number of open sessions for each of these users, in the same order.
async fn open_sessions(store: &Store, entries: &[Entry], now: Timestamp) -> Result<Vec<usize>, Failure> {
    let counts: Vec<_> = entries.iter().map(|entry| count_sessions(store, &entry.user, now)).collect();
    stream::iter(counts).buffered(AT_ONCE).try_collect().await
}

async fn count_sessions(store: &Store, user: &User, now: Timestamp) -> Result<usize, Failure> {
    if !user.may_have_sessions() {
        return Ok(0);
    }
    let sessions = store.sessions_of_eventually(&user.id).await?;
    Ok(sessions.iter().filter(|(_, session)| session.is_live(user, now)).count())
}

/// The maximum number of users on a page after the first that is not counted. It costs no more than a few pages of the
/// list of users.
const UNCOUNTED: usize = 25;

struct Input {
    limit: usize,
    cursor: Option<String>,
    inactive_days: u32,
    is_summary_only: bool,
}

impl Input {
    /// Returns whether the page reads many users: all of them, or a large page.
    fn reads_many(&self, format: Format) -> bool {
        match format {
            Format::Json => self.cursor.is_none() || self.limit > UNCOUNTED,
            Format::Csv => true,
        }
    }
}

fn parse(request: &Request) -> Result<Input, Failure> {
    const DAYS: &str = "The number of days must be a whole number from 1 to 3650.";
    let mut query = request.query();
    let limit = query.limit(request.format());
    let cursor = query.take("cursor", "", |text| Some(text.to_owned()));
    let inactive_days = query.number("inactive_days", DAYS, 1..=3_650);
    let summary_only = query.take("summary_only", "The value must be true or false.", |text| text.parse().ok());
    query.finish()?;
    let is_summary_only = summary_only.unwrap_or(false);
    if is_summary_only && (cursor.is_some() || request.format() == Format::Csv) {
        return Err(Failure::query("summary_only", "The summary has no pages, and is not available as CSV."));
    }
    Ok(Input { limit, cursor, inactive_days: inactive_days.unwrap_or(90), is_summary_only })
}
