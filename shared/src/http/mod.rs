//! The HTTP layer. It turns a request into typed input, a result into a response, and a failure into a problem. It
//! neither reads nor writes items, and decides nothing about permissions.

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
pub use csv_upload::{Column, Content, CsvSchema, CsvUpload, LineError, Row};
pub use fields::{Fields, FromField, LastName};
pub use format::{Coding, Format};
pub use invoke::{serve as serve_invocations, serve_events};
pub use part_problem::PartProblem;
pub use query::Query;
pub use request::{IdempotencyKey, RefreshTokenIn, Request};
pub use serve::{MAX_ATTEMPTS, serve, serve_with};

/// The reason why a function stopped serving.
pub type Stopped = lambda_runtime::Error;
