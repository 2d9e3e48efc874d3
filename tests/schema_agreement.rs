//! Our verdicts on cloud-config against those of the real `cloud-init schema`, of Debian 13.
//!
//! Good documents for every module, and thousands that come of changing one thing in them, are given to the client and
//! to mds. There is no disagreement on any, neither with the package's own schema file nor with ours.
//!
//! One oddity is left out. In a list of alternatives the client drops every error of a mapping with a `type` key that
//! is not about that key, so that it finds a user with a misplaced `type` valid; mds says that the key is unknown.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs)]

#[path = "schema_agreement/client.rs"]
mod client;
#[path = "schema_agreement/corpus.rs"]
mod corpus;
#[path = "schema_agreement/mutants.rs"]
mod mutants;

use std::collections::BTreeSet;

use client::{Client, Verdict};
use corpus::{Document, documents};
use mds::check::{CloudConfigSchema, Step, ViolationKind};
use mutants::mutants;
use serde_json::Value;

fn good() -> Vec<Document> {
    documents(include_str!("schema_agreement/good.yaml"))
}

fn deprecated() -> Vec<Document> {
    documents(include_str!("schema_agreement/deprecated.yaml"))
}

fn bad() -> Vec<Document> {
    documents(include_str!("schema_agreement/bad.yaml"))
}

/// Whether a document is valid, and the paths of what is deprecated in it.
fn ours(schema: &CloudConfigSchema, document: &Document) -> (bool, Vec<String>) {
    let Some(value) = document.value() else { return (false, Vec::new()) };
    let violations = schema.violations(&value);
    let is_valid = violations.iter().all(|violation| violation.kind == ViolationKind::Deprecated);
    assert_eq!(is_valid, schema.accepts(&value), "{}", document.name);
    let old = violations.iter().filter(|violation| violation.kind == ViolationKind::Deprecated);
    let step = |step: &Step| match step {
        Step::Key(key) => key.clone(),
        Step::Index(index) => index.to_string(),
    };
    let path = |steps: &[Step]| steps.iter().map(step).collect::<Vec<_>>().join(".");
    let paths: BTreeSet<String> = old.map(|violation| path(&violation.path)).collect();
    (is_valid, paths.into_iter().collect())
}

/// Compares, prints how many verdicts differ, and returns how many do on validity and on deprecations.
fn disagreements(
    name: &str,
    schema: &CloudConfigSchema,
    documents: &[Document],
    verdicts: &[Verdict],
) -> (usize, usize) {
    let (mut on_validity, mut on_deprecations) = (0, 0);
    for (document, verdict) in documents.iter().zip(verdicts) {
        let (is_valid, deprecated) = ours(schema, document);
        if is_valid != verdict.valid {
            on_validity += 1;
            println!("{name}: the client says {}, mds {is_valid}: {}", verdict.valid, document.name);
        }
        if deprecated != verdict.deprecated {
            on_deprecations += 1;
            println!("{name}: deprecated: {:?}, by mds {deprecated:?}: {}", verdict.deprecated, document.name);
        }
    }
    let valid = verdicts.iter().filter(|verdict| verdict.valid).count();
    println!(
        "{name}: {on_validity} disagreements on {} documents ({valid} valid); on deprecations {on_deprecations}",
        documents.len()
    );
    (on_validity, on_deprecations)
}

#[test]
fn verdicts_are_those_of_the_real_client() {
    let Some(client) = Client::find() else { return };
    let (good, deprecated, bad) = (good(), deprecated(), bad());
    let by_hand = good.len() + deprecated.len() + bad.len();
    let made = good.iter().chain(&deprecated).flat_map(mutants);
    let all: Vec<Document> = good.iter().chain(&deprecated).chain(&bad).cloned().chain(made).collect();
    assert!(all.len() >= 400);
    // Spread over good, deprecated, bad and changed ones.
    let by_command: Vec<usize> = (0..10).map(|part| part * 2 * by_hand / 10).collect();

    let verdicts = client.verdicts(&all, &by_command);

    for (document, verdict) in all.iter().zip(&verdicts) {
        if let Some(by_command) = verdict.command {
            assert_eq!(by_command, verdict.valid, "the command says otherwise of {}", document.name);
        }
    }
    assert_eq!(verdicts.iter().filter(|verdict| verdict.command.is_some()).count(), by_command.len());
    let said = |expected: bool, old: bool, from: usize, part: &[Document]| {
        for (document, verdict) in part.iter().zip(&verdicts[from..]) {
            let is_as_expected = verdict.valid == expected && (!expected || verdict.deprecated.is_empty() != old);
            assert!(is_as_expected, "{}: {verdict:?}", document.name);
        }
    };
    said(true, false, 0, &good);
    said(true, true, good.len(), &deprecated);
    said(false, false, good.len() + deprecated.len(), &bad);

    let theirs = CloudConfigSchema::parse("schema-cloud-config-v1.json", &client.schema()).unwrap();
    let with_theirs = disagreements("the package's schema", &theirs, &all, &verdicts);
    let ours = CloudConfigSchema::built_in().unwrap();
    let with_ours = disagreements("our schema", &ours, &all, &verdicts);
    assert_eq!(with_theirs, (0, 0), "disagreements with the package's own schema");
    assert_eq!(with_ours, (0, 0), "disagreements with our schema");
}

#[test]
fn good_documents_have_every_key_of_the_schema() {
    let schema: Value = serde_json::from_str(include_str!("../schemas/cloud-config.schema.json")).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<String>>();
    let known = keys(&schema["properties"]);
    let used: BTreeSet<String> =
        good().iter().chain(&deprecated()).flat_map(|document| keys(&document.value().unwrap())).collect();
    assert_eq!(known, used);
}
