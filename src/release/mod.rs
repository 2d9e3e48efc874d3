//! Releases: immutable, content-addressed sets of every node's documents, and the tree that holds them.
//!
//! A tree is read without a lock ([`Tree`]) and changed by one process at a time ([`Tree::lock`]). A build adds objects
//! and nodes to a [`ReleaseWriter`] and finishes it; a dry run does the same with a [`DraftRelease`].

mod catalogue;
mod collect;
mod create;
mod difference;
mod disk;
mod draft;
mod error;
mod export;
mod index;
mod inputs;
mod lock;
mod manifest;
mod map;
mod mapped;
mod pack;
mod provenance;
mod publish;
mod select;
mod stored;
mod switches;
mod temporary;
mod tree;
mod verify;

pub use collect::GcReport;
pub use difference::{DocumentDifference, ReleaseDifference, diff};
pub use disk::{Disk, DiskFile, FILE_MODE, FOLDER_MODE, READ_ONLY_MODE, RealDisk};
pub use draft::{DraftRelease, ReleaseSink};
pub use error::StoreError;
pub use export::{ExportReport, export, export_with_tunnel_only};
pub use inputs::Inputs;
pub use lock::{Switched, TreeLock};
pub use manifest::{FORMAT, Manifest, ManifestError, NodeEntry, TunnelTerms};
pub use mapped::{Document, Lookup, MappedNode, MappedRelease, MissingObject};
pub use provenance::{FindingsSummary, Provenance, ReleaseRecord, SiteSource};
pub use publish::{Published, ReleaseWriter};
pub use stored::StoredRelease;
pub use switches::{Switch, SwitchAction};
pub use tree::{ReleaseSummary, TREE_FORMAT, Tree};
pub use verify::{Damage, DocumentDamage, DocumentFault, VerifyReport};
