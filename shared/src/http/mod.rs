//! Where HTTP begins and ends: a request becomes typed input, a result becomes an answer, a failure becomes a problem.
//! Knows models and failures; nothing of stores or policy.

mod accepts;
mod answer;
mod condition;
mod cookie;
mod csv;
mod edge;
mod fields;
mod format;
mod invoke;
mod problem;
mod query;
mod request;
mod serve;
mod sheet;

pub use accepts::Accepts;
pub use answer::Answer;
pub use cookie::DeviceCookie;
pub(crate) use edge::Edge;
pub use fields::{Fields, FromField};
pub use format::Format;
pub use invoke::serve as serve_invocations;
pub use problem::PartProblem;
pub use query::Query;
pub use request::{IdempotencyKey, RefreshTokenIn, Request};
pub use serve::{DECISIONS, serve, serve_with};
pub use sheet::{Column, LineError, Row, Shape, Sheet};

/// Why a function stopped serving.
pub type Stopped = lambda_runtime::Error;
