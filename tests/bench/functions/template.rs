//! Reads functions, tables and the user pool from `template.yaml`, with references resolved.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;

use crate::{Outcome, root};

/// One Lambda function.
#[derive(Debug, Clone)]
pub(crate) struct Function {
    /// `add-user`: its folder, package and binary.
    pub(crate) name: String,
    pub(crate) memory_mb: u32,
    pub(crate) environment: BTreeMap<String, String>,
}

/// The template. References to parameters are their defaults; references to resources are their names.
pub(crate) struct Template {
    resources: Map<String, Value>,
    memory_mb: u64,
}

impl Template {
    pub(crate) fn read() -> Outcome<Self> {
        let template: Yaml = serde_yaml_ng::from_str(&fs::read_to_string(root().join("template.yaml"))?)?;
        let resources = resolved(&template["Resources"], &template["Parameters"]);
        let memory_mb = template["Globals"]["Function"]["MemorySize"].as_u64().ok_or("no MemorySize for all")?;
        Ok(Self { resources: resources.as_object().cloned().unwrap_or_default(), memory_mb })
    }

    fn of_type(&self, kind: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.resources
            .iter()
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, it)| (id, &it["Properties"]))
    }

    /// Every function, in the template's order.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let function = |(_, properties): (&String, &Value)| {
            let memory_mb = properties["MemorySize"].as_u64().unwrap_or(self.memory_mb);
            let variables = properties["Environment"]["Variables"].as_object().cloned().unwrap_or_default();
            let text = |(name, value): (String, Value)| match value {
                Value::String(text) => Some((name, text)),
                Value::Number(number) => Some((name, number.to_string())),
                // It depends on the domain. Passkeys need it.
                Value::Null if name == "PORTAL_URL" => Some((name, "https://portal.example.com".to_owned())),
                _ => None,
            };
            Some(Function {
                name: properties["CodeUri"].as_str()?.trim_end_matches('/').rsplit('/').next()?.to_owned(),
                memory_mb: u32::try_from(memory_mb).ok()?,
                environment: variables.into_iter().filter_map(text).collect(),
            })
        };
        self.of_type("AWS::Serverless::Function").filter_map(function).collect()
    }

    /// The requests that create the tables.
    pub(crate) fn tables(&self) -> Vec<Value> {
        let request = |(id, properties): (&String, &Value)| {
            let members = ["AttributeDefinitions", "KeySchema", "LocalSecondaryIndexes", "GlobalSecondaryIndexes"];
            let mut request = json!({ "TableName": id, "BillingMode": "PAY_PER_REQUEST" });
            for member in members {
                if !properties[member].is_null() {
                    request[member] = properties[member].clone();
                }
            }
            request
        };
        self.of_type("AWS::DynamoDB::Table").map(request).collect()
    }

    /// The request that creates the user pool.
    pub(crate) fn user_pool(&self) -> Outcome<Value> {
        self.only("AWS::Cognito::UserPool", &json!({ "PoolName": "bench" }))
    }

    /// The request that creates the pool's client.
    pub(crate) fn client(&self, pool: &str) -> Outcome<Value> {
        self.only("AWS::Cognito::UserPoolClient", &json!({ "ClientName": "bench", "UserPoolId": pool }))
    }

    fn only(&self, kind: &str, with: &Value) -> Outcome<Value> {
        let (_, properties) = self.of_type(kind).next().ok_or_else(|| format!("no {kind} in the template"))?;
        let mut request = properties.clone();
        for (name, value) in with.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        Ok(request)
    }
}

/// Converts the value to JSON. Functions other than `Ref`, such as `!If` for an edge or a domain, become null.
fn resolved(value: &Yaml, parameters: &Yaml) -> Value {
    match value {
        Yaml::Tagged(tagged) if tagged.tag == "Ref" => {
            let name = tagged.value.as_str().unwrap_or_default();
            match parameters.get(name) {
                Some(parameter) => resolved(&parameter["Default"], parameters),
                None if name.starts_with("AWS::") => Value::Null,
                None => json!(name),
            }
        }
        Yaml::Tagged(_) | Yaml::Null => Value::Null,
        Yaml::Bool(it) => json!(it),
        Yaml::Number(it) => it.as_i64().map_or_else(|| json!(it.as_f64()), |it| json!(it)),
        Yaml::String(it) => json!(it),
        Yaml::Sequence(items) => items.iter().map(|item| resolved(item, parameters)).collect(),
        Yaml::Mapping(members) => {
            let member = |(name, value): (&Yaml, &Yaml)| Some((name.as_str()?.to_owned(), resolved(value, parameters)));
            Value::Object(members.iter().filter_map(member).collect())
        }
    }
}
