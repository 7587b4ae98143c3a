//! Counts the instructions before the first request for work. Their number does not depend on the load of the machine.

use std::fs;
use std::process::{Command, Stdio};

use crate::stand_in::{Process, Program};
use crate::{Outcome, folder};

/// Whether valgrind can be run.
pub(crate) fn is_there() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// The instructions that a program needs to start.
pub(crate) async fn instructions(program: &Program) -> Outcome<u64> {
    let log = folder("logs")?.join("callgrind.log");
    let _ = fs::remove_file(&log);
    let tool = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"].map(Into::into);
    let program = Program {
        command: tool.into_iter().chain(program.command.iter().cloned()).collect(),
        log: log.clone(),
        ..program.clone()
    };
    Process::start(&program).await?.0.terminate()?;
    let log = fs::read_to_string(&log)?;
    let collected = log.lines().find_map(|line| line.split_once("Collected : "));
    let (_, count) = collected.ok_or_else(|| format!("callgrind counted nothing:\n{log}"))?;
    Ok(count.trim().parse()?)
}
