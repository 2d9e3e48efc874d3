//! Collection: removing releases that nobody needs any more, and the objects that only they had.
//!
//! Nothing is removed before everything that stays was found, and before what takes its place is durable. A reader that
//! has mapped a pack goes on with it; one that is about to finds its objects in the new pack when it looks again.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::catalogue::{Catalogue, index_path, pack_path};
use super::error::{At, StoreError};
use super::lock::TreeLock;
use super::mapped::MissingObject;
use super::pack::PackWriter;
use super::switches::Switches;
use super::temporary::{self, Temporary};
use super::verify::orphans;
use crate::types::{Digest, ReleaseId};

/// What a collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GcReport {
    /// The releases that stay, newest first.
    pub kept: Vec<ReleaseId>,
    /// The releases that were removed, newest first.
    pub removed: Vec<ReleaseId>,
    /// How many packs were removed.
    pub packs_removed: usize,
    /// How many objects moved to a new pack because others of their pack were dead.
    pub objects_moved: usize,
    /// How many objects were removed.
    pub objects_removed: usize,
    /// How many bytes the packs folder has less.
    pub bytes_freed: u64,
    /// How many files and folders of dead writers were removed.
    pub leftovers_removed: usize,
}

/// What is to become of the packs.
struct Plan {
    catalogue: Catalogue,
    /// Per pack and record, whether a release that stays needs it, and reads it there.
    live: Vec<Vec<bool>>,
}

impl TreeLock {
    /// Removes every release but the current one, those that are pinned, and the newest `keep`; then the objects that
    /// no release needs. A pack with both live and dead objects gives its live ones to a new pack.
    ///
    /// # Errors
    /// When a release that stays is not whole (nothing is removed then), or the tree cannot be written.
    pub fn gc(&mut self, keep: usize) -> Result<GcReport, StoreError> {
        let mut report = GcReport { leftovers_removed: self.leftovers_removed(), ..GcReport::default() };
        // The list passes over a broken link; what it points to must not be removed for that.
        self.tree().current()?;
        for (place, release) in self.tree().releases()?.into_iter().enumerate() {
            let stays = release.current || release.pinned || place < keep;
            if stays { &mut report.kept } else { &mut report.removed }.push(release.id);
        }
        let before = self.packs_size()?;
        let plan = self.plan(&report.kept)?;
        let moved = self.move_live_objects(&plan, &mut report)?;
        self.remove_releases(&report.removed)?;
        self.remove_packs(&plan, moved, &mut report)?;
        Switches::mend(&*self.tree().disk, &self.tree().switches_path())?;
        report.bytes_freed = before.saturating_sub(self.packs_size()?);
        Ok(report)
    }

    /// Finds every object of the releases that stay.
    fn plan(&self, kept: &[ReleaseId]) -> Result<Plan, StoreError> {
        let catalogue = Catalogue::open(&self.tree().packs_folder())?;
        let mut live: Vec<Vec<bool>> = catalogue.packs().iter().map(|pack| vec![false; pack.index.len()]).collect();
        for id in kept {
            let manifest = self.tree().manifest(*id)?;
            for node in manifest.nodes() {
                for (document, digest) in &node.documents {
                    let Some((pack, position)) = catalogue.locate(digest) else {
                        let (node, document) = (node.id.clone(), document.clone());
                        return Err(Box::new(MissingObject { node, document, digest: *digest }).into());
                    };
                    live[pack][position] = true;
                }
            }
        }
        Ok(Plan { catalogue, live })
    }

    /// Copies the live objects of packs that have dead ones as well, and makes all names in the folder durable.
    fn move_live_objects(&self, plan: &Plan, report: &mut GcReport) -> Result<Option<Digest>, StoreError> {
        let folder = self.tree().packs_folder();
        let mut writer = PackWriter::new(Arc::clone(&self.tree().disk), folder.clone());
        for (pack, live) in plan.catalogue.packs().iter().zip(&plan.live) {
            let dead = live.iter().filter(|live| !**live).count();
            if dead == 0 || dead == live.len() {
                continue;
            }
            let mut records: Vec<_> =
                pack.index.records().zip(live).filter(|(_, live)| **live).map(|(record, _)| record).collect();
            records.sort_unstable_by_key(|record| record.offset);
            for record in records {
                let bytes = pack.read(&record)?;
                if Digest::of(&bytes) != record.digest {
                    return Err(StoreError::AlteredObject { object: record.digest, path: pack.path.clone() });
                }
                writer.add(record.digest, &bytes)?;
            }
        }
        let pack = writer.finish()?;
        report.objects_moved = pack.map_or(0, |pack| pack.objects);
        self.sync(&folder)?;
        Ok(pack.map(|pack| pack.name))
    }

    fn remove_releases(&self, releases: &[ReleaseId]) -> Result<(), StoreError> {
        let folder = self.tree().releases_folder();
        let mut taken = Vec::with_capacity(releases.len());
        for id in releases {
            taken.push(Temporary::new(&self.tree().disk, &folder).take(&self.tree().release_folder(*id))?);
        }
        // From here on no power cut brings them back, so their objects may go.
        self.sync(&folder)?;
        taken.iter().try_for_each(|path| temporary::remove(&*self.tree().disk, path).at("remove", path))
    }

    /// Removes the packs of which nothing is read any more, and what is left of half-written ones.
    fn remove_packs(&self, plan: &Plan, moved: Option<Digest>, report: &mut GcReport) -> Result<(), StoreError> {
        let folder = self.tree().packs_folder();
        for (pack, live) in plan.catalogue.packs().iter().zip(&plan.live) {
            report.objects_removed += live.iter().filter(|live| !**live).count();
            // The new pack may have the bytes, and so the name, of one that was there.
            if live.iter().any(|live| !*live) && moved != Some(pack.name) {
                self.remove_pack(&folder, &pack.name)?;
                report.packs_removed += 1;
            }
        }
        for pack in plan.catalogue.unusable().iter().filter(|pack| moved != Some(pack.name)) {
            self.remove_pack(&folder, &pack.name)?;
            report.leftovers_removed += 1;
        }
        for path in orphans(&folder)? {
            self.tree().disk.remove_file(&path).at("remove", &path)?;
            report.leftovers_removed += 1;
        }
        self.sync(&folder)
    }

    /// The index goes first: an index without its pack would be looked into, a pack without its index is not.
    fn remove_pack(&self, folder: &Path, name: &Digest) -> Result<(), StoreError> {
        for path in [index_path(folder, name), pack_path(folder, name)] {
            temporary::remove(&*self.tree().disk, &path).at("remove", &path)?;
        }
        Ok(())
    }

    fn packs_size(&self) -> Result<u64, StoreError> {
        let folder = self.tree().packs_folder();
        let mut size = 0;
        for entry in fs::read_dir(&folder).at("read", &folder)? {
            let path = entry.at("read", &folder)?.path();
            size += fs::metadata(&path).at("read", &path)?.len();
        }
        Ok(size)
    }
}
