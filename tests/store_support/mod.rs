//! What the tests of the store share: made-up releases and ways to publish and read them.
#![allow(dead_code, unreachable_pub)]

pub mod disks;
pub mod power;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use jiff::Timestamp;
use mds::release::{
    FindingsSummary, MappedRelease, NodeEntry, Provenance, Published, ReleaseSink, SiteSource, StoreError, Tree,
    TreeLock,
};
use mds::types::{Digest, DocumentName, NodeId};

/// The documents of the nodes of a made-up release: node, document, text.
pub type Content = BTreeMap<String, BTreeMap<String, String>>;

/// A release in which `version` decides the meta-data of each node, and everything else stays.
pub fn content(nodes: usize, version: u32) -> Content {
    let document = |number: usize| {
        BTreeMap::from([
            ("meta-data".to_owned(), format!("instance-id: n{number}\nversion: {version}\n")),
            ("vendor-data".to_owned(), "#include\nhttp://host/base.yaml\n".to_owned()),
            ("base.yaml".to_owned(), format!("#cloud-config\nhostname: n{number}\n")),
            ("user-data".to_owned(), String::new()),
        ])
    };
    (0..nodes).map(|number| (format!("n{number}"), document(number))).collect()
}

pub fn time(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn provenance(second: i64) -> Provenance {
    Provenance {
        site: SiteSource::Folder { folder: "site".to_owned(), commit: None },
        inventory: Digest::of(b"inventory"),
        mds_version: "0.1.0".to_owned(),
        time: time(second),
        findings: FindingsSummary::default(),
    }
}

/// A folder for a test that makes thousands of files: in memory where there is such a place.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

pub fn address(number: usize) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + u32::try_from(number).unwrap()))
}

/// Adds the content to a draft or a writer.
pub fn add_all(sink: &mut impl ReleaseSink, content: &Content) -> Result<(), StoreError> {
    for (number, (id, documents)) in content.iter().enumerate() {
        let mut digests = BTreeMap::new();
        for (name, text) in documents {
            digests.insert(DocumentName::parse(name).unwrap(), sink.add(text.as_bytes())?);
        }
        sink.add_node(NodeEntry {
            id: NodeId::parse(id).unwrap(),
            hostname: format!("host-{id}"),
            nid: None,
            instance_id: id.clone(),
            macs: vec![],
            addresses: vec![address(number)],
            tunnel_address: None,
            groups: vec![],
            documents: digests,
        });
    }
    Ok(())
}

pub fn publish_with(lock: &mut TreeLock, content: &Content, second: i64) -> Result<Published, StoreError> {
    let mut writer = lock.begin()?;
    add_all(&mut writer, content)?;
    writer.finish(provenance(second))
}

pub fn publish(tree: &Tree, content: &Content, second: i64) -> Published {
    publish_with(&mut tree.lock().unwrap(), content, second).unwrap()
}

/// Sees that the mapped release has exactly the documents of the content.
pub fn assert_content(release: &MappedRelease, content: &Content) {
    assert_eq!(release.node_count(), content.len());
    for (number, (id, documents)) in content.iter().enumerate() {
        let mds::release::Lookup::Node(node) = release.find(address(number)) else { panic!("no node {id}") };
        assert_eq!(node.id.as_str(), id);
        for (name, text) in documents {
            let document = node.document(&DocumentName::parse(name).unwrap()).unwrap();
            assert_eq!(document.body, text.as_bytes(), "{name} of {id}");
        }
    }
    assert_eq!(release.document_count(), content.values().map(BTreeMap::len).sum::<usize>());
}

/// Every file below a folder, sorted, relative to it.
pub fn files_below(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap())
        .filter(|entry| !entry.file_type().is_dir())
        .map(|entry| entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    files
}
