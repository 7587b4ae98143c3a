//! The successful response of an action.

use lambda_http::{Body, Response};
use serde::Serialize;

use super::{RefreshTokenIn, Request, cookie, csv};
use crate::error::Failure;
use crate::factors::RecoveryCodes;
use crate::models::{PublicUser, User};
use crate::session::{Devices, SignedIn};
use crate::store::DEVICE_KNOWN_FOR;

/// A successful response.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

impl Answer {
    /// Returns a response with a JSON body.
    ///
    /// # Errors
    /// Returns [`Failure::Internal`] if the value has no JSON form.
    pub fn json(status: u16, value: &impl Serialize) -> Result<Self, Failure> {
        let body = serde_json::to_string(value).map_err(|error| Failure::internal("writing a response", &error))?;
        Ok(Self::written(status, body))
    }

    /// Returns a response whose body is already written as JSON.
    pub fn written(status: u16, body: String) -> Self {
        Self { status, headers: vec![("content-type", "application/json".to_owned())], body: Body::Text(body) }
    }

    /// Returns a page of a list as CSV. `columns` names the fields of the items, and `name` is the name of the file. A
    /// `Link` header has the address of the next page, if there is one.
    ///
    /// # Errors
    /// Returns the same errors as [`json`](Self::json).
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

    /// Returns a response with a body of any type.
    pub fn bytes(status: u16, content_type: &'static str, bytes: &[u8]) -> Self {
        Self { status, headers: vec![("content-type", content_type.to_owned())], body: Body::Binary(bytes.to_vec()) }
    }

    /// Returns the response to a completed sign-in. The refresh token is in the body or in a cookie, as the client
    /// requested.
    ///
    /// # Errors
    /// Returns the same errors as [`json`](Self::json).
    pub fn signed_in(signed_in: &SignedIn, refresh_token_in: RefreshTokenIn) -> Result<Self, Failure> {
        #[derive(Serialize)]
        struct Body<'a> {
            access_token: &'a str,
            token_type: &'static str,
            expires_in: i32,
            refresh_token: Option<&'a str>,
            user: PublicUser<'a>,
            /// Present if the sign-in has added a second factor.
            #[serde(skip_serializing_if = "Option::is_none")]
            recovery_codes: Option<Vec<String>>,
        }
        let SignedIn { user, tokens, refresh_token, lifetime, devices, recovery_codes } = signed_in;
        let refresh_token = refresh_token.as_text();
        let in_body = refresh_token_in == RefreshTokenIn::Body;
        let mut answer = Self::json(
            200,
            &Body {
                access_token: &tokens.access_token,
                token_type: "Bearer",
                expires_in: tokens.expires_in,
                refresh_token: in_body.then_some(&refresh_token),
                user: user.into(),
                recovery_codes: recovery_codes.as_ref().map(RecoveryCodes::shown),
            },
        )?;
        if !in_body {
            answer = answer.with("set-cookie", cookie::set_refresh(&refresh_token, *lifetime));
        }
        Ok(match devices {
            Some(devices) => answer.with_devices(devices),
            None => answer,
        })
    }

    /// Returns a user, with the version for `If-Match`. Equal versions do not imply equal bodies, because a sign-in
    /// changes `last_sign_in_at` without a new version. Therefore a read with `If-None-Match` always gets the full
    /// response.
    ///
    /// # Errors
    /// Returns the same errors as [`json`](Self::json).
    pub fn user(user: &User) -> Result<Self, Failure> {
        Ok(Self::json(200, &PublicUser::from(user))?.with_version(user.version))
    }

    /// Returns a response with status 202 and no body: the portal does the rest later.
    pub fn accepted() -> Self {
        Self { status: 202, headers: Vec::new(), body: Body::Empty }
    }

    /// Returns a response with status 204 and no body.
    pub fn no_content() -> Self {
        Self { status: 204, headers: Vec::new(), body: Body::Empty }
    }

    /// Returns a response for a client that has the current representation.
    pub fn not_modified() -> Self {
        Self { status: 304, headers: Vec::new(), body: Body::Empty }
    }

    /// Adds the version of the resource in the body, for `If-Match`.
    #[must_use]
    pub fn with_version(self, version: u64) -> Self {
        self.with("etag", format!("\"{version}\""))
    }

    /// Adds the path of the created resource.
    #[must_use]
    pub fn with_location(self, path: String) -> Self {
        self.with("location", path)
    }

    /// Marks the response as that of an earlier request with the same idempotency key.
    #[must_use]
    pub fn as_replay(self) -> Self {
        self.with("idempotent-replayed", "true".to_owned())
    }

    /// Sets the cookie that identifies the device.
    #[must_use]
    pub fn with_devices(self, devices: &Devices) -> Self {
        self.with("set-cookie", cookie::set_devices(devices, DEVICE_KNOWN_FOR))
    }

    /// Deletes the cookie with the refresh token.
    #[must_use]
    pub fn without_refresh_cookie(self) -> Self {
        self.with("set-cookie", cookie::clear_refresh())
    }

    /// Adds a header.
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
