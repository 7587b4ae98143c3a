//! All users of all partners, for what an operator does to everybody.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::listing::Position;
use super::read::{row, string};
use super::{Page, Store, StoreError, Table, UserItem};
use crate::models::UserId;

/// Items of the table that are looked at for one page.
const PAGE: i32 = 200;

impl Store {
    /// Some of all users, in no order that means anything; a page may be empty and not be the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn everyone(&self, after: Option<&Position>) -> Result<Page, StoreError> {
        let start = after.map(|Position { sk, key }| {
            let pk = key.clone().unwrap_or_default();
            HashMap::from([("pk".to_owned(), AttributeValue::S(pk)), ("sk".to_owned(), AttributeValue::S(sk.clone()))])
        });
        let answer = self
            .client
            .scan()
            .table_name(self.name_of(Table::Users)?)
            .consistent_read(true)
            .filter_expression("begins_with(sk, :user)")
            .expression_attribute_values(":user", AttributeValue::S("USER#".to_owned()))
            .limit(PAGE)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| StoreError::from_sdk("Scan", &error))?;
        let items = answer.items.unwrap_or_default();
        let users = items.iter().map(|item| Ok(row::<UserItem>(item)?.user)).collect::<Result<_, StoreError>>()?;
        let next = answer.last_evaluated_key.filter(|key| !key.is_empty());
        let next = next
            .map(|key| Ok::<_, StoreError>(Position { sk: string(&key, "sk")?, key: Some(string(&key, "pk")?) }))
            .transpose()?;
        Ok(Page { users, next, matching: 0 })
    }

    /// Takes away the rows of all sessions of a user that belong to a generation before `generation`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn purge_sessions(&self, user: &UserId, generation: u64) -> Result<(), StoreError> {
        for (origin_jti, session) in self.sessions_of(user).await? {
            if session.generation < generation {
                self.end_session(user, &origin_jti).await?;
            }
        }
        Ok(())
    }
}
