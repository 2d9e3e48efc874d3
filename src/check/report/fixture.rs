//! Findings with everything in them that could break a format, for the tests of reports.

use proptest::prelude::*;

use super::ReportSubject;
use crate::check::finding::Finding;
use crate::types::{NodeId, Place, Problem};

/// This many nodes.
pub(super) fn nodes(count: usize) -> Vec<NodeId> {
    (0..count).map(|number| NodeId::parse(&format!("x{number}")).unwrap()).collect()
}

/// A report about nothing but findings.
pub(super) fn subject(findings: &[Finding]) -> ReportSubject<'_> {
    ReportSubject { findings, ..ReportSubject::default() }
}

/// Texts with what formats are framed by, and any other characters.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\n::error::x".to_owned()),
        Just("\r\n".to_owned()),
        Just("##[error]".to_owned()),
        Just("@somebody #7 <b> &lt; `|` ||| ]]> <!-- %0A \\|".to_owned()),
        Just("\u{0}\u{b}\u{1b}[2J\u{fffe}\u{202e}\u{2028}".to_owned()),
        Just("https://example.org www.example.org **bold** ![a](b)".to_owned()),
        any::<String>(),
        "[ -~]{0,40}",
    ];
    proptest::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

/// Any finding.
pub(super) fn finding() -> impl Strategy<Value = Finding> {
    let place = proptest::option::of((text(), 0..3_usize, 0..3_usize));
    (text(), proptest::option::of(text()), place, 0..6_usize, 0..3_u8).prop_map(
        |(message, hint, place, count, kind)| {
            let place = place.map(|(file, line, column)| Place::at(file, line, column));
            let problem = Problem { place, message, hint };
            match kind {
                0 => Finding::error("template", problem, nodes(count)),
                1 => Finding::warning("hidden-name", problem, nodes(count)),
                _ => Finding::note("not-an-xname", problem, nodes(count)),
            }
        },
    )
}

/// Any findings.
pub(super) fn findings() -> impl Strategy<Value = Vec<Finding>> {
    proptest::collection::vec(finding(), 0..8)
}
