//! Writing a pack: objects one after another into a temporary file, which gets its name when it is whole.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::catalogue::{index_path, pack_path};
use super::disk::{Disk, DiskFile, READ_ONLY_MODE, write_durably};
use super::error::{At, StoreError};
use super::index::{self, Record};
use super::temporary::Temporary;
use crate::types::Digest;

/// How many bytes are gathered before they are written.
const BUFFER_LENGTH: usize = 1 << 20;

/// A pack in the making. Dropped before [`PackWriter::finish`], it leaves nothing behind.
#[derive(Debug)]
pub(super) struct PackWriter {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    file: Option<(Temporary, Box<dyn DiskFile>)>,
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
    length: u64,
    objects: HashMap<Digest, (u64, u64)>,
}

/// A pack that has its name, together with its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FinishedPack {
    pub(super) name: Digest,
    pub(super) objects: usize,
    pub(super) bytes: u64,
}

impl PackWriter {
    /// Begins a pack in the folder; the first file is made when there are bytes to write.
    pub(super) fn new(disk: Arc<dyn Disk>, folder: PathBuf) -> Self {
        let (hasher, objects) = (blake3::Hasher::new(), HashMap::new());
        Self { disk, folder, file: None, buffer: Vec::new(), hasher, length: 0, objects }
    }

    /// Whether the object was added.
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.objects.contains_key(digest)
    }

    /// Adds an object unless it was added before.
    pub(super) fn add(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        debug_assert_eq!(Digest::of(bytes), digest, "an object must come with its own digest");
        if let std::collections::hash_map::Entry::Vacant(place) = self.objects.entry(digest) {
            place.insert((self.length, bytes.len() as u64));
            self.length += bytes.len() as u64;
            self.buffer.extend_from_slice(bytes);
            if self.buffer.len() >= BUFFER_LENGTH {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        let (temporary, file) = match &mut self.file {
            Some(open) => open,
            None => {
                let temporary = Temporary::new(&self.disk, &self.folder);
                let file = self.disk.create_file(temporary.path(), READ_ONLY_MODE).at("create", temporary.path())?;
                self.file.insert((temporary, file))
            }
        };
        file.write_all(&self.buffer).at("write", temporary.path())?;
        self.hasher.update(&self.buffer);
        self.buffer.clear();
        Ok(())
    }

    /// Gives the pack and its index their names. The folder is not synced yet. `None` when no object was added.
    pub(super) fn finish(mut self) -> Result<Option<FinishedPack>, StoreError> {
        if self.objects.is_empty() {
            return Ok(None);
        }
        self.flush()?;
        let name = Digest::from_bytes(*self.hasher.finalize().as_bytes());
        let mut records: Vec<Record> =
            self.objects.drain().map(|(digest, (offset, length))| Record { digest, offset, length }).collect();
        if let Some((temporary, mut file)) = self.file.take() {
            file.sync().at("sync", temporary.path())?;
            drop(file);
            temporary.rename_to(&pack_path(&self.folder, &name))?;
        }
        let temporary = Temporary::new(&self.disk, &self.folder);
        let bytes = index::encode(&name, self.length, &mut records);
        write_durably(&*self.disk, temporary.path(), READ_ONLY_MODE, &bytes).at("write", temporary.path())?;
        temporary.rename_to(&index_path(&self.folder, &name))?;
        Ok(Some(FinishedPack { name, objects: records.len(), bytes: self.length }))
    }
}
