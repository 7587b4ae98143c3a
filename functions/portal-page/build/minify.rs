//! Removes comments and white space without meaning from a script. Strings, template literals and regular expressions stay as they
//! are. A line break stays wherever it could end a statement.

use std::iter::Peekable;
use std::str::Chars;

/// Signs that need no space beside them. Plus, minus and slash are not among them, since `a + +b` is not `a ++b`.
const JOINTS: &str = "{}()[],;=:?<>&|!*";

/// Signs after which a slash begins a regular expression.
const BEFORE_EXPRESSION: &str = "(,=:[!&|?{};\n>";

/// Signs after which, and before which, no statement ends.
const BEFORE_MORE: &str = "{([,;\n";
const CONTINUATION: &str = "})].?:&|";

/// Returns the script without what the engine does not need.
pub(crate) fn minify(script: &str) -> String {
    let mut scanner = Scanner { rest: script.chars().peekable(), out: String::new() };
    while let Some(sign) = scanner.rest.next() {
        scanner.add(sign);
    }
    scanner.out
}

struct Scanner<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
}

impl Scanner<'_> {
    fn add(&mut self, sign: char) {
        let (last, next) = (self.out.chars().last().unwrap_or('\n'), self.rest.peek().copied().unwrap_or('\n'));
        match sign {
            '"' | '\'' => self.quoted(sign),
            '`' => self.template(),
            '/' if next == '*' => self.skip_comment(),
            '/' if BEFORE_EXPRESSION.contains(last) || self.out.ends_with("return ") => self.regular_expression(),
            ' ' if last == ' ' || JOINTS.contains(last) || JOINTS.contains(next) => {}
            '\n' if BEFORE_MORE.contains(last) || CONTINUATION.contains(next) => {}
            _ => self.out.push(sign),
        }
    }

    fn skip_comment(&mut self) {
        let mut last = ' ';
        self.rest.next();
        for sign in self.rest.by_ref() {
            if last == '*' && sign == '/' {
                return;
            }
            last = sign;
        }
    }

    /// Copies the next sign, and the one that it escapes.
    fn copy(&mut self) -> Option<char> {
        let sign = self.rest.next()?;
        self.out.push(sign);
        if sign == '\\' {
            self.out.extend(self.rest.next());
        }
        Some(sign)
    }

    fn quoted(&mut self, end: char) {
        self.out.push(end);
        while self.copy().is_some_and(|sign| sign != end) {}
    }

    fn regular_expression(&mut self) {
        self.out.push('/');
        let mut is_in_class = false;
        while let Some(sign) = self.copy() {
            match sign {
                '[' => is_in_class = true,
                ']' => is_in_class = false,
                '/' if !is_in_class => return,
                _ => {}
            }
        }
    }

    fn template(&mut self) {
        self.out.push('`');
        while let Some(sign) = self.copy() {
            if sign == '`' {
                return;
            }
            if sign == '$' && self.rest.peek() == Some(&'{') {
                self.copy();
                self.expression();
            }
        }
    }

    /// Copies an expression in a template literal up to its brace.
    fn expression(&mut self) {
        let mut open = 1;
        while let Some(sign) = self.rest.next() {
            match sign {
                '"' | '\'' => self.quoted(sign),
                '`' => self.template(),
                _ => self.out.push(sign),
            }
            open += i32::from(sign == '{') - i32::from(sign == '}');
            if open == 0 {
                return;
            }
        }
    }
}
