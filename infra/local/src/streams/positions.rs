//! How far each function has processed each shard. A stack with a data folder continues there after a restart.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::lambda::log;

/// The sequence numbers of the last processed records, by function and shard.
#[derive(Debug, Clone)]
pub(crate) struct Positions {
    file: Option<PathBuf>,
    all: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Positions {
    /// Reads the positions of an earlier start. Without a file, they are kept in memory.
    pub(crate) fn open(file: Option<PathBuf>) -> io::Result<Self> {
        let all = match file.as_ref().map(fs::read) {
            None => BTreeMap::new(),
            Some(Ok(text)) => serde_json::from_slice(&text)?,
            Some(Err(problem)) if problem.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Some(Err(problem)) => return Err(problem),
        };
        Ok(Self { file, all: Arc::new(Mutex::new(all)) })
    }

    pub(super) fn get(&self, function: &str, shard: &str) -> Option<String> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner).get(&key(function, shard)).cloned()
    }

    /// Replaces the whole file. If that fails, records are processed again after a restart, which functions expect.
    pub(super) fn set(&self, function: &str, shard: &str, sequence_number: &str) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key(function, shard), sequence_number.to_owned());
        let Some(file) = &self.file else { return };
        let write = || {
            let new = file.with_extension("json.new");
            fs::write(&new, serde_json::to_vec(&*all)?)?;
            fs::rename(&new, file)
        };
        if let Err(problem) = write() {
            log::line("streams", &format!("cannot save the position in a stream: {problem}"));
        }
    }
}

fn key(function: &str, shard: &str) -> String {
    format!("{function} {shard}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_outlive_the_stack_if_they_have_a_file() {
        let file = std::env::temp_dir().join(format!("portal-local-positions-{}.json", std::process::id()));
        let positions = Positions::open(Some(file.clone())).unwrap();
        assert_eq!(positions.get("F", "s"), None);
        positions.set("F", "s", "7");
        positions.set("F", "s", "8");
        let again = Positions::open(Some(file.clone())).unwrap();
        fs::remove_file(file).unwrap();
        assert_eq!(again.get("F", "s").as_deref(), Some("8"));
        assert_eq!(Positions::open(None).unwrap().get("F", "s"), None);
    }
}
