//! Disks that stop, fail or write down what is done to them.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use mds::release::{Disk, DiskFile, RealDisk};

/// What happens at an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process is killed before it, or in the middle of it when it is a write.
    Kill,
    /// It fails once with this error number; a write has written half.
    Once(i32),
    /// From it on, whatever needs room fails, as on a full disk.
    Full,
    /// From it on, everything fails: the process is as good as dead.
    Halt,
}

/// One operation that was carried out. Files are known by number: they keep it when they are renamed.
#[derive(Clone, Debug)]
pub enum Op {
    CreateFolder(PathBuf),
    CreateFile(PathBuf, usize),
    CreateLink(PathBuf, PathBuf),
    Write(usize, Vec<u8>),
    Truncate(usize, u64),
    SyncFile(usize),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncFolder(PathBuf),
    /// Not an operation: the test came to this step.
    Step(usize),
}

#[derive(Debug, Default)]
struct State {
    count: usize,
    fault: Option<(usize, Fault)>,
    log: Vec<Op>,
    files: HashMap<PathBuf, usize>,
    next_file: usize,
}

/// A disk for tests. It syncs nothing, which makes it quick; what a sync is good for is tested by the log.
#[derive(Clone, Debug, Default)]
pub struct TestDisk(Arc<Mutex<State>>);

enum Verdict {
    Go,
    Fail(io::Error),
    Half(io::Error),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Grow,
    Write,
    Other,
}

impl TestDisk {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// A disk with the fault at its n-th operation, counted from 1.
    pub fn with_fault(at: usize, fault: Fault) -> Arc<Self> {
        let disk = Self::default();
        disk.set_fault(Some((at, fault)));
        Arc::new(disk)
    }

    pub fn set_fault(&self, fault: Option<(usize, Fault)>) {
        let mut state = self.0.lock().unwrap();
        state.count = 0;
        state.fault = fault;
    }

    /// Whether the operation with the fault was reached.
    pub fn was_reached(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.fault.is_some_and(|(at, _)| state.count >= at)
    }

    pub fn step(&self, step: usize) {
        self.0.lock().unwrap().log.push(Op::Step(step));
    }

    pub fn log(&self) -> Vec<Op> {
        self.0.lock().unwrap().log.clone()
    }

    fn verdict(&self, kind: Kind) -> Verdict {
        let mut state = self.0.lock().unwrap();
        state.count += 1;
        let Some((at, fault)) = state.fault else { return Verdict::Go };
        let (hit, past) = (state.count == at, state.count >= at);
        let errno = match fault {
            Fault::Kill if hit && kind != Kind::Write => kill(),
            Fault::Kill if hit => 0,
            Fault::Once(errno) if hit => errno,
            Fault::Full if past && kind != Kind::Other => 28,
            Fault::Halt if past => 5,
            _ => return Verdict::Go,
        };
        let error = io::Error::from_raw_os_error(errno);
        if kind == Kind::Write && (hit || fault == Fault::Full) { Verdict::Half(error) } else { Verdict::Fail(error) }
    }

    fn gate(&self, kind: Kind) -> io::Result<()> {
        match self.verdict(kind) {
            Verdict::Go => Ok(()),
            Verdict::Fail(error) | Verdict::Half(error) => Err(error),
        }
    }

    fn note(&self, op: Op) -> io::Result<()> {
        self.0.lock().unwrap().log.push(op);
        Ok(())
    }

    fn open(&self, path: &Path, file: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        let mut state = self.0.lock().unwrap();
        let number = match state.files.get(path) {
            Some(number) => *number,
            None => {
                state.next_file += 1;
                let number = state.next_file;
                state.files.insert(path.to_owned(), number);
                state.log.push(Op::CreateFile(path.to_owned(), number));
                number
            }
        };
        Box::new(TestFile { disk: self.clone(), number, file })
    }
}

fn kill() -> i32 {
    let this = rustix::process::getpid();
    rustix::process::kill_process(this, rustix::process::Signal::KILL).unwrap();
    unreachable!("killed");
}

impl Disk for TestDisk {
    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.gate(Kind::Grow)?;
        RealDisk.create_folder(path)?;
        self.note(Op::CreateFolder(path.to_owned()))
    }

    fn create_file(&self, path: &Path, mode: u32) -> io::Result<Box<dyn DiskFile>> {
        self.gate(Kind::Grow)?;
        let file = RealDisk.create_file(path, mode)?;
        self.0.lock().unwrap().files.remove(path);
        Ok(self.open(path, file))
    }

    fn append_to_file(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.gate(Kind::Other)?;
        let file = RealDisk.append_to_file(path)?;
        Ok(self.open(path, file))
    }

    fn create_link(&self, target: &Path, link: &Path) -> io::Result<()> {
        self.gate(Kind::Grow)?;
        RealDisk.create_link(target, link)?;
        self.note(Op::CreateLink(target.to_owned(), link.to_owned()))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.gate(Kind::Other)?;
        RealDisk.rename(from, to)?;
        let mut state = self.0.lock().unwrap();
        if let Some(number) = state.files.remove(from) {
            state.files.insert(to.to_owned(), number);
        }
        state.log.push(Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.gate(Kind::Other)?;
        RealDisk.remove_file(path)?;
        self.0.lock().unwrap().files.remove(path);
        self.note(Op::Remove(path.to_owned()))
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.gate(Kind::Other)?;
        RealDisk.remove_folder(path)?;
        self.note(Op::Remove(path.to_owned()))
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.gate(Kind::Other)?;
        fs::read_dir(path)?;
        self.note(Op::SyncFolder(path.to_owned()))
    }
}

#[derive(Debug)]
struct TestFile {
    disk: TestDisk,
    number: usize,
    file: Box<dyn DiskFile>,
}

impl DiskFile for TestFile {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (bytes, result) = match self.disk.verdict(Kind::Write) {
            Verdict::Go => (bytes, Ok(())),
            Verdict::Fail(error) => return Err(error),
            Verdict::Half(error) => (&bytes[..bytes.len() / 2], Err(error)),
        };
        self.file.write_all(bytes)?;
        self.disk.note(Op::Write(self.number, bytes.to_owned()))?;
        if result.as_ref().is_err_and(|error| error.raw_os_error() == Some(0)) {
            kill();
        }
        result
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.disk.gate(Kind::Other)?;
        self.file.truncate(length)?;
        self.disk.note(Op::Truncate(self.number, length))
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.gate(Kind::Other)?;
        self.disk.note(Op::SyncFile(self.number))
    }
}
