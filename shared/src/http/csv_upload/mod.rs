//! Reads a CSV file (RFC 4180) that a client uploads: a row of headings, then a row for each item. All errors are
//! reported at once, each with its line.

use std::collections::BTreeMap;

use csv::{Position, ReaderBuilder, StringRecord, Trim};
use serde::Serialize;
use serde_json::{Map, Value};

use super::Fields;
use super::csv::unescape_formulas;
use crate::error::{Failure, FieldError};

/// The maximum number of columns. It is limited because each unknown column is a separate error.
const MAX_HEADINGS: usize = 100;

/// The columns and the size that a file may have.
#[derive(Debug, Clone, Copy)]
pub struct CsvSchema {
    /// The columns, in any order.
    pub columns: &'static [Column],
    /// The maximum number of rows, without the headings.
    pub rows: usize,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The heading, which is also the field's name.
    pub name: &'static str,
    /// Whether the file must have the column.
    pub is_required: bool,
    /// Whether a cell is a list, separated by spaces, commas or semicolons.
    pub is_list: bool,
}

/// The content of a file.
#[derive(Debug, Default)]
pub struct CsvUpload {
    /// The number of rows, including those that could not be read.
    pub count: usize,
    /// The rows. Empty if the headings are not valid, so that the columns of the cells are unknown.
    pub rows: Vec<Row>,
    /// The errors in the file as a whole, in its headings, or in the form of a row.
    pub faults: Vec<LineError>,
}

/// A row.
#[derive(Debug)]
pub struct Row {
    /// The line in which the row starts. The first line is 1.
    pub line: u64,
    cells: Map<String, Value>,
}

/// An error in a field of a line.
#[derive(Debug, Clone, Serialize)]
pub struct LineError {
    /// The line.
    pub line: u64,
    /// The error.
    #[serde(flatten)]
    pub error: FieldError,
}

impl LineError {
    /// Returns the error for a field with an invalid value.
    pub fn new(line: u64, field: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self { line, error: FieldError::new(field, code, message) }
    }

    /// Returns an error in the file as a whole.
    fn in_file(line: u64, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(line, "file", code, message)
    }

    /// Converts the error to an error of the request, whose field contains the line: `line 3: email`.
    pub fn into_field_error(self) -> FieldError {
        let Self { line, error: FieldError { field, code, message, .. } } = self;
        FieldError::new(&format!("line {line}: {field}"), code, message)
    }
}

impl Row {
    /// Reads the row's fields with `read`. An empty cell counts as an absent field. Returns the value, or the errors in
    /// fields with the row's line.
    ///
    /// # Errors
    /// Returns a failure that is not caused by a field's value.
    pub fn read<T>(self, read: impl FnOnce(&mut Fields) -> Option<T>) -> Result<Result<T, Vec<LineError>>, Failure> {
        let line = self.line;
        let mut fields = Fields::from_value(Value::Object(self.cells))?;
        let input = read(&mut fields);
        match fields.finish(|| input) {
            Ok(input) => Ok(Ok(input)),
            Err(Failure::ValidationFailed(errors)) => {
                Ok(Err(errors.into_iter().map(|error| LineError { line, error }).collect()))
            }
            Err(failure) => Err(failure),
        }
    }
}

impl CsvUpload {
    /// Reads a file with this schema, in which commas or semicolons separate the cells.
    pub(super) fn parse(bytes: &[u8], schema: &CsvSchema) -> Self {
        let mut upload = Self::default();
        match std::str::from_utf8(bytes) {
            Ok(text) => upload.read(text.strip_prefix('\u{feff}').unwrap_or(text), schema),
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                let message = "The file is not in UTF-8.";
                upload.faults.push(LineError::in_file(lines_before(valid), "not_utf8", message));
            }
        }
        upload
    }

    fn read(&mut self, text: &str, schema: &CsvSchema) {
        let mut records = records(text);
        let Some((line, headings)) = records.next() else {
            self.faults.push(LineError::in_file(1, "empty", "The file is empty."));
            return;
        };
        let columns = self.columns(line, &headings, schema);
        for (line, record) in records {
            self.count += 1;
            if self.count == schema.rows + 1 {
                let message = format!("The file has more than {} rows.", schema.rows);
                self.faults.push(LineError::in_file(line, "too_many_rows", message));
            }
            if let Some(columns) = &columns
                && self.count <= schema.rows
            {
                if record.iter().skip(columns.len()).any(|cell| !cell.is_empty()) {
                    let message = "The row has more cells than there are headings.";
                    self.faults.push(LineError::new(line, "row", "too_many_cells", message));
                }
                let cells = columns.iter().zip(&record);
                let cells = cells.filter_map(|(column, cell)| Some((column.as_ref()?, unescape_formulas(cell))));
                let cells = cells.filter(|(_, cell)| !cell.is_empty());
                let cells = cells.map(|(column, cell)| (column.name.to_owned(), value(column, &cell))).collect();
                self.rows.push(Row { line, cells });
            }
        }
        if self.count == 0 {
            self.faults.push(LineError::in_file(line, "empty", "The file has no rows below its headings."));
        }
    }

    /// Returns the column of each cell in a row, or `None` if a required column is missing or a column is repeated.
    fn columns(&mut self, line: u64, headings: &StringRecord, schema: &CsvSchema) -> Option<Vec<Option<Column>>> {
        if headings.len() > MAX_HEADINGS {
            let message = format!("The file has more than {MAX_HEADINGS} columns.");
            self.faults.push(LineError::in_file(line, "too_many_columns", message));
            return None;
        }
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        let mut columns = Vec::new();
        for heading in headings {
            let column = schema.columns.iter().find(|column| column.name.eq_ignore_ascii_case(heading)).copied();
            if let Some(column) = column {
                *seen.entry(column.name).or_default() += 1;
            } else if !heading.is_empty() {
                self.faults.push(LineError::new(line, heading, "unknown_column", "There is no such column."));
            }
            columns.push(column);
        }
        let mut is_known = true;
        for column in schema.columns {
            let (code, message) = match seen.get(column.name) {
                None if column.is_required => ("missing_column", "This column is missing."),
                Some(2..) => ("repeated_column", "This column occurs more than once."),
                None | Some(_) => continue,
            };
            is_known = false;
            self.faults.push(LineError::new(line, column.name, code, message));
        }
        is_known.then_some(columns)
    }
}

/// Iterates over the records that are not empty, each with its line.
fn records(text: &str) -> impl Iterator<Item = (u64, StringRecord)> {
    let headings = text.trim_start().lines().next().unwrap_or_default();
    let delimiter = if headings.matches(';').count() > headings.matches(',').count() { b';' } else { b',' };
    let mut reader = ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).trim(Trim::All).delimiter(delimiter);
    let mut lines = Lines { text, at: 0, line: 1 };
    // The text is UTF-8, and so are its parts. Reading from memory does not fail.
    let records = reader.from_reader(text.as_bytes()).into_records().map_while(Result::ok);
    let records = records.map(move |record| (lines.line_at(record.position().map_or(0, Position::byte)), record));
    records.filter(|(_, record)| record.iter().any(|cell| !cell.is_empty()))
}

/// Counts lines up to the latest requested position.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// Returns the line of the record at this byte. If there are empty lines at this byte, the record is below them,
    /// because the reader skips them only when it reads the record.
    fn line_at(&mut self, byte: u64) -> u64 {
        let start = usize::try_from(byte).unwrap_or(usize::MAX);
        let rest = self.text.get(start..).unwrap_or_default();
        let start = start + rest.len() - rest.trim_start_matches(['\r', '\n']).len();
        let passed = self.text.as_bytes().get(self.at..start).unwrap_or_default();
        self.line += lines_before(passed) - 1;
        self.at = start;
        self.line
    }
}

/// Returns the number of the line in which a text ends. Lines end with `\n`, `\r\n` or `\r`.
fn lines_before(bytes: &[u8]) -> u64 {
    let after = bytes.iter().skip(1).map(Some).chain([None]);
    let ends = bytes.iter().zip(after).filter(|(byte, next)| match byte {
        b'\n' => true,
        b'\r' => *next != Some(&b'\n'),
        _ => false,
    });
    u64::try_from(ends.count() + 1).unwrap_or(u64::MAX)
}

fn value(column: &Column, cell: &str) -> Value {
    if column.is_list {
        let words = cell.split(|c: char| c.is_whitespace() || c == ',' || c == ';').filter(|word| !word.is_empty());
        words.map(|word| Value::String(word.to_owned())).collect()
    } else {
        Value::String(cell.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::csv::table;
    use super::*;

    const fn column(name: &'static str, is_required: bool, is_list: bool) -> Column {
        Column { name, is_required, is_list }
    }

    const SCHEMA: CsvSchema = CsvSchema {
        columns: &[column("name", true, false), column("email", true, false), column("may", false, true)],
        rows: 3,
    };

    fn parse(text: impl AsRef<[u8]>) -> CsvUpload {
        CsvUpload::parse(text.as_ref(), &SCHEMA)
    }

    fn cells(upload: &CsvUpload) -> Vec<(u64, String)> {
        upload.rows.iter().map(|row| (row.line, Value::Object(row.cells.clone()).to_string())).collect()
    }

    fn faults(upload: &CsvUpload) -> Vec<(u64, &str, &str)> {
        upload.faults.iter().map(|fault| (fault.line, fault.error.field.as_str(), fault.error.code)).collect()
    }

    #[test]
    fn columns_are_found_by_their_headings_in_any_order() {
        for text in [
            "name,email,may\nAnn,a@b.c,read add\n",
            "may;EMAIL; Name\r\nread  add;a@b.c; Ann \r\n",
            "\u{feff}email,name,may,\na@b.c,\"Ann\",\"read\nadd\"",
            "name,email,may\rAnn,a@b.c,\"read, add\"\r",
            "name;email;may\nAnn;a@b.c;\"read;add\"",
        ] {
            let upload = parse(text);
            let row = r#"{"email":"a@b.c","may":["read","add"],"name":"Ann"}"#;
            assert_eq!(cells(&upload), [(2, row.to_owned())], "{text:?}");
            assert!(upload.faults.is_empty() && upload.count == 1, "{upload:?}");
        }
    }

    #[test]
    fn a_row_has_the_number_of_the_line_in_which_it_starts() {
        let text = "\r\nname,email\r\n\r\n\r\nAnn,a@b.c\r\n\"B\r\no\r\nb\",b@b.c\r\n ,\r\n,,,\r\nCy,c@b.c";
        let upload = parse(text);
        assert_eq!(upload.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 6, 11]);
        assert_eq!(upload.count, 3);
        let others = parse(text.replace("\r\n", "\r"));
        assert_eq!(others.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [5, 6, 11]);
    }

    #[test]
    fn an_empty_cell_is_an_absent_field_and_an_escaped_formula_is_unescaped() {
        let upload = parse("name,email\n'=1,-\n'Ann,'+1@b.c\n''=,Ann;'=1\n");
        let rows = [
            r#"{"email":"-","name":"=1"}"#,
            r#"{"email":"+1@b.c","name":"'Ann"}"#,
            r#"{"email":"Ann;=1","name":"'="}"#,
        ];
        assert_eq!(cells(&upload).into_iter().map(|(_, row)| row).collect::<Vec<_>>(), rows);
    }

    #[test]
    fn all_errors_in_headings_are_reported_and_then_no_row_is_read() {
        let upload = parse("\nname,Name,phone,may,may\nAnn,,,,\n");
        let expected = [
            (2, "phone", "unknown_column"),
            (2, "name", "repeated_column"),
            (2, "email", "missing_column"),
            (2, "may", "repeated_column"),
        ];
        assert_eq!(faults(&upload), expected);
        assert_eq!((upload.count, upload.rows.len()), (1, 0));
        let wide = parse(format!("name,email{}\na,b", ",x".repeat(MAX_HEADINGS)));
        assert_eq!(faults(&wide), [(1, "file", "too_many_columns")]);
    }

    #[test]
    fn a_file_without_rows_with_too_many_rows_or_not_in_utf_8_is_rejected() {
        for empty in ["", "\n\n", " ,\n,"] {
            assert_eq!(faults(&parse(empty)), [(1, "file", "empty")], "{empty:?}");
        }
        assert_eq!(faults(&parse("name,email\n")), [(1, "file", "empty")]);
        let many = parse("name,email\na,a\nb,b\nc,c\nd,d\ne,e\n");
        assert_eq!((faults(&many), many.count, many.rows.len()), (vec![(5, "file", "too_many_rows")], 5, 3));
        assert_eq!(faults(&parse(b"name,email\nAnn,a@b.c\nJos\xe9,j@b.c\n")), [(3, "file", "not_utf8")]);
        assert_eq!(faults(&parse("name,email\na,b,c\na,b,,\n")), [(2, "row", "too_many_cells")]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_rejected(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let upload = parse([b"name,email\n", bytes.as_slice()].concat());
            prop_assert!(upload.rows.len() <= SCHEMA.rows && (upload.count > 0 || !upload.faults.is_empty()));
        }

        #[test]
        fn a_written_table_is_read_back_unchanged(names in prop::collection::vec("[=+@-][A-Za-z=+@',;\"\n-]{1,9}[a-z]", 1..3)) {
            let items: Vec<Value> =
                names.iter().map(|name| serde_json::json!({ "name": name.trim(), "email": "a@b.c" })).collect();
            let upload = parse(table(&["name", "email"], &items).unwrap());
            let read: Vec<&str> = upload.rows.iter().map(|row| row.cells["name"].as_str().unwrap()).collect();
            let names: Vec<&str> = names.iter().map(|name| name.trim()).collect();
            prop_assert_eq!(read, names);
        }
    }
}
