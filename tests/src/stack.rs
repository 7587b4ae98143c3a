//! The stack under test: the real `portal-local` binary as a child process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;

#[cfg(target_os = "linux")]
use crate::clock::Clock;
use crate::deployed;
use crate::faults::children;

/// Runs the stack and ends it once its own stdin closes, which the kernel does for us however the tests end: a panic,
/// `kill -9` and an interrupt included. A line on stdin ends it with that signal. Its stdout is closed, so that the
/// reader sees the end when the stack is the one to die.
const WATCHER: &str = r#"
    "$@" </dev/null &
    stack=$!
    exec >&-
    read -r signal
    kill "-${signal:-TERM}" "$stack" 2>/dev/null
    wait "$stack"
"#;

/// What the stack says when it is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Where the API answers.
    pub url: String,
    /// Where functions can be invoked.
    pub lambda_url: String,
    /// The tables, for any credentials.
    pub dynamodb_url: String,
    /// The user pool, for any credentials.
    pub cognito_url: String,
    /// The user pool's id.
    pub user_pool_id: String,
    /// The user pool's only client.
    pub client_id: String,
    /// The tables' names.
    pub tables: Vec<String>,
    /// The demo partner.
    pub partner_id: String,
    /// How to sign in as the demo partner's primary admin.
    pub primary_admin: Login,
}

/// How somebody signs in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The email.
    pub email: String,
    /// The password.
    pub password: String,
}

/// A running stack.
#[derive(Debug)]
pub struct Stack {
    /// What it said when it was ready.
    pub ready: Ready,
    /// Where its logs, and those of every function, go.
    pub log: PathBuf,
    /// `None` for a stack that is deployed.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    watcher: Child,
    orders: ChildStdin,
}

/// The stack that all tests of this binary share, started by the first that asks; or the one that is deployed as
/// `PORTAL_STACK`. `PORTAL_DYNAMODB` and `PORTAL_COGNITO` name servers for it to use in place of the embedded ones.
pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Result<Stack, String>> = OnceLock::new();
    let started = STACK.get_or_init(|| match deployed::name() {
        None => {
            let servers = [("--dynamodb-endpoint", "PORTAL_DYNAMODB"), ("--cognito-endpoint", "PORTAL_COGNITO")];
            let servers = servers.map(|(option, name)| variable(name).map(|url| format!("{option}={url}")));
            let options: Vec<&str> = servers.iter().flatten().map(String::as_str).chain(["--ephemeral"]).collect();
            Stack::start("shared", &options)
        }
        Some(name) => Ok(Stack { ready: deployed::ready(&name)?, log: PathBuf::from("/dev/null"), running: None }),
    });
    started.as_ref().unwrap_or_else(|error| panic!("the stack does not start: {error}"))
}

/// What the environment says of where and how to test.
#[allow(clippy::disallowed_methods, reason = "this says what to test; it is no part of the portal")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The root of the repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

impl Stack {
    /// Builds and starts a stack on a free port; `name` tells its log from others of this test binary.
    pub fn start(name: &str, options: &[&str]) -> Result<Self, String> {
        Self::start_in(&built()?, name, options, &[])
    }

    /// As [`start`](Self::start), in a time of its own, which begins at `millis` since 1970 and stands still until the
    /// clock is moved.
    #[cfg(target_os = "linux")]
    pub fn start_at(millis: u64, name: &str, options: &[&str]) -> Result<(Self, Clock), String> {
        let binaries = built()?;
        let clock = Clock::new(&binaries, name, millis).map_err(|error| format!("a clock of its own: {error}"))?;
        let stack = Self::start_in(&binaries, name, options, &clock.environment())?;
        Ok((stack, clock))
    }

    fn start_in(
        binaries: &Path,
        name: &str,
        options: &[&str],
        environment: &[(&str, PathBuf)],
    ) -> Result<Self, String> {
        let log = log_path(binaries, name).map_err(|error| format!("the log file: {error}"))?;
        let stderr = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut watcher = Command::new("sh")
            .args(["-c", WATCHER, "sh"])
            .arg(binaries.join("portal-local"))
            .args(["--port", "0", "--json"])
            .args(options)
            .current_dir(workspace())
            .envs(environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let orders = watcher.stdin.take().unwrap();
        let mut line = String::new();
        BufReader::new(watcher.stdout.take().unwrap()).read_line(&mut line).map_err(|error| error.to_string())?;
        let ready = serde_json::from_str(&line).map_err(|error| {
            let logged = fs::read_to_string(&log).unwrap_or_default();
            format!("its ready line {line:?}: {error}; it logged:\n{logged}")
        })?;
        Ok(Self { ready, log, running: Some(Running { watcher, orders }) })
    }

    /// Ends it with a signal such as `KILL`, and waits until it is gone.
    pub fn end(mut self, signal: &str) {
        let mut running = self.running.take().expect("a stack of our own");
        writeln!(running.orders, "{signal}").unwrap();
        running.watcher.wait().unwrap();
    }

    /// The running processes of all functions, with what they run.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let stacks = self.running.iter().flat_map(|running| children(running.watcher.id()));
        // Beside them there is the shell that guards them.
        stacks.flat_map(|(stack, _)| children(stack)).filter(|(_, binary)| binary != "sh").collect()
    }

    /// Everything that it and its functions logged so far.
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

/// Builds all binaries, once, the way the tests were built, and says in which folder they are.
fn built() -> Result<PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        // …/target/<profile>/deps/api-1234
        let executable = std::env::current_exe().map_err(|error| error.to_string())?;
        let binaries = executable.ancestors().nth(2).ok_or("the test binary is in no target folder")?.to_owned();
        let profile = match binaries.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(name) => name,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--bins", "--profile", profile]).current_dir(workspace());
        // What cargo says of this test's package would make build scripts that watch it run again.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                cargo.env_remove(name);
            }
        }
        let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
        if output.status.success() { Ok(binaries) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    };
    BUILT.get_or_init(build).clone()
}

/// `target/<profile>/portal-tests/<suite>-<name>-<pid>.log`. Logs of runs that are over go.
fn log_path(binaries: &Path, name: &str) -> std::io::Result<PathBuf> {
    let folder = binaries.join("portal-tests");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let pid = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.rsplit('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another test binary may have been quicker.
            let _ = fs::remove_file(path);
        }
    }
    Ok(folder.join(format!("{}-{name}-{}.log", suite(), std::process::id())))
}

/// The name of this test binary.
pub(crate) fn suite() -> String {
    let executable = std::env::current_exe().unwrap();
    let suite = executable.file_name().and_then(|name| name.to_str()).and_then(|name| name.rsplit_once('-'));
    suite.map_or("tests", |(suite, _)| suite).to_owned()
}
