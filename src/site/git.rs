//! Reading a site from a commit of a Git repository. The work tree is never looked at.

use git2::{Commit, ObjectType, Oid, Repository as GitRepository, Tree, TreeEntry};

use super::limits::{Volume, check_depth, check_file};
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

    fn is_link_at(&self, root: &Tree<'_>, path: &str) -> bool {
        root.get_path(self.full_path(path).as_ref()).is_ok_and(|entry| is_link(&entry))
    }

    /// Lists what is below a folder. It keeps its own stack: how deep folders nest is up to whoever wrote them.
    ///
    /// # Errors
    /// When there is too much to go on.
    fn collect(&self, top: &Tree<'_>, path: &str, listing: &mut Listing) -> Result<(), Problem> {
        let mut waiting = vec![(top.id(), path.to_owned())];
        while let Some((id, path)) = waiting.pop() {
            match self.repository.find_tree(id) {
                Ok(tree) => self.collect_one(&tree, &path, listing, &mut waiting)?,
                Err(error) => listing.problems.push(unreadable(&path, &error)),
            }
        }
        Ok(())
    }

    fn collect_one(
        &self,
        folder: &Tree<'_>,
        path: &str,
        listing: &mut Listing,
        waiting: &mut Vec<(Oid, String)>,
    ) -> Result<(), Problem> {
        let Listing { found, problems, volume } = listing;
        for entry in folder.iter() {
            // What is passed over counts as well: a tree may hold the same one many times.
            volume.add_entry(path)?;
            let Ok(name) = std::str::from_utf8(entry.name_bytes()) else {
                problems.push(Problem::at(Place::file(path), "a file in this folder has a name that is not UTF-8"));
                continue;
            };
            if is_ignored(name) {
                continue;
            }
            let below = format!("{path}/{name}");
            check_depth(&below)?;
            match (entry.kind(), is_link(&entry)) {
                (Some(ObjectType::Tree), _) => waiting.push((entry.id(), below)),
                (Some(ObjectType::Blob), false) => found.push(below),
                (Some(ObjectType::Blob), true) => problems.push(link_problem(&below)),
                _ => problems.push(odd_file_problem(&below).with_hint("submodules are not read; copy the files")),
            }
        }
        Ok(())
    }
}

/// What is found below a folder.
#[derive(Default)]
struct Listing {
    found: Vec<String>,
    problems: Vec<Problem>,
    volume: Volume,
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
        check_depth(path)?;
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
        let header = self.repository.odb().and_then(|odb| odb.read_header(entry.id()));
        let (size, _) = header.map_err(|error| unreadable(path, &error))?;
        check_file(path, size as u64)?;
        let blob = self.repository.find_blob(entry.id()).map_err(|error| unreadable(path, &error))?;
        Ok(Some(blob.content().to_vec()))
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Problems> {
        let root = self.tree().map_err(|error| unreadable(folder, &error))?;
        let top = self.folder(&root, folder).map_err(|error| unreadable(folder, &error))?;
        let mut listing = Listing::default();
        match top {
            Some(top) => self.collect(&top, folder, &mut listing)?,
            None if self.is_link_at(&root, folder) => return Err(link_problem(folder).into()),
            None => {}
        }
        let Listing { mut found, problems, .. } = listing;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::limits::MAX_FILE_BYTES;

    /// A repository whose `groups` is the tree that is built up from a file by wrapping it again and again.
    fn reader(folder: &std::path::Path, wraps: usize, copies: usize, content: &[u8]) -> GitReader {
        let repository = GitRepository::init_bare(folder).unwrap();
        let mut id = repository.blob(content).unwrap();
        let mut mode = 0o100_644;
        let names: Vec<String> = (0..copies).map(|number| format!("d{number}")).collect();
        for level in 0..=wraps {
            let mut tree = repository.treebuilder(None).unwrap();
            // The last one is the top of the repository.
            let names = if level == wraps { &["groups".to_owned()][..] } else { &names };
            for name in names {
                tree.insert(name, id, mode).unwrap();
            }
            id = tree.write().unwrap();
            mode = 0o040_000;
        }
        {
            let who = git2::Signature::now("test", "test@example.org").unwrap();
            let tree = repository.find_tree(id).unwrap();
            repository.commit(Some("HEAD"), &who, &who, "hostile", &tree, &[]).unwrap();
        }
        GitReader::new(repository, "x", "HEAD", "").unwrap()
    }

    #[test]
    fn a_repository_that_nests_deep_or_unfolds_to_very_much_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deep = reader(&folder.path().join("deep"), 20_000, 1, b"x");
        let problem = deep.list("groups").unwrap_err().to_string();
        assert!(problem.starts_with("groups/d0/d0/d0/…: this folder nests more than 32"), "{problem}");
        let problem = deep.read(&["groups", &["d0"; 19_999].join("/")].join("/")).unwrap_err().to_string();
        assert!(problem.contains("nests more than 32"), "{problem}");
        // 10²⁰ files in twenty small trees.
        let wide = reader(&folder.path().join("wide"), 20, 10, b"x");
        let problem = wide.list("groups").unwrap_err().to_string();
        assert!(problem.contains(": the site has more than 500000 files and folders"), "{problem}");
        let fine = reader(&folder.path().join("fine"), 2, 2, b"x");
        let expected = ["groups/d0/d0", "groups/d0/d1", "groups/d1/d0", "groups/d1/d1"];
        assert_eq!(fine.list("groups").unwrap(), expected);
    }

    #[test]
    fn a_file_that_is_too_large_is_refused_before_it_is_unpacked() {
        let folder = tempfile::tempdir().unwrap();
        let content = vec![0; usize::try_from(MAX_FILE_BYTES).unwrap() + 1];
        let problem = reader(folder.path(), 1, 1, &content).read("groups/d0").unwrap_err().to_string();
        assert!(problem.starts_with("groups/d0: this file is larger than the 16 MiB"), "{problem}");
    }

    #[test]
    fn a_link_in_place_of_a_folder_of_the_site_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let repository = GitRepository::init_bare(folder.path()).unwrap();
        let link = repository.blob(b"elsewhere").unwrap();
        let mut tree = repository.treebuilder(None).unwrap();
        tree.insert("groups", link, LINK_MODE).unwrap();
        let id = tree.write().unwrap();
        drop(tree);
        {
            let who = git2::Signature::now("test", "test@example.org").unwrap();
            let tree = repository.find_tree(id).unwrap();
            repository.commit(Some("HEAD"), &who, &who, "link", &tree, &[]).unwrap();
        }
        let problem = GitReader::new(repository, "x", "HEAD", "").unwrap().list("groups").unwrap_err().to_string();
        assert!(problem.starts_with("groups: symbolic links are not followed"), "{problem}");
    }
}
