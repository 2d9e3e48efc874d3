//! A document that the client renders, read once and rendered for many nodes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::Environment;

use super::super::header;
use super::super::remark::{Remark, Spot};
use super::environment::environment;
use super::faults::{self, Stop};
use super::map::{Nameless, SourceMap, assemble};
use super::names::{DICT_METHODS, Events, MISSING, Names};
use super::source::spot_of;
use super::tags::{unknown_filter, with_dots};
use super::{RULE, UNDEFINED_RULE};
use crate::types::Digest;

/// Steps of a rendering. A document of a few hundred lines takes some thousand.
const MOST_STEPS: u64 = 200_000;
/// Bytes that may be made for one step.
const BYTES_PER_STEP: u64 = 64;
/// Longest expression that is repeated in a message.
const LONGEST_NAME: usize = 80;
/// Nodes for which a document may be too much before it is taken to be so for all.
const MOST_TRIES: usize = 16;
/// The template's name, which nobody sees.
const NAME: &str = "document";

/// The text of a template, and what stands before it in the document.
#[derive(Debug)]
pub(super) struct Source {
    served: Arc<str>,
    header: usize,
    text: String,
}

impl Source {
    /// What jinja reads: all but the first line, with dots for subscripts.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The place in the document of a byte of what jinja reads.
    pub(super) fn spot(&self, offset: usize) -> Spot {
        spot_of(&self.served, self.header + offset)
    }
}

/// A document that the client renders.
#[derive(Debug)]
pub(in crate::check) struct ClientTemplate {
    environment: Environment<'static>,
    source: Source,
    /// Why it cannot be rendered for any node.
    fault: Option<Remark>,
    /// How many nodes it was too much for.
    too_much: AtomicUsize,
    most_bytes: usize,
}

/// What the client makes of a document.
#[derive(Debug)]
pub(in crate::check) struct ClientRendering {
    /// The rendered document with its places; none if the client loses it, or if it cannot be said.
    pub(in crate::check) document: Option<(String, SourceMap)>,
    /// What there is to say, with places in the document as it was served.
    pub(in crate::check) remarks: Vec<Remark>,
    /// Names of what only the machine knows, for which a stand-in was taken.
    pub(in crate::check) stand_ins: Vec<String>,
}

impl ClientRendering {
    /// Tells this rendering from others of the document with a digest.
    pub(in crate::check) fn digest(&self, document: Digest) -> Digest {
        let text = self.document.as_ref().map_or("", |(text, _)| text);
        Digest::of([&format!("{document} {:?} ", self.remarks), text].concat().as_bytes())
    }
}

impl ClientTemplate {
    /// Reads a document that [`super::is_for_the_client`]. What is rendered of it may have `most_bytes` bytes.
    pub(in crate::check) fn new(text: &str, most_bytes: usize) -> Self {
        // As jinja does. Python's `str` has no other line ends in a document that came over HTTP.
        let served: Arc<str> = text.replace("\r\n", "\n").replace('\r', "\n").into();
        let header = served.find('\n').map_or(served.len(), |newline| newline + 1);
        let text = with_dots(&served[header..], |name| DICT_METHODS.contains(&name));
        let source = Source { served, header, text };
        let fuel = MOST_STEPS + most_bytes as u64 / BYTES_PER_STEP;
        let mut environment = environment(fuel);
        let fault = header_fault(&source).or_else(|| {
            let added = environment.add_template_owned(NAME, source.text().to_owned());
            added.err().map(|error| faults::stop_of(&error, &source, &Events::default()).remark())
        });
        let fault = fault.or_else(|| {
            let (offset, name) = unknown_filter(source.text())?;
            Some(faults::unknown_filter(name, source.spot(offset)))
        });
        Self { environment, source, fault, too_much: AtomicUsize::new(0), most_bytes }
    }

    /// Renders it with the names of a node.
    pub(in crate::check) fn render(&self, names: &Names) -> ClientRendering {
        match self.try_render(names) {
            Ok(rendering) => rendering,
            Err(stop) => {
                if matches!(stop, Stop::TooMuch(_)) {
                    self.too_much.fetch_add(1, Ordering::Relaxed);
                }
                let remark = stop.remark();
                ClientRendering { document: None, remarks: vec![remark], stand_ins: Vec::new() }
            }
        }
    }

    fn try_render(&self, names: &Names) -> Result<ClientRendering, Stop> {
        if let Some(fault) = &self.fault {
            return Err(Stop::Lost(fault.clone()));
        }
        if self.too_much.load(Ordering::Relaxed) >= MOST_TRIES {
            return Err(Stop::TooMuch(faults::too_much("it was so for many nodes before this one", None)));
        }
        let rendered =
            self.environment.get_template(NAME).and_then(|template| template.render_with_spans(names.root.clone()));
        let events = names.log.take();
        let (rendered, spans) = rendered.map_err(|error| faults::stop_of(&error, &self.source, &events))?;
        if let Some(remark) = faults::refused(&events, &self.source) {
            return Err(Stop::Lost(remark));
        }
        if rendered.len() > self.most_bytes {
            return Err(Stop::TooMuch(faults::too_much("it becomes larger than [render] max_document_bytes", None)));
        }
        let Source { served, header, .. } = &self.source;
        let (mut text, map, nameless) = assemble(served, *header, &rendered, &spans);
        // Jinja takes one from the end, and the client puts it back.
        if served.ends_with('\n') && *header < served.len() {
            text.push('\n');
        }
        let mut remarks = faults::undefined(&events, &text, &self.source);
        remarks.extend(nameless.iter().map(|nameless| self.nameless(nameless)));
        remarks.dedup();
        remarks.extend(header::unknown_after_jinja(&text).map(|remark| Remark { at: Some((1, 1)), ..remark }));
        Ok(ClientRendering { document: Some((text, map)), remarks, stand_ins: events.stand_ins })
    }

    fn nameless(&self, Nameless { expression, name, offset }: &Nameless) -> Remark {
        // A text inside it might be a secret.
        let is_name = |letter: char| letter.is_alphanumeric() || "_.-[]'\"".contains(letter);
        let may_be_said = expression.len() <= LONGEST_NAME && expression.chars().all(is_name);
        let message = match may_be_said {
            true => format!("`{expression}` is not defined on the node, which writes {MISSING}{name} in its place"),
            false => {
                format!("what this asks for is not defined on the node, which writes {MISSING} and its name there")
            }
        };
        let hint = "name a value for nodes without it with the filter `default`";
        Remark::at(UNDEFINED_RULE, self.source.spot(*offset), message).with_hint(hint)
    }
}

/// What is wrong with the first line of a document that begins with a jinja line after white space at most.
fn header_fault(source: &Source) -> Option<Remark> {
    let first = source.served.lines().next().unwrap_or_default().trim_end();
    if first.to_ascii_lowercase() == header::JINJA {
        return None;
    }
    let message = match first.trim_start() == first && !first.is_empty() {
        true => {
            "the jinja line goes on, and cloud-init knows no template of that kind: nodes ignore all of the document"
        }
        false => {
            "white space stands before the jinja line, so that cloud-init does not render the document and ignores \
                  all of it"
        }
    };
    let hint = "make `## template: jinja`, and nothing else, the first line";
    Some(Remark::at(RULE, (1, 1), message).with_hint(hint))
}
