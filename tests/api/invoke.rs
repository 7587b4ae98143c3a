//! Lambda's Invoke API, as the tools of an operator use it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portal_tests::stack;
use reqwest::Response;
use serde_json::{Value, json};

async fn invoke(path: &str, headers: &[(&str, &str)]) -> Response {
    let url = format!("{}/2015-03-31/functions/{path}", stack().ready.lambda_url);
    let request = reqwest::Client::new().post(url).json(&json!({}));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

#[tokio::test]
async fn a_function_can_be_invoked_by_its_deployed_name() {
    for name in ["partner-portal-repair-identities", "repair-identities", "RepairIdentitiesFunction"] {
        let response = invoke(&format!("{name}/invocations"), &[]).await;
        assert_eq!(response.status(), 200, "{name}");
        assert_eq!(response.headers().get("x-amz-log-result"), None);
        assert!(response.json::<Value>().await.unwrap()["examined"].is_u64(), "{name}");
    }
}

#[tokio::test]
async fn the_end_of_the_log_is_returned_on_request() {
    let response = invoke("repair-identities/invocations", &[("x-amz-log-type", "Tail")]).await;
    let log = BASE64_STANDARD.decode(response.headers()["x-amz-log-result"].as_bytes()).unwrap();
    let log = String::from_utf8(log).unwrap();
    assert!(log.contains(r#""RepairBacklog":"#), "{log}");
}

#[tokio::test]
async fn an_unknown_version_or_alias_gets_404() {
    for path in
        ["repair-identities/invocations?Qualifier=PROD", "repair-identities:PROD/invocations", "nothing/invocations"]
    {
        let response = invoke(path, &[]).await;
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["x-amzn-errortype"], "ResourceNotFoundException", "{path}");
        let message = response.json::<Value>().await.unwrap()["Message"].as_str().unwrap().to_owned();
        let end =
            if path.contains("PROD") { "function:partner-portal-repair-identities:PROD" } else { "function:nothing" };
        assert!(message.starts_with("Function not found: arn:aws:lambda:") && message.ends_with(end), "{message}");
    }
    assert_eq!(invoke("repair-identities/invocations?Qualifier=$LATEST", &[]).await.status(), 200);
}

#[tokio::test]
async fn an_operation_other_than_invoke_gets_404_with_a_reason() {
    let root = format!("{}/2015-03-31/functions", stack().ready.lambda_url);
    for path in
        [format!("{root}/"), format!("{root}/repair-identities"), format!("{root}/repair-identities/invocations")]
    {
        let response = reqwest::get(&path).await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
        assert_eq!(response.headers()["x-amzn-errortype"], "UnknownOperationException", "{path}");
        assert!(response.json::<Value>().await.unwrap()["Message"].is_string(), "{path}");
    }
}
