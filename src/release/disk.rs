//! The seam between a tree and the disk: every operation that changes a tree goes through [`Disk`].
//!
//! Tests put other disks in its place: some stop the process at the n-th operation, some fail it, some write down what
//! would survive a power cut. Reading needs no seam and uses the standard library directly.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// The mode of ordinary files of a tree, before the process's umask.
pub const FILE_MODE: u32 = 0o644;
/// The mode of files that are never written again, before the process's umask.
pub const READ_ONLY_MODE: u32 = 0o444;
/// The mode of folders, before the process's umask: the documents of all nodes, with what secrets they hold, are for
/// the owner and the group of the tree only.
pub const FOLDER_MODE: u32 = 0o750;

/// The operations that change a tree. None of them makes anything durable except the two that say so:
/// [`DiskFile::sync`] for the bytes of a file, [`Disk::sync_folder`] for the names in a folder.
pub trait Disk: fmt::Debug + Send + Sync {
    /// Makes a folder; its parent must exist, itself it must not.
    ///
    /// # Errors
    /// What the operating system says.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes a new file for writing; it must not exist.
    ///
    /// # Errors
    /// What the operating system says.
    fn create_file(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file for writing at its end, and makes it when it is not there.
    ///
    /// # Errors
    /// What the operating system says.
    fn append_to_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Makes a symbolic link; it must not exist.
    ///
    /// # Errors
    /// What the operating system says.
    fn create_link(&self, target: &Path, link: &Path) -> io::Result<()>;

    /// Gives a file, folder or link another name in one step, replacing what has that name.
    ///
    /// # Errors
    /// What the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file or link.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty folder.
    ///
    /// # Errors
    /// What the operating system says.
    fn remove_folder(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable: what was created, renamed and removed in it.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
}

/// A file open for writing.
pub trait DiskFile: fmt::Debug + Send {
    /// Writes all the bytes at the end of the file.
    ///
    /// # Errors
    /// What the operating system says; some of the bytes may have been written then.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Cuts the file to a length.
    ///
    /// # Errors
    /// What the operating system says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes the bytes of the file durable.
    ///
    /// # Errors
    /// What the operating system says.
    fn sync(&mut self) -> io::Result<()>;
}

/// The real disk.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(FOLDER_MODE).create(path)
    }

    fn create_file(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn append_to_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().append(true).create(true).mode(FILE_MODE).open(path)?;
        Ok(Box::new(RealFile(file)))
    }

    fn create_link(&self, target: &Path, link: &Path) -> io::Result<()> {
        std::os::unix::fs::symlink(target, link)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        File::open(shown(path))?.sync_all()
    }
}

#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_all()
    }
}

/// The path as it can be opened and shown: the empty path, which `parent` gives for a bare name, is the folder `.`.
pub(super) fn shown(path: &Path) -> PathBuf {
    if path.as_os_str().is_empty() { PathBuf::from(".") } else { path.to_owned() }
}

/// Writes a file that is complete and durable, under a name that nobody reads yet.
pub(super) fn write_durably(disk: &dyn Disk, path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    let mut file = disk.create_file(path, mode)?;
    file.write_all(bytes)?;
    file.sync()
}
