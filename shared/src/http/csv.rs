//! Writes a list as CSV (RFC 4180), with one column per field of the items.

use csv::{Terminator, WriterBuilder};
use serde::Serialize;
use serde_json::Value;

use crate::error::Failure;

/// The characters that start a formula in a spreadsheet, including their full-width forms (OWASP, CSV Injection).
pub(super) const RUN_BY_SPREADSHEETS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

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
        writer.write_record(columns.iter().map(|column| cell(&item, column))).map_err(failed)?;
    }
    writer.into_inner().map_err(|error| Failure::internal("writing CSV", &error.into_error()))
}

fn cell(item: &Value, column: &str) -> String {
    let value = column.split('.').try_fold(item, |value, name| value.get(name));
    let mut text = value.map(text).unwrap_or_default();
    if text.starts_with(RUN_BY_SPREADSHEETS) {
        text.insert(0, '\'');
    }
    text
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
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
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("＝1+1", "'＝1+1"),
            ("\tx", "'\tx"),
            ("\rx", "\"'\rx\""),
            ("a=1", "a=1"),
            ("'=1", "'=1"),
        ] {
            assert_eq!(written(&["name"], &[json!({ "name": text })]), format!("name\r\n{cell}\r\n"), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_unchanged(texts in prop::collection::vec(".*", 1..5)) {
            let items: Vec<Value> = texts.iter().map(|text| json!({ "text": text, "more": "" })).collect();
            let table = table(&["text", "more"], &items).unwrap();
            let read: Vec<String> = csv::Reader::from_reader(&table[..])
                .records()
                .map(|record| record.unwrap()[0].to_owned())
                .collect();
            let cells: Vec<String> = items.iter().map(|item| cell(item, "text")).collect();
            prop_assert_eq!(read, cells);
        }
    }
}
