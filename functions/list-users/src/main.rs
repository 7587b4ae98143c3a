//! `GET /v1/users`: the partner's users, sorted, searched and filtered, page by page.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Format, Request, Stopped, serve_with};
use portal::models::{PENDING_LIFETIME, PublicUser, Role, SecondFactor, Status, Timestamp, fold};
use portal::policy::Action;
use portal::session::Claims;
use portal::store::{Counter, Order, Position, SearchEntry, Searched, Sort, is_east_asian};
use serde::Serialize;

const PARAMETERS: [&str; 9] =
    ["limit", "cursor", "sort", "order", "search", "role", "status", "pending", "second_factor"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().parameters(&PARAMETERS), list_users).await
}

/// The columns of a CSV response: every field of a user. New columns come last, for readers that count them.
const COLUMNS: [&str; 22] = [
    "id",
    "partner_id",
    "first_name",
    "last_name",
    "email",
    "role",
    "permissions",
    "status",
    "must_change_password",
    "last_sign_in_at",
    "signed_out_at",
    "created_at",
    "created_by",
    "updated_at",
    "version",
    "last_active_at",
    "pending_email",
    "mail_state",
    "language",
    "pending.kind",
    "pending.expires_at",
    "second_factor",
];

#[derive(Serialize)]
struct List<'a> {
    items: Vec<PublicUser<'a>>,
    next_cursor: Option<String>,
    total: u64,
}

async fn list_users(app: &App, request: Request) -> Result<Answer, Failure> {
    let store = app.store();
    let mut read = Call::begin(app, &request)?;
    let partner_key = read.item(Claims::partner_key);
    let counter = read.counter(|claims| Counter::expensive_reads(claims.user()));
    let call = read.send().await?;
    request.no_body()?;
    let input = parse(&request)?;
    call.authorize(&Action::ListUsers).await?;

    let partner = &call.caller.user.partner_id;
    let list = format!("{partner} {:?} {:?} {:?}", input.sort, input.order, input.filter);
    let after = input.cursor.as_deref().map(|cursor| position(&list, cursor)).transpose()?;
    let sorted = (input.sort, input.order);
    let page = async {
        if input.filter.is_empty() {
            let count = call.partner(&partner_key)?.user_count;
            Ok((store.list_users(partner, sorted, after.as_ref(), input.limit).await?, count))
        } else {
            let matches = |user: &SearchEntry<'_>| input.filter.matches(user, call.now);
            let page = store
                .find_users(partner, sorted, after.as_ref(), input.limit, input.filter.searched(), matches)
                .await?;
            let count = u64::try_from(page.matching).unwrap_or(u64::MAX);
            Ok((page, count))
        }
    };
    // A JSON page of the unfiltered list reads only the users that it shows, so it is not counted.
    let is_cheap = input.filter.is_empty() && request.format() == Format::Json;
    let (page, total) = if is_cheap { page.await } else { call.counted(&counter, Box::pin(page)).await }?;
    let next_cursor = page.next.map(|position| position.to_cursor(&list));
    let items: Vec<PublicUser<'_>> = page.users.iter().map(PublicUser::from).collect();
    match request.format() {
        Format::Json => Answer::json(200, &List { items, next_cursor, total }),
        Format::Csv => Answer::csv("users.csv", &COLUMNS, &items, &request, next_cursor.as_deref()),
    }
}

fn position(list: &str, cursor: &str) -> Result<Position, Failure> {
    Position::from_cursor(list, cursor).ok_or_else(Failure::cursor)
}

const SEARCH_RULE: &str =
    "The search text must have 2 to 100 characters, or one Chinese, Japanese or Korean character.";

/// Returns the words of a search text, folded. Commas only separate words, as in `Lee, Ann`. A plus sign is a character of
/// an email; in a query it can also mean a space, and then the words are found as well.
fn words(text: &str) -> Option<Vec<String>> {
    let folded = fold(text);
    let length = folded.trim().chars().count();
    let is_long_enough = length >= 2 || folded.chars().any(is_east_asian);
    let words: Vec<String> =
        folded.split([' ', ',', '،', '、']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    (is_long_enough && text.trim().chars().count() <= 100 && !words.is_empty()).then_some(words)
}

struct Input {
    limit: usize,
    cursor: Option<String>,
    sort: Sort,
    order: Order,
    filter: Filter,
}

#[derive(Debug)]
struct Filter {
    /// Folded words.
    search: Option<Vec<String>>,
    role: Option<Role>,
    status: Option<Status>,
    pending: Option<Waiting>,
    second_factor: Option<SecondFactor>,
}

/// Which users who have not chosen a password are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Those who can still choose one.
    Waiting,
    /// Those whose invitation or initial password has expired.
    Expired,
}

impl Filter {
    fn is_empty(&self) -> bool {
        let Self { search, role, status, pending, second_factor } = self;
        search.is_none() && role.is_none() && status.is_none() && pending.is_none() && second_factor.is_none()
    }

    fn searched(&self) -> Searched {
        Searched { role: self.role, with_facts: self.pending.is_some() || self.second_factor.is_some() }
    }

    fn matches(&self, user: &SearchEntry<'_>, now: Timestamp) -> bool {
        let state = |since: Timestamp| {
            if since.plus(PENDING_LIFETIME) > now { Waiting::Waiting } else { Waiting::Expired }
        };
        self.role.is_none_or(|role| role == user.role)
            && self.status.is_none_or(|status| status == user.searched.status)
            && self.pending.is_none_or(|pending| user.pending_since.map(state) == Some(pending))
            && self.second_factor.is_none_or(|factor| user.second_factor == Some(factor))
            && self.search.as_ref().is_none_or(|search| user.searched.has_words(search))
    }
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut query = request.query();
    let limit = query.limit(request.format());
    let cursor = query.take("cursor", "", |text| Some(text.to_owned()));
    let sort =
        query.take("sort", "The sort field must be name, email, created_at or last_sign_in_at.", |text| match text {
            "name" => Some(Sort::Name),
            "email" => Some(Sort::Email),
            "created_at" => Some(Sort::CreatedAt),
            "last_sign_in_at" => Some(Sort::LastSignInAt),
            _ => None,
        });
    let order = query.take("order", "The order must be asc or desc.", |text| match text {
        "asc" => Some(Order::Ascending),
        "desc" => Some(Order::Descending),
        _ => None,
    });
    let search = query.take("search", SEARCH_RULE, words);
    let role = query.take("role", "There is no such role.", |text| Role::parse(text).ok());
    let status = query.take("status", "There is no such status.", |text| Status::parse(text).ok());
    let pending = query.take("pending", "The value must be waiting or expired.", |text| match text {
        "waiting" => Some(Waiting::Waiting),
        "expired" => Some(Waiting::Expired),
        _ => None,
    });
    let second_factor =
        query.take("second_factor", "The value must be none, totp or passkey.", |text| SecondFactor::parse(text).ok());
    query.finish()?;
    Ok(Input {
        limit,
        cursor,
        sort: sort.unwrap_or(Sort::Name),
        order: order.unwrap_or(Order::Ascending),
        filter: Filter { search, role, status, pending, second_factor },
    })
}
