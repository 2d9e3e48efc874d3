//! Making a tree, and knowing one.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::disk::{Disk, FILE_MODE, shown, write_durably};
use super::error::{At, StoreError};
use super::temporary::{Temporary, is_temporary};
use super::tree::TREE_FORMAT;

const FOLDERS: [&str; 3] = ["packs", "releases", "pins"];
const SWITCHES: &str = "switches.ndjson";

/// Sees that the folder is a tree of a format that this program knows.
pub(super) fn check_format(tree: &Path) -> Result<(), StoreError> {
    let path = tree.join("format");
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(StoreError::NotATree { path: tree.to_owned() });
        }
        Err(error) => return Err(error).at("read", &path),
    };
    let text = String::from_utf8_lossy(&bytes);
    let format = text.strip_prefix("mds-tree ").and_then(|rest| rest.strip_suffix('\n')).map(str::parse::<u32>);
    match format {
        Some(Ok(found)) if found > TREE_FORMAT => {
            Err(StoreError::NewerFormat { path: tree.to_owned(), found, supported: TREE_FORMAT })
        }
        Some(Ok(1..)) => Ok(()),
        _ => Err(StoreError::UnreadableFormat { path, supported: TREE_FORMAT }),
    }
}

/// Makes durable what a process that made the tree and died may not have.
pub(super) fn settle(tree: &Path, disk: &dyn Disk) -> Result<(), StoreError> {
    disk.sync_folder(tree).at("sync", tree)
}

/// Makes a tree in a folder that is not there, empty, or left half-made. `format` comes last: with it the tree is whole.
pub(super) fn create(tree: &Path, disk: &Arc<dyn Disk>) -> Result<(), StoreError> {
    match try_create(tree, disk) {
        // Another process made the same tree at the same time, and perhaps tidied up after us.
        Err(_) if check_format(tree).is_ok() => settle(tree, &**disk),
        other => other,
    }
}

fn try_create(tree: &Path, disk: &Arc<dyn Disk>) -> Result<(), StoreError> {
    create_folders(tree, &**disk)?;
    sync_names(tree, &**disk)?;
    for entry in fs::read_dir(tree).at("read", tree)? {
        let name = entry.at("read", tree)?.file_name();
        let known = name.to_str().is_some_and(|name| FOLDERS.contains(&name) || [SWITCHES, "lock"].contains(&name));
        if !known && !is_temporary(&name) {
            return Err(StoreError::Foreign {
                path: tree.to_owned(),
                found: name.to_string_lossy().escape_debug().to_string(),
            });
        }
    }
    for name in FOLDERS {
        let folder = tree.join(name);
        if !folder.is_dir() {
            allow_existing(disk.create_folder(&folder)).at("create", &folder)?;
        }
    }
    let switches = tree.join(SWITCHES);
    disk.append_to_file(&switches).and_then(|mut file| file.sync()).at("create", &switches)?;
    disk.sync_folder(tree).at("sync", tree)?;
    let temporary = Temporary::new(disk, tree);
    super::temporary::remove(&**disk, temporary.path()).at("remove", temporary.path())?;
    let text = format!("mds-tree {TREE_FORMAT}\n");
    write_durably(&**disk, temporary.path(), FILE_MODE, text.as_bytes()).at("write", temporary.path())?;
    temporary.rename_to(&tree.join("format"))?;
    disk.sync_folder(tree).at("sync", tree)
}

/// Makes the folder and those above it that are missing.
fn create_folders(folder: &Path, disk: &dyn Disk) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folders(parent, disk)?;
    }
    allow_existing(disk.create_folder(folder)).at("create", folder)
}

/// Makes the name of the folder durable, and the names of those above it: this process may have made any of them, or
/// one that died.
fn sync_names(folder: &Path, disk: &dyn Disk) -> Result<(), StoreError> {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem};
    for parent in folder.ancestors().skip(1).map(shown) {
        match disk.sync_folder(&parent) {
            // A folder that we may not open, or that cannot change, did not get its names from us.
            Err(error) if matches!(error.kind(), InvalidInput | PermissionDenied | ReadOnlyFilesystem) => {}
            other => other.at("sync", &parent)?,
        }
    }
    Ok(())
}

fn allow_existing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}
