//! In which form a client takes a list.

/// The form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An object with the items, as programs take it.
    Json,
    /// A table, as spreadsheets take it.
    Csv,
}

impl Format {
    /// CSV for whoever asks for it by name and likes nothing else better; JSON for all others (RFC 9110, 12.5.1).
    pub(super) fn accepted(header: &str) -> Self {
        let quality = |wanted: &str| {
            let ranges = header.split(',').map(|range| range.split(';').map(str::trim));
            let qualities = ranges.filter_map(|mut parts| {
                parts.next().filter(|name| name.eq_ignore_ascii_case(wanted))?;
                let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
                Some(q.map_or(1.0, |q| q.parse().unwrap_or(0.0)))
            });
            qualities.fold(0.0_f32, f32::max)
        };
        let csv = quality("text/csv");
        if csv > 0.0 && csv >= quality("application/json") { Self::Csv } else { Self::Json }
    }

    /// How many items a page has by default, and at the most.
    pub(super) fn limits(self) -> (usize, usize) {
        match self {
            Self::Json => (25, 100),
            Self::Csv => (1_000, 1_000),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Format::{self, Csv, Json};

    #[test]
    fn csv_is_for_those_who_ask_for_it() {
        for (header, format) in [
            ("", Json),
            ("*/*", Json),
            ("text/*", Json),
            ("application/json", Json),
            ("text/csv", Csv),
            ("Text/CSV; charset=utf-8", Csv),
            ("text/csv, */*;q=0.1", Csv),
            ("text/csv;q=0.5, application/json", Json),
            ("application/json;q=0.5, text/csv;header=present;q=0.9", Csv),
            ("text/csv;q=0", Json),
            ("text/csv;q=no", Json),
            ("text/csvx", Json),
        ] {
            assert_eq!(Format::accepted(header), format, "{header}");
        }
    }
}
