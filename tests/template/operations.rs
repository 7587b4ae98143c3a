//! Checks what a platform team expects from a template: log retention, limits, alarms, and protected tables.

use std::collections::BTreeSet;
use std::fs;

use portal_tests::template::{Function, functions, read};
use portal_tests::workspace;
use serde_yaml_ng::{Mapping, Value};

use crate::folder;

/// The maximum timeout of an HTTP API, in seconds.
const API_TIMEOUT: u64 = 30;

/// The routes that need no token.
pub(crate) const PUBLIC: [&str; 15] = [
    "GET /",
    "GET /assets/{file+}",
    "HEAD /",
    "HEAD /assets/{file+}",
    "GET /openapi.json",
    "GET /reference",
    "POST /v1/sessions",
    "POST /v1/sessions/challenge",
    "POST /v1/sessions/challenge/passkey",
    "POST /v1/sessions/passkey",
    "POST /v1/sessions/passkey/options",
    "POST /v1/sessions/refresh",
    "POST /v1/password-resets",
    "POST /v1/password-resets/lookup",
    "POST /v1/password-resets/confirm",
];

fn resources(template: &Value) -> &Mapping {
    template["Resources"].as_mapping().unwrap()
}

pub(crate) fn of_type<'a>(template: &'a Value, kind: &str) -> Vec<(&'a str, &'a Value)> {
    let all = resources(template).iter().filter(|(_, resource)| resource["Type"] == kind);
    all.map(|(name, resource)| (name.as_str().unwrap(), resource)).collect()
}

/// Whether the value is a `Ref` to this name, in its short form.
pub(crate) fn is_ref(value: &Value, to: &str) -> bool {
    matches!(value, Value::Tagged(tagged) if tagged.tag == "Ref" && tagged.value == to)
}

/// The value as YAML, with its tags.
pub(crate) fn text(value: &Value) -> String {
    serde_yaml_ng::to_string(value).unwrap()
}

fn properties<'a>(template: &'a Value, function: &Function) -> &'a Value {
    &template["Resources"][function.logical_id.as_str()]["Properties"]
}

#[test]
fn functions_log_to_the_stacks_group_and_every_group_has_a_retention() {
    let template = read("template.yaml");
    let logging = &template["Globals"]["Function"]["LoggingConfig"];
    assert_eq!(logging["LogFormat"], "JSON");
    assert!(is_ref(&logging["LogGroup"], "FunctionLogs"));
    for function in functions() {
        let properties = properties(&template, &function);
        assert!(properties["LoggingConfig"].is_null(), "{} overrides the log group", function.logical_id);
        let name = format!("{}-{}", "${AWS::StackName}", folder(&function));
        assert!(text(&properties["FunctionName"]).contains(&name), "{}", function.logical_id);
    }
    for (name, group) in of_type(&template, "AWS::Logs::LogGroup") {
        assert!(is_ref(&group["Properties"]["RetentionInDays"], "LogRetentionDays"), "{name}");
    }
}

#[test]
fn an_api_function_times_out_before_the_api_does() {
    let template = read("template.yaml");
    let default = template["Globals"]["Function"]["Timeout"].as_u64().unwrap();
    for function in functions() {
        let timeout = properties(&template, &function)["Timeout"].as_u64().unwrap_or(default);
        assert!(function.routes.is_empty() || timeout < API_TIMEOUT, "{}: {timeout} s", function.logical_id);
        assert!(timeout <= 900, "{}", function.logical_id);
    }
}

#[test]
fn functions_that_hash_passwords_or_read_all_users_have_a_whole_vcpu() {
    let template = read("template.yaml");
    let reads_all_users = |function: &Function| ["get-review-record", "review-access"].contains(&folder(function));
    for function in functions() {
        let memory = properties(&template, &function)["MemorySize"].as_u64();
        let expected = match folder(&function) {
            // Only some of its requests read all users.
            "list-users" => Some(1024),
            _ if function.hashes_passwords() || reads_all_users(&function) => Some(1769),
            _ => None,
        };
        assert_eq!(memory, expected, "{}", function.logical_id);
    }
}

#[test]
fn every_alarm_notifies_and_is_in_the_guide() {
    let alarms = read("infra/alarms.yaml");
    let guide = fs::read_to_string(workspace().join("infra/README.md")).unwrap();
    let all = of_type(&alarms, "AWS::CloudWatch::Alarm");
    assert!(!all.is_empty());
    for (id, alarm) in all {
        let properties = &alarm["Properties"];
        for actions in ["AlarmActions", "OKActions"] {
            assert!(is_ref(&properties[actions][0], "AlarmTopic"), "{id}");
        }
        let name = text(&properties["AlarmName"]);
        let name = name.split_once("${Portal}-").unwrap().1.trim().trim_matches('\'');
        assert!(guide.contains(&format!("`{name}`")), "infra/README.md does not describe the alarm {name}");
    }
}

#[test]
fn nested_templates_get_exactly_the_parameters_that_they_declare() {
    let template = read("template.yaml");
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_mapping().unwrap().keys().map(|name| name.as_str().unwrap().to_owned()).collect()
    };
    let nested = of_type(&template, "AWS::CloudFormation::Stack");
    assert_eq!(nested.len(), 3);
    for (id, stack) in nested {
        let path = stack["Properties"]["TemplateURL"].as_str().unwrap();
        assert_eq!(names(&stack["Properties"]["Parameters"]), names(&read(path)["Parameters"]), "{id}");
    }
}

#[test]
fn a_panic_in_a_released_function_gets_a_response() {
    let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    let release = manifest.split_once("[profile.release]\n").unwrap().1.split("\n[").next().unwrap().to_owned();
    // Without this setting, cargo-lambda adds `abort`.
    assert!(release.contains("panic = \"unwind\""), "{release}");
}

#[test]
fn every_parameter_has_a_description_a_default_and_a_limit() {
    let template = read("template.yaml");
    for (name, parameter) in template["Parameters"].as_mapping().unwrap() {
        assert!(parameter["Description"].is_string() && !parameter["Default"].is_null(), "{name:?}");
        let limits = ["AllowedValues", "AllowedPattern", "MinValue"];
        assert!(limits.iter().any(|limit| !parameter[*limit].is_null()), "{name:?} accepts any value");
    }
}

#[test]
fn only_the_listed_routes_are_reachable_without_the_authorizer() {
    let template = read("template.yaml");
    let api = &template["Resources"]["PortalApi"]["Properties"];
    let default = api["Auth"]["DefaultAuthorizer"].as_str().unwrap();
    assert!(api["Auth"]["Authorizers"][default].is_mapping());
    let functions = functions();
    let public: BTreeSet<&str> = functions
        .iter()
        .flat_map(|function| &function.routes)
        .filter(|route| route.public)
        .map(|route| route.name.as_str())
        .collect();
    assert_eq!(public, PUBLIC.into());
    for function in &functions {
        let properties = properties(&template, function);
        assert!(properties["FunctionUrlConfig"].is_null(), "{} has a function URL", function.logical_id);
        for (name, event) in properties["Events"].as_mapping().cloned().unwrap_or_default() {
            let authorizer = &event["Properties"]["Auth"]["Authorizer"];
            assert!(authorizer.is_null() || authorizer == "NONE", "{} {name:?}", function.logical_id);
            let kinds = ["HttpApi", "Schedule", "EventBridgeRule"];
            assert!(kinds.iter().any(|kind| event["Type"] == *kind), "{} {name:?}", function.logical_id);
        }
    }
}

#[test]
fn public_sign_in_routes_have_a_lower_rate_limit_than_other_routes() {
    let template = read("template.yaml");
    let api = &template["Resources"]["PortalApi"]["Properties"];
    let limits = |settings: &Value, by: &str| {
        is_ref(&settings["ThrottlingRateLimit"], by) && is_ref(&settings["ThrottlingBurstLimit"], by)
    };
    assert!(limits(&api["DefaultRouteSettings"], "RequestsPerSecond"));
    for route in PUBLIC.iter().filter(|route| route.starts_with("POST")) {
        assert!(limits(&api["RouteSettings"][*route], "SignInsPerSecond"), "{route}");
    }
    let default = |parameter: &str| template["Parameters"][parameter]["Default"].as_u64().unwrap();
    assert!(default("SignInsPerSecond") < default("RequestsPerSecond"));
}

#[test]
fn other_origins_are_listed_one_by_one_and_send_no_cookies() {
    let template = read("template.yaml");
    let cors = text(&template["Resources"]["PortalApi"]["Properties"]["CorsConfiguration"]);
    // The condition is around the whole value, because SAM would take an intrinsic in AllowOrigins for all of it.
    // .ci/check-expanded checks the expanded template.
    assert!(cors.starts_with("!If\n- HasAllowedOrigins\n"), "{cors}");
    assert!(cors.contains("AllowCredentials: false") && !cors.contains('*'), "{cors}");
    assert_eq!(template["Parameters"]["AllowedOrigins"]["Default"], "");
    let pattern = template["Parameters"]["AllowedOrigins"]["AllowedPattern"].as_str().unwrap();
    assert!(pattern.starts_with("^(https://") && pattern.ends_with('$'), "{pattern}");
}

#[test]
fn a_new_portal_has_no_alarm_and_a_repair_that_stops_raises_one() {
    let alarms = read("infra/alarms.yaml");
    for (id, alarm) in of_type(&alarms, "AWS::CloudWatch::Alarm") {
        assert_ne!(alarm["Properties"]["TreatMissingData"], "breaching", "{id}");
    }
    let late = &alarms["Resources"]["RepairLate"]["Properties"];
    assert_eq!(late["TreatMissingData"], "missing");
    assert!(is_ref(&late["InsufficientDataActions"][0], "AlarmTopic"));
}

#[test]
fn no_alarm_depends_on_log_lines_that_a_log_level_drops() {
    assert!(of_type(&read("infra/alarms.yaml"), "AWS::Logs::MetricFilter").is_empty());
    assert!(of_type(&read("template.yaml"), "AWS::Logs::MetricFilter").is_empty());
}

#[test]
fn tables_and_the_user_pool_survive_the_stack_and_mistakes() {
    let template = read("template.yaml");
    let tables = of_type(&template, "AWS::DynamoDB::Table");
    assert_eq!(tables.len(), 5);
    for (name, table) in tables.iter().chain(&of_type(&template, "AWS::Cognito::UserPool")) {
        assert_eq!(
            (&table["DeletionPolicy"], &table["UpdateReplacePolicy"]),
            (&"Retain".into(), &"Retain".into()),
            "{name}"
        );
    }
    for (name, table) in tables {
        let properties = &table["Properties"];
        assert_eq!(properties["DeletionProtectionEnabled"], true, "{name}");
        // No backup keeps the addresses in the outbox, or sends its mail again.
        let is_recoverable = properties["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] == true;
        assert_eq!(is_recoverable, name != "OutboxTable", "{name}");
        assert_eq!(properties["SSESpecification"]["SSEEnabled"], true, "{name}");
    }
    let pool = &template["Resources"]["UserPool"]["Properties"];
    assert_eq!(pool["DeletionProtection"], "ACTIVE");
    assert_eq!(pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"], true);
    let client = &template["Resources"]["UserPoolClient"]["Properties"];
    assert_eq!(client["EnableTokenRevocation"], true);
    assert_eq!(client["ExplicitAuthFlows"].as_sequence().unwrap().len(), 2);
    assert_eq!(client["WriteAttributes"].as_sequence().unwrap().len(), 1);
}

#[test]
fn nothing_of_mail_but_its_table_exists_while_it_is_off() {
    let template = read("template.yaml");
    let identities =
        ["AWS::SES::EmailIdentity", "AWS::SES::ConfigurationSet", "AWS::SES::ConfigurationSetEventDestination"];
    let service = identities.iter().flat_map(|kind| of_type(&template, kind)).map(|(name, _)| name);
    let functions = ["SendMailFunction", "SweepOutboxFunction", "NoteDeliveryFunction"];
    let queue = ["MailDeadLetters", "MailDeadLettersPolicy"];
    let all: Vec<&str> = service.chain(functions).chain(queue).collect();
    assert_eq!(all.len(), 8);
    for name in all {
        assert_eq!(template["Resources"][name]["Condition"], "HasMail", "{name}");
    }
    assert_eq!(template["Parameters"]["MailFrom"]["Default"], "");
    for function in portal_tests::template::functions() {
        let variables = &properties(&template, &function)["Environment"]["Variables"];
        let outbox = &variables["OUTBOX_TABLE"];
        let is_conditional = template["Resources"][function.logical_id.as_str()]["Condition"] == "HasMail";
        assert!(
            outbox.is_null() || is_conditional || text(outbox).contains("HasMail"),
            "{} adds mail while mail is off",
            function.logical_id
        );
    }
}

#[test]
fn mail_that_fails_reaches_the_dead_letter_queue_and_is_filtered_by_the_stream() {
    let template = read("template.yaml");
    let mapping = &template["Resources"]["SendMailFromOutbox"]["Properties"];
    assert!(text(&mapping["DestinationConfig"]).contains("MailDeadLetters.Arn"));
    assert_eq!(mapping["FunctionResponseTypes"][0], "ReportBatchItemFailures");
    assert!(text(&mapping["FilterCriteria"]).contains("INSERT"), "a change of an item would send it again");
    let table = &template["Resources"]["OutboxTable"]["Properties"];
    assert_eq!(table["StreamSpecification"]["StreamViewType"], "KEYS_ONLY", "a stream keeps its records for a day");
    let note = &template["Resources"]["NoteDeliveryFunction"]["Properties"];
    assert!(text(&note["DeadLetterQueue"]).contains("MailDeadLetters.Arn"));
}

#[test]
fn failed_repair_runs_and_schedules_reach_the_dead_letter_queue() {
    let template = read("template.yaml");
    let repair = &template["Resources"]["RepairIdentitiesFunction"]["Properties"];
    for path in [&repair["DeadLetterQueue"], &repair["Events"]["EveryMinute"]["Properties"]["DeadLetterConfig"]] {
        assert!(text(path).contains("RepairDeadLetters.Arn"), "{path:?}");
    }
    assert_eq!(repair["EventInvokeConfig"]["MaximumRetryAttempts"], 0, "the next run is the retry");
}
