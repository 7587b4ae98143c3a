//! The formats of times in messages and events.

use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::lambda::clock;

const MILLISECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
const SECONDS: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
const OF_MESSAGES: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] +0000");

/// One moment in all formats.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    /// With milliseconds, as in the details of SES's events.
    pub(super) millis: String,
    /// With seconds, as in the envelopes of `EventBridge`.
    pub(super) seconds: String,
    /// As in the header `Date`.
    pub(super) header: String,
}

/// The current time.
pub(super) fn now() -> Moment {
    let now = OffsetDateTime::UNIX_EPOCH + clock::since_1970();
    // These formats cannot fail for a time of our clock.
    let text = |format| now.format(format).unwrap_or_default();
    Moment { millis: text(MILLISECONDS), seconds: text(SECONDS), header: text(OF_MESSAGES) }
}
