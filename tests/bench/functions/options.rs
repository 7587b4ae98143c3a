//! The command line.

use clap::Parser;

/// Measures every function, the floor and the peers, and writes target/bench/results.md and results.json.
#[derive(Debug, Clone, Parser)]
#[command(version)]
#[expect(clippy::struct_excessive_bools, reason = "a command line has switches")]
pub(crate) struct Options {
    /// Only these functions: get-user,list-users
    #[arg(long, value_delimiter = ',', value_name = "FUNCTIONS")]
    pub(crate) only: Vec<String>,
    /// A third of the measurements, and no list of 10,000 users
    #[arg(long)]
    pub(crate) quick: bool,
    /// Neither the naive builds nor Node nor Python; the floor stays
    #[arg(long)]
    pub(crate) no_peers: bool,
    /// Measure what was built last time
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Only how long builds take: many minutes
    #[arg(long, conflicts_with_all = ["only", "quick", "no_peers", "no_build"])]
    pub(crate) build_times: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// How often each program is started.
    pub(crate) fn starts(&self) -> usize {
        if self.quick { 7 } else { 21 }
    }

    /// How many requests each warm process gets.
    pub(crate) fn requests(&self) -> usize {
        if self.quick { 60 } else { 200 }
    }

    pub(crate) fn selects(&self, function: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == function)
    }
}
