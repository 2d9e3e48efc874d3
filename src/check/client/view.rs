//! A node's documents as its client has them.

use super::super::finding::Finding;
use super::super::yaml;
use super::{ClientTemplate, Names, is_for_the_client};
use crate::types::{DocumentName, Place, Problem};

/// A document as the client has it after its own rendering.
#[derive(Clone, Debug)]
pub struct ClientView {
    /// The document. Empty when the client loses it, or when it cannot be said what it makes of it.
    pub body: Vec<u8>,
    /// What is wrong with it, at places in the document as it was served.
    pub findings: Vec<Finding>,
    /// Names that only the machine knows, and for which the values of Debian 13 were taken.
    pub stand_ins: Vec<String>,
}

/// What the client of a node with this meta-data makes of a document. `None` when it takes it as it is. `file` is what
/// findings call the document; what is rendered may have `most_bytes` bytes.
#[must_use]
pub fn client_view(
    meta_data: &[u8],
    name: &DocumentName,
    body: &[u8],
    file: &str,
    most_bytes: usize,
) -> Option<ClientView> {
    let text = std::str::from_utf8(body).ok().filter(|_| is_for_the_client(name, body))?;
    let meta_data = std::str::from_utf8(meta_data).ok().and_then(yaml::load);
    let rendering = ClientTemplate::new(text, most_bytes).render(&Names::new(meta_data.as_ref()));
    let findings = rendering.remarks.into_iter().map(|remark| {
        let place = remark.at.map_or_else(|| Place::file(file), |(line, column)| Place::at(file, line, column));
        let hint = remark.hint.map(std::borrow::Cow::into_owned);
        Finding::of(remark.rule, Problem { place: Some(place), message: remark.message, hint }, Vec::new())
    });
    Some(ClientView {
        body: rendering.document.map(|(text, _)| text.into_bytes()).unwrap_or_default(),
        findings: findings.collect(),
        stand_ins: rendering.stand_ins,
    })
}
