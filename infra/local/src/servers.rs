//! The servers that functions build on: those that the stack brings along, DynamoDB and the user pool, each on a loopback port of
//! its own; and others that are named on the command line.

use std::future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use aws_credential_types::Credentials;
use axum::Router;
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, interval_at};

use crate::lambda::log;
use crate::template::REGION;
use crate::user_pool::{OpenError, UserPools};

const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// A server, and what calls to it are signed with. Some servers keep separate data for each access key and region.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
}

impl Server {
    /// One that the stack brings along, which takes any signature.
    pub(crate) fn embedded(url: String) -> Self {
        Self { url, region: REGION.to_owned(), credentials: Credentials::from_keys("local", "local", None) }
    }

    /// One that is named on the command line: the usual variables of the environment say what its calls are signed with. Without
    /// them, they are signed as for a server of the stack's own.
    #[allow(clippy::disallowed_methods, reason = "the stack has no other home for its environment")]
    pub(crate) fn external(url: String) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let mut server = Self::embedded(url);
        if let Some(region) = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")) {
            server.region = region;
        }
        if let Some((id, secret)) = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY")) {
            server.credentials = Credentials::from_keys(id, secret, variable("AWS_SESSION_TOKEN"));
        }
        server
    }
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServerError {
    #[error("no free port on 127.0.0.1: {0}")]
    Port(#[from] io::Error),
    #[error("the embedded DynamoDB cannot open its data: {0}")]
    DynamoDb(#[from] dynoxide::DynoxideError),
    #[error("the embedded user pool cannot open its data: {0}")]
    UserPool(#[from] OpenError),
}

/// Serves DynamoDB from the file, or from memory, for as long as `tasks` live.
pub(crate) async fn dynamodb(file: Option<&Path>, tasks: &mut JoinSet<()>) -> Result<Server, ServerError> {
    let database = match file {
        Some(file) => Database::new(&file.to_string_lossy())?,
        None => Database::memory()?,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = url(listener.local_addr()?);
    tasks.spawn(remove_expired_items(database.clone()));
    tasks.spawn(async move {
        if let Err(problem) = dynoxide::server::serve_with_shutdown(listener, database, future::pending()).await {
            log::line("dynamodb", &problem);
        }
    });
    Ok(Server::embedded(url))
}

/// Serves the user pool from the file, or from memory, for as long as `tasks` live.
pub(crate) async fn user_pool(file: Option<&Path>, tasks: &mut JoinSet<()>) -> Result<Server, ServerError> {
    let pools = UserPools::open(file, REGION)?;
    Ok(Server::embedded(serve("user-pool", pools.router(), tasks).await?))
}

/// Serves a router on a free port of 127.0.0.1 for as long as `tasks` live. Returns its URL.
pub(crate) async fn serve(name: &'static str, router: Router, tasks: &mut JoinSet<()>) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = url(listener.local_addr()?);
    tasks.spawn(async move {
        if let Err(problem) = axum::serve(listener, router).await {
            log::line(name, &problem.to_string());
        }
    });
    Ok(url)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

/// DynamoDB's time to live. AWS takes up to days for it; nothing may depend on when it happens.
async fn remove_expired_items(database: Database) {
    let mut tick = interval_at(Instant::now() + SWEEP_EVERY, SWEEP_EVERY);
    loop {
        tick.tick().await;
        let database = database.clone();
        if let Ok(Err(problem)) = spawn_blocking(move || database.sweep_ttl()).await {
            log::line("dynamodb", &format!("expired items stay for now: {problem}"));
        }
    }
}
