//! The files that rules are written in.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::super::catalogue::AnyRule;
use super::super::finding::Severity;
use super::super::remark::Remark;
use super::super::yaml;
use super::schema::{Schema, Violation};
use super::scope::Scope;
use super::{FOLDER, PREFIX};
use crate::render::NodeFacts;
use crate::site::yaml_problem;
use crate::types::{DocumentName, GroupLabel, Place, Problem};

/// Most characters of a rule's id without its prefix.
const LONGEST_ID: usize = 64;

/// A rule of a site.
#[derive(Debug)]
pub(super) struct SiteRule {
    /// Its file.
    pub(super) path: String,
    /// Its id, with the prefix.
    pub(super) id: String,
    /// How much what it finds matters.
    pub(super) severity: Severity,
    /// What it is about.
    pub(super) target: Target,
    /// The nodes it holds for.
    pub(super) scope: Scope,
    /// What has to be so.
    pub(super) schema: Schema,
    message: String,
    hint: Option<String>,
    summary: String,
    explanation: String,
}

/// What a rule looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// What all of a node's cloud-config comes to.
    CloudConfig,
    /// One document.
    Document(DocumentName),
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "cloud-config" {
            return Ok(Self::CloudConfig);
        }
        DocumentName::parse(&text).map(Self::Document).map_err(|_| {
            let known = "cloud-config, meta-data, user-data, vendor-data, network-config or GROUP.yaml";
            serde::de::Error::custom(format!("this is no document: write {known}"))
        })
    }
}

/// The file as it is written. A list that is empty says as little as one that is not there.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(default)]
    description: String,
    document: Target,
    #[serde(default)]
    groups: Vec<GroupLabel>,
    #[serde(default)]
    nodes: Vec<String>,
    #[serde(default = "error")]
    severity: Severity,
    message: String,
    #[serde(default)]
    hint: String,
    schema: Value,
}

const fn error() -> Severity {
    Severity::Error
}

/// The id that a file gives its rule, without the prefix.
pub(super) fn stem(path: &str) -> Option<&str> {
    path.strip_prefix(FOLDER)?.strip_suffix(".yaml").filter(|stem| !stem.contains('/'))
}

/// Reads a file in `rules/`. `None` for notes for people, which may lie there too.
///
/// # Errors
/// What keeps it from being a rule.
pub(super) fn read(path: &str, bytes: &[u8]) -> Result<Option<SiteRule>, Problem> {
    if path.ends_with(".md") {
        return Ok(None);
    }
    let whole = |message: &str| Problem::at(Place::file(path), message);
    let Some(stem) = stem(path) else {
        let name = path.rsplit('/').next().unwrap_or_default();
        let name = name.split('.').next().unwrap_or_default();
        let problem = whole("a rule's file is named rules/<id>.yaml, so this one is not read");
        return Err(problem.with_hint(format!("rename it to rules/{name}.yaml")));
    };
    if !is_id(stem) {
        return Err(whole("the name of this file is no id of a rule")
            .with_hint("use small letters and digits, in words with one `-` between them"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
        Problem::at(Place::of_offset(path, &before, before.len()), "the text is not UTF-8 from here on")
    })?;
    let file: RuleFile = serde_yaml::from_str(text).map_err(|error| yaml_problem(path, &error))?;
    let at = |pointer: &str| match yaml::load(text).map(|tree| tree.spot_of(pointer)) {
        Some((line, column)) => Place::at(path, line, column),
        None => Place::file(path),
    };
    if file.message.trim().is_empty() {
        return Err(
            Problem::at(at("/message"), "the rule has no message").with_hint("say what a node must have, and why")
        );
    }
    if let Some(index) = file.nodes.iter().position(String::is_empty) {
        return Err(Problem::at(at(&format!("/nodes/{index}")), "this pattern fits no node").with_hint("remove it"));
    }
    let schema = Schema::new(&file.schema)
        .map_err(|fault| Problem::at(at(&format!("/schema{}", fault.pointer)), fault.message).with_hint(fault.hint))?;
    Ok(Some(rule(path, stem, file, schema)))
}

fn rule(path: &str, stem: &str, file: RuleFile, schema: Schema) -> SiteRule {
    let RuleFile { description, document, groups, nodes, severity, message, hint, .. } = file;
    let message = message.trim().to_owned();
    let summary = if description.trim().is_empty() { message.clone() } else { description.trim().to_owned() };
    let mut explanation = format!("This is a rule of the site, in {path}: {message}.");
    let hint = Some(hint.trim().to_owned()).filter(|hint| !hint.is_empty());
    explanation.extend(hint.iter().map(|hint| format!(" {hint}.")));
    SiteRule {
        path: path.to_owned(),
        id: format!("{PREFIX}{stem}"),
        severity,
        target: document,
        scope: Scope { groups, nodes },
        schema,
        message,
        hint,
        summary,
        explanation,
    }
}

fn is_id(stem: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    stem.len() <= LONGEST_ID && stem.split('-').all(is_word)
}

impl SiteRule {
    /// Whether it holds for a node.
    pub(super) fn is_about(&self, facts: &NodeFacts) -> bool {
        let has_document = match &self.target {
            Target::Document(DocumentName::Group(label)) => facts.groups.contains(label),
            _ => true,
        };
        has_document && self.scope.holds_for(facts)
    }

    /// What it says about what breaks it. `whole` is what the schema looks at.
    pub(super) fn remark(&self, violation: &Violation, whole: &str) -> Remark {
        let message = format!("{}: {}", self.message, violation.said(whole));
        let hint = self.hint.clone().unwrap_or_else(|| format!("see the schema in {}", self.path));
        Remark::new(Cow::Owned(self.id.clone()), message).with_hint(hint)
    }

    /// What it is about, for reports.
    pub(super) fn described(&self) -> AnyRule<'_> {
        AnyRule::of_site(self.severity, &self.id, &self.summary, &self.explanation)
    }
}
