//! Builds DynamoDB's condition and update expressions, with placeholders for every name and value.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::models::Timestamp;

/// The names and values of one operation, and its two expressions.
#[derive(Debug, Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    conditions: Vec<String>,
    sets: Vec<String>,
    removes: Vec<String>,
    adds: Vec<String>,
}

impl Expression {
    pub(super) fn name(&mut self, attribute: &str) -> String {
        let placeholder = format!("#{attribute}");
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    pub(super) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    pub(super) fn when_absent(&mut self) {
        let pk = self.name("pk");
        self.conditions.push(format!("attribute_not_exists({pk})"));
    }

    /// Requires that the item is absent or has expired. TTL deletes expired items late.
    pub(super) fn when_absent_or_expired(&mut self, now: Timestamp) {
        let (pk, expires_at) = (self.name("pk"), self.name("expires_at"));
        let now = self.value(number(now.unix_seconds()));
        self.conditions.push(format!("(attribute_not_exists({pk}) OR {expires_at} <= {now})"));
    }

    pub(super) fn when_present(&mut self) {
        let pk = self.name("pk");
        self.conditions.push(format!("attribute_exists({pk})"));
    }

    pub(super) fn when(&mut self, attribute: &str, operator: &str, value: AttributeValue) {
        let (name, value) = (self.name(attribute), self.value(value));
        self.conditions.push(format!("{name} {operator} {value}"));
    }

    pub(super) fn set(&mut self, attribute: &str, value: AttributeValue) {
        let (name, value) = (self.name(attribute), self.value(value));
        self.sets.push(format!("{name} = {value}"));
    }

    pub(super) fn remove(&mut self, attribute: &str) {
        let name = self.name(attribute);
        self.removes.push(name);
    }

    pub(super) fn add(&mut self, attribute: &str, amount: i64) {
        let (name, value) = (self.name(attribute), self.value(number(amount)));
        self.adds.push(format!("{name} {value}"));
    }

    /// Requires that the attribute is absent, as in an absent item, or has another value.
    pub(super) fn when_absent_or_other(&mut self, attribute: &str, value: AttributeValue) {
        let (name, value) = (self.name(attribute), self.value(value));
        self.conditions.push(format!("(attribute_not_exists({name}) OR {name} <> {value})"));
    }

    /// Requires that the attribute is absent, as in an absent item, or has this value.
    pub(super) fn when_absent_or_same(&mut self, attribute: &str, value: AttributeValue) {
        let (name, value) = (self.name(attribute), self.value(value));
        self.conditions.push(format!("(attribute_not_exists({name}) OR {name} = {value})"));
    }

    /// Requires that the attribute is absent.
    pub(super) fn when_missing(&mut self, attribute: &str) {
        let name = self.name(attribute);
        self.conditions.push(format!("attribute_not_exists({name})"));
    }

    /// Requires that the attribute is absent or less than a value.
    pub(super) fn when_absent_or_less(&mut self, attribute: &str, value: AttributeValue) {
        let (name, value) = (self.name(attribute), self.value(value));
        self.conditions.push(format!("(attribute_not_exists({name}) OR {name} < {value})"));
    }

    /// Requires that a map has this entry. The entry's name may contain any characters.
    pub(super) fn when_entry_exists(&mut self, map: &str, entry: &str) {
        self.names.insert("#entry".to_owned(), entry.to_owned());
        let map = self.name(map);
        self.conditions.push(format!("attribute_exists({map}.#entry)"));
    }

    /// Adds a condition on a number in an entry of a map.
    pub(super) fn when_in(&mut self, map: &str, entry: &str, attribute: &str, operator: &str, than: i64) {
        let (path, value) = (self.path(map, entry, attribute), self.value(number(than)));
        self.conditions.push(format!("{path} {operator} {value}"));
    }

    /// Adds to a number in an entry of a map, and requires that the number exists.
    pub(super) fn count_in(&mut self, map: &str, entry: &str, attribute: &str, amount: i64) {
        let (path, value) = (self.path(map, entry, attribute), self.value(number(amount)));
        self.conditions.push(format!("attribute_exists({path})"));
        self.sets.push(format!("{path} = {path} + {value}"));
    }

    /// Returns the path of an attribute in an entry of a map. The entry's name may contain any characters.
    fn path(&mut self, map: &str, entry: &str, attribute: &str) -> String {
        self.names.insert("#entry".to_owned(), entry.to_owned());
        format!("{}.#entry.{}", self.name(map), self.name(attribute))
    }

    pub(super) fn write(self) -> Written {
        let update = [("SET", self.sets), ("REMOVE", self.removes), ("ADD", self.adds)]
            .into_iter()
            .filter(|(_, clauses)| !clauses.is_empty())
            .map(|(verb, clauses)| format!("{verb} {}", clauses.join(", ")))
            .collect::<Vec<_>>()
            .join(" ");
        Written {
            condition: (!self.conditions.is_empty()).then(|| self.conditions.join(" AND ")),
            update,
            names: (!self.names.is_empty()).then_some(self.names),
            values: (!self.values.is_empty()).then_some(self.values),
        }
    }
}

/// An expression in the form of the SDK, in which empty parts must be absent.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) condition: Option<String>,
    pub(super) update: String,
    pub(super) names: Option<HashMap<String, String>>,
    pub(super) values: Option<HashMap<String, AttributeValue>>,
}

pub(super) fn number(number: impl std::fmt::Display + Copy) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(super) fn text(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}
