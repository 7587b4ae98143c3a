//! `GET /v1/access-review/record`: the decisions on users' access in a period, newest
//! first, and the users without a decision.

use std::collections::HashMap;
use std::ops::ControlFlow;

use futures_util::future::try_join;
use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Format, Request, Stopped, serve_with};
use portal::models::{EventAction, PartnerId, PartnerName, Reviewer, Role, Timestamp, User, UserId};
use portal::policy::Action;
use portal::review;
use portal::session::Claims;
use portal::store::{Actor, Counter, Event, EventFilter, MAX_USERS, Position, ReviewEntry, Store, Target, name_key};
use serde::Serialize;
use serde_json::Value;

/// The share of undecided users, as the divisor of all users, above which all complete users cost less to read than the
/// entries of all users and the complete users of this share. An entry takes a third of a user.
const MANY: usize = 8;

/// The number of complete users that are read at once.
const AT_ONCE: usize = 100;

const PARAMETERS: [&str; 4] = ["limit", "cursor", "from", "to"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().parameters(&PARAMETERS), get_review_record).await
}

/// The columns of a CSV response.
const COLUMNS: [&str; 14] = [
    "at",
    "user.id",
    "user.name",
    "email",
    "decision",
    "note",
    "reviewed_by.id",
    "reviewed_by.name",
    "role_before",
    "role_after",
    "permissions_before",
    "permissions_after",
    "status_before",
    "status_after",
];

#[derive(Serialize)]
struct Record<'a> {
    from: Timestamp,
    to: Timestamp,
    made_at: Timestamp,
    made_by: Reviewer,
    partner: Partner<'a>,
    items: Vec<Item<'a>>,
    next_cursor: Option<String>,
    /// The users without a decision, among those who existed in the period and still exist. On the first page only.
    outstanding: Option<Vec<Outstanding>>,
    /// The number of users who existed in the period and still exist, with or
    /// without a decision. On the first page only.
    users: Option<usize>,
}

#[derive(Serialize)]
struct Partner<'a> {
    id: &'a PartnerId,
    name: &'a PartnerName,
}

#[derive(Serialize)]
struct Item<'a> {
    at: Timestamp,
    user: Option<&'a Target>,
    email: Option<&'a Value>,
    decision: Option<&'a Value>,
    note: Option<&'a Value>,
    reviewed_by: Option<DecidedBy<'a>>,
    role_before: Option<&'a Value>,
    role_after: Option<&'a Value>,
    permissions_before: Option<&'a Value>,
    permissions_after: Option<&'a Value>,
    status_before: Option<&'a Value>,
    status_after: Option<&'a Value>,
}

#[derive(Serialize)]
struct DecidedBy<'a> {
    id: &'a UserId,
    name: &'a str,
}

#[derive(Serialize)]
struct Outstanding {
    id: UserId,
    name: String,
    email: String,
    role: Role,
}

/// The users who existed in a period and still exist.
struct Users {
    /// Those without a decision, sorted by name.
    outstanding: Vec<Outstanding>,
    /// The number of all of them.
    all: usize,
}

/// A user without a decision in the period, unless the audit trail has an earlier decision than the last one.
struct Undecided {
    reviewed_at: Option<Timestamp>,
    outstanding: Outstanding,
}

async fn get_review_record(app: &App, request: Request) -> Result<Answer, Failure> {
    let store = app.store();
    let mut read = Call::begin(app, &request)?;
    let partner_key = read.item(Claims::partner_key);
    let whole_partner = read.counter(|claims| Counter::reads_of_everybody(claims.user()));
    let expensive = read.counter(|claims| Counter::expensive_reads(claims.user()));
    let call = read.send().await?;
    let (caller, now) = (&call.caller.user, call.now);
    request.no_body()?;
    let input = parse(&request)?;
    call.authorize(&Action::ReviewAccess).await?;

    let partner = call.partner(&partner_key)?;
    let list = format!("{} review record {:?} {:?}", caller.partner_id, input.from, input.to);
    let start = input.cursor.as_deref().map(|cursor| start(&list, cursor)).transpose()?;
    let period = match &start {
        Some((period, _)) => *period,
        None => Period::of(&input, now)?,
    };
    let is_first = start.is_none() && request.format() == Format::Json;
    let filter = EventFilter {
        action: Some(EventAction::AccessReviewed),
        from: Some(period.from),
        to: Some(period.to),
        ..EventFilter::default()
    };
    let after = start.as_ref().map(|(_, position)| position);
    let result = try_join(async { Ok(store.events(&caller.partner_id, &filter, after, input.limit).await?) }, async {
        if is_first { period.users(store, &caller.partner_id, partner.user_count).await.map(Some) } else { Ok(None) }
    });
    let counter = if is_first { whole_partner } else { expensive };
    let (page, users) = call.counted(&counter, Box::pin(result)).await?;

    let next_cursor = page.next.map(|position| period.next_page(position).to_cursor(&list));
    let items: Vec<Item<'_>> = page.events.iter().map(Item::from).collect();
    match request.format() {
        Format::Json => {
            let record = Record {
                from: period.from,
                to: period.to,
                made_at: now,
                made_by: Reviewer { name: caller.full_name(), id: caller.id.clone() },
                partner: Partner { id: &caller.partner_id, name: &partner.name },
                items,
                next_cursor,
                users: users.as_ref().map(|users| users.all),
                outstanding: users.map(|users| users.outstanding),
            };
            Answer::json(200, &record)
        }
        Format::Csv => Answer::csv("access-review-record.csv", &COLUMNS, &items, &request, next_cursor.as_deref()),
    }
}

/// A period that includes `from`, and excludes `to`.
#[derive(Clone, Copy)]
struct Period {
    from: Timestamp,
    to: Timestamp,
}

impl Period {
    /// Returns the period that the request names. By default it is one review period until now.
    fn of(input: &Input, now: Timestamp) -> Result<Self, Failure> {
        // The end is exclusive, so this includes decisions of the current millisecond.
        let to = input.to.unwrap_or_else(|| now.plus(std::time::Duration::from_millis(1)));
        let from = input.from.unwrap_or_else(|| to.minus(review::REVIEW_PERIOD));
        if from < to {
            Ok(Self { from, to })
        } else {
            let parameter = if input.to.is_some() { "to" } else { "from" };
            Err(Failure::query(parameter, "The end must be after the beginning."))
        }
    }

    /// Returns the position of the next page. It contains the period, so that every page has the same one.
    fn next_page(self, position: Position) -> Position {
        Position { key: Some(format!("{} {}", self.from, self.to)), ..position }
    }

    fn contains(self, at: Timestamp) -> bool {
        self.from <= at && at < self.to
    }

    /// Returns the users without a decision, among those who existed in the period and still exist, and the number of all
    /// of them. `user_count` is the number of the partner's users.
    async fn users(self, store: &Store, partner: &PartnerId, user_count: u64) -> Result<Users, Failure> {
        let (mut undecided, all) = match self.few(store, partner, user_count).await? {
            Some(found) => found,
            None => self.many(store, partner, user_count).await?,
        };
        // For most users the last decision is enough. For a user whose last decision is after the period, the audit trail
        // is read.
        let is_later = |one: &Undecided| one.reviewed_at >= Some(self.to);
        if undecided.iter().any(is_later) {
            let reviewed = store.reviewed(partner, self.from, self.to).await?;
            undecided.retain(|one| !is_later(one) || !reviewed.contains(&one.outstanding.id));
        }
        Ok(Users { outstanding: undecided.into_iter().map(|one| one.outstanding).collect(), all })
    }

    /// Reads a small entry of every user, and then the complete users whose last decision is not certainly in the period.
    /// Returns `None` if there are many of these.
    async fn few(
        self,
        store: &Store,
        partner: &PartnerId,
        user_count: u64,
    ) -> Result<Option<(Vec<Undecided>, usize)>, Failure> {
        let user_count = usize::try_from(user_count).unwrap_or(usize::MAX);
        // Contains whether each user is undecided. Of several entries of a user, the last is current.
        let (mut users, mut read, mut count, mut are_many) = (HashMap::new(), 0, 0, false);
        let visit = |page: Vec<ReviewEntry>| {
            read += page.len();
            for ReviewEntry { id, facts, .. } in page.into_iter().filter(|entry| entry.facts.created_at < self.to) {
                // The time is absent if the access was raised since the decision.
                let is_undecided = !facts.reviewed_at.is_some_and(|at| self.contains(at));
                let was_undecided = users.insert(id, is_undecided).unwrap_or_default();
                count = count + usize::from(is_undecided) - usize::from(was_undecided);
            }
            are_many = count > user_count.max(read) / MANY;
            if are_many { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        store.visit_review_entries(partner, visit).await?;
        if are_many {
            return Ok(None);
        }
        let mut all = users.len();
        let ids: Vec<UserId> = users.into_iter().filter(|(_, is_undecided)| *is_undecided).map(|(id, _)| id).collect();
        let mut undecided = Vec::with_capacity(ids.len());
        for ids in ids.chunks(AT_ONCE) {
            let found = store.users(partner, ids).await?;
            all -= ids.len() - found.len();
            let open = found.iter().filter(|user| !self.has_last_decision_of(user));
            undecided.extend(open.map(|user| (name_key(user), Undecided::from(user))));
        }
        undecided.sort_unstable_by(|(key, one), (other_key, other)| {
            (key, &one.outstanding.id).cmp(&(other_key, &other.outstanding.id))
        });
        Ok(Some((undecided.into_iter().map(|(_, one)| one).collect(), all)))
    }

    /// Reads all users completely.
    async fn many(
        self,
        store: &Store,
        partner: &PartnerId,
        user_count: u64,
    ) -> Result<(Vec<Undecided>, usize), Failure> {
        let count = usize::try_from(user_count.min(MAX_USERS)).unwrap_or_default();
        let (mut undecided, mut all) = (Vec::with_capacity(count), 0);
        let visit = |user: User| {
            if user.created_at < self.to {
                all += 1;
                if !self.has_last_decision_of(&user) {
                    undecided.push(Undecided::from(&user));
                }
            }
        };
        store.visit_users(partner, visit).await?;
        Ok((undecided, all))
    }

    /// Returns whether the last decision about the user is in the period, and the user's access was not raised between it
    /// and the end of the period.
    fn has_last_decision_of(self, user: &User) -> bool {
        user.reviewed_at.is_some_and(|at| self.contains(at)) && user.raised_at.is_none_or(|at| at >= self.to)
    }
}

fn start(list: &str, cursor: &str) -> Result<(Period, Position), Failure> {
    let read = || {
        let Position { sk, key } = Position::from_cursor(list, cursor)?;
        let key = key?;
        let (from, to) = key.split_once(' ')?;
        let period = Period { from: Timestamp::parse(from).ok()?, to: Timestamp::parse(to).ok()? };
        Some((period, Position { sk, key: None }))
    };
    read().ok_or_else(Failure::cursor)
}

struct Input {
    limit: usize,
    cursor: Option<String>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut query = request.query();
    let limit = query.limit(request.format());
    let cursor = query.take("cursor", "", |text| Some(text.to_owned()));
    let from = query.time("from");
    let to = query.time("to");
    query.finish()?;
    Ok(Input { limit, cursor, from, to })
}

impl<'a> From<&'a Event> for Item<'a> {
    fn from(event: &'a Event) -> Self {
        let (before, after) = (|name: &str| event.before.get(name), |name: &str| event.after.get(name));
        Self {
            at: event.at,
            user: event.target.as_ref(),
            email: before("email"),
            decision: after("decision"),
            note: after("reason"),
            reviewed_by: match &event.actor {
                Actor::User { id, name } => Some(DecidedBy { id, name }),
                Actor::Operator { .. } | Actor::Anonymous | Actor::System | Actor::Other { .. } => None,
            },
            role_before: before("role"),
            role_after: after("role"),
            permissions_before: before("permissions"),
            permissions_after: after("permissions"),
            status_before: before("status"),
            status_after: after("status"),
        }
    }
}

impl From<&User> for Undecided {
    fn from(user: &User) -> Self {
        let (id, name, email) = (user.id.clone(), user.full_name(), user.email.typed().to_owned());
        Self { reviewed_at: user.reviewed_at, outstanding: Outstanding { id, name, email, role: user.role } }
    }
}
