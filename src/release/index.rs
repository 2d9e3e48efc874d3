//! The index of a pack: which object lies where. Fixed-width and sorted, so it is read where it is mapped.
//!
//! ```text
//! 64 bytes   header: magic 8, format u32, record length u32, count u64, pack length u64, pack digest 32
//! 48 bytes   per object, sorted by digest: digest 32, offset u64, length u64
//! 32 bytes   BLAKE3 of everything before
//! ```
//! Numbers are little-endian.

use bytes::Bytes;

use crate::types::Digest;

const MAGIC: &[u8; 8] = b"mds-idx\n";
const FORMAT: u32 = 1;
const HEADER_LENGTH: usize = 64;
const RECORD_LENGTH: usize = 48;

/// Where an object lies in its pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Record {
    pub(super) digest: Digest,
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// The index of one pack, checked.
#[derive(Debug)]
pub(super) struct PackIndex {
    bytes: Bytes,
    count: usize,
    pack_length: u64,
}

/// Makes the bytes of an index. Sorts the records.
pub(super) fn encode(pack: &Digest, pack_length: u64, records: &mut [Record]) -> Vec<u8> {
    records.sort_unstable();
    let mut bytes = Vec::with_capacity(HEADER_LENGTH + records.len() * RECORD_LENGTH + Digest::LENGTH);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&FORMAT.to_le_bytes());
    bytes.extend_from_slice(&(RECORD_LENGTH as u32).to_le_bytes());
    bytes.extend_from_slice(&(records.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&pack_length.to_le_bytes());
    bytes.extend_from_slice(pack.as_bytes());
    for record in records {
        bytes.extend_from_slice(record.digest.as_bytes());
        bytes.extend_from_slice(&record.offset.to_le_bytes());
        bytes.extend_from_slice(&record.length.to_le_bytes());
    }
    let check = Digest::of(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    bytes
}

impl PackIndex {
    /// Checks the bytes of an index of that pack: whole, unaltered, sorted, and every object within the pack.
    pub(super) fn parse(bytes: Bytes, pack: &Digest) -> Result<Self, String> {
        let body_length = bytes.len().checked_sub(Digest::LENGTH).ok_or("it is too short")?;
        if body_length < HEADER_LENGTH || &bytes[..8] != MAGIC {
            return Err("it is not an index of a pack".to_owned());
        }
        let format = u32_at(&bytes, 8);
        if format > FORMAT {
            return Err(format!("it has format {format}, and this mds knows formats up to {FORMAT}"));
        }
        if Digest::of(&bytes[..body_length]) != digest_at(&bytes, body_length) {
            return Err("its bytes were altered".to_owned());
        }
        let count = u64_at(&bytes, 16);
        let whole = (body_length - HEADER_LENGTH) / RECORD_LENGTH;
        let exact = HEADER_LENGTH + whole * RECORD_LENGTH == body_length;
        if !exact
            || u32_at(&bytes, 12) != RECORD_LENGTH as u32
            || count != whole as u64
            || u32::try_from(count).is_err()
        {
            return Err("its length does not fit what it says it holds".to_owned());
        }
        if digest_at(&bytes, 32) != *pack {
            return Err("it belongs to another pack".to_owned());
        }
        let index = Self { count: whole, pack_length: u64_at(&bytes, 24), bytes };
        index.check_records()?;
        Ok(index)
    }

    fn check_records(&self) -> Result<(), String> {
        let mut before: Option<Digest> = None;
        for record in self.records() {
            let end = record.offset.checked_add(record.length);
            if end.is_none_or(|end| end > self.pack_length) {
                return Err(format!("object {} lies outside the pack", record.digest));
            }
            if before.is_some_and(|before| before >= record.digest) {
                return Err("its objects are not sorted".to_owned());
            }
            before = Some(record.digest);
        }
        Ok(())
    }

    /// How many objects the pack holds.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// How long the pack is.
    pub(super) fn pack_length(&self) -> u64 {
        self.pack_length
    }

    /// The record at the position, which must be less than [`PackIndex::len`].
    pub(super) fn record(&self, position: usize) -> Record {
        let start = HEADER_LENGTH + position * RECORD_LENGTH;
        Record {
            digest: digest_at(&self.bytes, start),
            offset: u64_at(&self.bytes, start + 32),
            length: u64_at(&self.bytes, start + 40),
        }
    }

    /// All records, sorted by digest.
    pub(super) fn records(&self) -> impl Iterator<Item = Record> + '_ {
        (0..self.count).map(|position| self.record(position))
    }
}

fn array_at<const N: usize>(bytes: &[u8], start: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[start..start + N]);
    array
}

fn u32_at(bytes: &[u8], start: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, start))
}

fn u64_at(bytes: &[u8], start: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, start))
}

fn digest_at(bytes: &[u8], start: usize) -> Digest {
    Digest::from_bytes(array_at(bytes, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> (Digest, Vec<u8>) {
        let pack = Digest::of(b"pack");
        let mut records: Vec<Record> = (0..9u64)
            .map(|number| Record { digest: Digest::of(&number.to_le_bytes()), offset: number * 10, length: 10 })
            .collect();
        (pack, encode(&pack, 90, &mut records))
    }

    #[test]
    fn every_object_is_in_it_with_its_place() {
        let (pack, bytes) = sample();
        let index = PackIndex::parse(bytes.into(), &pack).unwrap();
        assert_eq!((index.len(), index.pack_length()), (9, 90));
        for number in 0..9u64 {
            let record = index.records().find(|record| record.digest == Digest::of(&number.to_le_bytes()));
            assert_eq!(record.map(|record| (record.offset, record.length)), Some((number * 10, 10)));
        }
    }

    #[test]
    fn any_flipped_byte_and_any_cut_is_noticed() {
        let (pack, bytes) = sample();
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1;
            assert!(PackIndex::parse(flipped.into(), &pack).is_err(), "byte {position}");
            assert!(PackIndex::parse(bytes[..position].to_vec().into(), &pack).is_err(), "cut at {position}");
        }
    }

    #[test]
    fn an_index_of_another_pack_or_a_newer_format_is_refused() {
        let (_, bytes) = sample();
        assert!(PackIndex::parse(bytes.clone().into(), &Digest::of(b"other")).unwrap_err().contains("another pack"));
        let mut newer = bytes;
        newer[8] = 7;
        assert!(PackIndex::parse(newer.into(), &Digest::of(b"pack")).unwrap_err().contains("format 7"));
    }

    #[test]
    fn objects_outside_the_pack_or_out_of_order_are_refused() {
        let pack = Digest::of(b"pack");
        let mut outside = [Record { digest: Digest::of(b"a"), offset: u64::MAX, length: 2 }];
        assert!(PackIndex::parse(encode(&pack, 10, &mut outside).into(), &pack).is_err());
        let one = Record { digest: Digest::of(b"a"), offset: 0, length: 1 };
        assert!(PackIndex::parse(encode(&pack, 10, &mut [one, one]).into(), &pack).is_err());
    }
}
