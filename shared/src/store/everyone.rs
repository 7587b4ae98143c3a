//! Lists all users of all partners, for actions of operators that concern every user.

use std::collections::HashMap;
use std::slice;

use aws_sdk_dynamodb::types::AttributeValue;

use super::keys::{ItemKey, Key};
use super::listing::Position;
use super::read::{from_item, string};
use super::{Store, StoreError, Table, UserItem};
use crate::models::{User, UserId};

/// The number of items of the table that one page scans.
const PAGE: i32 = 200;

/// A page of all users, as positions of their items.
#[derive(Debug)]
pub struct Everyone {
    /// The positions, in the order of the table.
    pub positions: Vec<Position>,
    /// The position after which the next page starts, if there is one.
    pub next: Option<Position>,
}

/// The result of reading a user at a position.
#[derive(Debug)]
pub enum Found {
    /// The user.
    User(Box<User>),
    /// The item no longer exists.
    Nothing,
    /// The item is not a valid user.
    Unreadable,
}

impl Store {
    /// Returns a page of all users. A page can be empty without being the last.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn everyone(&self, after: Option<&Position>) -> Result<Everyone, StoreError> {
        let start = after.map(|Position { sk, key }| {
            let pk = key.clone().unwrap_or_default();
            HashMap::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk.clone()))])
        });
        let response = self
            .client
            .scan()
            .table_name(self.name_of(Table::Users)?)
            .consistent_read(true)
            .projection_expression("pk, sk")
            .filter_expression("begins_with(pk, :partner) AND begins_with(sk, :user)")
            .expression_attribute_values(":partner", AttributeValue::S("PARTNER#".to_owned()))
            .expression_attribute_values(":user", AttributeValue::S("USER#".to_owned()))
            .limit(PAGE)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("Scan", &error))?;
        let position = |key: &HashMap<String, AttributeValue>| {
            Ok::<_, StoreError>(Position { sk: string(key, "sk")?, key: Some(string(key, "pk")?) })
        };
        let positions = response.items.unwrap_or_default().iter().map(position).collect::<Result<_, _>>()?;
        let next = response.last_evaluated_key.filter(|key| !key.is_empty());
        Ok(Everyone { positions, next: next.as_ref().map(position).transpose()? })
    }

    /// Reads the user at a position that [`everyone`](Self::everyone) returned.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails, but not if the item is not a valid user.
    pub async fn user_at(&self, position: &Position) -> Result<Found, StoreError> {
        let pk = position.key.clone().unwrap_or_default();
        let item_key = ItemKey { table: Table::Users, pk, sk: Some(position.sk.clone()) };
        let stored = self.read(slice::from_ref(&item_key)).await?;
        let Some(item) = stored.item(&item_key) else { return Ok(Found::Nothing) };
        let user = from_item::<UserItem>(item).map(|item| item.user);
        let user = user.ok().filter(|user| Key::user(&user.partner_id, &user.id).item_key == item_key);
        Ok(user.map_or(Found::Unreadable, |user| Found::User(Box::new(user))))
    }

    /// Deletes all sessions of a user that belong to a generation before `generation`.
    ///
    /// # Errors
    /// Returns [`StoreError`] if the call fails.
    pub async fn purge_sessions(&self, user: &UserId, generation: u64) -> Result<(), StoreError> {
        for (origin_jti, session) in self.sessions_of(user).await? {
            if session.generation < generation {
                self.end_session(user, &origin_jti).await?;
            }
        }
        Ok(())
    }
}
