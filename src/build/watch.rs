//! Noticing that a site or an inventory file has changed, without reading it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use walkdir::WalkDir;

use super::input::{InventoryInput, SiteInput};
use crate::site::RepositoryError;
use crate::types::Digest;

/// A short word for the state of a build's inputs: another word means that they should be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint(Digest);

/// Looks at the inputs: at names, sizes and times of files, or at the commit a revision stands for.
///
/// # Errors
/// When the repository cannot be opened. A folder that cannot be read has a fingerprint too: reading it will say why.
pub fn fingerprint(site: &SiteInput, inventory: &InventoryInput) -> Result<Fingerprint, RepositoryError> {
    let mut hasher = blake3::Hasher::new();
    match site {
        SiteInput::Folder(path) => add_folder(&mut hasher, path),
        SiteInput::Repository(repository) => drop(hasher.update(repository.reader()?.commit().as_bytes())),
    }
    if let InventoryInput::File(path) = inventory {
        add_file(&mut hasher, path);
    }
    Ok(Fingerprint(Digest::from_bytes(*hasher.finalize().as_bytes())))
}

fn add_folder(hasher: &mut blake3::Hasher, folder: &Path) {
    // The release tree or a repository's own folder may lie inside; hidden folders are no part of a site.
    let walk = WalkDir::new(folder).sort_by_file_name().into_iter();
    let visible =
        walk.filter_entry(|entry| entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.'));
    for entry in visible.flatten() {
        add_file(hasher, entry.path());
    }
}

fn add_file(hasher: &mut blake3::Hasher, path: &Path) {
    hasher.update(path.as_os_str().as_encoded_bytes());
    match fs::symlink_metadata(path) {
        Err(_) => drop(hasher.update(b"?")),
        // A folder's own times change with every temporary file of an editor; its entries are looked at one by one.
        Ok(metadata) if metadata.is_dir() => drop(hasher.update(b"/")),
        Ok(metadata) => {
            for number in [metadata.size(), metadata.ino(), metadata.mtime().unsigned_abs()] {
                hasher.update(&number.to_le_bytes());
            }
            hasher.update(&metadata.mtime_nsec().to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_added_or_removed_file_is_noticed_and_a_hidden_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let site = SiteInput::Folder(path.to_owned());
        let look = || fingerprint(&site, &InventoryInput::Site).unwrap();
        let empty = look();
        fs::write(path.join("mds.toml"), "a").unwrap();
        let one = look();
        fs::write(path.join("mds.toml"), "ab").unwrap();
        let changed = look();
        fs::create_dir(path.join(".git")).unwrap();
        fs::write(path.join(".git/index"), "x").unwrap();
        assert!(empty != one && one != changed);
        assert_eq!(changed, look());
        fs::remove_file(path.join("mds.toml")).unwrap();
        assert_eq!(look(), empty);
    }
}
