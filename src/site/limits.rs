//! How large a site may be. A repository is written by others, and a small one can unfold to more than any memory.

use super::model::FOLDERS;
use crate::types::{Place, Problem};

/// Most components of a path: far deeper than people arrange files, and shallow enough for anything that recurses.
pub(super) const MAX_DEPTH: usize = 32;
/// Most files and folders of a site: one override for each of several hundred thousand nodes, and the rest.
pub(super) const MAX_ENTRIES: usize = 500_000;
/// Most bytes of a file in one of the site's folders: more than any document that a node could take.
pub(super) const MAX_FILE_BYTES: u64 = 16 << 20;
/// Most bytes of another file, which is the inventory: some 400 for each of a million nodes.
pub(super) const MAX_INVENTORY_BYTES: u64 = 512 << 20;
/// Most bytes of a site, which is kept in memory as a whole.
pub(super) const MAX_BYTES: u64 = 1 << 30;

/// Refuses a path with too many components.
pub(super) fn check_depth(path: &str) -> Result<(), Problem> {
    if path.split('/').count() <= MAX_DEPTH {
        return Ok(());
    }
    // The path itself may be longer than anybody would read.
    let start = path.split('/').take(4).collect::<Vec<_>>().join("/");
    Err(Problem::at(Place::file(format!("{start}/…")), format!("this folder nests more than {MAX_DEPTH} levels deep")))
}

/// Most bytes that a file may have.
pub(super) fn most_bytes(path: &str) -> u64 {
    let top = path.split('/').next().unwrap_or_default();
    if FOLDERS.contains(&top) { MAX_FILE_BYTES } else { MAX_INVENTORY_BYTES }
}

/// Refuses a file that is too large.
pub(super) fn check_file(path: &str, bytes: u64) -> Result<(), Problem> {
    let bound = most_bytes(path);
    if bytes <= bound {
        return Ok(());
    }
    let message = format!("this file is larger than the {} MiB that it may have in a site", bound >> 20);
    Err(Problem::at(Place::file(path), message).with_hint("an inventory may lie outside: --inventory FILE"))
}

/// Counts what is found in a site.
#[derive(Debug, Default)]
pub(super) struct Volume {
    entries: usize,
    bytes: u64,
}

impl Volume {
    /// Counts a file or folder.
    pub(super) fn add_entry(&mut self, path: &str) -> Result<(), Problem> {
        self.entries += 1;
        if self.entries <= MAX_ENTRIES {
            return Ok(());
        }
        let message = format!("the site has more than {MAX_ENTRIES} files and folders, up to this one");
        Err(Problem::at(Place::file(path), message))
    }

    /// Counts the content of a file.
    pub(super) fn add_bytes(&mut self, path: &str, bytes: usize) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes <= MAX_BYTES {
            return Ok(());
        }
        let message = format!("the site holds more than {} MiB, up to this file", MAX_BYTES >> 20);
        Err(Problem::at(Place::file(path), message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_holds_exactly() {
        let deep = vec!["a"; MAX_DEPTH].join("/");
        assert!(check_depth(&deep).is_ok());
        let problem = check_depth(&format!("{deep}/b")).unwrap_err().to_string();
        assert!(problem.starts_with("a/a/a/a/…: this folder nests more than 32"), "{problem}");
        assert!(check_file("groups/a/x", MAX_FILE_BYTES).is_ok());
        let problem = check_file("groups/a/x", MAX_FILE_BYTES + 1).unwrap_err().to_string();
        assert!(problem.starts_with("groups/a/x: this file is larger than the 16 MiB"), "{problem}");
        assert!(check_file("inventory.json", MAX_INVENTORY_BYTES).is_ok());
        assert!(check_file("inventory.json", MAX_INVENTORY_BYTES + 1).is_err());
        let mut volume = Volume::default();
        assert!((0..MAX_ENTRIES).all(|_| volume.add_entry("x").is_ok()));
        assert!(volume.add_entry("y").unwrap_err().to_string().starts_with("y: the site has more than 500000"));
        let all = usize::try_from(MAX_BYTES).unwrap();
        assert!(volume.add_bytes("x", all).is_ok());
        assert!(volume.add_bytes("y", 1).unwrap_err().to_string().starts_with("y: the site holds more than 1024 MiB"));
    }
}
