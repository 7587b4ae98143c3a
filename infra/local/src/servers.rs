//! The servers that functions use: the embedded DynamoDB and user pool, each on its own loopback port, and servers that
//! are given on the command line.

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

/// A server, with the region and credentials for signing calls to it. Some servers keep separate data for each access
/// key and region.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) region: String,
    pub(crate) credentials: Credentials,
}

impl Server {
    /// An embedded server, which accepts any signature.
    pub(crate) fn embedded(url: String) -> Self {
        Self { url, region: REGION.to_owned(), credentials: Credentials::from_keys("local", "local", None) }
    }

    /// A server that is given on the command line. Calls to it are signed with the usual environment variables for AWS
    /// or, without them, as for an embedded server.
    #[allow(clippy::disallowed_methods, reason = "the stack reads its own AWS variables only here")]
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

/// Why a server could not be started.
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
    serve_at_its_address(name, |_| router, tasks).await
}

/// Like [`serve`], for a router that depends on its address.
pub(crate) async fn serve_at_its_address(
    name: &'static str,
    router: impl FnOnce(SocketAddr) -> Router,
    tasks: &mut JoinSet<()>,
) -> io::Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    let (url, router) = (url(address), router(address));
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

/// DynamoDB's time to live. On AWS it can take days, so nothing may depend on when it happens.
async fn remove_expired_items(database: Database) {
    let mut tick = interval_at(Instant::now() + SWEEP_EVERY, SWEEP_EVERY);
    loop {
        tick.tick().await;
        let database = database.clone();
        if let Ok(Err(problem)) = spawn_blocking(move || database.sweep_ttl()).await {
            log::line("dynamodb", &format!("cannot remove expired items: {problem}; will retry"));
        }
    }
}
