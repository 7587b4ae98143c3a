//! `POST /v1/access-review/decisions`: decides on a user's access, carries the decision out and records it.

use portal::App;
use portal::actions::{self, Call, ResolvedDecision};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::{Decision, Note, PublicUser, Timestamp, User, UserId};
use portal::policy::{Action, authorize};
use portal::review::{Access, reduced};
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), decide_access).await
}

#[derive(Serialize)]
struct Decided<'a> {
    decision: Decision,
    /// `None` once the user is removed.
    user: Option<PublicUser<'a>>,
    reviewed_at: Timestamp,
}

async fn decide_access(app: &App, request: Request) -> Result<Answer, Failure> {
    let input = parse(&request);
    let mut read = Call::begin(app, &request)?;
    let target = read.target(input.as_ref().ok().and_then(|input| UserId::parse(&input.user_id).ok()));
    let (call, input) = read.send_with(input).await?;
    let target = call.target(&target)?;
    let resolved = authorized(&call, input.decision, &target).await?;
    request.expects(target.version)?;

    let (after, revocation) = actions::review(&call, &target, &resolved, input.note.as_ref()).await?;
    call.revoke(revocation).await?;
    let user = after.as_ref();
    let answer = Answer::json(
        200,
        &Decided { decision: input.decision, user: user.map(PublicUser::from), reviewed_at: call.now },
    )?;
    Ok(match user {
        Some(user) => answer.with_version(user.version),
        None => answer,
    })
}

/// Resolves the decision for `target`, and authorizes it. The caller also needs
/// the permission to see the access review.
async fn authorized(call: &Call<'_>, decision: Decision, target: &User) -> Result<ResolvedDecision, Failure> {
    let less = reduced(target);
    let resolved = match decision {
        Decision::Keep => ResolvedDecision::Keep,
        Decision::Suspend => ResolvedDecision::Suspend,
        Decision::Remove => ResolvedDecision::Remove,
        // The authorization comes first, so a caller who may not reduce access
        // does not learn whether it can be reduced.
        Decision::Reduce => ResolvedDecision::Reduce(less.unwrap_or(Access::of(target))),
    };
    let action = resolved.action(target);
    call.authorize(&action).await?;
    if let Err(denied) = authorize(&call.caller.user, &Action::ReviewAccess) {
        call.record_refusal(&action, denied).await;
        return Err(denied.into());
    }
    if let Decision::Reduce = decision {
        if less.is_none() {
            let why = "This user's access cannot be reduced further.";
            return Err(Failure::field("decision", "nothing_less", why));
        }
        // The access has changed since the first attempt: reducing it now could leave less than the caller saw.
        if call.origin.is_retry {
            return Err(Failure::Conflict);
        }
    }
    Ok(resolved)
}

struct Input {
    user_id: String,
    decision: Decision,
    note: Option<Note>,
}

fn parse(request: &Request) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let user_id = body.required("user_id");
    let decision = body.required("decision");
    let note: Option<Option<Note>> = body.optional("note");
    body.finish(|| Some(Input { user_id: user_id?, decision: decision?, note: note? }))
}
