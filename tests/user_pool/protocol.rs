//! Tests the wire protocol of all SDKs and the AWS CLI: AWS JSON 1.1.

use serde_json::{Value, json};

use crate::departures::{Departure, documented};
use crate::server::{Pool, endpoint};

struct Answer {
    status: u16,
    error_type: String,
    body: Value,
}

async fn post(operation: &str, body: &str) -> Answer {
    let answer = reqwest::Client::new()
        .post(endpoint())
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{operation}"))
        .header("authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/cognito-idp/aws4_request")
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.headers()["content-type"], "application/x-amz-json-1.1");
    assert!(answer.headers().contains_key("x-amzn-requestid"));
    let error_type = answer.headers().get("x-amzn-errortype").map_or("", |value| value.to_str().unwrap()).to_owned();
    Answer { status: answer.status().as_u16(), error_type, body: answer.json().await.unwrap() }
}

#[tokio::test]
async fn an_error_is_a_400_with_its_name_and_message() {
    let pool = Pool::new().await;
    let request = json!({ "UserPoolId": pool.id, "Username": "unknown" });
    let answer = post("AdminGetUser", &request.to_string()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body, json!({ "__type": "UserNotFoundException", "message": "User does not exist." }));
    assert!(answer.error_type.starts_with("UserNotFoundException"), "{:?}", answer.error_type);
}

#[tokio::test]
async fn a_missing_or_mistyped_field_is_an_invalid_parameter() {
    let pool = Pool::new().await;
    for request in [json!({ "UserPoolId": pool.id }), json!({ "UserPoolId": pool.id, "Username": "" })] {
        let answer = post("AdminCreateUser", &request.to_string()).await;
        assert_eq!((answer.status, &answer.body["__type"]), (400, &json!("InvalidParameterException")));
    }
}

#[tokio::test]
async fn invalid_json_and_unknown_operations_are_refused() {
    let answer = post("AdminGetUser", "{").await;
    assert_eq!((answer.status, &answer.body["__type"]), (400, &json!("SerializationException")));
    let answer = post("MakeCoffee", "{}").await;
    assert_eq!(answer.status, 400);
    let is_unknown = answer.body["__type"] == "UnknownOperationException";
    documented(is_unknown, Departure::UnknownOperationIsInvalidAction);
}
