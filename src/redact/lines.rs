//! Going through a text line by line.

use std::ops::Range;

use super::commands::passwords;
use super::keys::is_secret;
use super::shapes::shapes;
use super::{SecretKind, SecretSpan};

/// What the lines before say about this one.
enum State {
    /// Nothing.
    Plain,
    /// It is inside a private key, of which this much was seen.
    PrivateKey(Option<Range<usize>>),
    /// It is inside of something public, such as a certificate.
    Public,
    /// It is in the value of a name that stands in this column, if it is further right.
    Value { column: usize, is_accounts: bool },
    /// It goes on with a text in such quotation marks.
    Quoted(&'static str),
    /// It gives a password to an account, up to the line with this word.
    Accounts(String),
    /// A part of a message has been announced as base64, whose head ends with an empty line.
    EncodedHead,
    /// It is inside of one, of which this much was seen.
    Encoded(Option<Range<usize>>),
}

/// Goes through a text once.
pub(super) struct Scanner<'t> {
    text: &'t str,
    state: State,
    /// The column of the `chpasswd` whose value the lines are in.
    chpasswd: Option<usize>,
    found: Vec<(Range<usize>, SecretKind)>,
}

impl<'t> Scanner<'t> {
    pub(super) const fn new(text: &'t str) -> Self {
        Self { text, state: State::Plain, chpasswd: None, found: Vec::new() }
    }

    pub(super) fn scan(mut self) -> Vec<SecretSpan> {
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            self.line(line.trim_end_matches(['\n', '\r']), start);
            start += line.len();
        }
        self.end();
        merged(self.found)
    }

    fn line(&mut self, line: &str, start: usize) {
        let content = trimmed(line);
        match &mut self.state {
            State::Plain => self.plain(line, start),
            State::PrivateKey(seen) => match line.find("-----END ") {
                Some(end) => {
                    extend(seen, start, trimmed(&line[..end]));
                    self.end();
                }
                None => extend(seen, start, content),
            },
            State::Public if line.contains("-----END ") => self.state = State::Plain,
            State::Public if line[content.clone()].bytes().all(is_base64) => {}
            State::EncodedHead if line[content.clone()].is_empty() => self.state = State::Encoded(None),
            State::EncodedHead => {}
            State::Encoded(_) if line.starts_with("--") => self.end(),
            State::Encoded(seen) => extend(seen, start, content),
            State::Value { .. } if content.is_empty() => {}
            State::Value { column, is_accounts }
                if content.start > *column || content.start == *column && line[content.clone()].starts_with("- ") =>
            {
                let is_accounts = *is_accounts;
                if is_accounts { self.account(line, start) } else { self.whole(line, start) }
            }
            State::Quoted(mark) => {
                let mark = *mark;
                self.quoted(line, start, mark);
            }
            State::Accounts(word) if line[content.clone()].trim_matches(['"', '\'']) == word.as_str() => {
                self.state = State::Plain;
            }
            State::Accounts(_) => self.account(line, start),
            State::Public | State::Value { .. } => {
                self.state = State::Plain;
                self.plain(line, start);
            }
        }
    }

    /// Whatever is still open is closed.
    fn end(&mut self) {
        match std::mem::replace(&mut self.state, State::Plain) {
            State::PrivateKey(Some(seen)) => self.found.push((seen, SecretKind::PrivateKey)),
            State::Encoded(Some(seen)) => self.found.push((seen, SecretKind::Encoded)),
            _ => {}
        }
    }

    fn add(&mut self, start: usize, range: Range<usize>, kind: SecretKind) {
        if !range.is_empty() {
            self.found.push((start + range.start..start + range.end, kind));
        }
    }

    /// The whole line is a secret, but for the dash of a list.
    fn whole(&mut self, line: &str, start: usize) {
        let mut content = trimmed(line);
        if line[content.clone()].starts_with("- ") {
            let rest = trimmed(&line[content.start + 2..]);
            content = content.start + 2 + rest.start..content.end;
        }
        self.add(start, content, SecretKind::Named);
    }

    /// A line `name:password`.
    fn account(&mut self, line: &str, start: usize) {
        match line.find(':') {
            Some(colon) => {
                let rest = trimmed(&line[colon + 1..]);
                self.add(start, colon + 1 + rest.start..colon + 1 + rest.end, SecretKind::Named);
            }
            None => self.whole(line, start),
        }
    }

    /// A line that goes on with a text in quotation marks.
    fn quoted(&mut self, line: &str, start: usize, mark: &'static str) {
        match closing(line, 0, mark) {
            Some(end) => {
                self.add(start, 0..end, SecretKind::Named);
                self.state = State::Plain;
                self.plain(&line[end..], start + end);
            }
            None => self.add(start, trimmed(line), SecretKind::Named),
        }
    }

    fn plain(&mut self, line: &str, start: usize) {
        if let Some(begin) = line.find("-----BEGIN ")
            && self.begin_of_key(line, start, begin)
        {
            return;
        }
        let content = trimmed(line);
        if self.chpasswd.is_some_and(|column| !content.is_empty() && content.start <= column) {
            self.chpasswd = None;
        }
        let header = line.get(.."content-transfer-encoding".len());
        if header.is_some_and(|name| name.eq_ignore_ascii_case("content-transfer-encoding")) && line.contains("base64")
        {
            self.state = State::EncodedHead;
        }
        if let Some(at) = line.find("chpasswd") {
            self.about_accounts(line, start, at);
        }
        self.names(line, start);
        passwords(line).into_iter().for_each(|range| self.add(start, range, SecretKind::Named));
        let mut found = Vec::new();
        shapes(line, &mut found);
        found.into_iter().for_each(|(range, kind)| self.add(start, range, kind));
    }

    /// A line in which a key or a certificate begins. Whether it is done with.
    fn begin_of_key(&mut self, line: &str, start: usize, begin: usize) -> bool {
        let name = &line[begin + 11..];
        let Some(dashes) = name.find("-----") else { return false };
        let body = begin + 11 + dashes + 5;
        let end = line[body..].find("-----END ").map(|end| body + end);
        if !name[..dashes].contains("PRIVATE") {
            if end.is_none() {
                self.state = State::Public;
            }
            return end.is_none();
        }
        match end {
            // A text in which line breaks are escaped.
            Some(end) => self.add(start, body..end, SecretKind::PrivateKey),
            None => {
                let mut seen = None;
                let rest = trimmed(&line[body..]);
                extend(&mut seen, start, body + rest.start..body + rest.end);
                self.state = State::PrivateKey(seen);
            }
        }
        end.is_none()
    }

    /// A line that speaks of the program, or of the part of a cloud-config, that sets passwords.
    fn about_accounts(&mut self, line: &str, start: usize, at: usize) {
        let rest = &line[at + "chpasswd".len()..];
        if rest.starts_with(':') {
            self.chpasswd = Some(at);
        }
        if let Some((_, word)) = rest.split_once("<<").filter(|(_, word)| !word.starts_with('<')) {
            let word = word.trim_start_matches('-').trim().trim_matches(['"', '\'']);
            let word = word.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').next();
            self.state = State::Accounts(word.unwrap_or_default().to_owned());
        }
        let bytes = line.as_bytes();
        let mut end = 0;
        while let Some(colon) = line[end..].find(':').map(|colon| end + colon) {
            end = colon + 1;
            let is_account = colon > 0 && is_name(bytes[colon - 1]);
            let value = line[end..].find(|mark: char| mark.is_whitespace() || "\"'".contains(mark));
            let value = end..value.map_or(line.len(), |length| end + length);
            if is_account && !value.is_empty() && &line[value.clone()] != "," {
                end = value.end;
                self.add(start, value, SecretKind::Named);
            }
        }
    }

    /// Values that stand after names of secrets.
    fn names(&mut self, line: &str, start: usize) {
        let bytes = line.as_bytes();
        let mut at = 0;
        while let Some(offset) = bytes[at..].iter().position(|byte| is_name(*byte)) {
            let begin = at + offset;
            at = begin + bytes[begin..].iter().take_while(|byte| is_name(**byte)).count();
            let name = &line[begin..at];
            let is_list = self.chpasswd.is_some_and(|column| begin > column) && name == "list";
            if is_list || is_secret(name) {
                at = self.value(line, start, begin..at, is_list).max(at);
            } else if name.eq_ignore_ascii_case("bearer") && bytes.get(at) == Some(&b' ') {
                let end = word_end(line, at + 1);
                self.add(start, at + 1..end, SecretKind::Named);
                at = end;
            }
        }
    }

    /// The value after a name, if there is one; returns where it ends.
    fn value(&mut self, line: &str, start: usize, name: Range<usize>, is_accounts: bool) -> usize {
        let bytes = line.as_bytes();
        let is_flag = bytes[name.start] == b'-';
        let after = skip(line, name.end, "\\\"'");
        let separator = skip(line, after, " \t");
        match bytes.get(separator) {
            Some(mark @ (b':' | b'=')) => {
                let more = if *mark == b'=' { "=>" } else { "=" };
                let value = skip(line, skip(line, separator + 1, more), " \t");
                let value = without_tags(line, value);
                let is_tight = *mark == b'=' && separator == after && value == separator + 1;
                self.value_at(line, start, name.start, value, is_tight, is_accounts)
            }
            Some(_) if is_flag && (separator > after || bytes[separator] == b',') => {
                let value = skip(line, separator, " \t,\"'");
                let end = word_end(line, value);
                if bytes.get(value) != Some(&b'-') {
                    self.add(start, value..end, SecretKind::Named);
                }
                end
            }
            _ => name.end,
        }
    }

    fn value_at(
        &mut self,
        line: &str,
        start: usize,
        name: usize,
        value: usize,
        is_tight: bool,
        is_accounts: bool,
    ) -> usize {
        let rest = &line[value..];
        let is_block = rest.starts_with(['|', '>'])
            && rest[1..]
                .trim_start_matches(|mark: char| mark.is_ascii_digit() || "+-".contains(mark))
                .trim()
                .is_empty();
        if rest.trim().is_empty() || rest.starts_with('#') || is_block {
            if !is_tight {
                self.state = State::Value { column: name, is_accounts };
            }
            return line.len();
        }
        if let Some(mark) = ["\\\"", "\"", "'"].into_iter().find(|mark| rest.starts_with(mark)) {
            let inside = value + mark.len();
            let Some(end) = closing(line, inside, mark) else {
                self.add(start, inside..line.len(), SecretKind::Named);
                self.state = State::Quoted(mark);
                return line.len();
            };
            // In a shell, a word may go on after its quotation marks.
            let goes_on = is_tight && line[end + mark.len()..].starts_with(|next: char| is_word(next));
            let end = if goes_on { word_end(line, end + mark.len()) } else { end };
            if !is_open_value(&line[inside..end]) {
                self.add(start, inside..end, SecretKind::Named);
            }
            return end;
        }
        let opened = |open: char, close: char| line[..name].matches(open).count() > line[..name].matches(close).count();
        let is_first = line[..name].trim().is_empty() || line[..name].trim() == "export" || line[..name].trim() == "-";
        let end = if opened('{', '}') || opened('[', ']') {
            rest.find([',', '}', ']']).map_or(line.len(), |length| value + length)
        } else if is_tight && !is_first {
            word_end(line, value)
        } else {
            line.len()
        };
        let end = value + line[value..end].trim_end().len();
        if !is_open_value(&line[value..end]) {
            self.add(start, value..end, SecretKind::Named);
        }
        end
    }
}

/// Values that are no secrets whatever their name is.
fn is_open_value(value: &str) -> bool {
    let word = value.split(" #").next().unwrap_or_default().trim();
    let is_word = ["", "~", "null", "none", "true", "false", "yes", "no", "on", "off", "{}", "[]", "*"]
        .iter()
        .any(|open| word.eq_ignore_ascii_case(open));
    let is_public_key = ["ssh-rsa ", "ssh-ed25519 ", "ssh-dss ", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|kind| word.starts_with(kind));
    is_word || is_public_key
}

/// The parts in their order, those that overlap or touch as one.
pub(super) fn merged(mut found: Vec<(Range<usize>, SecretKind)>) -> Vec<SecretSpan> {
    found.sort_by_key(|(range, _)| (range.start, std::cmp::Reverse(range.end)));
    let mut spans: Vec<SecretSpan> = Vec::with_capacity(found.len());
    for (range, kind) in found {
        match spans.last_mut() {
            Some(last) if range.start < last.range.end => last.range.end = last.range.end.max(range.end),
            _ => spans.push(SecretSpan { range, kind }),
        }
    }
    spans
}

/// Adds a part of a line to what was seen.
fn extend(seen: &mut Option<Range<usize>>, start: usize, part: Range<usize>) {
    if !part.is_empty() {
        let begin = seen.as_ref().map_or(start + part.start, |seen| seen.start);
        *seen = Some(begin..start + part.end);
    }
}

/// Where the text without the white space around it is.
fn trimmed(line: &str) -> Range<usize> {
    let end = line.trim_end().len();
    let start = line.len() - line.trim_start().len();
    start.min(end)..end
}

/// The first place from `at` on that holds none of the characters, all of which are ASCII.
fn skip(line: &str, at: usize, characters: &str) -> usize {
    at + line.as_bytes()[at..].iter().take_while(|byte| characters.as_bytes().contains(byte)).count()
}

/// The place after the tags and anchors that YAML may have before a value.
fn without_tags(line: &str, mut at: usize) -> usize {
    while line[at..].starts_with(['!', '&']) && line[at..].contains(' ') {
        at = skip(line, line[at..].find(' ').map_or(line.len(), |length| at + length), " ");
    }
    at
}

/// Where a text in quotation marks ends.
fn closing(line: &str, from: usize, mark: &str) -> Option<usize> {
    let mut at = from;
    loop {
        let end = at + line[at..].find(mark)?;
        let backslashes = line[from..end].bytes().rev().take_while(|byte| *byte == b'\\').count();
        let is_doubled = mark == "'" && line[end + 1..].starts_with('\'');
        if is_doubled {
            at = end + 2;
        } else if mark == "\"" && backslashes % 2 == 1 {
            at = end + 1;
        } else {
            return Some(end);
        }
    }
}

/// Where a word ends, from inside of it.
fn word_end(line: &str, from: usize) -> usize {
    line[from..].find(|mark| !is_word(mark)).map_or(line.len(), |length| from + length)
}

fn is_word(character: char) -> bool {
    !character.is_whitespace() && !"\"'`;,)]}&|".contains(character)
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}
