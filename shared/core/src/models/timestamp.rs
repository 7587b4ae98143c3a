//! Timestamps in UTC with millisecond precision. Only `portal::clock` reads the clock.

use std::fmt;
use std::time::Duration;

use time::format_description::BorrowedFormatItem;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::text_form::text_form;

const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// 9999-12-31T23:59:59.999Z, the last time whose text has the fixed width.
const MAX_MILLIS: i64 = 253_402_300_799_999;

/// A time between the years 1970 and 9999, in whole milliseconds.
///
/// Its text is RFC 3339 of fixed width (`2026-11-22T12:29:51.123Z`), so that texts sort in the same order as times.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(OffsetDateTime);

/// The text is not a timestamp in the form that the portal writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as 2026-11-22T12:29:51.123Z")]
pub struct InvalidTimestamp;

/// The parts of a time in UTC, for texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) year: i32,
    /// 1 for January.
    pub(crate) month: u8,
    pub(crate) day: u8,
    pub(crate) hour: u8,
    pub(crate) minute: u8,
}

impl Timestamp {
    /// Returns the parts of the time in UTC.
    pub(crate) fn in_parts(self) -> Parts {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, _) = self.0.to_hms();
        Parts { year, month: month.into(), day, hour, minute }
    }

    /// Returns the time this many milliseconds after the start of 1970. Times before 1970 or after 9999 are clamped.
    pub fn from_unix_millis(millis: i64) -> Self {
        let since_epoch = time::Duration::milliseconds(millis.clamp(0, MAX_MILLIS));
        Self(OffsetDateTime::UNIX_EPOCH.saturating_add(since_epoch))
    }

    /// Returns the time this many seconds after the start of 1970. Times before 1970 or after 9999 are clamped.
    pub fn from_unix_seconds(seconds: i64) -> Self {
        Self::from_unix_millis(seconds.saturating_mul(1_000))
    }

    /// Returns the milliseconds since the start of 1970. They are never negative.
    pub fn unix_millis(self) -> i64 {
        self.0.unix_timestamp() * 1_000 + i64::from(self.0.millisecond())
    }

    /// Returns the whole seconds since the start of 1970, rounded down. Token claims and DynamoDB's TTL use this unit.
    pub fn unix_seconds(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// Reads exactly the form that `Display` writes.
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed = PrimitiveDateTime::parse(text, FORMAT).map_err(|_| InvalidTimestamp)?;
        let nanos = parsed.assume_utc().unix_timestamp_nanos();
        let millis = i64::try_from(nanos.div_euclid(1_000_000)).map_err(|_| InvalidTimestamp)?;
        let timestamp = Self::from_unix_millis(millis);
        // Rejects other spellings of a time (`+2026-…`), and years before 1970, which would be clamped.
        if timestamp.to_string() == text { Ok(timestamp) } else { Err(InvalidTimestamp) }
    }

    /// Reads a time in any form of RFC 3339. Fractions of a millisecond are rounded up. A time in whole milliseconds is
    /// before the exact time if and only if it is before the rounded one.
    pub fn from_rfc3339(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| InvalidTimestamp)?;
        let nanos = parsed.unix_timestamp_nanos().saturating_add(999_999);
        i64::try_from(nanos.div_euclid(1_000_000)).map(Self::from_unix_millis).map_err(|_| InvalidTimestamp)
    }

    /// Returns a later time, at most the end of the year 9999. Fractions of a millisecond in `duration` are ignored.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_unix_millis(self.unix_millis().saturating_add(whole_millis(duration)))
    }

    /// Returns an earlier time, at least the start of 1970. Fractions of a millisecond in `duration` are ignored.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_unix_millis(self.unix_millis().saturating_sub(whole_millis(duration)))
    }

    /// Returns the start of this time's day in UTC.
    #[must_use]
    pub fn start_of_day(self) -> Self {
        Self(self.0.replace_time(time::Time::MIDNIGHT))
    }
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.0.to_calendar_date();
        let (hour, minute, second, millisecond) = self.0.to_hms_milli();
        let month = u8::from(month);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

text_form!(Timestamp, InvalidTimestamp, to_string);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_timestamp_is_written_as_rfc_3339_with_milliseconds() {
        let moment = Timestamp::from_unix_millis(1_795_350_591_123);
        assert_eq!(moment.to_string(), "2026-11-22T12:29:51.123Z");
        assert_eq!(format!("{moment:?}"), "2026-11-22T12:29:51.123Z");
        assert_eq!(serde_json::to_string(&moment).unwrap(), r#""2026-11-22T12:29:51.123Z""#);
        assert_eq!(moment.unix_seconds(), 1_795_350_591);
    }

    #[test]
    fn a_day_starts_at_midnight_in_utc() {
        for (time, start) in [
            ("2026-11-22T12:29:51.123Z", "2026-11-22T00:00:00.000Z"),
            ("2026-11-22T00:00:00.000Z", "2026-11-22T00:00:00.000Z"),
            ("2026-11-21T23:59:59.999Z", "2026-11-21T00:00:00.000Z"),
            ("1970-01-01T00:00:00.001Z", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Timestamp::parse(time).unwrap().start_of_day().to_string(), start);
        }
    }

    #[test]
    fn seconds_are_read_as_seconds_and_written_rounded_down() {
        assert_eq!(Timestamp::from_unix_seconds(1_795_350_591).to_string(), "2026-11-22T12:29:51.000Z");
        assert_eq!(Timestamp::from_unix_seconds(i64::MIN).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_seconds(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        for (millis, seconds) in [(0, 0), (999, 0), (1_000, 1), (1_999, 1), (2_000, 2)] {
            assert_eq!(Timestamp::from_unix_millis(millis).unix_seconds(), seconds, "{millis}");
        }
    }

    #[test]
    fn a_duration_counts_in_whole_milliseconds() {
        let moment = Timestamp::from_unix_millis(10_000);
        for (duration, millis) in
            [(Duration::from_micros(999), 0), (Duration::from_micros(1_999), 1), (Duration::from_secs(3), 3_000)]
        {
            assert_eq!(moment.plus(duration).unix_millis(), 10_000 + millis, "{duration:?}");
            assert_eq!(moment.minus(duration).unix_millis(), 10_000 - millis, "{duration:?}");
        }
    }

    #[test]
    fn times_outside_the_years_1970_to_9999_are_clamped() {
        assert_eq!(Timestamp::from_unix_millis(i64::MIN).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        let now = Timestamp::from_unix_millis(1_000);
        assert_eq!(now.minus(Duration::from_secs(2)).unix_millis(), 0);
        assert_eq!(now.plus(Duration::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn parse_accepts_only_the_written_form() {
        for text in [
            "",
            "2026-11-22",
            "2026-11-22T12:29:51Z",
            "2026-11-22T12:29:51.123",
            "2026-11-22T12:29:51.123+00:00",
            "2026-11-22t12:29:51.123z",
            "2026-11-22T12:29:51.1234Z",
            " 2026-11-22T12:29:51.123Z",
            "+2026-11-22T12:29:51.123Z",
            "2026-02-30T12:29:51.123Z",
            "2026-11-22T24:00:00.000Z",
            "2026-11-22T23:59:60.000Z",
            "1969-12-31T23:59:59.999Z",
        ] {
            assert_eq!(Timestamp::parse(text), Err(InvalidTimestamp), "{text}");
        }
        assert!(serde_json::from_str::<Timestamp>("1795350591123").is_err());
    }

    #[test]
    fn from_rfc3339_accepts_any_form_of_rfc_3339() {
        for (text, moment) in [
            ("2026-11-22T12:29:51Z", "2026-11-22T12:29:51.000Z"),
            ("2026-11-22T12:29:51.123Z", "2026-11-22T12:29:51.123Z"),
            ("2026-11-22T12:29:51.1230001Z", "2026-11-22T12:29:51.124Z"),
            ("2026-11-22T14:29:51+02:00", "2026-11-22T12:29:51.000Z"),
            ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00.000Z"),
            ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_rfc3339(text).map(|read| read.to_string()).as_deref(), Ok(moment), "{text}");
        }
        for text in ["", "2026-11-22", "2026-11-22T12:29Z", "2026-11-22T12:29:51", "2026-02-30T12:29:51Z", "yesterday"]
        {
            assert_eq!(Timestamp::from_rfc3339(text), Err(InvalidTimestamp), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_timestamp_can_be_parsed(millis in 0..=MAX_MILLIS) {
            let moment = Timestamp::from_unix_millis(millis);
            prop_assert_eq!(moment.unix_millis(), millis);
            prop_assert_eq!(Timestamp::parse(&moment.to_string()), Ok(moment));
        }

        #[test]
        fn texts_sort_in_the_same_order_as_times(one in 0..=MAX_MILLIS, other in 0..=MAX_MILLIS) {
            let (one, other) = (Timestamp::from_unix_millis(one), Timestamp::from_unix_millis(other));
            prop_assert_eq!(one.to_string().cmp(&other.to_string()), one.cmp(&other));
        }

        #[test]
        fn minus_reverses_plus(millis in 0..MAX_MILLIS / 2, seconds in 0..1_000_000_u64) {
            let moment = Timestamp::from_unix_millis(millis);
            let duration = Duration::from_secs(seconds);
            prop_assert_eq!(moment.plus(duration).minus(duration), moment);
        }
    }
}
