//! Sorted lists of a partner's users. Local indexes allow strongly consistent reads, so a list contains all earlier
//! writes.

use std::cmp::Ordering;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::{email_partition, partition, user_sort_key};
use super::read::{Item, from_item, owned_item, string};
use super::search::user_id;
use super::{EmailItem, Store, StoreError, Table, UserItem};
use crate::models::{Email, PartnerId, User, UserId};

/// The maximum number of users that a visit of all users reads at once. A megabyte of them takes ten in memory.
const VISITED: usize = 200;

/// The value by which a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// The folded last name, then the folded first name.
    Name,
    /// The email.
    Email,
    /// The time at which the user was added.
    CreatedAt,
    /// The last sign-in. Users who have never signed in count as the earliest.
    LastSignInAt,
}

impl Sort {
    /// Returns the index and its sort key. Ids sort by time, so the table itself is sorted by creation.
    fn index(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Name => Some(("by_name", "name_key")),
            Self::Email => Some(("by_email", "email")),
            Self::LastSignInAt => Some(("by_last_sign_in", "last_sign_in_key")),
            Self::CreatedAt => None,
        }
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The lowest value comes first.
    Ascending,
    /// The highest value comes first.
    Descending,
}

/// The position of a user in a list: the sort keys in the table and in the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The sort key in the table: `USER#…`.
    pub sk: String,
    /// The sort key in the index. `None` if the table itself is read.
    pub key: Option<String>,
}

/// A page of users, in order.
#[derive(Debug, Default)]
pub struct Page {
    /// The users.
    pub users: Vec<User>,
    /// The position after which the next page starts, if there is one.
    pub next: Option<Position>,
    /// The total number of matches. It is counted only for filtered lists.
    pub matching: usize,
}

impl Store {
    /// Returns up to `limit` users after the position `after`.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn list_users(
        &self,
        partner: &PartnerId,
        (sort, order): (Sort, Order),
        after: Option<&Position>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let mut found: Vec<(Position, User)> = Vec::new();
        let mut start = after.map(|position| exclusive_start(partner, sort, position));
        loop {
            // One user more than the limit shows that there is a next page.
            let missing = limit.saturating_add(1).saturating_sub(found.len());
            let (items, last) = self.query_users(partner, (sort, order), start, Some(missing)).await?;
            if sort == Sort::LastSignInAt {
                found.extend(self.users_of_entries(partner, sort, &items).await?);
            } else {
                for item in items {
                    found.push((position(sort, &item)?, owned_item::<UserItem>(item)?.user));
                }
            }
            start = last;
            if start.is_none() || found.len() > limit {
                return Ok(page(found, limit));
            }
        }
    }

    /// Reads the users of these entries of an index that does not contain whole users. Users who were removed since
    /// then are left out.
    async fn users_of_entries(
        &self,
        partner: &PartnerId,
        sort: Sort,
        entries: &[Item],
    ) -> Result<Vec<(Position, User)>, StoreError> {
        let mut positions: HashMap<UserId, Position> = HashMap::with_capacity(entries.len());
        let mut ids = Vec::with_capacity(entries.len());
        for entry in entries {
            let id = user_id(entry)?;
            positions.insert(id.clone(), position(sort, entry)?);
            ids.push(id);
        }
        let users = self.users(partner, &ids).await?;
        Ok(users.into_iter().filter_map(|user| Some((positions.remove(&user.id)?, user))).collect())
    }

    /// Calls `visit` with every user of a partner, sorted by name. Only a few users at a time are in memory.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn visit_users(&self, partner: &PartnerId, mut visit: impl FnMut(User)) -> Result<(), StoreError> {
        let mut start = None;
        loop {
            let (items, last) = self.query_users(partner, (Sort::Name, Order::Ascending), start, Some(VISITED)).await?;
            for item in items {
                visit(owned_item::<UserItem>(item)?.user);
            }
            start = last;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    pub(super) async fn query_users(
        &self,
        partner: &PartnerId,
        (sort, order): (Sort, Order),
        start: Option<Item>,
        limit: Option<usize>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let query = self
            .client
            .query()
            .table_name(self.name_of(Table::Users)?)
            .consistent_read(true)
            .expression_attribute_values(":pk", AttributeValue::S(partition(partner)))
            .scan_index_forward(order == Order::Ascending)
            .set_limit(limit.and_then(|limit| i32::try_from(limit).ok()))
            .set_exclusive_start_key(start);
        let query = match sort.index() {
            Some((index, _)) => query.index_name(index).key_condition_expression("pk = :pk"),
            None => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :user)")
                .expression_attribute_values(":user", AttributeValue::S("USER#".to_owned())),
        };
        let response = query.send().await.map_err(|error| StoreError::from_sdk("Query", &error))?;
        Ok((response.items.unwrap_or_default(), response.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// Returns the users with this email, sorted by partner, and at most `limit` of them.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn users_with_email(&self, email: &Email, limit: i32) -> Result<Vec<EmailItem>, StoreError> {
        let response = self
            .client
            .query()
            .table_name(self.name_of(Table::Users)?)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(email_partition(email)))
            .limit(limit)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("Query", &error))?;
        response.items.unwrap_or_default().iter().map(from_item).collect()
    }
}

impl Position {
    /// Returns the position of a user, or of a user who would have this id, in the list sorted by creation.
    pub fn by_creation(user: &UserId) -> Self {
        Self { sk: user_sort_key(user), key: None }
    }

    /// Compares two positions. Users with the same key in an index are sorted by their keys in the table, so positions
    /// of different users are never equal.
    pub(super) fn compare(&self, other: &Self, order: Order) -> Ordering {
        let ascending = (&self.key, &self.sk).cmp(&(&other.key, &other.sk));
        match order {
            Order::Ascending => ascending,
            Order::Descending => ascending.reverse(),
        }
    }
}

fn page(found: Vec<(Position, User)>, limit: usize) -> Page {
    let is_more = found.len() > limit;
    let (mut positions, mut users): (Vec<Position>, Vec<User>) = found.into_iter().unzip();
    positions.truncate(limit);
    users.truncate(limit);
    Page { users, next: positions.pop().filter(|_| is_more), matching: 0 }
}

/// Returns the position of a user in a list, from an entry of any index that contains the sort key of the list.
pub(super) fn position(sort: Sort, item: &Item) -> Result<Position, StoreError> {
    let key = sort.index().map(|(_, attribute)| string(item, attribute)).transpose()?;
    Ok(Position { sk: string(item, "sk")?, key })
}

pub(super) fn exclusive_start(partner: &PartnerId, sort: Sort, position: &Position) -> Item {
    let mut start = HashMap::from([
        ("pk".to_owned(), AttributeValue::S(partition(partner))),
        ("sk".to_owned(), AttributeValue::S(position.sk.clone())),
    ]);
    if let (Some((_, attribute)), Some(key)) = (sort.index(), &position.key) {
        start.insert(attribute.to_owned(), AttributeValue::S(key.clone()));
    }
    start
}
