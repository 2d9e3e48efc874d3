//! Releases: immutable, content-addressed sets of every node's documents.

mod manifest;
mod mapped;

pub use manifest::{FORMAT, Manifest, ManifestError, NodeEntry};
pub use mapped::{Document, Lookup, MappedNode, MappedRelease, MissingObject};
