//! Uses a deployed portal instead of a local stack when `PORTAL_STACK` names one. The tests reach it as its operators and
//! clients do: through the AWS CLI, with its configured profile and region, and through curl, which supports TLS.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, Uri, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::stack::{Login, Ready, variable};
use crate::{Invoked, secrets};

/// The prefix of `lambda_url` when functions are invoked through the CLI.
const CLI: &str = "aws:";

/// The name of the deployed stack that the tests use.
pub(crate) fn name() -> Option<String> {
    variable("PORTAL_STACK")
}

/// Reads the addresses of the deployed stack, and makes a demo partner there.
pub(crate) fn ready(stack: &str) -> Result<Ready, String> {
    let answer = run("aws", &["cloudformation", "describe-stacks", "--stack-name", stack, "--output", "json"], "")?;
    let answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
    let outputs = answer["Stacks"][0]["Outputs"].as_array().cloned().unwrap_or_default();
    let output = |name: &str| {
        let found = outputs.iter().find(|output| output["OutputKey"] == name);
        let value = found.and_then(|output| output["OutputValue"].as_str());
        value.map(str::to_owned).ok_or_else(|| format!("the stack {stack} has no output {name}"))
    };
    let tables = ["UsersTableName", "CredentialsTableName", "SessionsTableName", "AuditTableName"];
    let user_pool_id = output("UserPoolId")?;
    let region = user_pool_id.split('_').next().unwrap_or_default();
    let login = Login { email: secrets::email("smoke"), password: secrets::password() };
    let mut ready = Ready {
        url: forward(output("PortalUrl")?)?,
        lambda_url: format!("{CLI}{stack}"),
        // The tests cannot access the tables of a deployed portal.
        dynamodb_url: String::new(),
        cognito_url: forward(format!("https://cognito-idp.{region}.amazonaws.com"))?,
        // The mail of a deployed portal goes to real mailboxes.
        ses_url: String::new(),
        mail_url: None,
        client_id: output("UserPoolClientId")?,
        tables: tables.into_iter().map(output).collect::<Result<_, _>>()?,
        partner_id: String::new(),
        user_pool_id,
        primary_admin: login.clone(),
    };
    let primary_admin =
        json!({ "first_name": "Olive", "last_name": "Owner", "email": login.email, "password": login.password });
    let input = json!({ "partner_name": "Smoke test", "primary_admin": primary_admin });
    let made = invoke(&ready, "create-partner", &input).ok_or("the stack is not deployed")?.worked();
    made["partner_id"].as_str().unwrap_or_default().clone_into(&mut ready.partner_id);
    Ok(ready)
}

/// Invokes a function of a deployed stack. Returns `None` for a local stack.
pub(crate) fn invoke(ready: &Ready, function: &str, input: &Value) -> Option<Invoked> {
    let stack = ready.lambda_url.strip_prefix(CLI)?;
    let answer = std::env::temp_dir().join(format!("portal-tests-{}", secrets::random(20)));
    let name = format!("{stack}-{function}");
    let output = answer.to_str().unwrap();
    let payload = ["--cli-binary-format", "raw-in-base64-out", "--payload", "file:///dev/stdin"];
    let arguments = ["lambda", "invoke", "--function-name", &name, "--output", "json"];
    let said = run("aws", &[&arguments[..], &payload, &[output]].concat(), &input.to_string()).unwrap();
    let said: Value = serde_json::from_slice(&said).unwrap();
    let payload = serde_json::from_slice(&std::fs::read(&answer).unwrap()).unwrap();
    std::fs::remove_file(&answer).unwrap();
    Some(Invoked { error: said["FunctionError"].as_str().map(str::to_owned), payload })
}

/// Runs a program to its end. The input goes to stdin, so that no list of processes shows it.
fn run(program: &str, arguments: &[&str], input: &str) -> Result<Vec<u8>, String> {
    let failed = |problem: &dyn std::fmt::Display| format!("{program}: {problem}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).map_err(|error| failed(&error))?;
    drop(stdin);
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    if output.status.success() { Ok(output.stdout) } else { Err(failed(&String::from_utf8_lossy(&output.stderr))) }
}

/// Serves `target` on this machine without TLS while the tests run. Returns the local URL.
fn forward(target: String) -> Result<String, String> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    let url = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let route = Arc::new((url.clone(), target));
    // This needs its own runtime: a test's runtime ends with the test.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async move {
            let router = Router::new().fallback(pass_on).with_state(route);
            axum::serve(TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    Ok(url)
}

async fn pass_on(
    State(route): State<Arc<(String, String)>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let configuration = configuration(&route, &method, &uri, &headers, &body);
    let curl =
        move || run("curl", &["--silent", "--show-error", "--include", "--http1.1", "--config", "-"], &configuration);
    let answer = tokio::task::spawn_blocking(curl).await.unwrap().unwrap_or_else(|problem| panic!("{problem}"));
    read_answer(&answer)
}

/// The configuration that curl reads on stdin.
fn configuration(
    (own, target): &(String, String),
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> String {
    let quoted = |text: &str| {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\r', "\\r");
        format!("\"{escaped}\"")
    };
    let mut lines = vec![
        format!("url = {}", quoted(&format!("{target}{uri}"))),
        format!("request = {}", quoted(method.as_str())),
        format!("data-binary = {}", quoted(std::str::from_utf8(body).expect("text"))),
    ];
    // Removes the headers that curl would add.
    lines.extend(["Expect:", "Content-Type:"].map(|header| format!("header = {}", quoted(header))));
    for (name, value) in headers {
        if ![header::HOST, header::CONTENT_LENGTH, header::CONNECTION].contains(name) {
            // The deployed portal expects its own URL as the page's origin.
            let value = value.to_str().unwrap().replace(own, target);
            lines.push(format!("header = {}", quoted(&format!("{name}: {value}"))));
        }
    }
    lines.join("\n")
}

fn read_answer(answer: &[u8]) -> Response<Body> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("headers");
    let (head, body) = answer.split_at(end + 4);
    let mut lines = std::str::from_utf8(head).unwrap().lines();
    let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let (mut parts, ()) = Response::new(()).into_parts();
    parts.status = status.try_into().unwrap();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let name: header::HeaderName = name.parse().unwrap();
        // curl has already decoded the body, so these headers no longer apply.
        if name != header::TRANSFER_ENCODING && name != header::CONNECTION && name != header::CONTENT_LENGTH {
            parts.headers.append(name, value.trim().parse().unwrap());
        }
    }
    Response::from_parts(parts, Body::from(body.to_vec()))
}
