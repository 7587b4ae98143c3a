//! `shared/openapi.yaml` describes the API as the template and the code define it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use portal_core::models::{Decision, EventAction, Language, MailState, PendingKind, Permission, Role, Status};
use portal_tests::template::{Function, Route, functions, read};
use portal_tests::workspace;
use serde_yaml_ng::Value;

use crate::folder;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn contract() -> Value {
    read("shared/openapi.yaml")
}

fn source(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap()
}

/// The value, or the one that its `$ref` names.
fn resolved<'a>(contract: &'a Value, value: &'a Value) -> &'a Value {
    let Some(reference) = value["$ref"].as_str() else { return value };
    reference.strip_prefix("#/").unwrap().split('/').fold(contract, |value, name| &value[name])
}

/// Every operation by its route, such as `GET /v1/users/{user_id}`, with the path's own object.
fn operations(contract: &Value) -> BTreeMap<String, (&Value, &Value)> {
    let paths = contract["paths"].as_mapping().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| METHODS.map(|method| (path.as_str().unwrap(), method, item)));
    operations
        .filter(|(_, method, item)| item.get(*method).is_some())
        .map(|(path, method, item)| (format!("{} {path}", method.to_uppercase()), (item, &item[method])))
        .collect()
}

/// The names of the operation's parameters in this location, such as `query`.
fn parameters(contract: &Value, (item, operation): (&Value, &Value), place: &str) -> BTreeSet<String> {
    let lists = [&item["parameters"], &operation["parameters"]];
    let parameters = lists.into_iter().filter_map(Value::as_sequence).flatten();
    let parameters = parameters.map(|parameter| resolved(contract, parameter));
    parameters
        .filter(|parameter| parameter["in"] == place)
        .map(|parameter| parameter["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Every route under `/v1` with its function.
fn routes(functions: &[Function]) -> Vec<(&Function, &Route)> {
    let routes = functions.iter().flat_map(|function| function.routes.iter().map(move |route| (function, route)));
    routes.filter(|(_, route)| route.name.contains(" /v1/")).collect()
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_sequence().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

#[test]
fn routes_and_authorizers_are_those_of_the_template() {
    let (contract, functions) = (contract(), functions());
    let scheme = contract["security"][0].as_mapping().unwrap();
    assert!(scheme.contains_key("accessToken"), "{scheme:?}");
    let described: BTreeMap<String, bool> = operations(&contract)
        .into_iter()
        .map(|(name, (_, operation))| match &operation["security"] {
            Value::Null => (name, false),
            Value::Sequence(schemes) if schemes.is_empty() => (name, true),
            other => panic!("{name} has its own security: {other:?}"),
        })
        .collect();
    let routes = routes(&functions);
    let expected: BTreeMap<String, bool> = routes.iter().map(|(_, route)| (route.name.clone(), route.public)).collect();
    assert_eq!(described, expected);
}

#[test]
fn operations_have_the_names_of_their_functions() {
    let (contract, functions) = (contract(), functions());
    let operations = operations(&contract);
    for (function, route) in routes(&functions) {
        let id: String = folder(function)
            .split('-')
            .enumerate()
            .map(|(index, word)| match (index, word.split_at(1)) {
                (0, _) => word.to_owned(),
                (_, (first, rest)) => format!("{}{rest}", first.to_uppercase()),
            })
            .collect();
        assert_eq!(operations[&route.name].1["operationId"], id.as_str(), "{}", route.name);
    }
}

#[test]
fn query_parameters_and_if_match_are_those_that_the_functions_accept() {
    let (contract, functions) = (contract(), functions());
    let operations = operations(&contract);
    for (function, route) in routes(&functions) {
        let (name, operation) = (&route.name, operations[&route.name]);
        // A long list is on a line of its own.
        let main = source(&format!("functions/{}/src/main.rs", folder(function))).replace("=\n    [", "= [");
        // The parameters are in a constant or in an inline list.
        let list = main.split_once("const PARAMETERS").and_then(|(_, rest)| rest.split_once("= ["));
        let list = list.or_else(|| main.split_once(".parameters(&["));
        let accepted: BTreeSet<String> = list
            .map(|(_, rest)| rest.split_once(']').unwrap().0.split('"').skip(1).step_by(2).map(str::to_owned).collect())
            .unwrap_or_default();
        assert_eq!(parameters(&contract, operation, "query"), accepted, "{name}");
        let accepts_if_match = main.contains(".if_match()");
        assert_eq!(parameters(&contract, operation, "header").contains("If-Match"), accepts_if_match, "{name}");
        assert_eq!(operation.1["responses"].get("412").is_some(), accepts_if_match, "{name}");
    }
}

#[test]
fn closed_sets_are_those_of_the_code() {
    let contract = contract();
    let schemas = &contract["components"]["schemas"];
    assert_eq!(texts(&schemas["Role"]["enum"]), Role::ALL.map(Role::as_str));
    let assignable = Role::ALL.into_iter().filter(|role| *role != Role::PrimaryAdmin).map(Role::as_str);
    assert_eq!(texts(&schemas["AssignableRole"]["enum"]), assignable.collect::<Vec<_>>());
    assert_eq!(texts(&schemas["Permission"]["enum"]), Permission::ALL.map(Permission::as_str));
    assert_eq!(texts(&schemas["Status"]["enum"]), Status::ALL.map(Status::as_str));
    assert_eq!(texts(&schemas["Decision"]["enum"]), Decision::ALL.map(Decision::as_str));
    assert_eq!(texts(&schemas["Language"]["enum"]), Language::ALL.map(Language::as_str));
    assert_eq!(texts(&schemas["MailState"]["enum"]), MailState::ALL.map(MailState::as_str));
    assert_eq!(texts(&schemas["PendingKind"]["enum"]), PendingKind::ALL.map(PendingKind::as_str));
    assert_eq!(texts(&schemas["EventAction"]["enum"]), EventAction::ALL.map(EventAction::as_str));
}

/// The problems of the code with their statuses: `404, "not_found"`.
fn problems() -> BTreeMap<String, String> {
    let source = source("shared/src/http/problem.rs");
    let code = source.split("#[cfg(test)]").next().unwrap();
    let literals = code.match_indices('"').map(|(quote, _)| code.split_at(quote));
    literals
        .filter_map(|(before, literal)| {
            let status = before.trim_end().strip_suffix(',')?;
            let status = status.get(status.len().checked_sub(3)?..)?;
            let is_status = status.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
            let word = literal.split('"').nth(1)?;
            is_status.then(|| (word.to_owned(), status.to_owned()))
        })
        .collect()
}

#[test]
fn problem_codes_and_their_statuses_are_those_of_the_code() {
    let contract = contract();
    let problems = problems();
    let codes: BTreeSet<&str> = problems.keys().map(String::as_str).collect();
    let all = texts(&contract["components"]["schemas"]["ProblemCode"]["enum"]);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), codes);

    let mut described = BTreeSet::new();
    for (name, (_, operation)) in operations(&contract) {
        for (status, response) in operation["responses"].as_mapping().unwrap() {
            let status = status.as_str().unwrap();
            let response = resolved(&contract, response);
            let schema = &response["content"]["application/problem+json"]["schema"];
            let Some(narrowed) = schema["allOf"].get(1) else {
                assert!(schema.is_null(), "{name} {status} does not list its codes");
                continue;
            };
            for code in texts(&narrowed["properties"]["code"]["enum"]) {
                assert_eq!(problems[code], status, "{name}: the status of {code}");
                described.insert(code);
            }
        }
    }
    assert_eq!(described, codes);
}

/// `const NAME: usize = 1_000;` in a file.
fn constant(path: &str, name: &str) -> u64 {
    let source = source(path);
    let (_, rest) = source.split_once(&format!("const {name}: ")).unwrap_or_else(|| panic!("{name} in {path}"));
    let value = rest.split_once("= ").unwrap().1.split_once(';').unwrap().0;
    value.replace('_', "").parse().unwrap()
}

#[test]
fn limits_are_those_of_the_code() {
    let contract = contract();
    let schemas = &contract["components"]["schemas"];
    for (schema, limit, path, name) in [
        ("Name", "maxLength", "shared/core/src/models/name.rs", "MAX_LENGTH"),
        ("Note", "maxLength", "shared/core/src/models/note.rs", "MAX_LENGTH"),
        ("Email", "maxLength", "shared/core/src/models/email.rs", "MAX_ADDRESS"),
        ("NewPassword", "minLength", "shared/core/src/passwords/password.rs", "MIN_LENGTH"),
        ("NewPassword", "maxLength", "shared/core/src/passwords/mod.rs", "MAX_LENGTH"),
    ] {
        assert_eq!(schemas[schema][limit], constant(path, name), "{limit} of {schema}");
    }
    let errors = &schemas["Problem"]["properties"]["errors"];
    assert_eq!(errors["maxItems"], constant("shared/src/http/problem.rs", "MAX_ERRORS"));
    let field = &schemas["FieldError"]["properties"]["field"];
    // A longer name ends with an ellipsis.
    assert_eq!(field["maxLength"], constant("shared/core/src/error.rs", "MAX_FIELD_NAME") + 1);

    let operations = operations(&contract);
    let (_, bulk) = operations["POST /v1/users/bulk"];
    let ids = &bulk["requestBody"]["content"]["application/json"]["schema"]["properties"]["user_ids"];
    assert_eq!(ids["maxItems"], constant("functions/change-users/src/main.rs", "MAX_USERS"));
}
