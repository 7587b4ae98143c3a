//! Where other servers are known to do something else than AWS documents. `COGNITO_DEPARTURES=allow` lets these pass, and
//! nothing else; our own pool is never run so.

use crate::server::variable;

/// One known departure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Departure {
    /// A refresh sets `auth_time` anew. AWS: it is when the user signed in.
    RefreshMovesAuthTime,
    /// Each token has the second of its own making as `auth_time`, so two of one sign-in may differ. AWS: see above.
    EachTokenHasItsAuthTime,
    /// `RevokeToken` takes an access token and does nothing. AWS: `UnsupportedTokenTypeException`.
    AccessTokenRevokesNothing,
    /// `RevokeToken` takes another client's token and ends its session. RFC 7009, section 2.1: it is refused.
    AnyClientRevokes,
    /// A client refreshes without `ALLOW_REFRESH_TOKEN_AUTH`. AWS: it enables the flow.
    RefreshNeedsNoFlow,
    /// The refresh token is a signed JSON object. AWS: it is encrypted.
    RefreshTokenCanBeRead,
    /// The discovery document gives the server's own address for the keys. AWS: the issuer's.
    KeysElsewhere,
    /// The temporary password that the server makes breaks the pool's own policy. AWS: it makes one that keeps to it.
    MadePasswordBreaksPolicy,
    /// An unknown operation is an `InvalidAction`, as in AWS's older protocol. AWS JSON: `UnknownOperationException`.
    UnknownOperationIsInvalidAction,
}

/// Asserts what AWS documents, unless this run allows the departure from it.
pub(crate) fn documented(holds: bool, otherwise: Departure) {
    let is_allowed = variable("COGNITO_DEPARTURES").is_some_and(|value| value == "allow");
    assert!(holds || is_allowed, "{otherwise:?}");
}
