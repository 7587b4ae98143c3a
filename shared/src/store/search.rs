//! Searches. A search counts all matches, so it reads every user of the partner. It reads them from an index that holds
//! only what a search needs, which is a fifth of the data. Then it reads the complete users of one page.

use aws_sdk_dynamodb::types::AttributeValue;

use super::items::{ReviewText, SearchText};
use super::keys::{Key, partition};
use super::listing::{Order, Page, Position, Sort, position};
use super::read::{Item, projected, text};
use super::{Store, StoreError, Table};
use crate::models::{PartnerId, Role, SecondFactor, Timestamp, User, UserId};

/// The attributes of [`SearchText`] and of the position in a list. The one for the role depends on the index.
const SEARCHED: [&str; 5] = ["sk", "name_key", "email", "typed_email", "suspended"];

/// The part of a user that a search compares.
#[derive(Debug)]
pub struct SearchEntry<'a> {
    /// The name, email and status.
    pub searched: SearchText<'a>,
    /// The role.
    pub role: Role,
    /// Since when the user could have chosen a password. `None` if the user has chosen one, or if the search does not
    /// need it.
    pub pending_since: Option<Timestamp>,
    /// The second factor. `None` if the search does not need it.
    pub second_factor: Option<SecondFactor>,
}

/// The entries that a search reads.
#[derive(Debug, Clone, Copy)]
pub struct Searched {
    /// Only users with this role, if there is one.
    pub role: Option<Role>,
    /// Whether the search needs to know which users have not chosen a password, or which second factors they have.
    pub with_facts: bool,
}

impl Store {
    /// Returns up to `limit` users that `matches` accepts, after the position `after`. `matches` may get users with
    /// another role than the one in `searched`.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn find_users(
        &self,
        partner: &PartnerId,
        (sort, order): (Sort, Order),
        after: Option<&Position>,
        limit: usize,
        searched: Searched,
        matches: impl Fn(&SearchEntry<'_>) -> bool,
    ) -> Result<Page, StoreError> {
        let mut found: Vec<(Position, UserId)> = Vec::new();
        let mut start = None;
        loop {
            let (items, last) = self.query_search_entries(partner, sort, searched, start).await?;
            for item in &items {
                if matches(&search_entry(item)?) {
                    found.push((position(sort, item)?, user_id(item)?));
                }
            }
            start = last;
            if start.is_none() {
                break;
            }
        }
        let matching = found.len();
        found.sort_unstable_by(|(one, _), (other, _)| one.compare(other, order));
        if let Some(after) = after {
            found.retain(|(position, _)| position.compare(after, order).is_gt());
        }
        let is_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|(position, _)| position.clone()).filter(|_| is_more);
        let ids: Vec<UserId> = found.into_iter().map(|(_, id)| id).collect();
        Ok(Page { users: self.users(partner, &ids).await?, next, matching })
    }

    /// Reads these users in this order. Users who no longer exist are left out.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn users(&self, partner: &PartnerId, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
        let keys: Vec<_> = ids.iter().map(|id| Key::user(partner, id)).collect();
        let stored = self.read(&keys.iter().map(Key::item_key).collect::<Vec<_>>()).await?;
        let mut users = Vec::with_capacity(ids.len());
        for key in &keys {
            users.extend(stored.get(key)?.map(|item| item.user));
        }
        Ok(users)
    }

    async fn query_search_entries(
        &self,
        partner: &PartnerId,
        sort: Sort,
        searched: Searched,
        start: Option<Item>,
    ) -> Result<(Vec<Item>, Option<Item>), StoreError> {
        let query = self
            .client
            .query()
            .table_name(self.name_of(Table::Users)?)
            .consistent_read(true)
            .expression_attribute_values(":pk", AttributeValue::S(partition(partner)))
            .set_exclusive_start_key(start);
        // Only the index for reviews contains the last sign-in, since when a user is pending, and the second factor. If the
        // other index contained the last sign-in too, each sign-in would also write there.
        let query = match searched {
            Searched { with_facts, .. } if with_facts || sort == Sort::LastSignInAt => {
                let attributes = [&SEARCHED[..], &["review", "last_sign_in_key"]].concat();
                projected(query, &attributes).index_name("by_last_sign_in").key_condition_expression("pk = :pk")
            }
            Searched { role, .. } => {
                let query = projected(query, &[&SEARCHED[..], &["role"]].concat()).index_name("by_role");
                match role {
                    None => query.key_condition_expression("pk = :pk"),
                    Some(role) => query
                        .key_condition_expression("pk = :pk AND #role = :role")
                        .expression_attribute_values(":role", AttributeValue::S(role.as_str().to_owned())),
                }
            }
        };
        let response = query.send().await.map_err(|error| StoreError::from_sdk("Query", &error))?;
        Ok((response.items.unwrap_or_default(), response.last_evaluated_key.filter(|key| !key.is_empty())))
    }
}

fn search_entry(item: &Item) -> Result<SearchEntry<'_>, StoreError> {
    let wrong = || StoreError::Refused("a user without valid search attributes".to_owned());
    // The index by the last sign-in has the role among the facts for reviews.
    let searched = SearchText::read(item).ok_or_else(wrong)?;
    if !item.contains_key("review") {
        let role = Role::parse(text(item, "role")?).map_err(|_| wrong())?;
        return Ok(SearchEntry { searched, role, pending_since: None, second_factor: None });
    }
    let facts = ReviewText::read(text(item, "review")?, &user_id(item)?).ok_or_else(wrong)?;
    let (role, pending_since, second_factor) = (facts.role(), facts.pending_since(), Some(facts.second_factor()));
    Ok(SearchEntry { searched, role, pending_since, second_factor })
}

/// Returns the id of the user that an item is about.
pub(super) fn user_id(item: &Item) -> Result<UserId, StoreError> {
    let id = text(item, "sk")?.strip_prefix("USER#").and_then(|id| UserId::parse(id).ok());
    id.ok_or_else(|| StoreError::Refused("a user without a valid sort key".to_owned()))
}
