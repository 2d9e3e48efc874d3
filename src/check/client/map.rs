//! What a client made of a template, and where every letter of it came from.

use std::sync::Arc;

use minijinja::{OutputSpan, OutputSpanKind};

use super::super::remark::Spot;
use super::environment::NAMELESS;
use super::names::MISSING;
use super::source::{last_name, offset_of, spot_of};

/// From places in what the client rendered to places in the document as it was served.
#[derive(Clone, Debug)]
pub(in crate::check) struct SourceMap {
    served: Arc<str>,
    /// How many bytes of the document stand before what is rendered.
    header: usize,
    parts: Vec<Part>,
}

/// A piece of text that comes from one place.
#[derive(Clone, Copy, Debug)]
struct Part {
    start: usize,
    end: usize,
    source: usize,
    /// Whether it stands in the document as it is.
    is_raw: bool,
}

/// An expression that came to nothing that has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Nameless {
    /// The expression.
    pub(super) expression: String,
    /// What the client writes for its name.
    pub(super) name: String,
    /// Where it stands in the template, in bytes.
    pub(super) offset: usize,
}

impl SourceMap {
    /// The document as it was served.
    pub(in crate::check) fn served(&self) -> &str {
        &self.served
    }

    /// The place in the served document of a place in the rendered one.
    pub(in crate::check) fn place(&self, rendered: &str, at: Spot) -> Option<Spot> {
        let offset = offset_of(rendered, at)?;
        let after = self.parts.partition_point(|part| part.end <= offset);
        let part = self.parts.get(after).filter(|part| part.start <= offset)?;
        let inside = if part.is_raw { offset - part.start } else { 0 };
        Some(spot_of(&self.served, self.header + part.source + inside))
    }
}

/// Puts the names of missing values into what was rendered, and maps all of it.
pub(super) fn assemble(
    served: &Arc<str>,
    header: usize,
    rendered: &str,
    spans: &[OutputSpan],
) -> (String, SourceMap, Vec<Nameless>) {
    let source = &served[header..];
    let (mut text, mut parts, mut nameless) = (String::with_capacity(rendered.len()), Vec::new(), Vec::new());
    let mut done = 0;
    for span in spans {
        let (range, from) = (span.output_range(), span.source_range());
        text.push_str(rendered.get(done..range.start).unwrap_or_default());
        done = range.end;
        let (start, piece) = (text.len(), rendered.get(range).unwrap_or_default());
        let is_raw = span.kind() == OutputSpanKind::Raw;
        if is_raw || !piece.contains(NAMELESS) {
            text.push_str(piece);
        } else {
            let expression = source.get(from.clone()).unwrap_or_default().trim();
            // An `if` without `else` prints nothing, and nothing is missing.
            if expression.contains(" if ") && !expression.contains(" else ") {
                text.push_str(&piece.replace(NAMELESS, ""));
            } else {
                let value = expression.split(" if ").next().unwrap_or(expression);
                let name = last_name(value).unwrap_or("None").to_owned();
                text.push_str(&piece.replace(NAMELESS, &format!("{MISSING}{name}")));
                nameless.push(Nameless { expression: expression.to_owned(), name, offset: from.start });
            }
        }
        parts.push(Part { start, end: text.len(), source: from.start, is_raw });
    }
    text.push_str(rendered.get(done..).unwrap_or_default());
    (text, SourceMap { served: Arc::clone(served), header, parts }, nameless)
}
