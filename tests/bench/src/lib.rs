//! The computations of the benchmark, separate from its measurements. They do no I/O.

pub mod chain;
pub mod cost;
pub mod statistics;
