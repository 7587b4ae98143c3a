//! The metrics of alarms for groups of functions are generated. Each function names its group in `template.yaml`.

use std::fmt::Write as _;
use std::{env, fs};

use portal_tests::template::{Function, functions, read};
use portal_tests::workspace;
use serde_yaml_ng::Value;

use crate::folder;

const FILE: &str = "infra/alarms.yaml";
const GROUPS: [(&str, &str); 4] =
    [("Session", "session"), ("User", "user"), ("Account", "account"), ("Operator", "operator")];

/// An alarm that sums a metric of several functions.
struct Alarm {
    id: String,
    namespace: &'static str,
    metric: &'static str,
    functions: Vec<String>,
}

fn alarms() -> Vec<Alarm> {
    let template = read("template.yaml");
    let functions = functions();
    let group = |function: &Function| -> String {
        let group = &template["Resources"][function.logical_id.as_str()]["Metadata"]["AlarmGroup"];
        let group = group.as_str().unwrap_or_else(|| panic!("{} has no AlarmGroup", function.logical_id));
        assert!(GROUPS.iter().any(|(_, name)| *name == group), "{}: {group}", function.logical_id);
        group.to_owned()
    };
    let alarm = |id: String, namespace, metric, is_in: &dyn Fn(&Function) -> bool| Alarm {
        id,
        namespace,
        metric,
        functions: functions.iter().filter(|function| is_in(function)).map(|one| folder(one).to_owned()).collect(),
    };
    // Signing out needs no permission.
    let changes = |function: &Function| {
        folder(function) != "sign-out"
            && function.routes.iter().any(|route| !route.public && !route.name.starts_with("GET"))
    };
    let mut all = Vec::new();
    for (id, name) in GROUPS {
        let is_in = |function: &Function| group(function) == name;
        all.push(alarm(format!("{id}Crashing"), "AWS/Lambda", "Errors", &is_in));
        all.push(alarm(format!("{id}Throttled"), "AWS/Lambda", "Throttles", &is_in));
        // Operators do not call through the API.
        if name != "operator" {
            all.push(alarm(format!("{id}BypassedEdge"), "PartnerPortal", "BypassedEdge", &is_in));
        }
    }
    let one_user = |function: &Function| changes(function) && ["session", "user"].contains(&group(function).as_str());
    let account = |function: &Function| changes(function) && group(function) == "account";
    all.push(alarm("UserChangesRefused".to_owned(), "PartnerPortal", "ChangesRefused", &one_user));
    all.push(alarm("AccountChangesRefused".to_owned(), "PartnerPortal", "ChangesRefused", &account));
    all
}

fn metrics(alarm: &Alarm) -> String {
    let mut text = "        - { Id: all, Expression: SUM(METRICS()), Label: All of them }\n".to_owned();
    for function in &alarm.functions {
        write!(
            text,
            "        - Id: {id}
          ReturnData: false
          MetricStat:
            Stat: Sum
            Period: 300
            Metric:
              Namespace: {namespace}
              MetricName: {metric}
              Dimensions: [{{ Name: FunctionName, Value: !Sub \"${{Portal}}-{function}\" }}]\n",
            id = function.replace('-', "_"),
            namespace = alarm.namespace,
            metric = alarm.metric,
        )
        .unwrap();
    }
    text
}

/// Replaces the metrics of `alarm` in the file.
fn with_metrics(file: &str, alarm: &Alarm) -> String {
    let (before, rest) = file.split_once(&format!("\n  {}:\n", alarm.id)).unwrap();
    let (properties, rest) = rest.split_once("      Metrics:\n").unwrap();
    let after = &rest[rest.find("      ComparisonOperator:").unwrap()..];
    format!("{before}\n  {}:\n{properties}      Metrics:\n{}{after}", alarm.id, metrics(alarm))
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a setting of this test")]
fn alarm_metrics_are_those_generated_from_the_template() {
    let path = workspace().join(FILE);
    let file = fs::read_to_string(&path).unwrap();
    let generated = alarms().iter().fold(file.clone(), |file, alarm| with_metrics(&file, alarm));
    if env::var_os("WRITE_ALARMS").is_some() {
        fs::write(path, generated).unwrap();
        return;
    }
    assert!(
        file == generated,
        "{FILE} differs from the template; write it with WRITE_ALARMS=1 cargo test --test template alarms"
    );
}

#[test]
fn the_dashboard_finds_functions_by_the_name_of_the_stack() {
    let dashboard = read("infra/dashboard.yaml");
    let Value::Tagged(body) = &dashboard["Resources"]["Dashboard"]["Properties"]["DashboardBody"] else { panic!() };
    let body: serde_json::Value = serde_json::from_str(body.value.as_str().unwrap()).unwrap();
    let widgets = body["widgets"].as_array().unwrap().iter();
    let searches: Vec<&str> = widgets
        .flat_map(|widget| widget["properties"]["metrics"].as_array().unwrap())
        .filter_map(|metric| metric[0]["expression"].as_str())
        .collect();
    assert_eq!(searches.len(), 4);
    for search in searches {
        assert!(search.contains("{AWS/Lambda,FunctionName}") && search.contains("FunctionName=${Portal}"), "{search}");
    }
}
