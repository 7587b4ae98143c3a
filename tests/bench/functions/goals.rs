//! The goals as data, and whether they were met.

use portal_bench::results::{HISTORY, HISTORY_OF_ONE, LATER_REVIEW_PAGE, PAGE, SEARCH};
use serde::Serialize;

use crate::measure::Subject;
use crate::{growth, hash};

/// A measured figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    Start,
    Cold,
    Warm,
    Memory,
    Zip,
    Sequence,
}

/// The limit of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// At most this.
    Most(f64),
    /// At most this many times the figure of a floor.
    TimesFloor(f64, &'static str),
    /// At most this many times the figure of the naive build of the same function.
    TimesNaive(f64),
    /// At least this many times better than Node: than the same function if it has a peer, or else than `get-user`.
    BetterThanNode(f64),
}

/// The functions that a goal applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    NotHashing,
    WithoutCognito,
    Only(&'static [&'static str]),
}

/// One goal.
pub(crate) struct Goal {
    pub(crate) words: &'static str,
    figure: Figure,
    scope: Scope,
    limit: Limit,
}

const fn goal(words: &'static str, figure: Figure, scope: Scope, limit: Limit) -> Goal {
    Goal { words, figure, scope, limit }
}

const READS: &[&str] = &["get-me", "get-user"];
const LISTS: &[&str] = &["list-users"];
const CHANGES: &[&str] = &["add-user", "edit-user", "set-permissions"];
const ENDS: &[&str] = &["force-logout", "remove-user", "set-password"];
const SIGN_IN: &[&str] = &["sign-in"];
const MEGABYTE: f64 = 1e6;

/// All goals.
pub(crate) const GOALS: &[Goal] = &[
    goal("start ≤ 1.5 × floor", Figure::Start, Scope::All, Limit::TimesFloor(1.5, "floor")),
    goal("start ≥ 60 × faster than Node", Figure::Start, Scope::All, Limit::BetterThanNode(60.0)),
    goal("cold total ≤ 0.45 × naive", Figure::Cold, Scope::NotHashing, Limit::TimesNaive(0.45)),
    goal("cold total ≥ 35 × faster than Node", Figure::Cold, Scope::NotHashing, Limit::BetterThanNode(35.0)),
    goal("peak memory ≤ 2.5 × floor", Figure::Memory, Scope::NotHashing, Limit::TimesFloor(2.5, "floor")),
    goal("peak memory ≥ 9 × less than Node", Figure::Memory, Scope::NotHashing, Limit::BetterThanNode(9.0)),
    goal(
        "warm p50 ≤ 1.25 × floor with one read",
        Figure::Warm,
        Scope::Only(&["get-user"]),
        Limit::TimesFloor(1.25, "floor-read"),
    ),
    goal("warm p50 ≥ 3 × faster than Node", Figure::Warm, Scope::Only(&["get-user"]), Limit::BetterThanNode(3.0)),
    goal("zip ≤ 2.2 MB", Figure::Zip, Scope::All, Limit::Most(2.2 * MEGABYTE)),
    goal("zip ≤ 1.6 MB without Cognito", Figure::Zip, Scope::WithoutCognito, Limit::Most(1.6 * MEGABYTE)),
    goal("get-me, get-user: 1 AWS call in sequence", Figure::Sequence, Scope::Only(READS), Limit::Most(1.0)),
    goal("list-users: 2 AWS calls in sequence", Figure::Sequence, Scope::Only(LISTS), Limit::Most(2.0)),
    goal(
        "add-user, edit-user, set-permissions: 2 in sequence",
        Figure::Sequence,
        Scope::Only(CHANGES),
        Limit::Most(2.0),
    ),
    goal(
        "force-logout, remove-user, set-password: 3 in sequence",
        Figure::Sequence,
        Scope::Only(ENDS),
        Limit::Most(3.0),
    ),
    goal("sign-in: 4 in sequence", Figure::Sequence, Scope::Only(SIGN_IN), Limit::Most(4.0)),
];

/// The result of a goal for all measured functions that it applies to.
#[derive(Debug, Serialize)]
pub(crate) struct Verdict {
    pub(crate) words: &'static str,
    /// The limit: a ratio, bytes or calls.
    pub(crate) limit: f64,
    /// The values of the functions.
    pub(crate) values: Vec<Standing>,
}

/// One function's figure against the limit.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    pub(crate) function: String,
    pub(crate) value: f64,
    pub(crate) met: bool,
}

/// The results of all goals. Goals without measurements are left out.
pub(crate) fn verdicts(subjects: &[Subject], growth: &[growth::Row], hash: &[hash::Row]) -> Vec<Verdict> {
    let functions = GOALS.iter().map(|goal| goal.verdict(subjects));
    let all = functions.chain(lists(growth)).chain([history(hash)]);
    all.filter(|verdict| !verdict.values.is_empty()).collect()
}

/// Compares a full page of a larger partner with one of a small partner, and a search with a read of all items.
fn lists(growth: &[growth::Row]) -> [Verdict; 6] {
    let named = |row: &growth::Row| match row.others {
        0 => format!("{} of {}", row.list, row.size),
        others => format!("{} of {} with {others} other users", row.list, row.size),
    };
    let against_base = |lists: &[&str], figure: fn(&growth::Row) -> Option<f64>, is_met: fn(f64) -> bool| {
        let pages = growth.iter().filter(|row| lists.contains(&row.list) && row.size >= growth::BASE);
        let standing = |row: &growth::Row| {
            let base = growth.iter().find(|base| base.list == row.list && base.size == growth::BASE)?;
            let value = figure(row)? / figure(base)?;
            Some(Standing { function: named(row), value, met: is_met(value) })
        };
        pages.filter_map(standing).collect()
    };
    let time = |lists| against_base(lists, |row| row.time.median(), |ratio| (0.8..=1.2).contains(&ratio));
    let units = |lists| against_base(lists, |row| Some(row.calls.read_units), |ratio| (0.999..=1.001).contains(&ratio));
    let largest = growth.iter().filter(|row| row.list == SEARCH).max_by_key(|row| row.size);
    let search = largest.map(|row| {
        let value = row.whole_read_units / row.calls.read_units;
        Standing { function: named(row), value, met: value >= 5.0 }
    });
    let (users, events) = (&[PAGE][..], &[HISTORY, HISTORY_OF_ONE][..]);
    let at_any_size = |words, limit, values| Verdict { words, limit, values };
    [
        at_any_size("list of 25: the same time ± 20 % at any size", 1.2, time(users)),
        at_any_size("list of 25: the same RRU at any size", 1.0, units(users)),
        at_any_size("later page of a review: the same RRU at any size", 1.0, units(&[LATER_REVIEW_PAGE])),
        at_any_size("history: the same time ± 20 % at any size", 1.2, time(events)),
        at_any_size("history: the same RRU at any size", 1.0, units(events)),
        Verdict {
            words: "search ≥ 5 × cheaper than reading all items",
            limit: 5.0,
            values: search.into_iter().collect(),
        },
    ]
}

/// Compares the processor time with and without a history of passwords. Hashes dominate it.
fn history(hash: &[hash::Row]) -> Verdict {
    let standing = |pair: &[hash::Row]| {
        let value = pair[1].processor? / pair[0].processor?;
        Some(Standing { function: pair[1].what.clone(), value, met: value <= 1.2 })
    };
    let values = hash.iter().position(|row| row.processor.is_some());
    let values = values.map_or(Vec::new(), |first| hash[first..].chunks_exact(2).filter_map(standing).collect());
    Verdict { words: "one hash with any history", limit: 1.2, values }
}

impl Goal {
    fn verdict(&self, subjects: &[Subject]) -> Verdict {
        let about = subjects.iter().filter(|subject| subject.kind == "ours" && self.scope.includes(subject));
        let values = about.filter_map(|subject| self.value(subject, subjects)).collect();
        let (Limit::Most(limit)
        | Limit::TimesFloor(limit, _)
        | Limit::TimesNaive(limit)
        | Limit::BetterThanNode(limit)) = self.limit;
        Verdict { words: self.words, limit, values }
    }

    fn value(&self, subject: &Subject, subjects: &[Subject]) -> Option<Standing> {
        let ours = self.figure.of(subject)?;
        let other = |kind: &str, function: &str| {
            let found = subjects.iter().find(|other| other.kind == kind && other.function == function);
            found.and_then(|found| self.figure.of(found))
        };
        let (value, met) = match self.limit {
            Limit::Most(limit) => (ours, ours <= limit),
            Limit::TimesFloor(limit, floor) => {
                let ratio = ours / other("floor", floor)?;
                (ratio, ratio <= limit)
            }
            Limit::TimesNaive(limit) => {
                let ratio = ours / other("naive", &subject.function)?;
                (ratio, ratio <= limit)
            }
            Limit::BetterThanNode(limit) => {
                let node = other("node", &subject.function).or_else(|| other("node", "get-user"))?;
                (node / ours, node / ours >= limit)
            }
        };
        Some(Standing { function: subject.function.clone(), value, met })
    }
}

impl Scope {
    fn includes(self, subject: &Subject) -> bool {
        match self {
            Self::All => true,
            Self::NotHashing => !subject.hashes(),
            Self::WithoutCognito => !subject.calls_cognito(),
            Self::Only(functions) => functions.contains(&subject.function.as_str()),
        }
    }
}

impl Figure {
    #[expect(clippy::cast_precision_loss, reason = "sizes of some megabytes")]
    fn of(self, subject: &Subject) -> Option<f64> {
        let figures = &subject.figures;
        match self {
            Self::Start => figures.start.median(),
            Self::Cold => figures.cold.median(),
            Self::Warm => figures.warm.median(),
            Self::Memory => figures.peak_memory,
            Self::Zip => figures.zip.map(|bytes| bytes as f64),
            Self::Sequence => figures.calls.as_ref().map(|calls| calls.in_sequence() as f64),
        }
    }
}
