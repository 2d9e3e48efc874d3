//! What the client makes of documents that begin with `## template: jinja`: cloud-init renders these itself, with what
//! it knows of the node, before it looks at what they are.
//!
//! That is done here as cloud-init 25.1 does it (22.4 differs in one thing: it knows no boothooks after a jinja line),
//! with a jinja of our own, so what this cannot do is said and not judged. The facts are those of
//! `handlers.jinja_template` and `templater`. meta-data and network-config are never rendered: there the line is a
//! comment.

mod environment;
mod faults;
mod instance_data;
mod map;
mod names;
mod source;
mod tags;
mod template;
mod view;

pub(super) use map::SourceMap;
pub(super) use names::Names;
pub(super) use template::ClientTemplate;
pub use view::{ClientView, client_view};

use super::header;
use crate::types::DocumentName;

/// The rule that the client can render a document.
pub(super) const RULE: &str = "client-template";
/// The rule that names are defined on the node.
pub(super) const UNDEFINED_RULE: &str = "client-template-undefined";
/// The rule that what is gone through is defined on the node.
pub(super) const LOOP_RULE: &str = "client-template-empty-loop";
/// The rule that it can be said what a client makes of a document.
pub(super) const UNJUDGED_RULE: &str = "client-template-unchecked";

/// Whether cloud-init takes a document for a jinja template: after white space, in any case.
pub(super) fn is_for_the_client(name: &DocumentName, body: &[u8]) -> bool {
    !matches!(name, DocumentName::MetaData | DocumentName::NetworkConfig) && header::is_jinja(body)
}

#[cfg(test)]
mod tests;
