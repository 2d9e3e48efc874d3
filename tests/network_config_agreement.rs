//! What `mds` says about network-config is what Debian 13's cloud-init and netplan say.
//!
//! A corpus of documents, and every document of it that works with one thing changed at a time, is given to both. Needs
//! root and the Debian root that `tests/lib/roots` makes; elsewhere it skips itself, loudly, unless
//! `MDS_TESTS_MUST_RUN=1`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use mds::check::{Rulebook, document_inspector};
use mds::inventory::parse_inventory;
use mds::render::Plan;
use mds::site::{FolderReader, Site};
use serde_yaml::{Mapping, Value};

const CORPUS: &str = include_str!("network_config_agreement/corpus.txt");
const CLIENT: &str = include_str!("network_config_agreement/client.py");

/// Rules that say that the client does not take a document.
const RULES: [&str; 2] = ["network-config-schema", "yaml-syntax"];

/// Of a hundred verdicts, how many may differ.
const MOST_PERCENT: usize = 2;

/// Mounts what the client may write to over the root, which others use at the same time.
const ENTER: &str = "mount -t tmpfs tmpfs \"$1/tmp\" && mount -t tmpfs tmpfs \"$1/run\" &&
    exec chroot \"$1\" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 python3 -B -c \"$2\"";

#[test]
fn verdicts_are_those_of_the_client() {
    let Some(root) = root() else { return };
    let documents = documents();
    let texts: Vec<&str> = documents.iter().map(|(_, text)| text.as_str()).collect();
    let (ours, theirs) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| client(&root, &texts));
        (texts.iter().map(|text| faults(text)).collect::<Vec<_>>(), theirs.join().unwrap())
    });
    assert_eq!(theirs.len(), documents.len());
    let mut differences = Vec::new();
    let (mut refused, mut unexplained) = (0, 0);
    for (((name, text), ours), complaint) in documents.iter().zip(&ours).zip(&theirs) {
        refused += usize::from(complaint.is_some());
        if ours.is_empty() != complaint.is_none() {
            let reason = reason(text, complaint.as_deref());
            unexplained += usize::from(reason.is_none());
            let reason = reason.unwrap_or("why is not known");
            differences.push(format!("--- {name}: {reason}\n{text}ours: {ours:?}\ntheirs: {complaint:?}"));
        }
        let is_good = name.starts_with("good") && !name.contains(':');
        assert!(!is_good || complaint.is_none(), "{name} is not taken: {complaint:?}");
    }
    let line = format!(
        "network-config: {} of {} verdicts differ from the client's ({refused} documents are refused by it)",
        differences.len(),
        documents.len()
    );
    let _ = writeln!(std::io::stderr(), "{line}\n{}", differences.join("\n"));
    assert_eq!(unexplained, 0, "some differences are not explained");
    assert!(refused * 4 > documents.len(), "most documents are fine, so that the comparison says little");
    assert!(differences.len() * 100 <= documents.len() * MOST_PERCENT, "{line}");
}

/// Why a difference is as it should be.
fn reason(text: &str, complaint: Option<&str>) -> Option<&'static str> {
    if complaint.is_some() {
        return None;
    }
    [
        ("bond_interfaces:", "cloud-init makes a bond of a member that is not defined, and the bond has no card"),
        (
            "type: nameserver",
            "cloud-init writes name servers only where there is a static address, and passes over others",
        ),
        ("/24x", "netplan reads the digits of a length, and not what follows them"),
        ("type: route", "cloud-init passes over a route of no interface when it sets up netplan"),
    ]
    .into_iter()
    .find_map(|(words, reason)| text.contains(words).then_some(reason))
}

/// The corpus by names, then its good documents with one change each.
fn documents() -> Vec<(String, String)> {
    let sections = CORPUS.split("\n=== ").skip(1);
    let corpus: Vec<(String, String)> = sections
        .filter_map(|section| section.split_once('\n'))
        .map(|(name, text)| (name.to_owned(), format!("{}\n", text.trim_end_matches('\n'))))
        .collect();
    let good = corpus.iter().filter(|(name, _)| name.starts_with("good"));
    let mut seen: BTreeSet<String> = corpus.iter().map(|(_, text)| text.clone()).collect();
    let mutants: Vec<(String, String)> = good
        .flat_map(|(name, text)| {
            let value: Value = serde_yaml::from_str(text).expect("a good document is YAML");
            mutants(&value).into_iter().map(move |mutant| (name, mutant))
        })
        .map(|(name, mutant)| (format!("{name}: changed"), serde_yaml::to_string(&mutant).expect("it can be written")))
        .filter(|(_, text)| seen.insert(text.clone()))
        .collect();
    corpus.iter().cloned().chain(mutants).collect()
}

/// Everything that comes of changing one thing in a value.
fn mutants(value: &Value) -> Vec<Value> {
    let others = [Value::Null, Value::from("zzz"), Value::from(-1), Value::from(true), Value::Sequence(Vec::new())]
        .into_iter()
        .chain([Value::Mapping(Mapping::new())]);
    let mut found: Vec<Value> = others.filter(|other| other != value).collect();
    match value {
        Value::Mapping(mapping) => {
            for (key, inner) in mapping {
                let with = |new_key: Option<Value>, inner: Value| {
                    let entries = mapping.iter().filter_map(|(other, value)| match other == key {
                        true => Some((new_key.clone()?, inner.clone())),
                        false => Some((other.clone(), value.clone())),
                    });
                    Value::Mapping(entries.collect())
                };
                found.push(with(None, Value::Null));
                if let Some(text) = key.as_str() {
                    found.push(with(Some(format!("{text}x").into()), inner.clone()));
                }
                found.extend(mutants(inner).into_iter().map(|mutant| with(Some(key.clone()), mutant)));
            }
        }
        Value::Sequence(items) => {
            for (index, item) in items.iter().enumerate() {
                let with = |new: Option<Value>| {
                    let (before, after) = (items[..index].iter().cloned(), items[index + 1..].iter().cloned());
                    Value::Sequence(before.chain(new).chain(after).collect())
                };
                found.push(with(None));
                found.extend(mutants(item).into_iter().map(|mutant| with(Some(mutant))));
            }
        }
        _ => {}
    }
    found
}

/// The rules that are broken by a document that says that the client does not take it.
fn faults(text: &str) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    std::fs::write(folder.path().join("mds.toml"), "").unwrap();
    std::fs::write(folder.path().join("templates/network-config"), format!("{{% raw %}}{text}{{% endraw %}}")).unwrap();
    let site = Site::read(&FolderReader::new(folder.path()).unwrap()).unwrap();
    let inventory = parse_inventory("inventory.json", br#"{"format": 1, "nodes": [{"id": "x1"}]}"#).unwrap();
    let plan = Arc::new(Plan::new(&site, &inventory).unwrap());
    let node = plan.renderer().unwrap().render(0).unwrap();
    let verdict = document_inspector(&Arc::new(Rulebook::new(&site).0), &plan)(&plan.facts()[0], &node);
    let problems = verdict.problems.iter().chain(&verdict.remarks);
    problems.map(|problem| problem.rule.to_string()).filter(|rule| RULES.contains(&rule.as_str())).collect()
}

/// What the client says of each document: nothing, or what is wrong.
fn client(root: &Path, documents: &[&str]) -> Vec<Option<String>> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", ENTER, "sh"]).arg(root).arg(CLIENT);
    let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(&serde_json::to_vec(documents).unwrap()).unwrap();
    drop(input);
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success(), "the client's code cannot be run: {}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The root with the client, or none when this machine cannot use it.
fn root() -> Option<PathBuf> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let listing = Command::new(repository.join("tests/lib/roots"))
        .arg("--print")
        .arg(repository.join(".cache/roots"))
        .output()
        .unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    let folder = listing.lines().find_map(|line| line.strip_prefix("trixie ")).map(PathBuf::from).unwrap();
    if rustix::process::geteuid().is_root() && folder.is_dir() {
        return Some(folder);
    }
    let reason = format!("it needs root and {}", folder.display());
    assert!(std::env::var_os("MDS_TESTS_MUST_RUN").is_none_or(|value| value != "1"), "the test must run: {reason}");
    let _ = writeln!(std::io::stderr(), "\nSKIPPED: no verdicts were compared: {reason}");
    None
}
