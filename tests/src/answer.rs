//! A response of the portal, with checks for tests. Every failed check shows the call and the response.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response whose body has been read.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The call, for messages: `POST /v1/users`.
    pub call: String,
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// The body, `null` if it is not JSON.
    pub json: Value,
}

impl Answer {
    pub(crate) async fn read(call: String, response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let text = response.text().await.unwrap_or_else(|error| panic!("{call}: the body is incomplete: {error}"));
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Self { call, status, headers, text, json }
    }

    /// Checks the status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert!(self.status == status, "expected {status}, got {self}");
        if status == 204 {
            assert!(self.text.is_empty(), "a 204 has no body: {self}");
        }
        self
    }

    /// Checks that this is a problem (RFC 9457) with exactly the documented fields, and with this status and code.
    #[track_caller]
    pub fn problem(&self, status: u16, code: &str) -> Problem<'_> {
        assert!(self.status == status && self.json["code"] == code, "expected {status} {code}, got {self}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self}");
        let object = self.json.as_object().unwrap_or_else(|| panic!("a problem is an object: {self}"));
        for field in ["type", "title", "detail", "request_id"] {
            let text = object.get(field).and_then(Value::as_str);
            assert!(text.is_some_and(|text| !text.is_empty()), "a problem has {field:?}: {self}");
        }
        assert_eq!(self.json["status"], status, "{self}");
        for field in object.keys() {
            let known = ["type", "title", "status", "detail", "code", "request_id", "errors", "readings"];
            let known = known.contains(&field.as_str());
            assert!(known, "a problem has no {field:?}: {self}");
        }
        for error in self.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default() {
            for field in ["field", "code", "message"] {
                assert!(error[field].as_str().is_some_and(|text| !text.is_empty()), "an error has {field:?}: {self}");
            }
            assert_eq!(error.as_object().unwrap().len(), 3, "{self}");
        }
        Problem(self)
    }

    /// Checks that this is a response of the gateway itself, in API Gateway's format.
    #[track_caller]
    pub fn gateway(&self, status: u16, message: &str) {
        assert!(
            self.status == status && self.json == serde_json::json!({ "message": message }),
            "expected the gateway's {status} {message:?}, got {self}"
        );
    }

    /// The value of a header, or an empty text without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    /// The value of a cookie that the response sets.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> String {
        let cookies = self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let pairs = cookies.filter_map(|cookie| cookie.split(';').next()?.split_once('='));
        let value = pairs.filter(|(found, _)| *found == name).map(|(_, value)| value.to_owned()).next();
        value.unwrap_or_else(|| panic!("expected the cookie {name}: {self}"))
    }

    /// The string at a JSON pointer in the body: `text_at("/user/id")`.
    #[track_caller]
    pub fn text_at(&self, pointer: &str) -> &str {
        let value = self.json.pointer(pointer).and_then(Value::as_str);
        value.unwrap_or_else(|| panic!("expected a string at {pointer}: {self}"))
    }

    /// The seconds in `Retry-After`.
    #[track_caller]
    pub fn retry_after(&self) -> u64 {
        let seconds = self.header("retry-after").parse().ok();
        seconds.unwrap_or_else(|| panic!("expected seconds in Retry-After: {self}"))
    }

    /// Checks that the body is a user with exactly the documented fields, and returns it.
    #[track_caller]
    pub fn user(&self) -> &Value {
        assert_user(&self.json, &[]);
        &self.json
    }

    /// Checks that the body is the signed-in user with the partner, and returns it.
    #[track_caller]
    pub fn me(&self) -> &Value {
        assert_user(&self.json, &["partner", "mail"]);
        &self.json
    }
}

/// Checks that a value has exactly the documented fields of a user, and `more`.
#[track_caller]
pub(crate) fn assert_user(user: &Value, more: &[&str]) {
    let fields = [
        "id",
        "partner_id",
        "first_name",
        "last_name",
        "email",
        "pending_email",
        "mail_state",
        "language",
        "role",
        "permissions",
        "status",
        "must_change_password",
        "second_factor",
        "pending",
        "last_sign_in_at",
        "last_active_at",
        "signed_out_at",
        "created_at",
        "created_by",
        "updated_at",
        "version",
    ];
    let mut expected: Vec<_> = fields.iter().chain(more).copied().collect();
    let mut found: Vec<_> =
        user.as_object().unwrap_or_else(|| panic!("a user: {user}")).keys().map(String::as_str).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "the fields of a user");
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}\n{:?}\n{}", self.status, self.call, self.headers, self.text)
    }
}

/// A problem whose fields have been checked.
#[derive(Debug)]
pub struct Problem<'a>(&'a Answer);

impl Problem<'_> {
    /// The fields that the problem names, in order.
    pub fn fields(&self) -> Vec<&str> {
        let errors = self.0.json["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
        errors.iter().map(|error| error["field"].as_str().unwrap()).collect()
    }

    /// Checks that the problem names this field and no other.
    #[track_caller]
    pub fn names_field(&self, field: &str) {
        assert_eq!(self.fields(), [field], "{}", self.0);
    }

    /// Checks that the problem names these fields and no others, in any order.
    #[track_caller]
    pub fn names_fields(&self, fields: &[&str]) {
        let (mut expected, mut found) = (fields.to_vec(), self.fields());
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{}", self.0);
    }
}
