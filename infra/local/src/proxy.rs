//! All AWS calls of the functions pass this proxy. It identifies the caller by its access key, and the operation by its
//! `X-Amz-Target` or, for SES, by the request line. It forwards the calls that the caller's policy allows to DynamoDB,
//! Cognito or SES, signed for that server. After a write it wakes the pollers of the table's stream.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use serde_json::json;

use crate::iam::{self, Need, NeedsError, Policy, Record, Verdict};
use crate::lambda::log;
use crate::plan::Mail;
use crate::servers::Server;
use crate::signature::{self, NotSigned, Signable};
use crate::streams::Wakes;
use crate::template::ACCOUNT;

/// DynamoDB's limit for the size of a request.
const BODY_LIMIT: usize = 16 * 1024 * 1024;
/// The Cognito operations that need no signature and no policy.
const UNSIGNED: &[&str] = &["RevokeToken"];

/// The path of SES's operation `SendEmail`.
const SEND_EMAIL: &str = "/v2/email/outbound-emails";

/// The servers behind the proxy.
pub(crate) struct Backends {
    pub(crate) dynamodb: Server,
    pub(crate) cognito: Server,
    pub(crate) ses: Server,
}

/// The servers behind the proxy and its known callers.
pub(crate) struct Proxy {
    backends: Backends,
    /// The policies by access key.
    policies: BTreeMap<String, Policy>,
    /// The identities of SES, which are resources of policies.
    mail: Mail,
    wakes: Wakes,
    record: Option<Record>,
    client: reqwest::Client,
}

/// An API of AWS that functions call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    DynamoDb,
    Cognito,
    Ses,
}

/// One call of a function.
#[derive(Debug)]
struct Call<'a> {
    service: Service,
    operation: &'a str,
    path: &'a str,
    /// The access key of a signed call.
    access_key: Option<&'a str>,
}

impl Service {
    /// The name of the service in signatures.
    fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Cognito => "cognito-idp",
            Self::Ses => "ses",
        }
    }
}

impl Proxy {
    /// A proxy for callers with these access keys.
    pub(crate) fn new(
        backends: Backends,
        policies: BTreeMap<String, Policy>,
        mail: Mail,
        wakes: Wakes,
        record: Option<Record>,
    ) -> reqwest::Result<Self> {
        // The environment's HTTP proxy is not meant for loopback addresses. The functions handle redirects themselves.
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { backends, policies, mail, wakes, record, client })
    }

    /// Serves all APIs at one address.
    pub(crate) fn router(self) -> Router {
        Router::new().fallback(handle).with_state(Arc::new(self))
    }

    /// The permissions that an allowed call needed, or the error response for a call that must not be forwarded.
    fn authorize(&self, call: &Call<'_>, body: &[u8]) -> Result<BTreeSet<Need>, Box<Response>> {
        let refused = |code, message: &str| Box::new(error(StatusCode::BAD_REQUEST, code, message));
        let policy = match call.access_key {
            Some(key) => self.policies.get(key).ok_or_else(|| {
                refused("UnrecognizedClientException", "The security token included in the request is invalid.")
            })?,
            None if call.service == Service::Cognito && UNSIGNED.contains(&call.operation) => {
                return Ok(BTreeSet::new());
            }
            None => {
                return Err(refused("MissingAuthenticationTokenException", "Request is missing Authentication Token"));
            }
        };
        let needs = match call.service {
            Service::DynamoDb => iam::dynamodb(call.operation, body),
            Service::Cognito => iam::cognito(call.operation, body),
            Service::Ses => iam::ses(body, &self.mail),
        };
        let needs = needs.map_err(|problem| {
            let code = match problem {
                NeedsError::Unreadable(_) => "SerializationException",
                NeedsError::PartiQl => "ValidationException",
            };
            refused(code, &problem.to_string())
        })?;
        match self.denial(policy, call.service, &needs) {
            Some(denial) => Err(Box::new(denial)),
            None => Ok(needs),
        }
    }

    /// The error response for a call that the caller's policy does not allow.
    fn denial(&self, policy: &Policy, service: Service, needs: &BTreeSet<Need>) -> Option<Response> {
        let mut denial = None;
        // Check all needs, so that the record and the log name every permission that a transaction lacks.
        for need in needs {
            let verdict = policy.decide(need);
            if let Some(record) = &self.record {
                record.note(policy, need, verdict);
            }
            let reason = match verdict {
                Verdict::Allowed => continue,
                Verdict::NotAllowed => format!("because no identity-based policy allows the {} action", need.action),
                Verdict::Denied => "with an explicit deny in an identity-based policy".to_owned(),
            };
            log::line("proxy", &format!("{} may not {} on {}", policy.function(), need.action, need.resource));
            denial.get_or_insert_with(|| access_denied(service, policy.function(), need, &reason));
        }
        denial
    }

    fn server(&self, service: Service) -> &Server {
        match service {
            Service::DynamoDb => &self.backends.dynamodb,
            Service::Cognito => &self.backends.cognito,
            Service::Ses => &self.backends.ses,
        }
    }

    async fn forward(&self, url: String, headers: HeaderMap, body: Bytes) -> reqwest::Result<Response> {
        let answer = self.client.post(url).headers(headers).body(body).send().await?;
        let (status, mut headers) = (answer.status(), answer.headers().clone());
        let body = answer.bytes().await?;
        // These headers belong to the connection between the proxy and the server.
        headers.remove(header::CONNECTION);
        headers.remove(header::TRANSFER_ENCODING);
        Ok((status, headers, body).into_response())
    }
}

async fn handle(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Some(call) = Call::read(&head) else {
        let message = "This is no operation of DynamoDB, Cognito or SES that the local stack supports.";
        return error(StatusCode::BAD_REQUEST, "UnknownOperationException", message);
    };
    // For an incomplete body the response does not matter, because its sender is gone.
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return error(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "The request is too large.");
    };
    let needs = match proxy.authorize(&call, &body) {
        Ok(needs) => needs,
        Err(refusal) => return *refusal,
    };
    let server = proxy.server(call.service);
    let headers = match forwarded(&call, &head.headers, server, &body) {
        Ok(headers) => headers,
        Err(problem) => {
            log::line("proxy", &format!("cannot sign {:?} {}: {problem}", call.service, call.operation));
            return error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", "The proxy cannot sign the call.");
        }
    };
    let forwarded = proxy.forward(format!("{}{}", server.url, call.path), headers, body).await;
    // Without a response, the server may still have carried out the call.
    proxy.wakes.after(&needs);
    match forwarded {
        Ok(answer) => answer,
        // If the server's connection breaks, break the caller's connection too: the caller cannot know whether the call
        // was carried out.
        Err(problem) if !problem.is_connect() => broken_off(),
        Err(problem) => {
            log::line("proxy", &format!("{:?} {} failed: {problem}", call.service, call.operation));
            let code = match call.service {
                Service::DynamoDb => "InternalServerError",
                Service::Cognito => "InternalErrorException",
                Service::Ses => "InternalServiceErrorException",
            };
            error(StatusCode::INTERNAL_SERVER_ERROR, code, "The server cannot be reached.")
        }
    }
}

impl<'a> Call<'a> {
    fn read(head: &'a Parts) -> Option<Self> {
        let authorization = head.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let access_key = authorization.and_then(access_key);
        let path = head.uri.path();
        let Some(target) = head.headers.get("x-amz-target") else {
            let is_known = head.method == Method::POST && path == SEND_EMAIL;
            let is_for_ses = authorization.and_then(scope) == Some(Service::Ses.name());
            return (is_known && is_for_ses).then_some(Self {
                service: Service::Ses,
                operation: "SendEmail",
                path,
                access_key,
            });
        };
        let (service, operation) = target.to_str().ok()?.split_once('.')?;
        let service = match service {
            "DynamoDB_20120810" => Service::DynamoDb,
            "AWSCognitoIdentityProviderService" => Service::Cognito,
            _ => return None,
        };
        Some(Self { service, operation, path: "/", access_key })
    }
}

/// The access key in `AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/dynamodb/aws4_request, …`.
fn access_key(authorization: &str) -> Option<&str> {
    credential(authorization)?.split('/').next()
}

/// The service in such a header.
fn scope(authorization: &str) -> Option<&str> {
    credential(authorization)?.split('/').nth(3)
}

fn credential(authorization: &str) -> Option<&str> {
    let credential = authorization.split_once("Credential=")?.1;
    credential.contains('/').then_some(credential)
}

/// The headers for the server. The server does not know the function's signature, so a signed call is signed again.
fn forwarded(call: &Call<'_>, sent: &HeaderMap, server: &Server, body: &[u8]) -> Result<HeaderMap, NotSigned> {
    let mut headers = sent.clone();
    for name in
        [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::AUTHORIZATION]
    {
        headers.remove(name);
    }
    for name in ["x-amz-date", "x-amz-security-token"] {
        headers.remove(name);
    }
    if call.access_key.is_some() {
        let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
        let signable = Signable { service: call.service.name(), path: call.path, target, body };
        for (name, value) in signature::headers(server, &signable)? {
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// Sends no response: a body that fails before its first byte closes the connection.
fn broken_off() -> Response {
    let failure = stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset)) });
    Body::from_stream(failure).into_response()
}

/// A denial in the format of each API. DynamoDB sends no header for the code, and names the message differently than in
/// its other errors. SES has its own words and status.
fn access_denied(service: Service, function: &str, Need { action, resource }: &Need, reason: &str) -> Response {
    // SAM generates this role name, and Lambda names the session after the function.
    let user = format!("arn:aws:sts::{ACCOUNT}:assumed-role/{function}Role/{function}");
    if service == Service::Ses {
        let message = format!("User `{user}' is not authorized to perform `{action}' on resource `{resource}'");
        return error(StatusCode::FORBIDDEN, "AccessDeniedException", &message);
    }
    let message = format!("User: {user} is not authorized to perform: {action} on resource: {resource} {reason}");
    let (code, content_type) = match service {
        Service::DynamoDb => ("com.amazon.coral.service#AccessDeniedException", "application/x-amz-json-1.0"),
        Service::Cognito | Service::Ses => ("AccessDeniedException", "application/x-amz-json-1.1"),
    };
    let body = Body::from(json!({ "__type": code, "Message": message }).to_string());
    let mut answer = (StatusCode::BAD_REQUEST, [(header::CONTENT_TYPE, content_type)], body).into_response();
    if service == Service::Cognito {
        let name = HeaderName::from_static("x-amzn-errortype");
        answer.headers_mut().insert(name, HeaderValue::from_static("AccessDeniedException:"));
    }
    answer
}

/// An error in the format that all APIs use.
fn error(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = json!({ "__type": code, "message": message }).to_string();
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1")),
        (HeaderName::from_static("x-amzn-errortype"), HeaderValue::from_static(code)),
    ];
    (status, headers, Body::from(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::Uri;
    use tokio::task::JoinSet;

    use super::*;
    use crate::plan::Identity;
    use crate::servers::serve;
    use crate::template::{ses_arn, table_arn, user_pool_arn};

    const SIGNATURE: &str = "AWS4-HMAC-SHA256 Credential=AddUserFunction/20260101/us-east-1/dynamodb/aws4_request, \
                             SignedHeaders=host, Signature=0";

    const BODY: &str = r#"{"TableName":"Users","UserPoolId":"us-east-1_a"}"#;

    /// Starts a server that responds with its name, the access key that it received, the body, and a header.
    async fn server(name: &'static str, tasks: &mut JoinSet<()>) -> String {
        let echo = Router::new().fallback(async move |uri: Uri, headers: HeaderMap, body: String| {
            let authorization = headers.get("authorization").map(|value| value.to_str().unwrap());
            let key = authorization.and_then(access_key).unwrap_or("unsigned");
            let service = authorization.and_then(scope).unwrap_or("none");
            let seen = format!("{name} {} {key} {service} {body}", uri.path());
            (StatusCode::IM_A_TEAPOT, [("x-amz-crc32", "7")], seen)
        });
        serve("echo", echo, tasks).await.unwrap()
    }

    async fn call(proxy: &str, target: &str, signature: Option<&str>) -> (u16, Option<String>, String) {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.post(proxy).header("x-amz-target", target).body(BODY);
        if let Some(signature) = signature {
            request = request.header("authorization", signature);
        }
        let answer = request.send().await.unwrap();
        let own = answer.headers().get("x-amz-crc32").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), own, answer.text().await.unwrap())
    }

    async fn proxy(dynamodb: String, cognito: String, tasks: &mut JoinSet<()>) -> String {
        let statements = [
            json!({ "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": table_arn("Users") }),
            json!({ "Effect": "Allow", "Action": "cognito-idp:AdminGetUser", "Resource": user_pool_arn("us-east-1_a") }),
            json!({ "Effect": "Deny", "Action": "dynamodb:DeleteItem", "Resource": "*" }),
            json!({ "Effect": "Allow", "Action": "ses:SendEmail", "Resource": ses_arn("identity/portal@example.com") }),
        ];
        let policy = Policy::read("AddUserFunction", &statements).unwrap();
        let policies = BTreeMap::from([("AddUserFunction".to_owned(), policy)]);
        let backends = Backends {
            dynamodb: Server::embedded(dynamodb),
            ses: Server::embedded(cognito.clone()),
            cognito: Server::embedded(cognito),
        };
        let identity = Identity { name: "portal@example.com".to_owned(), configuration_set: None };
        let mail = Mail { identities: vec![identity], ..Mail::default() };
        let proxy = Proxy::new(backends, policies, mail, Wakes::default(), None).unwrap();
        serve("proxy", proxy.router(), tasks).await.unwrap()
    }

    #[tokio::test]
    async fn a_call_reaches_its_server_and_the_response_is_unchanged() {
        let mut tasks = JoinSet::new();
        let (dynamodb, cognito) = (server("dynamodb", &mut tasks).await, server("cognito", &mut tasks).await);
        let proxy = proxy(dynamodb, cognito, &mut tasks).await;
        for (target, signature, expected) in [
            ("DynamoDB_20120810.GetItem", Some(SIGNATURE), "dynamodb / local dynamodb"),
            ("AWSCognitoIdentityProviderService.AdminGetUser", Some(SIGNATURE), "cognito / local cognito-idp"),
            ("AWSCognitoIdentityProviderService.RevokeToken", None, "cognito / unsigned none"),
            ("AWSCognitoIdentityProviderService.RevokeToken", Some(SIGNATURE), "cognito / local cognito-idp"),
        ] {
            let expected = (418, Some("7".to_owned()), format!("{expected} {BODY}"));
            assert_eq!(call(&proxy, target, signature).await, expected, "{target}");
        }
    }

    #[tokio::test]
    async fn a_call_to_ses_is_recognized_by_its_path_and_scope() {
        let mut tasks = JoinSet::new();
        let server = server("ses", &mut tasks).await;
        let proxy = proxy(server.clone(), server, &mut tasks).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let signed = |service: &str| SIGNATURE.replace("dynamodb", service);
        let body = |from: &str, set: &str| format!(r#"{{"FromEmailAddress":"{from}"{set}}}"#);
        let ours = body("Portal <portal@example.com>", "");
        let user =
            "User `arn:aws:sts::000000000000:assumed-role/AddUserFunctionRole/AddUserFunction' is not authorized";
        for (path, service, body, status, expected) in [
            (SEND_EMAIL, "ses", ours.clone(), 418, format!("ses {SEND_EMAIL} local ses {ours}")),
            (SEND_EMAIL, "dynamodb", ours.clone(), 400, "UnknownOperationException".to_owned()),
            ("/v2/email/identities", "ses", ours, 400, "UnknownOperationException".to_owned()),
            (SEND_EMAIL, "ses", "{".to_owned(), 400, "SerializationException".to_owned()),
            (
                SEND_EMAIL,
                "ses",
                body("other@example.com", ""),
                403,
                format!("{user} to perform `ses:SendEmail' on resource `{}'", ses_arn("identity/other@example.com")),
            ),
            (
                SEND_EMAIL,
                "ses",
                body("portal@example.com", r#","ConfigurationSetName":"mail""#),
                403,
                format!("{user} to perform `ses:SendEmail' on resource `{}'", ses_arn("configuration-set/mail")),
            ),
        ] {
            let call = client.post(format!("{proxy}{path}")).header("authorization", signed(service));
            let answer = call.body(body.clone()).send().await.unwrap();
            assert_eq!(answer.status(), status, "{path} {service} {body}");
            let text = answer.text().await.unwrap();
            assert!(text.contains(&expected), "{path} {service} {body}: {text}");
        }
    }

    #[tokio::test]
    async fn unknown_callers_and_unsupported_operations_are_refused() {
        let mut tasks = JoinSet::new();
        let server = server("server", &mut tasks).await;
        let proxy = proxy(server.clone(), server, &mut tasks).await;
        for (target, signature, expected) in [
            ("S3.GetObject", Some(SIGNATURE), "UnknownOperationException"),
            ("DynamoDB_20120810.GetItem", Some("Credential=Unknown/"), "UnrecognizedClientException"),
            ("DynamoDB_20120810.BatchGetItem", Some(SIGNATURE), "SerializationException"),
            ("DynamoDB_20120810.ExecuteStatement", Some(SIGNATURE), "ValidationException"),
            ("DynamoDB_20120810.GetItem", None, "MissingAuthenticationTokenException"),
            ("AWSCognitoIdentityProviderService.AdminGetUser", None, "MissingAuthenticationTokenException"),
        ] {
            let (status, _, body) = call(&proxy, target, signature).await;
            assert_eq!(status, 400);
            assert!(body.contains(expected), "{target}: {body}");
        }
    }

    #[tokio::test]
    async fn a_call_without_permission_gets_the_same_error_as_on_aws() {
        let mut tasks = JoinSet::new();
        let server = server("server", &mut tasks).await;
        let proxy = proxy(server.clone(), server, &mut tasks).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let (table, pool) = (table_arn("Users"), user_pool_arn("us-east-1_a"));
        let user = "User: arn:aws:sts::000000000000:assumed-role/AddUserFunctionRole/AddUserFunction is not authorized";
        for (target, code, header, message) in [
            (
                "DynamoDB_20120810.PutItem",
                "com.amazon.coral.service#AccessDeniedException",
                None,
                format!(
                    "{user} to perform: dynamodb:PutItem on resource: {table} because no identity-based policy allows \
                     the dynamodb:PutItem action"
                ),
            ),
            (
                "DynamoDB_20120810.DeleteItem",
                "com.amazon.coral.service#AccessDeniedException",
                None,
                format!(
                    "{user} to perform: dynamodb:DeleteItem on resource: {table} with an explicit deny in an \
                     identity-based policy"
                ),
            ),
            (
                "AWSCognitoIdentityProviderService.AdminDeleteUser",
                "AccessDeniedException",
                Some("AccessDeniedException:"),
                format!(
                    "{user} to perform: cognito-idp:AdminDeleteUser on resource: {pool} because no identity-based \
                     policy allows the cognito-idp:AdminDeleteUser action"
                ),
            ),
        ] {
            let call = client.post(&proxy).header("x-amz-target", target).header("authorization", SIGNATURE);
            let answer = call.body(BODY).send().await.unwrap();
            assert_eq!(answer.status(), 400);
            assert_eq!(answer.headers().get("x-amzn-errortype").map(|value| value.to_str().unwrap()), header);
            let body: serde_json::Value = answer.json().await.unwrap();
            assert_eq!(body, json!({ "__type": code, "Message": message }));
        }
    }

    #[tokio::test]
    async fn a_broken_connection_to_the_server_breaks_the_callers_connection() {
        let mut tasks = JoinSet::new();
        let broken = serve("broken", Router::new().fallback(async || broken_off()), &mut tasks).await.unwrap();
        let proxy = proxy(broken.clone(), broken, &mut tasks).await;
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let call = client.post(proxy).header("x-amz-target", "DynamoDB_20120810.GetItem").body(BODY);
        let problem = call.header("authorization", SIGNATURE).send().await.unwrap_err();
        assert!(problem.is_request(), "{problem:?}");
    }

    #[tokio::test]
    async fn an_unreachable_server_is_an_error_that_sdks_retry() {
        let mut tasks = JoinSet::new();
        let down = "http://127.0.0.1:1".to_owned();
        let proxy = proxy(down.clone(), down, &mut tasks).await;
        let (status, _, body) = call(&proxy, "DynamoDB_20120810.GetItem", Some(SIGNATURE)).await;
        assert_eq!((status, body.contains("InternalServerError")), (500, true), "{body}");
    }
}
