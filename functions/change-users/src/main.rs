//! `POST /v1/users/bulk`: removes, signs out or suspends many users. Each change
//! is the same as that of a single request.
//!
//! Each user has a transaction of its own, one after another: all of them depend on the caller's item, where concurrent
//! transactions would conflict. A failure that concerns one user is reported for that user, and the others continue. A
//! failure that concerns the whole request (the caller's session has ended, AWS fails, time is up) fails the request if
//! nothing has been committed; otherwise the remaining users are reported as failed. So no committed change goes
//! unreported, and a retry is safe.

mod result;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, PartProblem, Request, Stopped, serve};
use portal::models::UserId;
use result::{Outcome, UserResult};
use serde::Serialize;
use work::{Task, Work};

/// The maximum number of users in one request.
const MAX_USERS: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(change_users).await
}

#[derive(Serialize)]
struct Results {
    /// In the order of the request.
    results: Vec<UserResult>,
}

async fn change_users(app: &App, request: Request) -> Result<Answer, Failure> {
    let input = parse(&request);
    let mut read = Call::begin(app, &request)?;
    let ids = input.iter().flat_map(|(_, names)| names).filter_map(|name| UserId::parse(name).ok());
    let targets: BTreeMap<_, _> = ids.map(|id| (id.clone(), read.target(Some(id)))).collect();
    let (call, (task, names)) = read.send_with(input).await?;
    let mut targets: BTreeMap<_, _> = targets.into_iter().map(|(id, key)| (id, call.target(&key))).collect();

    // The caller comes last: a user whose sessions have ended cannot change anything.
    let own_id = call.caller.user.id.clone();
    let (own, others): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| *name == own_id.as_str());
    let mut work = Work::new(call, &request, task);
    let mut results = BTreeMap::new();
    let mut stopped: Option<(Outcome, PartProblem)> = None;
    for name in others.into_iter().chain(own) {
        if let Some((outcome, problem)) = &stopped {
            results.insert(name, UserResult::failed(name, *outcome, problem.clone()));
            continue;
        }
        // A malformed id names no user.
        let done = match UserId::parse(name) {
            Ok(id) => match targets.remove(&id) {
                Some(Ok(target)) => work.carry_out(target).await,
                Some(Err(failure)) => Err(failure),
                None => Err(Failure::NotFound),
            },
            Err(_) => Err(Failure::NotFound),
        };
        let done = match done {
            Ok((outcome, user)) => UserResult::done(name, outcome, user),
            Err(failure) => {
                let (outcome, stops) = Outcome::of(&failure);
                if stops && work.is_nothing_done() {
                    return Err(failure);
                }
                let problem = PartProblem::new(failure, &request);
                if stops {
                    stopped = Some((outcome, problem.clone()));
                }
                UserResult::failed(name, outcome, problem)
            }
        };
        results.insert(name, done);
    }
    work.revoke().await?;
    Answer::json(200, &Results { results: names.iter().filter_map(|name| results.remove(name)).collect() })
}

fn parse(request: &Request) -> Result<(Task, Vec<String>), Failure> {
    let mut body = request.body()?;
    let task = body.required("action");
    let ids: Option<Vec<String>> = body.required("user_ids");
    if let Some(ids) = &ids {
        if ids.is_empty() || ids.len() > MAX_USERS {
            body.refuse("user_ids", "wrong_length", "The list must contain 1 to 100 users.");
        } else if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            body.refuse("user_ids", "repeated", "A user is named more than once.");
        }
    }
    body.finish(|| Some((task?, ids?)))
}
