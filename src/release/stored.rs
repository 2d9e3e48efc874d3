//! A release of a tree, opened for reading.

use bytes::Bytes;

use super::catalogue::Catalogue;
use super::draft::check_objects;
use super::error::StoreError;
use super::manifest::Manifest;
use super::mapped::MappedRelease;
use crate::types::{Digest, DocumentName, NodeId, ReleaseId};

/// A release with its manifest and its objects, mapped. It stays readable whatever happens to the tree meanwhile.
#[derive(Debug)]
pub struct StoredRelease {
    id: ReleaseId,
    manifest: Manifest,
    catalogue: Catalogue,
}

impl StoredRelease {
    /// Joins a manifest with the packs and maps every pack that it needs.
    pub(super) fn new(id: ReleaseId, manifest: Manifest, catalogue: Catalogue) -> Result<Self, StoreError> {
        let mut needed = vec![false; catalogue.packs().len()];
        check_objects(&manifest, |digest| {
            let found = catalogue.locate(digest);
            found.iter().for_each(|(pack, _)| needed[*pack] = true);
            found.is_some()
        })?;
        for (pack, _) in catalogue.packs().iter().zip(needed).filter(|(_, needed)| *needed) {
            pack.bytes()?;
        }
        Ok(Self { id, manifest, catalogue })
    }

    /// The release's id.
    #[must_use]
    pub fn id(&self) -> ReleaseId {
        self.id
    }

    /// The release's manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bytes of an object, if the release's packs hold it.
    #[must_use]
    pub fn object(&self, digest: &Digest) -> Option<Bytes> {
        // Reading fails only while mapping a pack, and those of the release are mapped.
        self.catalogue.read(digest).ok().flatten()
    }

    /// The bytes of a document of a node.
    #[must_use]
    pub fn document(&self, node: &NodeId, name: &DocumentName) -> Option<Bytes> {
        self.manifest.node(node)?.documents.get(name).and_then(|digest| self.object(digest))
    }

    /// Makes the release ready for look-ups by address.
    ///
    /// # Errors
    /// Never, in practice: that every object is there was seen when the release was opened.
    pub fn map(&self) -> Result<MappedRelease, StoreError> {
        MappedRelease::new(self.id, &self.manifest, |digest| self.object(digest))
            .map_err(|missing| Box::new(missing).into())
    }
}
