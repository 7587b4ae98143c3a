//! Reads a JSON object field by field, so that all of its errors are reported at once.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Failure, FieldError};
use crate::factors::SubmittedCode;
use crate::models::{
    Decision, Email, Language, Note, PartnerId, PartnerName, PasskeyName, Permission, Permissions, PersonName,
    Requirement, Role, Status,
};
use crate::passkeys::PasskeyAnswer;
use crate::passwords::{About, Password, SubmittedPassword};

/// A value that a field of a request can hold. Parse, don't validate.
pub trait FromField: Sized {
    /// Reads the value of the field `name`.
    ///
    /// # Errors
    /// Returns the error in the field.
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError>;
}

const NO_OBJECT: &str = "The body is not a JSON object.";

/// A JSON object with a record of its repeated names.
struct Object {
    values: Map<String, Value>,
    /// The names that occur more than once.
    repeated: BTreeSet<String>,
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Object, A::Error> {
                let (mut values, mut repeated) = (Map::new(), BTreeSet::new());
                while let Some((name, value)) = members.next_entry::<String, Value>()? {
                    if values.contains_key(&name) {
                        repeated.insert(name);
                    } else {
                        values.insert(name, value);
                    }
                }
                Ok(Object { values, repeated })
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// The fields of a request's body. Take each field once, and then call [`finish`](Self::finish).
#[derive(Debug, Clone)]
pub struct Fields {
    prefix: String,
    values: Map<String, Value>,
    errors: Vec<FieldError>,
    unknown: Vec<FieldError>,
}

impl Fields {
    /// Reads `text`, which must be one JSON object.
    ///
    /// # Errors
    /// Returns [`Failure::InvalidRequest`] if it is not, or if a field is repeated.
    pub fn parse(text: &[u8]) -> Result<Self, Failure> {
        let Object { values, repeated } = serde_json::from_slice(text).map_err(|error| {
            let detail = if error.is_data() { NO_OBJECT } else { "The body is not valid JSON." };
            Failure::InvalidRequest(detail, Vec::new())
        })?;
        if repeated.is_empty() {
            return Ok(Self::new(String::new(), values));
        }
        // JSON parsers differ in which of the values they use, so another reader of the same text could use a different
        // one.
        let errors =
            repeated.iter().map(|name| FieldError::new(name, "repeated", "This field is given more than once."));
        Err(Failure::InvalidRequest("The body has a field more than once.", errors.collect()))
    }

    /// Reads a value, which must be a JSON object.
    ///
    /// # Errors
    /// Returns [`Failure::InvalidRequest`] if it is not.
    pub fn from_value(value: Value) -> Result<Self, Failure> {
        match value {
            Value::Object(values) => Ok(Self::new(String::new(), values)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Err(Failure::InvalidRequest(NO_OBJECT, Vec::new()))
            }
        }
    }

    fn new(prefix: String, values: Map<String, Value>) -> Self {
        Self { prefix, values, errors: Vec::new(), unknown: Vec::new() }
    }

    /// Reads a field that must be present. Returns `None` if it has an error, which [`finish`](Self::finish) reports.
    pub fn required<T: FromField>(&mut self, name: &str) -> Option<T> {
        match self.values.remove(name) {
            None | Some(Value::Null) => {
                self.refuse(name, "required", "This field is required.");
                None
            }
            Some(value) => self.read(name, &value),
        }
    }

    /// Reads a field that may be absent or `null`. Returns `Some(None)` if it is, and `None` if it has an error.
    #[allow(clippy::option_option, reason = "outer: the field has no error; inner: it is present")]
    pub fn optional<T: FromField>(&mut self, name: &str) -> Option<Option<T>> {
        match self.values.remove(name) {
            None | Some(Value::Null) => Some(None),
            Some(value) => self.read(name, &value).map(Some),
        }
    }

    /// Reads a field that may be absent, but not `null`. Returns `Some(None)` if it is absent, and `None` if it has an
    /// error.
    #[allow(clippy::option_option, reason = "outer: the field has no error; inner: it is present")]
    pub fn given<T: FromField>(&mut self, name: &str) -> Option<Option<T>> {
        match self.values.remove(name) {
            None => Some(None),
            Some(value) => self.read(name, &value).map(Some),
        }
    }

    /// Reads `role` and `permissions`, which must be a valid grant. The permissions default to those of the role. If
    /// there is no default role, `role` is required.
    pub fn access(&mut self, default_role: Option<Role>) -> Option<(Role, Permissions)> {
        let role = match default_role {
            Some(default) => self.optional("role").map(|role| role.unwrap_or(default)),
            None => self.required("role"),
        };
        let permissions: Option<Option<Permissions>> = self.optional("permissions");
        let (role, permissions) = (role?, permissions?);
        let permissions = permissions.unwrap_or_else(|| role.default_permissions());
        if let Err(error) = role.check_grant(&permissions) {
            self.refuse(error.field(), error.code(), &error.to_string());
            return None;
        }
        Some((role, permissions))
    }

    /// Sets a field that is absent to `null`.
    pub fn null_if_absent(&mut self, name: &str) {
        self.values.entry(name).or_insert(Value::Null);
    }

    /// Reads `first_name`, `last_name` and `email` of a new user. The last name must be present, so that a client does not
    /// forget it, but a person with a single name has none.
    pub fn person(&mut self) -> Option<(PersonName, Option<PersonName>, Email)> {
        let first_name = self.required("first_name");
        let last_name = self.given("last_name");
        if let Some(None) = last_name {
            self.refuse("last_name", "required", "This field is required. It is null for a person with one name.");
        }
        let email = self.required("email");
        let (first_name, LastName(last_name), email) = (first_name?, last_name??, email?);
        Some((first_name, last_name, email))
    }

    /// Reads a new user, and an optional `password`, whose strength it checks. If the partner is absent, it has another
    /// error, and the strength is not checked.
    pub fn person_with_password(
        &mut self,
        partner: Option<&PartnerName>,
    ) -> Option<(PersonName, Option<PersonName>, Email, Option<Password>)> {
        let person = self.person();
        let password: Option<Option<Password>> = self.optional("password");
        let ((first_name, last_name, email), password) = (person?, password?);
        if let (Some(password), Some(partner)) = (&password, partner) {
            let about = About { email: &email, first_name: &first_name, last_name: last_name.as_ref(), partner };
            if let Err(rejection) = password.check_strength(&about) {
                self.refuse_password("password", rejection);
                return None;
            }
        }
        Some((first_name, last_name, email, password))
    }

    /// Reads a nested object with `read`. Its errors are reported together with the others.
    pub fn object<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields) -> Option<T>) -> Option<T> {
        match self.values.remove(name) {
            None | Some(Value::Null) => {
                self.refuse(name, "required", "This field is required.");
                None
            }
            Some(Value::Object(values)) => {
                let mut inner = Self::new(format!("{}{name}.", self.prefix), values);
                let read = read(&mut inner);
                inner.record_unknown();
                self.errors.append(&mut inner.errors);
                self.unknown.append(&mut inner.unknown);
                read
            }
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
                self.refuse(name, "wrong_type", "This field must be an object.");
                None
            }
        }
    }

    /// Adds an error that depends on several fields.
    pub fn refuse(&mut self, name: &str, code: &'static str, message: &str) {
        self.errors.push(FieldError::new(&format!("{}{name}", self.prefix), code, message));
    }

    /// Adds an error in the password in `name`.
    pub fn refuse_password(&mut self, name: &str, rejection: crate::passwords::Rejection) {
        self.errors.push(FieldError::password(&format!("{}{name}", self.prefix), rejection));
    }

    fn read<T: FromField>(&mut self, name: &str, value: &Value) -> Option<T> {
        match T::from_field(&format!("{}{name}", self.prefix), value) {
            Ok(value) => Some(value),
            Err(error) => {
                self.errors.push(error);
                None
            }
        }
    }

    fn record_unknown(&mut self) {
        // The order of the map depends on a feature of serde_json, which other packages of a build can turn on.
        for name in self.values.keys().collect::<BTreeSet<_>>() {
            let name = format!("{}{name}", self.prefix);
            self.unknown.push(FieldError::new(&name, "unknown_field", "There is no such field."));
        }
    }

    /// Returns the input if no field has an error.
    ///
    /// # Errors
    /// Returns [`Failure::InvalidRequest`] if there are unknown fields, otherwise [`Failure::PasswordRejected`] if only
    /// passwords have errors, and otherwise [`Failure::ValidationFailed`]. Each reports all fields at once.
    pub fn finish<T>(mut self, input: impl FnOnce() -> Option<T>) -> Result<T, Failure> {
        self.record_unknown();
        if !self.unknown.is_empty() {
            return Err(Failure::InvalidRequest("The body has fields that are not known here.", self.unknown));
        }
        match input() {
            Some(input) if self.errors.is_empty() => Ok(input),
            _ if self.errors.is_empty() => Err(Failure::bug("a field was rejected without an error")),
            _ if self.errors.iter().all(FieldError::is_password) => Err(Failure::PasswordRejected(self.errors)),
            _ => Err(Failure::ValidationFailed(self.errors)),
        }
    }
}

/// Returns the text of a field, for types that are parsed from text.
fn text<'a>(name: &str, value: &'a Value) -> Result<&'a str, FieldError> {
    value.as_str().ok_or_else(|| FieldError::new(name, "wrong_type", "This field must be a string."))
}

impl FromField for String {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        text(name, value).map(str::to_owned)
    }
}

impl FromField for bool {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        value.as_bool().ok_or_else(|| FieldError::new(name, "wrong_type", "This field must be true or false."))
    }
}

impl FromField for u32 {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        value.as_u64().and_then(|number| Self::try_from(number).ok()).ok_or_else(|| {
            FieldError::new(name, "wrong_type", "This field must be a whole number, not negative and not too large.")
        })
    }
}

impl FromField for PersonName {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|error| FieldError::new(name, error.code(), error.to_string()))
    }
}

/// The last name of a person, if there is one. `null` and a text without visible characters mean that there is none.
#[derive(Debug)]
pub struct LastName(pub Option<PersonName>);

impl FromField for LastName {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        let text = if value.is_null() { "" } else { text(name, value)? };
        let last_name = PersonName::parse_optional(text);
        last_name.map(Self).map_err(|error| FieldError::new(name, error.code(), error.to_string()))
    }
}

impl FromField for PartnerName {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|error| FieldError::new(name, error.code(), error.to_string()))
    }
}

impl FromField for PasskeyName {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|error| FieldError::new(name, error.code(), error.to_string()))
    }
}

impl FromField for Email {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|error| FieldError::new(name, error.code(), error.to_string()))
    }
}

impl FromField for PartnerId {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|error| FieldError::new(name, "invalid_id", error.to_string()))
    }
}

impl FromField for Vec<String> {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        let Value::Array(values) = value else {
            return Err(FieldError::new(name, "wrong_type", "This field must be a list of strings."));
        };
        values.iter().enumerate().map(|(index, value)| String::from_field(&format!("{name}.{index}"), value)).collect()
    }
}

impl FromField for Note {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|error| FieldError::new(name, error.code(), error.to_string()))
    }
}

impl FromField for Status {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?)
            .map_err(|_| FieldError::new(name, "unknown_status", "The status must be active or suspended."))
    }
}

impl FromField for Language {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?)
            .map_err(|_| FieldError::new(name, "unknown_language", "The language must be en or fr."))
    }
}

impl FromField for Requirement {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|_| {
            FieldError::new(name, "unknown_requirement", "The requirement must be optional, admins or everyone.")
        })
    }
}

impl FromField for SubmittedCode {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        text(name, value).map(Self::parse)
    }
}

impl FromField for PasskeyAnswer {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::read(value).ok_or_else(|| FieldError::new(name, "wrong_type", "This field must be an object."))
    }
}

impl FromField for Decision {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|_| {
            FieldError::new(name, "unknown_decision", "The decision must be keep, reduce, suspend or remove.")
        })
    }
}

impl FromField for Role {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?)
            .map_err(|_| FieldError::new(name, "unknown_role", "The role must be admin, manager or viewer."))
    }
}

impl FromField for Permissions {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        let Value::Array(values) = value else {
            return Err(FieldError::new(name, "wrong_type", "This field must be a list of permissions."));
        };
        values
            .iter()
            .map(|value| {
                let text = value
                    .as_str()
                    .ok_or_else(|| FieldError::new(name, "wrong_type", "Each permission must be a string."))?;
                Permission::parse(text).map_err(|_| {
                    FieldError::new(name, "unknown_permission", "The list names a permission that does not exist.")
                })
            })
            .collect()
    }
}

impl FromField for Password {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        Self::parse(text(name, value)?).map_err(|rejection| FieldError::password(name, rejection))
    }
}

impl FromField for SubmittedPassword {
    fn from_field(name: &str, value: &Value) -> Result<Self, FieldError> {
        text(name, value).map(Self::parse)
    }
}
