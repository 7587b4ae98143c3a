//! Invoked by operators after a table was restored: ends every session of every user of every partner, for good.
//!
//! A restored table may name generations that were issued and ended since. So everybody gets a generation that never was,
//! and all session rows of earlier ones go. It works for some minutes, then says where to go on from.

use std::time::Duration;

use portal::Portal;
use portal::error::Failure;
use portal::http::{Fields, Stopped, serve_invocations};
use portal::models::{EventAction, User};
use portal::store::{Actor, Event, Position};
use serde::Serialize;
use tokio::task::JoinSet;

/// What is not begun by then is left to the next run. Less than the function's time in the template.
const WORK_FOR: Duration = Duration::from_mins(12);

/// Users under way at once.
const AT_ONCE: usize = 16;

/// What cursors of this list are sealed with.
const LIST: &str = "everyone";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_invocations(end_all_sessions).await
}

#[derive(Default, Serialize)]
struct Report {
    /// Users whose sessions were ended.
    ended: u64,
    /// Where the next run has to go on `from`; none: that was everybody.
    next: Option<String>,
}

async fn end_all_sessions(portal: &'static Portal, mut input: Fields, request_id: String) -> Result<Report, Failure> {
    let from: Option<Option<String>> = input.optional("from");
    let cursor = input.finish(from)?;
    let wrong = || Failure::InvalidRequest("`from` is not what an earlier run gave as `next`.", Vec::new());
    let mut position = match &cursor {
        Some(cursor) => Some(Position::from_cursor(LIST, cursor).ok_or_else(wrong)?),
        None => None,
    };

    let start = portal.now();
    let mut report = Report::default();
    loop {
        if portal.now() > start.plus(WORK_FOR) {
            report.next = position.map(|position| position.to_cursor(LIST));
            return Ok(report);
        }
        let page = portal.store().everyone(position.as_ref()).await?;
        let mut under_way: JoinSet<Result<bool, Failure>> = JoinSet::new();
        let mut all_ended = true;
        for user in page.users {
            if under_way.len() >= AT_ONCE
                && let Some(done) = under_way.join_next().await
            {
                all_ended &= report.add(finished(done)?);
            }
            under_way.spawn(end_sessions(portal, user, request_id.clone()));
        }
        while let Some(done) = under_way.join_next().await {
            all_ended &= report.add(finished(done)?);
        }
        // Somebody was changed meanwhile: the page is read again, and everybody of it is ended once more.
        if !all_ended {
            continue;
        }
        match page.next {
            Some(next) => position = Some(next),
            None => return Ok(report),
        }
    }
}

impl Report {
    fn add(&mut self, is_ended: bool) -> bool {
        self.ended += u64::from(is_ended);
        is_ended
    }
}

fn finished(done: Result<Result<bool, Failure>, tokio::task::JoinError>) -> Result<bool, Failure> {
    done.map_err(|error| Failure::internal("ending sessions", &error))?
}

/// Whether they were ended; not, when the user was changed meanwhile.
async fn end_sessions(portal: &'static Portal, user: User, request_id: String) -> Result<bool, Failure> {
    let (now, store) = (portal.now(), portal.store());
    let after = user.signed_out_past_any_generation(now);
    let mut change = store.change();
    change.change_user(&user, &after);
    change.end_generation(&user, now);
    let event = Event::new(EventAction::LogoutForced, now, Actor::Operator, &user, None, &request_id)?;
    change.record(&user.partner_id, &event);
    match change.commit().await.map_err(Failure::from) {
        Ok(()) => {}
        Err(Failure::Moved) => return Ok(false),
        Err(failure) => return Err(failure),
    }
    store.purge_sessions(&user.id, after.session_generation).await?;
    Ok(true)
}
