//! Reading a site from a folder, as it lies there.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::limits::{Volume, check_depth, check_file, most_bytes};
use super::{SiteOrigin, SiteReader, is_ignored, link_problem, odd_file_problem};
use crate::types::{Place, Problem, Problems};

/// Reads a site from a folder.
#[derive(Debug)]
pub struct FolderReader {
    root: PathBuf,
}

impl FolderReader {
    /// Takes the top folder of a site.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn new(root: impl Into<PathBuf>) -> Result<Self, Problem> {
        let root = root.into();
        match fs::metadata(&root) {
            Ok(metadata) if metadata.is_dir() => Ok(Self { root }),
            Ok(_) => Err(Problem::new(format!("the site `{}` is not a folder", root.display()))),
            Err(error) => Err(Problem::new(format!("the site `{}` cannot be opened: {error}", root.display()))
                .with_hint("name a folder with an mds.toml in it, or make one with `mds init DIR`")),
        }
    }

    fn relative(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        below.to_string_lossy().into_owned()
    }

    /// Refuses a path that leads through a symbolic link anywhere below the top.
    fn refuse_links(&self, path: &str) -> Result<(), Problem> {
        let mut full = self.root.clone();
        for component in path.split('/') {
            full.push(component);
            if fs::symlink_metadata(&full).is_ok_and(|metadata| metadata.is_symlink()) {
                return Err(link_problem(&self.relative(&full)));
            }
        }
        Ok(())
    }

    fn walk_problem(&self, error: &walkdir::Error) -> Problem {
        let place = Place::file(error.path().map_or_else(String::new, |path| self.relative(path)));
        let reason = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
        Problem::at(place, format!("cannot be read: {reason}"))
    }
}

impl SiteReader for FolderReader {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, Problem> {
        check_depth(path)?;
        self.refuse_links(path)?;
        let full = self.root.join(path);
        let problem = |error: std::io::Error| Err(Problem::at(Place::file(path), format!("cannot be read: {error}")));
        match fs::symlink_metadata(&full) {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => problem(error),
            Ok(metadata) if !metadata.is_file() => Err(odd_file_problem(path)),
            Ok(metadata) => {
                check_file(path, metadata.len())?;
                let mut bytes = Vec::new();
                // It may have grown since.
                let most = most_bytes(path) + 1;
                let read = File::open(&full).and_then(|file| file.take(most).read_to_end(&mut bytes));
                read.or_else(|error| problem(error).map(|_| 0))?;
                check_file(path, bytes.len() as u64)?;
                Ok(Some(bytes))
            }
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<String>, Problems> {
        self.refuse_links(folder)?;
        let top = self.root.join(folder);
        if fs::symlink_metadata(&top).is_err() {
            return Ok(Vec::new());
        }
        let mut paths = Vec::new();
        let mut problems = Vec::new();
        let mut volume = Volume::default();
        let walk = WalkDir::new(&top).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_ignored(&entry.file_name().to_string_lossy()))
        {
            if let Ok(entry) = &entry {
                let path = self.relative(entry.path());
                check_depth(&path)?;
                volume.add_entry(&path)?;
            }
            match entry {
                Err(error) => problems.push(self.walk_problem(&error)),
                Ok(entry) if entry.file_type().is_dir() => {}
                Ok(entry) => {
                    let path = self.relative(entry.path());
                    if entry.path().to_str().is_none() {
                        problems.push(Problem::at(Place::file(path), "the name of this file is not UTF-8"));
                    } else if entry.file_type().is_symlink() {
                        problems.push(link_problem(&path));
                    } else if entry.file_type().is_file() {
                        paths.push(path);
                    } else {
                        problems.push(odd_file_problem(&path));
                    }
                }
            }
        }
        paths.sort();
        if problems.is_empty() { Ok(paths) } else { Err(Problems(problems)) }
    }

    fn origin(&self) -> SiteOrigin {
        SiteOrigin::Folder { path: self.root.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::limits::MAX_FILE_BYTES;

    #[test]
    fn files_are_listed_by_path_and_hidden_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["groups/b/x", "groups/a/y", "groups/a/.hidden", "groups/a/y~", ".git/config", "mds.toml"] {
            let full = folder.path().join(path);
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, path).unwrap();
        }
        let reader = FolderReader::new(folder.path()).unwrap();
        assert_eq!(reader.list("groups").unwrap(), ["groups/a/y", "groups/b/x"]);
        assert_eq!(reader.list("nodes").unwrap(), [""; 0]);
        assert_eq!(reader.read("mds.toml").unwrap().unwrap(), b"mds.toml");
        assert_eq!(reader.read("mds.toml/x").unwrap(), None);
    }

    #[test]
    fn a_symbolic_link_out_of_the_site_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("templates")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("templates/leak")).unwrap();
        let reader = FolderReader::new(folder.path()).unwrap();
        let problems = reader.list("templates").unwrap_err();
        assert!(problems.to_string().starts_with("templates/leak: symbolic links"), "{problems}");
        assert!(reader.read("templates/leak").is_err());
    }

    #[test]
    fn a_linked_folder_is_not_followed_anywhere_in_a_path() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir(outside.path().join("deep")).unwrap();
        fs::write(outside.path().join("deep/inventory.json"), "{}").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("sub")).unwrap();
        let reader = FolderReader::new(folder.path()).unwrap();
        for path in ["sub/deep/inventory.json", "sub/nothing"] {
            let problem = reader.read(path).unwrap_err().to_string();
            assert!(problem.starts_with("sub: symbolic links are not followed"), "{problem}");
        }
        assert!(reader.list("sub").unwrap_err().to_string().starts_with("sub: symbolic links"));
        // The site's own folder may be reached through one.
        let link = folder.path().join("sub/link");
        std::os::unix::fs::symlink(outside.path().join("deep"), &link).unwrap();
        assert!(FolderReader::new(link).unwrap().read("inventory.json").unwrap().is_some());
    }

    #[test]
    fn files_that_are_too_large_and_folders_that_are_too_deep_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("templates").join(vec!["d"; 40].join("/"));
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir(folder.path().join("groups")).unwrap();
        File::create(folder.path().join("groups/big")).unwrap().set_len(MAX_FILE_BYTES + 1).unwrap();
        let reader = FolderReader::new(folder.path()).unwrap();
        let problem = reader.list("templates").unwrap_err().to_string();
        assert!(problem.starts_with("templates/d/d/d/…: this folder nests"), "{problem}");
        let problem = reader.read("groups/big").unwrap_err().to_string();
        assert!(problem.starts_with("groups/big: this file is larger"), "{problem}");
    }

    #[test]
    fn an_inventory_may_be_larger_than_other_files_and_is_read_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = MAX_FILE_BYTES + 2;
        File::create(folder.path().join("inventory.json")).unwrap().set_len(bytes).unwrap();
        let read = FolderReader::new(folder.path()).unwrap().read("inventory.json").unwrap().unwrap();
        assert_eq!(read.len() as u64, bytes);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let problem = FolderReader::new("/nonexistent/site").unwrap_err();
        assert!(problem.to_string().contains("/nonexistent/site"), "{problem}");
    }
}
