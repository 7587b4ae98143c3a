//! Makes sure that no function outlives the stack, however the stack ends.
//!
//! Every function process joins the process group of one small shell, whose stdin is a pipe that only the stack holds.
//! The pipe closes when the stack ends, even by `kill -9`. The shell then kills its group, including itself. Asking the
//! kernel for the same (`PR_SET_PDEATHSIG`) would need unsafe code and works on Linux only.

use std::io;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};

/// `read` returns when the pipe closes, since nothing is ever written to it; group 0 is the shell's own.
const SCRIPT: &str = "read -r _; kill -KILL 0";
const PATIENCE: Duration = Duration::from_secs(1);

/// The process group of all functions. Dropping this value kills the group.
pub(crate) struct Guard {
    group: i32,
    shell: Mutex<Option<(Child, ChildStdin)>>,
}

impl Guard {
    pub(crate) fn start() -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A separate group: Ctrl-C in the terminal must reach only the stack, which then ends its functions in
            // order.
            .process_group(0)
            .spawn()?;
        let group = shell.id().and_then(|id| i32::try_from(id).ok());
        match (group, shell.stdin.take()) {
            (Some(group), Some(lifeline)) => Ok(Self { group, shell: Mutex::new(Some((shell, lifeline))) }),
            (None | Some(_), _) => Err(io::Error::other("the shell ended at once")),
        }
    }

    /// The process group that a function must join.
    pub(crate) fn group(&self) -> i32 {
        self.group
    }

    /// Kills every process of the group.
    pub(crate) async fn kill(&self) {
        let shell = self.shell.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((mut shell, lifeline)) = shell {
            drop(lifeline);
            // The shell dies from its own signal, so the other processes have been killed once it has ended.
            let _ = tokio::time::timeout(PATIENCE, shell.wait()).await;
        }
    }
}
