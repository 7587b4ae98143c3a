//! `POST /v1/password-resets/confirm`: redeems a mailed link to choose a password.
//!
//! A link can be redeemed once, and a rejected password does not redeem it. The new password ends all sessions, and
//! the user signs in with it. The response to an invalid link reveals nothing else.

use portal::App;
use portal::actions::OpenLink;
use portal::error::{Failure, FieldError};
use portal::http::{Answer, LastName, Request, Stopped, serve};
use portal::identity::Generation;
use portal::mail::{LinkKind, LinkToken, MailKind};
use portal::models::{EventAction, PersonName, Timestamp, User};
use portal::passwords::{About, Password};
use portal::random;
use portal::session::Devices;
use portal::store::{Actor, CredentialItem, Event, Key, Source, SourcesItem};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(confirm_password_reset).await
}

struct Input {
    password: Password,
    first_name: Option<PersonName>,
    last_name: Option<LastName>,
}

async fn confirm_password_reset(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body()?;
    let token: Option<String> = body.required("token");
    let password: Option<Password> = body.required("new_password");
    let (first_name, last_name) = (body.optional("first_name"), body.given("last_name"));
    // Other input errors are reported only to a client that has a valid link.
    let input = body.finish(|| {
        token.as_ref()?;
        Some(Input { password: password?, first_name: first_name?, last_name: last_name? })
    });
    let Some(token) = token else { return Err(input.err().unwrap_or(Failure::InvalidLink)) };

    let now = app.now();
    let kinds = [LinkKind::Invitation, LinkKind::PasswordReset];
    let more = |token: &LinkToken| vec![Key::credential(token.user()).item_key()];
    let link = OpenLink::read(app.store(), &token, &kinds, more, now).await?;
    let Input { password, first_name, last_name } = input?;
    let credential = link.stored.credential(&Key::credential(&link.user.id))?;
    let credential = credential.ok_or_else(|| Failure::bug("a user without a credential"))?;
    let named = User {
        first_name: first_name.unwrap_or_else(|| link.user.first_name.clone()),
        last_name: last_name.map_or_else(|| link.user.last_name.clone(), |LastName(name)| name),
        ..link.user.clone()
    };
    let change = Change { app, request: &request, link: &link, credential: &credential, now };
    change.commit(named, &password).await?;

    app.identity()?.end_soon(&[Generation::of(&link.user)]).await;
    Ok(match record_source(app, &request, &link.user, now).await {
        Some(devices) => Answer::no_content().with_devices(&devices),
        None => Answer::no_content(),
    })
}

/// The change of the password, with the items that were read for it.
struct Change<'a> {
    app: &'a App,
    request: &'a Request,
    link: &'a OpenLink,
    credential: &'a CredentialItem,
    now: Timestamp,
}

impl Change<'_> {
    /// Commits the new password. `named` is the user with the submitted names.
    async fn commit(&self, named: User, password: &Password) -> Result<(), Failure> {
        let Self { app, request, link, credential, now } = *self;
        let before = &link.user;
        let about = About::of(&named, &link.partner);
        let digests = match password.check_strength(&about) {
            Ok(()) => credential.digests.change_to(password)?,
            Err(rejection) => Err(rejection),
        };
        let digests = digests
            .map_err(|rejection| Failure::PasswordRejected(vec![FieldError::password("new_password", rejection)]))?;

        let after = named.signed_out(now).with_new_password(false, now);
        let (action, notification) = match link.token.kind() {
            LinkKind::Invitation => (EventAction::InvitationAccepted, None),
            LinkKind::PasswordReset | LinkKind::EmailChange => {
                (EventAction::PasswordReset, Some(MailKind::PasswordWasReset))
            }
        };
        let mut transaction = app.store().transaction();
        transaction.redeem_link(&link.token);
        transaction.change_user(before, &after);
        transaction.change_credential(&before.id, credential, &credential.changed(digests, false, now));
        transaction.end_generation(before, now);
        let actor = Actor::user(before);
        let event = Event::new(action, now, actor, before, Some(request.address()), request.id())?;
        let event = event.changing(Some(before), Some(&after));
        if let Some(kind) = notification {
            transaction.notify(kind, before, &event, Some(request.origin().user_agent))?;
        }
        transaction.record(&before.partner_id, &event);
        transaction.commit().await?;
        Ok(())
    }
}

/// Makes the network and the device known to the user, for the password that was set at `now`. A failure is logged, and
/// does not fail the request: the password is set.
async fn record_source(app: &App, request: &Request, user: &User, now: Timestamp) -> Option<Devices> {
    let recorded = async {
        let device = random::token()?;
        let source = Source::new(request.address(), Some(&device));
        let sources = SourcesItem::signed_in(None, now, &source, now);
        app.store().put_sources(&user.id, &sources).await?;
        Ok::<_, Failure>(request.devices().with(&user.id, &device))
    };
    match recorded.await {
        Ok(devices) => Some(devices),
        Err(failure) => {
            let problem = format!("{failure:?}");
            let request_id = request.id();
            tracing::warn!(request_id, problem, "could not record the source of a redeemed link; the password is set");
            None
        }
    }
}
