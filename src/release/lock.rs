//! The right to change a tree: one process at a time has it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::catalogue::Catalogue;
use super::disk::{FILE_MODE, write_durably};
use super::draft::check_objects;
use super::error::{At, StoreError};
use super::publish::ReleaseWriter;
use super::switches::{Switch, SwitchAction, Switches};
use super::temporary::{self, Temporary};
use super::tree::{Tree, ids_in};
use crate::types::ReleaseId;

/// How often the lock is tried while nobody says to have it, and how long to wait in between.
const ATTEMPTS: usize = 10;
const PAUSE: Duration = Duration::from_millis(10);

/// The lock of a tree. While it lives no other process, and nobody else in this one, can change the tree; dropping it
/// gives the tree free, and so does the death of the process.
#[derive(Debug)]
pub struct TreeLock {
    tree: Tree,
    file: File,
    leftovers_removed: usize,
}

/// What a switch of `current` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Switched {
    /// The release that is current now.
    pub release: ReleaseId,
    /// The release that was current before; the same one when nothing had to be done.
    pub previous: Option<ReleaseId>,
}

impl Tree {
    /// Takes the lock, without waiting, and removes what writers that died left under temporary names.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when another process, or another part of this one, has it; else when the tree cannot be
    /// written.
    pub fn lock(&self) -> Result<TreeLock, StoreError> {
        let path = self.path.join("lock");
        let mut file =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).at("open", &path)?;
        let mut attempt = 1;
        while let Err(error) = file.try_lock() {
            let TryLockError::WouldBlock = error else { return Err(std::io::Error::from(error)).at("lock", &path) };
            let pid = who(&mut file);
            // Whoever just got it has not said so yet, or whoever had it is about to go.
            if pid.is_some() || attempt == ATTEMPTS {
                return Err(StoreError::Busy { path: self.path.to_path_buf(), pid });
            }
            attempt += 1;
            thread::sleep(PAUSE);
        }
        // The lock is what counts; on a full disk it is held without saying by whom.
        let _ = say_who(&mut file);
        let mut lock = TreeLock { tree: self.clone(), file, leftovers_removed: 0 };
        lock.remove_leftovers()?;
        Ok(lock)
    }
}

fn say_who(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn who(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

impl Drop for TreeLock {
    fn drop(&mut self) {
        // The number must not mislead whoever reads it. Closing the file would not be enough to give the lock free: a
        // process that another thread is starting has the file open as well until it runs its program.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

impl TreeLock {
    /// The tree.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// How many temporary files and folders of dead writers taking the lock removed.
    #[must_use]
    pub fn leftovers_removed(&self) -> usize {
        self.leftovers_removed
    }

    fn remove_leftovers(&mut self) -> Result<(), StoreError> {
        for folder in [self.tree.path.to_path_buf(), self.tree.packs_folder(), self.tree.releases_folder()] {
            let leftovers = temporary::leftovers(&folder)?;
            if !leftovers.is_empty() {
                // Some may be releases that a collection was about to remove: first their names must be gone for good.
                self.sync(&folder)?;
            }
            for path in leftovers {
                temporary::remove(&*self.tree.disk, &path).at("remove", &path)?;
                self.leftovers_removed += 1;
            }
        }
        Ok(())
    }

    /// Begins a new release.
    ///
    /// # Errors
    /// When the packs are not readable.
    pub fn begin(&mut self) -> Result<ReleaseWriter<'_>, StoreError> {
        let catalogue = Catalogue::open(&self.tree.packs_folder())?;
        Ok(ReleaseWriter::new(self, catalogue))
    }

    /// Makes another release current: the given one, or the one that was current before the current one was published.
    ///
    /// # Errors
    /// When there is no such release, it is not whole, or no id is given and there is nothing to go back to.
    pub fn rollback(&mut self, target: Option<ReleaseId>, time: Timestamp) -> Result<Switched, StoreError> {
        let release = match target {
            Some(release) => release,
            None => self.previous()?,
        };
        let manifest = self.tree.manifest(release)?;
        let catalogue = Catalogue::open(&self.tree.packs_folder())?;
        check_objects(&manifest, |digest| catalogue.contains(digest))?;
        self.switch(release, SwitchAction::Rollback, time, false)
    }

    fn previous(&self) -> Result<ReleaseId, StoreError> {
        let Some(current) = self.tree.current()? else {
            return Err(StoreError::NoCurrent { path: self.tree.path.to_path_buf() });
        };
        let because = |reason: String| StoreError::NoPrevious { current, reason };
        let switches = Switches::read(&self.tree.switches_path())?;
        let (_, publish) = switches
            .last_publish(current)
            .ok_or_else(|| because("the log of switches does not say what was current before it".to_owned()))?;
        let previous = publish.previous.ok_or_else(|| because("it was the first release of the tree".to_owned()))?;
        if !self.tree.release_folder(previous).exists() {
            return Err(because(format!("the release before it, {}, was removed", previous.short())));
        }
        Ok(previous)
    }

    /// Keeps a release from being collected. Says whether that is new.
    ///
    /// # Errors
    /// When there is no such release, or the tree cannot be written.
    pub fn pin(&mut self, release: ReleaseId) -> Result<bool, StoreError> {
        if !self.tree.release_folder(release).exists() {
            return Err(StoreError::UnknownRelease { id: release.to_string(), path: self.tree.path.to_path_buf() });
        }
        let folder = self.tree.pins_folder();
        let pin = folder.join(release.to_string());
        let new = !pin.exists();
        if new {
            write_durably(&*self.tree.disk, &pin, FILE_MODE, b"").at("create", &pin)?;
        }
        self.sync(&folder)?;
        Ok(new)
    }

    /// Lets a release be collected again. Says whether it was pinned.
    ///
    /// # Errors
    /// When the tree cannot be written.
    pub fn unpin(&mut self, release: ReleaseId) -> Result<bool, StoreError> {
        let folder = self.tree.pins_folder();
        let pinned = ids_in(&folder)?.binary_search(&release).is_ok();
        if pinned {
            let pin = folder.join(release.to_string());
            self.tree.disk.remove_file(&pin).at("remove", &pin)?;
        }
        self.sync(&folder)?;
        Ok(pinned)
    }

    /// Makes a release current that is in the tree and whole: a line in the log, then the link, all durable.
    pub(super) fn switch(
        &mut self,
        release: ReleaseId,
        action: SwitchAction,
        time: Timestamp,
        accepted_drop: bool,
    ) -> Result<Switched, StoreError> {
        // A writer that died may have named the release without making the name durable. That of its packs is: they come
        // before it.
        self.sync(&self.tree.releases_folder())?;
        let previous = match self.tree.current() {
            Err(StoreError::CurrentUnreadable { .. }) => None,
            other => other?,
        };
        if previous != Some(release) {
            let line = Switch { time, action, release, previous, accepted_drop };
            Switches::append(&*self.tree.disk, &self.tree.switches_path(), &line)?;
            let link = Temporary::new(&self.tree.disk, &self.tree.path);
            let target = format!("releases/{release}");
            self.tree.disk.create_link(Path::new(&target), link.path()).at("create", link.path())?;
            link.rename_to(&self.tree.current_path())?;
        }
        self.sync(&self.tree.path)?;
        Ok(Switched { release, previous })
    }

    pub(super) fn sync(&self, folder: &Path) -> Result<(), StoreError> {
        self.tree.disk.sync_folder(folder).at("sync", folder)
    }
}
