//! `PUT /v1/settings`: sets which users of the partner need a second factor. Only the primary admin may do so, in a session
//! that has used one, so that the setting cannot lock the primary admin out.
//!
//! Sessions that lack what the role of their user requires end with their next request. Nothing is written for them.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::{EventAction, Requirement};
use portal::policy::Action;
use portal::store::Counter;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(set_settings).await
}

#[derive(Serialize)]
struct Settings {
    /// The users who need a second factor.
    second_factor: Requirement,
}

async fn set_settings(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let changes = read.counter(|claims| Counter::own_changes("SETTINGS", claims.user()));
    let (call, second_factor) = read.send_with(parse(&request)).await?;
    call.authorize(&Action::SetSettings).await?;
    let caller = &call.caller;
    if caller.session.factors.is_empty() {
        return Err(Failure::SecondFactorRequired);
    }
    caller.require_fresh(call.now)?;
    if second_factor != caller.requirement {
        let partner = &caller.user.partner_id;
        let mut transaction = call.transaction();
        call.count_own_change(&mut transaction, &changes)?;
        caller.require_caller(&mut transaction, None);
        transaction.set_requirement(partner, caller.requirement, second_factor);
        let event = call.event(EventAction::SettingsChanged, None)?.requiring(caller.requirement, second_factor);
        transaction.record(partner, &event);
        transaction.commit().await?;
    }
    Answer::json(200, &Settings { second_factor })
}

fn parse(request: &Request) -> Result<Requirement, Failure> {
    let mut body = request.body()?;
    let second_factor = body.required("second_factor");
    body.finish(|| second_factor)
}
