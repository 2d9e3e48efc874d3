//! A site: the folder or Git revision of settings, groups, nodes and templates that people edit.
//!
//! Reading is the same for both: a [`SiteReader`] lists and reads files by their path in the site, and [`Site::read`]
//! turns them into the model, reporting every problem it finds. Only regular files count; symbolic links are refused,
//! so that a pull request cannot make a build read what lies outside the site.

mod folder;
mod git;
mod git_program;
mod group;
mod limits;
mod model;
mod node;
mod places;
mod reading;
mod remote;
mod repository_url;
mod scaffold;
mod tunnel_only;
mod user_data;

pub use folder::FolderReader;
pub use git::GitReader;
pub use group::{Group, RenderMode};
pub(crate) use model::{FOLDERS, yaml_problem};
pub use model::{Site, SiteFile, SiteOrigin};
pub use node::NodeOverride;
pub use remote::{Repository, RepositoryError};
pub use repository_url::RepositoryUrl;
pub use scaffold::scaffold;
pub use user_data::UserDataKey;

use crate::types::{Problem, Problems};

/// Reads files of a site by their path relative to its top, with `/` between components.
pub trait SiteReader {
    /// The bytes of a file, or `None` when there is no such file.
    ///
    /// # Errors
    /// When the file is there and cannot be read, is not a regular file, or is too large or too deep.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Problem>;

    /// The paths of all files below a folder, sorted. Hidden files and editors' backups (`*~`) are left out. A folder
    /// that does not exist has no files.
    ///
    /// # Errors
    /// When a folder cannot be read, something in it is neither a file nor a folder, or there is too much of it.
    fn list(&self, folder: &str) -> Result<Vec<String>, Problems>;

    /// Where the files come from.
    fn origin(&self) -> SiteOrigin;
}

/// Whether a file or folder of this name is passed over: hidden, or an editor's backup.
pub(crate) fn is_ignored(name: &str) -> bool {
    name.starts_with('.') || name.ends_with('~') || (name.starts_with('#') && name.ends_with('#'))
}

/// The problem with a symbolic link in a site.
fn link_problem(path: &str) -> Problem {
    Problem::at(crate::types::Place::file(path), "symbolic links are not followed in a site")
        .with_hint("put the file itself there, or share text through templates/")
}

/// The problem with something that is neither a file nor a folder.
fn odd_file_problem(path: &str) -> Problem {
    Problem::at(crate::types::Place::file(path), "only regular files and folders may be in a site")
}
