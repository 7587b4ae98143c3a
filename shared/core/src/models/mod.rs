//! The values of the portal. They are valid by construction: private fields, one constructor each, and a typed error
//! (parse, don't validate). This module does not depend on policy, storage, identity or HTTP, and never reads a clock
//! or generates random bytes.

mod browser;
mod challenge_kind;
mod closed_set;
mod decision;
mod email;
mod event_action;
mod fold;
mod id;
mod label;
mod language;
mod mail_state;
mod name;
mod note;
mod pending;
mod permission;
mod role;
mod second_factor;
mod status;
mod text_form;
mod timestamp;
mod user;

pub use browser::browser;
pub use challenge_kind::{ChallengeKind, UnknownChallengeKind};
pub(crate) use closed_set::closed_set;
pub use decision::{Decision, UnknownDecision};
pub use email::{Email, InvalidEmail};
pub use event_action::{EventAction, UnknownEventAction};
pub use fold::fold;
pub use id::{EventId, InvalidId, MailId, PartnerId, UserId};
pub use label::label_key;
pub use language::{Language, UnknownLanguage};
pub use mail_state::{MailState, UnknownMailState};
pub use name::{InvalidName, PartnerName, PasskeyName, PersonName, is_invisible};
pub use note::{InvalidNote, Note};
pub use pending::{PENDING_LIFETIME, Pending, PendingKind, UnknownPendingKind};
pub use permission::{Permission, Permissions, UnknownPermission};
pub use role::{InvalidGrant, Role, UnknownRole};
pub use second_factor::{
    Requirement, SecondFactor, UnknownRequirement, UnknownSecondFactor, UnknownUsedFactor, UsedFactor,
};
pub use status::{Status, UnknownStatus};
pub(crate) use text_form::text_form;
pub use timestamp::{InvalidTimestamp, Timestamp};
pub use user::{Profile, PublicUser, REMOVED_RETENTION, Reviewer, User};
