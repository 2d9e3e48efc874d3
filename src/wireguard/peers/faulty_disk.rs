//! A disk that fails when a test says so.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::release::{Disk, DiskFile, RealDisk};

/// A disk whose writes, syncs or renames fail while a switch is on.
#[derive(Debug, Default)]
pub(in crate::wireguard) struct Faulty {
    pub(in crate::wireguard) write: Arc<AtomicBool>,
    pub(in crate::wireguard) sync: Arc<AtomicBool>,
    pub(in crate::wireguard) rename: AtomicBool,
}

#[derive(Debug)]
struct FaultyFile(Box<dyn DiskFile>, Arc<AtomicBool>, Arc<AtomicBool>);

fn fails(switch: &AtomicBool) -> io::Result<()> {
    if switch.load(Ordering::SeqCst) { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
}

impl DiskFile for FaultyFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = fails(&self.1) {
            self.0.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        self.0.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.0.truncate(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        fails(&self.2)?;
        self.0.sync()
    }
}

impl Disk for Faulty {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_folder(path)
    }

    fn create_file(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        let file = RealDisk.create_file(path, mode)?;
        Ok(Box::new(FaultyFile(file, Arc::clone(&self.write), Arc::clone(&self.sync))))
    }

    fn append_to_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.append_to_file(path)
    }

    fn create_link(&self, target: &Path, link: &Path) -> io::Result<()> {
        RealDisk.create_link(target, link)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fails(&self.rename)?;
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        RealDisk.sync_folder(path)
    }
}
