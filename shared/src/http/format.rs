//! Content negotiation: the format of a list, compression, and the language.

/// The format of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object, for programs.
    Json,
    /// A CSV table, for spreadsheets.
    Csv,
}

impl Format {
    /// Returns the format that an `Accept` header prefers (RFC 9110, 12.5.1). If it prefers neither, it is CSV only if
    /// the header names `text/csv`.
    pub(super) fn accepted(header: &str) -> Self {
        let (csv, csv_range) = quality_of(header, ["text/csv", "text/*", "*/*"]);
        let (json, _) = quality_of(header, ["application/json", "application/*", "*/*"]);
        if csv > json || (csv == json && csv > 0 && csv_range == Some("text/csv")) { Self::Csv } else { Self::Json }
    }

    /// Returns the default and the maximum number of items on a page.
    pub(super) fn limits(self) -> (usize, usize) {
        match self {
            Self::Json => (25, 100),
            Self::Csv => (1_000, 1_000),
        }
    }
}

/// The compression of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Brotli, which makes bodies smaller than gzip does.
    Brotli,
    /// gzip.
    Gzip,
    /// No compression.
    Identity,
}

impl Coding {
    /// Returns the coding that an `Accept-Encoding` header prefers (RFC 9110, 12.5.3), or the smallest one of those that it
    /// prefers equally. Brotli is used only if the header names it, because some clients that accept everything cannot read it.
    pub(super) fn accepted(header: &str) -> Self {
        let (brotli, _) = quality_of(header, ["br"]);
        let (gzip, _) = quality_of(header, ["gzip", "x-gzip", "*"]);
        let (identity, _) = quality_of(header, ["identity"]);
        if brotli > 0 && brotli >= gzip.max(identity) {
            Self::Brotli
        } else if gzip > 0 && gzip >= identity {
            Self::Gzip
        } else {
            Self::Identity
        }
    }
}

/// Returns the language that an `Accept-Language` header prefers among these codes, by the primary subtags of its ranges
/// (RFC 9110, 12.5.4). Without a quality, the first range is preferred.
pub(super) fn language<'a>(header: &str, languages: &[&'a str]) -> Option<&'a str> {
    let mut preferred = (0, None);
    for (range, quality) in items(header) {
        let subtag = range.split('-').next().unwrap_or_default();
        let language = languages.iter().find(|language| language.eq_ignore_ascii_case(subtag));
        if language.is_some() && quality > preferred.0 {
            preferred = (quality, language.copied());
        }
    }
    preferred.1
}

/// Returns the first of `ranges` that a header contains, and its quality in thousandths. The most specific range must
/// be first.
fn quality_of<const N: usize>(header: &str, ranges: [&'static str; N]) -> (u16, Option<&'static str>) {
    let named = |range: &str| {
        let named = items(header).filter(|(name, _)| name.eq_ignore_ascii_case(range));
        named.map(|(_, quality)| quality).max()
    };
    let found = ranges.into_iter().find_map(|range| Some((named(range)?, Some(range))));
    found.unwrap_or((0, None))
}

/// The names in a header's list, each with its quality in thousandths.
fn items(header: &str) -> impl Iterator<Item = (&str, u16)> {
    header.split(',').filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next()?;
        let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        // A malformed quality counts as zero.
        Some((name, quality.map_or(1_000, |quality| thousandths(quality).unwrap_or(0))))
    })
}

/// Reads a quality value, which is 0 to 1 with up to three decimal places, in thousandths.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if !matches!(whole, "0" | "1") || fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{whole}{fraction:0<3}").parse().ok().filter(|quality| *quality <= 1_000)
}

#[cfg(test)]
mod tests {
    use super::Coding::{Brotli, Gzip, Identity};
    use super::Format::{self, Csv, Json};
    use super::{Coding, language, thousandths};

    #[test]
    fn the_format_is_the_one_that_the_client_prefers() {
        for (header, format) in [
            ("", Json),
            ("*/*", Json),
            ("text/*", Csv),
            ("application/*", Json),
            ("application/json", Json),
            ("text/csv", Csv),
            ("Text/CSV; charset=utf-8", Csv),
            ("text/csv, */*", Csv),
            ("text/csv, */*;q=0.1", Csv),
            ("text/csv;q=0.1, */*", Json),
            ("text/csv;q=0.1, application/*", Json),
            ("text/csv;q=0.1, */*;q=0.05", Csv),
            ("text/*;q=0.5, */*;q=0.1", Csv),
            ("text/csv;q=0, */*", Json),
            ("*/*, application/json;q=0.5", Csv),
            ("application/json;q=0, */*;q=0.5", Csv),
            ("text/csv;q=0.5, application/json", Json),
            ("application/json, text/csv", Csv),
            ("application/json;q=0.5, text/csv;header=present;q=0.9", Csv),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Json),
            ("text/csv;q=0", Json),
            ("text/csv;q=no", Json),
            ("text/csv;q=inf", Json),
            ("text/csv;q=nan, */*;q=0.1", Json),
            ("text/csv;q=2, application/json;q=0.1", Json),
            ("text/csvx", Json),
        ] {
            assert_eq!(Format::accepted(header), format, "{header}");
        }
    }

    #[test]
    fn the_coding_is_the_smallest_one_that_the_client_prefers() {
        for (header, coding) in [
            ("br", Brotli),
            ("gzip, deflate, br, zstd", Brotli),
            ("BR;q=0.5, gzip;q=0.5", Brotli),
            ("br;q=1, GZIP;q=0.8", Brotli),
            ("gzip;q=0.0, br", Brotli),
            ("br, identity", Brotli),
            ("gzip", Gzip),
            ("x-gzip", Gzip),
            ("*", Gzip),
            ("*;q=0.1", Gzip),
            ("gzip, br;q=0.9", Gzip),
            ("gzip, br;q=0", Gzip),
            ("gzip, identity", Gzip),
            ("gzip;q=0.001", Gzip),
            ("", Identity),
            ("deflate", Identity),
            ("br;q=0", Identity),
            ("br;q=no", Identity),
            ("gzip;q=0", Identity),
            ("gzip;q=0.000, *", Identity),
            ("*;q=0", Identity),
            ("gzip;q=inf", Identity),
            ("gzip; q=2", Identity),
            ("gzip;q=0.5, identity;q=0.6", Identity),
            ("br;q=0.5, identity;q=0.6", Identity),
        ] {
            assert_eq!(Coding::accepted(header), coding, "{header}");
        }
    }

    #[test]
    fn the_language_is_the_one_that_the_client_prefers() {
        for (header, expected) in [
            ("", None),
            ("*", None),
            ("de", None),
            ("fr", Some("fr")),
            ("FR-ca", Some("fr")),
            ("fr-CA, fr;q=0.9, en;q=0.8", Some("fr")),
            ("de, en;q=0.7, fr;q=0.8", Some("fr")),
            ("en, fr", Some("en")),
            ("fr, en", Some("fr")),
            ("fr;q=0, en;q=0.1", Some("en")),
            ("fr;q=no, en;q=0.1", Some("en")),
            ("fr;q=0", None),
            ("fro, enm", None),
            ("en_US", None),
        ] {
            assert_eq!(language(header, &["en", "fr"]), expected, "{header}");
        }
    }

    #[test]
    fn a_quality_has_up_to_three_decimal_places() {
        for (text, quality) in [("0", 0), ("0.", 0), ("0.5", 500), ("0.123", 123), ("1", 1_000), ("1.000", 1_000)] {
            assert_eq!(thousandths(text), Some(quality), "{text}");
        }
        for text in ["", ".5", "2", "1.001", "0.1234", "-0", "+1", "00", "inf", "nan", "1e0", "0.5 ", "٠"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
    }
}
