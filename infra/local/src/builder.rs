//! Builds the functions' binaries with the profile that the stack itself was built with, so that nothing compiles twice.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

/// What `cargo run` sets for the program that it starts. Build scripts that watch these variables would run again, and
/// their packages compile again, if they reached the cargo below.
const OF_THE_OUTER_CARGO: &[&str] = &[
    "CARGO",
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_PKG_AUTHORS",
    "CARGO_PKG_DESCRIPTION",
    "CARGO_PKG_HOMEPAGE",
    "CARGO_PKG_LICENSE",
    "CARGO_PKG_LICENSE_FILE",
    "CARGO_PKG_NAME",
    "CARGO_PKG_README",
    "CARGO_PKG_REPOSITORY",
    "CARGO_PKG_RUST_VERSION",
    "CARGO_PKG_VERSION",
    "CARGO_PKG_VERSION_MAJOR",
    "CARGO_PKG_VERSION_MINOR",
    "CARGO_PKG_VERSION_PATCH",
    "CARGO_PKG_VERSION_PRE",
];

/// Why there are no binaries.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("`{cargo}` cannot be started, and the functions have to be built: {source}")]
    NoCargo { cargo: String, source: io::Error },
    #[error("cargo's messages cannot be read: {0}")]
    Messages(#[from] io::Error),
    #[error("the functions do not build: see cargo's messages above")]
    Failed,
    #[error("the build made no binary")]
    NoBinaries,
}

/// The lines of cargo's messages that matter here.
#[derive(Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// Builds all binaries of the workspace and returns their folder. What cargo has to say goes to stderr.
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
    for name in OF_THE_OUTER_CARGO {
        command.env_remove(name);
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
    #[expect(
        clippy::disallowed_methods,
        reason = "the one look at the environment: which cargo runs here is known nowhere else"
    )]
    let cargo = std::env::var_os("CARGO");
    cargo.unwrap_or_else(|| "cargo".into())
}
