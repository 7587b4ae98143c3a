//! Builds the functions' binaries with the build profile of the stack itself, so that nothing compiles twice.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// Why the build failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("cannot start `{cargo}` to build the functions: {source}")]
    NoCargo { cargo: String, source: io::Error },
    #[error("cargo's messages cannot be read: {0}")]
    Messages(#[from] io::Error),
    #[error("the functions could not be built: see cargo's messages above")]
    Failed,
    #[error("the build produced no binary")]
    NoBinaries,
}

/// The field of cargo's messages that matters here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// Builds all binaries of the workspace and returns their folder. Cargo's diagnostics go to stderr.
pub(crate) async fn build(root: &Path) -> Result<PathBuf, BuildError> {
    let cargo = cargo();
    let mut command = Command::new(&cargo);
    command
        .args(["build", "--bins", "--message-format", "json-render-diagnostics", "--manifest-path"])
        .arg(root.join("Cargo.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    // `cargo run` sets these variables for this package. Build scripts that watch them would run again, and their
    // packages would compile again.
    let is_of_package =
        |name: &str| name == "OUT_DIR" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(name);
        }
    }
    let mut child = command
        .spawn()
        .map_err(|source| BuildError::NoCargo { cargo: cargo.to_string_lossy().into_owned(), source })?;

    let mut binaries = None;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout).lines();
        while let Some(line) = lines.next_line().await? {
            let executable = serde_json::from_str::<Message>(&line).ok().and_then(|message| message.executable);
            if let Some(folder) = executable.as_deref().and_then(Path::parent) {
                binaries = Some(folder.to_owned());
            }
        }
    }
    if !child.wait().await?.success() {
        return Err(BuildError::Failed);
    }
    binaries.ok_or(BuildError::NoBinaries)
}

/// The cargo that started the stack, else the one on the path.
fn cargo() -> OsString {
    #[expect(clippy::disallowed_methods, reason = "only the environment names the cargo that runs here")]
    let cargo = std::env::var_os("CARGO");
    cargo.unwrap_or_else(|| "cargo".into())
}
