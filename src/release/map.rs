//! Files mapped into memory: the one place of the store with unsafe code.

use std::fs::File;
use std::io;
use std::path::Path;

use bytes::Bytes;
use memmap2::{Mmap, MmapOptions};

/// Maps a file of the tree for reading. The mapping lives as long as the last slice of the bytes, also when the file
/// is removed or replaced by name in the meantime.
///
/// Only for files that are never changed once they have their name: packs and their indexes.
pub(super) fn map_file(path: &Path) -> io::Result<Bytes> {
    let file = File::open(path)?;
    if file.metadata()?.len() == 0 {
        return Ok(Bytes::new());
    }
    map(&file).map(Bytes::from_owner)
}

#[allow(unsafe_code)]
fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: a shared, read-only mapping is undefined behaviour only if the bytes below it change. Packs and indexes
    // are written under a temporary name, synced, and renamed; from then on this program never opens them for writing,
    // their mode forbids it to others (0444), and collection removes or replaces them by name only, which leaves the
    // mapped inode as it was. Somebody who nevertheless cuts such a file gets SIGBUS for it, not another meaning of
    // our memory: every slice is bounded by the length that the index states and that was compared with the file's.
    unsafe { MmapOptions::new().map(file) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_outlives_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"some bytes").unwrap();
        let slice = map_file(&path).unwrap().slice(5..);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(slice, b"bytes"[..]);
    }

    #[test]
    fn an_empty_file_maps_to_no_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, b"").unwrap();
        assert!(map_file(&path).unwrap().is_empty());
    }
}
