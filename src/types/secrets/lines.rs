//! Secrets that the line they stand in gives away: by a key, a variable, an option or a command; or a line above it.

use std::ops::Range;

use super::encoded::decoded;
use super::keys::{is_suspicious_key, kind_of_key};
use super::patterns::{ACCOUNT, ACCOUNTS, ASSIGNMENT, COMMANDS, CONTENT, HERE_DOCUMENT, OPTION, PUBLIC};
use super::scan::{FoundSecret, REDACTED};
use super::shapes::{SecretKind, entropy, is_placeholder, looks_random, looks_secret};

/// How long a line of nothing but base 64 is before it counts as part of something that is hidden by it.
const ENCODED_LENGTH: usize = 40;

/// What lines above say about those below.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Below {
    /// A block scalar, or a text that goes on: all of each line, as far as lines stand deeper than this.
    Text { column: usize, kind: SecretKind, key: String },
    /// What the key holds is in entries or items below it.
    Values { column: usize, kind: SecretKind, key: String },
    /// A quoted text that has not ended.
    Quoted { quote: char, kind: SecretKind, key: String },
    /// Accounts for chpasswd, as far as lines stand deeper than this.
    Accounts { column: usize },
    /// Accounts for chpasswd, until a line of this word.
    Here { word: String },
    /// A value in the next line that says something.
    Next { kind: SecretKind, key: String },
    /// A name and a password there.
    NextAccount,
}

/// Goes through the lines of a text.
pub(super) struct Lines<'a> {
    text: &'a str,
    found: Vec<FoundSecret>,
    below: Option<Below>,
    is_in_public: bool,
    is_in_encoded: bool,
    has_chpasswd: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        let has_chpasswd = text.contains("chpasswd");
        Self { text, found: Vec::new(), below: None, is_in_public: false, is_in_encoded: false, has_chpasswd }
    }

    /// The secrets of all lines, in no order.
    pub(super) fn secrets(mut self) -> Vec<FoundSecret> {
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            self.line(start, line.trim_end_matches(['\n', '\r']));
            start += line.len();
        }
        self.found
    }

    fn add(&mut self, start: usize, range: Range<usize>, kind: SecretKind, key: Option<&str>) {
        let range = start + range.start..start + range.end;
        let secret = &self.text[range.clone()];
        if !range.is_empty() && secret.trim().trim_matches(['"', '\'']) != REDACTED {
            self.found.push(FoundSecret { range, kind, key: key.map(str::to_owned) });
        }
    }

    fn line(&mut self, start: usize, line: &str) {
        let is_public = self.is_public(line);
        if let Some(below) = self.below.take()
            && self.goes_on(&below, start, line)
        {
            return;
        }
        if is_public {
            return;
        }
        self.encoded(start, line);
        self.contents(start, line);
        self.assignments(start, line);
        self.options(start, line);
        self.commands(start, line);
        self.accounts(start, line);
    }

    /// Whether the line belongs to a public key or certificate.
    fn is_public(&mut self, line: &str) -> bool {
        let is_of_block = line.trim().bytes().all(is_base64) || line.contains(": ") || line.contains("-----");
        self.is_in_public &= is_of_block;
        for marker in PUBLIC.iter().flat_map(|regex| regex.captures_iter(line)) {
            let is_private = marker.get(2).is_some_and(|what| what.as_str().contains("PRIVATE KEY"));
            self.is_in_public = !is_private && marker.get(1).is_some_and(|word| word.as_str() == "BEGIN");
        }
        self.is_in_public && line.trim().bytes().all(is_base64)
    }

    /// Takes a line as what one above it says. `false` if that has ended.
    fn goes_on(&mut self, below: &Below, start: usize, line: &str) -> bool {
        let column = column(line);
        let is_blank = line.trim().is_empty();
        match below {
            Below::Quoted { quote, kind, key } => {
                let end = end_of_quoted(line, *quote);
                self.add(start, content(&line[..end.unwrap_or(line.len())]), *kind, Some(key));
                if end.is_none() {
                    self.below = Some(below.clone());
                }
                return true;
            }
            Below::Here { word } if line.trim() != word => {
                self.account(start, line);
                self.below = Some(below.clone());
                return true;
            }
            Below::Here { .. } => return true,
            Below::Next { kind, key } if !is_blank => {
                self.value_below(start, line, *kind, key);
                return true;
            }
            Below::NextAccount if !is_blank => {
                self.account(start, line);
                return true;
            }
            _ if is_blank => {
                self.below = Some(below.clone());
                return true;
            }
            Below::Text { column: above, kind, key } if column > *above => {
                self.add(start, content(line), *kind, Some(key));
            }
            Below::Values { column: above, kind, key } if column > *above || is_item_at(line, *above) => {
                self.value_below(start, line, *kind, key);
            }
            Below::Accounts { column: above } if column > *above || is_item_at(line, *above) => {
                self.account(start, line);
            }
            _ => return false,
        }
        self.below = Some(below.clone());
        true
    }

    /// What stands behind the key or the dash of a line.
    fn value_below(&mut self, start: usize, line: &str, kind: SecretKind, key: &str) {
        let begin = item_begin(line);
        let entry = ASSIGNMENT.iter().find_map(|regex| regex.captures(&line[begin..]));
        let entry =
            entry.filter(|found| found.get(0).is_some_and(|all| all.start() == 0) && is_entry(found, &line[begin..]));
        let value = entry.and_then(|found| found.get(0)).map_or(begin, |all| begin + all.end());
        let range = value..line.trim_end().len().max(value);
        if !is_placeholder(&line[range.clone()]) {
            self.add(start, range, kind, Some(key));
        }
    }

    fn account(&mut self, start: usize, line: &str) {
        let password = ACCOUNT.iter().find_map(|regex| regex.captures(line)).and_then(|found| found.get(1));
        if let Some(password) = password.filter(|password| !is_drawn_or_missing(password.as_str())) {
            self.add(start, password.range(), SecretKind::Password, Some("chpasswd"));
        }
    }

    /// `list:` of chpasswd, and texts for chpasswd within scripts.
    fn accounts(&mut self, start: usize, line: &str) {
        if !self.has_chpasswd {
            return;
        }
        if let Some(word) = HERE_DOCUMENT.iter().find_map(|regex| regex.captures(line)).and_then(|found| found.get(1)) {
            self.below = Some(Below::Here { word: word.as_str().to_owned() });
            return;
        }
        for key in ["list:", "\"list\":", "'list':"] {
            let Some(at) = line.find(key).filter(|at| !line[..*at].ends_with(|before: char| before.is_alphanumeric()))
            else {
                continue;
            };
            let begin = at + key.len();
            for found in ACCOUNTS.iter().flat_map(|regex| regex.captures_iter(&line[begin..])) {
                if let Some(password) = found.get(1).filter(|password| !is_drawn_or_missing(password.as_str())) {
                    let range = begin + password.start()..begin + password.end();
                    self.add(start, range, SecretKind::Password, Some("chpasswd"));
                }
            }
            self.below = Some(Below::Accounts { column: column_of_key(line) });
        }
    }

    fn assignments(&mut self, start: usize, line: &str) {
        let Some(regex) = &*ASSIGNMENT else { return };
        for found in regex.captures_iter(line) {
            let (Some(all), Some(name), Some(separator)) = (found.get(0), found.get(1), found.get(3)) else { continue };
            if !is_entry(&found, line) {
                continue;
            }
            let key = name.as_str();
            let is_colon = separator.as_str().contains(':');
            // A quote that ends behind the value is not the key's.
            let is_quoted = found.get(2).is_some_and(|quote| !quote.is_empty());
            let begin = if is_quoted { all.start() } else { name.start() };
            let is_block = is_colon && line[..begin].trim_start_matches([' ', '-']).is_empty();
            let value = value(line, all.end(), Position::of(line, begin, is_colon, is_block));
            let text = &line[value.range.clone()];
            let kind = kind_of_key(key).or_else(|| {
                let is_random = looks_random(text.trim_matches(['"', '\''])) && is_suspicious_key(key);
                is_random.then_some(SecretKind::Other)
            });
            let Some(kind) = kind else { continue };
            if let Some(quote) = value.open_quote {
                self.below = Some(Below::Quoted { quote, kind, key: key.to_owned() });
            } else if is_block {
                self.below = below_key(line, text, kind, key);
            } else if is_colon && line[all.end()..].trim().is_empty() {
                self.below = Some(Below::Next { kind, key: key.to_owned() });
            }
            let is_anchor = text.starts_with('&') && !text.trim().contains(' ');
            if !is_anchor && !is_drawn_or_missing(text) {
                self.add(start, value.range, kind, Some(key));
            }
        }
    }

    fn options(&mut self, start: usize, line: &str) {
        self.option_alone(line);
        for found in OPTION.iter().flat_map(|regex| regex.captures_iter(line)) {
            let (Some(all), Some(name)) = (found.get(0), found.get(1)) else { continue };
            let Some(kind) = kind_of_key(name.as_str()) else { continue };
            let is_item = all.as_str().trim_end().ends_with(',');
            // The quotes that an item of a list stands in end with it.
            let is_quoted = is_item && line[..all.start()].ends_with(['"', '\'']);
            let from = all.start() - usize::from(is_quoted);
            let position = Position { is_word: true, is_flow: is_item, ..Position::of(line, from, false, false) };
            let value = value(line, all.end(), position);
            let text = &line[value.range.clone()];
            if !is_placeholder(text) && !text.starts_with(['-', '\\']) {
                self.add(start, value.range, kind, Some(&format!("--{}", name.as_str())));
            }
        }
    }

    /// An option whose value is in the next line: an item of a list, or a command that goes on there.
    fn option_alone(&mut self, line: &str) {
        let last = line.trim_end().trim_end_matches(['\\', ',']).trim_end();
        let last = last.rsplit([' ', '\t']).next().unwrap_or_default().trim_matches(['"', '\'']);
        let Some(name) = last.strip_prefix('-') else { return };
        if let Some(kind) = name.strip_prefix('-').and_then(kind_of_key) {
            self.below = Some(Below::Next { kind, key: last.to_owned() });
        } else if ["u", "-user", "-proxy-user"].contains(&name) && self.text.contains("curl") {
            self.below = Some(Below::NextAccount);
        }
    }

    fn commands(&mut self, start: usize, line: &str) {
        for (kind, regex) in COMMANDS.iter() {
            for secret in regex.captures_iter(line).filter_map(|found| found.get(1)) {
                if !is_placeholder(secret.as_str()) {
                    self.add(start, secret.range(), *kind, None);
                }
            }
        }
    }

    /// Lines of nothing but base 64, of which nobody can tell what they hold.
    fn encoded(&mut self, start: usize, line: &str) {
        let is_rest = self.is_in_encoded && line.trim().len() >= 4 && line.trim().bytes().all(is_base64);
        self.is_in_encoded = is_rest || is_encoded(line);
        if self.is_in_encoded {
            self.add(start, item_begin(line)..line.trim_end().len(), SecretKind::Other, None);
        } else if self.below.is_none() && line.trim() == REDACTED {
            // Hidden before: what follows was part of it.
            self.is_in_encoded = true;
        }
    }

    fn contents(&mut self, start: usize, line: &str) {
        let content = CONTENT.iter().find_map(|regex| regex.captures(line)).and_then(|found| found.get(1));
        let Some(content) = content.filter(|content| holds_secret(content.as_str())) else { return };
        self.add(start, content.range(), SecretKind::Other, Some("content"));
    }
}

/// Whether a text in base 64 stands for something secret, or for something that is no text.
fn holds_secret(content: &str) -> bool {
    decoded(content).is_some_and(|bytes| match std::str::from_utf8(&bytes) {
        Ok(text) => {
            looks_secret(text).is_some() || super::scan::secrets_in(text).iter().any(|found| found.key.is_some())
        }
        Err(_) => true,
    })
}

/// What follows a key of a block mapping whose value may go on below it.
fn below_key(line: &str, text: &str, kind: SecretKind, key: &str) -> Option<Below> {
    let (column, key) = (column_of_key(line), key.to_owned());
    let text = text.trim();
    if text.is_empty() || text.starts_with(['&', '#']) {
        Some(Below::Values { column, kind, key })
    } else if text.starts_with(['[', '{']) || is_closed(text) {
        None
    } else {
        Some(Below::Text { column, kind, key })
    }
}

fn is_closed(text: &str) -> bool {
    text.len() > 1 && ['"', '\''].iter().any(|quote| text.starts_with(*quote) && text.ends_with(*quote))
}

/// Passwords that cloud-init draws by lot on the node.
fn is_drawn_or_missing(text: &str) -> bool {
    ["R", "RANDOM"].contains(&text.trim().trim_matches(['"', '\''])) || is_placeholder(text)
}

/// Whether what looks like a key and its separator is one.
fn is_entry(found: &regex::Captures<'_>, line: &str) -> bool {
    let (Some(all), Some(quote), Some(separator)) = (found.get(0), found.get(2), found.get(3)) else { return false };
    let before = line[..all.start()].chars().next_back().unwrap_or(' ');
    let after = line[all.end()..].chars().next().unwrap_or(' ');
    let is_parted = separator.as_str().ends_with([' ', '\t']) || all.end() == line.len() || !quote.as_str().is_empty();
    let is_separator = if separator.as_str().contains(':') { is_parted } else { !matches!(after, '=' | '~') };
    is_separator && !before.is_alphanumeric() && !matches!(before, '/' | '$' | '@' | '%' | '.')
}

/// Where a value stands.
#[derive(Clone, Copy, Debug)]
struct Position {
    /// The quoted text around it.
    within: Option<char>,
    /// Whether it is an entry of a YAML mapping in braces, or what looks like one.
    is_flow: bool,
    /// Whether it is a word of a command.
    is_word: bool,
}

impl Position {
    fn of(line: &str, key: usize, is_colon: bool, is_block: bool) -> Self {
        let within = if is_block { None } else { open_quote(&line[..key]) };
        let before = line[..key].trim();
        // `export KEY=…` takes the whole line.
        let is_first =
            before.is_empty() || ["export", "-", "Environment=", "set", "local", "readonly"].contains(&before);
        Self { within, is_flow: is_colon && !is_block, is_word: !is_colon && !is_first }
    }
}

struct FoundValue {
    range: Range<usize>,
    open_quote: Option<char>,
}

/// The value that begins at a position of a line.
fn value(line: &str, begin: usize, position: Position) -> FoundValue {
    let rest = &line[begin..];
    let whole = |end: usize| FoundValue { range: begin..begin + end, open_quote: None };
    let first = rest.chars().next();
    if let Some(quote @ ('"' | '\'')) = first.filter(|first| position.within != Some(*first)) {
        return match end_of_quoted(&rest[1..], quote) {
            Some(end) if position.is_flow || position.is_word || position.within.is_some() => {
                FoundValue { range: begin + 1..begin + 1 + end, open_quote: None }
            }
            // What stands behind it belongs to it, or is a comment.
            Some(end) if rest[end + 2..].trim().is_empty() => {
                FoundValue { range: begin + 1..begin + 1 + end, open_quote: None }
            }
            Some(_) => whole(rest.trim_end().len()),
            None => {
                let is_multiline = position.within.is_none();
                FoundValue { range: begin + 1..line.len(), open_quote: is_multiline.then_some(quote) }
            }
        };
    }
    // A quoted text within another one, with its quotes escaped.
    let escaped =
        position.within.and_then(|_| rest.strip_prefix("\\\"")).map(|rest| rest.find("\\\"").unwrap_or(rest.len()));
    if let Some(end) = escaped {
        return FoundValue { range: begin + 2..begin + 2 + end, open_quote: None };
    }
    let is_end = |character: char| {
        Some(character) == position.within
            || (position.is_flow && matches!(character, ',' | '}' | ']'))
            || (position.is_word && (character.is_whitespace() || matches!(character, '"' | '\'')))
    };
    whole(rest.find(is_end).unwrap_or(rest.trim_end().len()))
}

/// The quote that is open at the end of a piece of a line.
fn open_quote(text: &str) -> Option<char> {
    let (mut open, mut before) = (None, ' ');
    for character in text.chars() {
        if matches!(character, '"' | '\'') && before != '\\' {
            open = match open {
                None if character == '\'' && before.is_alphanumeric() => None,
                None => Some(character),
                Some(quote) if quote == character => None,
                other => other,
            };
        }
        before = character;
    }
    open
}

/// Where a quoted text ends that has begun before this text.
fn end_of_quoted(text: &str, quote: char) -> Option<usize> {
    let mut is_escaped = false;
    let mut characters = text.char_indices().peekable();
    while let Some((index, character)) = characters.next() {
        if character == quote && !is_escaped {
            // Two single quotes are one in the text.
            let is_doubled = quote == '\'' && characters.next_if(|(_, next)| *next == quote).is_some();
            if !is_doubled {
                return Some(index);
            }
        } else {
            is_escaped = quote == '"' && character == '\\' && !is_escaped;
        }
    }
    None
}

/// The range of a line without the white space around it.
fn content(line: &str) -> Range<usize> {
    let start = line.len() - line.trim_start().len();
    start..line.trim_end().len().max(start)
}

fn column(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

/// Where the content of an item, or of a line, begins.
fn item_begin(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t']).trim_start_matches("- ").trim_start_matches(' ').len()
}

/// Where the key stands in a line that begins with one, behind the dashes of lists.
fn column_of_key(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}

fn is_item_at(line: &str, above: usize) -> bool {
    column(line) == above && line.trim_start().starts_with("- ")
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Whether a line is nothing but base 64. Checksums in hexadecimal digits and public keys of SSH are not taken for it,
/// nor are paths.
pub(super) fn is_encoded(line: &str) -> bool {
    let text = line[item_begin(line).min(line.len())..].trim();
    text.len() >= ENCODED_LENGTH
        && text.bytes().all(is_base64)
        && !text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && !text.starts_with("AAAA")
        && !text.starts_with('/')
        && text.bytes().any(|byte| byte.is_ascii_uppercase())
        && entropy(text) >= 4.3
}
