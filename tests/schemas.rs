//! The schemas in `schemas/` against the parsers: what editors complete and check by must be what mds reads and writes.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "schemas/cloud_config.rs"]
mod cloud_config;
#[path = "schemas/keys.rs"]
mod keys;
#[path = "schemas/kind.rs"]
mod kind;
#[path = "schemas/verdicts.rs"]
mod verdicts;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use kind::{Kind, errors, schema};
use mds::check::{Finding, RULES, ReportFormat, ReportSubject, Waived, report};
use mds::compare::{Comparer, NodeState, Origin, TunnelChanges};
use mds::pipeline::{InventoryInput, NoObserver, SiteInput, prepare, publish};
use mds::release::Tree;
use mds::settings::{Source, Sourced, WireguardFlags};
use mds::types::{Digest, DocumentName, GroupLabel, NodeId, Place, Problem, ReleaseId};
use serde_json::Value;

/// The top of the repository.
fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder that have a schema, with what they are.
fn files_with_schema(site: &Path) -> Vec<(PathBuf, Kind)> {
    let kind = |path: &Path| match path.strip_prefix(site).unwrap().to_str().unwrap() {
        "mds.toml" => Some(Kind::Settings),
        "inventory.json" => Some(Kind::Inventory),
        name if name.starts_with("groups/") && name.ends_with("/group.yaml") => Some(Kind::Group),
        name if name.starts_with("nodes/") => Some(Kind::Node),
        name if name.starts_with("rules/") => Some(Kind::SiteRule),
        _ => None,
    };
    let files = walkdir::WalkDir::new(site).sort_by_file_name().into_iter().map(|entry| entry.unwrap().into_path());
    files.filter_map(|path| kind(&path).map(|kind| (path, kind))).collect()
}

/// The schema that a file names for editors.
fn named_schema(path: &Path, kind: Kind, text: &str) -> PathBuf {
    let first = text.lines().next().unwrap();
    let name = match kind {
        Kind::Settings => first.strip_prefix("#:schema ").unwrap().to_owned(),
        Kind::Group | Kind::Node | Kind::SiteRule => {
            first.strip_prefix("# yaml-language-server: $schema=").unwrap().to_owned()
        }
        _ => kind.to_json(text)["$schema"].as_str().unwrap().to_owned(),
    };
    path.parent().unwrap().join(name)
}

fn check_site(site: &Path, expected: usize) {
    let files = files_with_schema(site);
    assert_eq!(files.len(), expected, "{files:?}");
    for (path, kind) in files {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(errors(kind, &kind.to_json(&text)), [""; 0], "{}", path.display());
        let named = named_schema(&path, kind, &text);
        let named: Value = serde_json::from_slice(&fs::read(&named).expect("the named schema is there")).unwrap();
        assert_eq!(&named, schema(kind), "{} names another schema", path.display());
    }
}

#[test]
fn the_example_site_is_valid() {
    check_site(&repository().join("site"), 8);
}

#[test]
fn a_new_site_is_valid_and_brings_all_schemas() {
    let folder = tempfile::tempdir().unwrap();
    mds::site::scaffold(folder.path(), "1.2.3").unwrap();
    check_site(folder.path(), 5);
    for entry in fs::read_dir(repository().join("schemas")).unwrap() {
        let entry = entry.unwrap();
        let copy = fs::read(folder.path().join(".schemas").join(entry.file_name())).unwrap();
        assert_eq!(copy, fs::read(entry.path()).unwrap(), "{:?}", entry.file_name());
    }
}

#[test]
fn what_a_build_writes_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let tree = Tree::open_or_create(folder.path().join("tree")).unwrap();
    let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let site = SiteInput::Folder(repository().join("site"));
    let network = Some(Sourced::new("100.97.0.1/16".parse().unwrap(), Source::Default));
    let network = WireguardFlags { server: network, ..WireguardFlags::default() };
    let mut prepared = prepare(&site, &InventoryInput::Site, Some(&network), &mut NoObserver).unwrap();
    prepared.tunnels.terms.only.insert(DocumentName::UserData);
    let published = publish(&prepared, &mut tree.lock().unwrap(), time, &mut NoObserver).unwrap();
    let release = folder.path().join("tree/releases").join(published.id.to_string());

    let manifest = fs::read_to_string(release.join("manifest.ndjson")).unwrap();
    assert_eq!(manifest.lines().count(), 4);
    for line in manifest.lines() {
        assert_eq!(errors(Kind::ManifestLine, &serde_json::from_str(line).unwrap()), [""; 0], "{line}");
    }
    let record: Value = serde_json::from_slice(&fs::read(release.join("release.json")).unwrap()).unwrap();
    assert_eq!(errors(Kind::Release, &record), [""; 0]);
    // What is written is all there is, but for what this site does not have: an address of a repository.
    keys::assert_keys(schema(Kind::Release), "", record.as_object().unwrap().keys());
    let lines: Vec<Value> = manifest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    keys::assert_keys(schema(Kind::ManifestLine), "/$defs/header", lines[0].as_object().unwrap().keys());
    keys::assert_keys(schema(Kind::ManifestLine), "/$defs/node", lines[1].as_object().unwrap().keys());
}

#[test]
fn a_release_of_a_repository_has_a_valid_record() {
    let site = mds::release::SiteSource::Repository {
        repository: mds::site::RepositoryUrl::without_credentials("https://host/site"),
        revision: Some("main".to_owned()),
        commit: "c0ffee".repeat(6),
        subfolder: Some("cluster".to_owned()),
    };
    let site = serde_json::to_value(site).unwrap();
    keys::assert_keys(schema(Kind::Release), "/$defs/repository", site.as_object().unwrap().keys());
}

#[test]
fn a_report_is_valid_and_has_all_that_its_schema_has() {
    let place = Place::at("groups/a/cloud-config.yaml", 2, 14);
    let nodes = vec![NodeId::parse("x1000c0s0b0n0").unwrap()];
    let findings = [
        Finding::error("template", Problem::at(place, "wrong").with_hint("mend it"), nodes),
        Finding::note("not-an-xname", Problem::new("odd"), Vec::new()),
    ];
    let until = "2026-12-31".parse().unwrap();
    let waived = [Waived { finding: findings[0].clone(), reason: "old".to_owned(), until }];
    let subject = ReportSubject { findings: &findings, waived: &waived, ..ReportSubject::default() };
    let text = report(ReportFormat::Json, &subject);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(errors(Kind::Report, &value), [""; 0]);
    let keys = |pointer: &str, inside: &str| {
        let table = value.pointer(inside).unwrap().as_object().unwrap();
        keys::assert_keys(schema(Kind::Report), pointer, table.keys());
    };
    keys("/properties/counts", "/counts");
    keys("/$defs/finding", "/findings/0");
    keys("/$defs/waived", "/waived/0");
    keys("/$defs/place", "/findings/0/place");
    for rule in RULES.iter() {
        let mut value = value.clone();
        value["findings"][0]["rule"] = rule.id.into();
        assert_eq!(errors(Kind::Report, &value), [""; 0]);
    }
}

#[test]
fn a_report_of_changes_is_valid_and_has_all_that_its_schema_has() {
    let node = |id: &str, groups: &[&str], text: &str| NodeState {
        id: NodeId::parse(id).unwrap(),
        hostname: id.to_owned(),
        local_hostname: None,
        nid: None,
        instance_id: id.to_owned(),
        macs: Vec::new(),
        addresses: Vec::new(),
        tunnel_address: None,
        groups: groups.iter().map(|label| GroupLabel::parse(label).unwrap()).collect(),
        own_base_url: None,
        documents: vec![(DocumentName::UserData, Digest::of(text.as_bytes()), text.to_owned().into())],
    };
    let sides = [
        Origin::Folder { name: "site".to_owned() },
        Origin::Revision { name: "main".to_owned(), commit: "c0ffee".repeat(6) + "1234" },
        Origin::Release { id: ReleaseId(Digest::of(b"x")) },
    ];
    for (index, from) in sides.iter().enumerate() {
        let mut comparer = Comparer::new();
        comparer.add(Some(&node("x1", &["a"], "one\n")), Some(&node("x1", &["b"], "two\n")));
        comparer.add(None, Some(&node("x2", &["b"], "two\n")));
        let mut changes = comparer.finish(from.clone(), sides[0].clone());
        let network = Some("10.9.0.1/24".parse().unwrap());
        changes.of_tunnels =
            TunnelChanges::between((None, &BTreeSet::new()), (network, &[DocumentName::UserData].into()));
        let subject = ReportSubject { changes: Some(&changes), ..ReportSubject::default() };
        let value: Value = serde_json::from_str(&report(ReportFormat::Json, &subject)).unwrap();
        assert_eq!(errors(Kind::Report, &value), [""; 0]);
        let expected = [&["kind", "name"][..], &["kind", "name", "commit"], &["kind", "id"]][index];
        let side = value["changes"]["from"].as_object().unwrap();
        assert!(side.len() == expected.len() && expected.iter().all(|key| side.contains_key(*key)), "{side:?}");
        for (definition, inside) in [
            ("", ""),
            ("/$defs/changes", "/changes"),
            ("/$defs/tunnel_changes", "/changes/of_tunnels"),
            ("/$defs/node_change", "/changes/of_nodes/0"),
            ("/$defs/document_change", "/changes/of_documents/0"),
        ] {
            let table = value.pointer(inside).unwrap().as_object().unwrap();
            keys::assert_keys(schema(Kind::Report), definition, table.keys());
        }
    }
}

/// Calls back with every schema inside a schema.
fn each_schema(value: &Value, place: &str, visit: &mut impl FnMut(&Value, &str)) {
    match value {
        Value::Object(map) => {
            visit(value, place);
            map.iter().for_each(|(key, value)| each_schema(value, &format!("{place}/{key}"), visit));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, value)| each_schema(value, &format!("{place}/{index}"), visit))
        }
        _ => {}
    }
}

#[test]
fn schemas_are_sound_describe_every_property_and_close_every_table() {
    for kind in Kind::ALL {
        let schema = schema(kind);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        jsonschema::meta::validate(schema).unwrap();
        each_schema(schema, "", &mut |value, place| {
            let Some(properties) = value.get("properties").and_then(Value::as_object) else { return };
            if place.ends_with("/properties") {
                return;
            }
            assert_eq!(value["additionalProperties"], false, "{kind:?} {place}");
            for (name, property) in properties {
                let text = property["description"].as_str().unwrap_or_default();
                assert!(
                    text.ends_with('.') || text.ends_with(')'),
                    "{kind:?} {place}/{name} is not described: {text:?}"
                );
            }
        });
    }
}
