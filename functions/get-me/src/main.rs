//! `GET /v1/me`: the caller, with the partner and whether mail is on.

use portal::App;
use portal::actions::Call;
use portal::error::Failure;
use portal::http::{Answer, Request, Stopped, serve};
use portal::models::{PartnerId, PartnerName, PublicUser};
use portal::session::Claims;
use serde::Serialize;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Stopped> {
    serve(get_me).await
}

async fn get_me(app: &App, request: Request) -> Result<Answer, Failure> {
    let mut read = Call::begin(app, &request)?;
    let partner = read.item(Claims::partner_key);
    let call = read.send().await?;
    request.no_body()?;
    let user = &call.caller.user;
    let partner = Partner { id: &user.partner_id, name: call.partner(&partner)?.name };
    Ok(Answer::json(200, &Me { user: user.into(), partner, mail: app.sends_mail() })?.with_version(user.version))
}

#[derive(Serialize)]
struct Me<'a> {
    #[serde(flatten)]
    user: PublicUser<'a>,
    partner: Partner<'a>,
    /// Whether mail is on.
    mail: bool,
}

#[derive(Serialize)]
struct Partner<'a> {
    id: &'a PartnerId,
    name: PartnerName,
}
