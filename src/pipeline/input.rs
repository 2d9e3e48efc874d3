//! What a build reads: where the site is and which inventory it takes.

use std::path::PathBuf;
use std::sync::Arc;

use super::latest::LatestInventory;
use crate::inventory::Pull;
use crate::site::{FolderReader, Repository, RepositoryError, SiteReader};

/// Where the site is.
#[derive(Clone, Debug)]
pub enum SiteInput {
    /// A folder, read as it lies there.
    Folder(PathBuf),
    /// A revision of a repository.
    Repository(Repository),
}

/// Which inventory a build takes.
#[derive(Clone, Debug)]
pub enum InventoryInput {
    /// The inventory file of the site.
    Site,
    /// A file outside the site.
    File(PathBuf),
    /// Bytes that were read already, such as standard input, with the name messages give them.
    Bytes {
        /// How messages call it.
        name: String,
        /// The text of a file of nodes.
        bytes: Vec<u8>,
    },
    /// The built-in three nodes.
    Mock,
    /// This many made-up nodes.
    Synthetic(usize),
    /// What was pulled just now.
    Pulled(Arc<Pull>),
    /// What was pulled last by somebody who goes on pulling.
    Followed(Arc<LatestInventory>),
}

impl SiteInput {
    /// Whether news of the site have to be fetched.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self, Self::Repository(repository) if repository.is_remote())
    }

    /// Whether there is something to read without fetching.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        match self {
            Self::Folder(_) => true,
            Self::Repository(repository) => repository.is_fetched(),
        }
    }

    /// Fetches what has to be fetched.
    ///
    /// # Errors
    /// When the repository cannot be cloned or fetched.
    pub fn update(&self) -> Result<(), RepositoryError> {
        match self {
            Self::Folder(_) => Ok(()),
            Self::Repository(repository) => repository.update(),
        }
    }

    /// Opens the site. A repository is read at what its revision stands for now.
    ///
    /// # Errors
    /// When there is no such folder, repository or revision.
    pub fn reader(&self) -> Result<Box<dyn SiteReader>, RepositoryError> {
        match self {
            Self::Folder(path) => Ok(Box::new(FolderReader::new(path)?)),
            Self::Repository(repository) => Ok(Box::new(repository.reader()?)),
        }
    }
}

impl InventoryInput {
    /// Whether nobody has looked at it before it is published: what comes from a service or from outside the site may be
    /// half of what it was, and is held against what is published.
    #[must_use]
    pub const fn is_unreviewed(&self) -> bool {
        !matches!(self, Self::Site)
    }

    /// Whether there is something to read: what is followed may not have been pulled yet.
    #[must_use]
    pub fn is_there(&self) -> bool {
        match self {
            Self::Followed(latest) => latest.get().is_some(),
            _ => true,
        }
    }
}
