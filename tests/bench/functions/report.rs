//! Writes the results as Markdown and JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use portal_bench::cost::{Prices, Usage};
use portal_bench::table::Table;
use serde_json::{Value, json};

use crate::goals::{Verdict, verdicts};
use crate::measure::Subject;
use crate::{Outcome, growth, hash, resets, root};

/// All results of one run.
pub(crate) struct Results {
    pub(crate) subjects: Vec<Subject>,
    pub(crate) growth: Vec<growth::Row>,
    pub(crate) hash: Vec<hash::Row>,
    pub(crate) resets: Vec<resets::Row>,
    pub(crate) notices: Vec<String>,
    pub(crate) starts: usize,
    pub(crate) requests: usize,
}

impl Results {
    /// Writes `results.md` and `results.json` and returns the Markdown.
    pub(crate) fn write(&self, folder: &Path) -> Outcome<String> {
        let prices = prices()?;
        let verdicts = verdicts(&self.subjects, &self.growth, &self.hash);
        let markdown = self.markdown(&verdicts, &prices);
        fs::write(folder.join("results.md"), &markdown)?;
        let subjects: Vec<Value> = self.subjects.iter().map(|subject| json_of(subject, &prices)).collect();
        let json = json!({
            "starts": self.starts,
            "requests": self.requests,
            "processor": processor(),
            "programs": subjects,
            "goals": verdicts,
            "growth": self.growth,
            "hash": self.hash,
            "resets": self.resets,
            "notices": self.notices,
        });
        fs::write(folder.join("results.json"), serde_json::to_string_pretty(&json)?)?;
        Ok(markdown)
    }

    fn markdown(&self, verdicts: &[Verdict], prices: &Prices) -> String {
        let mut page = format!(
            "Each program had {} cold starts and {} warm requests, in turns, on {}.\n\n",
            self.starts,
            self.requests,
            processor()
        );
        for notice in &self.notices {
            let _ = writeln!(page, "> {notice}\n");
        }
        self.programs(&mut page);
        self.calls(&mut page, prices);
        self.slow_cognito(&mut page, prices);
        goals(&mut page, verdicts);
        self.lists(&mut page);
        self.hashes(&mut page);
        self.resets(&mut page);
        self.costs(&mut page, prices);
        page
    }

    fn programs(&self, page: &mut String) {
        let floor = self.subjects.iter().find(|subject| subject.function == "floor");
        let mut table = Table::new(&[
            "function",
            "program",
            "start ms",
            "middle half",
            "× floor",
            "instructions M",
            "first response ms",
            "cold ms",
            "warm p50 ms",
            "p99",
            "processor ms",
            "peak MB",
            "× floor",
            "binary MB",
            "zip MB",
        ]);
        for subject in &self.subjects {
            let figures = &subject.figures;
            let of_floor = |figure: fn(&Subject) -> Option<f64>| {
                let ratio = figure(subject)? / figure(floor?)?;
                Some(format!("{ratio:.2}"))
            };
            let spread = figures.start.spread().map(|(low, high)| format!("{low:.2}–{high:.2}"));
            table.row(&[
                Some(subject.function.clone()),
                Some(subject.kind.to_owned()),
                shown(figures.start.median(), 2),
                spread,
                of_floor(|subject| subject.figures.start.median()),
                figures.instructions.map(|count| format!("{:.1}", millions(count))),
                shown(figures.first_answer.median(), 2),
                shown(figures.cold.median(), 2),
                shown(figures.warm.median(), 2),
                shown(figures.warm.percentile(99), 2),
                shown(figures.warm_processor, 2),
                shown(figures.peak_memory.map(|kilobytes| kilobytes / 1000.0), 1),
                of_floor(|subject| subject.figures.peak_memory),
                figures.binary.map(|bytes| format!("{:.2}", millions(bytes))),
                figures.zip.map(|bytes| format!("{:.2}", millions(bytes))),
            ]);
        }
        write_table(page, &table, "Programs");
    }

    fn calls(&self, page: &mut String, prices: &Prices) {
        let trips = &prices.assumed_milliseconds;
        let [usual, slow] = [trips.cognito, trips.cognito_slow].map(|ms| (ms, prices.clone().with_cognito(ms)));
        let [usual_head, slow_head] = [&usual, &slow].map(|(ms, _)| format!("ms, Cognito {ms}"));
        let mut table = Table::new(&[
            "function",
            "program",
            "calls",
            "in sequence",
            "the sequence",
            "after the response",
            "RRU",
            "WRU",
            &usual_head,
            &slow_head,
        ]);
        for subject in &self.subjects {
            let Some(calls) = &subject.figures.calls else { continue };
            table.row(&[
                Some(subject.function.clone()),
                Some(subject.kind.to_owned()),
                Some(calls.count.to_string()),
                Some(calls.in_sequence().to_string()),
                Some(calls.in_sequence.join(" → ")),
                Some(calls.after_the_answer.to_string()),
                Some(calls.read_units.to_string()),
                Some(calls.write_units.to_string()),
                shown(usage(subject).map(|usage| usual.1.billed_milliseconds(&usage)), 0),
                shown(usage(subject).map(|usage| slow.1.billed_milliseconds(&usage)), 0),
            ]);
        }
        write_table(page, &table, "AWS calls and DynamoDB request units of one warm request");
    }

    fn slow_cognito(&self, page: &mut String, prices: &Prices) {
        let trips = &prices.assumed_milliseconds;
        let [usual, slow] = [trips.cognito, trips.cognito_slow].map(|ms| format!("Cognito {ms}, p50 ms"));
        let mut table = Table::new(&["function", "calls to Cognito in sequence", "no delay, p50 ms", &usual, &slow]);
        for subject in self.subjects.iter().filter(|subject| !subject.figures.slow_cognito.is_empty()) {
            let figures = &subject.figures;
            let in_sequence = figures.calls.as_ref().map(|calls| calls.in_sequence() - calls.dynamodb_in_sequence);
            let times = figures.slow_cognito.values().map(|sample| shown(sample.median(), 0));
            let cells = [
                Some(subject.function.clone()),
                in_sequence.map(|count| count.to_string()),
                shown(figures.warm.median(), 2),
            ];
            table.row(&cells.into_iter().chain(times).collect::<Vec<_>>());
        }
        write_table(page, &table, "Requests with a slow Cognito");
    }

    fn lists(&self, page: &mut String) {
        let mut table = Table::new(&[
            "list",
            "users or events",
            "other users",
            "p50 ms",
            "× 100",
            "cold ms",
            "processor ms",
            "calls",
            "in sequence",
            "RRU",
            "WRU",
            "RRU of all items",
        ]);
        for row in &self.growth {
            let is_base = |other: &&growth::Row| {
                other.list == row.list && other.others == row.others && other.size == growth::BASE
            };
            let base = self.growth.iter().find(is_base);
            let ratio = base.and_then(|base| Some(row.time.median()? / base.time.median()?));
            table.row(&[
                Some(row.list.to_owned()),
                Some(row.size.to_string()),
                Some(row.others.to_string()),
                shown(row.time.median(), 2),
                shown(ratio, 2),
                shown(row.cold.median(), 2),
                shown(Some(row.processor), 2),
                Some(row.calls.count.to_string()),
                Some(row.calls.in_sequence().to_string()),
                Some(row.calls.read_units.to_string()),
                Some(row.calls.write_units.to_string()),
                Some(row.whole_read_units.to_string()),
            ]);
        }
        write_table(page, &table, "Lists");
    }

    fn hashes(&self, page: &mut String) {
        let mut table = Table::new(&["", "p50 ms", "middle half", "processor ms"]);
        for row in &self.hash {
            let spread = row.time.spread().map(|(low, high)| format!("{low:.1}–{high:.1}"));
            table.row(&[Some(row.what.clone()), shown(row.time.median(), 2), spread, shown(row.processor, 2)]);
        }
        write_table(page, &table, "Password hash");
    }

    fn resets(&self, page: &mut String) {
        let mut table = Table::new(&["email", "p50 ms", "middle half", "paired difference to unknown, p50 ms"]);
        for row in &self.resets {
            let spread = row.time.spread().map(|(low, high)| format!("{low:.2}–{high:.2}"));
            table.row(&[
                Some(row.email.to_owned()),
                shown(row.time.median(), 2),
                spread,
                shown(row.difference.median(), 3),
            ]);
        }
        write_table(page, &table, "Requests to reset a password: the time of the function by email");
    }

    fn costs(&self, page: &mut String, prices: &Prices) {
        let mut table = Table::new(&[
            "function",
            "program",
            "memory MB",
            "billed ms",
            "Lambda $",
            "API $",
            "DynamoDB $",
            "a million requests $",
        ]);
        for subject in &self.subjects {
            let Some(usage) = usage(subject) else { continue };
            let cost = prices.of_a_million(&usage);
            let dollars = |amount: f64| Some(format!("{amount:.2}"));
            table.row(&[
                Some(subject.function.clone()),
                Some(subject.kind.to_owned()),
                Some(subject.memory_mb.to_string()),
                Some(format!("{:.0}", cost.billed_milliseconds)),
                dollars(cost.lambda),
                dollars(cost.api),
                dollars(cost.dynamodb),
                dollars(cost.total()),
            ]);
        }
        write_table(page, &table, "Cost");
        let _ = writeln!(page, "{}", prices.source);
    }
}

/// The prices and assumed round trips.
pub(crate) fn prices() -> Outcome<Prices> {
    Ok(serde_json::from_str(&fs::read_to_string(root().join("tests/bench/prices.json"))?)?)
}

fn json_of(subject: &Subject, prices: &Prices) -> Value {
    let cost = usage(subject).map(|usage| prices.of_a_million(&usage).total());
    let figures = &subject.figures;
    json!({ "kind": subject.kind, "function": subject.function, "figures": figures, "dollars_per_million": cost })
}

fn goals(page: &mut String, verdicts: &[Verdict]) {
    let mut table = Table::new(&["goal", "met", "worst", "not met by"]);
    for verdict in verdicts {
        let missed: Vec<_> = verdict.values.iter().filter(|value| !value.met).collect();
        // Some values must be large and others small. The worst is the missed value that is farthest from the limit, or
        // else the value that is nearest to it.
        let distance = |value: f64| (value / verdict.limit).ln().abs();
        let nearest = |values: &[&crate::goals::Standing], farthest: bool| {
            let order = |value: &&&crate::goals::Standing| distance(value.value);
            let by = |a: &&&crate::goals::Standing, b: &&&crate::goals::Standing| order(a).total_cmp(&order(b));
            let found = if farthest { values.iter().max_by(by) } else { values.iter().min_by(by) };
            found.map(|value| format!("{} {}", amount(value.value), value.function))
        };
        let all: Vec<_> = verdict.values.iter().collect();
        let worst = if missed.is_empty() { nearest(&all, false) } else { nearest(&missed, true) };
        let names: Vec<String> =
            missed.iter().map(|value| format!("{} ({})", value.function, amount(value.value))).collect();
        table.row(&[
            Some(verdict.words.to_owned()),
            Some(if missed.is_empty() { "yes" } else { "**no**" }.to_owned()),
            worst,
            Some(names.join(", ")),
        ]);
    }
    write_table(page, &table, "Goals");
}

fn usage(subject: &Subject) -> Option<Usage> {
    let calls = subject.figures.calls.as_ref()?;
    Some(Usage {
        memory_mb: subject.memory_mb.into(),
        processor: subject.figures.warm_processor?,
        in_sequence: calls.in_sequence.clone(),
        read_units: calls.read_units,
        write_units: calls.write_units,
        through_api: subject.through_api(),
    })
}

/// Writes a table under a heading, unless it is empty.
fn write_table(page: &mut String, table: &Table, heading: &str) {
    if !table.is_empty() {
        let _ = writeln!(page, "## {heading}\n\n{table}\n");
    }
}

fn shown(value: Option<f64>, digits: usize) -> Option<String> {
    value.map(|value| format!("{value:.digits$}"))
}

fn amount(value: f64) -> String {
    if value > 1e5 { format!("{:.2} MB", value / 1e6) } else { format!("{value:.2}") }
}

#[expect(clippy::cast_precision_loss, reason = "the number is only printed")]
fn millions(count: u64) -> f64 {
    count as f64 / 1e6
}

/// The processor of this machine.
fn processor() -> String {
    let information = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = information.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, it)| it);
    let count = information.lines().filter(|line| line.starts_with("processor")).count();
    format!("{count} × {}", name.unwrap_or("an unknown processor"))
}
