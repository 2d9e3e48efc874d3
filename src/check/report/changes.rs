//! What changes, in the formats of reports: every entry once, however many nodes it concerns.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::github::data;
use super::markdown::{code, escaped, is_invisible};
use super::words::shortened;
use crate::compare::{
    Changes, Diff, DocumentChange, DocumentChangeKind, LineKind, NodeChange, NodeChangeKind, TunnelChanges,
};
use crate::types::{DocumentName, GroupLabel, NodeId, grouped, printable};

/// Changes of documents that a text shows with their lines.
const SHOWN: usize = 40;
/// Changes of nodes that a text shows.
const SHOWN_OF_NODES: usize = 20;
/// Groups that are named.
const GROUPS: usize = 3;
/// Characters of a list of groups or of values.
const LONGEST_LIST: usize = 160;
/// Bytes of the lines of one change in Markdown.
const LONGEST_DIFF: usize = 12_000;
/// What is kept free in Markdown for the sentence about what was left out.
const RESERVE: usize = 200;
/// What is said of lines once.
const ABOUT_MASKS: &str = "Names in angle brackets stand for what is another on every node; secrets are not shown.";

/// What changes, for people in a terminal; with colours if `styled`, and with the lines of documents if `with_lines`.
#[must_use]
pub fn changes_text(changes: &Changes, styled: bool, with_lines: bool) -> String {
    let mut text = String::new();
    line(&mut text, Paint::Plain, &summary(changes));
    for sentence in of_tunnels(changes) {
        line(&mut text, paint(styled, Paint::Alarm), &format!("  {sentence}"));
    }
    for change in changes.of_nodes.iter().take(SHOWN_OF_NODES) {
        let paint = paint(styled, if change.consequence().is_some() { Paint::Alarm } else { Paint::Plain });
        line(&mut text, paint, &format!("  {}", sentence(change)));
        if let Some(consequence) = change.consequence() {
            line(&mut text, Paint::Plain, &format!("    {consequence}"));
        }
    }
    rest(&mut text, changes.of_nodes.len(), SHOWN_OF_NODES, "of nodes");
    if with_lines && !changes.of_documents.is_empty() {
        line(&mut text, Paint::Plain, &format!("  {ABOUT_MASKS}"));
    }
    for change in changes.of_documents.iter().take(SHOWN) {
        text.push_str(if with_lines { "\n" } else { "  " });
        line(&mut text, paint(styled, Paint::Title), &title(change));
        if let Some(consequence) = change.consequence() {
            line(&mut text, paint(styled, Paint::Alarm), &format!("    {consequence}"));
        }
        if let Some(diff) = change.diff.as_ref().filter(|_| with_lines) {
            for shown in &diff.lines {
                line(&mut text, paint(styled, Paint::of(shown.kind)), &shown.text);
            }
            diff.remark().into_iter().for_each(|remark| line(&mut text, Paint::Plain, &remark));
        }
    }
    if with_lines && changes.of_documents.len() > SHOWN {
        text.push('\n');
    }
    rest(&mut text, changes.of_documents.len(), SHOWN, "of documents");
    text
}

fn rest(text: &mut String, count: usize, shown: usize, what: &str) {
    if count > shown {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "… and {} {what} more; --format json lists all", counted(count - shown, "change"));
    }
}

/// How a line of a text looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Paint {
    Plain,
    Title,
    Alarm,
    Place,
    Added,
    Removed,
}

impl Paint {
    const fn of(kind: LineKind) -> Self {
        match kind {
            LineKind::Place => Self::Place,
            LineKind::Added => Self::Added,
            LineKind::Removed => Self::Removed,
            LineKind::Same | LineKind::Remark => Self::Plain,
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Title => Style::new().bold(),
            Self::Alarm => AnsiColor::Yellow.on_default(),
            Self::Place => AnsiColor::Cyan.on_default(),
            Self::Added => AnsiColor::Green.on_default(),
            Self::Removed => AnsiColor::Red.on_default(),
        }
    }
}

const fn paint(styled: bool, paint: Paint) -> Paint {
    if styled { paint } else { Paint::Plain }
}

fn line(text: &mut String, paint: Paint, shown: &str) {
    let style = paint.style();
    let _ = writeln!(text, "{style}{}{style:#}", printable(shown).replace('\n', "\\n"));
}

/// One line about everything.
pub(super) fn summary(changes: &Changes) -> String {
    if changes.is_empty() {
        return format!("nothing changes from {} to {}", changes.from, changes.to);
    }
    let counts = &changes.documents_by_kind;
    format!(
        "changes from {} to {}: {} added, {} changed, {} removed; {} concerned",
        changes.from,
        changes.to,
        counted(counts.added, "document"),
        grouped(counts.changed),
        grouped(counts.removed),
        counted(changes.nodes_concerned, "node")
    )
}

/// What changes about tunnels, in sentences.
fn of_tunnels(changes: &Changes) -> Vec<String> {
    changes.of_tunnels.as_ref().map(TunnelChanges::sentences).unwrap_or_default()
}

/// A change of nodes in a sentence.
fn sentence(change: &NodeChange) -> String {
    let nodes = counted(change.nodes.len(), "node");
    let list = |values: &[String]| match values {
        [] => "none".to_owned(),
        values => shortened(&values.join(", "), LONGEST_LIST),
    };
    let (before, after) = (list(&change.before), list(&change.after));
    let groups = |groups: &[String]| match groups.len() {
        0 => "in no group".to_owned(),
        1 => format!("group {}", list(groups)),
        _ => format!("groups {}", list(groups)),
    };
    let first = first(&change.nodes);
    let such_as = format!("e.g. {first}");
    let values = |what: &str| format!("{what}: {nodes}, e.g. {first} from {before} to {after}");
    match change.kind {
        NodeChangeKind::Added => format!("added: {nodes} ({}), {such_as}", groups(&change.after)),
        NodeChangeKind::Removed => format!("removed: {nodes} ({}), {such_as}", groups(&change.before)),
        NodeChangeKind::Moved if change.before.is_empty() => format!("join {after}: {nodes}, {such_as}"),
        NodeChangeKind::Moved if change.after.is_empty() => format!("leave {before}: {nodes}, {such_as}"),
        NodeChangeKind::Moved => format!("move from {before} to {after}: {nodes}, {such_as}"),
        NodeChangeKind::Reordered => format!("groups in another order: {nodes}, {before} is now {after}, {such_as}"),
        NodeChangeKind::InstanceId => values("another instance-id"),
        NodeChangeKind::Addresses => values("other addresses"),
        NodeChangeKind::TunnelAddress => values("another address in the tunnel"),
        NodeChangeKind::Hostname => values("another hostname"),
        NodeChangeKind::Macs => values("other MAC addresses"),
        NodeChangeKind::Nid => values("another NID"),
    }
}

/// A change of a document in a line: `user-data: +2 −1, 9,984 nodes (groups compute, gpu), e.g. x1000c0s0b0n0`.
fn title(change: &DocumentChange) -> String {
    let (document, what) = parts(change);
    format!("{document}: {what}, e.g. {}", first(&change.nodes))
}

/// The node that is named as an example.
fn first(nodes: &[NodeId]) -> &str {
    nodes.first().map(NodeId::as_str).unwrap_or_default()
}

fn parts(change: &DocumentChange) -> (String, String) {
    let what = match change.kind {
        DocumentChangeKind::Added => "new, ",
        DocumentChangeKind::Removed => "gone, ",
        DocumentChangeKind::Changed => "",
    };
    let lines = match (&change.diff, change.lines_added, change.lines_removed) {
        (None, 0, 0) => "no text".to_owned(),
        (_, added, 0) if added > 0 => format!("+{}", grouped(added)),
        (_, 0, removed) if removed > 0 => format!("−{}", grouped(removed)),
        (_, added, removed) => format!("+{} −{}", grouped(added), grouped(removed)),
    };
    let named: Vec<&str> = change.groups.iter().take(GROUPS).map(GroupLabel::as_str).collect();
    let more = if change.groups.len() > GROUPS { ", …" } else { "" };
    let groups = match named.len() {
        0 => String::new(),
        1 => format!(" (group {})", named[0]),
        _ => format!(" (groups {}{more})", named.join(", ")),
    };
    (change.document.to_string(), format!("{what}{lines}, {}{groups}", counted(change.nodes.len(), "node")))
}

fn counted(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// The section for a comment, of at most so many bytes.
pub(super) fn changes_markdown(changes: &Changes, room: usize) -> String {
    let text = format!("\n#### What changes\n\n{}\n", escaped(&summary(changes)));
    let mut sheet = Sheet { text, room, left: 0 };
    let of_tunnels = of_tunnels(changes);
    for (index, sentence) in of_tunnels.iter().enumerate() {
        let gap = if index == 0 { "\n" } else { "" };
        sheet.push(|| format!("{gap}- {}\n", escaped(sentence)));
    }
    for (index, change) in changes.of_nodes.iter().enumerate() {
        let gap = if index == 0 && of_tunnels.is_empty() { "\n" } else { "" };
        let consequence = change.consequence().map(|said| format!("<br>**{}**", escaped(said))).unwrap_or_default();
        sheet.push(|| format!("{gap}- {}{consequence}\n", escaped(&sentence(change))));
    }
    if !changes.of_documents.is_empty() {
        let _ = write!(sheet.text, "\n{}\n", escaped(ABOUT_MASKS));
    }
    changes.of_documents.iter().for_each(|change| sheet.push(|| details(change)));
    let Sheet { mut text, left, .. } = sheet;
    if left > 0 {
        let _ = writeln!(
            text,
            "\nThere are {} more, which do not fit here; a report as json has all of them.",
            counted(left, "change")
        );
    }
    text
}

/// A text that has room for so much.
struct Sheet {
    text: String,
    room: usize,
    /// How many pieces did not fit.
    left: usize,
}

impl Sheet {
    /// Adds a piece, if it fits and all before it did: what is left out is the least of it.
    fn push(&mut self, piece: impl FnOnce() -> String) {
        if self.left == 0 {
            let piece = piece();
            if self.text.len() + piece.len() + RESERVE <= self.room {
                return self.text.push_str(&piece);
            }
        }
        self.left += 1;
    }
}

/// A change of a document, folded up.
fn details(change: &DocumentChange) -> String {
    let (document, what) = parts(change);
    let mut text = format!(
        "\n<details><summary>{}: {}, e.g. {}</summary>\n",
        code(&document),
        escaped(&what),
        code(first(&change.nodes))
    );
    if let Some(consequence) = change.consequence() {
        let _ = write!(text, "\n**{}**\n", escaped(consequence));
    }
    match &change.diff {
        Some(diff) => text.push_str(&fenced(diff)),
        None => text.push_str("\nThe lines are not shown.\n"),
    }
    text.push_str("\n</details>\n");
    text
}

/// The lines between fences that none of them can be.
fn fenced(diff: &Diff) -> String {
    let mut lines = String::new();
    let mut left = diff.left_out;
    for shown in &diff.lines {
        let line: String =
            shown.text.chars().map(|character| if is_odd(character) { '\u{fffd}' } else { character }).collect();
        if left == diff.left_out && lines.len() + line.len() < LONGEST_DIFF {
            lines.push_str(&line);
            lines.push('\n');
        } else if matches!(shown.kind, LineKind::Added | LineKind::Removed) {
            left += 1;
        }
    }
    let remark = Diff { lines: Vec::new(), left_out: left }.to_text();
    let fence = "`".repeat(longest_run(&lines, '`').max(2) + 1);
    format!("\n{fence}diff\n{lines}{remark}{fence}\n")
}

fn is_odd(character: char) -> bool {
    character != '\t' && is_invisible(character)
}

fn longest_run(text: &str, sign: char) -> usize {
    text.split(|character| character != sign).map(str::len).max().unwrap_or_default()
}

/// One notice with the sum of everything: annotations are few.
pub(super) fn changes_notice(changes: &Changes) -> String {
    if changes.is_empty() {
        return String::new();
    }
    let mut message = summary(changes);
    for sentence in of_tunnels(changes) {
        let _ = write!(message, "\n{sentence}");
    }
    for change in changes.of_nodes.iter().filter(|change| change.consequence().is_some()) {
        let _ = write!(message, "\n{}", sentence(change));
    }
    let is_network = |change: &&DocumentChange| change.document == DocumentName::NetworkConfig;
    for change in changes.of_documents.iter().filter(is_network).take(1) {
        let _ = write!(message, "\n{}", title(change));
    }
    format!("::notice title=changes::{}\n", data(&message))
}

#[cfg(test)]
#[path = "changes_tests.rs"]
mod tests;
