//! Computes the cost of a million requests from list prices and the usage of one request.

use std::collections::BTreeMap;

use serde::Deserialize;

/// List prices in US dollars, and assumed durations of AWS calls.
#[derive(Debug, Clone, Deserialize)]
pub struct Prices {
    /// The source of the prices, and their date.
    pub source: String,
    /// A million requests to Lambda.
    pub lambda_million_requests: f64,
    /// One GB for one second, on arm64.
    pub lambda_gb_second_arm64: f64,
    /// A million requests to the HTTP API.
    pub http_api_million_requests: f64,
    /// A million read request units.
    pub dynamodb_million_read_request_units: f64,
    /// A million write request units.
    pub dynamodb_million_write_request_units: f64,
    /// These durations are assumed, because the local stack is nearer than AWS.
    pub assumed_milliseconds: RoundTrips,
    /// The prices of a month's bill that do not depend on a single request.
    pub monthly: Monthly,
    /// The default limits of an account.
    pub quotas: Quotas,
    /// The origin of the prices.
    pub sources: Vec<Source>,
}

/// Assumed durations of AWS calls, in milliseconds.
#[derive(Debug, Clone, Deserialize)]
pub struct RoundTrips {
    /// A read or a write.
    pub dynamodb: f64,
    /// A transaction.
    pub dynamodb_transaction: f64,
    /// Any call to Cognito.
    pub cognito: f64,
    /// The same when Cognito is slow, for comparison.
    pub cognito_slow: f64,
}

/// Prices of a month, in US dollars.
#[derive(Debug, Clone, Deserialize)]
pub struct Monthly {
    /// The price of an active user for each feature plan.
    pub cognito_users: BTreeMap<String, Tiers>,
    /// One request per second above the default quota.
    pub cognito_request_per_second: f64,
    /// A million requests to the HTTP API. The tiers are in millions.
    pub http_api_million_requests: Tiers,
    /// One GB in a table or an index.
    pub dynamodb_gb: f64,
    /// One GB of a table and its local indexes in point-in-time recovery.
    pub dynamodb_recovery_gb: f64,
    /// One GB of logs.
    pub log_gb: f64,
    /// One GB to the internet.
    pub transfer_gb: Tiers,
    /// One metric in an alarm.
    pub alarm_metric: f64,
    /// One metric that is not AWS's own.
    pub metric: f64,
    /// One dashboard.
    pub dashboard: f64,
    /// The metrics in alarms of `CloudWatch`'s permanent free tier.
    pub free_alarm_metrics: f64,
    /// The metrics in it.
    pub free_metrics: f64,
    /// The dashboards in it.
    pub free_dashboards: f64,
    /// One firewall.
    pub firewall: f64,
    /// One rule of it.
    pub firewall_rule: f64,
    /// A million requests that it inspects.
    pub firewall_million_requests: f64,
    /// A million requests to `CloudFront`.
    pub edge_million_requests: f64,
}

/// The default limits of an account in a region. Rates are per second.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Quotas {
    /// Concurrent executions.
    pub lambda_executions: f64,
    /// Concurrent executions of a new account.
    pub lambda_executions_of_a_new_account: f64,
    /// Requests to all HTTP APIs.
    pub http_api_requests: f64,
    /// Sign-ins and refreshes.
    pub cognito_user_authentication: f64,
    /// New Cognito users.
    pub cognito_user_creation: f64,
    /// Secrets that are set. AWS does not raise this one.
    pub cognito_user_account_recovery: f64,
    /// Cognito users that are signed out or deleted. AWS does not raise this one.
    pub cognito_user_update: f64,
    /// Write units of a new table, which doubles its capacity within 30 minutes.
    pub new_table_write_units: f64,
    /// Write units of any table.
    pub table_write_units: f64,
    /// Read units of a partition. Local indexes keep a partner in one partition.
    pub partition_read_units: f64,
    /// Write units of a partition.
    pub partition_write_units: f64,
}

/// The origin of a price.
#[derive(Debug, Clone, Deserialize)]
pub struct Source {
    /// The prices that have this origin.
    pub of: String,
    /// A page, or that the price is from memory.
    pub source: String,
    /// The date of the page, or the date at which it was read.
    pub dated: String,
}

/// A price that falls with the amount.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub struct Tiers(Vec<Tier>);

#[derive(Debug, Clone, Deserialize)]
struct Tier {
    /// The end of the tier. The last tier has none.
    up_to: Option<f64>,
    /// The price of one in this tier.
    price: f64,
}

impl Tiers {
    /// The price of an amount.
    pub fn of(&self, amount: f64) -> f64 {
        let (mut dollars, mut start) = (0.0, 0.0);
        for tier in &self.0 {
            let end = tier.up_to.unwrap_or(f64::INFINITY);
            dollars += (amount.min(end) - start).max(0.0) * tier.price;
            start = end;
        }
        dollars
    }
}

/// The usage of one warm request.
#[derive(Debug, Clone, Default)]
pub struct Usage {
    /// The function's memory, which sets its share of a processor.
    pub memory_mb: f64,
    /// Time on a whole processor, in milliseconds.
    pub processor: f64,
    /// The operations that the request waits for in sequence. Cognito's are recognized by their names.
    pub in_sequence: Vec<String>,
    /// DynamoDB read request units.
    pub read_units: f64,
    /// DynamoDB write request units.
    pub write_units: f64,
    /// Whether it comes through the HTTP API.
    pub through_api: bool,
}

/// US dollars for a million requests.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The billed duration of one request, in milliseconds.
    pub billed_milliseconds: f64,
    /// Requests and duration.
    pub lambda: f64,
    /// The HTTP API.
    pub api: f64,
    /// Reads and writes.
    pub dynamodb: f64,
}

impl Cost {
    /// The sum of all parts.
    pub fn total(&self) -> f64 {
        self.lambda + self.api + self.dynamodb
    }
}

/// The memory for which Lambda gives one whole processor, in MB.
const WHOLE_PROCESSOR_MB: f64 = 1769.0;
const MB_PER_GB: f64 = 1024.0;

impl Prices {
    /// The cost of a million such requests.
    pub fn of_a_million(&self, usage: &Usage) -> Cost {
        let billed_milliseconds = self.billed_milliseconds(usage);
        // A million requests of so many milliseconds are a thousand times as many seconds.
        let gb_seconds = usage.memory_mb / MB_PER_GB * billed_milliseconds * 1000.0;
        Cost {
            billed_milliseconds,
            lambda: self.lambda_million_requests + gb_seconds * self.lambda_gb_second_arm64,
            api: if usage.through_api { self.http_api_million_requests } else { 0.0 },
            dynamodb: usage.read_units * self.dynamodb_million_read_request_units
                + usage.write_units * self.dynamodb_million_write_request_units,
        }
    }

    /// The duration of one request, in whole milliseconds, as Lambda bills them.
    pub fn billed_milliseconds(&self, usage: &Usage) -> f64 {
        let share = (usage.memory_mb / WHOLE_PROCESSOR_MB).min(1.0);
        let waiting: f64 = usage.in_sequence.iter().map(|operation| self.round_trip(operation)).sum();
        (usage.processor / share + waiting).ceil()
    }

    /// The same prices, with calls to Cognito that take this many milliseconds.
    #[must_use]
    pub fn with_cognito(mut self, milliseconds: f64) -> Self {
        self.assumed_milliseconds.cognito = milliseconds;
        self
    }

    fn round_trip(&self, operation: &str) -> f64 {
        let trips = &self.assumed_milliseconds;
        match operation {
            "TransactWriteItems" => trips.dynamodb_transaction,
            "RevokeToken" => trips.cognito,
            _ if operation.starts_with("Admin") => trips.cognito,
            _ => trips.dynamodb,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prices() -> Prices {
        serde_json::from_str(include_str!("../prices.json")).unwrap()
    }

    fn dollars(amount: f64) -> String {
        format!("{amount:.3}")
    }

    #[test]
    fn the_cost_of_a_read_has_a_request_a_duration_and_units() {
        let usage = Usage {
            memory_mb: 256.0,
            processor: 0.5,
            in_sequence: vec!["BatchGetItem".to_owned()],
            read_units: 3.0,
            write_units: 0.0,
            through_api: true,
        };
        let cost = prices().of_a_million(&usage);
        // 0.5 ms of a whole processor are 3.46 ms of 256 MB's share; with 4 ms of waiting, 8 are billed.
        assert_eq!(dollars(cost.billed_milliseconds), "8.000");
        // 0.25 GB × 8,000 s × 0.0000133334, and the requests.
        assert_eq!(dollars(cost.lambda), "0.227");
        assert_eq!(dollars(cost.api), "1.000");
        assert_eq!(dollars(cost.dynamodb), "0.375");
        assert_eq!(dollars(cost.total()), "1.602");
    }

    #[test]
    fn memory_above_a_whole_processor_adds_no_speed() {
        let usage = Usage { memory_mb: 3538.0, processor: 20.0, ..Usage::default() };
        assert_eq!(dollars(prices().of_a_million(&usage).billed_milliseconds), "20.000");
    }

    #[test]
    fn transactions_and_cognito_calls_have_their_own_durations() {
        let in_sequence = ["BatchGetItem", "TransactWriteItems", "AdminUserGlobalSignOut"].map(str::to_owned).to_vec();
        let usage = Usage { memory_mb: 1769.0, in_sequence, write_units: 10.0, ..Usage::default() };
        let cost = prices().of_a_million(&usage);
        assert_eq!(dollars(cost.billed_milliseconds), "44.000");
        assert_eq!(dollars(cost.dynamodb), "6.250");
        assert_eq!(dollars(cost.api), "0.000");
    }

    #[test]
    fn only_calls_to_cognito_take_longer_when_it_is_slow() {
        let in_sequence = ["BatchGetItem", "AdminInitiateAuth"].map(str::to_owned).to_vec();
        let usage = Usage { memory_mb: 1769.0, in_sequence, ..Usage::default() };
        assert_eq!(dollars(prices().billed_milliseconds(&usage)), "34.000");
        assert_eq!(dollars(prices().with_cognito(200.0).billed_milliseconds(&usage)), "204.000");
    }

    #[test]
    fn each_tier_has_its_own_price() {
        let users = &prices().monthly.cognito_users["LITE"];
        assert_eq!(dollars(users.of(10_000.0)), "0.000");
        assert_eq!(dollars(users.of(100_000.0)), "495.000");
        assert_eq!(dollars(users.of(150_000.0)), "725.000");
    }

    #[test]
    fn a_price_without_a_source_is_marked() {
        for source in prices().sources {
            let is_marked = source.source.contains("https://") || source.source.contains("from memory");
            assert!(is_marked && !source.dated.is_empty(), "{source:?}");
        }
    }
}
