//! Makes a new partner for every test, as an operator does: through the Invoke API.

use serde_json::{Value, json};

use crate::answer::assert_user;
use crate::faults::Trace;
use crate::{Actor, Client, Ready, User, deployed, secrets, stack};

/// A partner whose primary admin is signed in.
#[derive(Debug)]
pub struct Partner {
    /// The id.
    pub id: String,
    owner: Actor,
}

impl Partner {
    /// Makes a partner on the shared stack.
    pub async fn new() -> Self {
        Self::of(&stack().ready).await
    }

    /// Makes a partner on this stack.
    pub async fn of(ready: &Ready) -> Self {
        let user = new_partner(ready, &secrets::email("owner"), Some(&secrets::password())).await;
        let id = user.partner_id.clone();
        Self { id, owner: Client::of(ready).signed_in(&user).await }
    }

    /// The primary admin, signed in.
    pub fn owner(&self) -> &Actor {
        &self.owner
    }

    /// Adds a user with this role and signs them in.
    pub async fn new_user(&self, role: &str) -> Actor {
        self.owner.add("Nora", "Newcomer").role(role).signed_in().await
    }
}

/// Makes a partner with a primary admin named Olive Owner.
pub async fn new_partner(ready: &Ready, email: &str, password: Option<&str>) -> User {
    let mut primary_admin = json!({ "first_name": "Olive", "last_name": "Owner", "email": email });
    if let Some(password) = password {
        primary_admin["password"] = password.into();
    }
    let input = json!({ "partner_name": "Acme Agency", "primary_admin": primary_admin });
    let answer = invoke(ready, "create-partner", &input).await.worked();
    recovered(&answer, password)
}

/// Checks the shape of a response of `create-partner` or `recover-primary-admin`, and returns its primary admin.
#[track_caller]
pub(crate) fn recovered(answer: &Value, given: Option<&str>) -> User {
    assert_user(&answer["primary_admin"], &[]);
    assert_eq!(answer.as_object().unwrap().len(), 3, "{answer}");
    let generated = answer["generated_password"].as_str();
    assert_eq!(generated.is_none(), given.is_some(), "a password is generated only if none is given");
    User {
        id: answer["primary_admin"]["id"].as_str().unwrap().to_owned(),
        partner_id: answer["partner_id"].as_str().unwrap().to_owned(),
        email: answer["primary_admin"]["email"].as_str().unwrap().to_owned(),
        password: secrets::remembered(given.or(generated).unwrap()),
    }
}

impl User {
    /// An operator gives a partner's primary admin a new password.
    pub async fn recovered(ready: &Ready, partner_id: &str, password: Option<&str>) -> Self {
        let mut input = json!({ "partner_id": partner_id });
        if let Some(password) = password {
            input["password"] = password.into();
        }
        let answer = invoke(ready, "recover-primary-admin", &input).await.worked();
        recovered(&answer, password)
    }
}

/// The result of a function that an operator invoked.
#[derive(Debug)]
pub struct Invoked {
    /// The kind of the error, such as `Unhandled`, if the function failed.
    pub error: Option<String>,
    /// The function's response, or the description of its error.
    pub payload: Value,
}

impl Invoked {
    /// Checks that the function succeeded, and returns its response.
    #[track_caller]
    pub fn worked(self) -> Value {
        assert!(self.error.is_none(), "the function failed: {} {}", self.error.unwrap_or_default(), self.payload);
        self.payload
    }

    /// Checks that the function failed, and returns the message of the error.
    #[track_caller]
    pub fn failed(self) -> String {
        assert!(self.error.is_some(), "expected a function error, got {}", self.payload);
        self.payload["errorMessage"].as_str().unwrap_or_else(|| panic!("{}", self.payload)).to_owned()
    }
}

/// Invokes a function as `aws lambda invoke` does.
pub async fn invoke(ready: &Ready, function: &str, input: &Value) -> Invoked {
    invoke_within(&Trace::new(), ready, function, input).await
}

/// Invokes a function as part of a trace.
pub async fn invoke_within(trace: &Trace, ready: &Ready, function: &str, input: &Value) -> Invoked {
    if let Some(invoked) = deployed::invoke(ready, function, input) {
        return invoked;
    }
    let url = format!("{}/2015-03-31/functions/{function}/invocations", ready.lambda_url);
    let response =
        reqwest::Client::new().post(url).header("x-amzn-trace-id", trace.header()).json(input).send().await.unwrap();
    assert_eq!(response.status(), 200, "the Invoke API");
    let error = response.headers().get("x-amz-function-error").map(|value| value.to_str().unwrap().to_owned());
    Invoked { error, payload: response.json().await.unwrap() }
}
