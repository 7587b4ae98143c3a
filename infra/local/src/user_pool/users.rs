//! The administrator's operations on users: create, read, list and delete them, and set passwords.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::secrets::PasswordHash;
use super::store::{Password, Store, User, UserFilter};
use super::wire::Nothing;
use super::{UserPools, secrets};

const LONGEST_USERNAME: usize = 128;
const LONGEST_PASSWORD: usize = 256;
const LARGEST_PAGE: usize = 60;

/// There is neither an email nor a name: users here have no attributes.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct AdminCreateUser {
    user_pool_id: String,
    username: String,
    temporary_password: Option<String>,
    /// Users have no addresses, so no message is ever sent. Resending a message is not supported.
    #[serde(rename = "MessageAction")]
    _message_action: Option<MessageAction>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum MessageAction {
    Suppress,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct AdminSetUserPassword {
    user_pool_id: String,
    username: String,
    password: String,
    #[serde(default)]
    permanent: bool,
}

/// Names a user: `AdminGetUser`, `AdminDeleteUser`, `AdminUserGlobalSignOut`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct NamedUser {
    pub(super) user_pool_id: String,
    pub(super) username: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListUsers {
    user_pool_id: String,
    filter: Option<String>,
    limit: Option<usize>,
    pagination_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UserAnswer {
    user: UserDescription,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserDescription {
    username: String,
    attributes: Vec<Attribute>,
    #[serde(flatten)]
    state: UserState,
}

/// `AdminGetUser` uses another name for the attributes.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AdminGetUserAnswer {
    username: String,
    user_attributes: Vec<Attribute>,
    #[serde(flatten)]
    state: UserState,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UserState {
    user_create_date: i64,
    user_last_modified_date: i64,
    enabled: bool,
    user_status: UserStatus,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum UserStatus {
    Confirmed,
    ForceChangePassword,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Attribute {
    name: &'static str,
    value: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct UsersAnswer {
    users: Vec<UserDescription>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination_token: Option<String>,
}

impl UserPools {
    pub(super) fn admin_create_user(&self, request: &AdminCreateUser) -> Result<UserAnswer, ApiError> {
        check_username(&request.username)?;
        let user = self.change(|store| {
            let pool = store.pool(&request.user_pool_id)?;
            if let Some(password) = &request.temporary_password {
                check_length(password)?;
                pool.settings.policies.password_policy.check(password)?;
            }
            if store.user_by_name(&pool.id, &request.username)?.is_some() {
                return Err(ApiError::UsernameExists);
            }
            let password = request.temporary_password.clone().map_or_else(secrets::unknown_password, Ok)?;
            let user = User {
                sub: secrets::uuid()?,
                pool_id: pool.id,
                username: request.username.clone(),
                password: Password { hash: PasswordHash::of(&password)?, set_at: store.now, must_change: true },
                created_at: store.now,
                updated_at: store.now,
            };
            store.add_user(&user)?;
            Ok(user)
        })?;
        Ok(UserAnswer { user: describe(user) })
    }

    pub(super) fn admin_set_user_password(&self, request: &AdminSetUserPassword) -> Result<Nothing, ApiError> {
        check_length(&request.password)?;
        self.change(|store| {
            let policy = store.pool(&request.user_pool_id)?.settings.policies.password_policy;
            let user = existing(store, &request.user_pool_id, &request.username)?;
            policy.check(&request.password)?;
            let hash = PasswordHash::of(&request.password)?;
            store.set_password(&user.sub, &Password { hash, set_at: store.now, must_change: !request.permanent })
        })?;
        Ok(Nothing {})
    }

    pub(super) fn admin_get_user(&self, request: &NamedUser) -> Result<AdminGetUserAnswer, ApiError> {
        let user = self.change(|store| find(store, request))?;
        Ok(AdminGetUserAnswer { user_attributes: attributes(&user), state: state(&user), username: user.username })
    }

    pub(super) fn admin_delete_user(&self, request: &NamedUser) -> Result<Nothing, ApiError> {
        self.change(|store| store.remove_user(&find(store, request)?.sub))?;
        Ok(Nothing {})
    }

    pub(super) fn list_users(&self, request: &ListUsers) -> Result<UsersAnswer, ApiError> {
        let filter = parse_filter(request.filter.as_deref().unwrap_or_default())?;
        let limit = match request.limit.unwrap_or(LARGEST_PAGE) {
            0 => LARGEST_PAGE,
            limit @ 1..=LARGEST_PAGE => limit,
            _ => return Err(ApiError::InvalidParameter(format!("Limit must not be above {LARGEST_PAGE}."))),
        };
        let after = request.pagination_token.as_deref().map_or_else(|| Ok(String::new()), parse_page)?;
        let mut users = self.change(|store| {
            store.pool(&request.user_pool_id)?;
            store.users(&request.user_pool_id, &filter, &after, limit + 1)
        })?;
        let more = users.len() > limit;
        users.truncate(limit);
        Ok(UsersAnswer {
            pagination_token: users.last().filter(|_| more).map(|user| URL_SAFE_NO_PAD.encode(&user.username)),
            users: users.into_iter().map(describe).collect(),
        })
    }
}

/// The user that an administrator's request names.
pub(super) fn find(store: &Store<'_>, request: &NamedUser) -> Result<User, ApiError> {
    store.pool(&request.user_pool_id)?;
    existing(store, &request.user_pool_id, &request.username)
}

fn existing(store: &Store<'_>, pool_id: &str, username: &str) -> Result<User, ApiError> {
    store.user_by_name(pool_id, username)?.ok_or(ApiError::UserNotFound)
}

/// The attributes that the holder of an access token may read.
pub(super) fn attributes(user: &User) -> Vec<Attribute> {
    vec![Attribute { name: "sub", value: user.sub.clone() }]
}

fn describe(user: User) -> UserDescription {
    UserDescription { attributes: attributes(&user), state: state(&user), username: user.username }
}

fn state(user: &User) -> UserState {
    UserState {
        user_create_date: user.created_at,
        user_last_modified_date: user.updated_at,
        enabled: true,
        user_status: if user.password.must_change { UserStatus::ForceChangePassword } else { UserStatus::Confirmed },
    }
}

/// Cognito's pattern allows letters, marks, symbols, numbers and punctuation.
fn check_username(username: &str) -> Result<(), ApiError> {
    let in_range = (1..=LONGEST_USERNAME).contains(&username.chars().count());
    if in_range && !username.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Ok(())
    } else {
        Err(ApiError::InvalidParameter("Username must be 1 to 128 characters without spaces.".to_owned()))
    }
}

pub(super) fn check_length(password: &str) -> Result<(), ApiError> {
    if password.chars().count() <= LONGEST_PASSWORD {
        Ok(())
    } else {
        Err(ApiError::InvalidParameter(format!("A password must have at most {LONGEST_PASSWORD} characters.")))
    }
}

/// Parses `username = "…"`, `username ^= "…"` (starts with) or `sub = "…"`. A quote inside the value is written as
/// `\"`.
fn parse_filter(filter: &str) -> Result<UserFilter, ApiError> {
    if filter.is_empty() {
        return Ok(UserFilter::All);
    }
    let malformed = || ApiError::InvalidParameter("Error while parsing filter.".to_owned());
    let (left, right) = filter.split_once('=').ok_or_else(malformed)?;
    let value = right.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(malformed)?;
    let value = value.replace("\\\"", "\"");
    let (attribute, is_prefix) = match left.strip_suffix('^') {
        Some(attribute) => (attribute.trim(), true),
        None => (left.trim(), false),
    };
    match (attribute, is_prefix) {
        ("username", false) => Ok(UserFilter::Username(value)),
        ("username", true) => Ok(UserFilter::UsernamePrefix(value)),
        ("sub", false) => Ok(UserFilter::Sub(value)),
        _ => Err(malformed()),
    }
}

fn parse_page(token: &str) -> Result<String, ApiError> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    name.ok_or_else(|| ApiError::InvalidParameter("Invalid pagination token.".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_have_cognitos_syntax() {
        assert!(matches!(parse_filter(""), Ok(UserFilter::All)));
        assert!(matches!(parse_filter("username = \"a.b\""), Ok(UserFilter::Username(name)) if name == "a.b"));
        assert!(matches!(parse_filter("username=\"a=b\""), Ok(UserFilter::Username(name)) if name == "a=b"));
        assert!(
            matches!(parse_filter("username ^= \"a\\\"b\""), Ok(UserFilter::UsernamePrefix(name)) if name == "a\"b")
        );
        assert!(matches!(parse_filter("sub = \"1\""), Ok(UserFilter::Sub(sub)) if sub == "1"));
        for malformed in ["username", "username = a", "email = \"a@b.c\"", "sub ^= \"1\"", "username = \""] {
            assert!(parse_filter(malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn a_username_has_no_spaces_and_a_limited_length() {
        assert!(check_username("partner.user.1").is_ok());
        assert!(check_username(&"ü".repeat(128)).is_ok());
        for refused in ["", "a b", "a\u{0}", &"a".repeat(129)] {
            assert!(check_username(refused).is_err(), "{refused:?}");
        }
    }
}
