//! The servers that the stack brings along, each on a loopback port of its own: DynamoDB and the user pool.

use std::future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use axum::Router;
use dynoxide::Database;
use tokio::net::TcpListener;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, interval_at};

use crate::lambda::log;
use crate::template::REGION;
use crate::user_pool::{OpenError, UserPools};

const SWEEP_EVERY: Duration = Duration::from_mins(1);

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

/// Serves DynamoDB from the file, or from memory, for as long as `tasks` live. Returns its URL.
pub(crate) async fn dynamodb(file: Option<&Path>, tasks: &mut JoinSet<()>) -> Result<String, ServerError> {
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
    Ok(url)
}

/// Serves the user pool from the file, or from memory, for as long as `tasks` live. Returns its URL.
pub(crate) async fn user_pool(file: Option<&Path>, tasks: &mut JoinSet<()>) -> Result<String, ServerError> {
    let pools = UserPools::open(file, REGION)?;
    Ok(serve("user-pool", pools.router(), tasks).await?)
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
