//! What becomes of a user's access when somebody has reviewed it.

use super::closed_set::closed_set;

closed_set! {
    /// A decision of an access review.
    pub enum Decision or UnknownDecision("there is no such decision") {
        /// The access stays as it is.
        Keep = "keep",
        /// The user holds less from now on.
        Reduce = "reduce",
        /// The user is shut out, and kept.
        Suspend = "suspend",
        /// The user goes for good.
        Remove = "remove",
    }
}
