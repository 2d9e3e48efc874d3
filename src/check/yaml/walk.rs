//! Goes through a document by its events, as PyYAML's composer and constructor do.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, Tag};

use super::gaps::{Content, Tabs, gaps};
use super::node::{Inside, Key, Node, Open, Shape};
use super::scalars::{Kind, can_be_made, kind_of};
use super::slips::{Role, slip, wants_text};
use super::tags::{Tagged, can_be_tagged, tagged};
use super::{ALIASES, AMBIGUOUS, DUPLICATE_KEY, Remark, SYNTAX, Spot, above};

/// Values that a document may hold with its aliases followed, besides one for each of its bytes.
///
/// PyYAML makes what an alias names once. But cloud-init writes the configuration out as JSON for its own use
/// (`atomic_helper.json_dumps`), where everything is said in full, and where a value that holds itself is a
/// `ValueError`.
const MOST_VALUES: u64 = 1_000_000;

/// How deep lists and mappings may stand in each other. PyYAML alone ends in a `RecursionError` between 400 and 500
/// levels; within cloud-init some of that stack is in use already. The parser of events has a limit of 255.
const MOST_LEVELS: usize = 250;

/// What going through a document found.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// What there is to say.
    pub(super) remarks: Vec<Remark>,
    /// Whether a second document begins, where the way ends.
    pub(super) has_more_documents: bool,
}

/// Goes through a text. Where the parser of events gives up, whatever was found before counts.
pub(super) fn walk(text: &str) -> Walk {
    // The parser of YAML 1.2 stops at some tabs, at which `gaps` looks, and at byte order marks, and does not end lines
    // where YAML 1.1 does. With one character for another, places stay what they are.
    let is_the_same = !text.contains(['\t', '\u{feff}', '\u{85}', '\u{2028}', '\u{2029}']);
    let replaced = (!is_the_same).then(|| {
        let text = text.replace('\t', " ").replace('\u{feff}', "_");
        text.replace(['\u{85}', '\u{2028}', '\u{2029}'], "\n")
    });
    let mut walker = Walker {
        characters: text.chars().collect(),
        contents: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        documents: 0,
        found: Walk::default(),
    };
    let end = walker.run(replaced.as_deref().unwrap_or(text));
    let Walker { mut characters, contents, mut found, .. } = walker;
    if found.has_more_documents {
        return found;
    }
    if let Some(end) = end {
        found.remarks.push(unread_from(end));
        // What comes right after the last scalar is no part of another one yet.
        let last = contents.last().map_or(0, |content| content.to);
        let after = characters.iter().skip(last);
        let is_between = |character: &&char| character.is_whitespace() || ",:[]{}".contains(**character);
        let length = last + after.take_while(is_between).count();
        characters.truncate(length);
    }
    found.remarks.extend(gaps(&characters, &contents));
    found
}

struct Walker {
    characters: Vec<char>,
    contents: Vec<Content>,
    open: Vec<Open>,
    /// What anchors name; `None` as long as that has not ended.
    anchors: HashMap<usize, Option<Node>>,
    documents: usize,
    found: Walk,
}

impl Walker {
    /// Goes through the text, and says where it had to end if that is not its end.
    fn run(&mut self, text: &str) -> Option<Spot> {
        // A parser that goes in circles is not to take the build with it.
        let most_events = text.len().saturating_mul(4).saturating_add(100);
        for event in Parser::new_from_str(text).take(most_events) {
            match event {
                // Brackets are counted ahead of their events.
                Err(error) if error.info().contains("recursion limit") => {
                    self.too_deep(spot(*error.marker()));
                    return None;
                }
                Err(error) => return Some(spot(*error.marker())),
                Ok((Event::StreamEnd, _)) => return None,
                Ok((event, span)) => self.event(event, span),
            }
            if self.found.has_more_documents || self.open.len() > MOST_LEVELS {
                return None;
            }
        }
        Some((1, 1))
    }

    fn event(&mut self, event: Event<'_>, span: Span) {
        let at = spot(span.start);
        match event {
            Event::DocumentStart(_) => self.document(at),
            Event::Alias(anchor) => self.alias(anchor, at),
            Event::Scalar(text, style, anchor, tag) => {
                self.content(style, span);
                self.scalar(&text, style, anchor, tag.as_deref(), at);
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(Inside::Sequence { is_of_mappings: true }, anchor, tag.as_deref(), span);
            }
            Event::MappingStart(anchor, tag) => {
                self.begin(Inside::Mapping { keys: HashMap::new(), of: None }, anchor, tag.as_deref(), span);
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }

    fn refuse(&mut self, at: Spot, message: impl Into<String>, hint: &'static str) {
        self.found.remarks.push(Remark::at(SYNTAX, at, message).with_hint(hint));
    }

    fn document(&mut self, at: Spot) {
        self.documents += 1;
        if self.documents > 1 {
            self.found.has_more_documents = true;
            // What was found in the first one does not count when there are two.
            self.found.remarks.clear();
            self.refuse(
                at,
                "a second YAML document begins, and cloud-init reads none of several",
                "take out the line `---`",
            );
        }
    }

    /// Where the scalar's own text is, after its tag and anchor. Spans of quoted scalars reach to the end of the line.
    fn content(&mut self, style: ScalarStyle, span: Span) {
        let (mut from, mut to) = (span.start.index(), span.end.index().min(self.characters.len()));
        let tabs = match style {
            ScalarStyle::Literal | ScalarStyle::Folded => Tabs::After(span.start.col()),
            ScalarStyle::Plain => Tabs::Nowhere,
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => Tabs::Anywhere,
        };
        if !matches!(tabs, Tabs::After(_)) {
            from = self.after_properties(from, to);
        }
        if tabs == Tabs::Anywhere {
            to = self.end_of_quotes(from, to);
        }
        if from < to {
            self.contents.push(Content { from, to, tabs });
        }
    }

    fn after_properties(&self, mut from: usize, to: usize) -> usize {
        while from < to && matches!(self.characters[from], '&' | '!') {
            while from < to && !self.characters[from].is_whitespace() {
                from += 1;
            }
            while from < to && self.characters[from].is_whitespace() {
                from += 1;
            }
        }
        from
    }

    fn end_of_quotes(&self, from: usize, to: usize) -> usize {
        let Some(&quote) = self.characters.get(from).filter(|_| from < to) else { return to };
        let mut at = from + 1;
        while at < to {
            let is_quote = self.characters[at] == quote;
            let is_doubled = quote == '\'' && self.characters.get(at + 1) == Some(&quote);
            match self.characters[at] {
                '\\' if quote == '"' => at += 2,
                _ if is_quote && is_doubled => at += 2,
                _ if is_quote => return at + 1,
                _ => at += 1,
            }
        }
        to
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, anchor: usize, tag: Option<&Tag>, at: Spot) {
        let role = self.role();
        let (made, is_good) = match tagged(tag, Shape::Scalar) {
            Err(fault) => {
                self.refuse_tag(fault, at);
                (Tagged::As(Kind::Text), true)
            }
            Ok(made) => (made, can_be_tagged(made, text)),
        };
        let kind = match made {
            Tagged::As(kind) => kind,
            Tagged::Binary | Tagged::Collection => Kind::Text,
            Tagged::Untagged if style == ScalarStyle::Plain => kind_of(text),
            Tagged::Untagged => Kind::Text,
        };
        if !is_good || (made == Tagged::Untagged && !can_be_made(kind, text)) {
            let message = format!("cloud-init's YAML reader fails on {}", called(role));
            self.refuse(at, message, "it looks like a date or number, and is none; put it in quotes");
        } else if matches!(kind, Kind::Merge | Kind::Value) && role != Role::Key {
            let message = format!("cloud-init's YAML reader refuses the plain sign that is {}", called(role));
            self.refuse(at, message, "put it in quotes");
        } else if made == Tagged::Untagged && style == ScalarStyle::Plain {
            self.slip(text, kind, role, at);
        }
        let is_flow = self.open.last().is_some_and(|open| open.is_flow);
        if is_flow && style == ScalarStyle::Plain && text.contains('?') {
            // PyYAML ends a plain scalar there at any `?`, not only at one before a space.
            let message = format!("cloud-init's YAML reader refuses the `?` of {}", called(role));
            self.refuse(at, message, "put what is in brackets and has a `?`, such as a URL, in quotes");
        }
        let node = Node { shape: Shape::Scalar, can_be_merged: false, key: Some(Key::new(kind, text)), size: 1, at };
        self.done(anchor, node);
    }

    fn slip(&mut self, text: &str, kind: Kind, role: Role, at: Spot) {
        if let Some(meaning) = slip(text, kind, role) {
            let message = format!("{} is {meaning} to cloud-init, which reads YAML 1.1", called(role));
            let remark = Remark::at(AMBIGUOUS, at, message);
            self.found.remarks.push(remark.with_hint("put it in quotes if a text is meant, else write it another way"));
        }
    }

    fn refuse_tag(&mut self, fault: &str, at: Spot) {
        self.refuse(at, format!("what stands here {fault}"), "take the tag out");
    }

    fn too_deep(&mut self, at: Spot) {
        self.refuse(
            at,
            "what begins here stands too deep for cloud-init's YAML reader",
            "lists and mappings may stand in each other some hundred times",
        );
    }

    fn role(&self) -> Role {
        match self.open.last().map(|open| &open.inside) {
            None | Some(Inside::Sequence { .. }) => Role::Item,
            Some(Inside::Mapping { of: None, .. }) => Role::Key,
            Some(Inside::Mapping { of: Some(key), .. }) => {
                Role::Value { is_text: matches!(key, Some(Key::Other(Kind::Text, key)) if wants_text(key)) }
            }
        }
    }

    fn alias(&mut self, anchor: usize, at: Spot) {
        let named = match self.anchors.get(&anchor) {
            Some(Some(node)) => Node { at, ..node.clone() },
            _ => {
                let message = "the alias names what it stands in, so that there is no end to it";
                self.found.remarks.push(Remark::at(ALIASES, at, message).with_hint("write out what is meant"));
                Node { shape: Shape::Mapping, can_be_merged: true, key: None, size: 1, at }
            }
        };
        self.done(0, named);
    }

    fn begin(&mut self, inside: Inside, anchor: usize, tag: Option<&Tag>, span: Span) {
        let at = spot(span.start);
        let shape = match inside {
            Inside::Sequence { .. } => Shape::Sequence,
            Inside::Mapping { .. } => Shape::Mapping,
        };
        if let Err(fault) = tagged(tag, shape) {
            self.refuse_tag(fault, at);
        }
        if anchor > 0 {
            self.anchors.insert(anchor, None);
        }
        // The span of a list or mapping in block style does not reach to anything.
        let begins_with = self.characters.get(span.start.index()..span.end.index()).unwrap_or_default();
        let last = begins_with.iter().rfind(|character| !character.is_whitespace());
        let begins_flow = matches!(last, Some('[' | '{'));
        let is_flow = begins_flow || self.open.last().is_some_and(|open| open.is_flow);
        self.open.push(Open { anchor, size: 1, at, is_flow, inside });
        if self.open.len() > MOST_LEVELS {
            self.too_deep(at);
        }
    }

    fn end(&mut self) {
        let Some(Open { anchor, size, at, inside, .. }) = self.open.pop() else { return };
        let (shape, can_be_merged) = match inside {
            Inside::Sequence { is_of_mappings } => (Shape::Sequence, is_of_mappings),
            Inside::Mapping { .. } => (Shape::Mapping, true),
        };
        self.done(anchor, Node { shape, can_be_merged, key: None, size, at });
    }

    /// A node has ended: puts it into what it stands in.
    fn done(&mut self, anchor: usize, node: Node) {
        if anchor > 0 {
            self.anchors.insert(anchor, Some(node.clone()));
        }
        let Some(parent) = self.open.last_mut() else { return self.root(&node) };
        parent.size = parent.size.saturating_add(node.size);
        match &mut parent.inside {
            Inside::Sequence { is_of_mappings } => *is_of_mappings &= node.shape == Shape::Mapping,
            Inside::Mapping { of, .. } => match of.take() {
                None => self.key(node),
                Some(key) => self.value(key.as_ref(), &node),
            },
        }
    }

    fn key(&mut self, node: Node) {
        let Some(Open { inside: Inside::Mapping { keys, of }, .. }) = self.open.last_mut() else { return };
        *of = Some(node.key.clone());
        let Some(key) = node.key else {
            let message = "the key is a list or mapping, which cloud-init cannot have as a key";
            return self.refuse(node.at, message, "a value that begins with `{` or `[` needs quotes");
        };
        if key == Key::Merge {
            return;
        }
        let name = key.shown().map_or_else(String::new, |name| format!(" `{name}`"));
        if let Some(before) = keys.insert(key, node.at) {
            let message =
                format!("the key{name} stands {} already, and only what is last counts", above(before, node.at));
            let remark = Remark::at(DUPLICATE_KEY, node.at, message);
            self.found.remarks.push(remark.with_hint("take one out, or put together what they say"));
        }
    }

    fn value(&mut self, key: Option<&Key>, node: &Node) {
        if key == Some(&Key::Merge) && !node.can_be_merged {
            let message = "`<<` has a value that is no mapping and no list of mappings";
            self.refuse(node.at, message, "write `<<: *name` with the anchor of a mapping, or put `<<` in quotes");
        }
    }

    /// cloud-init takes a mapping, and nothing for one.
    fn root(&mut self, node: &Node) {
        let is_nothing = matches!(node.key, Some(Key::Other(Kind::Null, _)));
        if node.shape != Shape::Mapping && !is_nothing {
            let message = "cloud-init ignores what is no mapping, and what begins here is none";
            self.refuse(node.at, message, "write `key: value` at the top of the document");
        }
        let most = MOST_VALUES.saturating_add(self.characters.len() as u64);
        if node.size > most {
            let message = format!("with its aliases followed the document holds more than {MOST_VALUES} values");
            self.found.remarks.push(Remark::new(ALIASES, message).with_hint("write out what is meant"));
        }
    }
}

/// A document may be one to PyYAML and mds and none to YAML 1.2, mostly because of lines in brackets or quotes that are
/// indented less than they should be.
fn unread_from(end: Spot) -> Remark {
    let message = "some readers of YAML refuse what stands here, and what follows is not checked";
    Remark::at(AMBIGUOUS, end, message)
        .with_hint("indent what is in brackets or quotes more than the key that it belongs to")
}

const fn called(role: Role) -> &'static str {
    match role {
        Role::Key => "the key",
        Role::Item | Role::Value { .. } => "the value",
    }
}

fn spot(marker: Marker) -> Spot {
    (marker.line(), marker.col() + 1)
}
