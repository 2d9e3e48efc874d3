//! What can go wrong with a tree, each as a sentence that names the file and what to do.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use super::disk;
use super::manifest::ManifestError;
use super::mapped::MissingObject;
use crate::types::{Digest, DocumentName, NodeId, ReleaseId};

/// Why an operation on a tree failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused an operation.
    #[error("cannot {action} {}: {source}{}", path.display(), advice(source))]
    Io {
        /// What was tried, such as `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The folder is not there, or lacks the `format` file.
    #[error("{} is not a tree of mds: it has no `format` file; `mds build --tree {}` makes one", path.display(), path.display())]
    NotATree {
        /// The folder.
        path: PathBuf,
    },
    /// The folder holds other things, so no tree is made in it.
    #[error("{} is neither empty nor a tree of mds (it holds `{found}`); choose another folder for the tree", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Something that is in it.
        found: String,
    },
    /// A newer mds made the tree.
    #[error(
        "{} has tree format {found}, and this mds knows formats up to {supported}; use the mds that wrote it, or a newer one",
        path.display()
    )]
    NewerFormat {
        /// The tree.
        path: PathBuf,
        /// The format the tree says it has.
        found: u32,
        /// The newest format this program knows.
        supported: u32,
    },
    /// The `format` file holds something else.
    #[error("{} does not say which format the tree has; it should read `mds-tree {supported}`", path.display())]
    UnreadableFormat {
        /// The `format` file.
        path: PathBuf,
        /// The format this program would write.
        supported: u32,
    },
    /// Another process writes to the tree.
    #[error("another mds{} is writing to {}; wait until it is done, then try again", holder(*pid), path.display())]
    Busy {
        /// The tree.
        path: PathBuf,
        /// The process that holds the lock, if it said who it is.
        pid: Option<u32>,
    },
    /// `current` is not a link to a release.
    #[error("{} does not point to a release; `mds rollback ID` sets it", path.display())]
    CurrentUnreadable {
        /// The link.
        path: PathBuf,
    },
    /// Nothing has been published yet.
    #[error("{} has no current release; publish one with `mds build`", path.display())]
    NoCurrent {
        /// The tree.
        path: PathBuf,
    },
    /// The tree has no such release.
    #[error("there is no release {id} in {}; `mds releases` lists them", path.display())]
    UnknownRelease {
        /// The release asked for, whole or as the prefix that was given.
        id: String,
        /// The tree.
        path: PathBuf,
    },
    /// Several releases begin with the prefix.
    #[error("`{prefix}` fits {count} releases ({examples}); give more digits")]
    AmbiguousPrefix {
        /// The prefix.
        prefix: String,
        /// How many releases it fits.
        count: usize,
        /// The first few of them.
        examples: String,
    },
    /// The text cannot be the beginning of a release id.
    #[error("`{text}` is not a release: 4 to 64 hexadecimal digits of its id are expected, see `mds releases`")]
    InvalidPrefix {
        /// The text.
        text: String,
    },
    /// A rollback without an id finds nowhere to go.
    #[error("cannot roll back from release {}: {reason}; name the release to go to, see `mds releases`", current.short())]
    NoPrevious {
        /// The current release.
        current: ReleaseId,
        /// Why there is no release before it.
        reason: String,
    },
    /// A manifest's bytes do not have the digest that is their name.
    #[error(
        "{} was altered: its bytes do not have the digest that is the release's name; build the release again or roll back to another",
        path.display()
    )]
    AlteredManifest {
        /// The manifest.
        path: PathBuf,
    },
    /// A manifest is not readable.
    #[error("{}: {source}", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// A manifest or a record could not be turned into JSON.
    #[error("cannot write {} as JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the serializer said.
        source: serde_json::Error,
    },
    /// A release names an object that is not there.
    #[error(transparent)]
    Missing(#[from] Box<MissingObject>),
    /// An object's bytes are not what its name says.
    #[error("object {object} in {} was altered; `mds verify` tells which documents that concerns", path.display())]
    AlteredObject {
        /// The object.
        object: Digest,
        /// The pack that holds it.
        path: PathBuf,
    },
    /// A document's bytes are not those that were published.
    #[error("the {document} of node {node} was altered in the tree (object {object}); `mds verify` tells where")]
    AlteredDocument {
        /// The node.
        node: NodeId,
        /// The document.
        document: DocumentName,
        /// Its digest.
        object: Digest,
    },
    /// Two entries for one node were added to a release.
    #[error("node {node} was added to the release twice")]
    DuplicateNode {
        /// The node.
        node: NodeId,
    },
    /// The release has documents that are for tunnels only, and plain files keep nobody from having them.
    #[error(
        "release {} has documents that are served through a WireGuard tunnel only: {}; nothing was written, as a plain \
         web server gives them to anybody; take the mark away in the site, or export them all the same with \
         --with-tunnel-only",
        release.short(),
        listed(documents)
    )]
    ForTunnelsOnly {
        /// The release.
        release: ReleaseId,
        /// The documents.
        documents: BTreeSet<DocumentName>,
    },
    /// The folder to export to holds things that are not an export.
    #[error("{} is not empty and not an export of mds (it has no `{marker}`); choose an empty or a new folder", path.display())]
    NotAnExport {
        /// The folder.
        path: PathBuf,
        /// The file that marks an export.
        marker: &'static str,
    },
}

fn listed(documents: &BTreeSet<DocumentName>) -> String {
    documents.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room (`mds gc` may help) and try again: what was published before stays as it is"
        }
        io::ErrorKind::PermissionDenied => "; run as the user who owns the tree, or change its owner",
        io::ErrorKind::ReadOnlyFilesystem => "; mount the file system for writing",
        _ => "",
    }
}

impl StoreError {
    /// Whether the file or folder that was asked for is not there.
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Says what was tried with which file when an operation fails.
pub(super) trait At<T> {
    /// Names the action (a verb, as in "cannot VERB PATH") and the file.
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError::Io { action, path: disk::shown(path), source })
    }
}
