//! A tree as the source of what is served.

use super::follow::ReleaseSource;
use crate::release::{MappedRelease, Tree};
use crate::types::ReleaseId;

/// Follows a tree on disk.
#[derive(Debug)]
pub struct TreeSource {
    tree: Tree,
}

impl TreeSource {
    /// Takes an open tree.
    #[must_use]
    pub const fn new(tree: Tree) -> Self {
        Self { tree }
    }
}

impl ReleaseSource for TreeSource {
    fn current(&self) -> Result<Option<ReleaseId>, String> {
        self.tree.current().map_err(|error| error.to_string())
    }

    fn load(&self, id: ReleaseId) -> Result<MappedRelease, String> {
        self.tree.load(id).map_err(|error| error.to_string())
    }
}
