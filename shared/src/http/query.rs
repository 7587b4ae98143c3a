//! Reads a query string parameter by parameter.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::Format;
use crate::error::{Failure, FieldError};
use crate::models::Timestamp;

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

    /// Returns a parameter, if it has a value and `read` accepts it. `message` describes the accepted values. An empty
    /// value counts as absent: forms send it for a filter that is not set.
    pub fn take<T>(&mut self, name: &str, message: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let value = self.values.remove(name).filter(|value| !value.is_empty())?;
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

    /// Returns a time. The plus sign of its offset is read as a plus sign, although it means a space in a form.
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        self.take(name, "A time is written as 2026-11-22T12:29:51Z.", |text| {
            let offset = text.len().checked_sub("+01:00".len())?;
            let (time, offset) = text.split_at_checked(offset)?;
            let text = match offset.strip_prefix(' ') {
                Some(offset) if time.contains(':') => format!("{time}+{offset}"),
                _ => text.to_owned(),
            };
            Timestamp::from_rfc3339(&text).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_parameter_counts_as_absent_but_must_be_known() {
        let mut query = Query::parse("role=&limit=");
        assert_eq!(query.take("role", "", |text| Some(text.to_owned())), None);
        assert_eq!(query.limit(Format::Json), 25);
        assert!(query.finish().is_ok());
        assert!(Query::parse("roll=").finish().is_err());
    }

    #[test]
    fn the_plus_sign_of_an_offset_is_a_plus_sign() {
        for text in [
            "2026-11-22T13:29:51+01:00",
            "2026-11-22T13:29:51%2B01:00",
            "2026-11-22+13:29:51+01:00",
            "2026-11-22T12:29:51Z",
        ] {
            let mut query = Query::parse(&format!("from={text}"));
            assert_eq!(
                query.time("from").map(|time| time.to_string()).as_deref(),
                Some("2026-11-22T12:29:51.000Z"),
                "{text}"
            );
        }
        for text in ["2026-11-22", "2026-11-22+13:29", "noon", "\u{e9}\u{e9}\u{e9}\u{e9}", "+01:00"] {
            let mut query = Query::parse(&format!("from={text}"));
            assert_eq!(query.time("from"), None, "{text}");
            assert!(query.finish().is_err(), "{text}");
        }
    }
}
