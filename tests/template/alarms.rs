//! Alarms and dashboard find what they watch without lists of functions.

use std::collections::BTreeSet;

use portal_tests::template::{functions, read};
use serde_yaml_ng::Value;

use crate::folder;
use crate::operations::{of_type, text};

#[test]
fn every_metric_of_the_functions_has_an_alarm_for_the_whole_portal() {
    let alarms = read("infra/alarms.yaml");
    let mut watched = BTreeSet::new();
    for (id, alarm) in of_type(&alarms, "AWS::CloudWatch::Alarm") {
        let properties = &alarm["Properties"];
        let queries = properties["Metrics"].as_sequence().cloned().unwrap_or_default();
        let metrics = queries.iter().map(|query| &query["MetricStat"]["Metric"]).chain([properties]);
        for metric in metrics.filter(|metric| metric["Namespace"] == "PartnerPortal") {
            let dimensions = metric["Dimensions"].as_sequence().unwrap();
            assert!(dimensions.len() == 1 && dimensions[0]["Name"] == "Portal", "{id}: {dimensions:?}");
            watched.insert(metric["MetricName"].as_str().unwrap().to_owned());
        }
    }
    // All metrics that functions report.
    let reported = [
        "BypassedEdge",
        "ChallengesRefused",
        "ChangesRefused",
        "CodesRefused",
        "CurrentPasswordsRefused",
        "MailBacklog",
        "MailBounced",
        "MailComplained",
        "MailFailed",
        "MailOldestAge",
        "RefreshesRefused",
        "RepairBacklog",
        "RepairFailed",
        "RepairOldestAge",
        "RequestsFailed",
        "SignInsBlocked",
        "SignInsRefused",
    ];
    assert_eq!(watched.iter().map(String::as_str).collect::<Vec<_>>(), reported);
}

#[test]
fn alarms_for_a_function_name_one_that_exists() {
    let functions = functions();
    let folders: BTreeSet<&str> = functions.iter().map(folder).collect();
    let mut named = BTreeSet::new();
    for (id, alarm) in of_type(&read("infra/alarms.yaml"), "AWS::CloudWatch::Alarm") {
        let dimension = &alarm["Properties"]["Dimensions"][0];
        if dimension["Name"] == "FunctionName" {
            let name = text(&dimension["Value"]);
            let name = name.split_once("${Portal}-").unwrap().1.trim().trim_matches('\'').to_owned();
            assert!(folders.contains(name.as_str()), "{id}: {name}");
            named.insert(name);
        }
    }
    assert_eq!(named.into_iter().collect::<Vec<_>>(), ["end-all-sessions", "recover-primary-admin"]);
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
