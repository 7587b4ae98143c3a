//! What the benchmark computes, apart from what it measures: pure.

pub mod chain;
pub mod cost;
pub mod statistics;
