//! The stack under test: the real `portal-local` binary as a child process.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde::Deserialize;

#[cfg(target_os = "linux")]
use crate::clock::Clock;
use crate::deployed;
use crate::faults::children;

/// Runs the stack and ends it when the watcher's stdin closes. The kernel closes it however the tests end, including after a
/// panic, `kill -9` or an interrupt. A line on stdin names a signal, which ends the stack. The watcher closes its own stdout,
/// so that the reader sees the end of the output if the stack dies.
const WATCHER: &str = r#"
    "$@" </dev/null &
    stack=$!
    exec >&-
    read -r signal
    kill "-${signal:-TERM}" "$stack" 2>/dev/null
    wait "$stack"
"#;

/// An option for a stack whose mail is off.
pub const NO_MAIL: &str = "--parameter=MailFrom=";
/// An option for a stack that sends mail only when a test asks for it.
pub const NO_STREAMS: &str = "--no-streams";

/// The line that the stack prints when it is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// The URL of the API.
    pub url: String,
    /// The URL of the Invoke API.
    pub lambda_url: String,
    /// The URL of the tables, which accept any credentials.
    pub dynamodb_url: String,
    /// The URL of the user pool, which accepts any credentials.
    pub cognito_url: String,
    /// The URL of SES, which accepts any credentials.
    pub ses_url: String,
    /// The URL of the mailbox. `None` if mail is off.
    pub mail_url: Option<String>,
    /// The user pool's id.
    pub user_pool_id: String,
    /// The user pool's only client.
    pub client_id: String,
    /// The tables' names.
    pub tables: Vec<String>,
    /// The demo partner.
    pub partner_id: String,
    /// The credentials of the demo partner's primary admin.
    pub primary_admin: Login,
}

/// The credentials of a user.
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
    /// The line that it printed when it was ready.
    pub ready: Ready,
    /// The file with its logs and those of every function.
    pub log: PathBuf,
    /// `None` for a deployed stack.
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    watcher: Child,
    orders: ChildStdin,
}

/// The stack that all tests of this binary share. The first test that needs it starts it. If `PORTAL_STACK` names a deployed
/// stack, that one is used. `PORTAL_DYNAMODB`, `PORTAL_COGNITO` and `PORTAL_SES` name servers that replace the embedded ones.
pub fn stack() -> &'static Stack {
    static STACK: OnceLock<Result<Stack, String>> = OnceLock::new();
    let started = STACK.get_or_init(|| match deployed::name() {
        None => {
            let servers = [
                ("--dynamodb-endpoint", "PORTAL_DYNAMODB"),
                ("--cognito-endpoint", "PORTAL_COGNITO"),
                ("--ses-endpoint", "PORTAL_SES"),
            ];
            let servers = servers.map(|(option, name)| variable(name).map(|url| format!("{option}={url}")));
            let options: Vec<&str> = servers.iter().flatten().map(String::as_str).chain(["--ephemeral"]).collect();
            Stack::start("shared", &options)
        }
        Some(name) => Ok(Stack { ready: deployed::ready(&name)?, log: PathBuf::from("/dev/null"), running: None }),
    });
    started.as_ref().unwrap_or_else(|error| panic!("the stack does not start: {error}"))
}

/// An environment variable that configures the tests.
#[allow(clippy::disallowed_methods, reason = "this configures the tests; it is not part of the portal")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The root of the repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

impl Stack {
    /// Builds and starts a stack on a free port. `name` distinguishes its log from others of this test binary.
    pub fn start(name: &str, options: &[&str]) -> Result<Self, String> {
        Self::start_in(&built()?, name, options, &[])
    }

    /// Like [`start`](Self::start), but with its own clock. The clock starts at `millis` since 1970 and does not advance until
    /// a test moves it.
    #[cfg(target_os = "linux")]
    pub fn start_at(millis: u64, name: &str, options: &[&str]) -> Result<(Self, Clock), String> {
        let binaries = built()?;
        let clock = Clock::new(&binaries, name, millis).map_err(|error| format!("could not make a clock: {error}"))?;
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
            // A scheduled function would act in the middle of a long test. Two stacks that share tables but not the user
            // pool would also repair each other's marks in the wrong pool.
            .args(["--port", "0", "--json", "--no-schedules"])
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

    /// Ends the stack with a signal such as `KILL`, and waits for its exit.
    pub fn end(mut self, signal: &str) {
        let mut running = self.running.take().expect("the tests started this stack");
        writeln!(running.orders, "{signal}").unwrap();
        running.watcher.wait().unwrap();
    }

    /// The running processes of all functions, each with the name of its binary.
    pub(crate) fn processes(&self) -> Vec<(u32, String)> {
        let stacks = self.running.iter().flat_map(|running| children(running.watcher.id()));
        // The shell that watches them is also a child of the stack.
        stacks.flat_map(|(stack, _)| children(stack)).filter(|(_, binary)| binary != "sh").collect()
    }

    /// The logs up to now, as soon as they contain this text. The lines of a function can come shortly after its response.
    pub async fn logged_until(&self, text: &str) -> String {
        for _ in 0..500 {
            let logged = self.logged();
            if logged.contains(text) {
                return logged;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the log does not contain {text:?}, so it proves nothing");
    }

    /// The logs of the stack and its functions up to now.
    pub fn logged(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

/// Builds all binaries once, with the profile of the tests. Returns the folder of the binaries.
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
        // Cargo's variables for this test's package would make the build scripts that watch them run again, and everything
        // that depends on their packages would be compiled again.
        let is_of_package =
            |name: &str| name == "OUT_DIR" || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(is_of_package) {
                cargo.env_remove(name);
            }
        }
        let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
        if output.status.success() { Ok(binaries) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    };
    BUILT.get_or_init(build).clone()
}

/// `target/<profile>/portal-tests/<suite>-<name>-<pid>.log`. Deletes the logs of runs that have ended.
fn log_path(binaries: &Path, name: &str) -> std::io::Result<PathBuf> {
    let folder = binaries.join("portal-tests");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let pid = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.rsplit('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another test binary may have deleted it first.
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
