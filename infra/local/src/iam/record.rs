//! Writes a file of the permissions that were granted, used and refused. It serves to check that the policies are
//! minimal.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::{Need, Policy, Verdict};
use crate::lambda::log;

/// Lines such as `used AddUserFunction dynamodb:PutItem arn:…`, each once.
#[derive(Debug)]
pub(crate) struct Record(Mutex<Lines>);

#[derive(Debug)]
struct Lines {
    file: File,
    written: BTreeSet<String>,
}

impl Record {
    /// Creates a file that begins with all granted permissions.
    pub(crate) fn create<'a>(path: &Path, policies: impl IntoIterator<Item = &'a Policy>) -> io::Result<Self> {
        let record = Self(Mutex::new(Lines { file: File::create(path)?, written: BTreeSet::new() }));
        for policy in policies {
            for grant in policy.grants() {
                record.write("granted", policy, &grant)?;
            }
        }
        Ok(record)
    }

    /// Records a call of a function and the decision.
    pub(crate) fn note(&self, policy: &Policy, need: &Need, verdict: Verdict) {
        let word = match verdict {
            Verdict::Allowed => "used",
            Verdict::NotAllowed | Verdict::Denied => "refused",
        };
        if let Err(problem) = self.write(word, policy, need) {
            log::line("proxy", &format!("cannot record a call: {problem}"));
        }
    }

    fn write(&self, word: &str, policy: &Policy, Need { action, resource }: &Need) -> io::Result<()> {
        let line = format!("{word} {} {action} {resource}\n", policy.function());
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.written.contains(&line) {
            return Ok(());
        }
        lines.file.write_all(line.as_bytes())?;
        lines.written.insert(line);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_begins_with_the_grants_and_contains_each_line_once() {
        let path = std::env::temp_dir().join(format!("portal-local-record-{}", std::process::id()));
        let statement = json!({ "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": "*" });
        let policy = Policy::read("DoFunction", &[statement]).unwrap();
        let record = Record::create(&path, [&policy]).unwrap();
        let need = |action: &str| Need { action: action.to_owned(), resource: "arn".to_owned() };
        for _ in 0..2 {
            record.note(&policy, &need("dynamodb:GetItem"), Verdict::Allowed);
            record.note(&policy, &need("dynamodb:Scan"), Verdict::NotAllowed);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "granted DoFunction dynamodb:GetItem *",
                "granted DoFunction dynamodb:Query *",
                "used DoFunction dynamodb:GetItem arn",
                "refused DoFunction dynamodb:Scan arn",
            ]
        );
    }
}
