//! How long a large cluster takes. A measurement, not a check: `cargo test --release --test store_scale -- --ignored
//! --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, clippy::print_stdout)]

mod store_support;

use std::time::Instant;

use mds::release::{DraftRelease, Manifest, NodeEntry, ReleaseSink, Tree, diff};
use mds::types::{Digest, DocumentName, GroupLabel, NodeId};
use store_support::{address, provenance};

const NODES: usize = 100_000;
const DOCUMENTS: [&str; 6] = ["meta-data", "user-data", "network-config", "base.yaml", "compute.yaml", "vendor-data"];

/// A node and its documents.
type Rendered = (NodeEntry, Vec<(Digest, Vec<u8>)>);

/// Nodes and documents as the renderer would hand them over: 600,000 documents, 500,001 of them distinct.
fn rendered(changed: usize) -> Vec<Rendered> {
    let names = DOCUMENTS.map(|name| DocumentName::parse(name).unwrap());
    let filler = "# a line of a document that is about as long as such lines are\n".repeat(7);
    (0..NODES)
        .map(|number| {
            let bytes = names.iter().map(|name| match name {
                DocumentName::VendorData => filler.clone().into_bytes(),
                DocumentName::MetaData if number < changed => {
                    format!("{name} changed {number:08}\n{filler}").into_bytes()
                }
                _ => format!("{name} of node {number:08}\n{filler}").into_bytes(),
            });
            let objects: Vec<_> = bytes.map(|bytes| (Digest::of(&bytes), bytes)).collect();
            let entry = NodeEntry {
                id: NodeId::parse(&format!("x{number:06}")).unwrap(),
                hostname: format!("nid{number:06}"),
                nid: u32::try_from(number).ok(),
                instance_id: format!("i-{number:06}"),
                macs: vec![],
                addresses: vec![address(number)],
                groups: vec![GroupLabel::parse("base").unwrap(), GroupLabel::parse("compute").unwrap()],
                documents: names.iter().cloned().zip(objects.iter().map(|(digest, _)| *digest)).collect(),
            };
            (entry, objects)
        })
        .collect()
}

fn add(sink: &mut impl ReleaseSink, nodes: &[Rendered]) {
    for (entry, objects) in nodes {
        objects.iter().for_each(|(digest, bytes)| sink.add_hashed(*digest, bytes).unwrap());
        sink.add_node(entry.clone());
    }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    println!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    result
}

fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("").to_owned()
}

#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::open_or_create(folder.path().join("tree")).unwrap();
    let mut lock = tree.lock().unwrap();
    let nodes = rendered(0);
    println!("rendered, {}", peak_memory());
    timed("draft", || {
        let mut draft = DraftRelease::new();
        add(&mut draft, &nodes);
        draft.finish().unwrap()
    });
    let mut publish = |what: &str, nodes: &[_]| {
        timed(what, || {
            let mut writer = lock.begin().unwrap();
            timed("  objects", || add(&mut writer, nodes));
            timed("  finish", || writer.finish(provenance(0)).unwrap())
        })
    };
    let first = publish("publish all", &nodes);
    println!("{} objects, {} bytes, {}", first.objects_written, first.bytes_written, peak_memory());
    publish("publish the same", &nodes);
    drop(nodes);
    let second = publish("publish 1,000 changes", &rendered(1000));
    println!("{} objects", second.objects_written);
    timed("load", || tree.load(second.id).unwrap());
    timed("difference", || assert_eq!(diff(&first.manifest, &second.manifest).documents_changed(), 1000));
    let manifest: Manifest = timed("manifest", || tree.manifest(first.id).unwrap());
    assert_eq!(manifest.document_count(), NODES * 6);
    timed("verify", || assert!(tree.verify().unwrap().is_whole()));
    timed("gc", || assert_eq!(lock.gc(1).unwrap().objects_removed, 1000));
    timed("verify", || assert!(tree.verify().unwrap().is_whole()));
    println!("{}", peak_memory());
}
