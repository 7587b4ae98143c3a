//! Reads the parts of `template.yaml` that the tests check.

use std::fs;

use serde_yaml_ng::Value;

use crate::workspace;

/// A function of the template.
#[derive(Debug)]
pub struct Function {
    /// The logical id, such as `AddUserFunction`.
    pub logical_id: String,
    /// The folder of its code, such as `functions/add-user/`.
    pub code_uri: String,
    /// The binary that SAM packs.
    pub binary: String,
    /// The names of its environment variables.
    pub environment: Vec<String>,
    /// Its IAM statements.
    pub statements: Vec<Value>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// How many schedules it has.
    pub schedules: usize,
}

/// A route of the HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// `GET /v1/users/{user_id}`.
    pub name: String,
    /// Whether it needs no token.
    pub public: bool,
}

impl Function {
    /// Its event for `sam local invoke`, with placeholders.
    pub fn event(&self) -> String {
        fs::read_to_string(workspace().join("tests/events").join(format!("{}.json", self.binary))).unwrap()
    }

    /// Whether its own code hashes or compares passwords.
    pub fn hashes_passwords(&self) -> bool {
        let sources = fs::read_dir(workspace().join("functions").join(&self.binary).join("src")).unwrap();
        let mut sources = sources.map(|source| fs::read_to_string(source.unwrap().path()).unwrap());
        sources.any(|source| ["portal::passwords", "FirstPassword"].iter().any(|name| source.contains(name)))
    }
}

impl Function {
    /// Whether its own code uses the second factors of users.
    pub fn handles_factors(&self) -> bool {
        let sources = fs::read_dir(workspace().join("functions").join(&self.binary).join("src")).unwrap();
        let mut sources = sources.map(|source| fs::read_to_string(source.unwrap().path()).unwrap());
        sources.any(|source| source.contains("credential.factors"))
    }
}

/// Parses a template without resolving its references.
pub fn read(path: &str) -> Value {
    serde_yaml_ng::from_str(&fs::read_to_string(workspace().join(path)).unwrap()).unwrap()
}

/// Reads the template's functions.
pub fn functions() -> Vec<Function> {
    let template = read("template.yaml");
    let resources = template["Resources"].as_mapping().unwrap();
    resources.iter().filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function").map(function).collect()
}

fn function((logical_id, resource): (&Value, &Value)) -> Function {
    let properties = &resource["Properties"];
    let events: Vec<&Value> =
        properties["Events"].as_mapping().map(|events| events.values().collect()).unwrap_or_default();
    let policies = properties["Policies"].as_sequence().cloned().unwrap_or_default();
    let environment = properties["Environment"]["Variables"].as_mapping().cloned().unwrap_or_default();
    Function {
        logical_id: text(logical_id),
        code_uri: text(&properties["CodeUri"]),
        binary: text(&resource["Metadata"]["BuildProperties"]["Binary"]),
        environment: environment.keys().map(text).collect(),
        statements: policies.iter().flat_map(|policy| policy["Statement"].as_sequence().unwrap().clone()).collect(),
        routes: events.iter().filter(|event| event["Type"] == "HttpApi").map(|event| route(event)).collect(),
        schedules: events.iter().filter(|event| event["Type"] == "Schedule").count(),
    }
}

fn route(event: &Value) -> Route {
    let properties = &event["Properties"];
    Route {
        name: format!("{} {}", text(&properties["Method"]), text(&properties["Path"])),
        public: properties["Auth"]["Authorizer"] == "NONE",
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("expected a string, got {value:?}")).to_owned()
}
