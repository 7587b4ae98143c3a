//! Where HTTP begins and ends: a request becomes typed input, a result becomes an answer, a failure becomes a problem.
//! Reads and writes no item, and decides nothing.

mod accepts;
mod answer;
mod condition;
mod cookie;
mod csv;
mod csv_upload;
mod deadline;
mod fields;
mod format;
mod invoke;
mod log;
mod part_problem;
mod problem;
mod query;
mod request;
mod serve;

pub use accepts::Accepts;
pub use answer::Answer;
pub use cookie::DeviceCookie;
pub use csv_upload::{Column, CsvSchema, CsvUpload, LineError, Row};
pub use fields::{Fields, FromField};
pub use format::Format;
pub use invoke::serve as serve_invocations;
pub use part_problem::PartProblem;
pub use query::Query;
pub use request::{IdempotencyKey, RefreshTokenIn, Request};
pub use serve::{MAX_ATTEMPTS, serve, serve_with};

/// Why a function stopped serving.
pub type Stopped = lambda_runtime::Error;
