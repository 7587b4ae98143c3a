//! What an action answers.

use std::time::Duration;

use lambda_http::{Body, Response};
use serde::Serialize;

use super::{DeviceCookie, RefreshTokenIn, Request, cookie, csv};
use crate::error::Failure;
use crate::identity::Tokens;
use crate::models::{PublicUser, User};

/// A successful answer.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Answer {
    /// A body in JSON.
    ///
    /// # Errors
    /// [`Failure::Internal`] when the value has no JSON form.
    pub fn json(status: u16, value: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_string(value).map_err(|error| Failure::internal("writing an answer", &error))?;
        Ok(Self::written(status, body))
    }

    /// A body that is in JSON already.
    pub fn written(status: u16, body: String) -> Self {
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body: Body::Text(body) }
    }

    /// A page of a list as CSV, with the fields of its items that `columns` names, saved as `name`; and where the next page
    /// is, if there is one.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub fn csv(
        name: &str,
        columns: &[&str],
        items: &[impl Serialize],
        request: &Request,
        next_cursor: Option<&str>,
    ) -> Result<Self, Failure> {
        let body = csv::table(columns, items)?;
        let body = String::from_utf8(body).map_err(|error| Failure::internal("writing CSV", &error))?;
        let mut headers = vec![
            ("content-type", "text/csv; charset=utf-8; header=present".to_owned()),
            ("content-disposition", format!("attachment; filename=\"{name}\"")),
        ];
        headers.extend(next_cursor.map(|cursor| ("link", format!("<{}>; rel=\"next\"", request.at_cursor(cursor)))));
        Ok(Self { status: 200, headers, body: Body::Text(body) })
    }

    /// A body of any type, byte by byte.
    pub fn bytes(status: u16, content_type: &'static str, bytes: &[u8]) -> Self {
        Self { status, headers: vec![("content-type", content_type.to_owned())], body: Body::Binary(bytes.to_vec()) }
    }

    /// A finished sign-in, with the refresh token, which lives for `lifetime`, where the client wants it.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub fn signed_in(
        user: &User,
        tokens: &Tokens,
        refresh_token: &str,
        refresh_token_in: RefreshTokenIn,
        lifetime: Duration,
    ) -> Result<Self, Failure> {
        #[derive(Serialize)]
        struct SignedIn<'a> {
            access_token: &'a str,
            token_type: &'static str,
            expires_in: i32,
            refresh_token: Option<&'a str>,
            user: PublicUser<'a>,
        }
        let in_body = refresh_token_in == RefreshTokenIn::Body;
        let answer = Self::json(
            200,
            &SignedIn {
                access_token: &tokens.access_token,
                token_type: "Bearer",
                expires_in: tokens.expires_in,
                refresh_token: in_body.then_some(refresh_token),
                user: user.into(),
            },
        )?;
        Ok(if in_body { answer } else { answer.with_refresh_cookie(refresh_token, lifetime) })
    }

    /// A user, with the version for `If-Match`. An equal version does not mean an equal body, because signing in changes
    /// `last_sign_in_at` alone: a read with `If-None-Match` is answered in full.
    ///
    /// # Errors
    /// As [`json`](Self::json).
    pub fn user(user: &User) -> Result<Self, Failure> {
        Ok(Self::json(200, &PublicUser::from(user))?.with_version(user.version))
    }

    /// 204, without a body.
    pub fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: Body::Empty }
    }

    /// The version that the body shows, for `If-Match`.
    #[must_use]
    pub fn with_version(self, version: u64) -> Self {
        self.with("etag", format!("\"{version}\""))
    }

    /// Where what was made can be read.
    #[must_use]
    pub fn with_location(self, path: String) -> Self {
        self.with("location", path)
    }

    /// Says that this is the answer to an earlier request with the same idempotency key.
    #[must_use]
    pub fn as_replay(self) -> Self {
        self.with("idempotent-replayed", "true".to_owned())
    }

    /// Gives the refresh token to the browser's keeping.
    #[must_use]
    fn with_refresh_cookie(self, refresh_token: &str, lifetime: Duration) -> Self {
        self.with("set-cookie", cookie::set_refresh(refresh_token, lifetime))
    }

    /// Names the device to its browser.
    #[must_use]
    pub fn with_device_cookie(self, devices: &DeviceCookie, lifetime: Duration) -> Self {
        self.with("set-cookie", devices.set(lifetime))
    }

    /// Takes the refresh token from the browser.
    #[must_use]
    pub fn without_refresh_cookie(self) -> Self {
        self.with("set-cookie", cookie::clear_refresh())
    }

    /// With one header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn status(&self) -> u16 {
        self.status
    }

    pub(super) fn into_response(self) -> Result<Response<Body>, http::Error> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(self.body)
    }
}
