//! Reads the measured units from a report of the benchmark, such as RESULTS.md.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::cost::Usage;

/// The name of the row for a sign-in that is the first of its generation.
pub const FIRST_SIGN_IN: &str = "sign-in, first of a generation";
/// The name of the row for the code of an authenticator app that completes a sign-in.
pub const SIGN_IN_CODE: &str = "answer-challenge, code";
/// The lists whose cost is measured at several sizes, by their names in the report.
pub const PAGE: &str = "first 25 by name";
/// A search that finds one user.
pub const SEARCH: &str = "search";
/// The first page of an access review, which reads all users.
pub const FIRST_REVIEW_PAGE: &str = "first page of a review";
/// Any later page of an access review.
pub const LATER_REVIEW_PAGE: &str = "later page of a review";
/// The newest page of the history.
pub const HISTORY: &str = "newest 25 events";
/// The newest page of the history of one user.
pub const HISTORY_OF_ONE: &str = "newest 25 of one user";

/// A report, or another input, that lacks something.
#[derive(Debug, Error)]
#[error("the inputs have no {0}")]
pub struct Missing(pub String);

/// The measured units of a report.
#[derive(Debug, Clone, Default)]
pub struct Results {
    /// The usage of one request, by function.
    pub functions: BTreeMap<String, Usage>,
    /// The lists of growing size.
    pub lists: BTreeMap<String, List>,
}

/// A list, measured at some sizes.
#[derive(Debug, Clone, Default)]
pub struct List(Vec<Size>);

/// The usage of a list at one size.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Size {
    /// The users, or events.
    pub size: f64,
    /// Read units of one request.
    pub read_units: f64,
    /// Write units of one request.
    pub write_units: Option<f64>,
    /// Time on a whole processor in milliseconds.
    pub processor: Option<f64>,
    /// Read units for all items of the partner.
    pub read_units_of_all: f64,
}

impl Results {
    /// Reads a report.
    pub fn read(report: &str) -> Result<Self, Missing> {
        let tables = tables(report);
        let with = |heads: &[&str]| {
            let found = tables.iter().find(|table| heads.iter().all(|head| table.head.contains(head)));
            found.ok_or_else(|| Missing(format!("table with the columns {}", heads.join(", "))))
        };
        let programs = with(&["function", "program", "processor ms"])?;
        let calls = with(&["function", "program", "the sequence", "RRU", "WRU"])?;
        let costs = with(&["function", "program", "memory MB", "API $"])?;
        let mut functions = BTreeMap::new();
        for row in calls.rows().filter(|row| row.text("program") == Some("ours")) {
            let Some(name) = row.text("function") else { continue };
            let of = |table: &Markdown<'_>, column| {
                let mut rows = table.rows().filter(|row| row.text("program") == Some("ours"));
                rows.find(|row| row.text("function") == Some(name)).and_then(|row| row.number(column))
            };
            let usage = || {
                Some(Usage {
                    memory_mb: of(costs, "memory MB")?,
                    processor: of(programs, "processor ms")?,
                    in_sequence: row.text("the sequence")?.split(" → ").map(str::to_owned).collect(),
                    read_units: row.number("RRU")?,
                    write_units: row.number("WRU")?,
                    through_api: of(costs, "API $")? > 0.0,
                })
            };
            let mut usage = usage().ok_or_else(|| Missing(format!("complete row for {name}")))?;
            usage.in_sequence.retain(|call| !call.is_empty());
            functions.insert(name.to_owned(), usage);
        }
        let mut lists: BTreeMap<String, List> = BTreeMap::new();
        for row in with(&["list", "users or events", "RRU", "RRU of all items"])?.rows() {
            let size = || {
                Some(Size {
                    size: row.number("users or events")?,
                    read_units: row.number("RRU")?,
                    write_units: row.number("WRU"),
                    processor: row.number("processor ms"),
                    read_units_of_all: row.number("RRU of all items")?,
                })
            };
            if row.number("other users") == Some(0.0)
                && let (Some(list), Some(size)) = (row.text("list"), size())
            {
                lists.entry(list.to_owned()).or_default().0.push(size);
            }
        }
        Ok(Self { functions, lists })
    }
}

impl List {
    /// The usage at a size: between two measured sizes, or beyond the largest one, it is proportional.
    pub fn at(&self, size: f64) -> Option<Size> {
        let last = self.0.last()?;
        let above = self.0.iter().position(|row| row.size >= size).unwrap_or(self.0.len() - 1);
        let (low, high) = (self.0.get(above.saturating_sub(1))?, self.0.get(above).unwrap_or(last));
        let part = if high.size > low.size { ((size - low.size) / (high.size - low.size)).max(0.0) } else { 0.0 };
        let between = |low: f64, high: f64| low + part * (high - low);
        Some(Size {
            size,
            read_units: between(low.read_units, high.read_units),
            write_units: low.write_units.zip(high.write_units).map(|(low, high)| between(low, high)),
            processor: low.processor.zip(high.processor).map(|(low, high)| between(low, high)),
            read_units_of_all: between(low.read_units_of_all, high.read_units_of_all),
        })
    }

    /// The largest measured size.
    pub fn largest(&self) -> Option<&Size> {
        self.0.last()
    }
}

/// A table of a Markdown text.
struct Markdown<'a> {
    head: Vec<&'a str>,
    rows: Vec<Vec<&'a str>>,
}

struct Row<'a, 'b> {
    head: &'b [&'a str],
    cells: &'b [&'a str],
}

impl<'a> Markdown<'a> {
    fn rows(&self) -> impl Iterator<Item = Row<'a, '_>> {
        self.rows.iter().map(|cells| Row { head: &self.head, cells })
    }
}

impl<'a> Row<'a, '_> {
    fn text(&self, column: &str) -> Option<&'a str> {
        let place = self.head.iter().position(|head| *head == column)?;
        self.cells.get(place).copied()
    }

    fn number(&self, column: &str) -> Option<f64> {
        self.text(column)?.parse().ok()
    }
}

fn tables(text: &str) -> Vec<Markdown<'_>> {
    let mut tables: Vec<Markdown<'_>> = Vec::new();
    let mut is_in_table = false;
    for line in text.lines() {
        let Some(line) = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            is_in_table = false;
            continue;
        };
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        match tables.last_mut() {
            Some(table) if is_in_table => {
                if !cells.iter().all(|cell| cell.starts_with("---")) {
                    table.rows.push(cells);
                }
            }
            _ => tables.push(Markdown { head: cells, rows: Vec::new() }),
        }
        is_in_table = true;
    }
    tables
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) const RESULTS: &str = include_str!("../RESULTS.md");

    #[test]
    fn the_report_has_the_units_of_every_function() {
        let results = Results::read(RESULTS).unwrap();
        let sign_in = &results.functions["sign-in"];
        assert!(sign_in.through_api && sign_in.write_units > 10.0 && sign_in.memory_mb > 1000.0);
        assert_eq!(sign_in.in_sequence.len(), 4);
        assert!(!results.functions["repair-identities"].through_api);
        assert!(results.functions["portal-page"].in_sequence.is_empty());
        assert!(results.functions.len() >= 27, "all but end-all-sessions");
    }

    #[test]
    fn sizes_between_the_measured_ones_are_proportional() {
        let size = |size: f64, read_units| Size { size, read_units, ..Size::default() };
        let list = List(vec![size(100.0, 8.0), size(1_000.0, 44.0), size(10_000.0, 404.0)]);
        for (users, units) in [(10.0, 8.0), (100.0, 8.0), (550.0, 26.0), (10_000.0, 404.0), (20_000.0, 804.0)] {
            let at = list.at(users).unwrap().read_units;
            assert!((at - units).abs() < 1e-9, "{users}: {at}");
        }
        assert_eq!(List::default().at(1.0), None);
    }

    #[test]
    fn a_text_without_tables_is_rejected() {
        assert!(Results::read("# Results").is_err());
        let cut = RESULTS.replace("| sign-in | ours | 1769 |", "| sign-in | ours | – |");
        assert_eq!(Results::read(&cut).unwrap_err().to_string(), "the inputs have no complete row for sign-in");
    }
}
