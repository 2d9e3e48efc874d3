//! Sites that are wrong in one way each, and what `mds build --check` finds in them: rule, file and line.
//!
//! A case is a file in `broken_sites/`, in the form of Go's txtar: what the case is about, then files, each after a line
//! `-- PATH --`. They take the place of those of `_whole.txtar`, a site of which there is nothing to say. The part
//! `expected` holds the exit code and a line for each finding. With `MDS_UPDATE_EXPECTED=1` the test writes these parts
//! anew; read the difference before you commit it.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "cli_support/mod.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use mds::check::RULES;
use serde_json::Value;
use support::Sandbox;

const EXPECTED: &str = "expected";

/// The rules that no file of a site can break: they are about what a service says, or about time.
const NOT_OF_FILES: [&str; 9] = [
    "duplicate-node",
    "interface-without-owner",
    "invalid-address",
    "invalid-group-label",
    "invalid-mac",
    "invalid-nid",
    "invalid-node-id",
    "old-lock",
    "repeated-address",
];

struct Case {
    path: PathBuf,
    about: String,
    files: BTreeMap<String, String>,
}

impl Case {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut about = String::new();
        let mut files: Vec<(String, String)> = Vec::new();
        for line in text.split_inclusive('\n') {
            let header = line.strip_prefix("-- ").and_then(|rest| rest.strip_suffix(" --\n"));
            match (header, files.last_mut()) {
                (Some(name), _) => files.push((name.to_owned(), String::new())),
                (None, None) => about.push_str(line),
                (None, Some((_, body))) => body.push_str(line),
            }
        }
        assert!(!about.trim().is_empty(), "{} does not say what it is about", path.display());
        Self { path: path.to_owned(), about, files: files.into_iter().collect() }
    }

    fn name(&self) -> &str {
        self.path.file_stem().unwrap().to_str().unwrap()
    }

    fn expected(&self) -> &str {
        self.files.get(EXPECTED).map_or("", String::as_str)
    }

    fn write_expected(&self, found: &str) {
        let mut text = format!("{}-- {EXPECTED} --\n{found}", self.about);
        for (path, body) in self.files.iter().filter(|(path, _)| *path != EXPECTED) {
            text += &format!("-- {path} --\n{body}");
        }
        fs::write(&self.path, text).unwrap();
    }
}

fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken_sites");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| Case::read(path)).collect()
}

/// Checks the case as a user would, and says what came out in the form of the part `expected`.
fn outcome(whole: &Case, case: &Case) -> String {
    let sandbox = Sandbox::empty();
    for (path, body) in whole.files.iter().chain(&case.files).filter(|(path, _)| *path != EXPECTED) {
        sandbox.write(&format!("site/{path}"), body);
    }
    let output = sandbox.command(&["build", "--check", "--site", "site", "--report", "json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{}: {error}: {}", case.name(), String::from_utf8_lossy(&output.stderr));
    });
    let mut lines: Vec<String> = report["findings"].as_array().unwrap().iter().map(line).collect();
    lines.sort();
    let code = output.status.code().unwrap();
    lines.into_iter().fold(format!("exit {code}\n"), |text, line| text + &line + "\n")
}

fn line(finding: &Value) -> String {
    let place = &finding["place"];
    let number = |key: &str| place[key].as_u64().filter(|number| *number > 0).map(|number| format!(":{number}"));
    let place = match place["file"].as_str() {
        Some(file) => [Some(file.to_owned()), number("line"), number("column")].into_iter().flatten().collect(),
        None => "-".to_owned(),
    };
    let text = |key: &str| finding[key].as_str().unwrap();
    let nodes = finding["nodes"].as_array().unwrap().len();
    format!("{} {} {place} nodes={nodes}", text("severity"), text("rule"))
}

#[test]
fn broken_sites_have_the_findings_that_are_expected_of_them() {
    let cases = cases();
    let whole = &cases.iter().find(|case| case.name() == "_whole").unwrap();
    let update = std::env::var_os("MDS_UPDATE_EXPECTED").is_some();
    let mut wrong = Vec::new();
    for case in &cases {
        let found = outcome(whole, case);
        if found == case.expected() {
            continue;
        }
        if update {
            case.write_expected(&found);
        } else {
            wrong.push(format!("{}:\n--- expected\n{}+++ found\n{found}", case.name(), case.expected()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_about_a_site_has_a_case() {
    let cases = cases();
    let shown: BTreeSet<&str> =
        cases.iter().flat_map(|case| case.expected().lines()).filter_map(|line| line.split(' ').nth(1)).collect();
    let missing: Vec<&str> =
        RULES.iter().map(|rule| rule.id).filter(|id| !shown.contains(id) && !NOT_OF_FILES.contains(id)).collect();
    assert!(missing.is_empty(), "no case in broken_sites/ breaks {missing:?}");
}

#[test]
fn a_case_that_is_about_a_rule_breaks_it() {
    for case in cases() {
        let rule = RULES.iter().map(|rule| rule.id).find(|id| *id == case.name());
        if let Some(rule) = rule {
            assert!(case.expected().contains(&format!(" {rule} ")), "{} does not break {rule}", case.name());
        }
    }
}

#[test]
fn nothing_is_found_in_the_site_that_the_others_are_made_of() {
    assert_eq!(cases().iter().find(|case| case.name() == "_whole").unwrap().expected(), "exit 0\n");
}
