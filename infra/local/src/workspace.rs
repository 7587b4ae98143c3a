//! Finds the repository and manages the data folder for everything that must outlive the stack: `.portal/` in the
//! repository, unless another is given.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::demo::Demo;
use crate::resources::Pool;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkspaceError {
    #[error("no template.yaml in the current folder or above it: start this command inside the repository")]
    NoRoot,
    #[error("{} is in use by another stack: stop that one, or start this one with --ephemeral", .0.display())]
    Locked(PathBuf),
    #[error("{} cannot be used: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("{} cannot be read: {source}: remove the folder to start with an empty portal", path.display())]
    NotOurs { path: PathBuf, source: serde_json::Error },
}

/// The folder that contains `template.yaml`: the current folder, the nearest one above it, or else the nearest one
/// above the binary.
pub(crate) fn root() -> Result<PathBuf, WorkspaceError> {
    [std::env::current_dir(), std::env::current_exe()]
        .into_iter()
        .flatten()
        .find_map(|start| start.ancestors().find(|folder| is_root(folder)).map(Path::to_owned))
        .ok_or(WorkspaceError::NoRoot)
}

fn is_root(folder: &Path) -> bool {
    folder.join("template.yaml").is_file() && folder.join("Cargo.toml").is_file()
}

/// Data of earlier starts that a later start needs. The keys are the servers that the data belongs to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    pub(crate) pools: BTreeMap<String, Pool>,
    pub(crate) partners: BTreeMap<String, Demo>,
}

/// The data folder. Only its owner can read it, and only one stack uses it at a time.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    /// The lock lasts as long as this file is open.
    _lock: File,
}

impl DataFolder {
    pub(crate) fn open(path: &Path) -> Result<Self, WorkspaceError> {
        let path = path.to_owned();
        let io = |source| WorkspaceError::Io { path: path.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&path).map_err(io)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(WorkspaceError::Locked(path)),
            Err(TryLockError::Error(source)) => Err(WorkspaceError::Io { path, source }),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The file of the embedded DynamoDB.
    pub(crate) fn dynamodb(&self) -> PathBuf {
        self.path.join("dynamodb.sqlite")
    }

    /// The file of the embedded user pool.
    pub(crate) fn user_pool(&self) -> PathBuf {
        self.path.join("user-pool.sqlite")
    }

    /// The file of the positions in streams.
    pub(crate) fn streams(&self) -> PathBuf {
        self.path.join("streams.json")
    }

    /// The data of earlier starts, which is empty at the first start.
    pub(crate) fn recall(&self) -> Result<Memory, WorkspaceError> {
        let path = self.memory();
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|source| WorkspaceError::NotOurs { path, source }),
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(Memory::default()),
            Err(source) => Err(WorkspaceError::Io { path, source }),
        }
    }

    /// Replaces the whole file, so that a stack that dies during the write leaves the old file.
    pub(crate) fn remember(&self, memory: &Memory) -> Result<(), WorkspaceError> {
        let (path, new) = (self.memory(), self.path.join("memory.json.new"));
        let write = || {
            let text = serde_json::to_vec_pretty(memory)?;
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, &path)
        };
        write().map_err(|source| WorkspaceError::Io { path: path.clone(), source })
    }

    fn memory(&self) -> PathBuf {
        self.path.join("memory.json")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A folder that is removed after the test.
    struct Temporary(PathBuf);

    impl Temporary {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("portal-local-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn only_one_stack_at_a_time_uses_the_folder() {
        let root = Temporary::new("lock");
        let first = DataFolder::open(&root.0).unwrap();
        assert!(matches!(DataFolder::open(&root.0), Err(WorkspaceError::Locked(_))));
        drop(first);
        DataFolder::open(&root.0).unwrap();
    }

    #[test]
    fn saved_data_is_restored_and_only_its_owner_can_read_it() {
        let root = Temporary::new("memory");
        let folder = DataFolder::open(&root.0.join("data")).unwrap();
        assert!(folder.recall().unwrap().partners.is_empty());

        let demo = Demo::plan(true).unwrap();
        let memory = Memory { partners: BTreeMap::from([("here".into(), demo.clone())]), ..Memory::default() };
        folder.remember(&memory).unwrap();
        assert_eq!(folder.recall().unwrap().partners.get("here"), Some(&demo));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.path()), mode(&folder.memory())), (0o700, 0o600));
    }
}
