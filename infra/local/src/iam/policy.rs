//! Evaluates a function's policy statements. Anything that this module does not support is an error: ignoring a
//! condition would allow calls that AWS refuses.

use serde_json::Value;

use super::Need;

/// What one function may do.
#[derive(Debug)]
pub(crate) struct Policy {
    function: String,
    statements: Vec<Statement>,
}

#[derive(Debug)]
struct Statement {
    effect: Effect,
    actions: Vec<String>,
    resources: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

/// IAM's decision about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// No statement allows it.
    NotAllowed,
    /// A statement denies it, even if others allow it.
    Denied,
}

/// A statement that the local stack cannot enforce.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{function}, statement {statement}: {problem}")]
pub(crate) struct PolicyError {
    function: String,
    /// Its `Sid`, or its position among the function's statements, counted from 1.
    statement: String,
    problem: String,
}

impl Policy {
    /// Parses statements whose references are already resolved.
    pub(crate) fn read(function: &str, statements: &[Value]) -> Result<Self, PolicyError> {
        let read = |(i, value): (usize, &Value)| {
            Statement::read(value).map_err(|problem| PolicyError {
                function: function.to_owned(),
                statement: value.get("Sid").and_then(Value::as_str).map_or_else(|| (i + 1).to_string(), str::to_owned),
                problem,
            })
        };
        let statements = statements.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { function: function.to_owned(), statements })
    }

    /// The function's logical id.
    pub(crate) fn function(&self) -> &str {
        &self.function
    }

    /// An explicit deny wins over any allow.
    pub(crate) fn decide(&self, need: &Need) -> Verdict {
        let about =
            |effect| self.statements.iter().any(|statement| statement.effect == effect && statement.covers(need));
        match (about(Effect::Deny), about(Effect::Allow)) {
            (true, _) => Verdict::Denied,
            (false, true) => Verdict::Allowed,
            (false, false) => Verdict::NotAllowed,
        }
    }

    /// Each allowed pair of action and resource, as written in the statements.
    pub(crate) fn grants(&self) -> impl Iterator<Item = Need> {
        let allowing = self.statements.iter().filter(|statement| statement.effect == Effect::Allow);
        allowing.flat_map(|statement| {
            statement.actions.iter().flat_map(|action| {
                statement.resources.iter().map(|resource| Need { action: action.clone(), resource: resource.clone() })
            })
        })
    }
}

impl Statement {
    fn read(value: &Value) -> Result<Self, String> {
        let fields = value.as_object().ok_or("this is not an object")?;
        if let Some(key) = fields.keys().find(|key| !["Sid", "Effect", "Action", "Resource"].contains(&key.as_str())) {
            return Err(format!("the local stack cannot enforce `{key}`"));
        }
        let effect = match fields.get("Effect").and_then(Value::as_str) {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err("the effect must be Allow or Deny".to_owned()),
        };
        let (actions, resources) = (texts(value, "Action")?, texts(value, "Resource")?);
        if let Some(action) = actions.iter().find(|action| *action != "*" && !action.contains(':')) {
            return Err(format!("`{action}` is not an action of a service"));
        }
        for resource in &resources {
            if resource.contains("${") {
                return Err(format!("the local stack does not support policy variables, as in `{resource}`"));
            }
            if resource != "*" && !(resource.starts_with("arn:") && resource.splitn(6, ':').count() == 6) {
                return Err(format!("`{resource}` is not an ARN"));
            }
        }
        Ok(Self { effect, actions, resources })
    }

    fn covers(&self, need: &Need) -> bool {
        let action = need.action.to_ascii_lowercase();
        self.actions.iter().any(|pattern| matches(pattern.to_ascii_lowercase().as_bytes(), action.as_bytes()))
            && self.resources.iter().any(|pattern| matches(pattern.as_bytes(), need.resource.as_bytes()))
    }
}

/// Reads one string, or a list of at least one string.
fn texts(statement: &Value, key: &str) -> Result<Vec<String>, String> {
    let texts = match statement.get(key) {
        Some(Value::String(text)) => Some(vec![text.clone()]),
        Some(Value::Array(values)) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    texts.filter(|texts| !texts.is_empty()).ok_or_else(|| format!("`{key}` must be a string or a list of strings"))
}

/// `*` matches any text, including an empty one and colons; `?` matches one character. Names in ARNs are ASCII.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], []) => matches(rest, text),
        ([b'*', rest @ ..], [_, later @ ..]) => matches(rest, text) || matches(pattern, later),
        ([b'?', rest @ ..], [_, later @ ..]) => matches(rest, later),
        ([expected, rest @ ..], [found, later @ ..]) => expected == found && matches(rest, later),
        ([], [_, ..]) | ([_, ..], []) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TABLE: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/Users";
    const INDEX: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/Users/index/by_name";

    fn statement(effect: &str, action: impl Into<Value>, resource: impl Into<Value>) -> Value {
        json!({ "Effect": effect, "Action": action.into(), "Resource": resource.into() })
    }

    fn verdict(statements: &[Value], action: &str, resource: &str) -> Verdict {
        let need = Need { action: action.to_owned(), resource: resource.to_owned() };
        Policy::read("DoFunction", statements).unwrap().decide(&need)
    }

    #[test]
    fn nothing_is_allowed_without_a_statement() {
        assert_eq!(verdict(&[], "dynamodb:GetItem", TABLE), Verdict::NotAllowed);
        let one = [statement("Allow", "dynamodb:GetItem", TABLE)];
        assert_eq!(verdict(&one, "dynamodb:GetItem", TABLE), Verdict::Allowed);
        assert_eq!(verdict(&one, "dynamodb:PutItem", TABLE), Verdict::NotAllowed);
        assert_eq!(verdict(&one, "dynamodb:GetItem", INDEX), Verdict::NotAllowed);
        assert_eq!(verdict(&one, "dynamodb:GetItem", "*"), Verdict::NotAllowed);
    }

    #[test]
    fn actions_and_resources_of_different_statements_do_not_combine() {
        let two = [
            statement("Allow", json!(["dynamodb:GetItem", "dynamodb:PutItem"]), json!([TABLE])),
            statement("Allow", json!(["dynamodb:Query"]), json!([INDEX, "arn:aws:dynamodb:us-east-1:0:table/Other"])),
        ];
        assert_eq!(verdict(&two, "dynamodb:PutItem", TABLE), Verdict::Allowed);
        assert_eq!(verdict(&two, "dynamodb:Query", INDEX), Verdict::Allowed);
        assert_eq!(verdict(&two, "dynamodb:Query", TABLE), Verdict::NotAllowed);
        assert_eq!(verdict(&two, "dynamodb:PutItem", INDEX), Verdict::NotAllowed);
    }

    #[test]
    fn an_explicit_deny_wins_in_any_order() {
        let allow = statement("Allow", "*", "*");
        let deny = statement("Deny", "dynamodb:Delete*", TABLE);
        for both in [[allow.clone(), deny.clone()], [deny, allow]] {
            assert_eq!(verdict(&both, "dynamodb:DeleteItem", TABLE), Verdict::Denied);
            assert_eq!(verdict(&both, "dynamodb:DeleteItem", INDEX), Verdict::Allowed);
            assert_eq!(verdict(&both, "dynamodb:GetItem", TABLE), Verdict::Allowed);
        }
    }

    #[test]
    fn wildcards_match_any_text_or_one_character() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "a:b/c", true),
            ("a*c", "ac", true),
            ("a*c", "abbbc", true),
            ("a*c", "abbbcd", false),
            ("a**", "a", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a?c", "abbc", false),
            ("a?", "a", false),
            ("?*", "", false),
            ("abc", "ab", false),
            ("ab", "abc", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn resources_are_case_sensitive_and_actions_are_not() {
        let one = [statement("Allow", "DynamoDB:get*", TABLE)];
        assert_eq!(verdict(&one, "dynamodb:GetItem", TABLE), Verdict::Allowed);
        assert_eq!(verdict(&one, "dynamodb:GetItem", &TABLE.to_lowercase()), Verdict::NotAllowed);
    }

    #[test]
    fn a_wildcard_covers_the_indexes_of_a_table() {
        let one = [statement("Allow", "dynamodb:Query", format!("{TABLE}/index/*"))];
        assert_eq!(verdict(&one, "dynamodb:Query", INDEX), Verdict::Allowed);
        assert_eq!(verdict(&one, "dynamodb:Query", TABLE), Verdict::NotAllowed);
    }

    #[test]
    fn an_unsupported_statement_is_an_error_that_names_function_and_statement() {
        let sound = statement("Allow", "dynamodb:Query", TABLE);
        let with = |key: &str, value: Value| {
            let mut statement = sound.clone();
            statement[key] = value;
            statement
        };
        for (wrong, expected) in [
            (with("Condition", json!({})), "2: the local stack cannot enforce `Condition`"),
            (with("NotAction", json!("dynamodb:*")), "2: the local stack cannot enforce `NotAction`"),
            (with("NotResource", json!(TABLE)), "2: the local stack cannot enforce `NotResource`"),
            (with("Principal", json!("*")), "2: the local stack cannot enforce `Principal`"),
            (with("Effect", json!("allow")), "2: the effect must be Allow or Deny"),
            (with("Action", json!([])), "2: `Action` must be a string or a list of strings"),
            (with("Action", json!(["dynamodb:Query", 1])), "2: `Action` must be a string or a list of strings"),
            (with("Action", json!("Query")), "2: `Query` is not an action of a service"),
            (with("Resource", json!("Users")), "2: `Users` is not an ARN"),
            (with("Resource", json!("arn:aws:dynamodb")), "2: `arn:aws:dynamodb` is not an ARN"),
            (
                with("Resource", json!(format!("{TABLE}/${{aws:userid}}"))),
                &format!("2: the local stack does not support policy variables, as in `{TABLE}/${{aws:userid}}`"),
            ),
            (json!({ "Sid": "Reads", "Effect": "Allow" }), "Reads: `Action` must be a string or a list of strings"),
        ] {
            let error = Policy::read("DoFunction", &[sound.clone(), wrong]).unwrap_err();
            assert_eq!(error.to_string(), format!("DoFunction, statement {expected}"));
        }
    }

    #[test]
    fn grants_are_the_allowed_pairs() {
        let policy = Policy::read(
            "DoFunction",
            &[
                statement("Allow", json!(["dynamodb:GetItem", "dynamodb:Query"]), json!([TABLE, INDEX])),
                statement("Deny", "dynamodb:Query", TABLE),
            ],
        );
        let grants: Vec<_> = policy.unwrap().grants().map(|Need { action, resource }| (action, resource)).collect();
        let expected = [
            ("dynamodb:GetItem", TABLE),
            ("dynamodb:GetItem", INDEX),
            ("dynamodb:Query", TABLE),
            ("dynamodb:Query", INDEX),
        ];
        assert_eq!(grants, expected.map(|(action, resource)| (action.to_owned(), resource.to_owned())));
    }
}
