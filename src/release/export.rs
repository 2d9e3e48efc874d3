//! Export: a release as plain folders that any web server can serve, `root …/by-address/$remote_addr` being enough.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, symlink};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, RenameFlags, StatxAttributes, StatxFlags, renameat_with, statx, syncfs};
use serde::Serialize;

use super::disk::{FILE_MODE, shown};
use super::error::{At, StoreError};
use super::manifest::NodeEntry;
use super::stored::StoredRelease;
use super::tree::Tree;
use crate::types::{Digest, DocumentName, ReleaseId};

/// The mode of exported folders, before the process's umask: another web server reads them.
const EXPORT_FOLDER_MODE: u32 = 0o755;

/// The file that says that a folder is an export, and of which release.
const MARKER: &str = ".mds-export";
const BY_NAME: &str = "by-name";
const BY_ADDRESS: &str = "by-address";
const BY_HOSTNAME: &str = "by-hostname";

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExportReport {
    /// The release.
    pub release: ReleaseId,
    /// How many nodes have a folder.
    pub nodes: usize,
    /// How many documents of the release were written.
    pub documents: usize,
    /// Addresses without a folder, because more than one node has them.
    pub ambiguous_addresses: Vec<IpAddr>,
    /// Host names without a folder, because they are not safe as names of files or more than one node has them.
    pub skipped_hostnames: Vec<String>,
}

/// Writes a release as plain files: `by-name/<id>/<document>`, and links to the nodes' folders `by-address/<ip>` and
/// `by-hostname/<hostname>`. Documents with the same bytes are one file with several names.
///
/// What the server answers with an empty document is an empty file: a missing `user-data`, `vendor-data` or
/// `network-config`, and the document of a group that has none.
///
/// The folder is made or, when it is empty or an earlier export, replaced: as a whole where the file system can, else
/// each of the three folders by itself. Until then it stays as it was.
///
/// # Errors
/// When there is no such release, it is not whole, it has documents that are for tunnels only, the folder holds other
/// things, or cannot be written.
pub fn export(tree: &Tree, release: ReleaseId, folder: &Path) -> Result<ExportReport, StoreError> {
    let release = tree.open_release(release)?;
    let only = &release.manifest().tunnels().only;
    let all = release.manifest().nodes().iter().flat_map(|node| node.documents.keys());
    // In plain folders nothing keeps anybody from having them.
    let refused: BTreeSet<DocumentName> = all.filter(|name| only.contains(*name)).cloned().collect();
    if !refused.is_empty() {
        return Err(StoreError::ForTunnelsOnly { release: release.id(), documents: refused });
    }
    export_release(&release, folder)
}

/// As [`export`], and writes documents that are for tunnels only as well.
///
/// # Errors
/// As [`export`].
pub fn export_with_tunnel_only(tree: &Tree, release: ReleaseId, folder: &Path) -> Result<ExportReport, StoreError> {
    export_release(&tree.open_release(release)?, folder)
}

fn export_release(release: &StoredRelease, folder: &Path) -> Result<ExportReport, StoreError> {
    let (folder, exists) = target(folder)?;
    export_to(release, &folder, exists, exists && is_mount_point(&folder))
}

fn export_to(
    release: &StoredRelease,
    folder: &Path,
    exists: bool,
    only_within: bool,
) -> Result<ExportReport, StoreError> {
    let (staging, inside) = staging(folder, exists, only_within)?;
    let written = write_all(release, &staging).and_then(|report| {
        put_in_place(&staging, folder, exists, inside)?;
        Ok(report)
    });
    let removed = fs::remove_dir_all(&staging);
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound && written.is_ok() => Err(error).at("remove", &staging),
        _ => written,
    }
}

/// The folder with links resolved, and whether it is there. Refuses a folder that holds what we did not write.
fn target(folder: &Path) -> Result<(PathBuf, bool), StoreError> {
    let folder = shown(folder);
    let folder = match fs::canonicalize(&folder) {
        Ok(folder) => folder,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = folder.parent().map(shown) {
                DirBuilder::new().recursive(true).mode(EXPORT_FOLDER_MODE).create(&parent).at("create", &parent)?;
            }
            return Ok((folder, false));
        }
        Err(error) => return Err(error).at("open", &folder),
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).at("read", &folder)? {
        names.push(entry.at("read", &folder)?.file_name());
    }
    let ours = |name: &OsString| {
        name.to_str().is_some_and(|name| [BY_NAME, BY_ADDRESS, BY_HOSTNAME].contains(&name) || name.starts_with(MARKER))
    };
    // A temporary name of ours marks the folder as well: then the first export into it did not come to its end.
    let marked = |name: &OsString| name.to_str().is_some_and(|name| name.starts_with(MARKER));
    if names.is_empty() || (names.iter().any(marked) && names.iter().all(ours)) {
        Ok((folder, true))
    } else {
        Err(StoreError::NotAnExport { path: folder, marker: MARKER })
    }
}

/// Makes the folder to write into: beside the target, so that it can take its place in one step; or within, when the
/// target is a mount point or its parent is not ours to write.
fn staging(folder: &Path, exists: bool, only_within: bool) -> Result<(PathBuf, bool), StoreError> {
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = folder.parent().map(shown).unwrap_or_else(|| folder.to_owned());
    let mut choices = Vec::new();
    if !only_within {
        choices.push((parent.as_path(), format!(".{name}{MARKER}-"), false));
    }
    if exists {
        choices.push((folder, format!("{MARKER}-"), true));
    }
    let mut result = Err(StoreError::NotAnExport { path: folder.to_owned(), marker: MARKER });
    for (place, prefix, inside) in choices {
        remove_leftovers(place, &prefix);
        let path = place.join(format!("{prefix}{}", std::process::id()));
        result = create_folder(&path).map(|()| (path, inside));
        if result.is_ok() {
            break;
        }
    }
    result
}

/// Removes what exports to the same folder left that did not come to their end. What cannot be removed stays.
fn remove_leftovers(folder: &Path, prefix: &str) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_mount_point(folder: &Path) -> bool {
    statx(CWD, folder, AtFlags::empty(), StatxFlags::empty())
        .is_ok_and(|status| status.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Gives what was written the name of the target. What was there before is in the staging folder afterwards, if at all.
fn put_in_place(staging: &Path, folder: &Path, exists: bool, inside: bool) -> Result<(), StoreError> {
    let handle = fs::File::open(staging).at("open", staging)?;
    syncfs(&handle).map_err(io::Error::from).at("sync", staging)?;
    if !exists {
        return fs::rename(staging, folder).at("create", folder);
    }
    if !inside {
        return exchange(staging, folder).at("replace", folder);
    }
    for name in [MARKER, BY_NAME, BY_ADDRESS, BY_HOSTNAME] {
        let (new, old) = (staging.join(name), folder.join(name));
        match fs::symlink_metadata(&old) {
            Ok(_) => exchange(&new, &old),
            Err(_) => fs::rename(&new, &old),
        }
        .at("replace", &old)?;
    }
    Ok(())
}

/// Makes two files or folders change places: in one step, or in three where the file system cannot do that.
fn exchange(new: &Path, old: &Path) -> io::Result<()> {
    match renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            let aside = new.with_extension("old");
            fs::rename(old, &aside)?;
            fs::rename(new, old).or_else(|error| fs::rename(&aside, old).and(Err(error)))?;
            fs::rename(&aside, new)
        }
        other => Ok(other?),
    }
}

fn write_all(release: &StoredRelease, staging: &Path) -> Result<ExportReport, StoreError> {
    let nodes = release.manifest().nodes();
    for name in [BY_NAME, BY_ADDRESS, BY_HOSTNAME] {
        create_folder(&staging.join(name))?;
    }
    let mut writer = Writer { release, by_name: staging.join(BY_NAME), first: HashMap::new() };
    for node in nodes {
        writer.write_node(node)?;
    }
    let (addresses, ambiguous_addresses) =
        only_once(nodes, |node| node.addresses.iter().map(|address| address.to_canonical()));
    for (address, node) in addresses {
        link_to_node(&staging.join(BY_ADDRESS).join(address.to_string()), node)?;
    }
    let (hostnames, mut skipped_hostnames) = only_once(nodes, |node| std::iter::once(node.hostname.clone()));
    for (hostname, node) in hostnames {
        if is_safe(&hostname) {
            link_to_node(&staging.join(BY_HOSTNAME).join(&hostname), node)?;
        } else {
            skipped_hostnames.push(hostname);
        }
    }
    write_file(&staging.join(MARKER), format!("release {}\n", release.id()).as_bytes())?;
    let documents = release.manifest().document_count();
    Ok(ExportReport { release: release.id(), nodes: nodes.len(), documents, ambiguous_addresses, skipped_hostnames })
}

struct Writer<'a> {
    release: &'a StoredRelease,
    by_name: PathBuf,
    /// Where an object was written first; further documents with its bytes become names of that file.
    first: HashMap<Digest, (&'a NodeEntry, DocumentName)>,
}

impl<'a> Writer<'a> {
    fn write_node(&mut self, node: &'a NodeEntry) -> Result<(), StoreError> {
        create_folder(&self.by_name.join(node.id.as_str()))?;
        let empty = Digest::of(b"");
        let mut documents: BTreeMap<DocumentName, Digest> =
            [DocumentName::UserData, DocumentName::VendorData, DocumentName::NetworkConfig]
                .into_iter()
                .chain(node.groups.iter().cloned().map(DocumentName::Group))
                .map(|name| (name, empty))
                .collect();
        documents.extend(node.documents.iter().map(|(name, digest)| (name.clone(), *digest)));
        for (name, digest) in documents {
            self.write_document(node, name, digest)?;
        }
        Ok(())
    }

    fn write_document(&mut self, node: &'a NodeEntry, name: DocumentName, digest: Digest) -> Result<(), StoreError> {
        let path = self.path(node, &name);
        if let Some((other, document)) = self.first.get(&digest) {
            // A file system without hard links, or a file with as many names as it may have, gets another copy.
            if fs::hard_link(self.path(other, document), &path).is_ok() {
                return Ok(());
            }
        }
        let bytes = if digest == Digest::of(b"") { Some(Bytes::new()) } else { self.release.object(&digest) };
        match bytes {
            Some(bytes) if Digest::of(&bytes) == digest => write_file(&path, &bytes)?,
            _ => return Err(StoreError::AlteredDocument { node: node.id.clone(), document: name, object: digest }),
        }
        self.first.insert(digest, (node, name));
        Ok(())
    }

    fn path(&self, node: &NodeEntry, name: &DocumentName) -> PathBuf {
        // Both are parsed words that are safe as names of files.
        self.by_name.join(node.id.as_str()).join(name.to_string())
    }
}

/// What stands for exactly one node, and what stands for several.
fn only_once<'a, T: Ord, I: Iterator<Item = T>>(
    nodes: &'a [NodeEntry],
    names: impl Fn(&'a NodeEntry) -> I,
) -> (BTreeMap<T, &'a NodeEntry>, Vec<T>) {
    let mut found: BTreeMap<T, Option<&NodeEntry>> = BTreeMap::new();
    for node in nodes {
        for name in names(node) {
            found.entry(name).and_modify(|one| *one = one.filter(|one| one.id == node.id)).or_insert(Some(node));
        }
    }
    let (mut once, mut several) = (BTreeMap::new(), Vec::new());
    for (name, node) in found {
        match node {
            Some(node) => drop(once.insert(name, node)),
            None => several.push(name),
        }
    }
    (once, several)
}

/// Whether a host name is safe as the name of a file: letters, digits, `.`, `_` and `-`, a letter or digit first.
fn is_safe(hostname: &str) -> bool {
    hostname.len() <= 253
        && hostname.starts_with(|first: char| first.is_ascii_alphanumeric())
        && hostname.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn link_to_node(link: &Path, node: &NodeEntry) -> Result<(), StoreError> {
    symlink(format!("../{BY_NAME}/{}", node.id), link).at("create", link)
}

fn create_folder(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().mode(EXPORT_FOLDER_MODE).create(path).at("create", path)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .at("write", path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{FindingsSummary, Provenance, ReleaseSink as _, SiteSource};
    use crate::types::NodeId;

    #[test]
    fn hostnames_that_could_leave_a_folder_are_not_safe() {
        for text in ["", ".", "..", "a/b", "../a", ".a", "-a", "a b", "a\0", "ä", &"a".repeat(254)] {
            assert!(!is_safe(text), "{text:?}");
        }
        assert!(is_safe("nid0001.cluster.example"));
    }

    #[test]
    fn two_files_change_places() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, "1").unwrap();
        fs::write(&other, "2").unwrap();
        exchange(&one, &other).unwrap();
        assert_eq!((fs::read(one).unwrap(), fs::read(other).unwrap()), (b"2".to_vec(), b"1".to_vec()));
    }
    #[test]
    fn a_folder_that_must_stay_itself_gets_new_contents() {
        let place = tempfile::tempdir().unwrap();
        let tree = Tree::open_or_create(place.path().join("tree")).unwrap();
        let target = place.path().join("mount");
        fs::create_dir(&target).unwrap();
        let before = fs::File::open(&target).unwrap();
        for text in ["one", "two"] {
            let mut lock = tree.lock().unwrap();
            let mut writer = lock.begin().unwrap();
            let document = (DocumentName::MetaData, writer.add(text.as_bytes()).unwrap());
            writer.add_node(NodeEntry {
                id: NodeId::parse("a").unwrap(),
                hostname: "a".to_owned(),
                nid: None,
                instance_id: "a".to_owned(),
                macs: vec![],
                addresses: vec!["10.0.0.1".parse().unwrap()],
                tunnel_address: None,
                groups: vec![],
                documents: BTreeMap::from([document]),
            });
            let time = "2026-01-02T03:04:05Z".parse().unwrap();
            let site = SiteSource::Folder { folder: "site".to_owned(), commit: None };
            let (inventory, mds_version) = (Digest::of(b""), "0.1.0".to_owned());
            let provenance = Provenance { site, inventory, mds_version, time, findings: FindingsSummary::default() };
            let id = writer.finish(provenance).unwrap().id;
            // What an export that was killed left in it does not stand in the way.
            fs::create_dir(target.join(".mds-export-0")).unwrap();
            let (folder, exists) = super::target(&target).unwrap();
            export_to(&tree.open_release(id).unwrap(), &folder, exists, true).unwrap();
            assert_eq!(fs::read_to_string(target.join("by-address/10.0.0.1/meta-data")).unwrap(), text);
            assert_eq!(fs::read_dir(&target).unwrap().count(), 4);
        }
        let inode = |metadata: fs::Metadata| std::os::unix::fs::MetadataExt::ino(&metadata);
        assert_eq!(inode(before.metadata().unwrap()), inode(fs::metadata(&target).unwrap()));
    }
}
