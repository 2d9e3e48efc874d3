//! All packs of a tree taken together: which object is there, and its bytes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use bytes::Bytes;

use super::error::{At, StoreError};
use super::index::{PackIndex, Record};
use super::map::map_file;
use crate::types::Digest;

/// The packs of a tree at the moment of opening. Indexes are mapped at once, packs when an object of theirs is read.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    packs: Vec<Pack>,
    /// Every object of every pack, sorted by the first eight bytes of its digest.
    slots: Vec<Slot>,
    /// Where in the slots the digests begin that start with each value of the leading bits, so that a look-up touches
    /// a few neighbours only.
    starts: Vec<usize>,
    unusable: Vec<UnusablePack>,
}

/// A pack whose index is sound and whose length is right.
#[derive(Debug)]
pub(super) struct Pack {
    pub(super) name: Digest,
    pub(super) path: PathBuf,
    pub(super) index: PackIndex,
    bytes: OnceLock<Bytes>,
}

/// An index whose pack cannot be used; its objects count as absent.
#[derive(Debug)]
pub(super) struct UnusablePack {
    pub(super) name: Digest,
    pub(super) fault: PackFault,
}

/// Why a pack cannot be used.
#[derive(Debug)]
pub(super) enum PackFault {
    /// There is an index and no pack: a power cut between the two renames.
    NoPack,
    /// The pack is not as long as its index says.
    Length { expected: u64, found: u64 },
    /// The index is not sound.
    Index(String),
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    prefix: u64,
    pack: u32,
    record: u32,
}

impl Catalogue {
    /// Reads the indexes in the folder. Files that vanish meanwhile are passed over: collection removes packs only
    /// after their live objects lie elsewhere, so who misses one opens the catalogue again.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder).at("read", folder)? {
            let name = entry.at("read", folder)?.file_name();
            if let Some(digest) = name.to_str().and_then(|name| name.strip_suffix(".idx")).map(Digest::parse) {
                names.extend(digest.ok());
            }
        }
        names.sort_unstable();
        let mut catalogue = Self::default();
        for name in names {
            catalogue.open_pack(folder, name)?;
        }
        catalogue.fill_slots();
        Ok(catalogue)
    }

    fn open_pack(&mut self, folder: &Path, name: Digest) -> Result<(), StoreError> {
        let index_path = index_path(folder, &name);
        let bytes = match map_file(&index_path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.at("read", &index_path)?,
        };
        let index = match PackIndex::parse(bytes, &name) {
            Ok(index) => index,
            Err(reason) => {
                self.unusable.push(UnusablePack { name, fault: PackFault::Index(reason) });
                return Ok(());
            }
        };
        let path = pack_path(folder, &name);
        let fault = match fs::metadata(&path) {
            Ok(metadata) if metadata.len() == index.pack_length() => {
                self.packs.push(Pack { name, path, index, bytes: OnceLock::new() });
                return Ok(());
            }
            Ok(metadata) => PackFault::Length { expected: index.pack_length(), found: metadata.len() },
            Err(error) if error.kind() == io::ErrorKind::NotFound => PackFault::NoPack,
            Err(error) => return Err(error).at("read", &path),
        };
        self.unusable.push(UnusablePack { name, fault });
        Ok(())
    }

    fn fill_slots(&mut self) {
        self.slots.reserve_exact(self.packs.iter().map(|pack| pack.index.len()).sum());
        for (number, pack) in self.packs.iter().enumerate() {
            for (position, record) in pack.index.records().enumerate() {
                // Neither cast cuts: a pack has at most u32::MAX records (checked when parsed), and four billion packs
                // do not fit into a folder.
                let slot = Slot { prefix: prefix(&record.digest), pack: number as u32, record: position as u32 };
                self.slots.push(slot);
            }
        }
        // The stable sort merges the runs that are sorted already, one per pack.
        self.slots.sort_by_key(|slot| slot.prefix);
        let mut filled = 0;
        self.starts = (0..1 << leading_bits(self.slots.len()))
            .map(|value| {
                let rest = &self.slots[filled..];
                filled += rest.iter().take_while(|slot| self.leading(slot.prefix) < value).count();
                filled
            })
            .collect();
        self.starts.push(self.slots.len());
    }

    /// The leading bits of a digest that begins like that, as an index into the starts.
    fn leading(&self, prefix: u64) -> usize {
        // With no bits at all the shift would be by the whole width, which means zero here. Few bits fit into any usize.
        prefix.checked_shr(u64::BITS - leading_bits(self.slots.len())).unwrap_or(0) as usize
    }

    /// Whether a usable pack holds the object.
    pub(super) fn contains(&self, digest: &Digest) -> bool {
        self.locate(digest).is_some()
    }

    /// The number of the pack that holds the object, and the position of its record there. When several packs hold it,
    /// always the same one.
    pub(super) fn locate(&self, digest: &Digest) -> Option<(usize, usize)> {
        let wanted = prefix(digest);
        let leading = self.leading(wanted);
        let (start, end) = (*self.starts.get(leading)?, *self.starts.get(leading + 1)?);
        let near = &self.slots[start..end];
        let first = near.partition_point(|slot| slot.prefix < wanted);
        near[first..].iter().take_while(|slot| slot.prefix == wanted).find_map(|slot| {
            let (pack, position) = (slot.pack as usize, slot.record as usize);
            (self.packs[pack].index.record(position).digest == *digest).then_some((pack, position))
        })
    }

    /// The usable packs, sorted by name.
    pub(super) fn packs(&self) -> &[Pack] {
        &self.packs
    }

    /// The packs that cannot be used.
    pub(super) fn unusable(&self) -> &[UnusablePack] {
        &self.unusable
    }

    /// The bytes of an object, `None` when no usable pack holds it. Maps the pack when it is not mapped yet.
    pub(super) fn read(&self, digest: &Digest) -> Result<Option<Bytes>, StoreError> {
        let Some((pack, position)) = self.locate(digest) else { return Ok(None) };
        let pack = &self.packs[pack];
        pack.read(&pack.index.record(position)).map(Some)
    }
}

impl Pack {
    /// The bytes of the pack, mapped.
    pub(super) fn bytes(&self) -> Result<&Bytes, StoreError> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(bytes);
        }
        let bytes = map_file(&self.path).at("read", &self.path)?;
        if bytes.len() as u64 != self.index.pack_length() {
            return Err(io::Error::other("its length is not what its index says")).at("read", &self.path);
        }
        Ok(self.bytes.get_or_init(|| bytes))
    }

    /// The bytes of an object of this pack.
    pub(super) fn read(&self, record: &Record) -> Result<Bytes, StoreError> {
        // Neither cast cuts: the record lies within the pack (checked when the index was parsed), and the pack is mapped.
        let start = record.offset as usize;
        Ok(self.bytes()?.slice(start..start + record.length as usize))
    }
}

/// How many leading bits tell apart about as many groups of digests as there are digests, eight to a group.
fn leading_bits(objects: usize) -> u32 {
    objects.checked_ilog2().unwrap_or(0).saturating_sub(3)
}

fn prefix(digest: &Digest) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&digest.as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}

/// The path of a pack.
pub(super) fn pack_path(folder: &Path, name: &Digest) -> PathBuf {
    folder.join(format!("{name}.pack"))
}

/// The path of the index of a pack.
pub(super) fn index_path(folder: &Path, name: &Digest) -> PathBuf {
    folder.join(format!("{name}.idx"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::index;

    #[test]
    fn every_object_of_every_pack_is_found_and_no_other() {
        for (packs, objects) in [(0u64, 0u64), (1, 0), (1, 1), (1, 7), (1, 8), (2, 8), (3, 1000)] {
            let folder = tempfile::tempdir().unwrap();
            let object = |pack: u64, number: u64| format!("{number} of {pack}").into_bytes();
            for pack in 0..packs {
                let (mut bytes, mut records) = (pack.to_le_bytes().to_vec(), Vec::new());
                for number in 0..objects {
                    let object = object(pack, number);
                    let (offset, length) = (bytes.len() as u64, object.len() as u64);
                    records.push(Record { digest: Digest::of(&object), offset, length });
                    bytes.extend(object);
                }
                let name = Digest::of(&bytes);
                fs::write(pack_path(folder.path(), &name), &bytes).unwrap();
                let index = index::encode(&name, bytes.len() as u64, &mut records);
                fs::write(index_path(folder.path(), &name), index).unwrap();
            }
            let catalogue = Catalogue::open(folder.path()).unwrap();
            for (pack, number) in (0..packs).flat_map(|pack| (0..objects).map(move |number| (pack, number))) {
                let bytes = object(pack, number);
                assert_eq!(catalogue.read(&Digest::of(&bytes)).unwrap().unwrap(), bytes);
            }
            assert!((0..1000).all(|number| !catalogue.contains(&Digest::of(&object(packs, number)))));
        }
    }
}
