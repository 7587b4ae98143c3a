//! The command line.

use clap::Parser;

/// Measures every function, the floor and the peers, and writes target/bench/results.md and results.json.
#[derive(Debug, Clone, Parser)]
#[command(version)]
#[expect(clippy::struct_excessive_bools, reason = "a command line has switches")]
pub(crate) struct Options {
    /// Measure only these functions: get-user,list-users
    #[arg(long, value_delimiter = ',', value_name = "FUNCTIONS")]
    pub(crate) only: Vec<String>,
    /// Make a third of the measurements, without the list of 10,000 users
    #[arg(long)]
    pub(crate) quick: bool,
    /// Skip the naive builds, Node and Python; keep the floor
    #[arg(long)]
    pub(crate) no_peers: bool,
    /// Measure no times: only count the request units, and write target/bench/ledger.md
    #[arg(long, conflicts_with_all = ["quick", "no_peers"])]
    pub(crate) ledger: bool,
    /// Measure the last builds
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Measure only build times, which takes many minutes
    #[arg(long, conflicts_with_all = ["only", "quick", "no_peers", "no_build", "ledger"])]
    pub(crate) build_times: bool,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    /// The number of starts of each program.
    pub(crate) fn starts(&self) -> usize {
        if self.quick { 7 } else { 21 }
    }

    /// The number of requests for each warm process.
    pub(crate) fn requests(&self) -> usize {
        if self.quick { 60 } else { 200 }
    }

    pub(crate) fn selects(&self, function: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == function)
    }
}
