//! `PUT /v1/users/{user_id}/password`: sets a user's password, or one's own.
//!
//! Another user's: ends all of their sessions, and by default has to be changed at the next sign-in. One's own: needs the
//! present one, and ends all other sessions.

use portal::App;
use portal::actions::Context;
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::identity::Generation;
use portal::models::{EventAction, User};
use portal::passwords::{About, Digests, Password, SubmittedPassword};
use portal::policy::Action;
use portal::session::{self, Claims};
use portal::store::{Counter, CredentialItem, Event, Items, Key, Source, SourcesItem};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), set_password).await
}

async fn set_password(app: &App, request: Request) -> Result<Answer, Failure> {
    let now = app.now();
    let claims = Claims::read(request.claims())?;
    let target = request.user_id().map(|id| {
        (claims.colleague_key(&id), Key::credential(&id), Counter::current_password(&id, claims.session_id()))
    });
    let mut item_keys = claims.item_keys().to_vec();
    if let Some((user, credential, counter)) = &target {
        item_keys.extend([user.item_key(), credential.item_key(), counter.item_key().clone()]);
    }
    if let Some(id) = request.user_id().filter(|id| id == claims.user()) {
        item_keys.extend([Key::sources(&id).item_key(), Counter::own_changes("PASSWORD", &id).item_key().clone()]);
    }
    let stored = app.store().read(&item_keys).await?;
    let caller = claims.caller(&stored, now)?;

    let is_own = request.user_id().is_some_and(|id| id == caller.user.id);
    let input = parse(&request, is_own)?;
    let (user, credential, counter) = target.ok_or(Failure::NotFound)?;
    let target = stored.get(&user)?.ok_or(Failure::NotFound)?.user;
    let context = Context { app, request: &request, caller: &caller, now };
    context.authorize(&Action::SetPassword { target: &target }).await?;
    request.expects(target.version)?;
    let credential = stored.get(&credential)?.ok_or_else(|| Failure::bug("a user without a credential"))?;

    let about = About { email: &target.email, first_name: &target.first_name, last_name: &target.last_name };
    input.password.check_strength(&about).map_err(|rejection| Failure::password("password", rejection))?;
    let setting = Setting { context, target: &target, credential: &credential };
    match &input.whose {
        Whose::Own { current } => setting.own(&input.password, current, &counter, &stored).await?,
        Whose::Another { must_change } => setting.of_another(&input.password, *must_change).await?,
    }
    Ok(Answer::no_content())
}

struct Input {
    password: Password,
    whose: Whose,
}

enum Whose {
    Own { current: SubmittedPassword },
    Another { must_change: bool },
}

fn parse(request: &Request, is_own: bool) -> Result<Input, Failure> {
    let mut body = request.body()?;
    let password: Option<Password> = body.required("password");
    let must_change: Option<Option<bool>> = body.optional("must_change");
    let current: Option<Option<SubmittedPassword>> = body.optional("current_password");
    if is_own && matches!(must_change, Some(Some(_))) {
        body.refuse("must_change", "not_allowed", "This is not possible for one's own password.");
    }
    if is_own && matches!(current, Some(None)) {
        body.refuse("current_password", "required", "This field is required for one's own password.");
    }
    if !is_own && matches!(current, Some(Some(_))) {
        body.refuse("current_password", "not_allowed", "This is only for one's own password.");
    }
    body.finish((|| {
        let whose = match (is_own, current?) {
            (true, current) => Whose::Own { current: current? },
            (false, _) => Whose::Another { must_change: must_change?.unwrap_or(true) },
        };
        Some(Input { password: password?, whose })
    })())
}

/// What was read, and by whom.
struct Setting<'a> {
    context: Context<'a>,
    target: &'a User,
    credential: &'a CredentialItem,
}

impl Setting<'_> {
    async fn own(
        &self,
        password: &Password,
        current: &SubmittedPassword,
        counter: &Counter,
        stored: &Items,
    ) -> Result<(), Failure> {
        let Context { app, request, caller, now } = self.context;
        let (store, user) = (app.store(), self.target);
        let action = Action::SetPassword { target: user };
        let mut transaction = store.transaction();
        self.context.count_own_change(&mut transaction, &Counter::own_changes("PASSWORD", &user.id), stored)?;
        self.context.check_current_password(&action, current, self.credential, counter, stored).await?;
        let digests = match self.digests(password) {
            Ok(digests) => digests,
            Err(failure) => {
                // The present password was right: nobody is guessing.
                store.clear_counter(counter).await?;
                return Err(failure);
            }
        };
        // Read after the user: a sign-in since then makes the change start anew.
        let mut others = store.sessions_of(&user.id).await?;
        others.retain(|(id, session)| session.expires_at > now.unix_seconds() && *id != caller.session_id);
        let count = others.len();
        let others = session::that_fit(store, &user.id, others, count).await?;

        let after = user.changed(now).with_new_password(false, now);
        caller.require_caller(&mut transaction, Some(user));
        transaction.change_user_unless_signed_in(user, &after);
        transaction.change_credential(&user.id, self.credential, &self.credential.changed(digests, false, now));
        for session_id in &others {
            transaction.end_session(&user.id, session_id);
        }
        transaction.clear_counter(counter);
        transaction.record(&user.partner_id, &self.event(EventAction::PasswordChanged, &after)?);
        transaction.commit().await?;

        let device = request.devices().of(&user.id).map(str::to_owned);
        let source = Source::new(request.address(), device.as_deref());
        let sources = stored.get(&Key::sources(&user.id))?;
        if let Some(kept) = SourcesItem::password_changed(sources.as_ref(), self.credential.changed_at, &source, now)
            && let Err(error) = store.put_sources(&user.id, &kept).await
        {
            tracing::warn!(request_id = request.id(), %error, "the device of a password change is not recorded");
        }
        Ok(())
    }

    async fn of_another(&self, password: &Password, must_change: bool) -> Result<(), Failure> {
        let Context { app, caller, now, .. } = self.context;
        let user = self.target;
        let digests = self.digests(password)?;
        let after = user.signed_out(now).with_new_password(must_change, now);
        let mut transaction = app.store().transaction();
        caller.require_caller(&mut transaction, Some(user));
        transaction.change_user(user, &after);
        transaction.change_credential(&user.id, self.credential, &self.credential.changed(digests, must_change, now));
        transaction.end_generation(user, now);
        transaction.record(&user.partner_id, &self.event(EventAction::PasswordSet, &after)?);
        transaction.commit().await?;
        app.identity()?.end_soon(&[Generation::of(user)]).await;
        Ok(())
    }

    fn digests(&self, password: &Password) -> Result<Digests, Failure> {
        self.credential.digests.change_to(password)?.map_err(|rejection| Failure::password("password", rejection))
    }

    fn event(&self, action: EventAction, after: &User) -> Result<Event, Failure> {
        Ok(self.context.event(action, self.target)?.changing(Some(self.target), Some(after)))
    }
}
