//! `POST /v1/users/bulk`: removes, signs out or suspends many users, each as if it were asked for alone.
//!
//! One transaction for each user, one after another: they all rest on the caller's own item, where two at once would meet.
//! What stands against one user is told for that one, and the others go on. What stands against all that is left (the
//! caller's session has ended, AWS fails, time is up) ends the request as it would any other while nothing is done; once
//! something is, it is told for each that is left. So nothing that is done goes untold, and all is safe to ask for again.

mod result;
mod work;

use std::collections::{BTreeMap, BTreeSet};

use portal::App;
use portal::error::Failure;
use portal::http::{Answer, PartProblem, Request, Stopped, serve};
use portal::models::UserId;
use portal::session::Claims;
use result::{Outcome, UserResult};
use serde::Serialize;
use work::{Task, Work};

/// The most users in one request.
const MAX_USERS: usize = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(change_users).await
}

#[derive(Serialize)]
struct Results {
    /// In the order in which they were asked for.
    results: Vec<UserResult>,
}

async fn change_users(app: &App, request: Request) -> Result<Answer, Failure> {
    let claims = Claims::read(request.claims())?;
    // Told only to who is signed in.
    let input = parse(&request);
    let mut item_keys = claims.item_keys().to_vec();
    let keys = input.iter().flat_map(|(_, names)| names).filter_map(|name| claims.named_key(name));
    item_keys.extend(keys.map(|key| key.item_key()));
    let stored = app.store().read(&item_keys).await?;
    let caller = claims.caller(&stored, app.now())?;
    let (task, names) = input?;

    // Oneself last: nobody acts once signed out.
    let (own, others): (Vec<&String>, Vec<&String>) = names.iter().partition(|name| *name == caller.user.id.as_str());
    let mut work = Work::new(app, &request, task, caller);
    let mut results = BTreeMap::new();
    let mut stopped: Option<(Outcome, PartProblem)> = None;
    for name in others.into_iter().chain(own) {
        if let Some((outcome, problem)) = &stopped {
            results.insert(name, UserResult::failed(name, *outcome, problem.clone()));
            continue;
        }
        // A malformed id names nobody.
        let done = match UserId::parse(name) {
            Ok(id) => work.carry_out(&id, stored.get(&claims.colleague_key(&id))?.map(|item| item.user)).await,
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
    work.end().await?;
    Answer::json(200, &Results { results: names.iter().filter_map(|name| results.remove(name)).collect() })
}

fn parse(request: &Request) -> Result<(Task, Vec<String>), Failure> {
    let mut body = request.body()?;
    let task = body.required("action");
    let ids: Option<Vec<String>> = body.required("user_ids");
    if let Some(ids) = &ids {
        if ids.is_empty() || ids.len() > MAX_USERS {
            body.refuse("user_ids", "wrong_length", "From 1 to 100 users can be changed at once.");
        } else if ids.iter().collect::<BTreeSet<_>>().len() < ids.len() {
            body.refuse("user_ids", "repeated", "A user is named more than once.");
        }
    }
    body.finish((|| Some((task?, ids?)))())
}
