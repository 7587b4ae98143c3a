//! Reads an uploaded CSV file as people's spreadsheets write it: a row of headings, then a row for each item. All errors are
//! reported at once, each with its line.
//!
//! [`charset`] finds the charset by evidence, and [`records`] splits the text. The separator is the one with which the
//! headings are known, and with which a row has an address in the column of emails: neither quoted texts nor lists of words
//! can change it.

mod charset;
mod plausible;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};

pub(super) use self::charset::Charset;
use self::charset::Unreadable;
use self::plausible::{is_coherent, is_latin, is_plausible, is_usual};
use self::records::{Cursor, Record};
use super::Fields;
use super::csv::unescape_formulas;
use crate::error::{CharsetReading, Failure, FieldError};
use crate::models::label_key;

/// The maximum number of columns. It is limited because each ignored column is reported.
const MAX_HEADINGS: usize = 100;

/// The maximum length of a heading in a response, in characters.
const MAX_HEADING: usize = 100;

/// The maximum number of texts that describe a reading.
const MAX_TEXTS: usize = 5;

/// The maximum number of words in a label of [`Content::Words`].
const MAX_WORDS: usize = 8;

/// The separators of cells, the most usual first.
const SEPARATORS: [char; 3] = [',', ';', '\t'];

/// The columns and the size that a file may have.
#[derive(Debug, Clone, Copy)]
pub struct CsvSchema {
    /// The columns, in any order. The first two are the name of a row's item.
    pub columns: &'static [Column],
    /// The maximum number of rows, without the headings.
    pub rows: usize,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The field's name, which is also a heading.
    pub name: &'static str,
    /// Other headings with the same meaning, as [`label_key`] returns them.
    pub aliases: &'static [&'static str],
    /// Whether the file must have the column.
    pub is_required: bool,
    /// The content of its cells.
    pub content: Content,
}

/// The content of a cell.
#[derive(Debug, Clone, Copy)]
pub enum Content {
    /// Any text.
    Text,
    /// An email. The separator of a row is the one with which it has an `@` here.
    Email,
    /// One of some words. The function returns the API's word for a word or label.
    Word(fn(&str) -> Option<&'static str>),
    /// A list of such words or labels, separated by spaces, commas, semicolons or line ends. The function returns an empty
    /// word for a label that stands for an empty list.
    Words(fn(&str) -> Option<&'static str>),
}

/// The content of a file.
#[derive(Debug, Default)]
pub struct CsvUpload {
    /// The number of rows, including those that could not be read.
    pub count: usize,
    /// The line of the headings.
    pub line: u64,
    /// The rows. Empty if the headings are not valid, so that the columns of the cells are unknown.
    pub rows: Vec<Row>,
    /// The errors in the file as a whole, in its headings, or in the form of a row.
    pub faults: Vec<LineError>,
    /// The headings of the columns that are not in the schema.
    pub ignored: Vec<String>,
    headings: Headings,
}

/// The heading of each field's column, as the file has it.
type Headings = Arc<BTreeMap<&'static str, String>>;

/// A row.
#[derive(Debug)]
pub struct Row {
    /// The line in which the row starts. The first line is 1.
    pub line: u64,
    /// The columns with a value below an empty heading. The first column is 1.
    pub unnamed: Vec<usize>,
    cells: Map<String, Value>,
    headings: Headings,
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
    /// Returns the text of a field, if the row has one.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.cells.get(field)?.as_str()
    }

    /// Moves these fields to another row.
    #[must_use]
    pub fn take(&mut self, fields: &[&str]) -> Self {
        let mut cells = Map::new();
        for field in fields {
            cells.extend(self.cells.remove_entry(*field));
        }
        Self { line: self.line, unnamed: Vec::new(), cells, headings: self.headings.clone() }
    }

    /// Reads the row's fields with `read`. An empty cell counts as an absent field. Returns the value, or the errors in
    /// fields with the row's line and the headings of the file.
    ///
    /// # Errors
    /// Returns a failure that is not caused by a field's value.
    pub fn read<T>(self, read: impl FnOnce(&mut Fields) -> Option<T>) -> Result<Result<T, Vec<LineError>>, Failure> {
        let Self { line, cells, headings, .. } = self;
        let mut fields = Fields::from_value(Value::Object(cells))?;
        let input = read(&mut fields);
        match fields.finish(|| input) {
            Ok(input) => Ok(Ok(input)),
            Err(Failure::ValidationFailed(errors)) => {
                let named = |error: FieldError| {
                    let field = headings.get(error.field.as_str()).unwrap_or(&error.field);
                    LineError::new(line, field, error.code, error.message.clone())
                };
                Ok(Err(errors.into_iter().map(named).collect()))
            }
            Err(failure) => Err(failure),
        }
    }
}

impl CsvUpload {
    /// Reads a file with this schema. A `declared` charset decides how its bytes are read.
    ///
    /// # Errors
    /// Returns [`Failure::UndecidedCharset`] if the file can be read in several ways, and [`Failure::ValidationFailed`] if it
    /// is not text.
    pub(super) fn parse(bytes: &[u8], declared: Option<Charset>, schema: &CsvSchema) -> Result<Self, Failure> {
        let readings = charset::readings(bytes, declared).map_err(|Unreadable { line, code, message }| {
            Failure::ValidationFailed(vec![LineError::in_file(line, code, message).into_field_error()])
        })?;
        let uploads = readings.into_iter().map(|reading| (reading.charset, Self::read(&reading.text, schema)));
        decided(uploads.collect(), schema)
    }

    /// Returns the heading of a field's column as the file has it.
    pub fn heading<'a>(&'a self, field: &'a str) -> &'a str {
        self.headings.get(field).map_or(field, String::as_str)
    }

    /// Returns whether the file has a column for this field.
    pub fn has_column(&self, field: &str) -> bool {
        self.headings.contains_key(field)
    }

    fn read(text: &str, schema: &CsvSchema) -> Self {
        let mut upload = Self { line: 1, ..Self::default() };
        let Some((head, mut cursor)) = Head::read(text, schema) else {
            upload.faults.push(LineError::in_file(1, "empty", "The file is empty."));
            return upload;
        };
        upload.line = head.line;
        let columns = upload.columns(&head, schema);
        let separator = head.separator_of_rows(cursor, columns.as_deref(), schema);
        while let Some((record, after)) = next_row(cursor, separator, columns.as_deref()) {
            cursor = after;
            upload.count += 1;
            if upload.count == schema.rows + 1 {
                let message = format!("The file has more than {} rows.", schema.rows);
                upload.faults.push(LineError::in_file(record.line, "too_many_rows", message));
            }
            if let Some(columns) = &columns
                && upload.count <= schema.rows
            {
                upload.add_row(&record, columns);
            }
        }
        if upload.count == 0 {
            upload.faults.push(LineError::in_file(head.line, "empty", "The file has no rows below its headings."));
        }
        upload
    }

    /// Returns the meaning of each heading, or `None` if a required column is missing or a column is repeated.
    fn columns(&mut self, head: &Head, schema: &CsvSchema) -> Option<Vec<Heading>> {
        let line = head.line;
        let count = head.cells.iter().rposition(|cell| !cell.is_empty()).map_or(0, |last| last + 1);
        if count > MAX_HEADINGS {
            let message = format!("The file has more than {MAX_HEADINGS} columns.");
            self.faults.push(LineError::in_file(line, "too_many_columns", message));
            return None;
        }
        let mut found: BTreeMap<&'static str, String> = BTreeMap::new();
        let (mut columns, mut is_valid) = (Vec::new(), true);
        for cell in &head.cells {
            let heading = cell.split_whitespace().collect::<Vec<_>>().join(" ");
            columns.push(match schema.column(&heading) {
                Some(column) => {
                    if let Some(first) = found.get(column.name) {
                        is_valid = false;
                        let message = format!("This column and the column {first} have the same meaning.");
                        self.faults.push(LineError::new(line, &heading, "repeated_column", message));
                    } else {
                        found.insert(column.name, heading.chars().take(MAX_HEADING).collect());
                    }
                    Heading::Known(column)
                }
                None if heading.is_empty() => Heading::Empty,
                None => {
                    self.ignored.push(heading.chars().take(MAX_HEADING).collect());
                    Heading::Ignored
                }
            });
        }
        for column in schema.columns {
            if column.is_required && !found.contains_key(column.name) {
                is_valid = false;
                self.faults.push(LineError::new(line, column.name, "missing_column", "This column is missing."));
            }
        }
        self.headings = Arc::new(found);
        is_valid.then_some(columns)
    }

    fn add_row(&mut self, record: &Record, columns: &[Heading]) {
        let line = record.line;
        if !record.is_closed {
            let message = "A quote that starts in this row does not end.";
            self.faults.push(LineError::new(line, "row", "quote_not_closed", message));
            return;
        }
        if record.cells.iter().skip(columns.len()).any(|cell| !cell.is_empty()) {
            let message = "The row has more cells than there are headings.";
            self.faults.push(LineError::new(line, "row", "too_many_cells", message));
        }
        let mut row = Row { line, unnamed: Vec::new(), cells: Map::new(), headings: self.headings.clone() };
        for (number, (heading, cell)) in (1..).zip(columns.iter().zip(&record.cells)) {
            let cell = unescape_formulas(cell);
            match heading {
                Heading::Known(column) if !cell.is_empty() => {
                    if column.content.is_damaged(&cell) {
                        let message = "A letter of this value was lost before the file was sent: it has a question mark or U+FFFD.";
                        let error = LineError::new(line, self.heading(column.name), "lost_letter", message);
                        self.faults.push(error);
                    }
                    row.cells.insert(column.name.to_owned(), column.content.value(&cell));
                }
                Heading::Empty if !cell.is_empty() => row.unnamed.push(number),
                Heading::Known(_) | Heading::Empty | Heading::Ignored => {}
            }
        }
        self.rows.push(row);
    }

    /// Returns whether both files have the same rows.
    fn has_rows_of(&self, other: &Self) -> bool {
        let rows = |upload: &Self| upload.rows.iter().map(|row| (row.line, row.cells.clone())).collect::<Vec<_>>();
        rows(self) == rows(other)
    }

    /// Returns whether `test` accepts every heading and every cell.
    fn all_texts(&self, test: impl Fn(&str) -> bool) -> bool {
        self.headings.values().chain(&self.ignored).all(|heading| test(heading))
            && self.rows.iter().flat_map(|row| row.cells.values()).all(|value| test(&plain(value)))
    }
}

/// The row of headings.
struct Head {
    line: u64,
    cells: Vec<String>,
    separator: char,
}

/// The meaning of a heading.
enum Heading {
    Known(Column),
    Ignored,
    Empty,
}

impl CsvSchema {
    fn column(&self, heading: &str) -> Option<Column> {
        let key = label_key(heading);
        let is_named = |column: &&Column| label_key(column.name) == key || column.aliases.contains(&key.as_str());
        self.columns.iter().find(is_named).copied()
    }
}

impl Head {
    /// Reads the headings with the separator with which most of them are known. Returns the position of the rows too.
    fn read<'a>(text: &'a str, schema: &CsvSchema) -> Option<(Self, Cursor<'a>)> {
        let start = Cursor::new(text);
        let (declared, start) = match start.declared_separator() {
            Some((separator, after)) => (Some(separator), after),
            None => (None, start),
        };
        let records: Vec<(char, Record, Cursor<'a>)> = declared
            .into_iter()
            .chain(SEPARATORS)
            .filter_map(|separator| start.record(separator).map(|(record, after)| (separator, record, after)))
            .collect();
        let direct = records.iter().map(|(separator, record, after)| (*separator, record.cells.clone(), record, after));
        let quoted = records.iter().flat_map(|(_, record, after)| {
            joined(record).map(move |(separator, cells)| (separator, cells, record, after))
        });
        let mut best: Option<((usize, usize), Self, Cursor<'a>)> = None;
        for (separator, cells, Record { line, .. }, after) in direct.chain(quoted) {
            let known = cells.iter().take(MAX_HEADINGS).filter_map(|cell| Some(schema.column(cell)?.name));
            let score = (known.collect::<BTreeSet<_>>().len(), cells.iter().filter(|cell| !cell.is_empty()).count());
            // The first of equals is the declared or the most usual one.
            if best.as_ref().is_none_or(|(most, ..)| score > *most) {
                best = Some((score, Self { line: *line, cells, separator }, *after));
            }
        }
        best.map(|(_, head, after)| (head, after))
    }

    /// Returns the separator with which most rows fit the headings. It can differ from that of the headings: a spreadsheet
    /// that reads each line as one cell writes new rows with another separator.
    fn separator_of_rows(&self, start: Cursor<'_>, columns: Option<&[Heading]>, schema: &CsvSchema) -> char {
        let Some(columns) = columns else { return self.separator };
        let mut best = (0, self.separator);
        for separator in [self.separator].into_iter().chain(SEPARATORS) {
            let rows = std::iter::successors(start.record(separator), |(_, after)| after.record(separator));
            let fitting = rows.take(schema.rows).filter(|(record, _)| fits(&record.cells, columns)).count();
            if fitting > best.0 {
                best = (fitting, separator);
            }
        }
        best.1
    }
}

/// Returns the next row, and the position after it. A row that does not fit the headings is read with another separator if
/// it then does.
fn next_row<'a>(start: Cursor<'a>, separator: char, columns: Option<&[Heading]>) -> Option<(Record, Cursor<'a>)> {
    let first = start.record(separator)?;
    let Some(columns) = columns else { return Some(first) };
    if fits(&first.0.cells, columns) {
        return Some(first);
    }
    for (record, after) in [separator].into_iter().chain(SEPARATORS).filter_map(|other| start.record(other)) {
        let quoted = joined(&record).map(|(_, cells)| cells);
        let fitting = [record.cells.clone()].into_iter().chain(quoted).find(|cells| fits(cells, columns));
        if let Some(cells) = fitting {
            return Some((Record { cells, ..record }, after));
        }
    }
    Some(first)
}

/// Returns the separators and the cells of a record that a spreadsheet read as one cell, and quoted.
fn joined(record: &Record) -> impl Iterator<Item = (char, Vec<String>)> {
    let only = record.cells.first().filter(|_| record.cells.iter().skip(1).all(String::is_empty)).cloned();
    SEPARATORS.into_iter().filter_map(move |separator| {
        let (record, _) = Cursor::new(only.as_deref()?).record(separator)?;
        (record.cells.len() > 1).then_some((separator, record.cells))
    })
}

/// Returns whether the cells have an address in the column of emails, and none is outside the headings.
fn fits(cells: &[String], columns: &[Heading]) -> bool {
    let is_email = |heading: &Heading| matches!(heading, Heading::Known(Column { content: Content::Email, .. }));
    let email = columns.iter().position(is_email).and_then(|index| cells.get(index));
    let is_address = |cell: &String| {
        cell.contains('@') && !cell.contains(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"'))
    };
    email.is_some_and(is_address) && cells.iter().skip(columns.len()).all(String::is_empty)
}

/// Returns the reading that the evidence supports, or fails with the readings among which a person must decide.
fn decided(mut uploads: Vec<(Charset, CsvUpload)>, schema: &CsvSchema) -> Result<CsvUpload, Failure> {
    // If a heading is known in one charset, it was not meant in a charset in which it is unknown.
    let most = uploads.iter().map(|(_, upload)| upload.headings.len()).max().unwrap_or_default();
    uploads.retain(|(_, upload)| upload.headings.len() == most);
    let mut readings: Vec<(Charset, CsvUpload)> = Vec::new();
    for (charset, upload) in uploads {
        if !readings.iter().any(|(_, other)| other.has_rows_of(&upload)) {
            readings.push((charset, upload));
        }
    }
    let is_choice = readings.len() > 1;
    let guess = readings.pop_if(|(charset, _)| is_choice && !charset.is_western());
    let is_good = |(_, upload): &(Charset, CsvUpload)| upload.all_texts(is_plausible);
    if readings.iter().any(is_good) {
        readings.retain(is_good);
    }
    // IBM850 is rare, so it competes only with a reading that is unusual too.
    let is_usual = |(_, upload): &(Charset, CsvUpload)| upload.all_texts(is_usual);
    let is_ibm850 = |(charset, _): &(Charset, CsvUpload)| *charset == Charset::Ibm850;
    let is_other_usual = readings.iter().any(|reading| is_ibm850(reading) && is_usual(reading));
    let is_better = |reading: &(Charset, CsvUpload)| {
        !is_ibm850(reading) && (reading.0 == Charset::WINDOWS_1252 || (is_usual(reading) && !is_other_usual))
    };
    if readings.iter().any(is_better) && readings.iter().all(is_good) {
        readings.retain(|reading| !is_ibm850(reading));
    }
    // A guess is never enough by itself. It competes unless a Western reading is usual, and with every one if it is in
    // another script: in Windows-1252, the letters of Greek and Russian names are plausible Western letters.
    let is_evident = readings.iter().any(|reading| is_good(reading) && is_usual(reading));
    let competes = |(_, upload): &(Charset, CsvUpload)| {
        upload.all_texts(is_coherent) && !(is_evident && upload.all_texts(is_latin))
    };
    if let Some(guess) = guess.filter(competes) {
        if !readings.iter().any(is_good) {
            readings.truncate(1);
        }
        readings.push(guess);
    }
    if readings.len() > 1 {
        return Err(undecided(&readings, schema));
    }
    let (_, upload) = readings.pop().ok_or_else(|| Failure::bug("a file without a reading"))?;
    Ok(upload)
}

/// Returns the failure with the first texts that differ.
fn undecided(readings: &[(Charset, CsvUpload)], schema: &CsvSchema) -> Failure {
    let rows: Vec<&[Row]> = readings.iter().map(|(_, upload)| upload.rows.as_slice()).collect();
    let count = rows.iter().map(|rows| rows.len()).max().unwrap_or_default();
    let cell = |rows: &[Row], number: usize, name: &str| {
        rows.get(number).and_then(|row| row.cells.get(name)).map(plain).unwrap_or_default()
    };
    // Emails are left out: the failure has a `Debug`.
    let shown = || schema.columns.iter().filter(|column| !matches!(column.content, Content::Email));
    let differs = |number: usize, name: &str| {
        let mut texts = rows.iter().map(|rows| cell(rows, number, name));
        let first = texts.next();
        texts.any(|text| Some(text) != first)
    };
    let mut texts = vec![Vec::new(); readings.len()];
    for number in (0..count).filter(|number| shown().any(|column| differs(*number, column.name))).take(MAX_TEXTS) {
        let names = shown().enumerate().filter(|(index, column)| *index < 2 || differs(number, column.name));
        let names: Vec<&str> = names.map(|(_, column)| column.name).collect();
        for (texts, rows) in texts.iter_mut().zip(&rows) {
            let words = names.iter().map(|name| cell(rows, number, name)).filter(|text| !text.is_empty());
            texts.push(words.collect::<Vec<_>>().join(" "));
        }
    }
    let readings = readings.iter().zip(texts);
    Failure::UndecidedCharset(
        readings.map(|((charset, _), texts)| CharsetReading { charset: charset.label(), texts }).collect(),
    )
}

/// Returns the text of a cell's value.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(words) => words.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

impl Content {
    /// Returns whether the cell has a mark that a program wrote for a letter. Spreadsheets write a question mark for each
    /// letter that their charset does not have.
    fn is_damaged(self, cell: &str) -> bool {
        cell.contains(char::REPLACEMENT_CHARACTER) || (matches!(self, Self::Text) && cell.contains('?'))
    }

    fn value(self, cell: &str) -> Value {
        match self {
            Self::Text | Self::Email => Value::String(cell.to_owned()),
            Self::Word(named) => Value::String(named(cell).unwrap_or(cell).to_owned()),
            Self::Words(named) => {
                let parts = cell.split([',', ';', '\r', '\n']);
                parts.flat_map(|part| words(part, named)).map(Value::String).collect()
            }
        }
    }
}

/// Returns the API's words for a list of words and labels. A label can have several words, so the longest one is taken.
fn words(text: &str, named: fn(&str) -> Option<&'static str>) -> Vec<String> {
    let mut left: Vec<&str> = text.split_whitespace().collect();
    let mut found = Vec::new();
    while let Some(first) = left.first() {
        let longest = (1..=left.len().min(MAX_WORDS)).rev().find_map(|length| {
            let label = left.get(..length)?.join(" ");
            Some((length, named(&label)?))
        });
        let (length, word) = longest.unwrap_or((1, first));
        if !word.is_empty() {
            found.push(word.to_owned());
        }
        left.drain(..length);
    }
    found
}

#[cfg(test)]
mod tests;
