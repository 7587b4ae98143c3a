//! `cargo run -p portal-bench --bin bill`: prints the monthly bill of portals of five sizes, the share of each limit that
//! their peak takes, the cost of a partner by its size, and what the end of all sessions takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use portal_bench::assumptions::Assumptions;
use portal_bench::bill::{Bill, Line, Model, Scale};
use portal_bench::cost::Prices;
use portal_bench::deployment::{Deployment, Templates};
use portal_bench::limits::Request;
use portal_bench::results::Results;
use portal_bench::table::{Table, money, thousands};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Prints the monthly bill of a portal by its size, in US dollars.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The report of the benchmark with the measured units
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// The feature plan of the user pool, in place of the template's
    #[arg(long, value_name = "PLAN")]
    user_pool_tier: Option<String>,
    /// The lifetime of an access token, in place of the template's
    #[arg(long, value_name = "MINUTES")]
    access_token_minutes: Option<f64>,
    /// The duration of a call to Cognito, in place of the one in prices.json
    #[arg(long, value_name = "MS")]
    cognito_ms: Option<f64>,
    #[command(flatten)]
    assumed: Assumptions,
}

const SCALES: [(f64, f64); 5] = [(1.0, 30.0), (100.0, 30.0), (1.0, 10_000.0), (10_000.0, 30.0), (200_000.0, 30.0)];
const PARTNERS: [f64; 4] = [30.0, 1_000.0, 5_000.0, 10_000.0];
const SIGNED_OUT: [f64; 4] = [1_000.0, 10_000.0, 100_000.0, 6_000_000.0];

fn main() -> ExitCode {
    match page(Options::parse()) {
        Ok(page) => {
            println!("{page}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn page(options: Options) -> Outcome<String> {
    let model = model(options)?;
    let sections = [
        ("Dollars a month", bills(&model)?),
        ("The peak as a share of each limit", limits(&model)?),
        ("A partner by its size", partners(&model)?),
        ("All users signed out", signed_out(&model)?),
        ("Assumptions", assumptions(&model)),
        ("Sources of the prices", sources(&model)),
    ];
    let sections = sections.map(|(heading, table)| format!("## {heading}\n\n{table}"));
    Ok(sections.join("\n\n"))
}

fn model(options: Options) -> Outcome<Model> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."));
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()));
    let text = |path: &str| read(&root.join(path));
    let prices: Prices = serde_json::from_str(&text("tests/bench/prices.json")?)?;
    let prices = match options.cognito_ms {
        Some(milliseconds) => prices.with_cognito(milliseconds),
        None => prices,
    };
    let results = options.results.unwrap_or_else(|| root.join("tests/bench/RESULTS.md"));
    let [portal, alarms, dashboard, edge] =
        [text("template.yaml")?, text("infra/alarms.yaml")?, text("infra/dashboard.yaml")?, text("infra/edge.yaml")?];
    let templates = Templates { portal: &portal, alarms: &alarms, dashboard: &dashboard, edge: &edge };
    let mut deployment = Deployment::read(templates)?;
    if let Some(tier) = options.user_pool_tier {
        deployment.user_pool_tier = tier;
    }
    if let Some(minutes) = options.access_token_minutes {
        deployment.access_token_minutes = minutes;
    }
    Ok(Model::new(prices, Results::read(&read(&results)?)?, deployment, options.assumed)?)
}

fn scales() -> impl Iterator<Item = Scale> {
    SCALES.into_iter().map(|(partners, users)| Scale { partners, users })
}

/// A table with a column for each scale.
fn by_scale(first: &[&str]) -> Table {
    let names: Vec<String> =
        scales().map(|scale| format!("{} × {}", thousands(scale.partners), thousands(scale.users))).collect();
    let head: Vec<&str> = first.iter().copied().chain(names.iter().map(String::as_str)).collect();
    Table::new(&head)
}

fn row(table: &mut Table, first: &[&str], rest: impl Iterator<Item = String>) {
    let first = first.iter().map(|text| Some((*text).to_owned()));
    let cells: Vec<Option<String>> = first.chain(rest.map(Some)).collect();
    table.row(&cells);
}

fn bills(model: &Model) -> Outcome<String> {
    let bills: Vec<Bill> = scales().map(|scale| model.month(scale)).collect::<Result<_, _>>()?;
    let accounts: Vec<f64> = scales().map(|scale| model.accounts(scale)).collect::<Result<_, _>>()?;
    let mut table = by_scale(&["partners × users"]);
    let lines: Vec<Line> = bills.first().map(|bill| bill.lines.keys().copied().collect()).unwrap_or_default();
    for line in lines {
        let dollars = bills.iter().map(|bill| money(bill.lines.get(&line).copied().unwrap_or_default()));
        row(&mut table, &[line.name()], dollars);
    }
    row(&mut table, &["**sum**"], bills.iter().map(|bill| format!("**{}**", money(bill.sum()))));
    let each = bills.iter().zip(scales()).map(|(bill, scale)| money(bill.sum() / scale.all() * 1000.0));
    row(&mut table, &["for 1,000 users"], each);
    row(&mut table, &["sum with CloudWatch's free tier"], bills.iter().map(|bill| money(bill.sum() - bill.free)));
    row(
        &mut table,
        &["accounts that carry the peak with Cognito's default quota"],
        accounts.into_iter().map(thousands),
    );
    let shared: Vec<f64> = scales().map(|scale| model.in_accounts(scale)).collect::<Result<_, _>>()?;
    row(&mut table, &["sum in so many accounts, without bought quota"], shared.into_iter().map(money));
    row(&mut table, &["the edge, in addition"], bills.iter().map(|bill| money(bill.edge)));
    Ok(table.to_string())
}

fn limits(model: &Model) -> Outcome<String> {
    let columns: Vec<_> = scales().map(|scale| model.limits(scale)).collect::<Result<_, _>>()?;
    let mut table = by_scale(&["limit", "of"]);
    for (number, limit) in columns.first().into_iter().flatten().enumerate() {
        let shares =
            columns.iter().filter_map(|column| column.get(number)).map(|limit| share(limit.peak / limit.limit));
        row(&mut table, &[limit.name, &thousands(limit.limit)], shares);
    }
    Ok(table.to_string())
}

fn share(share: f64) -> String {
    if share < 1.0 { format!("{:.1} %", share * 100.0) } else { format!("**× {share:.1}**") }
}

fn partners(model: &Model) -> Outcome<String> {
    let mut table = Table::new(&[
        "users",
        "request",
        "RRU",
        "WRU",
        "billed ms",
        "a million requests $",
        "a second in the partition",
    ]);
    let mut reviews = Table::new(&["users", "RRU of a whole review", "$", "sign-ins a second in the partition"]);
    for users in PARTNERS {
        let partner = model.partner(users)?;
        let requests = [
            ("search", &partner.search),
            ("first page of a review", &partner.first_page),
            ("later page of a review", &partner.later_page),
        ];
        for (name, request) in requests {
            let Request { read_units, write_units, milliseconds, dollars, rate } = request;
            let numbers = [
                thousands(*read_units),
                thousands(*write_units),
                thousands(*milliseconds),
                money(*dollars),
                format!("{rate:.1}"),
            ];
            row(&mut table, &[&thousands(users), name], numbers.into_iter());
        }
        let numbers = [
            thousands(partner.review_read_units),
            format!("{:.6}", partner.review_dollars),
            thousands(partner.sign_ins),
        ];
        row(&mut reviews, &[&thousands(users)], numbers.into_iter());
    }
    Ok(format!("{table}\n\n{reviews}"))
}

fn signed_out(model: &Model) -> Outcome<String> {
    let mut table = Table::new(&[
        "users",
        "end-all-sessions",
        "repair",
        "all users sign in again",
        "DynamoDB $",
        "Cognito users again $",
    ]);
    for users in SIGNED_OUT {
        let out = model.signed_out(users)?;
        let times = [out.sweep, out.repair, out.sign_in].map(duration);
        row(&mut table, &[&thousands(users)], times.into_iter().chain([money(out.writes), money(out.users)]));
    }
    Ok(table.to_string())
}

fn duration(seconds: f64) -> String {
    let (minutes, hours, days) = (seconds / 60.0, seconds / 3_600.0, seconds / 86_400.0);
    if minutes < 120.0 {
        format!("{minutes:.0} min")
    } else if hours < 48.0 {
        format!("{hours:.1} h")
    } else {
        format!("{days:.1} days")
    }
}

fn assumptions(model: &Model) -> String {
    let deployment = &model.deployment;
    let mut table = Table::new(&["flag", "value", ""]);
    for (flag, value, meaning) in model.assumed.list() {
        row(&mut table, &[&format!("`{flag}`")], [value.to_string(), meaning].into_iter());
    }
    let from_template = format!(
        "From the templates, for a portal with alarms: UserPoolTier {}, AccessTokenMinutes {}, repair every {} min, \
         SignInHistoryDays {}, SignInsPerSecond {}, RequestsPerSecond {}, {} metrics in alarms, {} routes with metrics, \
         Lambda's own logs {}.",
        deployment.user_pool_tier,
        deployment.access_token_minutes,
        deployment.repair_minutes,
        deployment.sign_in_history_days,
        deployment.sign_ins_per_second,
        deployment.requests_per_second,
        deployment.alarm_metrics,
        deployment.routes_with_metrics,
        if deployment.has_system_logs { "on" } else { "off" },
    );
    format!("{table}\n\n{from_template}")
}

fn sources(model: &Model) -> String {
    let mut table = Table::new(&["price", "source", "date"]);
    for source in &model.prices.sources {
        row(&mut table, &[&source.of], [source.source.clone(), source.dated.clone()].into_iter());
    }
    table.to_string()
}
