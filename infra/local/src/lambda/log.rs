//! Lines on the stack's stderr, each with the name of what wrote it.

use std::io::Write as _;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// Writes `[name] line`. A closed stderr is nobody's problem here.
pub(crate) fn line(name: &str, line: &str) {
    // One write per line, so that lines of different functions do not mix.
    let _ = std::io::stderr().lock().write_all(format!("[{name}] {line}\n").as_bytes());
}

/// Passes everything that `output` yields on to stderr, line by line, until it ends.
pub(crate) async fn pass_on(name: String, output: impl AsyncRead + Unpin) {
    let mut output = BufReader::new(output);
    let mut buffer = Vec::new();
    while let Ok(1..) = output.read_until(b'\n', &mut buffer).await {
        line(&name, String::from_utf8_lossy(&buffer).trim_end_matches(['\r', '\n']));
        buffer.clear();
    }
}
