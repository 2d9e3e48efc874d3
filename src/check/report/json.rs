//! The report for programs: everything that was found, with every node. Its schema is `schemas/report.schema.json`.

use serde_json::json;

use super::ReportSubject;
use crate::check::finding::Summary;

/// The version of the format of this report.
const FORMAT: u32 = 1;

/// One JSON value on one line.
pub(super) fn json_report(subject: &ReportSubject<'_>) -> String {
    let counts = Summary::of(subject.findings);
    let mut report =
        json!({"format": FORMAT, "counts": counts, "findings": subject.findings, "waived": subject.waived});
    if let Some(changes) = subject.changes {
        report["changes"] = json!(changes);
    }
    format!("{report}\n")
}
