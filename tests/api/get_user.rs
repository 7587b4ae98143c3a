//! `GET /v1/users/{user_id}`.

use portal_tests::Partner;

#[tokio::test]
async fn a_user_is_returned_with_the_version_as_etag() {
    let partner = Partner::new().await;
    let viewer = partner.new_user("viewer").await;
    let ann = partner.owner().add("Ann", "Lee").role("manager").created().await;

    let answer = viewer.get(&ann.path()).await.expect(200);

    assert_eq!(answer.header("etag"), "\"1\"");
    let user = answer.user();
    assert_eq!(user["id"], ann.id);
    assert_eq!(user["partner_id"], partner.id);
    assert_eq!(user["first_name"], "Ann");
    assert_eq!(user["last_name"], "Lee");
    assert_eq!(user["email"], ann.email);
    assert_eq!(user["role"], "manager");
    assert_eq!(user["status"], "active");
    assert_eq!(user["must_change_password"], false);
    assert!(user["last_sign_in_at"].is_null());
    assert!(user["signed_out_at"].is_null());
    assert_eq!(user["created_by"], partner.owner().id);
    assert_eq!(user["version"], 1);
    for time in ["created_at", "updated_at"] {
        let text = user[time].as_str().unwrap();
        assert!(text.ends_with('Z') && text.contains('T'), "RFC 3339 in UTC: {text}");
    }
}

#[tokio::test]
async fn a_user_of_another_partner_looks_like_an_unknown_user() {
    let (partner, other) = (Partner::new().await, Partner::new().await);
    let foreign = partner.owner().get(&other.owner().path()).await;
    let mut unknown_id = partner.owner().id.clone();
    let last = unknown_id.pop().unwrap();
    unknown_id.push(if last == '0' { '1' } else { '0' });
    let unknown = partner.owner().get(&format!("/v1/users/{unknown_id}")).await;
    let malformed = partner.owner().get("/v1/users/no-such-id").await;
    let escaped = partner.owner().get("/v1/users/%2f%00%ff").await;

    for answer in [&foreign, &unknown, &malformed, &escaped] {
        answer.problem(404, "not_found");
        assert_eq!(answer.json["detail"], foreign.json["detail"]);
    }
}

#[tokio::test]
async fn reading_other_users_needs_a_permission() {
    let partner = Partner::new().await;
    let ann = partner.owner().add("Ann", "Lee").role("viewer").permissions(&[]).signed_in().await;
    ann.get(&partner.owner().path()).await.problem(403, "missing_permission");
    ann.get("/v1/users").await.problem(403, "missing_permission");
}
