//! Reads a query string parameter by parameter.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Format;
use crate::error::{Failure, FieldError};

/// The parameters of a request's query. Take each parameter once, and then call [`finish`](Self::finish).
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

    /// Returns a parameter, if it is given and `read` accepts it. `message` describes the accepted values.
    pub fn take<T>(&mut self, name: &str, message: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.values.remove(name)?;
        let read = read(&value);
        if read.is_none() {
            self.errors.push(FieldError::new(name, "invalid", message));
        }
        read
    }

    /// Returns `limit`: the number of items on a page that the client requests, or the default for this format.
    pub fn limit(&mut self, format: Format) -> usize {
        let (default, most) = format.limits();
        let message = format!("The limit is a whole number from 1 to {most}.");
        self.number("limit", &message, 1..=most).unwrap_or(default)
    }

    /// Returns a whole number, which has only digits and no sign.
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

    /// Checks that all parameters are among `known`.
    ///
    /// # Errors
    /// Returns [`Failure::InvalidRequest`] with all unknown and repeated parameters.
    pub(super) fn only(mut self, known: &[&str]) -> Result<(), Failure> {
        self.values.retain(|name, _| !known.contains(&name.as_str()));
        self.finish()
    }

    /// Checks that all parameters were taken and valid.
    ///
    /// # Errors
    /// Returns [`Failure::InvalidRequest`] with all parameters that are unknown, repeated or invalid.
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
