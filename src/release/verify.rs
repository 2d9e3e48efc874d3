//! Looking at every byte of a tree: is all there, and is it what it was?

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::catalogue::{Catalogue, Pack, PackFault, index_path, pack_path};
use super::error::{At, StoreError};
use super::manifest::Manifest;
use super::provenance::ReleaseRecord;
use super::switches::Switches;
use super::temporary::leftovers;
use super::tree::{Tree, ids_in};
use crate::types::{Digest, DocumentName, NodeId, ReleaseId};

/// How many nodes a damage names before it only counts them.
const NODES_NAMED: usize = 3;
/// How often verification begins again when the tree changes below it.
const ATTEMPTS: usize = 3;

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// How many releases were looked at.
    pub releases: usize,
    /// How many packs were read.
    pub packs: usize,
    /// How many objects the packs hold.
    pub objects: usize,
    /// How many bytes the packs have.
    pub bytes: u64,
    /// What is damaged. Empty when the tree is whole.
    pub damages: Vec<Damage>,
    /// What writers that died, or are at work now, left. Harmless; collection removes it.
    pub leftovers: Vec<PathBuf>,
}

/// Something in the tree that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Damage {
    /// A document of a release is missing or was altered.
    Document(DocumentDamage),
    /// A pack, or its index, is not what its name says.
    Pack {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of a release is missing or was altered.
    Release {
        /// The release.
        release: ReleaseId,
        /// What is wrong with it.
        reason: String,
    },
    /// The link to the current release, a pin or the log of switches is broken.
    Tree {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The same document, of one or more nodes of a release, is damaged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DocumentDamage {
    /// The release.
    pub release: ReleaseId,
    /// The document.
    pub document: DocumentName,
    /// What happened to it.
    pub fault: DocumentFault,
    /// The first few of the nodes.
    pub nodes: Vec<NodeId>,
    /// How many nodes it is damaged for.
    pub node_count: usize,
    /// The object, for the first of the nodes.
    pub object: Digest,
}

/// What happened to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentFault {
    /// No usable pack holds it.
    Missing,
    /// Its bytes are not those that were published.
    Altered,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Document(damage) => damage.fmt(formatter),
            Self::Pack { path, reason } => write!(
                formatter,
                "{}: {reason}; remove the pack and its index, then build again: what is missing is written anew",
                path.display()
            ),
            Self::Release { release, reason } => write!(
                formatter,
                "release {}: {reason}; build it again, or roll back to another release",
                release.short()
            ),
            Self::Tree { path, reason } => write!(formatter, "{}: {reason}", path.display()),
        }
    }
}

impl fmt::Display for DocumentDamage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            DocumentFault::Missing => "is missing",
            DocumentFault::Altered => "was altered",
        };
        let nodes: Vec<&str> = self.nodes.iter().map(NodeId::as_str).collect();
        write!(formatter, "release {}: {} of {}", self.release.short(), self.document, nodes.join(", "))?;
        match self.node_count - self.nodes.len() {
            0 => {}
            1 => formatter.write_str(" and 1 more node")?,
            more => write!(formatter, " and {more} more nodes")?,
        }
        write!(formatter, " {fault} (object {})", self.object.short())
    }
}

impl VerifyReport {
    /// Whether nothing is damaged.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }

    /// The damaged documents.
    pub fn documents(&self) -> impl Iterator<Item = &DocumentDamage> {
        self.damages.iter().filter_map(|damage| match damage {
            Damage::Document(damage) => Some(damage),
            _ => None,
        })
    }
}

impl Tree {
    /// Reads the whole tree: every pack against its name, every object against its digest, every index, every manifest
    /// against the release's id, every document of every release, the link, the pins and the log. Takes no lock; when
    /// the tree changes meanwhile and something seems damaged, it looks again.
    ///
    /// # Errors
    /// When the tree's folders are not readable. Damage is no error, it is in the report.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let mut attempt = 1;
        loop {
            let before = self.listing()?;
            let report = self.verify_once();
            let settled = attempt == ATTEMPTS || self.listing()? == before;
            if settled || report.as_ref().is_ok_and(VerifyReport::is_whole) {
                return report;
            }
            attempt += 1;
        }
    }

    /// The names of everything that a verification reads.
    fn listing(&self) -> Result<Vec<OsString>, StoreError> {
        let mut names = vec![fs::read_link(self.current_path()).unwrap_or_default().into_os_string()];
        for folder in [self.packs_folder(), self.releases_folder(), self.pins_folder()] {
            let start = names.len();
            for entry in fs::read_dir(&folder).at("read", &folder)? {
                names.push(entry.at("read", &folder)?.file_name());
            }
            names[start..].sort_unstable();
        }
        Ok(names)
    }

    fn verify_once(&self) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        let catalogue = Catalogue::open(&self.packs_folder())?;
        let altered = verify_packs(&catalogue, &mut report);
        self.verify_unusable(&catalogue, &mut report)?;
        for id in ids_in(&self.releases_folder())? {
            report.releases += 1;
            match self.manifest(id) {
                Ok(manifest) => {
                    verify_documents(id, &manifest, &catalogue, &altered, &mut report);
                    self.verify_record(id, &manifest, &mut report);
                }
                Err(error) => report.damages.push(Damage::Release { release: id, reason: error.to_string() }),
            }
        }
        self.verify_names(&mut report)?;
        for folder in [self.path.to_path_buf(), self.packs_folder(), self.releases_folder()] {
            report.leftovers.extend(leftovers(&folder)?);
        }
        Ok(report)
    }

    /// Indexes that cannot be used, and packs without an index.
    fn verify_unusable(&self, catalogue: &Catalogue, report: &mut VerifyReport) -> Result<(), StoreError> {
        let folder = self.packs_folder();
        for pack in catalogue.unusable() {
            let (path, reason) = match &pack.fault {
                PackFault::NoPack => {
                    report.leftovers.push(index_path(&folder, &pack.name));
                    continue;
                }
                PackFault::Length { expected, found } => (
                    pack_path(&folder, &pack.name),
                    format!("it has {found} bytes, and its index says that it should have {expected}"),
                ),
                PackFault::Index(reason) => (index_path(&folder, &pack.name), reason.clone()),
            };
            report.damages.push(Damage::Pack { path, reason });
        }
        report.leftovers.extend(orphans(&folder)?);
        Ok(())
    }

    fn verify_record(&self, id: ReleaseId, manifest: &Manifest, report: &mut VerifyReport) {
        let (nodes, documents) = (manifest.nodes().len(), manifest.document_count());
        let checked = fs::read(self.record_path(id))
            .map_err(|error| error.to_string())
            .and_then(|bytes| ReleaseRecord::check(&bytes, id, nodes, documents));
        if let Err(reason) = checked {
            report.damages.push(Damage::Release { release: id, reason: format!("release.json: {reason}") });
        }
    }

    /// The link to the current release, the pins, the log.
    fn verify_names(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        let mut damage = |path, reason: String| report.damages.push(Damage::Tree { path, reason });
        match self.current() {
            Ok(Some(id)) if !self.release_folder(id).is_dir() => {
                damage(self.current_path(), format!("it points to release {}, which is not there", id.short()));
            }
            Ok(_) => {}
            Err(error) => damage(self.current_path(), error.to_string()),
        }
        for id in ids_in(&self.pins_folder())? {
            if !self.release_folder(id).is_dir() {
                let pin = self.pins_folder().join(id.to_string());
                damage(pin, format!("it pins release {}, which is not there", id.short()));
            }
        }
        let switches = Switches::read(&self.switches_path())?;
        for line in switches.unreadable {
            damage(self.switches_path(), format!("line {line} is not readable"));
        }
        if switches.torn {
            report.leftovers.push(self.switches_path());
        }
        Ok(())
    }
}

/// Reads the packs and returns the objects whose bytes are not theirs. Reads files rather than maps them, so that a bad
/// sector is a sentence in the report and no signal.
fn verify_packs(catalogue: &Catalogue, report: &mut VerifyReport) -> HashSet<Digest> {
    let mut altered = HashSet::new();
    for (number, pack) in catalogue.packs().iter().enumerate() {
        report.packs += 1;
        report.objects += pack.index.len();
        report.bytes += pack.index.pack_length();
        match verify_pack(pack) {
            Ok(verified) => {
                if verified.name != pack.name {
                    let reason = "its bytes were altered: their digest is not its name".to_owned();
                    report.damages.push(Damage::Pack { path: pack.path.clone(), reason });
                }
                // Another pack may hold the object as well, and it is that one that is read.
                let is_read = |digest: &Digest| catalogue.locate(digest).is_some_and(|(pack, _)| pack == number);
                altered.extend(verified.altered.into_iter().filter(is_read));
            }
            Err(error) => {
                report
                    .damages
                    .push(Damage::Pack { path: pack.path.clone(), reason: format!("cannot read it: {error}") });
                altered.extend(pack.index.records().map(|record| record.digest));
            }
        }
    }
    altered
}

struct VerifiedPack {
    name: Digest,
    altered: Vec<Digest>,
}

fn verify_pack(pack: &Pack) -> io::Result<VerifiedPack> {
    let mut file = File::open(&pack.path)?;
    let mut buffer = vec![0; 1 << 20];
    let mut hasher = blake3::Hasher::new();
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            length => hasher.update(&buffer[..length]),
        };
    }
    let mut records: Vec<_> = pack.index.records().collect();
    records.sort_unstable_by_key(|record| record.offset);
    let mut altered = Vec::new();
    for record in records {
        let length = usize::try_from(record.length).map_err(io::Error::other)?;
        if buffer.len() < length {
            buffer.resize(length, 0);
        }
        let sound = file
            .read_exact_at(&mut buffer[..length], record.offset)
            .is_ok_and(|()| Digest::of(&buffer[..length]) == record.digest);
        if !sound {
            altered.push(record.digest);
        }
    }
    Ok(VerifiedPack { name: Digest::from_bytes(*hasher.finalize().as_bytes()), altered })
}

/// Sees that every document is there and unaltered; what is not is reported once per document name.
fn verify_documents(
    release: ReleaseId,
    manifest: &Manifest,
    catalogue: &Catalogue,
    altered: &HashSet<Digest>,
    report: &mut VerifyReport,
) {
    let mut damages: BTreeMap<(&DocumentName, DocumentFault), DocumentDamage> = BTreeMap::new();
    for node in manifest.nodes() {
        for (name, digest) in &node.documents {
            let fault = if !catalogue.contains(digest) {
                DocumentFault::Missing
            } else if altered.contains(digest) {
                DocumentFault::Altered
            } else {
                continue;
            };
            let damage = damages.entry((name, fault)).or_insert_with(|| {
                let document = name.clone();
                DocumentDamage { release, document, fault, nodes: Vec::new(), node_count: 0, object: *digest }
            });
            damage.node_count += 1;
            if damage.nodes.len() < NODES_NAMED {
                damage.nodes.push(node.id.clone());
            }
        }
    }
    report.damages.extend(damages.into_values().map(Damage::Document));
}

/// The packs in the folder that have no index: a writer died between the two renames.
pub(super) fn orphans(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        let name = entry.at("read", folder)?.file_name();
        let digest = name.to_str().and_then(|name| name.strip_suffix(".pack")).and_then(|hex| Digest::parse(hex).ok());
        if let Some(digest) = digest.filter(|digest| !index_path(folder, digest).exists()) {
            found.push(pack_path(folder, &digest));
        }
    }
    found.sort();
    Ok(found)
}
