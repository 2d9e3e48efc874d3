//! The folder that holds what must survive: for the owner only, and for one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Where a state folder has what belongs to tunnels.
pub const FOLDER: &str = "wireguard";
/// The mode of the folder.
const FOLDER_MODE: u32 = 0o700;
/// The mode of every file in it.
pub(super) const FILE_MODE: u32 = 0o600;
const LOCK: &str = "lock";

/// Why the state of tunnels cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The operating system says no.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was to be done.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("another mds has the tunnels of {}: one server at a time may use a state folder", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Others than the owner may read a secret.
    #[error(
        "{} may be read by others than its owner (mode {mode:04o}); run `chmod 600 {}`, and think about making a new \
         key: without the file, mds does", path.display(), path.display()
    )]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file of the private key holds something else.
    #[error(
        "{} does not hold a private key as `wg genkey` prints it; restore it, or move it away: mds then makes a new \
         key, and every node has to ask for a tunnel again", path.display()
    )]
    NotAKey {
        /// The file.
        path: PathBuf,
    },
    /// The system has no random numbers.
    #[error("no key can be made: the system has no random numbers")]
    NoRandomness,
    /// A line of the journal is broken, and it is not the end that a crash cut.
    #[error(
        "{} is damaged: line {line} {fault}, and sound lines follow it. Restore the file, or move it away: mds then \
         starts without peers, and every node has to ask for a tunnel again", path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        fault: String,
    },
    /// Something that only a newer mds understands.
    #[error("{} was written by a newer mds (line {line}); use that", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// Says what was to be done with which file when an operation fails.
pub(super) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StateError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StateError> {
        self.map_err(|source| StateError::Io { action, path: path.to_owned(), source })
    }
}

/// Makes the folder, for the owner only, unless it is there.
pub(super) fn make(folder: &Path) -> Result<(), StateError> {
    DirBuilder::new().mode(FOLDER_MODE).recursive(true).create(folder).at("create", folder)
}

/// Makes the names in a folder durable.
pub(super) fn sync(folder: &Path) -> Result<(), StateError> {
    File::open(folder).and_then(|folder| folder.sync_all()).at("sync", folder)
}

/// The right to change what is in the folder. Dropping it gives the folder free, and so does the death of the process.
#[derive(Debug)]
pub(super) struct Lock {
    /// Held open: the lock goes with it.
    _file: File,
}

impl Lock {
    /// Takes the folder, and makes it when there is none.
    pub(super) fn take(folder: &Path) -> Result<Self, StateError> {
        make(folder)?;
        let path = folder.join(LOCK);
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(FILE_MODE).open(&path);
        let file = file.at("open", &path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StateError::Busy { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => Err(StateError::Io { action: "lock", path, source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("state/wireguard");
        let lock = Lock::take(&folder).unwrap();
        assert!(matches!(Lock::take(&folder), Err(StateError::Busy { .. })));
        drop(lock);
        assert!(Lock::take(&folder).is_ok());
    }
}
