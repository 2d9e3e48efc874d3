//! The parts that cloud-init takes a document apart into, in the order in which it merges them.
//!
//! A message of several parts, an archive and a list of URLs are each as many parts as they hold. What is no
//! cloud-config, such as a script, takes no part in merging; neither does what an URL leads to that is not the node's own
//! group.

use std::borrow::Cow;

use mailparse::ParsedMail;

use crate::check::document::{Document, DocumentKind};
use crate::check::remark::Spot;
use crate::check::yaml::{self, Tree, Value};
use crate::check::{header, yaml::load};
use crate::types::DocumentName;

/// How deep messages, archives and includes may lie in each other.
const MOST_LEVELS: usize = 8;
/// The headers that say how a part is merged, of which the first that is there counts. Their case matters.
const HOW_HEADERS: [&str; 2] = ["Merge-Type", "X-Merge-Type"];

/// Where a part stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::check) struct Source {
    /// The document.
    pub(in crate::check) document: DocumentName,
    /// Which of several parts of it, from 1.
    pub(in crate::check) number: Option<usize>,
    /// Where in the document, when places in the part are not places in the document.
    at: Option<Spot>,
}

impl Source {
    /// A place in the part as one in the document.
    pub(in crate::check) fn spot(&self, spot: Spot) -> Option<Spot> {
        if self.number.is_none() { Some(spot) } else { self.at }
    }

    /// What people call it.
    pub(in crate::check) fn name(&self) -> String {
        let document = match &self.document {
            DocumentName::Group(label) => format!("group `{label}`"),
            other => other.to_string(),
        };
        match self.number {
            None => document,
            Some(number) => format!("part {number} of {document}"),
        }
    }
}

/// What a part says.
#[derive(Clone, Debug)]
pub(super) enum Body<'a> {
    /// A mapping.
    Config(Cow<'a, Tree>),
    /// A JSON patch.
    Patch(Cow<'a, str>),
    /// Nothing that cloud-init can read as cloud-config, which it leaves out.
    Unreadable,
}

/// A part of a document.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    /// Where it stands.
    pub(super) source: Source,
    /// What it says.
    pub(super) body: Body<'a>,
    /// What its header says about merging.
    pub(super) how: Option<String>,
}

/// The parts of a document; `included` finds the document that an URL leads to.
pub(super) fn parts_of<'a>(
    document: &'a Document,
    included: &dyn Fn(&str) -> Option<&'a Document>,
    level: usize,
) -> Vec<Part<'a>> {
    if level > MOST_LEVELS {
        return Vec::new();
    }
    if document.kind == DocumentKind::CloudConfig {
        let body = config(document.tree.as_ref().map(Cow::Borrowed));
        return vec![whole(document, body)];
    }
    let text = &document.text;
    if header::is_mime(text) {
        return parts_of_message(document, included, level);
    }
    match header::kind(text) {
        Some("#cloud-config-jsonp") => vec![whole(document, Body::Patch(Cow::Borrowed(text)))],
        Some("#cloud-config-archive") => numbered(document, parts_of_archive(text)),
        Some("#include" | "#include-once") => {
            let found = urls(text).filter_map(included);
            found.flat_map(|found| parts_of(found, included, level + 1)).collect()
        }
        _ => Vec::new(),
    }
}

fn whole<'a>(document: &Document, body: Body<'a>) -> Part<'a> {
    Part { source: Source { document: document.name.clone(), number: None, at: None }, body, how: None }
}

/// What is read as cloud-config is a mapping, or nothing.
fn config(tree: Option<Cow<'_, Tree>>) -> Body<'_> {
    match tree.filter(|tree| matches!(tree.value, Value::Map(_))) {
        Some(tree) => Body::Config(tree),
        None => Body::Unreadable,
    }
}

/// A part whose place in the document is not known, or only roughly.
struct Inner {
    body: Body<'static>,
    how: Option<String>,
    at: Option<Spot>,
}

/// What a text is to be taken for: its own header counts where the message does not say.
fn inner(text: &str, content_type: Option<&str>, how: Option<String>, at: Option<Spot>) -> Vec<Inner> {
    let one = |body| vec![Inner { body, how: how.clone(), at }];
    match content_type.or_else(|| header::kind(text)) {
        Some("text/cloud-config" | "#cloud-config") => one(config(load(text).map(Cow::Owned))),
        Some("text/cloud-config-jsonp" | "#cloud-config-jsonp") => one(Body::Patch(Cow::Owned(text.to_owned()))),
        Some("text/cloud-config-archive" | "#cloud-config-archive") => parts_of_archive(text),
        _ => Vec::new(),
    }
}

fn numbered<'a>(document: &Document, parts: Vec<Inner>) -> Vec<Part<'a>> {
    let part = |(index, Inner { body, how, at }): (usize, Inner)| {
        let source = Source { document: document.name.clone(), number: Some(index + 1), at };
        Part { source, body, how }
    };
    parts.into_iter().enumerate().map(part).collect()
}

/// The entries of an archive: texts, or mappings with `content` and perhaps `type`. Whatever else they hold becomes a
/// header.
fn parts_of_archive(text: &str) -> Vec<Inner> {
    let Some(archive) = yaml::load(text) else { return Vec::new() };
    let entry = |entry: &Tree| {
        let content = entry.text().or_else(|| entry.get("content").and_then(Tree::text)).unwrap_or_default();
        let said = entry.get("type").and_then(Tree::text).filter(|text| !text.is_empty()).map(str::to_ascii_lowercase);
        // An entry is not looked into any further: an archive in it is no cloud-config.
        let kind = said.as_deref().or_else(|| header::kind(content)).unwrap_or("text/cloud-config");
        let of_use = ["text/cloud-config", "#cloud-config", "text/cloud-config-jsonp", "#cloud-config-jsonp"];
        let how = HOW_HEADERS.iter().find_map(|name| entry.get(name).and_then(Tree::text)).map(str::to_owned);
        if of_use.contains(&kind) { inner(content, Some(kind), how, Some(entry.at)) } else { Vec::new() }
    };
    archive.items().iter().flat_map(entry).collect()
}

fn parts_of_message<'a>(
    document: &'a Document,
    included: &dyn Fn(&str) -> Option<&'a Document>,
    level: usize,
) -> Vec<Part<'a>> {
    let Ok(message) = mailparse::parse_mail(document.text.as_bytes()) else { return Vec::new() };
    let mut leaves = Vec::new();
    gather(&message, &mut leaves, 0);
    let mut parts = Vec::new();
    for leaf in leaves {
        let Ok(text) = leaf.get_body() else { continue };
        let declared = leaf.ctype.mimetype.to_ascii_lowercase();
        let is_looked_at = ["text/plain", "text/x-not-multipart", "text/x-shellscript"].contains(&declared.as_str());
        // A script without its first line is taken for what the message says.
        let content_type = (!is_looked_at || header::kind(&text).is_none()).then_some(declared.as_str());
        let is_include = match content_type {
            None => matches!(header::kind(&text), Some("#include" | "#include-once")),
            Some(content_type) => ["text/x-include-url", "text/x-include-once-url"].contains(&content_type),
        };
        if is_include {
            let found: Vec<&Document> = urls(&text).filter_map(included).collect();
            parts.extend(found.into_iter().flat_map(|found| parts_of(found, included, level + 1)));
            continue;
        }
        let how = HOW_HEADERS
            .iter()
            .find_map(|name| leaf.headers.iter().find(|header| header.get_key_ref() == *name))
            .map(mailparse::MailHeader::get_value)
            .filter(|how| !how.is_empty());
        parts.extend(numbered(document, inner(&text, content_type, how, None)));
    }
    number(&mut parts, document);
    parts
}

/// Numbers the parts of one message from one to the last.
fn number(parts: &mut [Part<'_>], document: &Document) {
    let of_document = parts.iter_mut().filter(|part| part.source.document == document.name);
    for (index, part) in of_document.enumerate() {
        part.source.number = Some(index + 1);
    }
}

fn gather<'m, 'b>(message: &'m ParsedMail<'b>, leaves: &mut Vec<&'m ParsedMail<'b>>, level: usize) {
    if level > MOST_LEVELS {
        return;
    }
    match message.ctype.mimetype.to_ascii_lowercase().starts_with("multipart/") {
        true => message.subparts.iter().for_each(|part| gather(part, leaves, level + 1)),
        false => leaves.push(message),
    }
}

/// The URLs of a list: one a line, the first perhaps on the line of the header.
fn urls(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| {
        let lower = line.to_ascii_lowercase();
        let header = ["#include-once", "#include"].into_iter().find(|header| lower.starts_with(header));
        let rest = header.map_or(line, |header| line[header.len()..].trim_start());
        let url = rest.trim();
        (!rest.starts_with('#') && !url.is_empty()).then_some(url)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        let mut document = Document::new(DocumentName::UserData, text.to_owned());
        document.read();
        document
    }

    fn names(text: &str) -> Vec<(String, Option<String>)> {
        let group = document("#cloud-config\na: 1\n");
        let document = document(text);
        let included = |url: &str| url.ends_with("/a.yaml").then_some(&group);
        let parts = parts_of(&document, &included, 0);
        parts.into_iter().map(|part| (part.source.name(), part.how)).collect()
    }

    fn none(name: &str) -> (String, Option<String>) {
        (name.to_owned(), None)
    }

    #[test]
    fn a_document_is_one_part_or_many() {
        assert_eq!(names("#cloud-config\na: 1\n"), [none("user-data")]);
        assert_eq!(names("#cloud-config-jsonp\n[]\n"), [none("user-data")]);
        assert_eq!(names("#!/bin/sh\n"), []);
        assert_eq!(names("#include http://h/a.yaml\n# no\nhttp://h/b.yaml\n"), [none("user-data")]);
        let archive = "#cloud-config-archive\n- |\n  #cloud-config\n  a: 1\n- type: text/x-shellscript\n  content: x\n- \
                       content: 'b: 1'\n  Merge-Type: list(append)\n";
        let how = Some("list(append)".to_owned());
        assert_eq!(names(archive), [none("part 1 of user-data"), ("part 2 of user-data".to_owned(), how.clone())]);
        let message = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"b\"\n\n--b\nContent-Type: \
                       text/plain\n\n#cloud-config\na: 1\n--b\nContent-Type: text/cloud-config\nX-Merge-Type: \
                       list(append)\nContent-Transfer-Encoding: base64\n\nYTogMQo=\n--b\nContent-Type: \
                       text/x-shellscript\n\n#!/bin/sh\n--b--\n";
        assert_eq!(names(message), [none("part 1 of user-data"), ("part 2 of user-data".to_owned(), how)]);
    }
}
