//! Compares the peak with the limits, and computes what the largest partner and the end of all sessions take.

use crate::bill::{Action, Model, Scale};
use crate::results::Missing;

/// The Cognito calls of a generation that ends: sign-out and deletion by the request, and one by repair.
const CALLS_OF_AN_END: f64 = 3.0;
/// The generations that one run of repair ends: 20 a second for 40 seconds.
const REPAIRED_IN_A_RUN: f64 = 800.0;
/// The users that end-all-sessions handles at once.
const SWEPT_AT_ONCE: f64 = 16.0;

/// A limit, and what the peak takes of it.
#[derive(Debug, Clone)]
pub struct Limit {
    /// What is limited.
    pub name: &'static str,
    /// The limit.
    pub limit: f64,
    /// The peak.
    pub peak: f64,
}

/// The cost of a partner by its size.
#[derive(Debug, Clone)]
pub struct PartnerCost {
    /// One search.
    pub search: Request,
    /// The first page of a review.
    pub first_page: Request,
    /// Another page of it.
    pub later_page: Request,
    /// The read units of a whole review.
    pub review_read_units: f64,
    /// The price of a whole review in US dollars.
    pub review_dollars: f64,
    /// The sign-ins in a second that the partner's partition can write.
    pub sign_ins: f64,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Request {
    /// Read units.
    pub read_units: f64,
    /// Write units.
    pub write_units: f64,
    /// The billed duration in milliseconds.
    pub milliseconds: f64,
    /// US dollars for a million.
    pub dollars: f64,
    /// Requests in a second that the partner's partition can serve.
    pub rate: f64,
}

/// What it takes to end the sessions of all users.
#[derive(Debug, Clone, Copy)]
pub struct SignedOut {
    /// The seconds of end-all-sessions.
    pub sweep: f64,
    /// The seconds until repair has ended all generations in Cognito.
    pub repair: f64,
    /// The seconds until all users could sign in again.
    pub sign_in: f64,
    /// The price of all writes.
    pub writes: f64,
    /// What Cognito charges more in this month.
    pub users: f64,
}

impl Model {
    /// What the peak takes of each limit.
    pub fn limits(&self, scale: Scale) -> Result<Vec<Limit>, Missing> {
        let (assumed, quotas, deployment) = (&self.assumed, &self.prices.quotas, &self.deployment);
        let actions = self.actions(scale)?;
        let at_peak = |of: &dyn Fn(&Action) -> f64| {
            actions.iter().map(|action| action.rate() * of(action)).sum::<f64>() * assumed.peak
        };
        let named = |names: &'static [&'static str]| at_peak(&|action| f64::from(names.contains(&action.name)));
        let requests = at_peak(&|action| f64::from(action.usage.through_api));
        let executions = at_peak(&|action| self.prices.billed_milliseconds(&action.usage) / 1000.0);
        let all_sign_ins = ["sign-in", crate::results::FIRST_SIGN_IN, "answer-challenge"];
        let signed_in = at_peak(&|action| f64::from(all_sign_ins.contains(&action.name)));
        let attempts = signed_in + named(&["refused sign-in"]);
        let users_per_second = scale.all() / crate::bill::SECONDS_PER_MONTH * assumed.peak;
        let first = users_per_second * assumed.first_sign_ins();
        let ended = users_per_second * assumed.ended();
        let of_partner = 1.0 / scale.partners;
        let read = at_peak(&|action| if action.usage.through_api { action.usage.read_units } else { 0.0 });
        let limit = |name, limit, peak| Limit { name, limit, peak };
        Ok(vec![
            limit("template: POST /v1/sessions", deployment.sign_ins_per_second, attempts),
            limit("template: POST /v1/sessions/refresh", deployment.sign_ins_per_second, named(&["refresh-session"])),
            limit("template: all routes", deployment.requests_per_second, requests),
            limit(
                "Cognito UserAuthentication",
                quotas.cognito_user_authentication,
                self.authentications_at_peak(&actions),
            ),
            limit("Cognito UserCreation", quotas.cognito_user_creation, first),
            limit("Cognito UserAccountRecovery, not adjustable", quotas.cognito_user_account_recovery, first),
            limit("Cognito UserUpdate, not adjustable", quotas.cognito_user_update, CALLS_OF_AN_END * ended),
            limit("HTTP API of the account", quotas.http_api_requests, requests),
            limit("Lambda executions, new account", quotas.lambda_executions_of_a_new_account, executions),
            limit("Lambda executions", quotas.lambda_executions, executions),
            limit(
                "new Sessions table, writes by sign-ins",
                quotas.new_table_write_units,
                signed_in * assumed.sign_in_sessions,
            ),
            limit(
                "new Users table, writes by sign-ins",
                quotas.new_table_write_units,
                signed_in * assumed.sign_in_users,
            ),
            limit("Sessions table, quota", quotas.table_write_units, signed_in * assumed.sign_in_sessions),
            limit(
                "partition of a partner, writes by sign-ins",
                quotas.partition_write_units,
                signed_in * assumed.sign_in_users * of_partner,
            ),
            limit("partition of a partner, reads", quotas.partition_read_units, read * of_partner),
        ])
    }

    /// The number of accounts whose default Cognito quota together carries the peak.
    pub fn accounts(&self, scale: Scale) -> Result<f64, Missing> {
        let peak = self.authentications_at_peak(&self.actions(scale)?);
        Ok((peak / self.prices.quotas.cognito_user_authentication).ceil().max(1.0))
    }

    /// The sum of a month if so many accounts share the partners equally, each with a portal of its own.
    pub fn in_accounts(&self, scale: Scale) -> Result<f64, Missing> {
        let accounts = self.accounts(scale)?;
        let each = Scale { partners: scale.partners / accounts, users: scale.users };
        Ok(accounts * self.month(each)?.sum())
    }

    /// The cost of a partner of this size.
    pub fn partner(&self, users: f64) -> Result<PartnerCost, Missing> {
        let quotas = &self.prices.quotas;
        let request = |usage: &crate::cost::Usage| {
            let cost = self.prices.of_a_million(usage);
            Request {
                read_units: usage.read_units,
                write_units: usage.write_units,
                milliseconds: cost.billed_milliseconds,
                dollars: cost.total(),
                rate: quotas.partition_read_units / usage.read_units,
            }
        };
        let search = request(&self.search(users)?);
        let first_page = request(&self.first_review_page(users)?);
        let later_page = request(&self.later_review_page(users)?);
        let pages = Self::later_pages(users);
        Ok(PartnerCost {
            review_read_units: first_page.read_units + pages * later_page.read_units,
            review_dollars: (first_page.dollars + pages * later_page.dollars) / 1e6,
            sign_ins: quotas.partition_write_units / self.assumed.sign_in_users,
            search,
            first_page,
            later_page,
        })
    }

    /// What it takes to end the sessions of this many users.
    pub fn signed_out(&self, users: f64) -> Result<SignedOut, Missing> {
        let per_minute = REPAIRED_IN_A_RUN / self.deployment.repair_minutes;
        let writes = users * self.assumed.sweep_writes / 1e6 * self.prices.dynamodb_million_write_request_units;
        Ok(SignedOut {
            sweep: users * self.assumed.sweep / 1000.0 / SWEPT_AT_ONCE,
            repair: users / per_minute * 60.0,
            sign_in: users / self.prices.quotas.cognito_user_account_recovery,
            writes,
            users: self.cognito_users(2.0 * users)? - self.cognito_users(users)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Scale;
    use crate::assumptions::Assumptions;
    use crate::bill::tests::{LARGE, SMALL, model, model_of};
    use crate::deployment::tests::changed;
    use crate::table::thousands;

    #[test]
    fn a_small_portal_is_below_every_limit_and_a_large_one_is_not() {
        let share = |scale| {
            let limits = model().limits(scale).unwrap();
            limits.into_iter().map(|limit| limit.peak / limit.limit).fold(0.0, f64::max)
        };
        assert!(share(SMALL) < 0.1);
        assert!(share(LARGE) > 10.0);
    }

    #[test]
    fn a_large_portal_needs_several_accounts_or_a_larger_quota() {
        let model = model();
        assert!((model.accounts(SMALL).unwrap() - 1.0).abs() < 1e-9);
        let accounts = model.accounts(LARGE).unwrap();
        let limits = model.limits(LARGE).unwrap();
        let quota = limits.iter().find(|limit| limit.name == "Cognito UserAuthentication").unwrap();
        assert!(accounts * quota.limit >= quota.peak && (accounts - 1.0) * quota.limit < quota.peak);
        let sum = model.month(LARGE).unwrap().sum();
        assert!(model.in_accounts(LARGE).unwrap() < sum, "they need no bought quota");
        let small = model.month(SMALL).unwrap().sum();
        assert!((model.in_accounts(SMALL).unwrap() - small).abs() < 1e-9);
    }

    #[test]
    fn the_operations_guide_has_the_sums_of_the_bill() {
        let scales = [(1.0, 30.0), (100.0, 30.0), (1.0, 10_000.0), (10_000.0, 30.0), (200_000.0, 30.0)];
        let bills = scales.map(|(partners, users)| model().month(Scale { partners, users }).unwrap());
        let guide = include_str!("../../../infra/README.md");
        for (name, dollars) in [
            ("**sum**", bills.each_ref().map(|bill| thousands(bill.sum()))),
            ("the edge, in addition", bills.each_ref().map(|bill| thousands(bill.edge))),
        ] {
            let row = format!("| {name} | {} |", dollars.join(" | "));
            assert!(guide.contains(&row), "infra/README.md lacks the row of the bill: {row}");
        }
        let accounts = format!("need {} accounts", model().accounts(LARGE).unwrap());
        assert!(guide.contains(&accounts), "infra/README.md lacks: {accounts}");
    }

    #[test]
    fn a_whole_review_is_its_first_page_and_the_others() {
        let partner = model().partner(10_000.0).unwrap();
        let pages = 399.0;
        let units = partner.first_page.read_units + pages * partner.later_page.read_units;
        assert!((partner.review_read_units - units).abs() < 1e-6);
        assert!(partner.search.rate < model().partner(30.0).unwrap().search.rate);
    }

    #[test]
    fn repair_handles_800_generations_in_each_run() {
        let out = model().signed_out(10_000.0).unwrap();
        assert!((out.repair - 750.0).abs() < 1e-6, "12.5 minutes");
        assert!((out.sign_in - 10_000.0 / 30.0).abs() < 1e-6);
        let rare = model_of(changed("rate(1 minute)", "rate(5 minutes)"), Assumptions::default());
        assert!((rare.signed_out(10_000.0).unwrap().repair - 3_750.0).abs() < 1e-6);
    }

    #[test]
    fn users_who_sign_in_again_are_charged_again() {
        let model = model();
        assert!(model.signed_out(5_000.0).unwrap().users.abs() < 1e-9, "they stay within the free users");
        assert!(model.signed_out(100_000.0).unwrap().users > 400.0);
    }
}
