//! Resolves the template's references: converts YAML's short tags to their long forms, replaces `Ref`, `Fn::Sub`,
//! `Fn::GetAtt`, `Fn::If`, `Fn::Split` and `Fn::Select` with their values, and evaluates conditions. Any other function
//! is an error. The module knows nothing about particular resources.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use serde_yaml_ng as yaml;

use super::section::{Entry, Place, TemplateError};

/// Converts YAML to JSON. `!Ref X` becomes `{"Ref": "X"}`, and `!Sub …` becomes `{"Fn::Sub": …}`.
pub(crate) fn to_json(value: yaml::Value, place: &Place) -> Result<Value, TemplateError> {
    Ok(match value {
        yaml::Value::Null => Value::Null,
        yaml::Value::Bool(flag) => Value::Bool(flag),
        yaml::Value::Number(number) => {
            serde_json::to_value(number).map_err(|_| place.error("this number is not finite"))?
        }
        yaml::Value::String(text) => Value::String(text),
        yaml::Value::Sequence(values) => values
            .into_iter()
            .enumerate()
            .map(|(i, value)| to_json(value, &place.index(i)))
            .collect::<Result<Vec<_>, _>>()?
            .into(),
        yaml::Value::Mapping(fields) => fields
            .into_iter()
            .map(|(key, value)| match key {
                yaml::Value::String(key) => {
                    let value = to_json(value, &place.key(&key))?;
                    Ok((key, value))
                }
                _ => Err(place.error("a key is not a string")),
            })
            .collect::<Result<Map<_, _>, _>>()?
            .into(),
        yaml::Value::Tagged(tagged) => {
            let tag = tagged.tag.to_string();
            let name = tag.trim_start_matches('!');
            let long = if matches!(name, "Ref" | "Condition") { name.to_owned() } else { format!("Fn::{name}") };
            let value = to_json(tagged.value, place)?;
            Value::Object(Map::from_iter([(long, value)]))
        }
    })
}

/// The values of the names in a template.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// The results of `Ref`, by parameter, pseudo parameter or resource.
    pub(crate) names: BTreeMap<String, String>,
    /// The names that are parameters of type Number.
    pub(crate) numbers: BTreeSet<String>,
    /// The results of `Fn::GetAtt`, by `Resource.Attribute`.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Resources that exist only on AWS. The name of an attribute of such a resource is used as its value, because only
    /// AWS needs the value.
    pub(crate) only_in_aws: BTreeSet<String>,
    /// The values of the template's conditions.
    pub(crate) conditions: BTreeMap<String, bool>,
}

impl References {
    /// Returns the value with every reference resolved.
    pub(crate) fn resolve(&self, value: &Value, place: &Place) -> Result<Value, TemplateError> {
        self.value(value, place)?.ok_or_else(|| place.error("AWS::NoValue leaves nothing here"))
    }

    /// Evaluates a condition.
    pub(crate) fn condition(&self, value: &Value, place: &Place) -> Result<bool, TemplateError> {
        if let Some(name) = value.get("Condition").and_then(Value::as_str) {
            return self.named_condition(name, place);
        }
        let Some((name, argument)) = value.as_object().and_then(function) else {
            return Err(place.error("expected a condition"));
        };
        let each = |conditions: &[Value]| {
            conditions.iter().map(|one| self.condition(one, place)).collect::<Result<Vec<_>, _>>()
        };
        match (name, argument.as_array().map(Vec::as_slice)) {
            ("Fn::Equals", Some([one, other])) => {
                let text = |value| Entry::new(place.clone(), self.resolve(value, place)?).text();
                Ok(text(one)? == text(other)?)
            }
            ("Fn::Not", Some([one])) => Ok(!self.condition(one, place)?),
            ("Fn::And", Some(all @ [_, _, ..])) => Ok(!each(all)?.contains(&false)),
            ("Fn::Or", Some(all @ [_, _, ..])) => Ok(each(all)?.contains(&true)),
            _ => Err(place.error(
                "the local stack supports only Fn::Equals with two values, Fn::Not with one condition, and Fn::And and \
                 Fn::Or with several",
            )),
        }
    }

    fn named_condition(&self, name: &str, place: &Place) -> Result<bool, TemplateError> {
        self.conditions.get(name).copied().ok_or_else(|| place.error(format!("there is no condition `{name}`")))
    }

    /// Returns `None` for `AWS::NoValue`, which removes its key or list element.
    fn value(&self, value: &Value, place: &Place) -> Result<Option<Value>, TemplateError> {
        Ok(Some(match value {
            Value::Array(values) => {
                let values = values.iter().enumerate().map(|(i, value)| self.value(value, &place.index(i)));
                Value::Array(values.filter_map(Result::transpose).collect::<Result<_, _>>()?)
            }
            Value::Object(fields) => match function(fields) {
                Some(("Ref", Value::String(name))) if name == "AWS::NoValue" => return Ok(None),
                Some(("Ref", Value::String(name))) if self.numbers.contains(name) => {
                    let number: u64 = Entry::new(place.clone(), self.name(name, place)?.into()).number()?.into();
                    number.into()
                }
                Some(("Fn::If", argument)) => return self.choose(argument, place),
                Some(("Fn::Split", argument)) => Value::Array(self.split(argument, place)?),
                Some(("Fn::Select", argument)) => self.select(argument, place)?,
                Some((name, argument)) => Value::String(self.call(name, argument, place)?),
                None => {
                    let fields = fields.iter().map(|(key, value)| {
                        let value = self.value(value, &place.key(key))?;
                        Ok(value.map(|value| (key.clone(), value)))
                    });
                    Value::Object(fields.filter_map(Result::transpose).collect::<Result<_, _>>()?)
                }
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }))
    }

    /// The selected branch of an `Fn::If`. The other branch is not evaluated.
    fn choose(&self, argument: &Value, place: &Place) -> Result<Option<Value>, TemplateError> {
        let Some([Value::String(condition), one, other]) = argument.as_array().map(Vec::as_slice) else {
            return Err(place.error("Fn::If takes a condition's name and two values"));
        };
        self.value(if self.named_condition(condition, place)? { one } else { other }, place)
    }

    /// Splits a text. An empty text has one part, as on AWS.
    fn split(&self, argument: &Value, place: &Place) -> Result<Vec<Value>, TemplateError> {
        let Some([Value::String(separator), text]) = argument.as_array().map(Vec::as_slice) else {
            return Err(place.error("Fn::Split takes a separator and a text"));
        };
        if separator.is_empty() {
            return Err(place.error("Fn::Split takes a separator that is not empty"));
        }
        let text = Entry::new(place.clone(), self.resolve(text, place)?).text()?;
        Ok(text.split(separator.as_str()).map(Value::from).collect())
    }

    fn select(&self, argument: &Value, place: &Place) -> Result<Value, TemplateError> {
        let Some([index, list]) = argument.as_array().map(Vec::as_slice) else {
            return Err(place.error("Fn::Select takes an index and a list"));
        };
        let index = Entry::new(place.clone(), self.resolve(index, place)?).number()?;
        let list = Entry::new(place.clone(), self.resolve(list, place)?).list()?;
        let selected = usize::try_from(index).ok().and_then(|index| list.into_iter().nth(index));
        selected
            .map(|entry| entry.value)
            .ok_or_else(|| place.error(format!("Fn::Select finds nothing at index {index}")))
    }

    fn call(&self, function: &str, argument: &Value, place: &Place) -> Result<String, TemplateError> {
        match (function, argument) {
            ("Ref", Value::String(name)) => self.name(name, place),
            ("Fn::GetAtt", Value::String(path)) => self.attribute(path, place),
            ("Fn::GetAtt", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(resource), Value::String(attribute)] => {
                    self.attribute(&format!("{resource}.{attribute}"), place)
                }
                _ => Err(place.error("Fn::GetAtt takes a resource and an attribute")),
            },
            ("Fn::Sub", Value::String(text)) => self.substitute(text, &Map::new(), place),
            ("Fn::Sub", Value::Array(parts)) => match parts.as_slice() {
                [Value::String(text), Value::Object(own)] => self.substitute(text, own, place),
                _ => Err(place.error("Fn::Sub takes a text and the values of its names")),
            },
            ("Ref" | "Fn::GetAtt" | "Fn::Sub", _) => {
                Err(place.error(format!("{function} has an argument of the wrong type")))
            }
            _ => Err(place.error(format!("the local stack does not support the function {function}"))),
        }
    }

    fn name(&self, name: &str, place: &Place) -> Result<String, TemplateError> {
        self.names.get(name).cloned().ok_or_else(|| place.error(format!("there is no parameter or resource `{name}`")))
    }

    fn attribute(&self, path: &str, place: &Place) -> Result<String, TemplateError> {
        let is_only_in_aws = || path.split_once('.').is_some_and(|(resource, _)| self.only_in_aws.contains(resource));
        match self.attributes.get(path) {
            Some(value) => Ok(value.clone()),
            None if is_only_in_aws() => Ok(path.to_owned()),
            None => Err(place.error(format!("the local stack does not know the attribute `{path}`"))),
        }
    }

    /// Replaces each `${Name}` and `${Resource.Attribute}`, first from the `own` values. `${!Literal}` becomes
    /// `${Literal}`.
    fn substitute(&self, text: &str, own: &Map<String, Value>, place: &Place) -> Result<String, TemplateError> {
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').ok_or_else(|| place.error("`${` without `}`"))?;
            result.push_str(before);
            if let Some(literal) = name.strip_prefix('!') {
                result.push_str("${");
                result.push_str(literal);
                result.push('}');
            } else if let Some(value) = own.get(name) {
                match self.resolve(value, place)? {
                    Value::String(value) => result.push_str(&value),
                    _ => return Err(place.error(format!("`{name}` is not a string"))),
                }
            } else if name.contains('.') {
                result.push_str(&self.attribute(name, place)?);
            } else {
                result.push_str(&self.name(name, place)?);
            }
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }
}

/// The only key and value of an object that is a function call.
fn function(fields: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut all = fields.iter();
    match (all.next(), all.next()) {
        (Some((name, argument)), None) if name == "Ref" || name.starts_with("Fn::") => Some((name, argument)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(text: &str) -> Result<Value, String> {
        let references = References {
            names: BTreeMap::from([
                ("Table".into(), "t-1".into()),
                ("AWS::Region".into(), "us-east-1".into()),
                ("Days".into(), "30".into()),
            ]),
            numbers: BTreeSet::from(["Days".into()]),
            attributes: BTreeMap::from([("Table.Arn".into(), "arn:t-1".into())]),
            only_in_aws: BTreeSet::from(["Queue".into()]),
            conditions: BTreeMap::from([("Yes".into(), true), ("No".into(), false)]),
        };
        let place = Place::new("Here");
        let value = to_json(yaml::from_str(text).unwrap(), &place).unwrap();
        references.resolve(&value, &place).map_err(|error| error.to_string())
    }

    #[test]
    fn short_and_long_forms_mean_the_same() {
        for (text, expected) in [
            ("!Ref Table", "t-1"),
            ("Ref: Table", "t-1"),
            ("!GetAtt Table.Arn", "arn:t-1"),
            ("!GetAtt [Table, Arn]", "arn:t-1"),
            ("Fn::GetAtt: [Table, Arn]", "arn:t-1"),
            ("!Sub '${Table.Arn}/index/x in ${AWS::Region}'", "arn:t-1/index/x in us-east-1"),
            ("Fn::Sub: ['${Own}-${Table}', {Own: !Ref Table}]", "t-1-t-1"),
            ("!Sub 'kept ${!Literal}'", "kept ${Literal}"),
        ] {
            assert_eq!(resolved(text), Ok(json!(expected)), "{text}");
        }
    }

    #[test]
    fn references_are_found_at_any_depth() {
        assert_eq!(resolved("{a: [{b: !Ref Table}, 1, true]}"), Ok(json!({"a": [{"b": "t-1"}, 1, true]})));
    }

    #[test]
    fn fn_if_selects_a_branch_and_no_value_removes_the_key() {
        assert_eq!(
            resolved("[!If [Yes, !Ref Table, !Nonsense x], !If [No, {a: 1}, !Ref AWS::NoValue]]"),
            Ok(json!(["t-1"]))
        );
        assert_eq!(
            resolved("{a: !If [No, 1, {b: 2}], c: !If [Yes, !Ref AWS::NoValue, 3]}"),
            Ok(json!({"a": {"b": 2}}))
        );
        assert_eq!(resolved("!GetAtt Queue.Arn"), Ok(json!("Queue.Arn")));
    }

    #[test]
    fn a_text_is_split_and_a_part_selected() {
        assert_eq!(resolved("!Split ['-', !Ref Table]"), Ok(json!(["t", "1"])));
        assert_eq!(resolved("!Split [',', a]"), Ok(json!(["a"])));
        assert_eq!(resolved("!Select [1, !Split ['-', !Ref Table]]"), Ok(json!("1")));
        assert_eq!(resolved("!Select ['0', [!Ref Table, x]]"), Ok(json!("t-1")));
    }

    #[test]
    fn a_number_parameter_is_a_number_except_inside_text() {
        assert_eq!(resolved("[!Ref Days, !Sub '${Days} days']"), Ok(json!([30, "30 days"])));
    }

    #[test]
    fn a_condition_compares_values_as_text() {
        let references = References {
            names: BTreeMap::from([("Limit".into(), "0".into())]),
            conditions: BTreeMap::from([("Yes".into(), true), ("No".into(), false)]),
            ..References::default()
        };
        let place = Place::new("Here");
        for (text, expected) in [
            ("!Equals [!Ref Limit, 0]", Ok(true)),
            ("!Not [!Equals [!Ref Limit, '0']]", Ok(false)),
            ("!Equals [a]", Err(())),
            ("!Condition Yes", Ok(true)),
            ("Condition: No", Ok(false)),
            ("!Condition Maybe", Err(())),
            ("!And [!Condition Yes, !Equals [a, a]]", Ok(true)),
            ("!And [!Condition Yes, !Condition No]", Ok(false)),
            ("!Or [!Condition No, !Not [!Condition No]]", Ok(true)),
            ("!Or [!Condition No, !Condition No]", Ok(false)),
            ("!Or [!Condition Yes]", Err(())),
            ("!Or [a, b]", Err(())),
            ("yes", Err(())),
        ] {
            let value = to_json(yaml::from_str(text).unwrap(), &place).unwrap();
            assert_eq!(references.condition(&value, &place).map_err(drop), expected, "{text}");
        }
    }

    #[test]
    fn an_unsupported_reference_is_an_error_that_names_the_place() {
        for (text, expected) in [
            ("{a: !Ref Nothing}", "Here.a: there is no parameter or resource `Nothing`"),
            ("[!GetAtt Table.StreamArn]", "Here[0]: the local stack does not know the attribute `Table.StreamArn`"),
            ("{a: !Join [x, [y]]}", "Here.a: the local stack does not support the function Fn::Join"),
            ("{a: !Split ['', y]}", "Here.a: Fn::Split takes a separator that is not empty"),
            ("{a: !Split y}", "Here.a: Fn::Split takes a separator and a text"),
            ("{a: !Select [2, [x, y]]}", "Here.a: Fn::Select finds nothing at index 2"),
            ("{a: !Select [x, [y]]}", "Here.a: expected a whole number, found `x`"),
            ("{a: !If [Maybe, y, z]}", "Here.a: there is no condition `Maybe`"),
            ("!If [No, y, !Ref AWS::NoValue]", "Here: AWS::NoValue leaves nothing here"),
            ("{a: !Sub 'x ${Table'}", "Here.a: `${` without `}`"),
            ("{a: !Ref [Table]}", "Here.a: Ref has an argument of the wrong type"),
        ] {
            assert_eq!(resolved(text), Err(expected.to_owned()), "{text}");
        }
    }
}
