//! Reads a query string parameter by parameter.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Format;
use crate::error::{Failure, FieldError};

/// The parameters of a request's query. Take each once, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Query {
    values: BTreeMap<String, String>,
    errors: Vec<FieldError>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Self {
        let mut query = Self { values: BTreeMap::new(), errors: Vec::new() };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if query.values.insert(name.to_string(), value.into_owned()).is_some() {
                query.errors.push(FieldError::new(&name, "repeated", "This parameter is given more than once."));
            }
        }
        query
    }

    /// A parameter, when it is given and `read` accepts it. `message` says what it must be.
    pub fn take<T>(&mut self, name: &str, message: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.values.remove(name)?;
        let read = read(&value);
        if read.is_none() {
            self.errors.push(FieldError::new(name, "invalid", message));
        }
        read
    }

    /// `limit`: how many items of a list in this form the client wants on a page.
    pub fn limit(&mut self, format: Format) -> usize {
        let (default, most) = format.limits();
        let message = format!("The limit is a whole number from 1 to {most}.");
        self.number("limit", &message, 1..=most).unwrap_or(default)
    }

    /// A whole number in digits, without a sign.
    pub fn number<T: FromStr + PartialOrd>(
        &mut self,
        name: &str,
        message: &str,
        range: RangeInclusive<T>,
    ) -> Option<T> {
        self.take(name, message, |text| {
            let digits = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|text| text.parse().ok()).filter(|number| range.contains(number))
        })
    }

    /// # Errors
    /// [`Failure::InvalidRequest`] that names every parameter that is not one of `known`, or is repeated.
    pub(super) fn only(mut self, known: &[&str]) -> Result<(), Failure> {
        self.values.retain(|name, _| !known.contains(&name.as_str()));
        self.finish()
    }

    /// # Errors
    /// [`Failure::InvalidRequest`] that names every parameter that is unknown or was refused.
    pub fn finish(mut self) -> Result<(), Failure> {
        for name in self.values.keys() {
            self.errors.push(FieldError::new(name, "unknown_parameter", "There is no such parameter."));
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Failure::InvalidRequest("The query is not acceptable.", self.errors))
        }
    }
}
