//! The tree: the folder that holds packs, releases and the link to the current one. Reading needs no lock.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::catalogue::Catalogue;
use super::create;
use super::disk::{Disk, RealDisk, shown};
use super::error::{At, StoreError};
use super::inputs::Inputs;
use super::manifest::Manifest;
use super::mapped::MappedRelease;
use super::provenance::ReleaseRecord;
use super::stored::StoredRelease;
use super::switches::{Switch, SwitchAction, Switches, standing_at};
use crate::types::ReleaseId;

/// The version of the tree's format that this build writes, and the newest that it reads.
pub const TREE_FORMAT: u32 = 1;

/// How often opening a release is tried while a collection moves objects from pack to pack.
const ATTEMPTS: usize = 5;

/// A tree. Cheap to clone; may be used from many threads.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(super) path: Arc<Path>,
    pub(super) disk: Arc<dyn Disk>,
}

/// What is known about a release without reading its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReleaseSummary {
    /// The release's id.
    pub id: ReleaseId,
    /// Whether it is the one that is served.
    pub current: bool,
    /// Whether collection must keep it.
    pub pinned: bool,
    /// When it was last published, by the log of switches.
    pub published: Option<Timestamp>,
    /// Where it came from; `None` when `release.json` is not readable.
    pub record: Option<ReleaseRecord>,
}

impl Tree {
    /// Opens a tree that is there, for reading.
    ///
    /// # Errors
    /// When the folder is not a tree, or one of a newer mds.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_with(path, Arc::new(RealDisk))
    }

    /// Opens a tree on another disk; see [`Tree::open`].
    ///
    /// # Errors
    /// When the folder is not a tree, or one of a newer mds.
    pub fn open_with(path: impl AsRef<Path>, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let path = shown(path.as_ref());
        create::check_format(&path)?;
        Ok(Self { path: path.into(), disk })
    }

    /// Opens a tree, and makes it when the folder is empty or not there.
    ///
    /// # Errors
    /// When the folder holds something else, is a tree of a newer mds, or cannot be written.
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::open_or_create_with(path, Arc::new(RealDisk))
    }

    /// Opens or makes a tree on another disk; see [`Tree::open_or_create`].
    ///
    /// # Errors
    /// When the folder holds something else, is a tree of a newer mds, or cannot be written.
    pub fn open_or_create_with(path: impl AsRef<Path>, disk: Arc<dyn Disk>) -> Result<Self, StoreError> {
        let path = shown(path.as_ref());
        match create::check_format(&path) {
            Err(StoreError::NotATree { .. }) => create::create(&path, &disk)?,
            Ok(()) => create::settle(&path, &*disk)?,
            Err(error) => return Err(error),
        }
        Ok(Self { path: path.into(), disk })
    }

    /// The tree's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn packs_folder(&self) -> PathBuf {
        self.path.join("packs")
    }

    pub(super) fn releases_folder(&self) -> PathBuf {
        self.path.join("releases")
    }

    pub(super) fn release_folder(&self, id: ReleaseId) -> PathBuf {
        self.releases_folder().join(id.to_string())
    }

    pub(super) fn manifest_path(&self, id: ReleaseId) -> PathBuf {
        self.release_folder(id).join("manifest.ndjson")
    }

    pub(super) fn record_path(&self, id: ReleaseId) -> PathBuf {
        self.release_folder(id).join("release.json")
    }

    pub(super) fn inputs_path(&self, id: ReleaseId) -> PathBuf {
        self.release_folder(id).join("inputs")
    }

    pub(super) fn pins_folder(&self) -> PathBuf {
        self.path.join("pins")
    }

    pub(super) fn switches_path(&self) -> PathBuf {
        self.path.join("switches.ndjson")
    }

    pub(super) fn current_path(&self) -> PathBuf {
        self.path.join("current")
    }

    /// The release that is served, `None` before the first one.
    ///
    /// # Errors
    /// When `current` is not a link to a release, or not readable.
    pub fn current(&self) -> Result<Option<ReleaseId>, StoreError> {
        let path = self.current_path();
        let target = match fs::read_link(&path) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                return Err(StoreError::CurrentUnreadable { path });
            }
            Err(error) => return Err(error).at("read", &path),
        };
        let id = target.to_str().and_then(|text| text.strip_prefix("releases/")).map(ReleaseId::parse);
        match id {
            Some(Ok(id)) => Ok(Some(id)),
            _ => Err(StoreError::CurrentUnreadable { path }),
        }
    }

    /// Every switch of `current`, oldest first. Lines that a dying writer left torn are passed over.
    ///
    /// # Errors
    /// When the log is not readable.
    pub fn switches(&self) -> Result<Vec<Switch>, StoreError> {
        Switches::read(&self.switches_path()).map(|switches| switches.lines)
    }

    /// The release that was current at a time, or the first one after that; but none from before an operator accepted a
    /// drop or went back. What the next release must not fall far behind.
    ///
    /// # Errors
    /// When the log of switches is not readable.
    pub fn standing_at(&self, time: Timestamp) -> Result<Option<ReleaseId>, StoreError> {
        Ok(standing_at(&self.switches()?, time))
    }

    /// The releases of the tree, the one published last first.
    ///
    /// # Errors
    /// When a folder of the tree or the log of switches is not readable. With a broken `current` none is current: the
    /// list is what one needs to mend that.
    pub fn releases(&self) -> Result<Vec<ReleaseSummary>, StoreError> {
        let current = self.current().ok().flatten();
        let pins = ids_in(&self.pins_folder())?;
        let switches = Switches::read(&self.switches_path())?;
        let mut published = HashMap::new();
        for (place, switch) in switches.lines.iter().enumerate() {
            if switch.action == SwitchAction::Publish {
                published.insert(switch.release, (place, switch.time));
            }
        }
        let mut releases = Vec::new();
        for id in ids_in(&self.releases_folder())? {
            let record = fs::read(self.record_path(id)).ok().and_then(|bytes| ReleaseRecord::from_bytes(&bytes).ok());
            let published = published.get(&id).copied();
            let built = record.as_ref().map(|record| record.provenance.time);
            let summary = ReleaseSummary {
                id,
                current: current == Some(id),
                pinned: pins.binary_search(&id).is_ok(),
                published: published.map(|(_, time)| time),
                record,
            };
            releases.push(((published.map(|(place, _)| place), built, id), summary));
        }
        releases.sort_by(|(left, _), (right, _)| right.cmp(left));
        Ok(releases.into_iter().map(|(_, summary)| summary).collect())
    }

    /// The release whose id begins with the text: 4 to 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the text is something else, or fits no release or several.
    pub fn resolve(&self, text: &str) -> Result<ReleaseId, StoreError> {
        let prefix = text.to_ascii_lowercase();
        if !(4..=64).contains(&prefix.len()) || !prefix.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(StoreError::InvalidPrefix { text: text.escape_debug().to_string() });
        }
        let fitting: Vec<ReleaseId> =
            ids_in(&self.releases_folder())?.into_iter().filter(|id| id.to_string().starts_with(&prefix)).collect();
        match fitting.as_slice() {
            [] => Err(StoreError::UnknownRelease { id: prefix, path: self.path.to_path_buf() }),
            [id] => Ok(*id),
            several => {
                let examples: Vec<String> = several.iter().take(3).map(ReleaseId::short).collect();
                Err(StoreError::AmbiguousPrefix { prefix, count: several.len(), examples: examples.join(", ") })
            }
        }
    }

    /// The manifest of a release, checked against the release's id.
    ///
    /// # Errors
    /// When there is no such release, or its manifest was altered or is of a newer format.
    pub fn manifest(&self, id: ReleaseId) -> Result<Manifest, StoreError> {
        let path = self.manifest_path(id);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.release_folder(id).exists() => {
                return Err(StoreError::UnknownRelease { id: id.to_string(), path: self.path.to_path_buf() });
            }
            other => other.at("read", &path)?,
        };
        if Manifest::id_of(&bytes) != id {
            return Err(StoreError::AlteredManifest { path });
        }
        Manifest::from_bytes(&bytes).map_err(|source| StoreError::Manifest { path, source })
    }

    /// What the nodes of a release were rendered from; `None` when that is not known, or not known for sure.
    #[must_use]
    pub fn inputs(&self, id: ReleaseId) -> Option<Inputs> {
        fs::read(self.inputs_path(id)).ok().and_then(|bytes| Inputs::from_bytes(id, &bytes))
    }

    /// Opens a release for reading. Needs no lock: when a collection moves objects meanwhile, it is tried again.
    ///
    /// # Errors
    /// When there is no such release, or it is not whole.
    pub fn open_release(&self, id: ReleaseId) -> Result<StoredRelease, StoreError> {
        let mut attempt = 1;
        loop {
            let manifest = self.manifest(id)?;
            let opened =
                Catalogue::open(&self.packs_folder()).and_then(|catalogue| StoredRelease::new(id, manifest, catalogue));
            match opened {
                Err(error) if attempt < ATTEMPTS && may_be_moving(&error) => attempt += 1,
                other => return other,
            }
        }
    }

    /// Loads a release for look-ups by address; its documents are slices of mapped packs.
    ///
    /// # Errors
    /// When there is no such release, or it is not whole.
    pub fn load(&self, id: ReleaseId) -> Result<MappedRelease, StoreError> {
        self.open_release(id)?.map()
    }

    /// Loads the current release, `None` before the first one. Follows `current` when it moves meanwhile.
    ///
    /// # Errors
    /// When `current` is broken, or the release is not whole.
    pub fn load_current(&self) -> Result<Option<MappedRelease>, StoreError> {
        loop {
            let Some(id) = self.current()? else { return Ok(None) };
            match self.load(id) {
                Err(_) if self.current()? != Some(id) => {}
                other => return other.map(Some),
            }
        }
    }
}

/// Whether the error may come from a collection that moves objects: a pack or an object is gone, but perhaps not lost.
fn may_be_moving(error: &StoreError) -> bool {
    matches!(error, StoreError::Missing(_)) || error.is_not_found()
}

/// The names in the folder that are release ids, sorted.
pub(super) fn ids_in(folder: &Path) -> Result<Vec<ReleaseId>, StoreError> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder).at("read", folder)? {
        let name = entry.at("read", folder)?.file_name();
        ids.extend(name.to_str().and_then(|name| ReleaseId::parse(name).ok()));
    }
    ids.sort_unstable();
    Ok(ids)
}
