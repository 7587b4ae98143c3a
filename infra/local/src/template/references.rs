//! The template's references: YAML's short tags to their long forms, and `Ref`, `Fn::Sub` and `Fn::GetAtt` to what they
//! stand for. Any other function is an error. Knows nothing of particular resources.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use serde_yaml_ng as yaml;

use super::section::{Place, TemplateError};

/// YAML to JSON, where `!Ref X` becomes `{"Ref": "X"}` and `!Sub …` `{"Fn::Sub": …}`.
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
            let long = if name == "Ref" { name.to_owned() } else { format!("Fn::{name}") };
            let value = to_json(tagged.value, place)?;
            Value::Object(Map::from_iter([(long, value)]))
        }
    })
}

/// What the names in a template stand for.
#[derive(Debug, Default)]
pub(crate) struct References {
    /// By parameter, pseudo parameter or resource: what `Ref` gives.
    pub(crate) names: BTreeMap<String, String>,
    /// By `Resource.Attribute`: what `Fn::GetAtt` gives.
    pub(crate) attributes: BTreeMap<String, String>,
}

impl References {
    /// The value with every reference replaced.
    pub(crate) fn resolve(&self, value: &Value, place: &Place) -> Result<Value, TemplateError> {
        match value {
            Value::Array(values) => values
                .iter()
                .enumerate()
                .map(|(i, value)| self.resolve(value, &place.index(i)))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array),
            Value::Object(fields) => match function(fields) {
                Some((name, argument)) => self.call(name, argument, place).map(Value::String),
                None => fields
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), self.resolve(value, &place.key(key))?)))
                    .collect::<Result<Map<_, _>, _>>()
                    .map(Value::Object),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
        }
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
            _ => Err(place.error(format!("the local stack does not know the function {function}"))),
        }
    }

    fn name(&self, name: &str, place: &Place) -> Result<String, TemplateError> {
        self.names.get(name).cloned().ok_or_else(|| place.error(format!("nothing is called `{name}`")))
    }

    fn attribute(&self, path: &str, place: &Place) -> Result<String, TemplateError> {
        self.attributes
            .get(path)
            .cloned()
            .ok_or_else(|| place.error(format!("the local stack knows no attribute `{path}`")))
    }

    /// Replaces each `${Name}`, `${Resource.Attribute}` and name of its own; `${!Literal}` stays, without its mark.
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

/// The one key of an object that is a function call.
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
            names: BTreeMap::from([("Table".into(), "t-1".into()), ("AWS::Region".into(), "us-east-1".into())]),
            attributes: BTreeMap::from([("Table.Arn".into(), "arn:t-1".into())]),
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
    fn what_is_not_known_is_an_error_that_names_the_place() {
        for (text, expected) in [
            ("{a: !Ref Nothing}", "Here.a: nothing is called `Nothing`"),
            ("[!GetAtt Table.StreamArn]", "Here[0]: the local stack knows no attribute `Table.StreamArn`"),
            ("{a: !If [x, y, z]}", "Here.a: the local stack does not know the function Fn::If"),
            ("{a: !Sub 'x ${Table'}", "Here.a: `${` without `}`"),
            ("{a: !Ref [Table]}", "Here.a: Ref has an argument of the wrong type"),
        ] {
            assert_eq!(resolved(text), Err(expected.to_owned()), "{text}");
        }
    }
}
