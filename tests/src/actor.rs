//! The users in a test: a [`User`] is what the test knows about a user, an [`Actor`] is signed in, and [`Add`] is a request
//! that adds a user.

use std::ops::Deref;

use serde_json::{Map, Value, json};

use crate::answer::assert_user;
use crate::{Answer, Call, Client, secrets};

/// What a test knows about a user.
#[derive(Debug, Clone)]
pub struct User {
    /// The id.
    pub id: String,
    /// The partner's id.
    pub partner_id: String,
    /// The email.
    pub email: String,
    /// The password.
    pub password: String,
}

impl User {
    /// The path of this user in the API.
    pub fn path(&self) -> String {
        format!("/v1/users/{}", self.id)
    }

    /// The same user with another password.
    pub fn with_password(&self, password: &str) -> Self {
        Self { password: password.to_owned(), ..self.clone() }
    }
}

/// A user who is signed in. It dereferences to its [`User`].
#[derive(Debug, Clone)]
pub struct Actor {
    /// The user.
    pub user: User,
    /// The access token.
    pub token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// The client that the user is signed in with.
    pub client: Client,
}

impl Deref for Actor {
    type Target = User;

    fn deref(&self) -> &User {
        &self.user
    }
}

impl Actor {
    /// Makes an actor from a response to a sign-in or a challenge.
    #[track_caller]
    pub fn from_answer(client: Client, user: User, answer: &Answer) -> Self {
        assert_user(&answer.json["user"], &[]);
        assert_eq!(answer.json["user"]["id"], user.id, "{answer}");
        let token = secrets::remembered(answer.text_at("/access_token"));
        let refresh_token = secrets::remembered(answer.text_at("/refresh_token"));
        Self { user, token, refresh_token, client }
    }

    /// Signs the same user in with another client.
    pub async fn elsewhere(&self) -> Self {
        Client::of(&self.client.ready).signed_in(&self.user).await
    }

    /// The same session with a refreshed access token.
    pub async fn refreshed(&self) -> Self {
        let answer = self.client.refresh(&self.refresh_token).await.expect(200);
        let token = secrets::remembered(answer.text_at("/access_token"));
        Self { token, ..self.clone() }
    }

    /// A call with this actor's token.
    pub fn call(&self, method: &str, path: &str) -> Call {
        self.client.call(method, path).bearer(&self.token)
    }

    /// `GET`.
    pub fn get(&self, path: &str) -> Call {
        self.call("GET", path)
    }

    /// `POST` with a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Call {
        self.call("POST", path).json(body)
    }

    /// `PUT` with a JSON body.
    pub fn put(&self, path: &str, body: &Value) -> Call {
        self.call("PUT", path).json(body)
    }

    /// `PATCH` with a JSON body.
    pub fn patch(&self, path: &str, body: &Value) -> Call {
        self.call("PATCH", path).json(body)
    }

    /// `DELETE`.
    pub fn delete(&self, path: &str) -> Call {
        self.call("DELETE", path)
    }

    /// Tries to edit a user.
    pub fn edit(&self, user: &User, changes: &Value) -> Call {
        self.patch(&user.path(), changes)
    }

    /// Tries to set a user's password; `more` are further fields.
    pub fn set_password(&self, user: &User, password: &str, more: &Value) -> Call {
        let mut body = json!({ "password": password });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.put(&format!("{}/password", user.path()), &body)
    }

    /// Tries to set this actor's own password.
    pub fn set_own_password(&self, current: &str, new: &str) -> Call {
        self.set_password(&self.user, new, &json!({ "current_password": current }))
    }

    /// Tries to set a user's role and permissions.
    pub fn set_permissions(&self, user: &User, body: &Value) -> Call {
        self.put(&format!("{}/permissions", user.path()), body)
    }

    /// Tries to set a user's status.
    pub fn set_status(&self, user: &User, body: &Value) -> Call {
        self.put(&format!("{}/status", user.path()), body)
    }

    /// Tries to suspend a user.
    pub fn suspend(&self, user: &User) -> Call {
        self.set_status(user, &json!({ "status": "suspended" }))
    }

    /// Tries to reactivate a suspended user.
    pub fn reactivate(&self, user: &User) -> Call {
        self.set_status(user, &json!({ "status": "active" }))
    }

    /// Tries to record a decision on a user's access.
    pub fn decide(&self, user: &User, decision: &str) -> Call {
        self.post("/v1/access-review/decisions", &json!({ "user_id": user.id, "decision": decision }))
    }

    /// Tries to list a user's sessions.
    pub fn sessions(&self, user: &User) -> Call {
        self.get(&format!("{}/sessions", user.path()))
    }

    /// The id of this actor's session.
    pub async fn session_id(&self) -> String {
        let answer = self.sessions(self).await.expect(200);
        let items = answer.json["items"].as_array().unwrap();
        let current = items.iter().find(|item| item["is_current"] == true).unwrap_or_else(|| panic!("{answer}"));
        current["id"].as_str().unwrap().to_owned()
    }

    /// Tries to end one session of a user.
    pub fn end_session(&self, user: &User, session_id: &str) -> Call {
        self.delete(&format!("{}/sessions/{session_id}", user.path()))
    }

    /// Tries to make another user the primary admin.
    pub fn hand_over(&self, to: &User) -> Call {
        self.post("/v1/primary-admin", &json!({ "user_id": to.id, "current_password": self.password }))
    }

    /// Tries to send another invitation to a user.
    pub fn invite(&self, user: &User) -> Call {
        self.call("POST", &format!("{}/invitation", user.path()))
    }

    /// Tries to confirm this actor's new email with the token of a link.
    pub fn confirm_email(&self, token: &str) -> Call {
        self.post("/v1/email-changes/confirm", &json!({ "token": token }))
    }

    /// Tries to end a user's sessions.
    pub fn force_logout(&self, user: &User) -> Call {
        self.call("POST", &format!("{}/force-logout", user.path()))
    }

    /// Tries to apply `action` to several users.
    pub fn change_users<'a>(&self, action: &str, users: impl IntoIterator<Item = &'a User>) -> Call {
        let ids: Vec<&str> = users.into_iter().map(|user| user.id.as_str()).collect();
        self.post("/v1/users/bulk", &json!({ "action": action, "user_ids": ids }))
    }

    /// Tries to add the users in a CSV table; a dry run only reports the errors in it.
    pub fn import(&self, table: impl Into<Vec<u8>>, dry_run: bool) -> Call {
        self.call("POST", &format!("/v1/users/import?dry_run={dry_run}")).body("text/csv", table.into())
    }

    /// As [`import`](Self::import); rows without a role get this one.
    pub fn import_with_role(&self, role: &str, table: impl Into<Vec<u8>>, dry_run: bool) -> Call {
        let path = format!("/v1/users/import?dry_run={dry_run}&role_if_missing={role}");
        self.call("POST", &path).body("text/csv", table.into())
    }

    /// Tries to remove a user.
    pub fn remove(&self, user: &User) -> Call {
        self.delete(&user.path())
    }

    /// Tries to restore a removed user, with a password or an invitation in `body`.
    pub fn restore(&self, user: &User, body: &Value) -> Call {
        self.post(&format!("/v1/removed-users/{}/restore", user.id), body)
    }

    /// Tries to sign out.
    pub fn sign_out(&self) -> Call {
        self.delete("/v1/sessions/current")
    }

    /// Reads a user with this actor's token, which must succeed.
    pub async fn see(&self, user: &User) -> Value {
        self.get(&user.path()).await.expect(200).user().clone()
    }

    /// Checks that the next call of this session succeeds.
    pub async fn is_signed_in(&self) {
        let me = self.get("/v1/me").await.expect(200);
        assert_eq!(me.me()["id"], self.id);
    }

    /// Checks that the next call is rejected because the session has ended.
    pub async fn is_signed_out(&self) {
        self.get("/v1/me").await.problem(401, "session_ended");
    }

    /// Checks that the refresh token is rejected. The code depends on what rejects it first: Cognito or our own items.
    pub async fn cannot_refresh(&self) {
        let answer = self.client.refresh(&self.refresh_token).await;
        let code = if answer.json["code"] == "session_ended" { "session_ended" } else { "unauthenticated" };
        answer.problem(401, code);
    }

    /// Starts a request that adds a user. By default it has a new email and a new password that need not be changed.
    pub fn add(&self, first_name: &str, last_name: &str) -> Add<'_> {
        let body = json!({
            "first_name": first_name,
            "last_name": last_name,
            "email": secrets::email(first_name),
            "password": secrets::password(),
            "must_change": false,
        });
        let Value::Object(body) = body else { unreachable!("an object") };
        Add { actor: self, body }
    }
}

/// A request that adds a user.
#[derive(Debug, Clone)]
pub struct Add<'a> {
    actor: &'a Actor,
    body: Map<String, Value>,
}

impl Add<'_> {
    /// Sets this field.
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.body.insert(field.to_owned(), value.into());
        self
    }

    /// Removes this field.
    pub fn without(mut self, field: &str) -> Self {
        self.body.remove(field);
        self
    }

    /// Sets the role.
    pub fn role(self, role: &str) -> Self {
        self.with("role", role)
    }

    /// Sets exactly these permissions.
    pub fn permissions(self, permissions: &[&str]) -> Self {
        self.with("permissions", permissions)
    }

    /// Sets the email.
    pub fn email(self, email: &str) -> Self {
        self.with("email", email)
    }

    /// Sends the request.
    pub async fn send(self) -> Answer {
        let answer = self.actor.post("/v1/users", &Value::Object(self.body)).await;
        if let Some(password) = answer.json["generated_password"].as_str() {
            secrets::remembered(password);
        }
        answer
    }

    /// Asks for an invitation instead of a password.
    pub fn invite(self) -> Self {
        self.without("password").without("must_change").with("invite", true)
    }

    /// Sends the request with an invitation, which must succeed. The user has no password.
    pub async fn invited(self) -> User {
        self.invite().created().await
    }

    /// Sends the request, which must succeed.
    pub async fn created(self) -> User {
        let given = self.body.get("password").and_then(Value::as_str).map(str::to_owned);
        let is_invited = self.body.get("invite") == Some(&Value::Bool(true));
        let answer = self.send().await.expect(201);
        assert_user(&answer.json, &["generated_password"]);
        let password = match given {
            Some(given) => given,
            None if is_invited => String::new(),
            None => answer.text_at("/generated_password").to_owned(),
        };
        User {
            id: answer.text_at("/id").to_owned(),
            partner_id: answer.text_at("/partner_id").to_owned(),
            email: answer.text_at("/email").to_owned(),
            password,
        }
    }

    /// Sends the request, which must succeed, and signs the user in.
    pub async fn signed_in(self) -> Actor {
        let client = Client::of(&self.actor.client.ready);
        let user = self.created().await;
        client.signed_in(&user).await
    }
}
