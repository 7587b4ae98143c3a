//! Tests that need to move the clock or reopen the storage. All others run over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

const START: u64 = 1_800_000_000;
const PASSWORD: &str = "correct horse battery staple";

/// A pool with a client, and a clock that the test moves.
struct Fixture {
    pools: UserPools,
    seconds: Arc<AtomicU64>,
    pool_id: String,
    client_id: String,
}

fn open(path: Option<&Path>, seconds: &Arc<AtomicU64>) -> UserPools {
    let seconds = Arc::clone(seconds);
    let clock = move || UNIX_EPOCH + Duration::from_secs(seconds.load(Ordering::Relaxed));
    UserPools::open_with_clock(path, "eu-west-1", Box::new(clock)).unwrap()
}

fn call(pools: &UserPools, operation: &str, request: &Value) -> Result<Value, String> {
    wire::run(pools, operation, request.to_string().as_bytes()).map_err(|error| error.to_string())
}

impl Fixture {
    fn new(path: Option<&Path>) -> Self {
        let seconds = Arc::new(AtomicU64::new(START));
        let pools = open(path, &seconds);
        let policy = json!({ "PasswordPolicy": { "MinimumLength": 16 } });
        let pool = call(&pools, "CreateUserPool", &json!({ "PoolName": "portal", "Policies": policy })).unwrap();
        let pool_id = pool["UserPool"]["Id"].as_str().unwrap().to_owned();
        let client = json!({
            "UserPoolId": pool_id, "ClientName": "portal",
            "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            "AccessTokenValidity": 15, "RefreshTokenValidity": 30,
            "TokenValidityUnits": { "AccessToken": "minutes", "RefreshToken": "days" },
        });
        let client = call(&pools, "CreateUserPoolClient", &client).unwrap();
        let client_id = client["UserPoolClient"]["ClientId"].as_str().unwrap().to_owned();
        Self { pools, seconds, pool_id, client_id }
    }

    fn user(&self, username: &str) {
        let user = json!({ "UserPoolId": self.pool_id, "Username": username });
        call(&self.pools, "AdminCreateUser", &user).unwrap();
        let password =
            json!({ "UserPoolId": self.pool_id, "Username": username, "Password": PASSWORD, "Permanent": true });
        call(&self.pools, "AdminSetUserPassword", &password).unwrap();
    }

    fn auth(&self, flow: &str, parameters: &Value) -> Result<Value, String> {
        let request = json!({
            "UserPoolId": self.pool_id, "ClientId": self.client_id, "AuthFlow": flow, "AuthParameters": parameters,
        });
        call(&self.pools, "AdminInitiateAuth", &request).map(|mut answer| answer["AuthenticationResult"].take())
    }

    fn sign_in(&self, username: &str, password: &str) -> Result<Value, String> {
        self.auth("ADMIN_USER_PASSWORD_AUTH", &json!({ "USERNAME": username, "PASSWORD": password }))
    }

    fn refresh(&self, token: &Value) -> Result<Value, String> {
        self.auth("REFRESH_TOKEN_AUTH", &json!({ "REFRESH_TOKEN": token }))
    }

    fn get_user(&self, token: &Value) -> Result<Value, String> {
        call(&self.pools, "GetUser", &json!({ "AccessToken": token }))
    }

    fn pass(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    fn stored_sessions(&self) -> i64 {
        let connection = self.pools.0.connection.lock().unwrap();
        connection.query_row("SELECT count(*) FROM sessions", [], |row| row.get(0)).unwrap()
    }
}

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

#[test]
fn an_access_token_has_the_clients_lifetime() {
    let fixture = Fixture::new(None);
    fixture.user("a");
    let tokens = fixture.sign_in("a", PASSWORD).unwrap();
    assert_eq!(tokens["ExpiresIn"], 900);
    fixture.pass(15 * MINUTE - 1);
    assert!(fixture.get_user(&tokens["AccessToken"]).is_ok());
    fixture.pass(1);
    assert_eq!(fixture.get_user(&tokens["AccessToken"]).unwrap_err(), "Access Token has expired");
}

#[test]
fn a_session_is_deleted_only_after_its_last_access_token_has_expired() {
    let fixture = Fixture::new(None);
    fixture.user("a");
    let tokens = fixture.sign_in("a", PASSWORD).unwrap();
    fixture.pass(30 * DAY - MINUTE);
    let last = fixture.refresh(&tokens["RefreshToken"]).unwrap();
    fixture.pass(MINUTE);
    assert_eq!(fixture.refresh(&tokens["RefreshToken"]).unwrap_err(), "Refresh Token has expired");
    fixture.sign_in("a", PASSWORD).unwrap();
    assert!(fixture.get_user(&last["AccessToken"]).is_ok());
    assert_eq!(fixture.stored_sessions(), 2);

    fixture.pass(DAY);
    fixture.sign_in("a", PASSWORD).unwrap();
    assert_eq!(fixture.stored_sessions(), 2, "the first session was deleted");
    assert_eq!(fixture.refresh(&tokens["RefreshToken"]).unwrap_err(), "Invalid Refresh Token.");
}

#[test]
fn a_temporary_password_gets_only_the_challenge_and_only_for_seven_days() {
    let fixture = Fixture::new(None);
    let user = json!({ "UserPoolId": fixture.pool_id, "Username": "a", "TemporaryPassword": PASSWORD });
    call(&fixture.pools, "AdminCreateUser", &user).unwrap();
    assert_eq!(fixture.sign_in("a", PASSWORD).unwrap(), Value::Null, "no tokens");
    fixture.pass(7 * DAY);
    assert_eq!(
        fixture.sign_in("a", PASSWORD).unwrap_err(),
        "Temporary password has expired and must be reset by an administrator."
    );
    assert_eq!(fixture.sign_in("a", "wrong").unwrap_err(), "Incorrect username or password.");
}

#[test]
fn a_reopened_storage_has_its_pools_keys_users_and_sessions() {
    let folder = new_folder();
    let path = folder.join("user-pools.sqlite");
    let fixture = Fixture::new(Some(&path));
    fixture.user("a");
    let tokens = fixture.sign_in("a", PASSWORD).unwrap();
    let ended = fixture.sign_in("a", PASSWORD).unwrap();
    let revoke = json!({ "ClientId": fixture.client_id, "Token": ended["RefreshToken"] });
    call(&fixture.pools, "RevokeToken", &revoke).unwrap();

    // The first connection stays open, as after the kill of a process.
    let again =
        Fixture { pools: open(Some(&path), &fixture.seconds), seconds: Arc::clone(&fixture.seconds), ..fixture };
    assert!(again.get_user(&tokens["AccessToken"]).is_ok());
    assert!(again.refresh(&tokens["RefreshToken"]).is_ok());
    assert_eq!(again.refresh(&ended["RefreshToken"]).unwrap_err(), "Refresh Token has been revoked");
    assert!(again.sign_in("a", PASSWORD).is_ok());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_storage_with_another_layout_is_rejected() {
    let folder = new_folder();
    let path = folder.join("user-pools.sqlite");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 999).unwrap();
    assert!(matches!(UserPools::open(Some(&path), "eu-west-1"), Err(OpenError::Layout { found: 999, .. })));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn another_pools_client_cannot_be_used() {
    let fixture = Fixture::new(None);
    let other = call(&fixture.pools, "CreateUserPool", &json!({ "PoolName": "other" })).unwrap();
    let pool_id = other["UserPool"]["Id"].as_str().unwrap();
    let missing = format!("User pool client {} does not exist.", fixture.client_id);
    let request = json!({ "UserPoolId": pool_id, "ClientId": fixture.client_id });
    assert_eq!(call(&fixture.pools, "DescribeUserPoolClient", &request).unwrap_err(), missing);
    let request = json!({ "UserPoolId": pool_id, "ClientId": fixture.client_id, "AuthFlow": "REFRESH_TOKEN_AUTH" });
    assert_eq!(call(&fixture.pools, "AdminInitiateAuth", &request).unwrap_err(), missing);
}

#[test]
fn unsupported_operations_and_fields_are_errors() {
    let fixture = Fixture::new(None);
    assert_eq!(call(&fixture.pools, "SignUp", &json!({})).unwrap_err(), ApiError::UnknownOperation.to_string());
    let with_email = json!({
        "UserPoolId": fixture.pool_id, "Username": "a", "UserAttributes": [{ "Name": "email", "Value": "a@example.com" }],
    });
    let refused = call(&fixture.pools, "AdminCreateUser", &with_email).unwrap_err();
    assert!(refused.contains("UserAttributes"), "{refused}");
    assert!(matches!(wire::run(&fixture.pools, "GetUser", b"{"), Err(ApiError::Serialization)));
}

fn new_folder() -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("portal-user-pool-{}", secrets::uuid().unwrap()));
    std::fs::create_dir(&folder).unwrap();
    folder
}
