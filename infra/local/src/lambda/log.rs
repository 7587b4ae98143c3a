//! Writes lines to the stack's stderr, each with the name of its writer.

use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use crate::plan::LogLevel;

/// Writes `[name] line`. Ignores errors: stderr may be closed.
pub(crate) fn line(name: &str, line: &str) {
    // One write per line, so that lines of different functions do not mix.
    let _ = std::io::stderr().lock().write_all(format!("[{name}] {line}\n").as_bytes());
}

/// The maximum number of bytes of a log that Lambda returns.
const TAIL_LIMIT: usize = 4096;

/// The end of a process's output.
#[derive(Default)]
pub(crate) struct Tail(Mutex<Vec<u8>>);

impl Tail {
    pub(crate) fn clear(&self) {
        self.bytes().clear();
    }

    pub(crate) fn read(&self) -> Vec<u8> {
        self.bytes().clone()
    }

    fn add(&self, line: &[u8]) {
        let mut bytes = self.bytes();
        bytes.extend_from_slice(line);
        let surplus = bytes.len().saturating_sub(TAIL_LIMIT);
        bytes.drain(..surplus);
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Copies `output` to stderr, line by line, until it ends. Drops the lines below the function's log level, as Lambda
/// does.
pub(crate) async fn pass_on(name: String, least: LogLevel, output: impl AsyncRead + Unpin, tail: Arc<Tail>) {
    let mut output = BufReader::new(output);
    let mut buffer = Vec::new();
    while let Ok(1..) = output.read_until(b'\n', &mut buffer).await {
        if level(&buffer) >= least {
            tail.add(&buffer);
            line(&name, String::from_utf8_lossy(&buffer).trim_end_matches(['\r', '\n']));
        }
        buffer.clear();
    }
}

/// The level by which Lambda filters a line: INFO, unless it is an object with a valid level and a valid timestamp.
fn level(line: &[u8]) -> LogLevel {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        level: std::borrow::Cow<'a, str>,
        #[serde(borrow)]
        timestamp: std::borrow::Cow<'a, str>,
    }
    serde_json::from_slice::<Line<'_>>(line)
        .ok()
        .filter(|line| OffsetDateTime::parse(&line.timestamp, &Rfc3339).is_ok())
        .and_then(|line| LogLevel::parse(&line.level))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_keeps_the_last_bytes() {
        let tail = Tail::default();
        tail.add(&[b'a'; 3000]);
        tail.add(&[b'b'; 3000]);
        assert_eq!(tail.read(), [vec![b'a'; 1096], vec![b'b'; 3000]].concat());
        tail.clear();
        assert!(tail.read().is_empty());
    }

    #[test]
    fn a_line_without_a_valid_level_and_timestamp_counts_as_info() {
        for (line, expected) in [
            (r#"{"level":"ERROR","timestamp":"2026-01-31T12:00:00Z"}"#, LogLevel::Error),
            (r#"{"timestamp":"2026-01-31T12:00:00.123456Z","level":"debug","message":"x"}"#, LogLevel::Debug),
            (r#"{"level":"FATAL","timestamp":"2026-01-31T12:00:00.123Z","n":1}"#, LogLevel::Fatal),
            (r#"{"level":"ERROR"}"#, LogLevel::Info),
            (r#"{"level":"ERROR","timestamp":"yesterday"}"#, LogLevel::Info),
            (r#"{"level":"ERROR","timestamp":1769860800}"#, LogLevel::Info),
            (r#"{"level":"LOUD","timestamp":"2026-01-31T12:00:00Z"}"#, LogLevel::Info),
            (r#"{"timestamp":"2026-01-31T12:00:00Z"}"#, LogLevel::Info),
            ("thread 'main' panicked", LogLevel::Info),
        ] {
            assert_eq!(level(line.as_bytes()), expected, "{line}");
        }
    }
}
