//! What a power cut leaves: a model of a disk that keeps for certain only what was synced.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::disks::Op;

/// What becomes of that which was not synced.
#[derive(Clone, Copy, Debug)]
pub enum Loss {
    /// All of it is lost.
    All,
    /// None of it: only the process died.
    Nothing,
    /// Some of it, by chance: each name in a folder, and each file's bytes, by itself.
    Some(u64),
}

#[derive(Clone, Debug)]
enum Inode {
    File { durable: Vec<u8>, volatile: Vec<u8> },
    Link(PathBuf),
    Folder(Folder),
}

#[derive(Clone, Debug, Default)]
struct Folder {
    durable: BTreeMap<String, usize>,
    volatile: BTreeMap<String, usize>,
    changes: Vec<Change>,
}

/// A change of names that is carried out wholly or not at all.
#[derive(Clone, Debug)]
enum Change {
    Set(String, usize),
    Unset(String),
    Move(String, String, usize),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Set(name, inode) => drop(names.insert(name.clone(), *inode)),
            Self::Unset(name) => drop(names.remove(name)),
            Self::Move(from, to, inode) => {
                if names.get(from) == Some(inode) {
                    names.remove(from);
                }
                names.insert(to.clone(), *inode);
            }
        }
    }
}

/// The disk below a root folder that is there for certain.
#[derive(Debug)]
pub struct PowerModel {
    root: PathBuf,
    inodes: Vec<Inode>,
    files: HashMap<usize, usize>,
}

impl PowerModel {
    /// The state after the operations.
    pub fn after(root: &Path, log: &[Op]) -> Self {
        let mut model =
            Self { root: root.to_owned(), inodes: vec![Inode::Folder(Folder::default())], files: HashMap::new() };
        for op in log {
            model.apply(op);
        }
        model
    }

    fn apply(&mut self, op: &Op) {
        match op {
            Op::CreateFolder(path) => {
                let inode = self.add(Inode::Folder(Folder::default()));
                self.change(path, |name| Change::Set(name, inode));
            }
            Op::CreateFile(path, number) => {
                let inode = self.add(Inode::File { durable: vec![], volatile: vec![] });
                self.files.insert(*number, inode);
                self.change(path, |name| Change::Set(name, inode));
            }
            Op::CreateLink(target, path) => {
                let inode = self.add(Inode::Link(target.clone()));
                self.change(path, |name| Change::Set(name, inode));
            }
            Op::Rename(from, to) => {
                let inode = self.find(from);
                if from.parent() == to.parent() {
                    let from = file_name(from);
                    self.change(to, |to| Change::Move(from, to, inode));
                } else {
                    self.change(to, |name| Change::Set(name, inode));
                    self.change(from, Change::Unset);
                }
            }
            Op::Remove(path) => self.change(path, Change::Unset),
            Op::SyncFolder(path) => {
                // What lies above the root is not ours.
                if let Some(folder) = self.try_find(path) {
                    let folder = self.folder(folder);
                    folder.durable = folder.volatile.clone();
                    folder.changes.clear();
                }
            }
            Op::Write(number, bytes) => self.file(*number).1.extend_from_slice(bytes),
            Op::Truncate(number, length) => self.file(*number).1.truncate(usize::try_from(*length).unwrap()),
            Op::SyncFile(number) => {
                let (durable, volatile) = self.file(*number);
                *durable = volatile.clone();
            }
            Op::Step(_) => {}
        }
    }

    fn add(&mut self, inode: Inode) -> usize {
        self.inodes.push(inode);
        self.inodes.len() - 1
    }

    fn folder(&mut self, inode: usize) -> &mut Folder {
        let Inode::Folder(folder) = &mut self.inodes[inode] else { panic!("not a folder") };
        folder
    }

    fn file(&mut self, number: usize) -> (&mut Vec<u8>, &mut Vec<u8>) {
        let Inode::File { durable, volatile } = &mut self.inodes[self.files[&number]] else { panic!("not a file") };
        (durable, volatile)
    }

    fn try_find(&mut self, path: &Path) -> Option<usize> {
        let parts: Vec<String> =
            path.strip_prefix(&self.root).ok()?.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        Some(parts.iter().fold(0, |inode, part| self.folder(inode).volatile[part]))
    }

    fn find(&mut self, path: &Path) -> usize {
        self.try_find(path).unwrap()
    }

    fn change(&mut self, path: &Path, change: impl FnOnce(String) -> Change) {
        let parent = self.find(path.parent().unwrap());
        let change = change(file_name(path));
        let folder = self.folder(parent);
        change.apply(&mut folder.volatile);
        folder.changes.push(change);
    }

    /// Makes what is left after a power cut in a real folder.
    pub fn materialise(&self, loss: Loss, target: &Path) {
        let mut chance = Chance(match loss {
            Loss::Some(seed) => seed.wrapping_mul(2).wrapping_add(1),
            _ => 1,
        });
        self.materialise_folder(0, loss, &mut chance, target);
    }

    fn materialise_folder(&self, inode: usize, loss: Loss, chance: &mut Chance, target: &Path) {
        let Inode::Folder(folder) = &self.inodes[inode] else { panic!("not a folder") };
        let names = match loss {
            Loss::All => folder.durable.clone(),
            Loss::Nothing => folder.volatile.clone(),
            Loss::Some(_) => {
                let mut names = folder.durable.clone();
                folder.changes.iter().filter(|_| chance.below(2) == 0).for_each(|change| change.apply(&mut names));
                names
            }
        };
        for (name, inode) in names {
            let path = target.join(name);
            match &self.inodes[inode] {
                Inode::Folder(_) => {
                    fs::create_dir(&path).unwrap();
                    self.materialise_folder(inode, loss, chance, &path);
                }
                Inode::Link(target) => std::os::unix::fs::symlink(target, &path).unwrap(),
                Inode::File { durable, volatile } => {
                    fs::write(&path, left_of(durable, volatile, loss, chance)).unwrap()
                }
            }
        }
    }
}

/// The bytes that are left of a file.
fn left_of(durable: &[u8], volatile: &[u8], loss: Loss, chance: &mut Chance) -> Vec<u8> {
    match loss {
        Loss::All => durable.to_vec(),
        Loss::Nothing => volatile.to_vec(),
        Loss::Some(_) if durable == volatile => durable.to_vec(),
        Loss::Some(_) => match chance.below(3) {
            0 => durable.to_vec(),
            1 => volatile[..chance.below(volatile.len() + 1)].to_vec(),
            // The length was written down, the bytes were not.
            _ => {
                let mut bytes = volatile.to_vec();
                let kept = bytes.iter().zip(durable).take_while(|(left, right)| left == right).count();
                bytes[kept..].fill(0);
                bytes
            }
        },
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// Chance that comes out the same every time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}
