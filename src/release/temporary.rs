//! Temporary names in a tree: `.tmp-<pid>-<number>`, which no reader looks at.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::Disk;
use super::error::{At, StoreError};

const PREFIX: &str = ".tmp-";

/// A file, link or flat folder under a temporary name. It is removed when dropped, unless it got its real name.
#[derive(Debug)]
pub(super) struct Temporary {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    /// Whether there may be something to remove.
    armed: bool,
}

impl Temporary {
    /// Chooses a name in the folder that nothing of this process has; makes nothing yet.
    pub(super) fn new(disk: &Arc<dyn Disk>, folder: &Path) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{PREFIX}{}-{number}", std::process::id()));
        Self { disk: Arc::clone(disk), path, armed: true }
    }

    /// The temporary path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives it its real name.
    pub(super) fn rename_to(mut self, target: &Path) -> Result<(), StoreError> {
        self.disk.rename(&self.path, target).at("create", target)?;
        self.armed = false;
        Ok(())
    }

    /// Takes a file or flat folder away from its real name, in one step. It is not removed when this is dropped: that
    /// must wait until the step is durable, or a power cut might bring back the name without what it stood for.
    pub(super) fn take(mut self, path: &Path) -> Result<PathBuf, StoreError> {
        self.armed = false;
        self.disk.rename(path, &self.path).at("remove", path)?;
        Ok(self.path.clone())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.armed {
            // What cannot be removed now is removed by the next writer or by collection.
            let _ = remove(&*self.disk, &self.path);
        }
    }
}

/// Whether the name is a temporary one.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX))
}

/// The temporary entries in a folder, sorted.
pub(super) fn leftovers(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        let entry = entry.at("read", folder)?;
        if is_temporary(&entry.file_name()) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a file, a link, or a folder that holds only files. What is not there counts as removed.
pub(super) fn remove(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => {
            for entry in fs::read_dir(path)? {
                disk.remove_file(&entry?.path())?;
            }
            disk.remove_folder(path)
        }
        Ok(_) => disk.remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
