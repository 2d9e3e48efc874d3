//! A release that is put together without a tree: what `--dry-run` makes, and the part of a writer that counts nodes.

use std::collections::HashSet;
use std::path::Path;

use super::error::StoreError;
use super::manifest::{Manifest, NodeEntry, TunnelTerms};
use super::mapped::MissingObject;
use crate::types::{Digest, ReleaseId};

/// Takes the objects and nodes of a release: a [`DraftRelease`] or a [`ReleaseWriter`](super::ReleaseWriter).
pub trait ReleaseSink {
    /// Takes an object whose digest is known already. The digest must be that of the bytes.
    ///
    /// # Errors
    /// When the object cannot be written.
    fn add_hashed(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError>;

    /// Whether the object is there without having been added, so that it need not be made again.
    fn holds(&self, _: &Digest) -> bool {
        false
    }

    /// Takes a node. Its objects may come before or after.
    fn add_node(&mut self, node: NodeEntry);

    /// Takes what the release says of tunnels; nothing without it.
    fn set_tunnels(&mut self, tunnels: TunnelTerms);

    /// Takes an object and says its digest.
    ///
    /// # Errors
    /// When the object cannot be written.
    fn add(&mut self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.add_hashed(digest, bytes)?;
        Ok(digest)
    }
}

/// A release in the making that touches no disk. It has the id that publishing the same would give.
#[derive(Debug, Default)]
pub struct DraftRelease {
    objects: HashSet<Digest>,
    nodes: Vec<NodeEntry>,
    tunnels: TunnelTerms,
}

impl DraftRelease {
    /// An empty draft.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the manifest and its id.
    ///
    /// # Errors
    /// When a node was added twice or names an object that was not added.
    pub fn finish(self) -> Result<(ReleaseId, Manifest), StoreError> {
        let (manifest, bytes) = seal(self.nodes, self.tunnels, |digest| self.objects.contains(digest))?;
        Ok((Manifest::id_of(&bytes), manifest))
    }
}

impl ReleaseSink for DraftRelease {
    fn add_hashed(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        debug_assert_eq!(Digest::of(bytes), digest, "an object must come with its own digest");
        self.objects.insert(digest);
        Ok(())
    }

    fn add_node(&mut self, node: NodeEntry) {
        self.nodes.push(node);
    }

    fn set_tunnels(&mut self, tunnels: TunnelTerms) {
        self.tunnels = tunnels;
    }
}

/// Makes a manifest and its bytes of nodes, and sees that no node comes twice and every document is there.
pub(super) fn seal(
    nodes: Vec<NodeEntry>,
    tunnels: TunnelTerms,
    has: impl Fn(&Digest) -> bool,
) -> Result<(Manifest, Vec<u8>), StoreError> {
    let manifest = Manifest::new(nodes).with_tunnels(tunnels);
    if let Some(pair) = manifest.nodes().windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(StoreError::DuplicateNode { node: pair[0].id.clone() });
    }
    check_objects(&manifest, has)?;
    let bytes = manifest
        .to_bytes()
        .map_err(|source| StoreError::Json { path: Path::new("manifest.ndjson").to_owned(), source })?;
    Ok((manifest, bytes))
}

/// Sees that every document of the manifest is there.
pub(super) fn check_objects(manifest: &Manifest, mut has: impl FnMut(&Digest) -> bool) -> Result<(), StoreError> {
    for node in manifest.nodes() {
        if let Some((document, digest)) = node.documents.iter().find(|(_, digest)| !has(digest)) {
            let (node, document) = (node.id.clone(), document.clone());
            return Err(Box::new(MissingObject { node, document, digest: *digest }).into());
        }
    }
    Ok(())
}
