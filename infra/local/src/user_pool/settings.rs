//! The settings of a pool and a client, and their meaning. The module does no I/O.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::error::ApiError;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

/// The longest lifetime of an access token.
pub(super) const LONGEST_ACCESS: i64 = DAY;

/// Removes and returns a name from a request that also contains settings.
pub(super) fn take_name(request: &mut Map<String, Value>, field: &str) -> Result<String, ApiError> {
    match request.remove(field) {
        Some(Value::String(name)) if (1..=128).contains(&name.chars().count()) => Ok(name),
        _ => Err(ApiError::InvalidParameter(format!("{field} must be a string of 1 to 128 characters."))),
    }
}

/// Parses the remaining fields of a request, which must be supported settings.
pub(super) fn parse<S: DeserializeOwned>(rest: Map<String, Value>) -> Result<S, ApiError> {
    serde_json::from_value(Value::Object(rest)).map_err(|error| ApiError::InvalidParameter(error.to_string()))
}

/// A pool's settings. Those stored as plain JSON concern unsupported operations; they are only returned.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct PoolSettings {
    #[serde(default)]
    pub(super) policies: Policies,
    #[serde(default)]
    deletion_protection: DeletionProtection,
    #[serde(default)]
    user_pool_tier: UserPoolTier,
    #[serde(default)]
    mfa_configuration: MfaConfiguration,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    admin_create_user_config: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    account_recovery_setting: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_pool_tags: Option<Value>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum DeletionProtection {
    Active,
    #[default]
    Inactive,
}

/// Every supported operation is in the cheapest feature plan, so this has no effect.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum UserPoolTier {
    Lite,
    #[default]
    Essentials,
    Plus,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum MfaConfiguration {
    #[default]
    Off,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
pub(super) struct Policies {
    pub(super) password_policy: PasswordPolicy,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "Cognito's shape")]
pub(super) struct PasswordPolicy {
    #[serde(default = "default_minimum_length")]
    minimum_length: usize,
    #[serde(default)]
    require_uppercase: bool,
    #[serde(default)]
    require_lowercase: bool,
    #[serde(default)]
    require_numbers: bool,
    #[serde(default)]
    require_symbols: bool,
    #[serde(default = "default_temporary_days", deserialize_with = "temporary_days")]
    temporary_password_validity_days: i64,
}

fn default_minimum_length() -> usize {
    8
}

fn default_temporary_days() -> i64 {
    7
}

/// Cognito treats 0 as the default. SDKs send 0 if a policy does not set the value.
fn temporary_days<'de, D: Deserializer<'de>>(value: D) -> Result<i64, D::Error> {
    Ok(match i64::deserialize(value)? {
        0 => default_temporary_days(),
        days => days,
    })
}

/// Cognito's policy for a pool that names none. A policy that omits a requirement does not have it.
impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            minimum_length: default_minimum_length(),
            require_uppercase: true,
            require_lowercase: true,
            require_numbers: true,
            require_symbols: true,
            temporary_password_validity_days: default_temporary_days(),
        }
    }
}

impl PoolSettings {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        let policy = &self.policies.password_policy;
        if !(6..=99).contains(&policy.minimum_length) {
            return Err(invalid("MinimumLength must be between 6 and 99."));
        }
        if !(1..=365).contains(&policy.temporary_password_validity_days) {
            return Err(invalid("TemporaryPasswordValidityDays must be between 0 and 365."));
        }
        Ok(())
    }
}

impl PasswordPolicy {
    /// Checks whether a password may be set.
    pub(super) fn check(&self, password: &str) -> Result<(), ApiError> {
        let has = |kind: fn(char) -> bool| password.chars().any(kind);
        let failed = if password.chars().count() < self.minimum_length {
            "Password not long enough"
        } else if self.require_uppercase && !has(|c| c.is_ascii_uppercase()) {
            "Password must have uppercase characters"
        } else if self.require_lowercase && !has(|c| c.is_ascii_lowercase()) {
            "Password must have lowercase characters"
        } else if self.require_numbers && !has(|c| c.is_ascii_digit()) {
            "Password must have numeric characters"
        } else if self.require_symbols && !has(|c| c.is_ascii_punctuation()) {
            "Password must have symbol characters"
        } else {
            return Ok(());
        };
        Err(ApiError::InvalidPassword(failed))
    }

    /// The time from which a temporary password that was set at `set_at` is rejected.
    pub(super) fn temporary_expires_at(&self, set_at: i64) -> i64 {
        set_at + self.temporary_password_validity_days * DAY
    }
}

/// A client's settings.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ClientSettings {
    #[serde(default = "default_flows")]
    explicit_auth_flows: Vec<AllowedFlow>,
    #[serde(default)]
    prevent_user_existence_errors: ExistenceErrors,
    #[serde(default = "yes")]
    enable_token_revocation: bool,
    #[serde(default = "default_short_validity")]
    access_token_validity: i64,
    #[serde(default = "default_short_validity")]
    id_token_validity: i64,
    #[serde(default = "default_refresh_validity", deserialize_with = "refresh_validity")]
    refresh_token_validity: i64,
    #[serde(default)]
    token_validity_units: TokenValidityUnits,
    #[serde(default, skip_serializing)]
    generate_secret: bool,
    /// The attributes that the holder of a token may read and write. They are only returned: users here have no such
    /// attributes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    read_attributes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    write_attributes: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum AllowedFlow {
    #[serde(rename = "ALLOW_ADMIN_USER_PASSWORD_AUTH")]
    AdminUserPassword,
    #[serde(rename = "ALLOW_REFRESH_TOKEN_AUTH")]
    RefreshToken,
    // Unsupported flows may be allowed, because a client that names no flows gets these two.
    #[serde(rename = "ALLOW_USER_SRP_AUTH")]
    UserSrp,
    #[serde(rename = "ALLOW_CUSTOM_AUTH")]
    Custom,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum ExistenceErrors {
    #[default]
    Legacy,
    Enabled,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TokenValidityUnits {
    #[serde(rename = "AccessToken")]
    access: Unit,
    #[serde(rename = "IdToken")]
    id: Unit,
    #[serde(rename = "RefreshToken")]
    refresh: Unit,
}

impl Default for TokenValidityUnits {
    fn default() -> Self {
        Self { access: Unit::Hours, id: Unit::Hours, refresh: Unit::Days }
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Unit {
    Seconds,
    Minutes,
    Hours,
    Days,
}

fn default_flows() -> Vec<AllowedFlow> {
    vec![AllowedFlow::RefreshToken, AllowedFlow::UserSrp, AllowedFlow::Custom]
}

fn yes() -> bool {
    true
}

fn default_short_validity() -> i64 {
    1
}

fn default_refresh_validity() -> i64 {
    30
}

/// Cognito treats 0 as the default.
fn refresh_validity<'de, D: Deserializer<'de>>(value: D) -> Result<i64, D::Error> {
    Ok(match i64::deserialize(value)? {
        0 => default_refresh_validity(),
        count => count,
    })
}

impl Unit {
    /// Saturates, so that a number that is too large stays too large.
    fn in_seconds(self, count: i64) -> i64 {
        count.saturating_mul(match self {
            Self::Seconds => 1,
            Self::Minutes => MINUTE,
            Self::Hours => HOUR,
            Self::Days => DAY,
        })
    }
}

impl ClientSettings {
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if self.generate_secret || !self.enable_token_revocation {
            return Err(invalid(
                "The local user pool does not support clients with a secret or without token revocation.",
            ));
        }
        let short = 5 * MINUTE..=LONGEST_ACCESS;
        let refresh = HOUR..=3_650 * DAY;
        let in_range = short.contains(&self.access_seconds())
            && short.contains(&self.id_seconds())
            && refresh.contains(&self.refresh_seconds())
            && self.refresh_seconds() >= self.access_seconds().max(self.id_seconds());
        if in_range { Ok(()) } else { Err(invalid("Invalid range for token validity.")) }
    }

    pub(super) fn access_seconds(&self) -> i64 {
        self.token_validity_units.access.in_seconds(self.access_token_validity)
    }

    pub(super) fn id_seconds(&self) -> i64 {
        self.token_validity_units.id.in_seconds(self.id_token_validity)
    }

    pub(super) fn refresh_seconds(&self) -> i64 {
        self.token_validity_units.refresh.in_seconds(self.refresh_token_validity)
    }

    pub(super) fn allows_password(&self) -> bool {
        self.explicit_auth_flows.contains(&AllowedFlow::AdminUserPassword)
    }

    pub(super) fn allows_refresh(&self) -> bool {
        self.explicit_auth_flows.contains(&AllowedFlow::RefreshToken)
    }

    /// Whether an unknown user gets the same error as a wrong password.
    pub(super) fn hides_unknown_users(&self) -> bool {
        self.prevent_user_existence_errors == ExistenceErrors::Enabled
    }
}

fn invalid(message: &str) -> ApiError {
    ApiError::InvalidParameter(message.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn client(settings: Value) -> Result<ClientSettings, String> {
        let settings: ClientSettings = serde_json::from_value(settings).map_err(|error| error.to_string())?;
        settings.check().map_err(|error| error.to_string())?;
        Ok(settings)
    }

    #[test]
    fn a_client_without_settings_gets_cognitos_defaults() {
        let settings = client(json!({})).unwrap();
        assert!(settings.allows_refresh());
        assert!(!settings.allows_password());
        assert!(!settings.hides_unknown_users());
        assert_eq!(settings.access_seconds(), 3_600);
        assert_eq!(settings.id_seconds(), 3_600);
        assert_eq!(settings.refresh_seconds(), 30 * 86_400);
    }

    #[test]
    fn validities_are_in_their_units() {
        let settings = client(json!({
            "AccessTokenValidity": 15, "IdTokenValidity": 600, "RefreshTokenValidity": 2,
            "TokenValidityUnits": { "AccessToken": "minutes", "IdToken": "seconds", "RefreshToken": "hours" },
        }))
        .unwrap();
        assert_eq!((settings.access_seconds(), settings.id_seconds(), settings.refresh_seconds()), (900, 600, 7_200));
    }

    #[test]
    fn zero_means_the_default_where_cognito_documents_it() {
        assert_eq!(client(json!({ "RefreshTokenValidity": 0 })).unwrap().refresh_seconds(), 30 * DAY);
        let policy: PasswordPolicy = serde_json::from_value(json!({ "TemporaryPasswordValidityDays": 0 })).unwrap();
        assert_eq!(policy.temporary_expires_at(0), 7 * DAY);
    }

    #[test]
    fn invalid_and_unsupported_client_settings_are_rejected() {
        for settings in [
            json!({ "AccessTokenValidity": 4, "TokenValidityUnits": { "AccessToken": "minutes" } }),
            json!({ "AccessTokenValidity": 25 }),
            json!({ "RefreshTokenValidity": 3_651 }),
            json!({ "RefreshTokenValidity": i64::MAX }),
            json!({ "AccessTokenValidity": 2, "RefreshTokenValidity": 1, "TokenValidityUnits": { "RefreshToken": "hours" } }),
            json!({ "EnableTokenRevocation": false }),
            json!({ "GenerateSecret": true }),
            json!({ "ExplicitAuthFlows": ["ALLOW_EVERYTHING"] }),
            json!({ "RefreshTokenRotation": { "Feature": "ENABLED" } }),
        ] {
            assert!(client(settings.clone()).is_err(), "{settings}");
        }
    }

    #[test]
    fn a_policy_checks_exactly_its_requirements() {
        let cases = [
            (json!({ "MinimumLength": 32 }), "a".repeat(31), Some("Password not long enough")),
            (json!({ "MinimumLength": 32 }), "a".repeat(32), None),
            (
                json!({ "RequireUppercase": true }),
                "abcdefgh".to_owned(),
                Some("Password must have uppercase characters"),
            ),
            (
                json!({ "RequireLowercase": true }),
                "ABCDEFGH".to_owned(),
                Some("Password must have lowercase characters"),
            ),
            (json!({ "RequireNumbers": true }), "abcdefgh".to_owned(), Some("Password must have numeric characters")),
            (json!({ "RequireSymbols": true }), "abcdefgh".to_owned(), Some("Password must have symbol characters")),
            (json!({ "RequireSymbols": true }), "abcdefg~".to_owned(), None),
            // The length is in characters, not bytes.
            (json!({}), "ééééééé".to_owned(), Some("Password not long enough")),
        ];
        for (policy, password, expected) in cases {
            let policy: PasswordPolicy = serde_json::from_value(policy).unwrap();
            let answer = policy.check(&password).err().map(|error| error.to_string());
            let expected = expected.map(|reason| format!("Password did not conform with policy: {reason}"));
            assert_eq!(answer, expected, "{password}");
        }
        assert!(PasswordPolicy::default().check("abcdefgh").is_err(), "a pool without a policy has all requirements");
    }

    #[test]
    fn invalid_and_unsupported_pool_settings_are_rejected() {
        for settings in [
            json!({ "MfaConfiguration": "ON" }),
            json!({ "LambdaConfig": {} }),
            json!({ "Policies": { "PasswordPolicy": { "MinimumLength": 8, "PasswordHistorySize": 3 } } }),
        ] {
            assert!(serde_json::from_value::<PoolSettings>(settings.clone()).is_err(), "{settings}");
        }
        for length in [5, 100] {
            let settings = json!({ "Policies": { "PasswordPolicy": { "MinimumLength": length } } });
            assert!(serde_json::from_value::<PoolSettings>(settings).unwrap().check().is_err(), "{length}");
        }
    }
}
