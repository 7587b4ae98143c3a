//! Access reviews. The first page of a review reads a small entry of every user of the partner, and stores the order of
//! the users for the other pages. So these pages read only the users that they show, as they are now.
//!
//! An order is never changed, and expires after a day. It is stored in parts, each of which costs one read unit. Users
//! who are added after the order was computed follow at its end, sorted by creation.
//!
//! Users with the same rank are sorted by name. So the users of a page are often near each other in the index by name,
//! and one query of that index reads them for less than single reads. The order contains the distances in the index, and
//! the cursor the place where the query starts. Both are from the start of the review and can be outdated: they only
//! decide how the users are read. Those that the query does not find are read one by one.

use std::collections::{HashMap, HashSet};
use std::ops::ControlFlow;
use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;

use super::expression::{Expression, number, text};
use super::items::{ReviewText, UserItem, indexed_status, last_sign_in_of_key, name_key};
use super::keys::{self, partition, user_sort_key};
use super::listing::{Order, Position, Sort, exclusive_start};
use super::read::{Item, integer, owned_item, projected, string, text as text_of};
use super::search::user_id;
use super::{Store, StoreError, Table};
use crate::error::Failure;
use crate::models::{PartnerId, Timestamp, User, UserId};
use crate::random;
use crate::review::{Facts, Summary};

/// The time for which the pages of a review have the same order.
const LIFETIME: Duration = Duration::from_hours(24);

/// The number of users in one part of an order. A part has less than 4 KB, which is one read unit.
const PART: usize = 200;

/// The maximum number of parts that are written concurrently.
const AT_ONCE: usize = 16;

/// A user gets an id at the start of the request that adds the user, and is visible when the request commits. So a user
/// with an id of this time before a review may have been added after its order was computed. It is the longest timeout of
/// these functions, 29 s, and the difference of their clocks.
const COMMIT_TIME: Duration = Duration::from_secs(35);

/// The maximum number of entries that one query returns, and the attributes of each. A megabyte of whole entries takes
/// ten in memory.
const ENTRIES: i32 = 500;
const ATTRIBUTES: [&str; 6] = ["sk", "name_key", "last_sign_in_key", "last_refresh_at", "suspended", "review"];

/// The maximum number of entries of the index by name that a query reads for each user of a page. As items have less
/// than 1 KB, four entries cost at most one read unit, which is the cost of reading the user alone.
const NEAR: usize = 4;

/// The distance of a user who does not follow the previous user of the order within this number of entries.
const FAR: u8 = u8::MAX;

/// The maximum length of a sort key of an index in bytes.
const MAX_SORT_KEY: usize = 1_024;

/// The id of a user, in the bytes that an order contains.
type Id = [u8; 16];

/// The length of an order's id in bytes, and as text.
const ID: usize = 16;
const ID_TEXT: usize = 22;

/// The part of a user that decides about its place in a review.
#[derive(Debug, Clone)]
pub struct ReviewEntry {
    /// The id.
    pub id: UserId,
    /// The sort key of the name.
    pub name_key: String,
    /// The facts that a review considers.
    pub facts: Facts,
}

/// A place in a review, at which a page starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A place in the order.
    InOrder {
        /// The number of users before it.
        before: usize,
        /// The position of the last user before it in the list sorted by name, if it is known.
        after: Option<Position>,
    },
    /// A place among the users who were added later.
    Added {
        /// The last part of the order.
        last_part: usize,
        /// The id before it.
        after: UserId,
    },
}

/// A place in a stored order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewCursor {
    order: String,
    place: Place,
}

/// The order of a review: all of it, or the part that a page reads.
#[derive(Debug)]
pub struct ReviewOrder {
    partner: PartnerId,
    id: String,
    summary: Summary,
    /// The start of the review. A part has it rounded up to a second.
    started_at: Timestamp,
    /// The number of users before the first of `ids`.
    start: usize,
    ids: Vec<Id>,
    /// For each user, the number of places by which it follows the previous user of the order in the list sorted by name,
    /// or [`FAR`].
    distances: Vec<u8>,
    /// Exists if `ids` contains the end of the order.
    end: Option<End>,
}

/// What the end of an order needs to find the users who were added later.
#[derive(Debug)]
struct End {
    /// All of them have later ids.
    after: UserId,
    /// The users with later ids who are in the order.
    listed: Vec<Id>,
}

/// A page of a review.
#[derive(Debug)]
pub struct ReviewPage {
    /// The users, as they are now.
    pub users: Vec<User>,
    /// The place of the next page, if there is one.
    pub next: Option<Place>,
}

impl ReviewCursor {
    /// Reads a cursor of the list. Returns `None` for any other text.
    pub fn read(list: &str, cursor: &str) -> Option<Self> {
        let Position { sk: order, key } = Position::from_cursor(list, cursor)?;
        if order.len() != ID_TEXT || URL_SAFE_NO_PAD.decode(&order).is_err() {
            return None;
        }
        let key = key?;
        let place = if let Some((before, after)) = key.split_once('\n') {
            let (id, name_key) = after.split_once('\n')?;
            let sk = user_sort_key(&UserId::parse(id).ok()?);
            let is_key = (1..=MAX_SORT_KEY).contains(&name_key.len());
            let after = is_key.then(|| Position { sk, key: Some(name_key.to_owned()) })?;
            Place::InOrder { before: before.parse().ok()?, after: Some(after) }
        } else if let Some((last_part, after)) = key.split_once(' ') {
            Place::Added { last_part: last_part.parse().ok()?, after: UserId::parse(after).ok()? }
        } else {
            Place::InOrder { before: key.parse().ok()?, after: None }
        };
        Some(Self { order, place })
    }

    /// Returns the place.
    pub fn place(&self) -> &Place {
        &self.place
    }

    fn part(&self) -> usize {
        match self.place {
            Place::InOrder { before, .. } => before / PART,
            Place::Added { last_part, .. } => last_part,
        }
    }
}

impl ReviewOrder {
    /// Returns the order of a review that starts at `now`. `users` has each user with the place in the list sorted by
    /// name.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if there are no random bytes.
    pub fn new(
        partner: &PartnerId,
        users: impl IntoIterator<Item = (usize, [u8; 16])>,
        summary: Summary,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let (mut ids, mut distances, mut previous) = (Vec::new(), Vec::new(), None);
        for (place, id) in users {
            distances.push(distance(previous, place));
            previous = Some(place);
            ids.push(id);
        }
        let after = UserId::new(now.minus(COMMIT_TIME), [0; 10]);
        let listed = ids.iter().filter(|id| **id > after.to_bytes()).copied().collect();
        let id = URL_SAFE_NO_PAD.encode(random::bytes::<ID>()?);
        let end = Some(End { after, listed });
        Ok(Self { partner: partner.clone(), id, summary, started_at: now, start: 0, ids, distances, end })
    }

    /// Returns the ids of all users in this order.
    ///
    /// # Errors
    /// Returns [`StoreError`] if an id is not valid.
    pub fn ids(&self) -> Result<Vec<UserId>, StoreError> {
        user_ids(&self.ids)
    }

    /// Returns the summary at the start of the review.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Returns the cursor of a place in this order. `list` identifies the list by its partner and parameters.
    pub fn cursor(&self, place: &Place, list: &str) -> String {
        let key = match place {
            Place::InOrder { before, after: None } => before.to_string(),
            Place::InOrder { before, after: Some(Position { sk, key }) } => {
                let id = sk.strip_prefix("USER#").unwrap_or_default();
                format!("{before}\n{id}\n{}", key.as_deref().unwrap_or_default())
            }
            Place::Added { last_part, after } => format!("{last_part} {after}"),
        };
        Position { sk: self.id.clone(), key: Some(key) }.to_cursor(list)
    }

    /// Returns up to `limit` users from this place on, and their distances. At the end of the part that was read, there are
    /// none.
    fn slice(&self, before: usize, limit: usize) -> (&[Id], &[u8]) {
        let Some(skipped) = before.checked_sub(self.start) else { return (&[], &[]) };
        (range(&self.ids, skipped, limit), range(&self.distances, skipped, limit))
    }

    /// Returns the position of a user in the list sorted by name, if the name is certainly that of the start of the review.
    fn position(&self, user: &User) -> Option<Position> {
        let is_unchanged = user.updated_at <= self.started_at;
        is_unchanged.then(|| Position { sk: user_sort_key(&user.id), key: Some(name_key(user)) })
    }

    fn length(&self) -> usize {
        self.start + self.ids.len()
    }
}

/// Returns up to `limit` values after the first `skipped` ones.
fn range<T>(values: &[T], skipped: usize, limit: usize) -> &[T] {
    let values = values.get(skipped..).unwrap_or_default();
    values.get(..limit).unwrap_or(values)
}

fn distance(previous: Option<usize>, place: usize) -> u8 {
    let places = previous.and_then(|previous| place.checked_sub(previous));
    places.and_then(|places| u8::try_from(places).ok()).unwrap_or(FAR)
}

/// Returns the number of entries of the index by name that contain all users with these distances, if reading them
/// costs less than reading the users one by one.
fn entries(distances: &[u8]) -> Option<usize> {
    let entries = distances.iter().map(|distance| usize::from(*distance)).sum();
    let is_near = !distances.contains(&FAR) && (1..=NEAR * distances.len()).contains(&entries);
    is_near.then_some(entries)
}

impl Store {
    /// Returns what `kept` makes of the entries of all users of a partner, in any order.
    ///
    /// # Errors
    /// Returns [`StoreError`] if a call fails.
    pub async fn review_entries<T>(
        &self,
        partner: &PartnerId,
        kept: impl Fn(ReviewEntry) -> T,
    ) -> Result<Vec<T>, StoreError> {
        let (mut entries, mut indexes) = (Vec::new(), HashMap::new());
        let visit = |page: Vec<ReviewEntry>| {
            for entry in page {
                let index = *indexes.entry(entry.id.to_bytes()).or_insert(entries.len());
                match entries.get_mut(index) {
                    Some(earlier) => *earlier = kept(entry),
                    None => entries.push(kept(entry)),
                }
            }
            ControlFlow::Continue(())
        };
        self.visit_review_entries(partner, visit).await?;
        Ok(entries)
    }

    /// Calls `visit` with the entries of all users of a partner, some at a time and in any order, until it breaks. A user
    /// who signs in meanwhile moves towards the end of the index. So `visit` may get several entries of a user, of which the
    /// last is current, but it never misses the user.
    ///
    /// # Errors
    /// Returns [`StoreError`] if a call fails.
    pub async fn visit_review_entries(
        &self,
        partner: &PartnerId,
        mut visit: impl FnMut(Vec<ReviewEntry>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut start = None;
        loop {
            let query = self
                .client
                .query()
                .table_name(self.name_of(Table::Users)?)
                .index_name("by_last_sign_in")
                .consistent_read(true)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(partition(partner)))
                .limit(ENTRIES)
                .set_exclusive_start_key(start);
            let response = projected(query, &ATTRIBUTES).send().await;
            let response = response.map_err(|error| StoreError::from_sdk("Query", &error))?;
            let items = response.items.unwrap_or_default();
            if visit(items.iter().map(review_entry).collect::<Result<_, _>>()?).is_break() {
                return Ok(());
            }
            start = response.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Stores the order of a review that starts at `now`, for its other pages.
    ///
    /// # Errors
    /// Returns [`StoreError`] if a call fails. Parts that were written expire.
    pub async fn keep_review_order(&self, order: &ReviewOrder, now: Timestamp) -> Result<(), StoreError> {
        let expires_at = now.plus(LIFETIME).unix_seconds();
        let summary: AttributeValue = serde_dynamo::to_attribute_value(order.summary)?;
        let parts = order.ids.chunks(PART).zip(order.distances.chunks(PART)).enumerate();
        let last = order.ids.len().div_ceil(PART).saturating_sub(1);
        let writes: Vec<_> = parts
            .map(|(part, (ids, distances))| {
                let mut expression = Expression::default();
                expression.set("ids", bytes(ids));
                expression.set("distances", AttributeValue::B(Blob::new(distances)));
                expression.set("summary", summary.clone());
                expression.set("expires_at", number(expires_at));
                if let Some(end) = order.end.as_ref().filter(|_| part == last) {
                    expression.set("added_after", text(end.after.as_str()));
                    expression.set("listed", bytes(&end.listed));
                }
                let item_key = keys::review_order(&order.partner, &order.id, part);
                async move { self.update_if(&item_key, expression).await.map(|_| ()) }
            })
            .collect();
        stream::iter(writes).buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Returns the part of a stored order that a cursor needs, or `None` if there is no such order or it has expired.
    ///
    /// # Errors
    /// Returns [`StoreError`] if a call fails.
    pub async fn review_order(
        &self,
        partner: &PartnerId,
        cursor: &ReviewCursor,
        now: Timestamp,
    ) -> Result<Option<ReviewOrder>, StoreError> {
        self.read_part(partner, &cursor.order, cursor.part(), now).await
    }

    /// Returns up to `limit` users of a review from this place on. Users who no longer exist are left out, and the
    /// following ones take their places. Returns `None` if the order has expired, or has no such place.
    ///
    /// # Errors
    /// Returns [`StoreError`] if a call fails.
    pub async fn review_page(
        &self,
        order: &ReviewOrder,
        place: &Place,
        limit: usize,
        now: Timestamp,
    ) -> Result<Option<ReviewPage>, StoreError> {
        let mut users = Vec::with_capacity(limit);
        let mut later;
        let mut order = order;
        let (last_part, mut after) = match place {
            Place::Added { last_part, after } => (*last_part, after.clone()),
            Place::InOrder { before, after } => {
                let (mut before, mut after) = (*before, after.clone());
                loop {
                    let (ids, distances) = order.slice(before, limit - users.len());
                    let ids = user_ids(ids)?;
                    users.extend(self.users_near(&order.partner, &ids, distances, after.take()).await?);
                    let last = users.last().filter(|last| Some(&last.id) == ids.last());
                    after = last.and_then(|last| order.position(last));
                    before += ids.len();
                    if before == order.length()
                        && let Some(end) = &order.end
                    {
                        break (before.saturating_sub(1) / PART, end.after.clone());
                    }
                    if users.len() == limit {
                        return Ok(Some(ReviewPage { users, next: Some(Place::InOrder { before, after }) }));
                    }
                    if before == order.length() {
                        let next = self.read_part(&order.partner, &order.id, before / PART, now).await?;
                        let Some(next) = next else { return Ok(None) };
                        later = next;
                        order = &later;
                    } else if ids.is_empty() {
                        // The place is not in the part, so the cursor is forged.
                        return Ok(None);
                    }
                }
            }
        };
        let Some(end) = &order.end else { return Ok(None) };
        // One user more than the page holds shows that there is a next page.
        let wanted = limit - users.len();
        let mut added = self.added_users(&order.partner, end, &after, wanted + 1).await?;
        let has_more = added.len() > wanted;
        added.truncate(wanted);
        if let Some(last) = added.last() {
            after = last.id.clone();
        }
        users.append(&mut added);
        Ok(Some(ReviewPage { users, next: has_more.then_some(Place::Added { last_part, after }) }))
    }

    /// Reads these users in this order. Users who no longer exist are left out. If they are near each other in the list
    /// sorted by name, after the position `after`, one query of that list reads them.
    async fn users_near(
        &self,
        partner: &PartnerId,
        ids: &[UserId],
        distances: &[u8],
        after: Option<Position>,
    ) -> Result<Vec<User>, StoreError> {
        let (Some(after), Some(entries)) = (after, entries(distances)) else { return self.users(partner, ids).await };
        let start = exclusive_start(partner, Sort::Name, &after);
        let by_name = (Sort::Name, Order::Ascending);
        let (items, _) = self.query_users(partner, by_name, Some(start), Some(entries)).await?;
        let wanted: HashSet<&UserId> = ids.iter().collect();
        let mut found = HashMap::with_capacity(ids.len());
        for item in items {
            let id = user_id(&item)?;
            if wanted.contains(&id) {
                found.insert(id, owned_item::<UserItem>(item)?.user);
            }
        }
        let others: Vec<UserId> = ids.iter().filter(|id| !found.contains_key(id)).cloned().collect();
        if !others.is_empty() {
            let others = self.users(partner, &others).await?;
            found.extend(others.into_iter().map(|user| (user.id.clone(), user)));
        }
        Ok(ids.iter().filter_map(|id| found.remove(id)).collect())
    }

    /// Returns up to `limit` users after this id who are not in the order.
    async fn added_users(
        &self,
        partner: &PartnerId,
        end: &End,
        after: &UserId,
        limit: usize,
    ) -> Result<Vec<User>, StoreError> {
        let listed: HashSet<&Id> = end.listed.iter().filter(|id| **id > after.to_bytes()).collect();
        let position = Position::by_creation(after);
        let by_creation = (Sort::CreatedAt, Order::Ascending);
        let page = self.list_users(partner, by_creation, Some(&position), limit + listed.len()).await?;
        Ok(page.users.into_iter().filter(|user| !listed.contains(&user.id.to_bytes())).take(limit).collect())
    }

    async fn read_part(
        &self,
        partner: &PartnerId,
        order: &str,
        part: usize,
        now: Timestamp,
    ) -> Result<Option<ReviewOrder>, StoreError> {
        let item_key = keys::review_order(partner, order, part);
        // A part never changes, so a read that is not consistent is wrong only if it misses the part.
        let mut stored = None;
        for is_consistent in [false, true] {
            stored = self.get(&item_key, is_consistent).await?;
            if stored.is_some() {
                break;
            }
        }
        let Some(item) = stored else { return Ok(None) };
        let Dated { expires_at, summary } = serde_dynamo::from_item(item.clone())?;
        if expires_at <= now.unix_seconds() {
            return Ok(None);
        }
        let end = if item.contains_key("added_after") {
            let after = UserId::parse(&string(&item, "added_after")?).map_err(|_| wrong())?;
            Some(End { after, listed: ids(&item, "listed")? })
        } else {
            None
        };
        let ids = ids(&item, "ids")?;
        let distances = blob(&item, "distances")?.to_vec();
        let (partner, id, start) = (partner.clone(), order.to_owned(), part * PART);
        let started_at = Timestamp::from_unix_millis(expires_at * 1_000 + 999).minus(LIFETIME);
        Ok(Some(ReviewOrder { partner, id, summary, started_at, start, ids, distances, end }))
    }
}

/// The attributes of a part that are not bytes.
#[derive(Deserialize)]
struct Dated {
    expires_at: i64,
    summary: Summary,
}

fn wrong() -> StoreError {
    StoreError::Refused("an order of a review that is not valid".to_owned())
}

fn bytes(ids: &[Id]) -> AttributeValue {
    AttributeValue::B(Blob::new(ids.as_flattened()))
}

fn user_ids(ids: &[Id]) -> Result<Vec<UserId>, StoreError> {
    ids.iter().map(|id| UserId::from_bytes(*id).map_err(|_| wrong())).collect()
}

fn blob<'a>(item: &'a Item, attribute: &str) -> Result<&'a [u8], StoreError> {
    Ok(item.get(attribute).and_then(|value| value.as_b().ok()).ok_or_else(wrong)?.as_ref())
}

fn ids(item: &Item, attribute: &str) -> Result<Vec<Id>, StoreError> {
    let (ids, []) = blob(item, attribute)?.as_chunks() else { return Err(wrong()) };
    Ok(ids.to_vec())
}

fn review_entry(item: &Item) -> Result<ReviewEntry, StoreError> {
    let wrong = || StoreError::Refused("a user without valid attributes for a review".to_owned());
    let id = user_id(item)?;
    let last_sign_in_at = last_sign_in_of_key(text_of(item, "last_sign_in_key")?).map_err(|_| wrong())?;
    let last_refresh_at = integer(item, "last_refresh_at")?.map(Timestamp::from_unix_millis);
    let facts = ReviewText::read(text_of(item, "review")?, &id).ok_or_else(wrong)?;
    Ok(ReviewEntry {
        name_key: string(item, "name_key")?,
        facts: facts.facts(indexed_status(item), last_sign_in_at, last_refresh_at),
        id,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> UserId {
        UserId::new(Timestamp::from_unix_millis(1_795_350_591_123), {
            let mut bytes = [0; 10];
            bytes[2..].copy_from_slice(&number.to_be_bytes());
            bytes
        })
    }

    fn raw(number: u64) -> Id {
        id(number).to_bytes()
    }

    fn order(users: u64) -> ReviewOrder {
        let now = Timestamp::from_unix_millis(1_795_350_600_000);
        let partner = PartnerId::new(now, [2; 10]);
        ReviewOrder::new(&partner, (0..users).map(raw).enumerate(), Summary::default(), now).unwrap()
    }

    #[test]
    fn ids_are_stored_as_bytes_and_read_again() {
        let item = Item::from([("ids".to_owned(), bytes(&order(3).ids))]);
        assert_eq!(user_ids(&ids(&item, "ids").unwrap()).unwrap(), [id(0), id(1), id(2)]);
        assert!(user_ids(&[[0; 16]]).is_err());
        let cut = Item::from([("ids".to_owned(), AttributeValue::B(Blob::new([0; 17])))]);
        assert!(ids(&cut, "ids").is_err());
    }

    #[test]
    fn a_page_gets_the_ids_and_distances_from_its_place_on() {
        let part = ReviewOrder { start: 200, ..order(3) };
        assert_eq!(part.slice(200, 9), (&[raw(0), raw(1), raw(2)][..], &[FAR, 1, 1][..]));
        assert_eq!(part.slice(201, 9), (&[raw(1), raw(2)][..], &[1, 1][..]));
        assert_eq!(part.slice(201, 1), (&[raw(1)][..], &[1][..]));
        for before in [199, 203, 204] {
            assert_eq!(part.slice(before, 9), (&[][..], &[][..]), "{before}");
        }
        assert_eq!(part.length(), 203);
    }

    #[test]
    fn a_distance_is_the_number_of_places_to_a_later_user_nearby() {
        let distances = |places: &[usize]| {
            let now = Timestamp::from_unix_millis(1_795_350_600_000);
            let users: Vec<_> = places.iter().map(|place| (*place, raw(0))).collect();
            ReviewOrder::new(&PartnerId::new(now, [2; 10]), users, Summary::default(), now).unwrap().distances
        };
        assert_eq!(distances(&[7, 8, 12, 266, 521, 500]), [FAR, 1, 4, 254, FAR, FAR]);
    }

    #[test]
    fn users_are_read_together_if_there_are_few_others_between_them() {
        assert_eq!(entries(&[1, 1, 1]), Some(3));
        assert_eq!(entries(&[10, 1, 1]), Some(12));
        assert_eq!(entries(&[10, 1, 2]), None);
        assert_eq!(entries(&[1; 200]), Some(200));
        assert_eq!(entries(&[]), None);
        assert_eq!(entries(&[&[1; 199][..], &[FAR]].concat()), None);
    }

    #[test]
    fn the_end_knows_the_users_who_were_added_just_before_the_review() {
        let (now, old) =
            (Timestamp::from_unix_millis(1_795_350_600_000), UserId::new(Timestamp::from_unix_millis(1), [1; 10]));
        let ids = [raw(1), old.to_bytes(), raw(0)].into_iter().enumerate();
        let order = ReviewOrder::new(&PartnerId::new(now, [2; 10]), ids, Summary::default(), now).unwrap();
        let End { after, listed } = order.end.unwrap();
        assert_eq!(listed, [raw(1), raw(0)]);
        assert!(old < after && after < id(0));
    }

    proptest! {
        #[test]
        fn a_cursor_is_valid_for_its_own_list(before: usize, last_part: usize, number: u64, name in "(?s).{1,40}") {
            let order = order(1);
            let after = Position { sk: user_sort_key(&id(number)), key: Some(name) };
            for place in [
                Place::InOrder { before, after: None },
                Place::InOrder { before, after: Some(after) },
                Place::Added { last_part, after: id(number) },
            ] {
                let cursor = order.cursor(&place, "list");
                let read = ReviewCursor::read("list", &cursor).unwrap();
                prop_assert_eq!((&read.order, read.place()), (&order.id, &place));
                prop_assert_eq!(ReviewCursor::read("other", &cursor), None);
            }
        }

        #[test]
        fn a_forged_cursor_has_a_valid_form_or_is_rejected(order in ".{0,30}", key in proptest::option::of(".{0,50}")) {
            let cursor = Position { sk: order, key }.to_cursor("list");
            if let Some(read) = ReviewCursor::read("list", &cursor) {
                prop_assert_eq!(read.order.len(), ID_TEXT);
            }
        }

        #[test]
        fn a_forged_position_is_a_valid_key_or_is_rejected(user in "[^\n]{0,40}", length in 0..1_100_usize) {
            let forged = |user: &str| {
                let key = format!("25\n{user}\n{}", "x".repeat(length));
                ReviewCursor::read("list", &Position { sk: order(1).id, key: Some(key) }.to_cursor("list"))
            };
            prop_assert!(forged(&user).is_none());
            prop_assert_eq!(forged(id(1).as_str()).is_some(), (1..=MAX_SORT_KEY).contains(&length));
        }
    }
}
