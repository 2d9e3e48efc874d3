//! How long the store takes with a large cluster, beside the plain way: one file per document.
//!
//!     cargo bench --bench store                    10,000 nodes, below the target folder
//!     cargo bench --bench store -- 100000 /mnt/x   as many nodes as you like, on another disk
//!
//! The rival writes a folder per release and a folder per node in it, links documents that did not change since the
//! release before instead of writing them again, makes everything durable with one `syncfs` and switches a link: the
//! least that gives what a tree promises. Both get the same bytes, with their digests made beforehand. Files are in the
//! page cache when they are read. A tree is verified with all its releases, the rival's files only with the last.
//!
//! Without `--bench`, as `cargo test --benches` runs it, a hundred nodes show that it works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use mds::release::{FindingsSummary, Lookup, NodeEntry, Provenance, ReleaseSink as _, SiteSource, Tree};
use mds::types::{Digest, DocumentName, GroupLabel, NodeId};

const NODES: usize = 10_000;
const NODES_OF_A_TRIAL: usize = 100;
/// Every measurement is done so many times, in turns; the middle one counts.
const ROUNDS: usize = 3;
const DOCUMENTS: [&str; 6] = ["meta-data", "user-data", "network-config", "base.yaml", "compute.yaml", "vendor-data"];
/// What is measured, in this order.
const MEASURES: [&str; 6] = [
    "publish everything",
    "publish the same again",
    "publish 1% of nodes changed",
    "open the release",
    "read every document",
    "verify every document",
];

/// A node and its documents.
type Rendered = (NodeEntry, Vec<(Digest, Vec<u8>)>);

/// Sums up all bytes of all documents of the nodes.
type Reader<'a> = Box<dyn Fn(&[Rendered]) -> u64 + 'a>;

/// Something that stores releases.
trait Store {
    fn publish(&mut self, nodes: &[Rendered], second: i64);
    /// Prepares to answer.
    fn open(&self) -> Reader<'_>;
    fn verify(&self, nodes: &[Rendered]);
}

/// The nodes with their documents, as the renderer would hand them over; one document of each is everybody's.
fn rendered(nodes: usize, changed: usize) -> Vec<Rendered> {
    let names = DOCUMENTS.map(|name| DocumentName::parse(name).unwrap());
    let groups = ["base", "compute"].map(|label| GroupLabel::parse(label).unwrap());
    let filler = "# a line of a document that is about as long as such lines are\n".repeat(7);
    let node = |number: usize| {
        let body = |name: &DocumentName| match name {
            DocumentName::VendorData => filler.clone(),
            _ if number < changed => format!("{name} changed {number:08}\n{filler}"),
            _ => format!("{name} of node {number:08}\n{filler}"),
        };
        let objects: Vec<(Digest, Vec<u8>)> =
            names.iter().map(|name| body(name).into_bytes()).map(|bytes| (Digest::of(&bytes), bytes)).collect();
        let entry = NodeEntry {
            id: NodeId::parse(&format!("x{number:06}")).unwrap(),
            hostname: format!("nid{number:06}"),
            nid: u32::try_from(number).ok(),
            instance_id: format!("i-{number:06}"),
            macs: vec![],
            addresses: vec![IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + u32::try_from(number).unwrap()))],
            tunnel_address: None,
            groups: groups.to_vec(),
            documents: names.iter().cloned().zip(objects.iter().map(|(digest, _)| *digest)).collect(),
        };
        (entry, objects)
    };
    (0..nodes).map(node).collect()
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte)).sum()
}

impl Store for Tree {
    fn publish(&mut self, nodes: &[Rendered], second: i64) {
        let mut lock = self.lock().unwrap();
        let mut writer = lock.begin().unwrap();
        for (entry, objects) in nodes {
            objects.iter().for_each(|(digest, bytes)| writer.add_hashed(*digest, bytes).unwrap());
            writer.add_node(entry.clone());
        }
        let provenance = Provenance {
            site: SiteSource::Folder { folder: "site".to_owned(), commit: None },
            inventory: Digest::of(b"inventory"),
            mds_version: "0.1.0".to_owned(),
            time: Timestamp::from_second(second).unwrap(),
            findings: FindingsSummary::default(),
        };
        writer.finish(provenance).unwrap();
    }

    fn open(&self) -> Reader<'_> {
        let release = self.load_current().unwrap().unwrap();
        Box::new(move |nodes| {
            let of_node = |entry: &NodeEntry| {
                let Lookup::Node(node) = release.find(entry.addresses[0]) else { panic!("no {}", entry.id) };
                entry.documents.keys().map(|name| sum(&node.document(name).unwrap().body)).sum::<u64>()
            };
            nodes.iter().map(|(entry, _)| of_node(entry)).sum()
        })
    }

    fn verify(&self, _: &[Rendered]) {
        assert!(self.verify().unwrap().is_whole());
    }
}

/// One file per document.
struct PlainFiles {
    folder: PathBuf,
    releases: usize,
    /// The documents of the last release.
    last: HashMap<(NodeId, DocumentName), Digest>,
}

impl PlainFiles {
    fn new(folder: PathBuf) -> Self {
        fs::create_dir(&folder).unwrap();
        Self { folder, releases: 0, last: HashMap::new() }
    }

    fn paths<'a>(&'a self, entry: &'a NodeEntry) -> impl Iterator<Item = PathBuf> + 'a {
        let folder = self.folder.join("current").join(entry.id.as_str());
        entry.documents.keys().map(move |name| folder.join(name.to_string()))
    }
}

impl Store for PlainFiles {
    fn publish(&mut self, nodes: &[Rendered], _: i64) {
        let before = self.folder.join(self.releases.to_string());
        self.releases += 1;
        let release = self.folder.join(self.releases.to_string());
        fs::create_dir(&release).unwrap();
        let mut documents = HashMap::new();
        for (entry, objects) in nodes {
            let (old, new) = (before.join(entry.id.as_str()), release.join(entry.id.as_str()));
            fs::create_dir(&new).unwrap();
            let bodies: HashMap<&Digest, &[u8]> =
                objects.iter().map(|(digest, bytes)| (digest, bytes.as_slice())).collect();
            for (name, digest) in &entry.documents {
                let key = (entry.id.clone(), name.clone());
                let file = name.to_string();
                if self.last.get(&key) == Some(digest) {
                    fs::hard_link(old.join(&file), new.join(&file)).unwrap();
                } else {
                    fs::write(new.join(&file), bodies[digest]).unwrap();
                }
                documents.insert(key, *digest);
            }
        }
        rustix::fs::syncfs(File::open(&release).unwrap()).unwrap();
        let link = self.folder.join("next");
        std::os::unix::fs::symlink(self.releases.to_string(), &link).unwrap();
        fs::rename(&link, self.folder.join("current")).unwrap();
        File::open(&self.folder).unwrap().sync_all().unwrap();
        self.last = documents;
    }

    fn open(&self) -> Reader<'_> {
        Box::new(|nodes| {
            let of_node = |entry| self.paths(entry).map(|path| sum(&fs::read(path).unwrap())).sum::<u64>();
            nodes.iter().map(|(entry, _)| of_node(entry)).sum()
        })
    }

    fn verify(&self, nodes: &[Rendered]) {
        for (entry, _) in nodes {
            for (path, digest) in self.paths(entry).zip(entry.documents.values()) {
                assert!(Digest::of(&fs::read(path).unwrap()) == *digest);
            }
        }
    }
}

/// Runs something and adds the seconds it took to a list.
fn timed<T>(seconds: &mut Vec<f64>, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    seconds.push(start.elapsed().as_secs_f64());
    result
}

/// The seconds for each of [`MEASURES`].
fn measure(store: &mut impl Store, all: &[Rendered], changed: &[Rendered]) -> Vec<f64> {
    let mut seconds = Vec::new();
    timed(&mut seconds, || store.publish(all, 1));
    timed(&mut seconds, || store.publish(all, 2));
    timed(&mut seconds, || store.publish(changed, 3));
    let expected: u64 = changed.iter().flat_map(|(_, objects)| objects).map(|(_, bytes)| sum(bytes)).sum();
    let read = timed(&mut seconds, || store.open());
    assert_eq!(timed(&mut seconds, || read(changed)), expected);
    drop(read);
    timed(&mut seconds, || store.verify(changed));
    seconds
}

/// How many files there are below a folder, and how much room they take on the disk. Links to one file count once.
fn room(folder: &Path) -> (usize, u64) {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().metadata().unwrap());
    let files: HashMap<u64, u64> = entries.map(|metadata| (metadata.ino(), metadata.blocks() * 512)).collect();
    (files.len(), files.values().sum())
}

fn median(runs: &[Vec<f64>], measure: usize) -> f64 {
    let mut seconds: Vec<f64> = runs.iter().map(|run| run[measure]).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn row(what: &str, ours: f64, rivals: f64, unit: &str) {
    let digits = if unit == "s" { 4 } else { 1 };
    // A rival that has nothing to do in a step is no measure for it.
    let ratio = if rivals < ours / 1e3 { "-".to_owned() } else { format!("{:.1} x", rivals / ours) };
    println!("{what:<28} {ours:>12.digits$} {rivals:>18.digits$} {unit:<3} {ratio:>10}");
}

#[allow(clippy::cast_precision_loss)]
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let mut named = arguments.iter().filter(|argument| !argument.starts_with('-'));
    let count = named.next().map(|text| text.parse().expect("the first argument is a number of nodes"));
    let nodes = count.unwrap_or(if is_bench { NODES } else { NODES_OF_A_TRIAL });
    let place = named.next().map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    fs::create_dir_all(&place).unwrap();

    let (all, changed) = (rendered(nodes, 0), rendered(nodes, nodes.div_ceil(100)));
    println!("{nodes} nodes with {} documents, in {}\n", nodes * DOCUMENTS.len(), place.display());
    let (mut ours, mut rivals, mut rooms) = (Vec::new(), Vec::new(), None);
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir_in(&place).unwrap();
        let (packed, plain) = (folder.path().join("tree"), folder.path().join("files"));
        let run_ours = || measure(&mut Tree::open_or_create(&packed).unwrap(), &all, &changed);
        let run_rivals = || measure(&mut PlainFiles::new(plain.clone()), &all, &changed);
        // In turns, so that neither always finds the other's mess.
        let (one, other) = if round % 2 == 0 {
            let one = run_ours();
            (one, run_rivals())
        } else {
            let other = run_rivals();
            (run_ours(), other)
        };
        ours.push(one);
        rivals.push(other);
        rooms = Some((room(&packed), room(&plain)));
    }
    println!("{:<28} {:>12} {:>18}     {:>10}", "", "mds tree", "plain files", "ratio");
    for (index, what) in MEASURES.iter().enumerate() {
        row(what, median(&ours, index), median(&rivals, index), "s");
    }
    let ((our_files, our_bytes), (their_files, their_bytes)) = rooms.unwrap();
    row("files and folders", our_files as f64, their_files as f64, "");
    row("room on the disk", our_bytes as f64 / 1e6, their_bytes as f64 / 1e6, "MB");
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(peak) = status.lines().find_map(|line| line.strip_prefix("VmHWM:")) {
        println!("\npeak memory, with two releases rendered in it:{}", peak.trim_end());
    }
}
