//! Findings.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::rules::rule;
use crate::render::RenderProblem;
use crate::types::{NodeId, Problem};

/// How much a finding matters. The order is that of reports: errors first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nodes would boot wrongly: nothing is published.
    Error,
    /// Probably not what was meant.
    Warning,
    /// Good to know.
    Note,
}

impl Severity {
    /// Its name, as settings and reports have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// Something a check has to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule's id, such as `duplicate-address`.
    pub rule: Cow<'static, str>,
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong, where, and what to do.
    #[serde(flatten)]
    pub problem: Problem,
    /// The nodes concerned, in the order of their ids.
    pub nodes: Vec<NodeId>,
}

impl Finding {
    /// What a rule found, with the severity that the list of rules gives it. A rule that is not in the list finds errors.
    #[must_use]
    pub fn of(id: impl Into<Cow<'static, str>>, problem: Problem, nodes: Vec<NodeId>) -> Self {
        let id = id.into();
        let severity = rule(&id).map_or(Severity::Error, |rule| rule.severity);
        Self { rule: id, severity, problem, nodes }
    }

    /// An error.
    #[must_use]
    pub const fn error(rule: &'static str, problem: Problem, nodes: Vec<NodeId>) -> Self {
        Self { rule: Cow::Borrowed(rule), severity: Severity::Error, problem, nodes }
    }

    /// A warning.
    #[must_use]
    pub const fn warning(rule: &'static str, problem: Problem, nodes: Vec<NodeId>) -> Self {
        Self { rule: Cow::Borrowed(rule), severity: Severity::Warning, problem, nodes }
    }

    /// A note.
    #[must_use]
    pub const fn note(rule: &'static str, problem: Problem, nodes: Vec<NodeId>) -> Self {
        Self { rule: Cow::Borrowed(rule), severity: Severity::Note, problem, nodes }
    }
}

impl From<RenderProblem> for Finding {
    fn from(found: RenderProblem) -> Self {
        Self::of(found.rule, found.problem, found.nodes)
    }
}

/// How many findings there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Notes.
    pub notes: usize,
}

impl Summary {
    /// Counts.
    #[must_use]
    pub fn of(findings: &[Finding]) -> Self {
        let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
        Self { errors: count(Severity::Error), warnings: count(Severity::Warning), notes: count(Severity::Note) }
    }
}
