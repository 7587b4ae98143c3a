//! Reads from the templates what a bill depends on, so that the bill changes with them.

use std::collections::BTreeMap;

use serde_yaml_ng::Value as Yaml;
use thiserror::Error;

/// A template that lacks something.
#[derive(Debug, Error)]
pub enum DeploymentError {
    /// It is not YAML.
    #[error("the template is not YAML: {0}")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// A value is missing or has another form.
    #[error("the template has no usable {0}")]
    Missing(&'static str),
}

/// The texts of the templates.
#[derive(Debug, Clone, Copy)]
pub struct Templates<'a> {
    /// `template.yaml`.
    pub portal: &'a str,
    /// `infra/alarms.yaml`.
    pub alarms: &'a str,
    /// `infra/dashboard.yaml`.
    pub dashboard: &'a str,
    /// `infra/edge.yaml`.
    pub edge: &'a str,
}

/// A deployment that has alarms, with the default of every other parameter.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The memory of each function, in MB.
    pub memory_mb: BTreeMap<String, f64>,
    /// The feature plan of the user pool.
    pub user_pool_tier: String,
    /// The lifetime of an access token in minutes.
    pub access_token_minutes: f64,
    /// The time after which sign-ins leave the history, in days.
    pub sign_in_history_days: f64,
    /// The maximum rate of requests.
    pub requests_per_second: f64,
    /// The maximum rate of each route that issues tokens.
    pub sign_ins_per_second: f64,
    /// The interval of `repair-identities` in minutes.
    pub repair_minutes: f64,
    /// Whether Lambda logs each start and end of an invocation.
    pub has_system_logs: bool,
    /// Whether a function logs each request.
    pub has_request_logs: bool,
    /// The number of routes that have their own metrics.
    pub routes_with_metrics: f64,
    /// The metrics in all alarms.
    pub alarm_metrics: f64,
    /// The dashboards.
    pub dashboards: f64,
    /// The rules of the firewall of the edge.
    pub edge_rules: f64,
}

static NOTHING: Yaml = Yaml::Null;

/// The value at a path, or null.
fn at<'a>(value: &'a Yaml, path: &[&str]) -> &'a Yaml {
    path.iter().fold(value, |value, key| value.get(key).unwrap_or(&NOTHING))
}

/// A template, with its parameters.
struct Template(Yaml);

impl Template {
    fn read(text: &str) -> Result<Self, DeploymentError> {
        Ok(Self(serde_yaml_ng::from_str(text)?))
    }

    /// The value with a `Ref` to a parameter replaced by the parameter's default.
    fn resolved<'a>(&'a self, value: &'a Yaml) -> &'a Yaml {
        match value {
            Yaml::Tagged(tagged) if tagged.tag == "Ref" => match tagged.value.as_str() {
                Some(name) => at(&self.0, &["Parameters", name, "Default"]),
                None => value,
            },
            other => other,
        }
    }

    /// The resources of a type, without those that exist only while mail is on, because it is off by default.
    fn of_type<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Yaml> {
        let resources = at(&self.0, &["Resources"]).as_mapping().into_iter().flatten().map(|(_, resource)| resource);
        resources.filter(move |resource| at(resource, &["Type"]) == kind && at(resource, &["Condition"]) != "HasMail")
    }

    fn count(&self, kind: &str) -> f64 {
        count(self.of_type(kind).count())
    }

    fn parameter(&self, name: &'static str) -> Result<f64, DeploymentError> {
        at(&self.0, &["Parameters", name, "Default"]).as_f64().ok_or(DeploymentError::Missing(name))
    }
}

#[expect(clippy::cast_precision_loss, reason = "numbers of resources are small")]
fn count(number: usize) -> f64 {
    number as f64
}

impl Deployment {
    /// Reads the templates.
    pub fn read(templates: Templates<'_>) -> Result<Self, DeploymentError> {
        let template = Template::read(templates.portal)?;
        let of_all = at(&template.0, &["Globals", "Function"]);
        let memory_of_all = at(of_all, &["MemorySize"]).as_f64().ok_or(DeploymentError::Missing("MemorySize"))?;
        let logging = at(of_all, &["LoggingConfig"]);
        let logs = |name: &str, is_logged: fn(&str) -> bool| {
            // Without a level, Lambda logs from INFO on.
            is_logged(template.resolved(at(logging, &[name])).as_str().unwrap_or("INFO"))
        };
        let is_info = |level: &str| matches!(level, "TRACE" | "DEBUG" | "INFO");

        let mut memory_mb = BTreeMap::new();
        let (mut routes, mut repair_minutes) = (0, None);
        for function in template.of_type("AWS::Serverless::Function") {
            let properties = at(function, &["Properties"]);
            let folder = at(properties, &["CodeUri"]).as_str().ok_or(DeploymentError::Missing("CodeUri"))?;
            let name = folder.trim_end_matches('/').rsplit('/').next().unwrap_or(folder);
            memory_mb.insert(name.to_owned(), at(properties, &["MemorySize"]).as_f64().unwrap_or(memory_of_all));
            for (_, event) in at(properties, &["Events"]).as_mapping().into_iter().flatten() {
                if at(event, &["Type"]) == "HttpApi" {
                    routes += 1;
                }
                if let Some(minutes) = at(event, &["Properties", "Schedule"]).as_str().and_then(minutes) {
                    repair_minutes = Some(minutes);
                }
            }
        }
        let api = template.of_type("AWS::Serverless::HttpApi").next();
        let has_route_metrics = api.is_some_and(|api| {
            at(api, &["Properties", "DefaultRouteSettings", "DetailedMetricsEnabled"]) == &Yaml::Bool(true)
        });

        let pool = template.of_type("AWS::Cognito::UserPool").next().ok_or(DeploymentError::Missing("user pool"))?;
        let tier = template.resolved(at(pool, &["Properties", "UserPoolTier"])).as_str();
        let client = template.of_type("AWS::Cognito::UserPoolClient").next();
        let minutes = client.map(|client| template.resolved(at(client, &["Properties", "AccessTokenValidity"])));

        let alarms = Template::read(templates.alarms)?;
        let metrics = alarms.of_type("AWS::CloudWatch::Alarm").map(|alarm| {
            let metrics = at(alarm, &["Properties", "Metrics"]).as_sequence();
            // An alarm of an expression is charged for each metric in it.
            metrics.map_or(1, |metrics| metrics.iter().filter(|metric| !at(metric, &["MetricStat"]).is_null()).count())
        });
        let edge = Template::read(templates.edge)?;
        let rules = edge
            .of_type("AWS::WAFv2::WebACL")
            .next()
            .and_then(|firewall| at(firewall, &["Properties", "Rules"]).as_sequence());
        Ok(Self {
            memory_mb,
            // The default of AWS for new pools.
            user_pool_tier: tier.unwrap_or("ESSENTIALS").to_owned(),
            access_token_minutes: minutes.and_then(Yaml::as_f64).unwrap_or(60.0),
            sign_in_history_days: template.parameter("SignInHistoryDays")?,
            requests_per_second: template.parameter("RequestsPerSecond")?,
            sign_ins_per_second: template.parameter("SignInsPerSecond")?,
            repair_minutes: repair_minutes.ok_or(DeploymentError::Missing("schedule"))?,
            has_system_logs: logs("SystemLogLevel", is_info),
            has_request_logs: logs("ApplicationLogLevel", is_info),
            routes_with_metrics: if has_route_metrics { count(routes) } else { 0.0 },
            alarm_metrics: count(metrics.sum()),
            dashboards: Template::read(templates.dashboard)?.count("AWS::CloudWatch::Dashboard"),
            edge_rules: count(rules.map_or(0, Vec::len)),
        })
    }
}

/// The minutes of `rate(5 minutes)`.
fn minutes(schedule: &str) -> Option<f64> {
    let (number, unit) = schedule.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let number: f64 = number.parse().ok()?;
    match unit.trim_end_matches('s') {
        "minute" => Some(number),
        "hour" => Some(number * 60.0),
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const PORTAL: &str = include_str!("../../../template.yaml");

    pub(crate) fn templates(portal: &str) -> Templates<'_> {
        Templates {
            portal,
            alarms: include_str!("../../../infra/alarms.yaml"),
            dashboard: include_str!("../../../infra/dashboard.yaml"),
            edge: include_str!("../../../infra/edge.yaml"),
        }
    }

    /// The deployment of a template in which one line was changed.
    pub(crate) fn changed(from: &str, to: &str) -> Deployment {
        assert!(PORTAL.contains(from), "{from}");
        Deployment::read(templates(&PORTAL.replace(from, to))).unwrap()
    }

    #[test]
    fn the_templates_have_everything_that_a_bill_needs() {
        let deployment = Deployment::read(templates(PORTAL)).unwrap();
        assert!(deployment.memory_mb.contains_key("sign-in"));
        assert!(deployment.memory_mb["sign-in"] > deployment.memory_mb["get-me"]);
        let alarms = templates(PORTAL).alarms;
        let of_mail = alarms.matches("Condition: HasMail").count();
        let alarms = alarms.matches("Type: AWS::CloudWatch::Alarm").count() - of_mail;
        let metrics = deployment.alarm_metrics;
        assert!(metrics > f64::from(u32::try_from(alarms).unwrap()), "some alarms have several metrics");
        assert!(!deployment.memory_mb.contains_key("send-mail"), "mail is off by default");
        assert!(deployment.edge_rules > 0.0 && deployment.dashboards > 0.0);
    }

    #[test]
    fn changes_of_the_template_are_read() {
        let without = changed("      UserPoolTier: !Ref UserPoolTier\n", "");
        assert_eq!(without.user_pool_tier, "ESSENTIALS", "the default of AWS");
        let with_logs = changed("      SystemLogLevel: WARN\n", "");
        assert!(with_logs.has_system_logs, "the default of AWS");
        let quiet = changed("      ApplicationLogLevel: !Ref LogLevel\n", "      ApplicationLogLevel: WARN\n");
        assert!(!quiet.has_request_logs);
        let with_metrics = changed(
            "      DefaultRouteSettings:\n",
            "      DefaultRouteSettings:\n        DetailedMetricsEnabled: true\n",
        );
        assert!(with_metrics.routes_with_metrics > 20.0);
        let rare = changed("rate(1 minute)", "rate(5 minutes)");
        assert!((rare.repair_minutes - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_text_that_is_no_template_is_rejected() {
        assert!(matches!(Deployment::read(templates("Resources: {}")), Err(DeploymentError::Missing(_))));
        assert!(matches!(Deployment::read(templates("[")), Err(DeploymentError::Yaml(_))));
    }
}
