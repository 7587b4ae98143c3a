//! What the bill assumes, because it can be neither measured here nor read from a template. This is the only place of
//! such numbers, except for the prices and the round trips in `prices.json`.

use clap::{Arg, Args, CommandFactory as _, Parser};
use serde::Serialize;

/// The use of a portal, and what the benchmark has not measured.
///
/// Every active user is assumed to be the same. Numbers are for one user and month, unless they state something else.
#[derive(Debug, Clone, PartialEq, Args, Serialize)]
pub struct Assumptions {
    /// Sign-ins: two on each working day. 6 million users then sign in 100 times a second.
    #[arg(long, default_value_t = 43.0, value_name = "NUMBER")]
    pub sign_ins: f64,
    /// The share of sign-ins with a wrong password, which are tried again.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub refused: f64,
    /// Minutes for which the page stays in use after a sign-in, on average, with an exponential distribution. The page
    /// refreshes its token when it is used after the token has expired.
    #[arg(long, default_value_t = 60.0, value_name = "MINUTES")]
    pub minutes_open: f64,
    /// Pages of the list of users, for one sign-in.
    #[arg(long, default_value_t = 3.0, value_name = "NUMBER")]
    pub lists: f64,
    /// Reads of one user, for one sign-in.
    #[arg(long, default_value_t = 0.5, value_name = "NUMBER")]
    pub users_read: f64,
    /// Pages of the history, for one sign-in.
    #[arg(long, default_value_t = 0.1, value_name = "NUMBER")]
    pub histories: f64,
    /// Sign-outs, for one sign-in. The other sessions expire.
    #[arg(long, default_value_t = 0.3, value_name = "NUMBER")]
    pub sign_outs: f64,
    /// Searches.
    #[arg(long, default_value_t = 4.0, value_name = "NUMBER")]
    pub searches: f64,
    /// Access reviews of each partner: one in a quarter. A review reads all of its pages, of 25 users.
    #[arg(long, default_value_t = 0.33, value_name = "NUMBER")]
    pub reviews: f64,
    /// Decisions of access reviews.
    #[arg(long, default_value_t = 0.33, value_name = "NUMBER")]
    pub decisions: f64,
    /// Users who are added. Each of them then answers the challenge for a new password.
    #[arg(long, default_value_t = 0.03, value_name = "NUMBER")]
    pub added: f64,
    /// Users who are removed.
    #[arg(long, default_value_t = 0.02, value_name = "NUMBER")]
    pub removed: f64,
    /// Edits of a name or an email, or of a role and permissions.
    #[arg(long, default_value_t = 0.07, value_name = "NUMBER")]
    pub edited: f64,
    /// Force logouts.
    #[arg(long, default_value_t = 0.01, value_name = "NUMBER")]
    pub signed_out: f64,
    /// Passwords that are set, which ends all sessions too.
    #[arg(long, default_value_t = 0.02, value_name = "NUMBER")]
    pub passwords: f64,
    /// Times that a browser opens the page without its files: a new browser, or a new version of the portal.
    #[arg(long, default_value_t = 1.0, value_name = "NUMBER")]
    pub first_opens: f64,
    /// The busiest rate, compared with the average of the month. Cognito's quota is bought for it.
    #[arg(long, default_value_t = 10.0, value_name = "FACTOR")]
    pub peak: f64,
    /// The age of the portal in months, which decides how long its history is.
    #[arg(long, default_value_t = 12.0, value_name = "MONTHS")]
    pub age: f64,

    /// Requests of a page that is opened without its files: the document, its script, style and icon, and one more view.
    #[arg(long, default_value_t = 5.0, value_name = "NUMBER")]
    pub files: f64,
    /// Kilobytes of these responses.
    #[arg(long, default_value_t = 50.0, value_name = "KB")]
    pub files_kb: f64,
    /// Kilobytes of any other response, with its headers.
    #[arg(long, default_value_t = 3.0, value_name = "KB")]
    pub response_kb: f64,
    /// Bytes of the API's log for one request.
    #[arg(long, default_value_t = 360.0, value_name = "BYTES")]
    pub access_log: f64,
    /// Bytes of a function's own log for one request.
    #[arg(long, default_value_t = 220.0, value_name = "BYTES")]
    pub request_log: f64,
    /// Bytes of Lambda's log for one request, if the template does not turn it off.
    #[arg(long, default_value_t = 650.0, value_name = "BYTES")]
    pub system_log: f64,
    /// Bytes that one user has besides the item that lists read: email entry, digest, sessions and known sources.
    #[arg(long, default_value_t = 1_300.0, value_name = "BYTES")]
    pub other_items: f64,
    /// Bytes for which DynamoDB charges with each item and index entry, besides the contents.
    #[arg(long, default_value_t = 100.0, value_name = "BYTES")]
    pub overhead: f64,

    /// Milliseconds of a whole processor for each user of the partner that a search reads. RESULTS.md replaces it once
    /// it has the column.
    #[arg(long, default_value_t = 0.005, value_name = "MS")]
    pub search_processor: f64,
    /// Read units of the first page of a review for each user of the partner. RESULTS.md replaces it once it has the row.
    #[arg(long, default_value_t = 0.068, value_name = "RRU")]
    pub review_reads: f64,
    /// Write units of the order that this page stores, for each user of the partner: 4 for 200 users. RESULTS.md
    /// replaces it too.
    #[arg(long, default_value_t = 0.02, value_name = "WRU")]
    pub review_writes: f64,
    /// Milliseconds of a whole processor of this page for each user of the partner. RESULTS.md replaces it too.
    #[arg(long, default_value_t = 0.01, value_name = "MS")]
    pub review_processor: f64,
    /// Read units of a later page of a review. RESULTS.md replaces it too.
    #[arg(long, default_value_t = 40.0, value_name = "RRU")]
    pub later_page_reads: f64,
    /// Write units of a sign-in in the Users table, one of four. The benchmark counts them together.
    #[arg(long, default_value_t = 6.0, value_name = "WRU")]
    pub sign_in_users: f64,
    /// Write units of a sign-in in the Sessions table.
    #[arg(long, default_value_t = 9.0, value_name = "WRU")]
    pub sign_in_sessions: f64,
    /// Milliseconds that end-all-sessions needs for one user. It handles 16 at once. The benchmark only starts it.
    #[arg(long, default_value_t = 30.0, value_name = "MS")]
    pub sweep: f64,
    /// Write units that it needs for one user with one session.
    #[arg(long, default_value_t = 14.0, value_name = "WRU")]
    pub sweep_writes: f64,
}

/// A command line that has only the assumptions.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
struct OnlyAssumptions {
    #[command(flatten)]
    assumed: Assumptions,
}

impl Default for Assumptions {
    fn default() -> Self {
        // There are no required arguments, so the defaults are always valid.
        Self::from_flags(std::iter::empty())
    }
}

impl Assumptions {
    /// The defaults, except for these flags.
    pub fn from_flags<'a>(flags: impl IntoIterator<Item = &'a str>) -> Self {
        OnlyAssumptions::parse_from(flags).assumed
    }

    /// The flag, the value and the meaning of every assumption.
    pub fn list(&self) -> Vec<(String, f64, String)> {
        let values = serde_json::to_value(self).unwrap_or_default();
        let command = OnlyAssumptions::command();
        let row = |argument: &Arg| {
            let value = values.get(argument.get_id().as_str())?.as_f64()?;
            let meaning = argument.get_long_help().or(argument.get_help()).map(ToString::to_string);
            Some((format!("--{}", argument.get_long()?), value, meaning.unwrap_or_default()))
        };
        command.get_arguments().filter_map(row).collect()
    }

    /// Generations that end in a month, for one user.
    pub fn ended(&self) -> f64 {
        self.removed + self.signed_out + self.passwords
    }

    /// First sign-ins of a generation in a month, for one user.
    pub fn first_sign_ins(&self) -> f64 {
        self.added + self.signed_out + self.passwords
    }

    /// Refreshes after one sign-in: the expected number of multiples of a token's lifetime in an exponential time.
    pub fn refreshes(&self, token_minutes: f64) -> f64 {
        1.0 / (token_minutes / self.minutes_open).exp_m1()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_replace_the_defaults() {
        let assumed = Assumptions::from_flags(["--sign-ins", "10", "--peak=3"]);
        assert_eq!(assumed, Assumptions { sign_ins: 10.0, peak: 3.0, ..Assumptions::default() });
    }

    #[test]
    fn every_assumption_is_listed_with_its_meaning() {
        let list = Assumptions::from_flags(["--searches", "2.5"]).list();
        let fields = serde_json::to_value(Assumptions::default()).unwrap();
        assert_eq!(list.len(), fields.as_object().unwrap().len());
        assert!(list.iter().all(|(_, _, meaning)| !meaning.is_empty()));
        assert!(list.contains(&("--searches".to_owned(), 2.5, "Searches".to_owned())));
    }

    #[test]
    fn longer_tokens_and_shorter_stays_need_fewer_refreshes() {
        let assumed = Assumptions::default();
        assert!((assumed.refreshes(60.0) - 0.582).abs() < 0.001);
        assert!((assumed.refreshes(15.0) - 3.521).abs() < 0.001);
        assert!(Assumptions { minutes_open: 30.0, ..assumed.clone() }.refreshes(15.0) < assumed.refreshes(15.0));
    }
}
