//! `POST /v1/access-review/decisions`: decides what becomes of a user's access, carries it out and keeps a record of it.

use portal::App;
use portal::actions::{self, Context, ResolvedDecision};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::models::{Decision, Note, PublicUser, Timestamp, User};
use portal::policy::{Action, authorize};
use portal::review::{Access, reduced};
use portal::session::Claims;
use portal::store::Key;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), decide_access).await
}

#[derive(Serialize)]
struct Decided<'a> {
    decision: Decision,
    /// Nobody, once removed.
    user: Option<PublicUser<'a>>,
    reviewed_at: Timestamp,
}

async fn decide_access(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let claims = Claims::read(request.claims())?;
    // Told only to who is signed in.
    let input = parse(&request);
    let target = input.as_ref().ok().and_then(|input| claims.named_key(&input.user_id));
    let mut item_keys = claims.item_keys().to_vec();
    item_keys.extend(target.iter().map(Key::item_key));
    let stored = app.store().read(&item_keys).await?;
    let caller = claims.caller(&stored, now)?;
    let input = input?;
    let target = target.map(|key| stored.get(&key)).transpose()?.flatten().ok_or(Failure::NotFound)?.user;
    let context = Context { app, request: &request, caller: &caller, now };
    let resolved = authorized(&context, input.decision, &target).await?;
    request.expects(target.version)?;

    let (after, ended) = actions::review(&context, &target, &resolved, input.note.as_ref()).await?;
    context.end(ended).await?;
    let user = after.as_ref();
    let answer =
        Answer::json(200, &Decided { decision: input.decision, user: user.map(PublicUser::from), reviewed_at: now })?;
    Ok(match user {
        Some(user) => answer.with_version(user.version),
        None => answer,
    })
}

/// What the decision means for `target`, where the caller may decide so, and may see what there is to decide on.
async fn authorized(context: &Context<'_>, decision: Decision, target: &User) -> Result<ResolvedDecision, Failure> {
    let less = reduced(target);
    let resolved = match decision {
        Decision::Keep => ResolvedDecision::Keep,
        Decision::Suspend => ResolvedDecision::Suspend,
        Decision::Remove => ResolvedDecision::Remove,
        // A caller who may not reduce the access gets that error, and not the one that it cannot be reduced.
        Decision::Reduce => ResolvedDecision::Reduce(less.unwrap_or(Access::of(target))),
    };
    let action = resolved.action(target);
    context.authorize(&action).await?;
    if let Err(denied) = authorize(&context.caller.user, &Action::ReviewAccess) {
        context.record_refusal(&action, denied).await;
        return Err(denied.into());
    }
    if let Decision::Reduce = decision {
        if less.is_none() {
            let why = "This user's access cannot be reduced further.";
            return Err(Failure::field("decision", "nothing_less", why));
        }
        // The access has changed since the first attempt: reducing it now could leave less than the caller saw.
        if context.request.is_retry() {
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
    body.finish((|| Some(Input { user_id: user_id?, decision: decision?, note: note? }))())
}
