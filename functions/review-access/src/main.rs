//! `GET /v1/access-review`: the users with their access and its use, page by page.
//! The users to review first are at the top.

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Format, Request, Stopped, serve_with};
use portal::models::{PublicUser, Reviewer, Status, Timestamp, User};
use portal::policy::Action;
use portal::review::{Access, Reason, Review, Summary, reduced};
use portal::store::{Counter, Position, Store};
use serde::Serialize;

const PARAMETERS: [&str; 3] = ["limit", "cursor", "inactive_days"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().parameters(&PARAMETERS), review_access).await
}

/// The columns of a CSV response.
const COLUMNS: [&str; 19] = [
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

/// A user, the reasons to review its access, and its position in the list.
struct Entry {
    position: Position,
    user: User,
    reasons: Vec<Reason>,
}

impl Entry {
    fn order(&self) -> (Option<&str>, &str) {
        order(&self.position)
    }
}

fn order(position: &Position) -> (Option<&str>, &str) {
    (position.key.as_deref(), &position.sk)
}

/// Collects one page of a list: the first entries after a position. Entries are offered in any order, and only a few
/// pages of them are held in memory.
struct Page {
    after: Option<Position>,
    length: usize,
    entries: Vec<Entry>,
}

impl Page {
    fn offer(&mut self, entry: Entry) {
        if self.after.as_ref().is_some_and(|after| entry.order() <= order(after)) {
            return;
        }
        self.entries.push(entry);
        if self.entries.len() > 4 * self.length {
            self.keep_first();
        }
    }

    /// Drops all but the first entries. One more than the page holds is kept, because it shows that the list continues.
    fn keep_first(&mut self) {
        self.entries.sort_unstable_by(|one, other| one.order().cmp(&other.order()));
        self.entries.truncate(self.length + 1);
    }

    /// Returns the entries of the page, and whether the list continues.
    fn done(mut self) -> (Vec<Entry>, bool) {
        self.keep_first();
        let has_more = self.entries.len() > self.length;
        self.entries.truncate(self.length);
        (self.entries, has_more)
    }
}

async fn review_access(app: &App, request: Request) -> Result<Answer, Failure> {
    let store = app.store();
    let mut read = Call::begin(app, &request)?;
    let counter = read.counter(|claims| Counter::reads_of_everybody(claims.user()));
    let call = read.send().await?;
    let (caller, now) = (&call.caller.user, call.now);
    request.no_body()?;
    let input = parse(&request)?;
    call.authorize(&Action::ReviewAccess).await?;

    let list = format!("{} access review {}", caller.partner_id, input.inactive_days);
    let after = input.cursor.as_deref().map(|cursor| position(&list, cursor)).transpose()?;
    let review = Review { now, inactive_days: input.inactive_days };
    let mut summary = Summary::default();
    let mut page = Page { after, length: input.limit, entries: Vec::new() };
    let visit = |by_name: Position, user: User| {
        let reasons = review.reasons(&user);
        let rank = review.rank(&user, &reasons);
        summary.count(&review, &user, rank);
        let key = by_name.key.map(|name| format!("{}{name}", rank.digit()));
        page.offer(Entry { position: Position { key, ..by_name }, user, reasons });
    };
    let visits = async { Ok(store.visit_users(&caller.partner_id, visit).await?) };
    call.counted(&counter, Box::pin(visits)).await?;
    let (entries, has_more) = page.done();
    let next_cursor = entries.last().filter(|_| has_more).map(|entry| entry.position.to_cursor(&list));

    let open_sessions = open_sessions(store, &entries, now).await?;
    let items: Vec<Item<'_>> = entries.iter().zip(open_sessions).map(|(entry, open)| item(entry, open)).collect();
    match request.format() {
        Format::Json => {
            let total = summary.users;
            Answer::json(200, &List { inactive_days: input.inactive_days, items, next_cursor, total, summary })
        }
        Format::Csv => Answer::csv("access-review.csv", &COLUMNS, &items, &request, next_cursor.as_deref()),
    }
}

fn item(entry: &Entry, open_sessions: usize) -> Item<'_> {
    let Entry { user, reasons, .. } = entry;
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
    // A user who has never signed in has no session, and a suspension ended all sessions.
    if user.last_sign_in_at.is_none() || user.status == Status::Suspended {
        return Ok(0);
    }
    let sessions = store.sessions_of(&user.id).await?;
    Ok(sessions.iter().filter(|(_, session)| session.is_live(user, now)).count())
}

fn position(list: &str, cursor: &str) -> Result<Position, Failure> {
    Position::from_cursor(list, cursor).ok_or_else(Failure::cursor)
}

struct Input {
    limit: usize,
    cursor: Option<String>,
    inactive_days: u32,
}

fn parse(request: &Request) -> Result<Input, Failure> {
    const DAYS: &str = "The number of days must be a whole number from 1 to 3650.";
    let mut query = request.query();
    let limit = query.limit(request.format());
    let cursor = query.take("cursor", "", |text| Some(text.to_owned()));
    let inactive_days = query.number("inactive_days", DAYS, 1..=3_650);
    query.finish()?;
    Ok(Input { limit, cursor, inactive_days: inactive_days.unwrap_or(90) })
}
