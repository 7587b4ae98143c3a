//! Known differences between other servers and AWS's documentation. `COGNITO_DEPARTURES=allow` permits only these. The
//! local user pool is never tested with it.

use crate::server::variable;

/// A known difference.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Departure {
    /// A refresh changes `auth_time`. AWS: it stays the time of the sign-in.
    RefreshMovesAuthTime,
    /// Each token has its own creation time as `auth_time`, so the two tokens of a sign-in may differ. AWS: it is the
    /// time of the sign-in.
    EachTokenHasItsAuthTime,
    /// `RevokeToken` accepts an access token and does nothing. AWS: `UnsupportedTokenTypeException`.
    AccessTokenRevokesNothing,
    /// `RevokeToken` accepts another client's token and ends its session. RFC 7009, section 2.1: it must be refused.
    AnyClientRevokes,
    /// A client can refresh without `ALLOW_REFRESH_TOKEN_AUTH`. AWS: the client needs this flow.
    RefreshNeedsNoFlow,
    /// The refresh token is a signed JSON object. AWS: it is encrypted.
    RefreshTokenCanBeRead,
    /// The discovery document contains the server's own address for the keys. AWS: the issuer's address.
    KeysElsewhere,
    /// The server generates a temporary password that violates the pool's policy. AWS: the password conforms to the
    /// policy.
    MadePasswordBreaksPolicy,
    /// An unknown operation is an `InvalidAction`, as in AWS's older protocol. AWS JSON: `UnknownOperationException`.
    UnknownOperationIsInvalidAction,
}

/// Asserts the documented behaviour, unless this run permits the difference.
pub(crate) fn documented(holds: bool, otherwise: Departure) {
    let is_allowed = variable("COGNITO_DEPARTURES").is_some_and(|value| value == "allow");
    assert!(holds || is_allowed, "{otherwise:?}");
}
