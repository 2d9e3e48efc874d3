//! A new site: a small one that builds, whose comments teach.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::types::{Place, Problem};

/// The files of a new site by their path in it. Their texts may hold [`VERSION`].
const FILES: [(&str, &str); 21] = [
    (".github/workflows/mds.yml", include_str!("scaffold/mds.yml")),
    (".gitignore", include_str!("scaffold/gitignore")),
    (".schemas/cloud-config.schema.json", include_str!("../../schemas/cloud-config.schema.json")),
    (".schemas/group.schema.json", include_str!("../../schemas/group.schema.json")),
    (".schemas/inventory.schema.json", include_str!("../../schemas/inventory.schema.json")),
    (".schemas/manifest.schema.json", include_str!("../../schemas/manifest.schema.json")),
    (".schemas/mds.schema.json", include_str!("../../schemas/mds.schema.json")),
    (".schemas/node.schema.json", include_str!("../../schemas/node.schema.json")),
    (".schemas/release.schema.json", include_str!("../../schemas/release.schema.json")),
    (".schemas/report.schema.json", include_str!("../../schemas/report.schema.json")),
    (".schemas/site-rule.schema.json", include_str!("../../schemas/site-rule.schema.json")),
    ("README.md", include_str!("scaffold/README.md")),
    ("groups/compute/cloud-config.yaml", include_str!("scaffold/groups/compute/cloud-config.yaml")),
    ("groups/compute/group.yaml", include_str!("scaffold/groups/compute/group.yaml")),
    ("groups/login/cloud-config.yaml", include_str!("scaffold/groups/login/cloud-config.yaml")),
    ("groups/login/group.yaml", include_str!("scaffold/groups/login/group.yaml")),
    ("groups/login/node-summary.sh", include_str!("scaffold/groups/login/node-summary.sh")),
    ("inventory.json", include_str!("scaffold/inventory.json")),
    ("mds.toml", include_str!("scaffold/mds.toml")),
    ("nodes/login01.yaml", include_str!("scaffold/nodes/login01.yaml")),
    ("user-data/default.yaml", include_str!("scaffold/user-data/default.yaml")),
];

/// What stands for the version of mds in the texts.
const VERSION: &str = "@version@";

/// Makes a new site in a folder, which is made too where it is missing, and gives the paths of the site's files.
/// `version` is that of the mds that makes it, for people to read.
///
/// Either all files are written or none: a folder that holds one of them already is refused before the first is
/// written, and what was written is taken back when a later one cannot be.
///
/// # Errors
/// When one of the files is there already, or cannot be written; the problem names it.
pub fn scaffold(folder: &Path, version: &str) -> Result<Vec<String>, Problem> {
    if fs::metadata(folder).is_ok_and(|metadata| !metadata.is_dir()) {
        return Err(Problem::at(Place::file(folder.display().to_string()), "is not a folder, so no site fits in"));
    }
    for (path, _) in FILES {
        check_free(folder, path)?;
    }
    write_all(folder, &FILES.map(|(path, text)| (path, text.replace(VERSION, version))))?;
    Ok(FILES.iter().map(|(path, _)| (*path).to_owned()).collect())
}

fn write_all(folder: &Path, files: &[(&str, String)]) -> Result<(), Problem> {
    for (index, (path, text)) in files.iter().enumerate() {
        if let Err(error) = write_new(&folder.join(path), text) {
            for (written, _) in &files[..index] {
                // The first problem is the one to tell; a file that stays behind is named by the next attempt.
                let _ = fs::remove_file(folder.join(written));
            }
            return Err(problem(folder, path, &format!("cannot be written: {error}")));
        }
    }
    Ok(())
}

/// Checks that nothing is in the way of a file, and that its folders are folders or missing. Links are not followed:
/// they lead out of the site.
fn check_free(folder: &Path, path: &str) -> Result<(), Problem> {
    let parents = path.match_indices('/').map(|(end, _)| &path[..end]);
    for parent in parents {
        match fs::symlink_metadata(folder.join(parent)) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(problem(folder, parent, "is in the way: a folder is to be here")),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(problem(folder, parent, &format!("cannot be looked at: {error}"))),
        }
    }
    match fs::symlink_metadata(folder.join(path)) {
        Ok(_) => {
            let hint = "nothing is overwritten; name a folder that is empty, or does not exist yet";
            Err(problem(folder, path, "is there already").with_hint(hint))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(problem(folder, path, &format!("cannot be looked at: {error}"))),
    }
}

/// Writes a file that is not there yet, and makes its folders.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes()).inspect_err(|_| {
        // Half a file is ours to take away: it was not there before.
        let _ = fs::remove_file(path);
    })
}

fn problem(folder: &Path, path: &str, message: &str) -> Problem {
    Problem::at(Place::file(folder.join(path).display().to_string()), message)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    use super::*;
    use crate::pipeline::{InventoryInput, NoObserver, SiteInput, draft, prepare};

    /// Every file below a folder with its bytes.
    fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
        let files = files.filter(|entry| !entry.file_type().is_dir());
        files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap())).collect()
    }

    #[test]
    fn a_new_site_builds_without_findings() {
        let folder = tempfile::tempdir().unwrap();
        let site = folder.path().join("a/new/site");
        let written = scaffold(&site, "1.2.3").unwrap();
        assert_eq!(contents(&site).into_keys().collect::<Vec<_>>(), {
            let mut paths: Vec<_> = written.iter().map(|path| site.join(path)).collect();
            paths.sort();
            paths
        });
        let prepared = prepare(&SiteInput::Folder(site), &InventoryInput::Site, None, &mut NoObserver).unwrap();
        // Its nodes have names that people give, which is only good to know.
        let rules: Vec<&str> = prepared.findings.iter().map(|finding| finding.rule.as_ref()).collect();
        assert_eq!(rules, ["not-an-xname"]);
        let built = draft(&prepared, &mut NoObserver).unwrap();
        assert_eq!(built.manifest.nodes().len(), 3);
        assert_eq!(built.findings, []);
    }

    #[test]
    fn the_version_is_filled_in_everywhere() {
        let folder = tempfile::tempdir().unwrap();
        scaffold(folder.path(), "1.2.3").unwrap();
        let texts: Vec<String> =
            contents(folder.path()).into_values().map(|bytes| String::from_utf8(bytes).unwrap()).collect();
        assert!(texts.iter().any(|text| text.contains("mds 1.2.3")));
        assert!(texts.iter().all(|text| !text.contains(VERSION)));
    }

    #[test]
    fn a_second_scaffold_is_refused_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        scaffold(folder.path(), "1.2.3").unwrap();
        fs::write(folder.path().join("README.md"), "ours").unwrap();
        let before = contents(folder.path());
        let problem = scaffold(folder.path(), "4.5.6").unwrap_err();
        assert!(problem.to_string().contains("mds.yml: is there already"), "{problem}");
        assert_eq!(contents(folder.path()), before);
    }

    #[test]
    fn one_file_in_the_way_is_enough_and_other_files_are_not_minded() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("user-data")).unwrap();
        fs::write(folder.path().join("user-data/default.yaml"), "#cloud-config\n").unwrap();
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        let problem = scaffold(folder.path(), "1.2.3").unwrap_err();
        assert!(problem.to_string().contains("user-data/default.yaml: is there already"), "{problem}");
        assert_eq!(contents(folder.path()).len(), 2);
        fs::remove_file(folder.path().join("user-data/default.yaml")).unwrap();
        scaffold(folder.path(), "1.2.3").unwrap();
    }

    #[test]
    fn what_is_not_a_folder_or_leads_elsewhere_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("nodes")).unwrap();
        let problem = scaffold(folder.path(), "1.2.3").unwrap_err();
        assert!(problem.to_string().contains("/nodes: is in the way"), "{problem}");
        assert!(contents(elsewhere.path()).is_empty());
        let file = elsewhere.path().join("file");
        fs::write(&file, "").unwrap();
        let problem = scaffold(&file, "1.2.3").unwrap_err();
        assert!(problem.to_string().contains("/file: is not a folder"), "{problem}");
    }

    #[test]
    fn what_was_written_is_taken_back_when_a_later_file_cannot_be() {
        let folder = tempfile::tempdir().unwrap();
        let files = [("a", "one".to_owned()), ("b/c", "two".to_owned()), ("a/d", "a file is no folder".to_owned())];
        let problem = write_all(folder.path(), &files).unwrap_err();
        assert!(problem.to_string().contains("/a/d: cannot be written: "), "{problem}");
        assert!(contents(folder.path()).is_empty());
    }
}
