//! A time of its own for a stack: all of its processes read the wall clock from a file that the test writes.
//!
//! What is tested is what is deployed, so no binary has a clock to set. A small library (`clock.c`, compiled by the C compiler
//! that our dependencies need anyway) stands in front of the C library's clock instead, as `LD_PRELOAD` does it on Linux. The
//! stack hands nothing of its environment to its functions, so each of them is started through a script of its own that does;
//! the stack finds the scripts where it asks `cargo` for the functions' binaries.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::template::functions;
use crate::workspace;

/// The wall clock of a stack. It stands still until it is moved.
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
        // In the place of `cargo build`, which has been done: it tells where the scripts are.
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

    /// What the stack itself is started with.
    pub(crate) fn environment(&self) -> [(&'static str, PathBuf); 3] {
        [("CLOCK_FILE", "now"), ("LD_PRELOAD", "clock.so"), ("CARGO", "cargo")]
            .map(|(name, file)| (name, self.folder.join(file)))
    }

    /// What time it is there, in milliseconds since 1970.
    pub fn now(&self) -> u64 {
        self.millis.load(Ordering::SeqCst)
    }

    /// Lets time pass there.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + u64::try_from(by.as_millis()).unwrap());
    }

    /// Makes it this time there, in milliseconds since 1970; never earlier than it was.
    pub fn set(&self, millis: u64) {
        assert!(self.millis.swap(millis, Ordering::SeqCst) <= millis, "time goes one way");
        self.show(millis);
    }

    /// One write of eight bytes, which lie in one page: whoever reads sees the old time or the new one.
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

/// For a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
