//! `PUT /v1/users/{user_id}/password`: sets another user's password, or one's own.
//!
//! Setting another user's password ends all of that user's sessions, and by default the user must change it at the next
//! sign-in. Changing one's own requires the current password, and ends all other sessions.

use portal::App;
use portal::actions::{Call, Read};
use portal::error::Failure;
use portal::http::{Accepts, Answer, Request, Stopped, serve_with};
use portal::mail::MailKind;
use portal::models::{EventAction, User, UserId};
use portal::passwords::{About, Digests, Password, SubmittedPassword};
use portal::policy::Action;
use portal::session::Claims;
use portal::store::{Counter, CredentialItem, Event, Key, Source, SourcesItem};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve_with(Accepts::new().if_match(), set_password).await
}

async fn set_password(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let credential = request.user_id().map(|id| read.item(|_| Key::credential(&id)));
    let own = request.user_id().filter(|id| id == read.claims().user()).map(|id| Own::read(&mut read, &id));
    let target = read.target(request.user_id());
    let partner = read.item(Claims::partner_key);
    let call = read.send().await?;
    let input = parse(&request, own)?;
    let target = call.target(&target)?;
    call.authorize(&Action::SetPassword { target: &target }).await?;
    if let Whose::Another { .. } = input.whose {
        call.caller.require_fresh(call.now)?;
    }
    request.expects(target.version)?;
    let credential = credential.map(|key| call.get(&key)).transpose()?.flatten();
    let credential = credential.ok_or_else(|| Failure::bug("a user without a credential"))?;

    let partner = call.partner(&partner)?.name;
    let about = About::of(&target, &partner);
    input.password.check_strength(&about).map_err(|rejection| Failure::password("password", rejection))?;
    let setting = Setting { call: &call, target: &target, credential: &credential };
    match &input.whose {
        Whose::Own { current, own } => {
            setting.own(&input.password, current, own).await?;
            own.record_source(&call, &request, &credential).await?;
        }
        Whose::Another { must_change } => setting.of_another(&input.password, *must_change).await?,
    }
    Ok(Answer::no_content())
}

struct Input {
    password: Password,
    whose: Whose,
}

enum Whose {
    Own { current: SubmittedPassword, own: Box<Own> },
    Another { must_change: bool },
}

fn parse(request: &Request, own: Option<Own>) -> Result<Input, Failure> {
    let (is_own, mut body) = (own.is_some(), request.body()?);
    let password: Option<Password> = body.required("password");
    let must_change: Option<Option<bool>> = body.optional("must_change");
    let current: Option<Option<SubmittedPassword>> = body.optional("current_password");
    if is_own && matches!(must_change, Some(Some(_))) {
        body.refuse("must_change", "not_allowed", "This field is not allowed for your own password.");
    }
    if is_own && matches!(current, Some(None)) {
        body.refuse("current_password", "required", "This field is required for your own password.");
    }
    if !is_own && matches!(current, Some(Some(_))) {
        body.refuse("current_password", "not_allowed", "This field is only allowed for your own password.");
    }
    body.finish(|| {
        let whose = match (own, current?) {
            (Some(own), current) => Whose::Own { current: current?, own: Box::new(own) },
            (None, _) => Whose::Another { must_change: must_change?.unwrap_or(true) },
        };
        Some(Input { password: password?, whose })
    })
}

/// The additional items that a change of one's own password reads.
struct Own {
    sources: Key<SourcesItem>,
    changes: Counter,
    attempts: Counter,
}

impl Own {
    fn read(read: &mut Read<'_>, id: &UserId) -> Self {
        Self {
            sources: read.item(|_| Key::sources(id)),
            changes: read.counter(|_| Counter::own_changes("PASSWORD", id)),
            attempts: read.counter(|claims| Counter::current_password(id, claims.session_id())),
        }
    }

    /// Keeps the caller's device as a known source after the change.
    async fn record_source(
        &self,
        call: &Call<'_>,
        request: &Request,
        credential: &CredentialItem,
    ) -> Result<(), Failure> {
        let id = &call.caller.user.id;
        let device = request.devices().of(id).map(str::to_owned);
        let source = Source::new(request.address(), device.as_deref());
        let sources = call.get(&self.sources)?;
        if let Some(kept) = SourcesItem::password_changed(sources.as_ref(), credential.changed_at, &source, call.now)
            && let Err(error) = call.app.store().put_sources(id, &kept).await
        {
            let request_id = request.id();
            tracing::warn!(
                request_id,
                %error,
                "could not record the device of a password change; the change is committed"
            );
        }
        Ok(())
    }
}

/// A password change, with the items that were read for it.
struct Setting<'a> {
    call: &'a Call<'a>,
    target: &'a User,
    credential: &'a CredentialItem,
}

impl Setting<'_> {
    async fn own(&self, password: &Password, current: &SubmittedPassword, own: &Own) -> Result<(), Failure> {
        let Call { app, caller, now, .. } = self.call;
        let (store, user, now) = (app.store(), self.target, *now);
        let action = Action::SetPassword { target: user };
        let mut transaction = store.transaction();
        self.call.count_own_change(&mut transaction, &own.changes)?;
        self.call.check_current_password(&action, current, self.credential, &own.attempts).await?;
        let digests = match self.digests(password) {
            Ok(digests) => digests,
            Err(failure) => {
                // The current password was right, so this was not a guess.
                store.clear_counter(&own.attempts).await?;
                return Err(failure);
            }
        };
        let after = user.changed(now).with_new_password(false, now);
        caller.require_caller(&mut transaction, Some(user));
        transaction.change_user_unless_signed_in(user, &after);
        transaction.change_credential(&user.id, self.credential, &self.credential.changed(digests, false, now));
        self.call.end_other_sessions(&mut transaction).await?;
        transaction.clear_counter(&own.attempts);
        let event = self.event(EventAction::PasswordChanged, &after)?;
        transaction.record(&user.partner_id, &event);
        self.call.notify(&mut transaction, MailKind::PasswordChanged, user, &event)?;
        transaction.commit().await?;
        Ok(())
    }

    async fn of_another(&self, password: &Password, must_change: bool) -> Result<(), Failure> {
        let (user, now) = (self.target, self.call.now);
        let digests = self.digests(password)?;
        let after = user.signed_out(now).with_new_password(must_change, now);
        let mut transaction = self.call.transaction();
        transaction.change_credential(&user.id, self.credential, &self.credential.changed(digests, must_change, now));
        let event = self.event(EventAction::PasswordSet, &after)?;
        self.call.notify(&mut transaction, MailKind::PasswordSet, user, &event)?;
        let revocation = self.call.commit(transaction, user, Some(&after), &[event]).await?;
        self.call.revoke(revocation).await
    }

    fn digests(&self, password: &Password) -> Result<Digests, Failure> {
        self.credential.digests.change_to(password)?.map_err(|rejection| Failure::password("password", rejection))
    }

    fn event(&self, action: EventAction, after: &User) -> Result<Event, Failure> {
        Ok(self.call.event(action, self.target)?.changing(Some(self.target), Some(after)))
    }
}
