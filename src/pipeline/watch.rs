//! Noticing that a site or an inventory file has changed, without reading more of it than its settings.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use walkdir::WalkDir;

use super::input::{InventoryInput, SiteInput};
use crate::settings::{FILE_NAME, parse_settings};
use crate::site::{FOLDERS, RepositoryError, is_ignored};
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
    match inventory {
        InventoryInput::File(path) => add_file(&mut hasher, path),
        InventoryInput::Followed(latest) => {
            if let Some(taken) = latest.get() {
                hasher.update(taken.digest.as_bytes());
            }
        }
        _ => {}
    }
    Ok(Fingerprint(Digest::from_bytes(*hasher.finalize().as_bytes())))
}

fn add_folder(hasher: &mut blake3::Hasher, folder: &Path) {
    // Nothing else is looked at: the release tree, a log or a checkout's own folder may lie inside, and they change.
    let settings = folder.join(FILE_NAME);
    add_file(hasher, &settings);
    // Settings that are broken have to change before the inventory matters.
    let parsed = fs::read_to_string(&settings).ok().and_then(|text| parse_settings(FILE_NAME, &text).ok());
    let settings = parsed.unwrap_or_default();
    add_file(hasher, &folder.join(settings.inventory.file));
    if let Some(schema) = settings.check.cloud_config_schema {
        add_file(hasher, &folder.join(schema));
    }
    for name in FOLDERS {
        let walk = WalkDir::new(folder.join(name)).sort_by_file_name().into_iter();
        let is_read =
            |entry: &walkdir::DirEntry| entry.depth() == 0 || !is_ignored(&entry.file_name().to_string_lossy());
        for entry in walk.filter_entry(is_read).flatten() {
            add_file(hasher, entry.path());
        }
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

    #[test]
    fn only_what_a_build_reads_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let write = |name: &str, text: &str| {
            fs::create_dir_all(path.join(name).parent().unwrap()).unwrap();
            fs::write(path.join(name), text).unwrap();
        };
        write(
            "mds.toml",
            "[inventory]\nfile = \"lists/nodes.json\"\n[check]\ncloud_config_schema = \"lists/schema.json\"\n",
        );
        write("groups/a/y", "x");
        let site = SiteInput::Folder(path.to_owned());
        let mut last = fingerprint(&site, &InventoryInput::Site).unwrap();
        for name in ["tree/current", "tree/releases/x/manifest.ndjson", "serve.log", "groups/a/x~", "lists/other.json"]
        {
            write(name, "x");
            assert_eq!(fingerprint(&site, &InventoryInput::Site).unwrap(), last, "{name}");
        }
        for name in ["lists/nodes.json", "lists/schema.json", "groups/a/x", "nodes/x", "user-data/x", "templates/sub/x"]
        {
            write(name, "x");
            let next = fingerprint(&site, &InventoryInput::Site).unwrap();
            assert_ne!(next, last, "{name}");
            last = next;
        }
    }
}
