//! Decisions of an access review.

use super::closed_set::closed_set;

closed_set! {
    /// The decision of an access review about a user.
    pub enum Decision or UnknownDecision("there is no such decision") {
        /// The access does not change.
        Keep = "keep",
        /// The user gets less access.
        Reduce = "reduce",
        /// The user is suspended.
        Suspend = "suspend",
        /// The user is removed.
        Remove = "remove",
    }
}
