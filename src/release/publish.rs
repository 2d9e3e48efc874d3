//! Publishing: new objects into a pack, the manifest beside it, then the switch.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::disk::{FILE_MODE, write_durably};
use super::draft::{ReleaseSink, seal};
use super::error::{At, StoreError};
use super::inputs::Inputs;
use super::lock::TreeLock;
use super::manifest::{Manifest, NodeEntry, TunnelTerms};
use super::pack::PackWriter;
use super::provenance::{Provenance, ReleaseRecord};
use super::switches::SwitchAction;
use super::temporary::Temporary;
use crate::types::{Digest, ReleaseId};

/// A release in the making. Objects stream into a pack as they come, nothing is visible before
/// [`ReleaseWriter::finish`], and dropping the writer removes what it wrote.
#[derive(Debug)]
pub struct ReleaseWriter<'lock> {
    lock: &'lock mut TreeLock,
    catalogue: Catalogue,
    pack: PackWriter,
    nodes: Vec<NodeEntry>,
    tunnels: TunnelTerms,
    accepts_drop: bool,
}

/// What was published.
#[derive(Debug)]
pub struct Published {
    /// The release, which is current now.
    pub id: ReleaseId,
    /// Its manifest.
    pub manifest: Manifest,
    /// The release that was current before; the same one when nothing changed.
    pub previous: Option<ReleaseId>,
    /// How many objects no pack held before.
    pub objects_written: usize,
    /// How many bytes those have.
    pub bytes_written: u64,
}

impl<'lock> ReleaseWriter<'lock> {
    pub(super) fn new(lock: &'lock mut TreeLock, catalogue: Catalogue) -> Self {
        let pack = PackWriter::new(Arc::clone(&lock.tree().disk), lock.tree().packs_folder());
        Self { lock, catalogue, pack, nodes: Vec::new(), tunnels: TunnelTerms::default(), accepts_drop: false }
    }

    /// Says in the log that an operator accepted that much is gone since the release before.
    pub const fn accept_drop(&mut self) {
        self.accepts_drop = true;
    }

    /// Publishes: the release becomes current, or, on an error, what was current stays so.
    ///
    /// A release that is in the tree already becomes current again; its `release.json` tells where it came from last.
    ///
    /// # Errors
    /// When a node was added twice or names an object that was not added, or the tree cannot be written.
    pub fn finish(self, provenance: Provenance) -> Result<Published, StoreError> {
        self.finish_with(provenance, None)
    }

    /// As [`ReleaseWriter::finish`], and keeps what the nodes were rendered from.
    ///
    /// # Errors
    /// As [`ReleaseWriter::finish`].
    pub fn finish_with(self, provenance: Provenance, inputs: Option<&Inputs>) -> Result<Published, StoreError> {
        let Self { lock, catalogue, pack, nodes, tunnels, accepts_drop } = self;
        let (manifest, bytes) = seal(nodes, tunnels, |digest| pack.contains(digest) || catalogue.contains(digest))?;
        let id = Manifest::id_of(&bytes);
        let packed = pack.finish()?;
        lock.sync(&lock.tree().packs_folder())?;
        let time = provenance.time;
        let record = ReleaseRecord::new(id, provenance, manifest.nodes().len(), manifest.document_count());
        write_release(lock, id, &bytes, &record, inputs)?;
        let switched = lock.switch(id, SwitchAction::Publish, time, accepts_drop)?;
        Ok(Published {
            id,
            manifest,
            previous: switched.previous,
            objects_written: packed.map_or(0, |pack| pack.objects),
            bytes_written: packed.map_or(0, |pack| pack.bytes),
        })
    }
}

impl ReleaseSink for ReleaseWriter<'_> {
    fn add_hashed(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        if self.catalogue.contains(&digest) { Ok(()) } else { self.pack.add(digest, bytes) }
    }

    fn holds(&self, digest: &Digest) -> bool {
        self.catalogue.contains(digest)
    }

    fn add_node(&mut self, node: NodeEntry) {
        self.nodes.push(node);
    }

    fn set_tunnels(&mut self, tunnels: TunnelTerms) {
        self.tunnels = tunnels;
    }
}

/// Puts manifest and record into the tree, in one step when the release is new. The name is not durable yet.
fn write_release(
    lock: &TreeLock,
    id: ReleaseId,
    manifest: &[u8],
    record: &ReleaseRecord,
    inputs: Option<&Inputs>,
) -> Result<(), StoreError> {
    let tree = lock.tree();
    let record_path = tree.record_path(id);
    let record_bytes = record.to_bytes(&record_path)?;
    let inputs_path = tree.inputs_path(id);
    let json = |source| StoreError::Json { path: inputs_path.clone(), source };
    let inputs = inputs.map(|inputs| inputs.to_bytes(id)).transpose().map_err(json)?;
    if tree.release_folder(id).is_dir() {
        let is_new = |inputs: &Vec<u8>| fs::read(&inputs_path).map_or(true, |known| known != *inputs);
        if let Some(inputs) = inputs.filter(is_new) {
            replace(lock, &inputs_path, &inputs)?;
        }
        // Whole as a rule; what the disk has lost of it is put back.
        if fs::read(tree.manifest_path(id)).is_ok_and(|bytes| bytes == manifest) {
            let known = fs::read(&record_path).ok().and_then(|bytes| ReleaseRecord::from_bytes(&bytes).ok());
            if known.is_some_and(|known| known.has_same_origin(record)) {
                return Ok(());
            }
        } else {
            replace(lock, &tree.manifest_path(id), manifest)?;
        }
        replace(lock, &record_path, &record_bytes)?;
        return lock.sync(&tree.release_folder(id));
    }
    let folder = Temporary::new(&tree.disk, &tree.releases_folder());
    tree.disk.create_folder(folder.path()).at("create", folder.path())?;
    let files = [("manifest.ndjson", manifest), ("release.json", &record_bytes)];
    for (name, bytes) in files.into_iter().chain(inputs.as_deref().map(|bytes| ("inputs", bytes))) {
        let path = folder.path().join(name);
        write_durably(&*tree.disk, &path, FILE_MODE, bytes).at("write", &path)?;
    }
    lock.sync(folder.path())?;
    folder.rename_to(&tree.release_folder(id))
}

fn replace(lock: &TreeLock, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    // The temporary file lies where leftovers are looked for, not in the folder of the release.
    let temporary = Temporary::new(&lock.tree().disk, &lock.tree().releases_folder());
    write_durably(&*lock.tree().disk, temporary.path(), FILE_MODE, bytes).at("write", temporary.path())?;
    temporary.rename_to(path)
}
