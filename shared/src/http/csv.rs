//! Writes a list as CSV (RFC 4180), with one column per field of the items.

use csv::{Terminator, WriterBuilder};
use serde::Serialize;
use serde_json::Value;

use crate::error::Failure;
use crate::models::is_invisible;

/// Returns the CSV of these items, with a row of headings. A column is a field or a nested field: `actor.id` has the
/// heading `actor_id`.
///
/// # Errors
/// Returns [`Failure::Internal`] if an item has no JSON form.
pub(super) fn table(columns: &[&str], items: &[impl Serialize]) -> Result<Vec<u8>, Failure> {
    let failed = |error: csv::Error| Failure::internal("writing CSV", &error);
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(columns.iter().map(|column| column.replace('.', "_"))).map_err(failed)?;
    for item in items {
        let item = serde_json::to_value(item).map_err(|error| Failure::internal("writing CSV", &error))?;
        writer.write_record(columns.iter().map(|column| escape_formulas(&cell(&item, column)))).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Failure::internal("writing CSV", &error.into_error()))
}

fn cell(item: &Value, column: &str) -> String {
    let value = column.split('.').try_fold(item, |value, name| value.get(name));
    value.map(text).unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Returns the text with an apostrophe before each character that could start a formula (OWASP, CSV Injection).
///
/// A spreadsheet may split a line at another separator than the comma, and then ignores quotes inside a cell. So a formula
/// could start at the beginning of the text, and after every separator in it. Numbers with a sign are no exception: another
/// separator could add the rest of the line to them.
fn escape_formulas(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut is_start = true;
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        if is_start && starts_formula(letter, rest.as_str()) {
            escaped.push('\'');
        }
        escaped.push(letter);
        is_start = stays_at_start(letter, is_start);
    }
    escaped
}

/// Returns the text of a cell without the apostrophes that [`table`] and spreadsheets write before formulas.
pub(super) fn unescape_formulas(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut is_start = true;
    let mut rest = cell.chars();
    while let Some(letter) = rest.next() {
        let mut after = rest.clone();
        let is_escape =
            is_start && letter == '\'' && after.next().is_some_and(|next| starts_formula(next, after.as_str()));
        if !is_escape {
            text.push(letter);
        }
        is_start = stays_at_start(letter, is_start);
    }
    text
}

/// Returns whether this character starts a formula at the beginning of a cell, also in its full-width form. Spreadsheets
/// may ignore a tab or a carriage return and read on.
fn starts_formula(letter: char, rest: &str) -> bool {
    match letter {
        '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠' | '\t' => true,
        '\r' => !rest.starts_with('\n'),
        _ => false,
    }
}

/// Returns whether the next character may be at the beginning of a cell: after a separator or a line break, and after
/// blanks, quotes and apostrophes there.
fn stays_at_start(letter: char, is_start: bool) -> bool {
    match letter {
        ',' | ';' | '|' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => true,
        '"' | '\'' => is_start,
        letter => is_start && (letter.is_control() || is_invisible(letter)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn written(columns: &[&str], items: &[Value]) -> String {
        String::from_utf8(table(columns, items).unwrap()).unwrap()
    }

    #[test]
    fn a_table_has_headings_and_a_line_for_each_item() {
        let items = [
            json!({ "id": "a", "who": { "name": "Ann, Lee" }, "may": ["read", "add"], "is": true, "more": { "n": 1 } }),
            json!({ "id": "b", "who": null, "may": [], "is": null, "more": {} }),
        ];
        assert_eq!(
            written(&["id", "who.name", "may", "is", "more"], &items),
            "id,who_name,may,is,more\r\na,\"Ann, Lee\",read add,true,\"{\"\"n\"\":1}\"\r\nb,,,,{}\r\n"
        );
        assert_eq!(written(&["id", "may"], &[]), "id,may\r\n");
    }

    #[test]
    fn formulas_are_written_as_text() {
        for (text, escaped) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("+1+1", "'+1+1"),
            ("-", "'-"),
            ("+33 6 12 34 56 78", "'+33 6 12 34 56 78"),
            ("-1+1", "'-1+1"),
            ("+33-6", "'+33-6"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1+1", "'＝1+1"),
            ("a；＠b", "a；＠b"),
            ("\tx", "'\tx"),
            ("\rx", "'\rx"),
            ("\r\nx", "\r\nx"),
            ("'=1", "''=1"),
            ("  =1", "  '=1"),
            ("\u{a0}\u{200b}=1", "\u{a0}\u{200b}'=1"),
            ("\" '=1", "\" ''=1"),
            ("Ann;=1+1", "Ann;'=1+1"),
            ("Ann,=1;-2|@x\t+3\n=4", "Ann,'=1;'-2|'@x\t'+3\n'=4"),
            ("Ann; \"-1\"", "Ann; \"'-1\""),
            ("Ann;;==1", "Ann;;'==1"),
            ("Ann\t\t=1", "Ann\t'\t'=1"),
            ("Ann;-1", "Ann;'-1"),
        ] {
            assert_eq!(escape_formulas(text), escaped, "{text:?}");
            assert_eq!(unescape_formulas(escaped), text, "{text:?}");
        }
    }

    #[test]
    fn ordinary_values_are_written_unchanged() {
        for text in [
            "",
            "12",
            "Jean-Luc",
            "a=1",
            "a+b-c@example.com",
            "Lee, Ann; Bob | Cy",
            "O'Neill, \"Zo\"",
            "two\r\n\r\nlines",
            "–",
        ] {
            assert_eq!(escape_formulas(text), text);
            assert_eq!(unescape_formulas(text), text);
        }
    }

    /// The cells of a table for a reader of quotes that splits at `separator`, and for one that knows no quotes.
    fn split(table: &[u8], separator: u8) -> Vec<String> {
        let mut reader = csv::ReaderBuilder::new();
        let reader = reader.has_headers(false).flexible(true).delimiter(separator).from_reader(table);
        let records =
            reader.into_records().flat_map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>());
        let text = std::str::from_utf8(table).unwrap();
        let separators = [char::from(separator), '\r', '\n'];
        records.chain(text.split(separators).map(str::to_owned)).collect()
    }

    proptest! {
        #[test]
        fn no_cell_starts_a_formula_with_any_separator(
            texts in prop::collection::vec("([-=+@＝＋－＠,;|\t\r\n\"' \u{a0}\u{200b}1a]{0,8}|.{0,8})", 6..7),
        ) {
            let items = [json!({ "a": texts[0], "b": texts[1], "c": texts[2] }), json!({ "a": texts[3], "b": texts[4], "c": texts[5] })];
            let table = table(&["a", "b", "c"], &items).unwrap();
            for separator in [b',', b';', b'\t', b'|'] {
                for cell in split(&table, separator) {
                    let bare = cell.trim_start_matches(|c: char| c == '"' || is_invisible(c) || (c.is_control() && !"\t\r".contains(c)));
                    prop_assert!(
                        !bare.starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']),
                        "{:?} in {:?}", cell, String::from_utf8_lossy(&table)
                    );
                    prop_assert!(!cell.starts_with('\t') || separator == b'\t', "{:?}", cell);
                    prop_assert!(!cell.starts_with('\r') || cell.starts_with("\r\n"), "{:?}", cell);
                }
            }
        }

        #[test]
        fn every_text_is_read_back_unchanged(texts in prop::collection::vec("([-=+@,;|\t\r\n\"' 1a]{0,8}|.*)", 1..5)) {
            let items: Vec<Value> = texts.iter().map(|text| json!({ "text": text, "more": "" })).collect();
            let table = table(&["text", "more"], &items).unwrap();
            let read: Vec<String> = csv::Reader::from_reader(&table[..])
                .records()
                .map(|record| unescape_formulas(&record.unwrap()[0]))
                .collect();
            prop_assert_eq!(read, texts);
        }
    }
}
