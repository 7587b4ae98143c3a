//! One object of the template, taken apart key by key: a key that nobody took is an error, so nothing that the template
//! asks for is silently left out. Knows the shape of the text, not its meaning.

use serde_json::{Map, Value};

/// What is wrong with the template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct TemplateError(String);

/// Where in the template: `UsersTable.Properties.KeySchema[0]`.
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

/// A value and where it stands.
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

    /// A string; numbers and booleans count as the text that `CloudFormation` would make of them.
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

/// An object whose keys are taken one by one.
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

    /// The object under `key`, empty when there is none.
    pub(crate) fn section(&mut self, key: &str) -> Result<Section, TemplateError> {
        match self.take(key) {
            Some(entry) => entry.section(),
            None => Ok(Section { place: self.place.key(key), fields: Map::new() }),
        }
    }

    /// The list under `key`, empty when there is none.
    pub(crate) fn list(&mut self, key: &str) -> Result<Vec<Entry>, TemplateError> {
        self.take(key).map_or_else(|| Ok(Vec::new()), Entry::list)
    }

    /// Leaves out what says nothing about a portal on one machine: backups, alarms, architectures.
    pub(crate) fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.fields.remove(*key);
        }
    }

    /// Every key that is left, for objects whose keys are names.
    pub(crate) fn rest(self) -> impl Iterator<Item = (String, Entry)> {
        self.fields.into_iter().map(move |(key, value)| {
            let place = self.place.key(&key);
            (key, Entry::new(place, value))
        })
    }

    /// Fails when a key is left that nobody took.
    pub(crate) fn finish(self) -> Result<(), TemplateError> {
        match self.fields.keys().next() {
            None => Ok(()),
            Some(key) => Err(self.place.key(key).error("the local stack does not know this property")),
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
