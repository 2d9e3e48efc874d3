//! That no answer of SMD makes mds panic, hang or take more memory than it may: the property of the fuzz target in
//! `tests/fuzz`, tried on its seeds and on broken copies of them, and answers that never end.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "fuzz/bodies.rs"]
mod bodies;

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bodies::SEPARATOR;
use mds::inventory::smd::{join, read_components, read_interfaces, read_memberships};

/// So many broken copies are made of each seed.
const COPIES: usize = 400;

/// One test at a time, for they share the memory that is measured.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seeds() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds/smd_bodies");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut seeds: Vec<_> =
        entries.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap())).collect();
    seeds.sort();
    seeds
}

/// A number of this process's status, in MiB.
fn memory(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|text| text.strip_prefix(line)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

/// What the work gives, and by how many MiB memory grew at its peak.
fn measured<T>(work: impl FnOnce() -> T) -> (T, u64) {
    // Lets the peak begin again from what is in use now.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = memory("VmHWM:");
    let result = work();
    (result, memory("VmHWM:") - before)
}

/// Bytes that look like chance and are the same every time.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// What a network, a broken service or an enemy may make of an answer.
fn broken(seeds: &[(String, Vec<u8>)], seed: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=chance.below(3) {
        let (place, length) = (chance.below(bytes.len() + 1), 1 + chance.below(60));
        let end = bytes.len().min(place + length);
        match chance.below(9) {
            0 if place < bytes.len() => bytes[place] ^= 1 << chance.below(8),
            1 => bytes.truncate(place),
            2 => {
                let copy = bytes[place..end].repeat(1 + chance.below(200));
                bytes.splice(place..place, copy);
            }
            3 => drop(bytes.drain(place..end)),
            4 => {
                let other = &seeds[chance.below(seeds.len())].1;
                let from = chance.below(other.len());
                bytes.splice(place..end, other[from..].iter().copied().take(length));
            }
            5 => {
                let number = chance.one_of(&["-0", "1e999", "18446744073709551616", "-9223372036854775809", "0.1e-9"]);
                // In the place of a number, if there is one.
                let digit = bytes.iter().skip(place).position(u8::is_ascii_digit).map_or(place, |at| place + at);
                bytes.splice(digit..digit.saturating_add(1).min(bytes.len()), number.bytes());
            }
            6 => {
                let (open, close) = chance.one_of(&[("[", "]"), ("{\"a\":", "}"), ("[", "")]);
                let depth = chance.one_of(&[3, 127, 128, 200, 50_000]);
                bytes.splice(place..place, (open.repeat(depth) + &close.repeat(depth)).into_bytes());
            }
            7 => {
                let token =
                    chance.one_of(&["null", "[]", "{}", "\"\"", ",", "\"\\ud800\"", "\u{feff}", "\"ID\":", "{},"]);
                bytes.splice(place..end, token.bytes());
            }
            _ => bytes.splice(place..place, [chance.one_of(&[SEPARATOR, 0, 0xff, b'\\', b'"', b' '])]).for_each(drop),
        }
    }
    bytes
}

#[test]
fn seeds_are_what_they_should_be() {
    let _turn = turn();
    for (name, seed) in seeds() {
        let is_inventory = !["html", "other-shapes"].contains(&name.as_str());
        assert_eq!(bodies::check(&seed), is_inventory, "{name}");
    }
}

#[test]
fn broken_answers_are_refused_or_used_and_nothing_else() {
    let _turn = turn();
    let (seeds, mut chance) = (seeds(), Chance(0x6d64_7300));
    let (mut tried, mut used) = (0, 0);
    let ((), grown) = measured(|| {
        for (_, seed) in &seeds {
            for _ in 0..COPIES {
                tried += 1;
                used += usize::from(bodies::check(&broken(&seeds, seed, &mut chance)));
            }
        }
    });
    assert!(used > tried / 20 && used < tried * 19 / 20, "{used} of {tried} were used, which tries too little");
    assert!(grown < 64, "{grown} MiB");
}

/// The beginning, and then one piece again and again.
struct Endless {
    bytes: Vec<u8>,
    /// Where the piece begins.
    from: usize,
    position: usize,
    read: u64,
}

impl Endless {
    fn new(beginning: &str, piece: &str) -> Self {
        // Many pieces in one, so that a debug build hands them out fast.
        let pieces = piece.repeat(1 + 65_536 / piece.len());
        Self { bytes: format!("{beginning}{pieces}").into_bytes(), from: beginning.len(), position: 0, read: 0 }
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.bytes.len() {
            self.position = self.from;
        }
        let count = (&self.bytes[self.position..]).read(buffer)?;
        self.position += count;
        self.read += count as u64;
        Ok(count)
    }
}

/// Whether a reader refuses what it is given.
type Refuses = fn(&mut Endless) -> bool;

const READERS: [Refuses; 3] = [
    |endless| read_components(endless).is_err(),
    |endless| read_interfaces(endless).is_err(),
    |endless| read_memberships(endless).is_err(),
];

/// The beginning and the piece end in an error for each reader: how many bytes were read, and by how many MiB memory
/// grew.
fn ends(readers: &[Refuses], beginning: &str, piece: &str) -> (u64, u64) {
    let mut most = (0, 0);
    for reader in readers {
        let mut endless = Endless::new(beginning, piece);
        let (is_error, grown) = measured(|| reader(&mut endless));
        assert!(is_error, "{beginning} {piece:.40}");
        most = (most.0.max(endless.read), most.1.max(grown));
    }
    most
}

#[test]
fn what_is_endless_between_two_elements_ends_after_a_mebibyte() {
    let _turn = turn();
    for (beginning, piece) in [
        ("", " "),
        ("", "\n"),
        ("[", " "),
        ("[{}", " "),
        ("[{},", "\t"),
        ("[]", " "),
        ("{", " "),
        ("{\"Components\":[{}]", "\r\n"),
        ("{\"", "k"),
        ("{\"Components", "k"),
        ("{", "\"a\":1,"),
        ("{\"a\":\"", "v"),
        ("{\"a\":", "["),
        ("{\"a\":", "{\"a\":"),
        ("{\"a\":[", "1,"),
        ("{\"Components\":[{}],\"a\":[", "1,"),
        ("", "["),
        ("[", "["),
        ("[{\"a\":", "["),
        ("[{\"a\":", "{\"a\":"),
        ("[{\"a\":\"", "\\u0061"),
        ("[{\"", "\\n"),
        ("[{", "\"a\":{},"),
        ("[{\"ID\":\"", "x"),
        ("[{\"id\":\"", "\\\\"),
        ("[{\"Description\":\"", "x"),
        ("[{\"NID\":", "1"),
        ("[{\"NID\":0.", "0"),
        ("[{\"NID\":1e", "0"),
        ("[{\"a\":-", "1"),
        ("[{\"IPAddresses\":[", "{},"),
        ("[{\"IPAddresses\":[{},{\"IPAddress\":\"", "1"),
        ("[{\"groupLabels\":[", "\"\","),
        ("[{\"groupLabels\":[", "\"a\","),
        ("[{\"groupLabels\":[", " "),
    ] {
        let (read, grown) = ends(&READERS, beginning, piece);
        // A buffer may have been filled before.
        assert!(read <= (1 << 20) + (64 << 10), "{beginning}{piece}…: {read} bytes");
        assert!(grown <= 64, "{beginning}{piece}…: {grown} MiB");
    }
}

#[test]
fn endless_elements_end_at_their_number() {
    let _turn = turn();
    let (read, grown) = ends(&READERS[1..2], "[", "{},");
    assert!(read < 16 << 20 && grown < 512, "{read} bytes, {grown} MiB");
}

#[test]
fn one_node_may_have_many_addresses() {
    let _turn = turn();
    // Two thousand addresses fit in an element; one MAC address may stand in many.
    let element = |element: u32| {
        let address = |address: u32| {
            let [_, b, c, d] = (element * 2000 + address).to_be_bytes();
            format!("{{\"IPAddress\":\"10.{b}.{c}.{d}\"}}")
        };
        let addresses: Vec<String> = (0..2000).map(address).collect();
        format!("{{\"MACAddress\":\"020000000001\",\"ComponentID\":\"a\",\"IPAddresses\":[{}]}}", addresses.join(","))
    };
    let elements: Vec<String> = (0..40).map(element).collect();
    let components = read_components("[{\"ID\":\"a\"}]".as_bytes()).unwrap();
    let interfaces = read_interfaces(format!("[{}]", elements.join(",")).as_bytes()).unwrap();
    let memberships = read_memberships("[]".as_bytes()).unwrap();
    let start = Instant::now();
    let pull = join(components, interfaces, memberships).unwrap();
    assert_eq!(pull.inventory.nodes()[0].addresses().count(), 80_000);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}
