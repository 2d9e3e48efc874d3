//! Comparing two texts line by line.

use std::collections::{HashMap, HashSet};

use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};

use super::changes::{Diff, DiffLine, LineKind};
use super::mask::{Token, Value, Values, secret_token, token, without_tokens};
use super::names::{Names, Secrets};
use super::secrets::without_secrets;
use crate::types::Digest;

/// Lines around a change.
const CONTEXT: usize = 3;
/// Lines of a difference that are kept.
const MOST_LINES: usize = 200;
/// Characters of a line that are kept.
const LONGEST_LINE: usize = 400;
/// Numbers of which each is tried without being masked: there are so many ways to do it as two to the power of this.
const MOST_NUMBERS: u32 = 4;
/// Beyond this many pairs of lines, texts are not compared but replaced: finding what they share would take too long.
const MOST_PAIRS: usize = 100_000_000;

/// What differs between two texts.
pub(super) struct TextChange {
    /// Two changes have the same when the lines that go and come are the same once masked.
    pub(super) key: Digest,
    /// What the key would be with some values unmasked, because they may not have been those of the node.
    pub(super) other_keys: Vec<Digest>,
    pub(super) lines: ChangedLines,
}

/// The lines that go and come.
#[derive(Debug, Default)]
pub(super) struct ChangedLines {
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) diff: Diff,
}

/// What stands between what two texts begin with and what they end with, in whole lines.
pub(super) fn middles<'t>(old: &'t str, new: &'t str) -> (&'t str, &'t str) {
    let (left, right) = (old.as_bytes(), new.as_bytes());
    let shared = shared_start(left, right);
    let start = left[..shared].iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    let shortest = left.len().min(right.len()) - start;
    let same = left.iter().rev().zip(right.iter().rev()).take(shortest).take_while(|(one, other)| one == other).count();
    let tail = &left[left.len() - same..];
    let begins_line = |text: &[u8]| text.len() == same || text[text.len() - same - 1] == b'\n';
    let kept = if begins_line(left) && begins_line(right) {
        same
    } else {
        tail.iter().position(|byte| *byte == b'\n').map_or(0, |newline| same - newline - 1)
    };
    (&old[start..old.len() - kept], &new[start..new.len() - kept])
}

/// How many bytes two texts begin with alike.
fn shared_start(left: &[u8], right: &[u8]) -> usize {
    const STEP: usize = 256;
    let steps = left.chunks_exact(STEP).zip(right.chunks_exact(STEP)).take_while(|(one, other)| one == other).count();
    let start = steps * STEP;
    start + left[start..].iter().zip(&right[start..]).take_while(|(one, other)| one == other).count()
}

/// A quick key of a change: changes with the same one are the same. There may be several for one change.
pub(super) fn quick_key(old: &str, new: &str, values: &mut Values) -> Digest {
    let (old, new) = middles(old, new);
    let masked = [values.mask(&without_tokens(old)), values.mask(&without_tokens(new))];
    let mut names = Names::new(values);
    let mut text = String::with_capacity(masked[0].len() + masked[1].len() + 64);
    names.show(&masked[0], Secrets::Numbered, &mut text);
    text.push('\0');
    names.show(&masked[1], Secrets::Numbered, &mut text);
    Digest::of(text.as_bytes())
}

/// Compares two texts.
pub(super) fn compare(old: &str, new: &str, values: &mut Values) -> TextChange {
    let (old, new) = (without_tokens(old), without_tokens(new));
    let mut secrets = HashMap::new();
    let masked = [values.mask(&numbered(&old, &new, &mut secrets)), values.mask(&numbered(&new, &old, &mut secrets))];
    let [old, new] = &masked;
    let old: Vec<&str> = old.split_inclusive('\n').collect();
    let new: Vec<&str> = new.split_inclusive('\n').collect();
    let ops = operations(&old, &new);
    let changed = changed_lines(&old, &new, &ops);
    let mut names = Names::new(values);
    let key = key(&changed, |line, text| names.show(line, Secrets::Numbered, text));
    let other_keys = other_keys(&changed, values);
    let count = |kind| changed.iter().filter(|(of, _)| *of == kind).count();
    let (added, removed) = (count(LineKind::Added), count(LineKind::Removed));
    let diff = Shown::new(&old, &new, &changed, names).diff(ops);
    TextChange { key, other_keys, lines: ChangedLines { added, removed, diff } }
}

fn numbered<'t>(text: &'t str, other: &str, secrets: &mut HashMap<String, usize>) -> std::borrow::Cow<'t, str> {
    without_secrets(text, other, |secret, redacted| {
        let next = secrets.len();
        let number = *secrets.entry(secret.to_owned()).or_insert(next);
        redacted.push(secret_token(number));
    })
}

/// What has to be done to the old lines. Lines that both begin or end with are told by their places only.
fn operations(old: &[&str], new: &[&str]) -> Vec<DiffOp> {
    let start = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let ends = old[start..].iter().rev().zip(new[start..].iter().rev());
    let end = ends.take_while(|(one, other)| one == other).count();
    let (left, right) = (&old[start..old.len() - end], &new[start..new.len() - end]);
    let between = if left.len().saturating_mul(right.len()) > MOST_PAIRS {
        vec![DiffOp::Replace { old_index: 0, old_len: left.len(), new_index: 0, new_len: right.len() }]
    } else {
        capture_diff_slices(Algorithm::Myers, left, right)
    };
    let equal = |old_index, new_index, len| (len > 0).then_some(DiffOp::Equal { old_index, new_index, len });
    let between = between.into_iter().map(|op| moved(op, start));
    let first = equal(0, 0, start).into_iter();
    first.chain(between).chain(equal(old.len() - end, new.len() - end, end)).collect()
}

fn moved(op: DiffOp, by: usize) -> DiffOp {
    match op {
        DiffOp::Equal { old_index, new_index, len } => {
            DiffOp::Equal { old_index: old_index + by, new_index: new_index + by, len }
        }
        DiffOp::Delete { old_index, old_len, new_index } => {
            DiffOp::Delete { old_index: old_index + by, old_len, new_index: new_index + by }
        }
        DiffOp::Insert { old_index, new_index, new_len } => {
            DiffOp::Insert { old_index: old_index + by, new_index: new_index + by, new_len }
        }
        DiffOp::Replace { old_index, old_len, new_index, new_len } => {
            DiffOp::Replace { old_index: old_index + by, old_len, new_index: new_index + by, new_len }
        }
    }
}

/// The lines that go and come, in their order.
fn changed_lines<'l>(old: &[&'l str], new: &[&'l str], ops: &[DiffOp]) -> Vec<(LineKind, &'l str)> {
    let mut changed = Vec::new();
    for op in ops.iter().filter(|op| op.tag() != DiffTag::Equal) {
        changed.extend(old[op.old_range()].iter().map(|line| (LineKind::Removed, *line)));
        changed.extend(new[op.new_range()].iter().map(|line| (LineKind::Added, *line)));
    }
    changed
}

fn key(changed: &[(LineKind, &str)], mut show: impl FnMut(&str, &mut String)) -> Digest {
    let mut text = String::new();
    for (kind, line) in changed {
        text.push(if *kind == LineKind::Added { '+' } else { '-' });
        show(line, &mut text);
        text.push('\0');
    }
    Digest::of(text.as_bytes())
}

/// The keys with no value masked, and with all but some of the numbers.
fn other_keys(changed: &[(LineKind, &str)], values: &Values) -> Vec<Digest> {
    let of = |is_open: &mut dyn FnMut(&Value) -> bool| {
        let mut names = Names::new(values);
        key(changed, |line, text| names.show_some(line, Secrets::Numbered, is_open, text))
    };
    let (mut masked, mut numbers) = (0, 0_u32);
    of(&mut |value| {
        masked += 1;
        numbers += u32::from(value.is_number());
        false
    });
    if masked == 0 {
        return Vec::new();
    }
    let mut keys = vec![of(&mut |_| true)];
    for open in 1..1_u32 << if numbers <= MOST_NUMBERS { numbers } else { 0 } {
        let mut place = 0;
        keys.push(of(&mut |value| {
            let is_open = value.is_number() && open >> place & 1 == 1;
            place += u32::from(value.is_number());
            is_open
        }));
    }
    keys
}

/// Puts the lines of a difference together.
struct Shown<'l, 'v> {
    old: &'l [&'l str],
    new: &'l [&'l str],
    names: Names<'v>,
    /// The lines of either side that have secrets, without telling secrets apart.
    with_secrets: [HashSet<String>; 2],
    diff: Diff,
}

impl<'l, 'v> Shown<'l, 'v> {
    fn new(old: &'l [&'l str], new: &'l [&'l str], changed: &[(LineKind, &str)], names: Names<'v>) -> Self {
        let of = |kind| {
            let lines = changed.iter().filter(move |(of, line)| *of == kind && has_secret(line));
            lines.map(|(_, line)| alike(line)).collect()
        };
        let with_secrets = [of(LineKind::Removed), of(LineKind::Added)];
        Self { old, new, names, with_secrets, diff: Diff::default() }
    }

    fn diff(mut self, ops: Vec<DiffOp>) -> Diff {
        let (old, new) = (self.old, self.new);
        for group in group_diff_ops(ops, CONTEXT) {
            let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
            let old_part = first.old_range().start..last.old_range().end;
            let new_part = first.new_range().start..last.new_range().end;
            let text = format!("@@ -{} +{} @@", place(&old_part), place(&new_part));
            self.push(DiffLine { kind: LineKind::Place, text });
            for op in &group {
                if op.tag() == DiffTag::Equal {
                    old[op.old_range()].iter().for_each(|line| self.line(LineKind::Same, line));
                } else {
                    old[op.old_range()].iter().for_each(|line| self.line(LineKind::Removed, line));
                    new[op.new_range()].iter().for_each(|line| self.line(LineKind::Added, line));
                }
            }
        }
        // A head without lines says nothing.
        while self.diff.lines.last().is_some_and(|line| line.kind == LineKind::Place) {
            self.diff.lines.pop();
        }
        self.diff
    }

    fn push(&mut self, line: DiffLine) {
        if self.diff.lines.len() < MOST_LINES {
            self.diff.lines.push(line);
        } else if matches!(line.kind, LineKind::Added | LineKind::Removed) {
            self.diff.left_out += 1;
        }
    }

    fn line(&mut self, kind: LineKind, line: &str) {
        let (sign, other) = match kind {
            LineKind::Removed => ('-', Some(1)),
            LineKind::Added => ('+', Some(0)),
            _ => (' ', None),
        };
        let is_changed = has_secret(line) && other.is_some_and(|other| self.with_secrets[other].contains(&alike(line)));
        let secrets = if is_changed { Secrets::Changed } else { Secrets::Marked };
        let mut text = String::from(sign);
        // What only looks like a number of the node is shown as it is, where that joins nothing.
        let mut is_open = |value: &Value| kind == LineKind::Same && value.is_small_number();
        self.names.show_some(line.trim_end_matches('\n'), secrets, &mut is_open, &mut text);
        if let Some((end, _)) = text.char_indices().nth(LONGEST_LINE) {
            text.truncate(end);
            text.push('…');
        }
        self.push(DiffLine { kind, text });
        if !line.ends_with('\n') {
            self.push(DiffLine { kind: LineKind::Remark, text: "\\ no line break at the end".to_owned() });
        }
    }
}

fn has_secret(line: &str) -> bool {
    line.chars().any(|character| matches!(token(character), Some(Token::Secret(_))))
}

/// The line with all secrets made one.
fn alike(line: &str) -> String {
    let one = |character| match token(character) {
        Some(Token::Secret(_)) => secret_token(0),
        _ => character,
    };
    line.chars().map(one).collect()
}

/// Where lines are, as unified differences say it.
fn place(range: &std::ops::Range<usize>) -> String {
    match range.len() {
        0 => format!("{},0", range.start),
        1 => format!("{}", range.start + 1),
        count => format!("{},{count}", range.start + 1),
    }
}
