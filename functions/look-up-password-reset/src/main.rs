//! `POST /v1/password-resets/lookup`: shows the user of a mailed link to choose a password. It redeems nothing, so mail
//! scanners that follow links do no harm.

use portal::App;
use portal::actions::OpenLink;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::mail::LinkKind;
use portal::models::{Email, PartnerId, PartnerName, PersonName, Timestamp};
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(look_up_password_reset).await
}

#[derive(Serialize)]
struct Found<'a> {
    kind: LinkKind,
    partner: Partner<'a>,
    first_name: &'a PersonName,
    last_name: Option<&'a PersonName>,
    email: &'a Email,
    expires_at: Timestamp,
}

#[derive(Serialize)]
struct Partner<'a> {
    id: &'a PartnerId,
    name: &'a PartnerName,
}

async fn look_up_password_reset(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut body = request.body()?;
    let token: Option<String> = body.required("token");
    let token = body.finish(|| token)?;
    let kinds = [LinkKind::Invitation, LinkKind::PasswordReset];
    let OpenLink { token, user, partner, expires_at, .. } =
        OpenLink::read(app.store(), &token, &kinds, |_| Vec::new(), app.now()).await?;
    Answer::json(
        200,
        &Found {
            kind: token.kind(),
            partner: Partner { id: &user.partner_id, name: &partner },
            first_name: &user.first_name,
            last_name: user.last_name.as_ref(),
            email: &user.email,
            expires_at,
        },
    )
}
