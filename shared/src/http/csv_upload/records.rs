//! Splits the text of a file into records and cells, more leniently than RFC 4180: lines end with CR, LF or both, blanks can
//! surround quotes, and the separator is a parameter.

use super::charset::line_at_end;
use crate::models::is_invisible;

/// A record with at least one cell. White space around cells is removed, and a cell of invisible characters is empty.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// The line in which the record starts.
    pub(super) line: u64,
    pub(super) cells: Vec<String>,
    /// Whether each quote is closed.
    pub(super) is_closed: bool,
}

impl Record {
    /// Returns whether the record has nothing but separators, which spreadsheets write for empty rows.
    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.chars().all(is_separator_or_blank))
    }
}

/// A position in a text: the start of a line, or the end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
    line: u64,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// Returns the next record that is not blank, and the position after it.
    pub(super) fn record(mut self, separator: char) -> Option<(Record, Self)> {
        loop {
            let text = self.rest.trim_start_matches(['\r', '\n']);
            self = self.after(self.rest.len() - text.len());
            let (record, after) = self.any_record(separator)?;
            if !record.is_blank() {
                return Some((record, after));
            }
            self = after;
        }
    }

    /// Returns the separator that the line `sep=;` declares, and the position after that line. Excel reads and writes such
    /// a line.
    pub(super) fn declared_separator(self) -> Option<(char, Self)> {
        let end = self.rest.find(['\r', '\n'])?;
        let line = self.rest.get(..end)?.trim_matches(['"', ' ']);
        let declared = line.get(..4).filter(|name| name.eq_ignore_ascii_case("sep=")).and(line.get(4..))?;
        let separator = if declared.starts_with("\\t") { '\t' } else { declared.chars().next()? };
        let others =
            declared.trim_start_matches("\\t").trim_start_matches(is_separator_or_blank).trim_matches(separator);
        (!separator.is_alphanumeric() && separator != '"' && others.is_empty()).then(|| (separator, self.after(end)))
    }

    /// Returns the position behind the line that ends at `end`.
    fn after(self, end: usize) -> Self {
        let rest = self.rest.get(end..).unwrap_or_default();
        let rest = rest.strip_prefix("\r\n").or_else(|| rest.strip_prefix(['\r', '\n'])).unwrap_or(rest);
        let passed = self.rest.get(..self.rest.len() - rest.len()).unwrap_or_default();
        Self { rest, line: self.line + line_at_end(passed) - 1 }
    }

    fn any_record(self, separator: char) -> Option<(Record, Self)> {
        if self.rest.is_empty() {
            return None;
        }
        let mut record = Record { line: self.line, cells: Vec::new(), is_closed: true };
        let mut at = 0;
        loop {
            let (cell, length, is_closed) = cell(self.rest.get(at..).unwrap_or_default(), separator);
            record.cells.push(cell);
            record.is_closed &= is_closed;
            at += length;
            match self.rest.get(at..).and_then(|rest| rest.chars().next()) {
                Some(next) if next == separator => at += separator.len_utf8(),
                _ => break,
            }
        }
        // Spreadsheets add separators to lines that they read as one cell.
        if let Some(last) = record.cells.last_mut() {
            last.truncate(last.trim_end_matches(is_separator_or_blank).len());
        }
        Some((record, self.after(at)))
    }
}

fn is_separator_or_blank(c: char) -> bool {
    matches!(c, ',' | ';') || c.is_whitespace()
}

/// Returns the first cell of a text, its length in the text, and whether its quote is closed.
fn cell(text: &str, separator: char) -> (String, usize, bool) {
    let is_end = |c: char| c == separator || c == '\r' || c == '\n';
    let to_end = |text: &str| text.find(is_end).unwrap_or(text.len());
    let start = text.len() - text.trim_start_matches(|c: char| c.is_whitespace() && !is_end(c)).len();
    let Some(mut rest) = text.get(start..).and_then(|text| text.strip_prefix('"')) else {
        let end = to_end(text);
        return (visible(text.get(..end).unwrap_or_default()), end, true);
    };
    let mut cell = String::new();
    let mut is_closed = false;
    while let Some((part, after)) = rest.split_once('"') {
        cell.push_str(part);
        rest = after;
        let Some(after) = rest.strip_prefix('"') else {
            is_closed = true;
            break;
        };
        cell.push('"');
        rest = after;
    }
    if is_closed {
        let (tail, after) = rest.split_at(to_end(rest));
        cell.push_str(tail);
        rest = after;
    } else {
        cell.push_str(rest);
        rest = "";
    }
    (visible(&cell), text.len() - rest.len(), is_closed)
}

fn visible(cell: &str) -> String {
    if cell.chars().all(is_invisible) { String::new() } else { cell.trim().to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(text: &str, separator: char) -> Vec<(u64, Vec<String>)> {
        let mut cursor = Cursor::new(text);
        let mut records = Vec::new();
        while let Some((record, after)) = cursor.record(separator) {
            assert!(record.is_closed, "{text:?}");
            records.push((record.line, record.cells));
            cursor = after;
        }
        records
    }

    #[test]
    fn each_line_end_and_each_way_to_quote_is_read() {
        for (text, expected) in [
            ("a,b\nc,d", vec![(1, vec!["a", "b"]), (2, vec!["c", "d"])]),
            ("a,b\rc,d\r", vec![(1, vec!["a", "b"]), (2, vec!["c", "d"])]),
            ("a,b\r\nc,d\r\n", vec![(1, vec!["a", "b"]), (2, vec!["c", "d"])]),
            ("a\rb\nc\r\nd", vec![(1, vec!["a"]), (2, vec!["b"]), (3, vec!["c"]), (4, vec!["d"])]),
            ("\n\r\n ,;\t\r\n;;;\na", vec![(5, vec!["a"])]),
            ("\"a,\nb\"\r\nc", vec![(1, vec!["a,\nb"]), (3, vec!["c"])]),
            (" \"a, \"\"b\"\"\" , c ", vec![(1, vec!["a, \"b\"", "c"])]),
            ("\"a\"b,c \"d\"", vec![(1, vec!["ab", "c \"d\""])]),
            ("\u{200b},\"\u{feff}\"\na,\u{200b},\u{a0}\"\u{ad}\",\u{200b}b", vec![(2, vec!["a", "", "", "\u{200b}b"])]),
            ("a,;;;;\nb,,,", vec![(1, vec!["a", ""]), (2, vec!["b", "", "", ""])]),
            ("", vec![]),
        ] {
            let expected: Vec<(u64, Vec<String>)> = expected
                .into_iter()
                .map(|(line, cells)| (line, cells.into_iter().map(str::to_owned).collect()))
                .collect();
            assert_eq!(records(text, ','), expected, "{text:?}");
        }
        assert_eq!(records("a\t\tb\t", '\t'), [(1, ["a", "", "b", ""].map(str::to_owned).to_vec())]);
    }

    #[test]
    fn a_quote_that_is_not_closed_is_reported() {
        let (record, after) = Cursor::new("a,\"b\nc,d").record(',').unwrap();
        assert_eq!((record.is_closed, record.line, record.cells.len()), (false, 1, 2));
        assert!(after.record(',').is_none());
    }

    #[test]
    fn a_declared_separator_is_read() {
        for (text, separator) in [
            ("sep=;\r\na", Some(';')),
            ("SEP=,\na", Some(',')),
            ("\"sep=;\"\ra", Some(';')),
            ("sep=\t\na", Some('\t')),
            ("sep=\\t\na", Some('\t')),
            ("sep=,;;;;\na", Some(',')),
            ("sep=|\na", Some('|')),
            ("sep=;", None),
            ("sep=ab\na", None),
            ("separator;b\na", None),
        ] {
            let declared = Cursor::new(text).declared_separator();
            assert_eq!(declared.map(|(separator, _)| separator), separator, "{text:?}");
            if let Some((separator, cursor)) = declared {
                assert_eq!(cursor.record(separator).unwrap().0.line, 2, "{text:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_to_its_end(text in "[a\",;\t\r\n é]{0,60}", separator in prop::sample::select(vec![',', ';', '\t'])) {
            let mut cursor = Cursor::new(&text);
            let mut lines = vec![0];
            while let Some((record, after)) = cursor.any_record(separator) {
                prop_assert!(after.rest.len() < cursor.rest.len());
                prop_assert!(!record.cells.is_empty());
                lines.push(record.line);
                cursor = after;
            }
            prop_assert!(lines.is_sorted_by(|one, other| one < other));
        }
    }
}
