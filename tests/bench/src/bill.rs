//! Computes a month's bill from the measured units, the prices, the templates and the assumed use.

use std::collections::BTreeMap;

use crate::assumptions::Assumptions;
use crate::cost::{Prices, Usage};
use crate::deployment::Deployment;
use crate::results::{FIRST_REVIEW_PAGE, FIRST_SIGN_IN, HISTORY, LATER_REVIEW_PAGE, Missing, PAGE, Results, SEARCH};

const DAYS_PER_MONTH: f64 = 365.25 / 12.0;
/// The seconds of a month.
pub const SECONDS_PER_MONTH: f64 = DAYS_PER_MONTH * 86_400.0;
const HOURS_PER_MONTH: f64 = DAYS_PER_MONTH * 24.0;
const GB: f64 = 1e9;
const KB_PER_GB: f64 = 1e6;
const MILLION: f64 = 1e6;
/// The bytes of a read unit.
const READ_UNIT: f64 = 4_096.0;
/// The users on a page of a review.
pub const PAGE_SIZE: f64 = 25.0;
/// The maximum number of entries that one query of a review returns.
const ENTRIES: f64 = 500.0;
/// The users in one part of the order of a review, and the parts that are written at once.
const PART: f64 = 200.0;
const PARTS_AT_ONCE: f64 = 16.0;
/// The metrics of a route.
const ROUTE_METRICS: f64 = 6.0;
/// The metrics that repair reports in every run: failures, backlog and age.
const REPAIR_METRICS: f64 = 3.0;
/// Bytes of an event in the two indexes that have it, without the overhead of each entry.
const EVENT_KEYS: f64 = 380.0;
/// The entries of a user in an index that has whole users.
const WHOLE_ENTRIES: f64 = 2.0;
/// The items and index entries of a user with two sessions.
const ENTRIES_OF_A_USER: f64 = 12.0;

/// The size of a portal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The partners.
    pub partners: f64,
    /// The users of each partner, all of whom are active.
    pub users: f64,
}

impl Scale {
    /// The users of all partners.
    pub fn all(self) -> f64 {
        self.partners * self.users
    }
}

/// One line of the bill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Line {
    /// Active Cognito users.
    CognitoUsers,
    /// Requests per second above Cognito's default quota.
    CognitoQuota,
    /// Write units.
    Writes,
    /// Read units.
    Reads,
    /// Requests and duration.
    Lambda,
    /// Requests.
    HttpApi,
    /// Logs of the API and of the functions.
    Logs,
    /// Tables, indexes and point-in-time recovery.
    Storage,
    /// Responses.
    DataOut,
    /// Alarms, metrics and the dashboard.
    Monitoring,
}

impl Line {
    /// The name of the line.
    pub fn name(self) -> &'static str {
        match self {
            Self::CognitoUsers => "Cognito users",
            Self::CognitoQuota => "Cognito quota",
            Self::Writes => "DynamoDB writes",
            Self::Reads => "DynamoDB reads",
            Self::Lambda => "Lambda",
            Self::HttpApi => "HTTP API",
            Self::Logs => "Logs",
            Self::Storage => "Storage and PITR",
            Self::DataOut => "Data out",
            Self::Monitoring => "Alarms, metrics, dashboard",
        }
    }
}

/// The bill of one month, in US dollars.
#[derive(Debug, Clone, Default)]
pub struct Bill {
    /// Every line.
    pub lines: BTreeMap<Line, f64>,
    /// The part of the sum that `CloudWatch`'s permanent free tier covers in an account that has nothing else.
    pub free: f64,
    /// What the edge adds.
    pub edge: f64,
}

impl Bill {
    /// The sum of all lines. It includes neither the free tier nor the edge.
    pub fn sum(&self) -> f64 {
        self.lines.values().sum()
    }
}

/// An action and its number in a month.
#[derive(Debug, Clone)]
pub struct Action {
    /// The function, or the kind of request.
    pub name: &'static str,
    /// The requests in a month.
    pub count: f64,
    /// The usage of one request.
    pub usage: Usage,
    /// The requests to Cognito that count as authentication.
    pub authentications: f64,
}

impl Action {
    /// The average rate in a second.
    pub fn rate(&self) -> f64 {
        self.count / SECONDS_PER_MONTH
    }
}

/// Everything that a bill depends on.
#[derive(Debug, Clone)]
pub struct Model {
    /// The prices and quotas.
    pub prices: Prices,
    /// The deployment.
    pub deployment: Deployment,
    /// The assumed use.
    pub assumed: Assumptions,
    results: Results,
}

impl Model {
    /// A model with these inputs. The memory of the functions is the deployment's.
    pub fn new(
        prices: Prices,
        mut results: Results,
        deployment: Deployment,
        assumed: Assumptions,
    ) -> Result<Self, Missing> {
        for (name, usage) in &mut results.functions {
            // A row such as "sign-in, first of a generation" is the function's before the comma.
            let function = name.split(',').next().unwrap_or(name);
            let memory = deployment.memory_mb.get(function);
            usage.memory_mb = *memory.ok_or_else(|| Missing(format!("function {function} of the template")))?;
        }
        Ok(Self { prices, deployment, assumed, results })
    }

    /// The measured usage of a function.
    pub fn function(&self, name: &str) -> Result<Usage, Missing> {
        self.results.functions.get(name).cloned().ok_or_else(|| Missing(format!("row for {name}")))
    }

    /// A sign-in for whose generation Cognito has no user yet.
    pub fn first_sign_in(&self) -> Result<Usage, Missing> {
        self.function(FIRST_SIGN_IN).or_else(|_| {
            let mut usage = self.function("sign-in")?;
            // Cognito refuses, the function creates the user, sets its secret and asks again.
            let more = ["AdminCreateUser", "AdminSetUserPassword", "AdminInitiateAuth"];
            usage.in_sequence.extend(more.map(str::to_owned));
            Ok(usage)
        })
    }

    /// A search at a partner of this size.
    pub fn search(&self, users: f64) -> Result<Usage, Missing> {
        let list = self.function("list-users")?;
        let size = self.list(SEARCH, users).ok_or_else(|| Missing(format!("list {SEARCH}")))?;
        let reads = ["BatchGetItem", "Query", "BatchGetItem"];
        Ok(Usage {
            processor: size.processor.unwrap_or(list.processor + self.assumed.search_processor * users),
            in_sequence: reads.map(str::to_owned).to_vec(),
            read_units: size.read_units,
            // One counts the request.
            write_units: size.write_units.unwrap_or(1.0),
            ..list
        })
    }

    /// The first page of a review at a partner of this size.
    pub fn first_review_page(&self, users: f64) -> Result<Usage, Missing> {
        let later = self.later_review_page(users)?;
        let parts = (users / PART).ceil();
        let queries = repeated("Query", (users / ENTRIES).ceil());
        // A partner whose users fit one page has no later page, and no order is stored.
        let is_stored = users > PAGE_SIZE;
        let writes = repeated("UpdateItem", if is_stored { (parts / PARTS_AT_ONCE).ceil() } else { 0.0 });
        let rest = ["BatchGetItem", "Query"].map(str::to_owned);
        let in_sequence = ["BatchGetItem".to_owned()].into_iter().chain(queries).chain(writes).chain(rest).collect();
        let page = later.read_units * (users / PAGE_SIZE).min(1.0);
        Ok(match self.list(FIRST_REVIEW_PAGE, users) {
            Some(size) => Usage {
                processor: size.processor.unwrap_or(later.processor),
                in_sequence,
                read_units: size.read_units,
                write_units: size.write_units.unwrap_or_default(),
                ..later
            },
            None => Usage {
                processor: later.processor + self.assumed.review_processor * users,
                in_sequence,
                read_units: page + self.assumed.review_reads * users,
                // One more counts the request.
                write_units: 1.0 + if is_stored { (self.assumed.review_writes * users).ceil() } else { 0.0 },
                ..later
            },
        })
    }

    /// A later page of a review.
    pub fn later_review_page(&self, users: f64) -> Result<Usage, Missing> {
        let list = self.function("list-users")?;
        let review = self.function("review-access")?;
        let size = self.list(LATER_REVIEW_PAGE, users);
        let reads = ["BatchGetItem", "GetItem", "BatchGetItem", "Query", "Query"];
        Ok(Usage {
            // Such a page reads as many users as a page of the list.
            processor: size.as_ref().and_then(|size| size.processor).unwrap_or(2.0 * list.processor),
            in_sequence: reads.map(str::to_owned).to_vec(),
            read_units: size.as_ref().map_or(self.assumed.later_page_reads, |size| size.read_units),
            write_units: size.and_then(|size| size.write_units).unwrap_or_default(),
            ..review
        })
    }

    /// The number of later pages of a review of all users.
    pub fn later_pages(users: f64) -> f64 {
        (users / PAGE_SIZE).ceil() - 1.0
    }

    fn list(&self, name: &str, users: f64) -> Option<crate::results::Size> {
        self.results.lists.get(name)?.at(users)
    }

    /// The bytes of one item of a list.
    fn bytes(&self, list: &str) -> Result<f64, Missing> {
        let largest = self.results.lists.get(list).and_then(|list| list.largest());
        let size = largest.ok_or_else(|| Missing(format!("list {list}")))?;
        Ok(size.read_units_of_all * READ_UNIT / size.size)
    }

    /// Every action in a month.
    pub fn actions(&self, scale: Scale) -> Result<Vec<Action>, Missing> {
        let assumed = &self.assumed;
        let (all, sign_ins) = (scale.all(), scale.all() * assumed.sign_ins);
        let first = all * assumed.first_sign_ins();
        let mut actions = Vec::new();
        let mut add = |name, count: f64, usage: Usage, authentications| {
            actions.push(Action { name, count, usage, authentications });
        };
        // The challenges of added users are first sign-ins too.
        let (challenges, other_first) = (all * assumed.added, first - all * assumed.added);
        add("sign-in", (sign_ins - first).max(0.0), self.function("sign-in")?, 1.0);
        add(FIRST_SIGN_IN, other_first, self.first_sign_in()?, 2.0);
        add("answer-challenge", challenges, self.function("answer-challenge")?, 2.0);
        // Such a sign-in costs no more than one that succeeds, and does not call Cognito.
        add("refused sign-in", sign_ins * assumed.refused, self.function("sign-in")?, 0.0);
        let refreshes = assumed.refreshes(self.deployment.access_token_minutes);
        add("refresh-session", sign_ins * refreshes, self.function("refresh-session")?, 1.0);
        let page_requests = sign_ins + all * assumed.first_opens * (assumed.files - 1.0);
        for (name, count) in [
            ("portal-page", page_requests),
            ("get-me", sign_ins),
            ("list-users", sign_ins * assumed.lists),
            ("get-user", sign_ins * assumed.users_read),
            ("list-audit-events", sign_ins * assumed.histories),
            ("sign-out", sign_ins * assumed.sign_outs),
            ("add-user", all * assumed.added),
            ("remove-user", all * assumed.removed),
            ("edit-user", all * assumed.edited),
            ("force-logout", all * assumed.signed_out),
            ("set-password", all * assumed.passwords),
            ("decide-access", all * assumed.decisions),
            ("repair-identities", DAYS_PER_MONTH * 1_440.0 / self.deployment.repair_minutes),
        ] {
            add(name, count, self.function(name)?, 0.0);
        }
        let reviews = scale.partners * assumed.reviews;
        add("search", all * assumed.searches, self.search(scale.users)?, 0.0);
        add(FIRST_REVIEW_PAGE, reviews, self.first_review_page(scale.users)?, 0.0);
        let later = reviews * Self::later_pages(scale.users);
        add(LATER_REVIEW_PAGE, later, self.later_review_page(scale.users)?, 0.0);
        Ok(actions)
    }

    /// The rate of requests that count as authentications, at the peak.
    pub fn authentications_at_peak(&self, actions: &[Action]) -> f64 {
        actions.iter().map(|action| action.rate() * action.authentications).sum::<f64>() * self.assumed.peak
    }

    /// What Cognito charges for active users.
    pub fn cognito_users(&self, users: f64) -> Result<f64, Missing> {
        let tier = &self.deployment.user_pool_tier;
        let price = self.prices.monthly.cognito_users.get(tier);
        Ok(price.ok_or_else(|| Missing(format!("price of {tier}")))?.of(users))
    }

    /// The bill of a month.
    pub fn month(&self, scale: Scale) -> Result<Bill, Missing> {
        let (assumed, monthly) = (&self.assumed, &self.prices.monthly);
        let actions = self.actions(scale)?;
        let all = scale.all();
        let sum = |of: &dyn Fn(&Action) -> f64| actions.iter().map(|action| action.count * of(action)).sum::<f64>();
        let requests = sum(&|action| if action.usage.through_api { 1.0 } else { 0.0 });
        let invocations = sum(&|_| 1.0);
        let of_a_million = |action: &Action| self.prices.of_a_million(&action.usage);

        let quota = self.authentications_at_peak(&actions) - self.prices.quotas.cognito_user_authentication;
        let (stored, recovered) = self.gigabytes(scale)?;
        let system = if self.deployment.has_system_logs { assumed.system_log } else { 0.0 };
        let own = if self.deployment.has_request_logs { assumed.request_log } else { 0.0 };
        let log_bytes = requests * assumed.access_log + invocations * (own + system);
        let files_kb = all * assumed.first_opens * assumed.files_kb;
        let (monitoring, free) = self.monitoring(scale);
        let lines = BTreeMap::from([
            // A generation that ends in the month, and the next one, are two users.
            (Line::CognitoUsers, self.cognito_users(all * (1.0 + assumed.ended()))?),
            (Line::CognitoQuota, quota.max(0.0) * monthly.cognito_request_per_second),
            (
                Line::Writes,
                sum(&|action| action.usage.write_units) / MILLION * self.prices.dynamodb_million_write_request_units,
            ),
            (
                Line::Reads,
                sum(&|action| action.usage.read_units) / MILLION * self.prices.dynamodb_million_read_request_units,
            ),
            (Line::Lambda, sum(&|action| of_a_million(action).lambda) / MILLION),
            (Line::HttpApi, monthly.http_api_million_requests.of(requests / MILLION)),
            (Line::Logs, log_bytes / GB * monthly.log_gb),
            (Line::Storage, stored * monthly.dynamodb_gb + recovered * monthly.dynamodb_recovery_gb),
            (Line::DataOut, monthly.transfer_gb.of((files_kb + requests * assumed.response_kb) / KB_PER_GB)),
            (Line::Monitoring, monitoring),
        ]);
        let per_request = (monthly.firewall_million_requests + monthly.edge_million_requests) / MILLION;
        let edge = monthly.firewall + self.deployment.edge_rules * monthly.firewall_rule + requests * per_request;
        Ok(Bill { lines, free, edge })
    }

    /// The gigabytes of all tables and indexes, and of those that point-in-time recovery stores.
    fn gigabytes(&self, scale: Scale) -> Result<(f64, f64), Missing> {
        let assumed = &self.assumed;
        let user = self.bytes(PAGE)?;
        let thin = |units: f64| units / scale.users * READ_UNIT;
        let entries = thin(self.search(scale.users)?.read_units) + assumed.review_reads * READ_UNIT;
        let user = user * (1.0 + WHOLE_ENTRIES) + entries + assumed.other_items + ENTRIES_OF_A_USER * assumed.overhead;
        let event = self.bytes(HISTORY)? + assumed.overhead;
        let indexed = EVENT_KEYS + 2.0 * assumed.overhead;
        // Sign-ins leave the history, other events stay.
        let kept = (self.deployment.sign_in_history_days / DAYS_PER_MONTH).min(assumed.age);
        let changes = assumed.added + assumed.edited + assumed.ended() + assumed.decisions;
        let events = assumed.sign_ins * (1.0 + assumed.refused) * kept + changes * assumed.age;
        let recovered = scale.all() * (user + events * event) / GB;
        Ok((recovered + scale.all() * events * indexed / GB, recovered))
    }

    /// The alarms, metrics and dashboards, and the part of them that the free tier covers.
    fn monitoring(&self, scale: Scale) -> (f64, f64) {
        let (deployment, monthly) = (&self.deployment, &self.prices.monthly);
        // A metric is charged for the hours in which it is reported: refused sign-ins are rare in a small portal.
        let refused = scale.all() * self.assumed.sign_ins * self.assumed.refused / HOURS_PER_MONTH;
        let metrics = REPAIR_METRICS + (1.0 - (-refused).exp()) + deployment.routes_with_metrics * ROUTE_METRICS;
        let sum = |alarms: f64, metrics: f64, dashboards: f64| {
            alarms * monthly.alarm_metric + metrics * monthly.metric + dashboards * monthly.dashboard
        };
        let free = sum(
            deployment.alarm_metrics.min(monthly.free_alarm_metrics),
            metrics.min(monthly.free_metrics),
            deployment.dashboards.min(monthly.free_dashboards),
        );
        (sum(deployment.alarm_metrics, metrics, deployment.dashboards), free)
    }
}

fn repeated(operation: &'static str, times: f64) -> impl Iterator<Item = String> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
    let times = times.max(0.0) as usize;
    std::iter::repeat_n(operation.to_owned(), times)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::deployment::tests::{PORTAL, changed, templates};
    use crate::results::tests::RESULTS;

    pub(crate) const LARGE: Scale = Scale { partners: 200_000.0, users: 30.0 };
    pub(crate) const SMALL: Scale = Scale { partners: 1.0, users: 30.0 };

    pub(crate) fn model_of(deployment: Deployment, assumed: Assumptions) -> Model {
        let prices = serde_json::from_str(include_str!("../prices.json")).unwrap();
        Model::new(prices, Results::read(RESULTS).unwrap(), deployment, assumed).unwrap()
    }

    pub(crate) fn model() -> Model {
        model_of(Deployment::read(templates(PORTAL)).unwrap(), Assumptions::default())
    }

    fn sum(deployment: Deployment, scale: Scale) -> f64 {
        model_of(deployment, Assumptions::default()).month(scale).unwrap().sum()
    }

    #[test]
    fn the_sum_is_the_sum_of_its_ten_lines() {
        let bill = model().month(LARGE).unwrap();
        assert_eq!(bill.lines.len(), 10);
        assert!(bill.lines.values().all(|dollars| *dollars >= 0.0));
        assert!((bill.sum() - bill.lines.values().sum::<f64>()).abs() < 1e-6);
        assert!(bill.free <= bill.lines[&Line::Monitoring]);
    }

    #[test]
    fn every_line_grows_with_the_partners_and_the_users() {
        let scales = [(1.0, 30.0), (2.0, 30.0), (100.0, 30.0), (100.0, 300.0), (10_000.0, 300.0)];
        let bills = scales.map(|(partners, users)| model().month(Scale { partners, users }).unwrap());
        for pair in bills.windows(2) {
            for (line, dollars) in &pair[0].lines {
                assert!(pair[1].lines[line] >= *dollars, "{}", line.name());
            }
            assert!(pair[1].sum() > pair[0].sum());
        }
    }

    #[test]
    fn more_use_costs_more() {
        let flags = [
            "sign-ins",
            "refused",
            "minutes-open",
            "lists",
            "searches",
            "reviews",
            "added",
            "passwords",
            "peak",
            "age",
        ];
        let base = model().month(LARGE).unwrap().sum();
        for flag in flags {
            let assumed = Assumptions::from_flags([format!("--{flag}").as_str(), "90"]);
            let more = model_of(Deployment::read(templates(PORTAL)).unwrap(), assumed).month(LARGE).unwrap().sum();
            assert!(more > base, "{flag}");
        }
    }

    #[test]
    fn the_plan_essentials_costs_the_difference_for_each_user() {
        let essentials = changed("    Default: LITE\n", "    Default: ESSENTIALS\n");
        assert_eq!(essentials.user_pool_tier, "ESSENTIALS");
        let more = sum(essentials.clone(), LARGE) - model().month(LARGE).unwrap().sum();
        let users = 6e6 * (1.0 + Assumptions::default().ended());
        let lite = 90_000.0 * 0.0055 + 900_000.0 * 0.0046 + (users - 1e6) * 0.00325;
        assert!((more - ((users - 10_000.0) * 0.015 - lite)).abs() < 0.01, "{more}");
        assert!((sum(essentials, SMALL) - model().month(SMALL).unwrap().sum()).abs() < 1e-9, "both are free here");
    }

    #[test]
    fn tokens_of_15_minutes_cost_the_quota_for_six_times_the_refreshes() {
        let short = changed("    Default: 60\n    MinValue: 5\n", "    Default: 15\n    MinValue: 5\n");
        assert!((short.access_token_minutes - 15.0).abs() < 1e-9);
        let assumed = Assumptions::default();
        let refreshes = assumed.refreshes(15.0) - assumed.refreshes(60.0);
        assert!(refreshes > 2.9, "{refreshes}");
        let quota = 6e6 * assumed.sign_ins * refreshes / SECONDS_PER_MONTH * assumed.peak * 20.0;
        let more = sum(short, LARGE) - model().month(LARGE).unwrap().sum();
        assert!(more > quota && more < 1.1 * quota, "{more} and {quota}: requests cost a little too");
    }

    #[test]
    fn system_logs_and_route_metrics_would_cost_more() {
        let base = model().month(SMALL).unwrap().sum();
        assert!(sum(changed("      SystemLogLevel: WARN\n", ""), SMALL) > base);
        let metrics = changed(
            "      DefaultRouteSettings:\n",
            "      DefaultRouteSettings:\n        DetailedMetricsEnabled: true\n",
        );
        assert!(sum(metrics, SMALL) > 2.0 * base);
    }

    #[test]
    fn a_larger_partner_pays_more_for_a_search_and_for_the_start_of_a_review_only() {
        let model = model();
        let (small, large) = (30.0, 10_000.0);
        assert!(model.search(large).unwrap().read_units > 10.0 * model.search(small).unwrap().read_units);
        let first = |users| model.first_review_page(users).unwrap();
        assert!(first(large).read_units > 10.0 * first(small).read_units && first(large).write_units > 100.0);
        let later = |users| model.later_review_page(users).unwrap().read_units;
        assert!((later(large) - later(small)).abs() < 1.0);
        assert!((Model::later_pages(25.0)).abs() < 1e-9 && (Model::later_pages(26.0) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_tables_of_a_sign_in_are_within_its_write_units() {
        let assumed = Assumptions::default();
        let measured = model().function("sign-in").unwrap().write_units;
        assert!(assumed.sign_in_users + assumed.sign_in_sessions < measured);
    }
}
