//! The example site: what its three nodes get, in full.
//!
//! Review changes of the snapshots like changes of the program: they are what nodes boot with.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mds::inventory::{mock_inventory, parse_inventory};
use mds::pipeline::{InventoryInput, NoObserver, Prepared, SiteInput, draft, prepare};

/// The documents of a node by name.
type Documents = BTreeMap<String, String>;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("site")
}

/// Reads a site that has no findings.
fn prepared(site: &Path) -> Prepared {
    let prepared = prepare(&SiteInput::Folder(site.to_owned()), &InventoryInput::Site, None, &mut NoObserver).unwrap();
    assert_eq!(prepared.findings, []);
    prepared
}

/// The documents of every node, by id.
fn documents(site: &Path) -> BTreeMap<String, Documents> {
    let prepared = prepared(site);
    let renderer = prepared.plan.renderer().unwrap();
    let nodes = prepared.plan.facts().iter().enumerate().map(|(index, facts)| {
        let rendered = renderer.render(index).unwrap().documents;
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
        (facts.id().to_string(), rendered.iter().map(|(name, _, body)| (name.to_string(), text(body))).collect())
    });
    nodes.collect()
}

/// A copy of the example site that delivers groups inline.
fn inline_copy(folder: &Path) -> PathBuf {
    let copy = folder.join("site");
    for entry in walkdir::WalkDir::new(example()) {
        let entry = entry.unwrap();
        let target = copy.join(entry.path().strip_prefix(example()).unwrap());
        match entry.file_type().is_dir() {
            true => fs::create_dir_all(target).unwrap(),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
    let settings = fs::read_to_string(copy.join("mds.toml")).unwrap();
    let (include, inline) = ("delivery = \"include\"", "delivery = \"inline\"");
    assert_eq!(settings.matches(include).count(), 1);
    fs::write(copy.join("mds.toml"), settings.replace(include, inline)).unwrap();
    copy
}

/// The parts of a MIME message, in their order: name and body. Only what mds writes for plain text is understood.
fn parts(message: &str) -> Vec<(String, String)> {
    let boundary = message.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let (_, rest) = message.split_once("\n\n").unwrap();
    let rest = rest.strip_suffix(&format!("--{boundary}--\n")).unwrap();
    let between = format!("--{boundary}\n");
    let parts = rest.split(&between).skip(1).map(|part| {
        let (head, body) = part.split_once("\n\n").unwrap();
        assert!(head.contains("Content-Transfer-Encoding: 7bit"), "{head}");
        let name = head.split("filename=\"").nth(1).unwrap().split('"').next().unwrap();
        // The line break before a boundary belongs to the boundary.
        (name.to_owned(), body.strip_suffix('\n').unwrap().to_owned())
    });
    parts.collect()
}

#[test]
fn the_inventory_is_the_originals_and_in_the_form_of_a_lock_file() {
    let text = fs::read_to_string(example().join("inventory.json")).unwrap();
    let inventory = parse_inventory("inventory.json", text.as_bytes()).unwrap();
    assert_eq!(inventory, mock_inventory());
    let without_schema = text.replace("\"$schema\":\"../schemas/inventory.schema.json\",", "");
    assert_eq!(without_schema, inventory.to_lock_file().unwrap());
}

#[test]
fn the_site_builds_without_findings() {
    let built = draft(&prepared(&example()), &mut NoObserver).unwrap();
    assert_eq!((built.manifest.nodes().len(), built.manifest.document_count()), (3, 17));
    assert_eq!(built.findings, []);
}

#[test]
fn every_node_gets_these_documents() {
    for (id, documents) in documents(&example()) {
        let text: String = documents.iter().map(|(name, body)| format!("==> {name} <==\n{body}")).collect();
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(id.as_str(), text) });
    }
}

#[test]
fn inline_delivery_carries_the_same_group_documents_in_the_same_order() {
    let folder = tempfile::tempdir().unwrap();
    let included = documents(&example());
    let inline = documents(&inline_copy(folder.path()));
    assert_eq!(included.len(), 3);
    for (id, included) in included {
        let names = included["vendor-data"].lines().skip(1).map(|url| url.rsplit('/').next().unwrap().to_owned());
        let expected: Vec<(String, String)> = names.map(|name| (name.clone(), included[&name].clone())).collect();
        assert!(!expected.is_empty(), "{id}");
        assert_eq!(parts(&inline[&id]["vendor-data"]), expected, "{id}");
        for (name, body) in included.iter().filter(|(name, _)| *name != "vendor-data") {
            assert_eq!(&inline[&id][name], body, "{name} of {id}");
        }
    }
}

#[test]
fn a_script_reaches_the_node_byte_for_byte() {
    let storage = &documents(&example())["x1000c0s1b0n0"]["storage.yaml"];
    let storage: serde_json::Value = serde_yaml::from_str(storage).unwrap();
    let files = storage["write_files"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == "/usr/local/sbin/report-disks").unwrap();
    let script = fs::read_to_string(example().join("groups/storage/report-disks.sh")).unwrap();
    assert_eq!(file["content"], script.as_str());
}

#[test]
fn every_group_adds_to_the_lists_of_the_groups_before_it() {
    for (id, documents) in documents(&example()) {
        for (name, body) in documents.iter().filter(|(name, _)| name.ends_with(".yaml")) {
            let says_how = body.contains("\nmerge_how: \"list(append)+");
            assert!(says_how, "{name} of {id} would replace the lists of the groups before it");
        }
    }
}
