//! Checks the limits and the logs of the edge and of the user pool's firewall, and that production uses both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use portal_tests::template::read;
use portal_tests::workspace;
use serde_yaml_ng::Value;

use crate::operations::{PUBLIC, is_ref, of_type, text};

const EDGE: &str = "infra/edge.yaml";
const USER_POOL_FIREWALL: &str = "infra/user-pool-firewall.yaml";

fn rules(template: &Value) -> Vec<Value> {
    template["Resources"]["Firewall"]["Properties"]["Rules"].as_sequence().unwrap().clone()
}

fn is_rate(rule: &Value) -> bool {
    rule["Statement"]["RateBasedStatement"].is_mapping()
}

/// The types of text transformations, in the order in which they are applied.
fn transformations(of: &Value) -> Vec<String> {
    let mut all: Vec<_> = of["TextTransformations"].as_sequence().unwrap().clone();
    all.sort_by_key(|transformation| transformation["Priority"].as_u64().unwrap());
    all.iter().map(|transformation| transformation["Type"].as_str().unwrap().to_owned()).collect()
}

/// Collects every statement that matches a request's path, at any depth.
fn path_matches(value: &Value, found: &mut Vec<Value>) {
    match value {
        Value::Mapping(fields) => {
            if !value["FieldToMatch"]["UriPath"].is_null() {
                found.push(value.clone());
            }
            fields.values().for_each(|field| path_matches(field, found));
        }
        Value::Sequence(values) => values.iter().for_each(|value| path_matches(value, found)),
        Value::Tagged(tagged) => path_matches(&tagged.value, found),
        _ => {}
    }
}

fn default(template: &Value, parameter: &str) -> u64 {
    template["Parameters"][parameter]["Default"].as_u64().unwrap()
}

/// The values of the portal's parameters in the prod configuration.
fn production() -> BTreeMap<String, String> {
    let config = fs::read_to_string(workspace().join("infra/samconfig.toml")).unwrap();
    let section = config.split_once("[prod.deploy.parameters]").unwrap().1;
    let line = section.lines().find(|line| line.starts_with("parameter_overrides")).unwrap();
    let overrides = line.split_once('"').unwrap().1.trim_end_matches('"');
    let pair = |given: &str| given.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    overrides.split_whitespace().map(pair).collect()
}

#[test]
fn a_path_is_decoded_before_the_firewall_compares_it() {
    let mut matches = Vec::new();
    path_matches(&read(EDGE)["Resources"]["Firewall"], &mut matches);
    assert_eq!(matches.len(), 6);
    for found in matches {
        assert_eq!(transformations(&found), ["URL_DECODE", "NORMALIZE_PATH", "LOWERCASE"], "{}", text(&found));
    }
}

#[test]
fn the_edge_limits_each_address_per_public_route_and_in_total() {
    let edge = read(EDGE);
    let (mut routes, mut overall) = (BTreeSet::new(), 0);
    for rule in rules(&edge).iter().filter(|rule| is_rate(rule)) {
        let rate = &rule["Statement"]["RateBasedStatement"];
        assert_eq!(rate["EvaluationWindowSec"], 60, "{}", text(rule));
        if rate["AggregateKeyType"] != "IP" {
            continue;
        }
        let path = &rate["ScopeDownStatement"]["RegexMatchStatement"]["RegexString"];
        if let Some(path) = path.as_str() {
            assert!(is_ref(&rate["Limit"], "SignInsPerAddress"), "{}", text(rule));
            let path = path.strip_prefix('^').and_then(|path| path.strip_suffix("/*$")).unwrap();
            // One rule can be for a path and for some paths below it: `/path(/one|/other)?`.
            let (path, below) = path.split_once('(').unwrap_or((path, ""));
            let below = below.trim_end_matches(")?").split('|').filter(|below| !below.is_empty());
            routes.extend([""].into_iter().chain(below).map(|below| format!("POST {path}{below}")));
        } else {
            assert!(rate["ScopeDownStatement"].is_null(), "{}", text(rule));
            assert!(is_ref(&rate["Limit"], "RequestsPerAddress"), "{}", text(rule));
            overall += 1;
        }
    }
    let public = PUBLIC.iter().filter(|route| route.starts_with("POST")).map(|route| (*route).to_owned());
    assert_eq!(routes, public.collect());
    assert_eq!(overall, 1);
    // A client could have many IPv6 addresses, and each would have its own count.
    assert_eq!(edge["Resources"]["Distribution"]["Properties"]["DistributionConfig"]["IPV6Enabled"], false);
}

#[test]
fn the_edge_limits_each_token_and_logs_no_token() {
    let edge = read(EDGE);
    let custom: Vec<_> = rules(&edge)
        .into_iter()
        .map(|rule| rule["Statement"]["RateBasedStatement"].clone())
        .filter(|rate| rate["AggregateKeyType"] == "CUSTOM_KEYS")
        .collect();
    assert_eq!(custom.len(), 1);
    assert!(is_ref(&custom[0]["Limit"], "RequestsPerToken"));
    let keys = custom[0]["CustomKeys"].as_sequence().unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(keys[0]["Header"]["Name"], "authorization");
    // The log of a blocked request contains the key.
    assert_eq!(transformations(&keys[0]["Header"]), ["SHA256"]);
}

#[test]
fn a_request_over_an_edge_limit_gets_the_same_429_as_from_the_portal() {
    let edge = read(EDGE);
    let bodies = &edge["Resources"]["Firewall"]["Properties"]["CustomResponseBodies"];
    for rule in rules(&edge).iter().filter(|rule| is_rate(rule)) {
        let response = &rule["Action"]["Block"]["CustomResponse"];
        assert_eq!(response["ResponseCode"], 429, "{}", text(rule));
        assert_eq!(response["ResponseHeaders"][0]["Name"], "retry-after", "{}", text(rule));
        let body = &bodies[response["CustomResponseBodyKey"].as_str().unwrap()];
        assert_eq!(body["ContentType"], "APPLICATION_JSON");
        let problem: serde_json::Value = serde_json::from_str(body["Content"].as_str().unwrap()).unwrap();
        assert_eq!((&problem["status"], &problem["code"]), (&429.into(), &"too_many_requests".into()));
    }
}

#[test]
fn an_address_gets_at_most_half_the_rate_limit_and_an_office_can_sign_in() {
    let (edge, portal, production) = (read(EDGE), read("template.yaml"), production());
    let prod = |parameter: &str| production[parameter].parse::<u64>().unwrap();
    for (per_minute, per_second) in
        [("SignInsPerAddress", "SignInsPerSecond"), ("RequestsPerAddress", "RequestsPerSecond")]
    {
        let one = default(&edge, per_minute) / 60;
        assert!(2 * one <= default(&portal, per_second), "{per_minute}");
        assert!(10 * one <= prod(per_second), "{per_minute} in production");
    }
    // 500 users behind one address can sign in within a minute and load the page with its requests.
    assert!(default(&edge, "SignInsPerAddress") >= 500);
    assert!(default(&edge, "RequestsPerAddress") >= 500 * 10);
}

#[test]
fn every_firewall_logs_and_no_log_or_sample_has_a_token() {
    for path in [EDGE, USER_POOL_FIREWALL] {
        let template = read(path);
        let firewalls = of_type(&template, "AWS::WAFv2::WebACL");
        assert_eq!(firewalls.len(), 1, "{path}");
        let logging = of_type(&template, "AWS::WAFv2::LoggingConfiguration");
        assert_eq!(logging.len(), 1, "{path}");
        let logging = &logging[0].1["Properties"];
        assert!(text(&logging["ResourceArn"]).contains("Firewall.Arn"), "{path}");
        let redacted = text(&logging["RedactedFields"]);
        for field in ["authorization", "cookie", "QueryString"] {
            assert!(redacted.contains(field), "{path}: {field}");
        }
        assert!(!text(firewalls[0].1).contains("SampledRequestsEnabled: true"), "{path}: samples are not redacted");
        for (name, group) in of_type(&template, "AWS::Logs::LogGroup") {
            assert!(is_ref(&group["Properties"]["RetentionInDays"], "LogRetentionDays"), "{path}: {name}");
        }
    }
    let protected = &read(EDGE)["Resources"]["Firewall"]["Properties"]["DataProtectionConfig"];
    assert!(text(protected).contains("authorization") && text(protected).contains("cookie"));
}

#[test]
fn the_edge_caches_only_the_files_of_the_page_and_no_error() {
    let edge = read(EDGE);
    let distribution = &edge["Resources"]["Distribution"]["Properties"]["DistributionConfig"];
    let api = &distribution["DefaultCacheBehavior"];
    assert_eq!(api["CachePolicyId"], "4135ea2d-6df8-44a3-9df3-4b5a84be39ad", "CachingDisabled");
    let behaviors = distribution["CacheBehaviors"].as_sequence().unwrap();
    assert_eq!(behaviors.len(), 1);
    let files = &behaviors[0];
    assert_eq!(files["PathPattern"], "/assets/*");
    assert_eq!(files["CachePolicyId"], "658327ea-f89d-4fab-a63d-7e88639e58f6", "CachingOptimized");
    assert_eq!(text(&files["AllowedMethods"]).split_whitespace().collect::<Vec<_>>(), ["-", "GET", "-", "HEAD"]);
    for same in ["TargetOriginId", "ViewerProtocolPolicy", "ResponseHeadersPolicyId", "FunctionAssociations"] {
        assert_eq!(files[same], api[same], "{same}");
    }

    // The portal rejects a request without the headers of the edge, and a cache must not depend on a user.
    assert!(is_ref(&files["OriginRequestPolicyId"], "FileRequests"));
    let sent = &edge["Resources"]["FileRequests"]["Properties"]["OriginRequestPolicyConfig"];
    assert_eq!(sent["CookiesConfig"]["CookieBehavior"], "none");
    assert_eq!(sent["QueryStringsConfig"]["QueryStringBehavior"], "none");
    assert_eq!(sent["HeadersConfig"]["HeaderBehavior"], "whitelist");
    let headers: BTreeSet<_> = sent["HeadersConfig"]["Headers"].as_sequence().unwrap().iter().map(text).collect();
    let function = edge["Resources"]["Viewer"]["Properties"]["FunctionCode"].as_str().unwrap();
    let written = function.split("request.headers['").skip(1).map(|rest| rest.split('\'').next().unwrap().to_owned());
    assert_eq!(headers.iter().map(|name| name.trim().to_owned()).collect::<BTreeSet<_>>(), written.collect());

    // The errors that CloudFront caches unless it is configured otherwise, as far as the portal returns them.
    let errors = distribution["CustomErrorResponses"].as_sequence().unwrap();
    for code in [404, 500, 502, 503, 504] {
        let error = errors.iter().find(|error| error["ErrorCode"] == code).unwrap_or_else(|| panic!("{code}"));
        assert_eq!(error["ErrorCachingMinTTL"], 0, "{code}");
        assert!(error["ResponseCode"].is_null() && error["ResponsePagePath"].is_null(), "{code} stays as it is");
    }
}

#[test]
fn the_edge_logs_requests_with_the_clients_address_and_without_secrets() {
    let edge = read(EDGE);
    let fields = &edge["Resources"]["RequestLogDelivery"]["Properties"]["RecordFields"];
    let fields: Vec<&str> = fields.as_sequence().unwrap().iter().map(|field| field.as_str().unwrap()).collect();
    for field in ["date", "time", "c-ip", "cs-method", "cs-uri-stem", "sc-status"] {
        assert!(fields.contains(&field), "{field}");
    }
    // Headers, cookies and queries.
    assert!(!fields.iter().any(|field| field.contains('(') || field.contains("query") || field.contains("cookie")));
}

#[test]
fn production_has_an_edge_and_closes_the_user_pools_public_api() {
    let production = production();
    let digests = &production["OriginSecretDigests"];
    let is_digest = digests.len() == 64 && digests.bytes().all(|byte| byte.is_ascii_hexdigit());
    // The value is a placeholder until an operator replaces it. AllowedPattern rejects the placeholder and so the deployment.
    assert!(is_digest || digests == "see-infra/README.md", "{digests}");
    assert_eq!(production["PublicUserPoolApi"], "closed");
    assert_eq!(production["Stage"], "prod");
}

#[test]
fn an_edge_with_a_certificate_is_the_only_way_to_the_api() {
    let portal = read("template.yaml");
    let resources = &portal["Resources"];
    let domain = text(&resources["OwnDomain"]["Properties"]["MutualTlsAuthentication"]);
    assert!(domain.contains("HasEdgeTruststore") && domain.contains("EdgeTruststore"), "{domain}");
    let closed = text(&resources["PortalApi"]["Properties"]["DisableExecuteApiEndpoint"]);
    assert!(closed.contains("HasDomain"), "{closed}");
    let origin = &read(EDGE)["Resources"]["Distribution"]["Properties"]["DistributionConfig"]["Origins"][0];
    let origin = text(&origin["CustomOriginConfig"]);
    assert!(origin.contains("OriginMtlsConfig") && origin.contains("OriginCertificateArn"), "{origin}");
}

#[test]
fn the_user_pool_firewall_allows_only_the_public_operation_that_is_used() {
    let identity = fs::read_to_string(workspace().join("shared/src/identity/mod.rs")).unwrap();
    let compact: String = identity.split_whitespace().collect();
    let called: BTreeSet<&str> = compact
        .split("self.client.")
        .skip(1)
        .map(|rest| rest.split('(').next().unwrap())
        .filter(|operation| !operation.starts_with("admin_"))
        .collect();
    assert_eq!(called, ["revoke_token"].into());

    let firewall = read(USER_POOL_FIREWALL);
    let association = &firewall["Resources"]["Association"]["Properties"];
    assert!(is_ref(&association["ResourceArn"], "UserPoolArn"));
    for rule in rules(&firewall) {
        assert!(rule["Action"]["Block"].is_mapping(), "{}", text(&rule));
        assert!(text(&rule).contains("RevokeToken"), "{}", text(&rule));
    }
}
