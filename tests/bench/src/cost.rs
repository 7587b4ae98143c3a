//! Computes the cost of a million requests from list prices and the usage of one request.

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
        let share = (usage.memory_mb / WHOLE_PROCESSOR_MB).min(1.0);
        let waiting: f64 = usage.in_sequence.iter().map(|operation| self.round_trip(operation)).sum();
        // Lambda bills whole milliseconds.
        let billed_milliseconds = (usage.processor / share + waiting).ceil();
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
}
