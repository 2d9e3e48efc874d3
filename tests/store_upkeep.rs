//! Upkeep of a tree: verifying it, collecting what nobody needs, exporting it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod store_support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mds::release::{Damage, DocumentFault, NodeEntry, ReleaseSink as _, StoreError, Tree, export};
use mds::types::{Digest, DocumentName, GroupLabel, NodeId, ReleaseId};
use store_support::{assert_content, content, files_below, provenance, publish, publish_with, time};

fn new_tree() -> (tempfile::TempDir, Tree) {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::open_or_create(folder.path().join("tree")).unwrap();
    (folder, tree)
}

fn packs(tree: &Tree) -> Vec<PathBuf> {
    let packs = files_below(&tree.path().join("packs"));
    packs.iter().filter(|name| name.ends_with(".pack")).map(|name| tree.path().join("packs").join(name)).collect()
}

fn overwrite(path: &Path, bytes: &[u8]) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

fn flip(path: &Path, position: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[position] ^= 1;
    overwrite(path, &bytes);
}

#[test]
fn a_sound_tree_is_whole() {
    let (_folder, tree) = new_tree();
    assert!(tree.verify().unwrap().is_whole());
    publish(&tree, &content(3, 1), 0);
    publish(&tree, &content(3, 2), 1);
    let report = tree.verify().unwrap();
    assert!(report.is_whole() && report.leftovers.is_empty(), "{report:?}");
    assert_eq!((report.releases, report.packs, report.objects), (2, 2, 11));
}

#[test]
fn a_flipped_byte_in_an_object_names_the_document_and_its_nodes() {
    let (_folder, tree) = new_tree();
    let id = publish(&tree, &content(5, 1), 0).id;
    let pack = packs(&tree).remove(0);
    let position =
        |text: &str| fs::read(&pack).unwrap().windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    flip(&pack, position("instance-id: n3"));
    let report = tree.verify().unwrap();
    let damages: Vec<String> = report.documents().map(ToString::to_string).collect();
    assert_eq!(damages.len(), 1, "{report:?}");
    assert!(damages[0].starts_with(&format!("release {}: meta-data of n3 was altered", id.short())), "{damages:?}");
    assert!(matches!(&report.damages[0], Damage::Pack { path, .. } if *path == pack), "{report:?}");
    flip(&pack, position("http://host/base.yaml"));
    let report = tree.verify().unwrap();
    let shared = report.documents().find(|damage| damage.document == DocumentName::VendorData).unwrap();
    assert_eq!((shared.node_count, shared.nodes.len(), shared.fault), (5, 3, DocumentFault::Altered));
    assert!(shared.to_string().contains("vendor-data of n0, n1, n2 and 2 more nodes was altered"), "{shared}");
}

#[test]
fn any_flipped_or_missing_byte_anywhere_is_noticed() {
    let (_folder, tree) = new_tree();
    publish(&tree, &content(2, 1), 0);
    for name in files_below(tree.path()) {
        if !name.starts_with("packs/") && !name.starts_with("releases/") {
            continue;
        }
        let path = tree.path().join(&name);
        let bytes = fs::read(&path).unwrap();
        for position in 0..bytes.len() {
            flip(&path, position);
            assert!(!tree.verify().unwrap().is_whole(), "byte {position} of {name}");
            overwrite(&path, &bytes);
        }
        for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
            overwrite(&path, &bytes[..length]);
            assert!(!tree.verify().unwrap().is_whole(), "{name} cut to {length}");
            overwrite(&path, &bytes);
        }
        fs::remove_file(&path).unwrap();
        assert!(!tree.verify().unwrap().is_whole(), "{name} removed");
        overwrite_new(&path, &bytes);
    }
    assert!(tree.verify().unwrap().is_whole());
}

fn overwrite_new(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
}

#[test]
fn building_again_puts_back_what_was_lost() {
    let (_folder, tree) = new_tree();
    let published = publish(&tree, &content(3, 1), 0);
    let release = tree.path().join("releases").join(published.id.to_string());
    let losses: [&dyn Fn(); 5] = [
        &|| packs(&tree).iter().for_each(|pack| fs::remove_file(pack).unwrap()),
        &|| packs(&tree).iter().for_each(|pack| overwrite(pack, b"short")),
        &|| packs(&tree).iter().for_each(|pack| flip(&pack.with_extension("idx"), 70)),
        &|| overwrite(&release.join("manifest.ndjson"), b"nothing"),
        &|| fs::remove_file(release.join("release.json")).unwrap(),
    ];
    for (number, lose) in losses.into_iter().enumerate() {
        lose();
        assert!(!tree.verify().unwrap().is_whole(), "loss {number}");
        publish(&tree, &content(3, 1), 1);
        let report = tree.verify().unwrap();
        assert!(report.is_whole(), "loss {number}: {report:?}");
    }
    assert_content(&tree.load_current().unwrap().unwrap(), &content(3, 1));
}

#[test]
fn broken_links_pins_and_lines_are_damage_and_a_torn_line_is_not() {
    let (_folder, tree) = new_tree();
    let id = publish(&tree, &content(1, 1), 0).id;
    let log = tree.path().join("switches.ndjson");
    let line = fs::read_to_string(&log).unwrap();
    fs::write(&log, format!("{line}{{\"time\":")).unwrap();
    let report = tree.verify().unwrap();
    assert!(report.is_whole() && report.leftovers == [log.clone()], "{report:?}");
    fs::write(&log, format!("broken\n{line}")).unwrap();
    fs::write(tree.path().join("pins").join(Digest::of(b"gone").to_string()), "").unwrap();
    fs::remove_file(tree.path().join("current")).unwrap();
    std::os::unix::fs::symlink(format!("releases/{}", Digest::of(b"gone")), tree.path().join("current")).unwrap();
    let report = tree.verify().unwrap();
    let reasons: Vec<String> = report.damages.iter().map(ToString::to_string).collect();
    for expected in ["it points to release", "it pins release", "line 1 is not readable"] {
        assert!(reasons.iter().any(|reason| reason.contains(expected)), "{expected}: {reasons:?}");
    }
    assert!(tree.load(id).is_ok());
}

#[test]
fn collection_keeps_what_is_current_pinned_or_new_and_nothing_else() {
    let (_folder, tree) = new_tree();
    let mut lock = tree.lock().unwrap();
    let ids: Vec<ReleaseId> = (1..=6).map(|v| publish_with(&mut lock, &content(4, v), v.into()).unwrap().id).collect();
    lock.pin(ids[0]).unwrap();
    lock.rollback(Some(ids[2]), time(9)).unwrap();
    let mapped = tree.load(ids[1]).unwrap();
    let report = lock.gc(2).unwrap();
    assert_eq!(report.kept, [ids[5], ids[4], ids[2], ids[0]]);
    assert_eq!(report.removed, [ids[3], ids[1]]);
    // Each release after the first has a pack of its own, with nothing in it that another needs.
    assert_eq!((report.packs_removed, report.objects_removed, report.objects_moved), (2, 8, 0));
    assert!(report.bytes_freed > 0);
    for (index, version) in [(5, 6), (4, 5), (2, 3), (0, 1)] {
        assert_content(&tree.load(ids[index]).unwrap(), &content(4, version));
    }
    assert!(matches!(tree.load(ids[1]), Err(StoreError::UnknownRelease { .. })));
    assert_content(&mapped, &content(4, 2));
    let error = lock.rollback(None, time(10)).unwrap_err();
    assert!(error.to_string().contains("was removed"), "{error}");
    assert!(tree.verify().unwrap().is_whole());
    assert_eq!(lock.gc(2).unwrap().packs_removed, 0);
}

#[test]
fn live_objects_of_a_pack_with_dead_ones_move() {
    let (_folder, tree) = new_tree();
    let mut lock = tree.lock().unwrap();
    let first = publish_with(&mut lock, &content(4, 1), 1).unwrap().id;
    let second = publish_with(&mut lock, &content(4, 2), 2).unwrap().id;
    let reader = tree.load(second).unwrap();
    let report = lock.gc(1).unwrap();
    // Of the first pack the four groups' documents, the vendor-data and the empty user-data live on.
    assert_eq!((report.removed, report.objects_moved, report.objects_removed), (vec![first], 6, 4));
    assert_eq!(packs(&tree).len(), 2);
    assert!(!packs(&tree).iter().any(|pack| fs::read_to_string(pack).unwrap().contains("version: 1")));
    assert_content(&reader, &content(4, 2));
    assert_content(&tree.load(second).unwrap(), &content(4, 2));
    assert!(tree.verify().unwrap().is_whole());
}

#[test]
fn collection_removes_nothing_when_what_stays_is_not_whole() {
    let (_folder, tree) = new_tree();
    let mut lock = tree.lock().unwrap();
    publish_with(&mut lock, &content(4, 1), 1).unwrap();
    let pack = packs(&tree).remove(0);
    publish_with(&mut lock, &content(4, 2), 2).unwrap();
    let before = files_below(tree.path());
    let shared = fs::read(&pack).unwrap().windows(8).position(|window| window == b"hostname").unwrap();
    flip(&pack, shared);
    assert!(matches!(lock.gc(1), Err(StoreError::AlteredObject { .. })));
    assert_eq!(files_below(tree.path()), before);
    fs::remove_file(pack.with_extension("idx")).unwrap();
    assert!(matches!(lock.gc(1), Err(StoreError::Missing(_))));
    assert_eq!(packs(&tree).len(), 2);
}

#[test]
fn what_dead_writers_left_is_harmless_and_goes() {
    let (_folder, tree) = new_tree();
    publish(&tree, &content(1, 1), 0);
    let orphan = Digest::of(b"orphan");
    fs::write(tree.path().join(".tmp-1-0"), "x").unwrap();
    fs::write(tree.path().join("packs/.tmp-1-1"), "x").unwrap();
    fs::create_dir(tree.path().join("releases/.tmp-1-2")).unwrap();
    fs::write(tree.path().join("releases/.tmp-1-2/manifest.ndjson"), "x").unwrap();
    fs::write(tree.path().join(format!("packs/{orphan}.pack")), "x").unwrap();
    let report = tree.verify().unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.leftovers.len(), 4);
    assert_eq!(tree.lock().unwrap().gc(1).unwrap().leftovers_removed, 4);
    assert!(tree.verify().unwrap().leftovers.is_empty());
}

#[test]
fn a_release_is_loaded_while_collections_move_its_objects() {
    let (_folder, tree) = new_tree();
    let pinned = publish(&tree, &content(3, 0), 0).id;
    tree.lock().unwrap().pin(pinned).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        assert_content(&tree.load(pinned).unwrap(), &content(3, 0));
                        assert!(tree.load_current().unwrap().is_some());
                    }
                })
            })
            .collect();
        let mut lock = tree.lock().unwrap();
        for version in 1..60 {
            // Nodes come and go, so packs have dead objects and live ones.
            publish_with(&mut lock, &content(3 + version % 5, version as u32 / 2), version as i64).unwrap();
            lock.gc(1).unwrap();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
    assert!(tree.verify().unwrap().is_whole());
}

fn node(id: &str, hostname: &str, addresses: &[&str], documents: &[(&str, Digest)]) -> NodeEntry {
    NodeEntry {
        id: NodeId::parse(id).unwrap(),
        hostname: hostname.to_owned(),
        nid: None,
        instance_id: id.to_owned(),
        macs: vec![],
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        tunnel_address: None,
        groups: vec![GroupLabel::parse("base").unwrap(), GroupLabel::parse("bare").unwrap()],
        documents: documents.iter().map(|(name, digest)| (DocumentName::parse(name).unwrap(), *digest)).collect(),
    }
}

fn publish_for_export(tree: &Tree, text: &str) -> ReleaseId {
    let mut lock = tree.lock().unwrap();
    let mut writer = lock.begin().unwrap();
    let meta = writer.add(text.as_bytes()).unwrap();
    let base = writer.add(b"#cloud-config\n").unwrap();
    let documents = [("meta-data", meta), ("base.yaml", base)];
    writer.add_node(node("a", "host-a", &["10.0.0.1", "fd00::1", "10.0.0.9"], &documents));
    writer.add_node(node("b", "../../etc", &["10.0.0.2", "10.0.0.9"], &documents));
    writer.add_node(node("c", "twin", &[], &documents));
    writer.add_node(node("d", "twin", &["::ffff:10.0.0.4"], &documents));
    writer.finish(provenance(0)).unwrap().id
}

#[test]
fn an_export_has_a_folder_by_name_address_and_hostname() {
    let (folder, tree) = new_tree();
    let id = publish_for_export(&tree, "one");
    let target = folder.path().join("deep/export");
    let report = export(&tree, id, &target).unwrap();
    assert_eq!((report.release, report.nodes, report.documents), (id, 4, 8));
    assert_eq!(report.ambiguous_addresses, ["10.0.0.9".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(report.skipped_hostnames, ["twin", "../../etc"]);
    let names = |path: &str| {
        let entries = fs::read_dir(target.join(path)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(""), [".mds-export", "by-address", "by-hostname", "by-name"]);
    assert_eq!(names("by-name"), ["a", "b", "c", "d"]);
    assert_eq!(names("by-address"), ["10.0.0.1", "10.0.0.2", "10.0.0.4", "fd00::1"]);
    assert_eq!(names("by-hostname"), ["host-a"]);
    for place in ["by-name/a", "by-address/10.0.0.1", "by-address/fd00::1", "by-hostname/host-a", "by-name/b"] {
        let documents = ["bare.yaml", "base.yaml", "meta-data", "network-config", "user-data", "vendor-data"];
        assert_eq!(names(place), documents, "{place}");
        assert_eq!(fs::read_to_string(target.join(place).join("meta-data")).unwrap(), "one");
        assert_eq!(fs::read_to_string(target.join(place).join("user-data")).unwrap(), "");
    }
    let mode = |path: &str| fs::metadata(target.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("by-name/a/meta-data"), mode("by-name/a"), mode("")), (0o644, 0o755, 0o755));
    assert_eq!(fs::read_dir(folder.path().join("deep")).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn an_export_replaces_an_earlier_one_and_nothing_else() {
    let (folder, tree) = new_tree();
    let target = folder.path().join("export");
    let link = folder.path().join("link");
    fs::create_dir(&target).unwrap();
    std::os::unix::fs::symlink("export", &link).unwrap();
    for text in ["one", "two", "three"] {
        let id = publish_for_export(&tree, text);
        export(&tree, id, &link).unwrap();
        assert_eq!(fs::read_to_string(target.join("by-address/10.0.0.1/meta-data")).unwrap(), text);
    }
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let id = tree.current().unwrap().unwrap();
    fs::write(target.join("notes.txt"), "mine").unwrap();
    assert!(matches!(export(&tree, id, &target), Err(StoreError::NotAnExport { .. })));
    let home = folder.path().join("home");
    fs::create_dir_all(home.join("by-name")).unwrap();
    assert!(matches!(export(&tree, id, &home), Err(StoreError::NotAnExport { .. })));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left beside it");
}

#[test]
fn an_altered_document_is_not_exported() {
    let (folder, tree) = new_tree();
    let id = publish_for_export(&tree, "one");
    flip(&packs(&tree)[0], 0);
    let target = folder.path().join("export");
    assert!(matches!(export(&tree, id, &target), Err(StoreError::AlteredDocument { .. })));
    assert!(!target.exists());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
