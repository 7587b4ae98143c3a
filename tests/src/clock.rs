//! Gives a stack its own time: all its processes read the wall clock from a file that the test writes.
//!
//! The tests run the binaries that are deployed, and those have no clock that can be set. A small library (`clock.c`, compiled
//! by the C compiler that our dependencies need anyway) therefore replaces the C library's clock, through `LD_PRELOAD` on
//! Linux. The stack does not pass its environment to its functions, so a script for each function sets the variables and
//! starts the binary. The stack finds these scripts where it asks `cargo` for the functions' binaries.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::template::functions;
use crate::workspace;

/// The wall clock of a stack. It does not advance by itself.
#[derive(Debug)]
pub struct Clock {
    millis: AtomicU64,
    file: File,
    folder: PathBuf,
}

impl Clock {
    /// A clock for a stack of these binaries.
    pub(crate) fn new(binaries: &Path, name: &str, millis: u64) -> io::Result<Self> {
        let folder = binaries.join("portal-tests").join(format!("clock-{name}-{}", std::process::id()));
        fs::create_dir_all(folder.join("functions"))?;
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(folder.join("now"))?;
        let clock = Self { millis: AtomicU64::new(millis), file, folder };
        clock.show(millis);
        clock.compile()?;
        let [library, now] = ["clock.so", "now"].map(|file| quoted(clock.folder.join(file).to_str().unwrap()));
        for function in functions() {
            let binary = quoted(binaries.join(&function.binary).to_str().unwrap());
            let script = format!("#!/bin/sh\nCLOCK_FILE={now} LD_PRELOAD={library} exec {binary}\n");
            executable(&clock.folder.join("functions").join(&function.binary), &script)?;
        }
        // This script replaces `cargo build`, which has already run. It prints the location of the function scripts.
        let functions = serde_json::json!({ "executable": clock.folder.join("functions/any") }).to_string();
        executable(&clock.folder.join("cargo"), &format!("#!/bin/sh\nprintf '%s\\n' {}\n", quoted(&functions)))?;
        Ok(clock)
    }

    fn compile(&self) -> io::Result<()> {
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(self.folder.join("clock.so"))
            .arg(workspace().join("tests/src/clock.c"))
            .output()?;
        if output.status.success() { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&output.stderr))) }
    }

    /// The environment variables that the stack itself is started with.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [("CLOCK_FILE", "now"), ("LD_PRELOAD", "clock.so"), ("CARGO", "cargo")]
            .map(|(name, file)| (name, self.folder.join(file)))
    }

    /// The time of this clock, in milliseconds since 1970.
    pub fn now(&self) -> u64 {
        self.millis.load(Ordering::SeqCst)
    }

    /// Advances the clock.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + u64::try_from(by.as_millis()).unwrap());
    }

    /// Sets the clock to this time, in milliseconds since 1970. It cannot go back.
    pub fn set(&self, millis: u64) {
        assert!(self.millis.swap(millis, Ordering::SeqCst) <= millis, "the clock cannot go back");
        self.show(millis);
    }

    /// Writes the eight bytes at once. They are in one page, so a reader sees the old time or the new one.
    fn show(&self, millis: u64) {
        self.file.write_all_at(&(millis * 1_000_000).to_ne_bytes(), 0).unwrap();
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn executable(path: &Path, script: &str) -> io::Result<()> {
    fs::write(path, script)?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
}

/// Quotes a text for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
