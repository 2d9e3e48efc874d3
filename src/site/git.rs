//! Reading a site from a commit of a Git repository. The work tree is never looked at.

use git2::{Commit, ObjectType, Oid, Repository as GitRepository, Tree, TreeEntry};

use super::{SiteOrigin, SiteReader, is_ignored, link_problem, odd_file_problem};
use crate::types::{Place, Problem, Problems};

/// The file mode Git gives a symbolic link.
const LINK_MODE: i32 = 0o120_000;

/// Reads a site from a commit.
pub struct GitReader {
    repository: GitRepository,
    commit: Oid,
    subfolder: String,
    url: String,
    revision: String,
}

impl std::fmt::Debug for GitReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GitReader").field("commit", &self.commit).finish_non_exhaustive()
    }
}

impl GitReader {
    /// Resolves a revision (branch, tag, commit, or anything `git rev-parse` knows) in an open repository. `url` is
    /// what the repository is called in messages and in the release; `subfolder` is where the site lies in it, empty
    /// for the top.
    ///
    /// # Errors
    /// When the revision names no commit, or the subfolder is not a folder of that commit.
    pub fn new(
        repository: GitRepository,
        url: impl Into<String>,
        revision: &str,
        subfolder: &str,
    ) -> Result<Self, Problem> {
        let url = url.into();
        let missing = |error: git2::Error| {
            Problem::new(format!("`{revision}` is no commit of {url}: {}", error.message()))
                .with_hint("name a branch, a tag or a commit with --rev")
        };
        let commit = resolve(&repository, revision).map_err(missing)?.id();
        let subfolder = subfolder.trim_matches('/').to_owned();
        let reader = Self { repository, commit, subfolder, url, revision: revision.to_owned() };
        let is_there = matches!(reader.tree().and_then(|root| reader.folder(&root, "")), Ok(Some(_)));
        if is_there {
            return Ok(reader);
        }
        Err(Problem::new(format!("{} has no folder `{}` at `{revision}`", reader.url, reader.subfolder))
            .with_hint("name the site's folder in the repository with --subfolder"))
    }

    /// The commit, as 40 hexadecimal digits.
    #[must_use]
    pub fn commit(&self) -> String {
        self.commit.to_string()
    }

    fn tree(&self) -> Result<Tree<'_>, git2::Error> {
        self.repository.find_commit(self.commit)?.tree()
    }

    fn full_path(&self, path: &str) -> String {
        match (self.subfolder.as_str(), path) {
            ("", path) => path.to_owned(),
            (subfolder, "") => subfolder.to_owned(),
            (subfolder, path) => format!("{subfolder}/{path}"),
        }
    }

    /// The folder at the path, `None` when there is nothing or something else.
    fn folder(&self, root: &Tree<'_>, path: &str) -> Result<Option<Tree<'_>>, git2::Error> {
        let full = self.full_path(path);
        let id = if full.is_empty() {
            root.id()
        } else {
            match root.get_path(full.as_ref()) {
                Ok(entry) if entry.kind() == Some(ObjectType::Tree) => entry.id(),
                _ => return Ok(None),
            }
        };
        self.repository.find_tree(id).map(Some)
    }

    fn collect(&self, folder: &Tree<'_>, path: &str, found: &mut Vec<String>, problems: &mut Vec<Problem>) {
        for entry in folder.iter() {
            let Ok(name) = std::str::from_utf8(entry.name_bytes()) else {
                problems.push(Problem::at(Place::file(path), "a file in this folder has a name that is not UTF-8"));
                continue;
            };
            if is_ignored(name) {
                continue;
            }
            let below = format!("{path}/{name}");
            match (entry.kind(), is_link(&entry)) {
                (Some(ObjectType::Tree), _) => match self.repository.find_tree(entry.id()) {
                    Ok(tree) => self.collect(&tree, &below, found, problems),
                    Err(error) => problems.push(unreadable(&below, &error)),
                },
                (Some(ObjectType::Blob), false) => found.push(below),
                (Some(ObjectType::Blob), true) => problems.push(link_problem(&below)),
                _ => problems.push(odd_file_problem(&below).with_hint("submodules are not read; copy the files")),
            }
        }
    }
}

fn resolve<'a>(repository: &'a GitRepository, revision: &str) -> Result<Commit<'a>, git2::Error> {
    repository.revparse_single(revision)?.peel_to_commit()
}

fn is_link(entry: &TreeEntry<'_>) -> bool {
    entry.filemode() == LINK_MODE
}

fn unreadable(path: &str, error: &git2::Error) -> Problem {
    Problem::at(Place::file(path), format!("cannot be read from the repository: {}", error.message()))
}

impl SiteReader for GitReader {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Problem> {
        let tree = self.tree().map_err(|error| unreadable(path, &error))?;
        let Ok(entry) = tree.get_path(self.full_path(path).as_ref()) else {
            return Ok(None);
        };
        if is_link(&entry) {
            return Err(link_problem(path));
        }
        if entry.kind() != Some(ObjectType::Blob) {
            return Err(odd_file_problem(path));
        }
        let blob = self.repository.find_blob(entry.id()).map_err(|error| unreadable(path, &error))?;
        Ok(Some(blob.content().to_vec()))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Problems> {
        let root = self.tree().map_err(|error| unreadable(folder, &error))?;
        let top = self.folder(&root, folder).map_err(|error| unreadable(folder, &error))?;
        let (mut found, mut problems) = (Vec::new(), Vec::new());
        if let Some(top) = top {
            self.collect(&top, folder, &mut found, &mut problems);
        }
        found.sort();
        if problems.is_empty() { Ok(found) } else { Err(Problems(problems)) }
    }

    fn origin(&self) -> SiteOrigin {
        SiteOrigin::Repository {
            url: self.url.clone(),
            revision: self.revision.clone(),
            commit: self.commit(),
            subfolder: self.subfolder.clone(),
        }
    }
}
