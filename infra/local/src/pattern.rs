//! Event patterns, as `EventBridge`'s rules and Lambda's filters contain them. The module supports a part of the language;
//! anything else is an error, so that no event is matched otherwise than on AWS.

use std::collections::BTreeMap;

use serde_json::Value;

/// A pattern for JSON objects. All its fields must match.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern(BTreeMap<String, Field>);

#[derive(Debug, Clone, PartialEq)]
enum Field {
    /// The field is an object whose own fields match.
    Object(Pattern),
    /// One of the tests accepts the field.
    AnyOf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Equals(Value),
    Prefix(String),
    AnythingBut(Vec<Value>),
    Exists(bool),
}

impl Pattern {
    /// Parses a pattern.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let fields = value.as_object().ok_or("a pattern is an object")?;
        if fields.is_empty() {
            return Err("a pattern has at least one field".to_owned());
        }
        let field = |(name, value): (&String, &Value)| {
            let field = match value {
                Value::Array(tests) if !tests.is_empty() => {
                    Field::AnyOf(tests.iter().map(Test::read).collect::<Result<_, _>>()?)
                }
                Value::Object(_) if !name.starts_with('$') => Field::Object(Self::read(value)?),
                _ => return Err(format!("the local stack does not support `{name}` in a pattern")),
            };
            Ok((name.clone(), field))
        };
        fields.iter().map(field).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an event matches.
    pub(crate) fn matches(&self, event: &Value) -> bool {
        self.0.iter().all(|(name, field)| field.matches(event.get(name)))
    }

    /// The only value that the pattern accepts for a field.
    pub(crate) fn only(&self, name: &str) -> Option<&Value> {
        match self.0.get(name)? {
            Field::AnyOf(tests) => match tests.as_slice() {
                [Test::Equals(value)] => Some(value),
                _ => None,
            },
            Field::Object(_) => None,
        }
    }
}

impl Field {
    fn matches(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Object(pattern) => pattern.matches(value.unwrap_or(&Value::Null)),
            Self::AnyOf(tests) => tests.iter().any(|test| test.accepts(value)),
        }
    }
}

impl Test {
    fn read(value: &Value) -> Result<Self, String> {
        let Value::Object(fields) = value else {
            return scalar(value).map(Self::Equals);
        };
        let mut all = fields.iter();
        match (all.next().map(|(name, argument)| (name.as_str(), argument)), all.next()) {
            (Some(("prefix", Value::String(prefix))), None) => Ok(Self::Prefix(prefix.clone())),
            (Some(("exists", Value::Bool(exists))), None) => Ok(Self::Exists(*exists)),
            (Some(("anything-but", Value::Array(values))), None) if !values.is_empty() => {
                values.iter().map(scalar).collect::<Result<_, _>>().map(Self::AnythingBut)
            }
            (Some(("anything-but", value)), None) => Ok(Self::AnythingBut(vec![scalar(value)?])),
            _ => Err(format!("the local stack does not support the filter {value}")),
        }
    }

    /// An array is accepted if one of its elements is.
    fn accepts(&self, value: Option<&Value>) -> bool {
        let is_any = |test: &dyn Fn(&Value) -> bool| match value {
            Some(Value::Array(elements)) => elements.iter().any(test),
            Some(value) => test(value),
            None => false,
        };
        match self {
            Self::Equals(expected) => is_any(&|value| value == expected),
            Self::Prefix(prefix) => is_any(&|value| value.as_str().is_some_and(|text| text.starts_with(prefix))),
            Self::AnythingBut(excluded) => is_any(&|value| !excluded.contains(value)),
            // Only a field that holds a value exists; an object does not count.
            Self::Exists(exists) => value.is_some_and(|value| !value.is_object()) == *exists,
        }
    }
}

fn scalar(value: &Value) -> Result<Value, String> {
    match value {
        Value::Array(_) | Value::Object(_) => Err(format!("the local stack does not support the filter {value}")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_fields_must_match_and_one_test_of_each() {
        let event = json!({
            "eventName": "INSERT",
            "resources": ["arn:a", "arn:b"],
            "dynamodb": { "NewImage": { "kind": { "S": "reset" }, "attempts": { "N": "0" } } },
            "nothing": null,
        });
        for (pattern, expected) in [
            (json!({ "eventName": ["INSERT"] }), true),
            (json!({ "eventName": ["MODIFY", "INSERT"] }), true),
            (json!({ "eventName": ["MODIFY"] }), false),
            (json!({ "eventName": ["INSERT"], "other": ["x"] }), false),
            (json!({ "resources": ["arn:b"] }), true),
            (json!({ "resources": ["arn:c"] }), false),
            (json!({ "dynamodb": { "NewImage": { "kind": { "S": ["reset"] } } } }), true),
            (json!({ "dynamodb": { "NewImage": { "kind": { "S": ["invitation"] } } } }), false),
            (json!({ "dynamodb": { "OldImage": { "kind": { "S": [{ "exists": false }] } } } }), true),
            (json!({ "dynamodb": { "NewImage": { "kind": { "S": [{ "exists": true }] } } } }), true),
            (json!({ "eventName": [{ "exists": false }] }), false),
            (json!({ "dynamodb": [{ "exists": true }] }), false),
            (json!({ "eventName": [{ "prefix": "INS" }] }), true),
            (json!({ "resources": [{ "prefix": "arn:" }] }), true),
            (json!({ "eventName": [{ "prefix": "MOD" }] }), false),
            (json!({ "eventName": [{ "anything-but": ["REMOVE", "MODIFY"] }] }), true),
            (json!({ "eventName": [{ "anything-but": "INSERT" }] }), false),
            (json!({ "other": [{ "anything-but": "INSERT" }] }), false),
            (json!({ "nothing": [null] }), true),
        ] {
            assert_eq!(Pattern::read(&pattern).unwrap().matches(&event), expected, "{pattern}");
        }
    }

    #[test]
    fn an_unsupported_pattern_is_an_error() {
        for wrong in [
            json!("x"),
            json!({}),
            json!({ "a": "x" }),
            json!({ "a": [] }),
            json!({ "a": [["x"]] }),
            json!({ "a": [{ "numeric": [">", 1] }] }),
            json!({ "a": [{ "prefix": "x", "exists": true }] }),
            json!({ "a": [{ "anything-but": { "prefix": "x" } }] }),
            json!({ "a": {} }),
            json!({ "$or": [{ "a": ["x"] }] }),
        ] {
            assert!(Pattern::read(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_only_accepted_value_of_a_field_is_known() {
        let pattern = Pattern::read(&json!({ "source": ["aws.ses"], "detail-type": ["a", "b"] })).unwrap();
        assert_eq!(pattern.only("source"), Some(&json!("aws.ses")));
        assert_eq!(pattern.only("detail-type"), None);
        assert_eq!(pattern.only("detail"), None);
    }
}
