//! Where a change comes from, as the audit trail and the limits need it.

/// The request that asks for a change.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The client's address.
    pub address: &'a str,
    /// The client's `User-Agent`.
    pub user_agent: &'a str,
    /// The id of the request in logs, problems and audit events.
    pub request_id: &'a str,
    /// Whether an earlier attempt at this request failed on stale data. Limits count a request once.
    pub is_retry: bool,
}
