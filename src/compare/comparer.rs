//! Comparing node after node.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::changes::{Changes, Diff, DocumentChange, DocumentChangeKind, DocumentCounts, Origin};
use super::lines::{TextChange, compare, quick_key};
use super::mask::Values;
use super::nodes::{NodeChanges, NodeState};
use crate::types::{Digest, DocumentName, GroupLabel, NodeId};

/// Different changes whose lines are kept.
const MOST_DIFFS: usize = 1_000;

/// Finds what differs between two sides.
#[derive(Debug, Default)]
pub struct Comparer {
    nodes: NodeChanges,
    nodes_concerned: usize,
    counts: DocumentCounts,
    groups: Vec<Group>,
    /// Groups by the key of their change.
    by_key: HashMap<Digest, usize>,
    /// Groups by a key that is quicker to find.
    by_quick_key: HashMap<Digest, usize>,
    /// Groups by the digests of the documents: those that nodes share are compared once.
    by_digests: HashMap<(DocumentName, Digest), usize>,
}

/// A change and who has it.
#[derive(Debug)]
struct Group {
    document: DocumentName,
    kind: DocumentChangeKind,
    /// The digest of the documents of the first node.
    pair: Digest,
    /// Its key and its quick key.
    keys: (Digest, Option<Digest>),
    other_keys: Vec<Digest>,
    added: usize,
    removed: usize,
    diff: Option<Diff>,
    nodes: Vec<NodeId>,
    labels: BTreeMap<GroupLabel, usize>,
}

/// A document on one side.
type Side<'d> = Option<&'d (DocumentName, Digest, Bytes)>;

impl Comparer {
    /// Nothing is compared yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a node: what it was, and what it is. Nodes have to come in the order of their ids, each once.
    pub fn add(&mut self, old: Option<&NodeState>, new: Option<&NodeState>) {
        let mut is_concerned = self.nodes.add(old, new);
        match (old, new) {
            (Some(old), Some(new)) => is_concerned |= self.documents(old, new),
            (Some(old), None) => self.counts.removed += old.documents.len(),
            (None, Some(new)) => self.counts.added += new.documents.len(),
            (None, None) => {}
        }
        self.nodes_concerned += usize::from(is_concerned);
    }

    /// Everything that was found between the two sides.
    #[must_use]
    pub fn finish(mut self, from: Origin, to: Origin) -> Changes {
        self.join_lone_groups();
        let mut of_documents: Vec<DocumentChange> =
            self.groups.into_iter().filter(|group| !group.nodes.is_empty()).map(Group::into_change).collect();
        of_documents.sort_by(|left, right| {
            let key = |change: &DocumentChange| (Reverse(change.nodes.len()), change.document.clone());
            key(left).cmp(&key(right)).then_with(|| left.nodes.cmp(&right.nodes))
        });
        Changes {
            from,
            to,
            nodes_concerned: self.nodes_concerned,
            documents_by_kind: self.counts,
            of_tunnels: None,
            of_nodes: self.nodes.finish(),
            of_documents,
        }
    }

    /// Compares the documents of a node that both sides have. Whether any differs.
    fn documents(&mut self, old: &NodeState, new: &NodeState) -> bool {
        // Most nodes have no change, and do not need them.
        let mut values = None;
        let mut any = false;
        for document in &new.documents {
            let before = old.documents.iter().find(|(name, _, _)| *name == document.0);
            if before.is_none_or(|before| before.1 != document.1) {
                any = true;
                let values = values.get_or_insert_with(|| Values::new(Some(old), Some(new)));
                self.document(before, Some(document), new, values);
            }
        }
        for document in &old.documents {
            if !new.documents.iter().any(|(name, _, _)| *name == document.0) {
                any = true;
                let values = values.get_or_insert_with(|| Values::new(Some(old), Some(new)));
                self.document(Some(document), None, new, values);
            }
        }
        any
    }

    fn document(&mut self, old: Side<'_>, new: Side<'_>, node: &NodeState, values: &mut Values) {
        let Some((name, _, _)) = new.or(old) else { return };
        let kind = match (old, new) {
            (None, _) => DocumentChangeKind::Added,
            (_, None) => DocumentChangeKind::Removed,
            _ => DocumentChangeKind::Changed,
        };
        match kind {
            DocumentChangeKind::Added => self.counts.added += 1,
            DocumentChangeKind::Removed => self.counts.removed += 1,
            DocumentChangeKind::Changed => self.counts.changed += 1,
        }
        let pair = (name.clone(), digests(old, new));
        let index = match self.by_digests.get(&pair) {
            Some(index) => self.shared(*index, &pair, kind, old, new),
            None => {
                let index = self.group(&pair, kind, old, new, values);
                self.by_digests.insert(pair, index);
                index
            }
        };
        let group = &mut self.groups[index];
        group.nodes.push(node.id.clone());
        for label in &node.groups {
            match group.labels.get_mut(label) {
                Some(count) => *count += 1,
                None => drop(group.labels.insert(label.clone(), 1)),
            }
        }
    }

    /// The group of a change, which is a new one when no other node has had it.
    fn group(
        &mut self,
        pair: &(DocumentName, Digest),
        kind: DocumentChangeKind,
        old: Side<'_>,
        new: Side<'_>,
        values: &mut Values,
    ) -> usize {
        let name = &pair.0;
        let (Some(old), Some(new)) = (text(old), text(new)) else {
            return self.of_change(pair, kind, key_of(name, kind, Digest::of(b"no text")), None, None);
        };
        let quick = key_of(name, kind, quick_key(old, new, values));
        if let Some(index) = self.by_quick_key.get(&quick) {
            return *index;
        }
        let change = compare(old, new, values);
        let index = self.of_change(pair, kind, key_of(name, kind, change.key), Some(quick), Some(change));
        self.by_quick_key.insert(quick, index);
        index
    }

    /// The group of a document that another node has as well. So nothing of it is one node's own, and what was masked for
    /// the first node was not.
    fn shared(
        &mut self,
        index: usize,
        pair: &(DocumentName, Digest),
        kind: DocumentChangeKind,
        old: Side<'_>,
        new: Side<'_>,
    ) -> usize {
        let group = &self.groups[index];
        let is_first = group.nodes.len() == 1 && group.pair == pair.1 && !group.other_keys.is_empty();
        let (true, Some(old), Some(new)) = (is_first, text(old), text(new)) else { return index };
        let change = compare(old, new, &mut Values::new(None, None));
        // What looks like the first one was not the same by its numbers.
        let (key, quick) = group.keys;
        self.by_key.remove(&key);
        if let Some(quick) = quick {
            self.by_quick_key.remove(&quick);
        }
        let (nodes, labels) =
            (std::mem::take(&mut self.groups[index].nodes), std::mem::take(&mut self.groups[index].labels));
        let other = self.of_change(pair, kind, key_of(&pair.0, kind, change.key), None, Some(change));
        self.by_digests.insert(pair.clone(), other);
        let group = &mut self.groups[other];
        group.nodes.extend(nodes);
        group.nodes.sort();
        labels.into_iter().for_each(|(label, count)| *group.labels.entry(label).or_default() += count);
        other
    }

    fn of_change(
        &mut self,
        (name, pair): &(DocumentName, Digest),
        kind: DocumentChangeKind,
        key: Digest,
        quick: Option<Digest>,
        change: Option<TextChange>,
    ) -> usize {
        if let Some(index) = self.by_key.get(&key) {
            return *index;
        }
        let index = self.groups.len();
        self.by_key.insert(key, index);
        let keys = change.as_ref().map(|change| change.other_keys.as_slice()).unwrap_or_default();
        let other_keys = keys.iter().map(|other| key_of(name, kind, *other)).collect();
        let lines = change.map(|change| change.lines);
        self.groups.push(Group {
            document: name.clone(),
            kind,
            pair: *pair,
            keys: (key, quick),
            other_keys,
            added: lines.as_ref().map_or(0, |lines| lines.added),
            removed: lines.as_ref().map_or(0, |lines| lines.removed),
            diff: lines.filter(|_| index < MOST_DIFFS).map(|lines| lines.diff),
            nodes: Vec::new(),
            labels: BTreeMap::new(),
        });
        index
    }

    /// A number that all documents have may by chance be that of one node, whose change then looks like none of the
    /// others. With some of them unmasked it does not.
    fn join_lone_groups(&mut self) {
        for index in 0..self.groups.len() {
            let group = &self.groups[index];
            if group.nodes.len() != 1 {
                continue;
            }
            let known = group.other_keys.iter().filter_map(|key| self.by_key.get(key).copied());
            let mut others = known.filter(|other| *other != index && !self.groups[*other].nodes.is_empty());
            let Some(target) = others.next() else { continue };
            let nodes = std::mem::take(&mut self.groups[index].nodes);
            let labels = std::mem::take(&mut self.groups[index].labels);
            let target = &mut self.groups[target];
            target.nodes.extend(nodes);
            target.nodes.sort();
            labels.into_iter().for_each(|(label, count)| *target.labels.entry(label).or_default() += count);
        }
    }
}

impl Group {
    fn into_change(self) -> DocumentChange {
        let mut labels: Vec<(GroupLabel, usize)> = self.labels.into_iter().collect();
        labels.sort_by_key(|(_, count)| Reverse(*count));
        DocumentChange {
            document: self.document,
            kind: self.kind,
            lines_added: self.added,
            lines_removed: self.removed,
            nodes: self.nodes,
            groups: labels.into_iter().map(|(label, _)| label).collect(),
            diff: self.diff,
        }
    }
}

/// The text of a document; that of one that is not there is empty.
fn text(side: Side<'_>) -> Option<&str> {
    side.map_or(Some(""), |(_, _, body)| std::str::from_utf8(body).ok())
}

fn key_of(name: &DocumentName, kind: DocumentChangeKind, key: Digest) -> Digest {
    Digest::of(format!("{name} {kind:?} {key}").as_bytes())
}

/// The digest of two digests; a document that is not there has none.
fn digests(old: Side<'_>, new: Side<'_>) -> Digest {
    let of = |side: Side<'_>| side.map_or([0; Digest::LENGTH], |(_, digest, _)| *digest.as_bytes());
    Digest::of(&[of(old), of(new)].concat())
}
