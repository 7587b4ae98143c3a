//! Without `--ephemeral`, all data survives the end of the stack, even if the stack is killed.

use std::fs;
use std::path::PathBuf;

use portal_tests::{Client, Partner, Ready, Stack};

/// A data folder that is deleted after the test.
struct DataFolder(PathBuf);

impl DataFolder {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("portal-tests-{}-{name}", std::process::id())))
    }

    fn start(&self) -> Stack {
        let options = ["--data-folder", self.0.to_str().unwrap()];
        Stack::start("restart", &options).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Drop for DataFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts the stack three times: about 2 s.
#[tokio::test]
async fn users_sessions_and_the_user_pool_survive_a_kill_and_a_shutdown() {
    let folder = DataFolder::new("restart");
    let first = folder.start();
    let partner = Partner::of(&first.ready).await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").signed_in().await;
    let demo = first.ready.clone();
    first.end("KILL");

    for signal in ["INT", "KILL"] {
        let next = folder.start();
        assert_eq!((&next.ready.user_pool_id, &next.ready.client_id), (&demo.user_pool_id, &demo.client_id));
        assert_eq!(
            (&next.ready.partner_id, &next.ready.primary_admin.password),
            (&demo.partner_id, &demo.primary_admin.password)
        );
        let client = Client::of(&next.ready);
        let me = client.get("/v1/me").bearer(&ann.token).await.expect(200);
        assert_eq!(me.me()["id"], ann.id, "a token from before is still valid");
        client.refresh(&ann.refresh_token).await.expect(200);
        client.signed_in(&ann.user).await.is_signed_in().await;
        let owner = Client::of(&next.ready).signed_in(&partner.owner().user).await;
        assert_eq!(owner.get("/v1/users").await.expect(200).json["total"], 2);
        Client::of(&next.ready).sign_in(&demo.primary_admin.email, &demo.primary_admin.password).await.expect(200);
        next.end(signal);
    }
}

/// Starts three stacks, one of which fails to start: about 2 s.
#[tokio::test]
async fn a_data_folder_in_use_is_rejected_with_a_clear_message() {
    let folder = DataFolder::new("locked");
    let first = folder.start();
    let error = Stack::start("locked", &["--data-folder", folder.0.to_str().unwrap()]).unwrap_err();
    assert!(error.contains("in use by another stack"), "{error}");
    first.end("TERM");
    folder.start().end("TERM");
}

/// Starts three stacks: about 3 s.
#[tokio::test]
async fn another_start_on_the_same_dynamodb_prints_working_credentials() {
    let first = Stack::start("one-dynamodb", &["--ephemeral"]).unwrap_or_else(|error| panic!("{error}"));
    let mut printed = vec![first.ready.clone()];
    for _ in 0..2 {
        let options = ["--ephemeral", "--dynamodb-endpoint", &first.ready.dynamodb_url];
        let next = Stack::start("another", &options).unwrap_or_else(|error| panic!("{error}"));
        printed.push(next.ready.clone());
        for Ready { partner_id, primary_admin, .. } in &printed {
            let client = Client::of(&next.ready);
            let answer = client.sign_in(&primary_admin.email, &primary_admin.password).await.expect(200);
            assert_eq!(answer.text_at("/user/partner_id"), partner_id);
        }
        next.end("TERM");
    }
    first.end("TERM");
}
