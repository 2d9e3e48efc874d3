//! What a build reads: where the site is and which inventory it takes.

use std::path::PathBuf;

use crate::site::{FolderReader, Repository, RepositoryError, SiteReader};
use crate::types::Problem;

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
        /// The text of an inventory file.
        bytes: Vec<u8>,
    },
    /// The built-in three nodes.
    Mock,
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
    /// The bytes of an inventory that does not lie in the site, with their name; `None` for the other kinds.
    pub(super) fn outside(&self) -> Result<Option<(String, Vec<u8>)>, Problem> {
        match self {
            Self::Site | Self::Mock => Ok(None),
            Self::Bytes { name, bytes } => Ok(Some((name.clone(), bytes.clone()))),
            Self::File(path) => {
                let name = path.display().to_string();
                match std::fs::read(path) {
                    Ok(bytes) => Ok(Some((name, bytes))),
                    Err(error) => Err(Problem::new(format!("the inventory {name} cannot be read: {error}"))),
                }
            }
        }
    }
}
