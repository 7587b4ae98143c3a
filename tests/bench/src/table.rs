//! Tables in Markdown.

use std::fmt::{self, Display};

/// A Markdown table. A cell without a value is a dash.
#[derive(Debug, Clone)]
pub struct Table {
    rows: Vec<String>,
}

impl Table {
    /// A table without rows.
    pub fn new(head: &[&str]) -> Self {
        let line = head.iter().map(|_| "---|").collect::<String>();
        Self { rows: vec![format!("| {} |", head.join(" | ")), format!("|{line}")] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[Option<String>]) {
        let cells: Vec<&str> = cells.iter().map(|cell| cell.as_deref().unwrap_or("–")).collect();
        self.rows.push(format!("| {} |", cells.join(" | ")));
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.len() <= 2
    }
}

impl Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.rows.join("\n"))
    }
}

/// A number with separators between thousands.
pub fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().rev().enumerate() {
        if place > 0 && place % 3 == 0 && digit != '-' {
            text.insert(0, ',');
        }
        text.insert(0, digit);
    }
    text
}

/// An amount of money: cents below 100.
pub fn money(dollars: f64) -> String {
    if dollars.abs() < 99.995 { format!("{dollars:.2}") } else { thousands(dollars) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_value_is_a_dash() {
        let mut table = Table::new(&["a", "b"]);
        assert!(table.is_empty());
        table.row(&[Some("1".to_owned()), None]);
        assert_eq!(table.to_string(), "| a | b |\n|---|---|\n| 1 | – |");
    }

    #[test]
    fn thousands_have_separators() {
        assert_eq!(thousands(1_234_567.4), "1,234,567");
        assert_eq!(thousands(999.0), "999");
        assert_eq!(thousands(-123_456.0), "-123,456");
        assert_eq!(money(99.991), "99.99");
        assert_eq!(money(1234.5), "1,234");
    }
}
