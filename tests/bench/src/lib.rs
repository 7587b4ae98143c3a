//! The computations of the benchmark and of the bill, separate from measurements. They do no I/O.

pub mod assumptions;
pub mod bill;
pub mod chain;
pub mod cost;
pub mod deployment;
pub mod ledger;
pub mod limits;
pub mod results;
pub mod statistics;
pub mod table;
