//! Reads an object of the template key by key. A key that is never read is an error, so nothing in the template is
//! silently ignored. The module knows the structure of the template, not its meaning.

use serde_json::{Map, Value};

/// An error in the template, with its location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TemplateError(String);

/// A location in the template: `UsersTable.Properties.KeySchema[0]`.
#[derive(Debug, Clone)]
pub(crate) struct Place(String);

impl Place {
    pub(crate) fn new(start: impl Into<String>) -> Self {
        Self(start.into())
    }

    pub(crate) fn key(&self, key: &str) -> Self {
        Self(if self.0.is_empty() { key.to_owned() } else { format!("{}.{key}", self.0) })
    }

    pub(crate) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> TemplateError {
        let problem = problem.into();
        TemplateError(if self.0.is_empty() { problem } else { format!("{}: {problem}", self.0) })
    }
}

/// A value and its location.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

impl Entry {
    pub(crate) fn new(place: Place, value: Value) -> Self {
        Self { place, value }
    }

    pub(crate) fn error(&self, problem: impl Into<String>) -> TemplateError {
        self.place.error(problem)
    }

    pub(crate) fn section(self) -> Result<Section, TemplateError> {
        match self.value {
            Value::Object(fields) => Ok(Section { place: self.place, fields }),
            other => Err(self.place.error(format!("expected an object, found {}", kind(&other)))),
        }
    }

    pub(crate) fn list(self) -> Result<Vec<Entry>, TemplateError> {
        match self.value {
            Value::Array(values) => {
                Ok(values.into_iter().enumerate().map(|(i, value)| Entry::new(self.place.index(i), value)).collect())
            }
            other => Err(self.place.error(format!("expected a list, found {}", kind(&other)))),
        }
    }

    /// Returns a string. Numbers and booleans are converted as `CloudFormation` does.
    pub(crate) fn text(self) -> Result<String, TemplateError> {
        match self.value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            other => Err(self.place.error(format!("expected a string, found {}", kind(&other)))),
        }
    }

    pub(crate) fn flag(self) -> Result<bool, TemplateError> {
        let place = self.place.clone();
        match self.text()?.as_str() {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(place.error(format!("expected true or false, found `{other}`"))),
        }
    }

    pub(crate) fn number(self) -> Result<u32, TemplateError> {
        let place = self.place.clone();
        let text = self.text()?;
        text.parse().map_err(|_| place.error(format!("expected a whole number, found `{text}`")))
    }
}

/// An object whose keys are read one by one.
#[derive(Debug)]
pub(crate) struct Section {
    place: Place,
    fields: Map<String, Value>,
}

impl Section {
    pub(crate) fn take(&mut self, key: &str) -> Option<Entry> {
        self.fields.remove(key).map(|value| Entry::new(self.place.key(key), value))
    }

    pub(crate) fn require(&mut self, key: &str) -> Result<Entry, TemplateError> {
        self.take(key).ok_or_else(|| self.place.error(format!("`{key}` is missing")))
    }

    /// The object at `key`, or an empty one if the key is missing.
    pub(crate) fn section(&mut self, key: &str) -> Result<Section, TemplateError> {
        match self.take(key) {
            Some(entry) => entry.section(),
            None => Ok(Section { place: self.place.key(key), fields: Map::new() }),
        }
    }

    /// The list at `key`, or an empty one if the key is missing.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<Entry>, TemplateError> {
        self.take(key).map_or_else(|| Ok(Vec::new()), Entry::list)
    }

    /// Ignores keys that have no meaning on one machine, such as backups, alarms and architectures.
    pub(crate) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.fields.remove(*key);
        }
    }

    /// All remaining keys, for objects whose keys are names.
    pub(crate) fn rest(self) -> impl Iterator<Item = (String, Entry)> {
        self.fields.into_iter().map(move |(key, value)| {
            let place = self.place.key(&key);
            (key, Entry::new(place, value))
        })
    }

    /// Returns an error if a key was never read.
    pub(crate) fn finish(self) -> Result<(), TemplateError> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.place.key(key).error("the local stack does not support this property")),
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
