//! `cargo run`: runs the whole partner portal on one machine from its deployment template. This file parses the command
//! line, prints the addresses, and ends the process on signals and errors.

mod agency;
mod builder;
mod demo;
mod gateway;
mod iam;
mod lambda;
mod mail;
mod pattern;
mod plan;
mod proxy;
mod resources;
mod servers;
mod signature;
mod stack;
mod streams;
mod template;
mod user_pool;
mod workspace;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::stack::{Choices, Stack};

/// Runs the partner portal on this machine, from template.yaml.
#[derive(Debug, Parser)]
#[command(version)]
#[expect(clippy::struct_excessive_bools, reason = "each one is an option of the command line")]
struct Options {
    /// The port of the portal; 0 selects a free port
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Keep all data in memory; the next start is empty
    #[arg(long)]
    ephemeral: bool,
    /// Keep all data in this folder instead of .portal/
    #[arg(long, value_name = "PATH", conflicts_with = "ephemeral")]
    data_folder: Option<PathBuf>,
    /// Start with a demo agency: 40 users and a year of history. Data is in memory, unless --data-folder names a new folder
    #[arg(long, conflicts_with = "dynamodb_endpoint")]
    demo: bool,
    /// When ready, print one line of JSON with all addresses and names
    #[arg(long)]
    json: bool,
    /// Use this DynamoDB instead of the embedded one
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    dynamodb_endpoint: Option<String>,
    /// Use this Cognito instead of the embedded user pool
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    cognito_endpoint: Option<String>,
    /// Use this SES instead of the embedded one and its mailbox
    #[arg(long, value_name = "URL", value_parser = endpoint)]
    ses_endpoint: Option<String>,
    /// Set a parameter of template.yaml
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,
    /// Record the permissions and the AWS calls of the functions in this file
    #[arg(long, value_name = "PATH", hide = true)]
    record_calls: Option<PathBuf>,
    /// Run no function on a schedule
    #[arg(long, hide = true)]
    no_schedules: bool,
    /// Run no function on the stream of a table
    #[arg(long, hide = true)]
    no_streams: bool,
}

/// Parses the address of a server. The result has no slash at its end.
fn endpoint(text: &str) -> Result<String, String> {
    let url = reqwest::Url::parse(text).map_err(|error| error.to_string())?;
    if url.scheme() == "http" && url.has_host() {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("only servers at http:// are supported".to_owned())
    }
}

fn parameter(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn main() -> ExitCode {
    let options = Options::parse();
    let ended = Runtime::new().map_err(Into::into).and_then(|runtime| {
        let ended = runtime.block_on(run(options));
        // Do not wait for computations that are still running, such as a key for a new pool.
        runtime.shutdown_background();
        ended
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), Box<dyn std::error::Error>> {
    let mut signals = Signals::new()?;
    let choices = Choices {
        port: options.port,
        ephemeral: options.ephemeral || options.demo && options.data_folder.is_none(),
        demo: options.demo,
        data: options.data_folder,
        dynamodb: options.dynamodb_endpoint,
        cognito: options.cognito_endpoint,
        ses: options.ses_endpoint,
        parameters: options.parameters.into_iter().collect(),
        record: options.record_calls,
        no_schedules: options.no_schedules,
        no_streams: options.no_streams,
    };
    let stack = tokio::select! {
        biased;
        () = signals.interrupted() => return Ok(()),
        stack = Stack::start(&choices) => stack?,
    };
    let text = if options.json { json(&stack)? } else { welcome(&stack, choices.demo) };
    // Ignore errors: stdout may be closed, but the portal must still run.
    let _ = io::stdout().write_all(text.as_bytes());
    signals.interrupted().await;
    stack.stop().await;
    Ok(())
}

/// Ctrl-C, and the signal by which a supervisor ends the process.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn interrupted(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

fn json(stack: &Stack) -> serde_json::Result<String> {
    serde_json::to_string(&stack.ready).map(|line| line + "\n")
}

fn welcome(stack: &Stack, is_demo: bool) -> String {
    let ready = &stack.ready;
    let data = match &stack.data {
        Some(folder) => format!("in {} (remove it to start with an empty portal)", folder.display()),
        None => "in memory, lost when this process ends".to_owned(),
    };
    let shared = if is_demo {
        "\n              All users who can sign in without a second factor have this password."
    } else {
        ""
    };
    let mailbox = ready.mail_url.as_ref().map(|url| format!("  Mailbox     {url}\n")).unwrap_or_default();
    format!(
        "
  The partner portal is running.

  Open        {url}/?partner={partner}
  Sign in as  {email}
  Password    {password}{shared}

{mailbox}  Functions   {lambda} (for `aws lambda invoke --endpoint-url`)
  Data        {data}
  Logs        on stderr

  Press Ctrl-C to stop it.

",
        url = ready.url,
        email = ready.primary_admin.email,
        password = ready.primary_admin.password,
        partner = ready.partner_id,
        lambda = ready.lambda_url,
    )
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_options_are_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn an_endpoint_is_an_http_url() {
        assert_eq!(endpoint("http://localhost:8000/"), Ok("http://localhost:8000".into()));
        for wrong in ["localhost:8000", "https://localhost", "8000", ""] {
            assert!(endpoint(wrong).is_err(), "{wrong}");
        }
    }
}
