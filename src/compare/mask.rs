//! Masking: what a node does not share with others is replaced by tokens, which are one character each.
//!
//! A text has another text when it is masked, and different texts stay different: a token stands for one value in one
//! spelling. So comparing masked texts finds every difference.

use std::net::IpAddr;

use super::nodes::NodeState;

/// The first token of a value. The characters are of a plane that is for private use: in a text they are escaped.
const VALUES: u32 = 0xf_0000;
/// The first token of a secret.
const SECRETS: u32 = 0xf_8000;
/// Tokens of one kind. More secrets than that in one document are told apart no further.
const MOST: usize = 0x7ff0;
/// A shorter name would be found in words that are none.
const LEAST_NAME: usize = 3;
/// The kind of the numbers of nodes.
const NUMBER: &str = "nid";
/// Fewer digits that follow letters are no number of a node.
const LEAST_DIGITS: usize = 3;
/// How vendor-data in one message begins the line between its parts: what follows is a digest of everything.
const BOUNDARY: &str = "==mds-";
/// Digits of this digest.
const BOUNDARY_DIGITS: usize = 12;

/// On which sides a node has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum When {
    Both,
    Before,
    Now,
}

/// What a token stands for.
#[derive(Clone, Debug)]
pub(super) struct Value {
    /// What it is, such as `hostname`.
    pub(super) kind: &'static str,
    pub(super) when: When,
    /// Which of the values of its kind it is, whatever its spelling.
    pub(super) identity: usize,
    /// How it is written, if not in the usual way.
    pub(super) spelling: String,
    pub(super) text: String,
}

impl Value {
    /// Whether it is a number.
    pub(super) fn is_number(&self) -> bool {
        self.kind == NUMBER
    }

    /// Whether it is a number so small that it stands in many texts without being that of the node.
    pub(super) fn is_small_number(&self) -> bool {
        self.is_number() && self.text.len() < LEAST_DIGITS
    }
}

/// What a token is one of.
pub(super) enum Token {
    Value(usize),
    Secret(usize),
}

/// What a character stands for, if it is a token.
pub(super) const fn token(character: char) -> Option<Token> {
    let code = character as u32;
    if code >= SECRETS {
        Some(Token::Secret((code - SECRETS) as usize))
    } else if code >= VALUES {
        Some(Token::Value((code - VALUES) as usize))
    } else {
        None
    }
}

/// The token of a secret.
pub(super) fn secret_token(number: usize) -> char {
    token_at(SECRETS, number)
}

fn token_at(first: u32, number: usize) -> char {
    u32::try_from(number.min(MOST)).ok().and_then(|number| char::from_u32(first + number)).unwrap_or('\u{fffd}')
}

/// A text in which no character is a token.
pub(super) fn without_tokens(text: &str) -> std::borrow::Cow<'_, str> {
    // In UTF-8, the characters from U+C0000 on begin with these bytes.
    if !text.bytes().any(|byte| byte >= 0xf3) || !text.chars().any(|character| token(character).is_some()) {
        return text.into();
    }
    let escaped = |character: char| match token(character) {
        Some(_) => character.escape_unicode().to_string(),
        None => character.to_string(),
    };
    text.chars().map(escaped).collect::<String>().into()
}

/// The values of one node on both sides.
#[derive(Debug)]
pub(super) struct Values {
    values: Vec<Value>,
    /// Texts to be looked for, longest first, with the value of each.
    texts: Vec<(String, usize)>,
    nids: (Option<u32>, Option<u32>),
}

impl Values {
    /// The values of a node. At least one side must be there, or there are none.
    pub(super) fn new(old: Option<&NodeState>, new: Option<&NodeState>) -> Self {
        let mut found = Self { values: Vec::new(), texts: Vec::new(), nids: (None, None) };
        let Some(either) = new.or(old) else { return found };
        let (old, new) = (old.unwrap_or(either), new.unwrap_or(either));
        found.nids = (old.nid, new.nid);
        let local = [old, new].map(|side| side.local_hostname.as_deref());
        found.add_names(&[
            ("id", Some(old.id.as_str()), Some(new.id.as_str())),
            ("hostname", Some(&old.hostname), Some(&new.hostname)),
            ("local-hostname", local[0].or(local[1]), local[1].or(local[0])),
            ("instance-id", Some(&old.instance_id), Some(&new.instance_id)),
            ("base-url", old.own_base_url.as_deref(), new.own_base_url.as_deref()),
        ]);
        let all = union(&old.addresses, &new.addresses);
        for (identity, (ip, when)) in all.into_iter().enumerate() {
            found.add("ip", when, identity, "", ip.to_string());
            if let IpAddr::V4(ip) = ip {
                found.add("ip", when, identity, "with dashes", ip.to_string().replace('.', "-"));
            }
        }
        for (identity, (mac, when)) in union(&old.macs, &new.macs).into_iter().enumerate() {
            for (spelling, text) in spellings(&mac.to_string()) {
                found.add("mac", when, identity, spelling, text);
            }
        }
        found.texts.sort_by_key(|(text, _)| std::cmp::Reverse(text.len()));
        found
    }

    /// What a token stands for.
    pub(super) fn get(&self, index: usize) -> Option<&Value> {
        self.values.get(index)
    }

    /// Adds texts of which a node has one of each kind on either side. One text may be several of them: it counts as the
    /// first that it is on both sides, or else on one.
    fn add_names(&mut self, names: &[(&'static str, Option<&str>, Option<&str>)]) {
        let mut texts: Vec<&str> = names.iter().flat_map(|(_, old, new)| [*old, *new]).flatten().collect();
        texts.sort_unstable();
        texts.dedup();
        for text in texts.into_iter().filter(|text| text.len() >= LEAST_NAME) {
            let is = |side: &Option<&str>| *side == Some(text);
            let was = names.iter().any(|(_, old, _)| is(old));
            let when = match (was, names.iter().any(|(_, _, new)| is(new))) {
                (true, true) => When::Both,
                (true, false) => When::Before,
                _ => When::Now,
            };
            let both = names.iter().find(|(_, old, new)| is(old) && is(new));
            let kind = both.or_else(|| names.iter().find(|(_, old, new)| is(old) || is(new))).map(|(kind, _, _)| *kind);
            kind.into_iter().for_each(|kind| self.add(kind, when, 0, "", text.to_owned()));
        }
    }

    fn add(&mut self, kind: &'static str, when: When, identity: usize, spelling: &str, text: String) {
        self.texts.push((text.clone(), self.values.len()));
        self.values.push(Value { kind, when, identity, spelling: spelling.to_owned(), text });
    }

    /// The text with tokens in place of the node's values.
    pub(super) fn mask(&mut self, text: &str) -> String {
        let bytes = text.as_bytes();
        let mut masked = String::with_capacity(text.len());
        let (mut copied, mut at) = (0, 0);
        let mut put = |masked: &mut String, start: usize, end: usize, value: usize| {
            masked.push_str(&text[copied..start]);
            masked.push(token_at(VALUES, value));
            copied = end;
        };
        while let Some(byte) = bytes.get(at) {
            if *byte == b'=' && text[at..].starts_with(BOUNDARY) {
                let start = at + BOUNDARY.len();
                let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
                if length == BOUNDARY_DIGITS {
                    let value = self.boundary();
                    put(&mut masked, start, start + length, value);
                }
                at = start + length;
            } else if !byte.is_ascii_alphanumeric() {
                at += 1;
            } else if let Some((value, length)) = self.value_at(bytes, at) {
                put(&mut masked, at, at + length, value);
                at += length;
            } else {
                let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
                if let Some((start, value)) = self.nid_at(text, at, end) {
                    put(&mut masked, start, end, value);
                }
                at = end;
            }
        }
        masked.push_str(&text[copied..]);
        masked
    }

    /// The value that stands at the beginning of a word, and its length.
    fn value_at(&self, bytes: &[u8], at: usize) -> Option<(usize, usize)> {
        let (text, value) = self.texts.iter().find(|(text, value)| {
            bytes[at..].starts_with(text.as_bytes()) && is_alone(bytes, at, at + text.len(), self.values[*value].kind)
        })?;
        Some((*value, text.len()))
    }

    /// The number of the node, where it is a word or ends one; where it begins.
    fn nid_at(&mut self, text: &str, start: usize, end: usize) -> Option<(usize, usize)> {
        let bytes = text.as_bytes();
        let digits = bytes[start..end].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let begin = end - digits;
        let is_number = begin == start;
        if digits == 0 || digits > 10 || !bytes[start..begin].iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        let before = start.checked_sub(1).and_then(|before| bytes.get(before));
        let is_joined = |byte: Option<&u8>| byte.is_some_and(|byte| b"-_+".contains(byte));
        let is_decimal = before == Some(&b'.') && is_number
            || bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        let is_part = !is_number || is_joined(before) || is_joined(bytes.get(end));
        if is_decimal || is_part && digits < LEAST_DIGITS {
            return None;
        }
        let number: u64 = text[begin..end].parse().ok()?;
        let is = |nid: Option<u32>| nid.is_some_and(|nid| u64::from(nid) == number);
        let when = match (is(self.nids.0), is(self.nids.1)) {
            (true, true) => When::Both,
            (true, false) => When::Before,
            (false, true) => When::Now,
            (false, false) => return None,
        };
        let is_padded = digits > 1 && bytes[begin] == b'0';
        let spelling = if is_padded { format!("of {digits} digits") } else { String::new() };
        let text = text[begin..end].to_owned();
        let known = self.values.iter().position(|value| value.kind == NUMBER && value.text == text);
        let value = known.unwrap_or_else(|| {
            self.values.push(Value { kind: NUMBER, when, identity: 0, spelling, text });
            self.values.len() - 1
        });
        Some((begin, value))
    }

    /// The digest in a boundary, which says nothing: it is another whenever anything else is.
    fn boundary(&mut self) -> usize {
        self.values.iter().position(|value| value.kind == "digest").unwrap_or_else(|| {
            let text = "0".repeat(BOUNDARY_DIGITS);
            let spelling = String::new();
            self.values.push(Value { kind: "digest", when: When::Both, identity: 0, spelling, text });
            self.values.len() - 1
        })
    }
}

/// Whether a value stands there by itself, and is no part of a longer one.
fn is_alone(bytes: &[u8], start: usize, end: usize, kind: &str) -> bool {
    let is_word = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    let goes_on = |sign: u8| bytes.get(end) == Some(&sign) && is_word(end + 1);
    let before = start.checked_sub(1).map(|before| bytes[before]);
    let is_part = match kind {
        "ip" | "mac" => {
            before == Some(b'.')
                || goes_on(b':') && bytes[start..end].contains(&b':')
                || goes_on(b'.') && {
                    let next = bytes.get(end + 1);
                    next.is_some_and(u8::is_ascii_digit)
                }
        }
        _ => false,
    };
    !is_word(end) && !is_part
}

/// The values of both sides, and on which of them each is; in their order.
fn union<T: Copy + Ord>(old: &[T], new: &[T]) -> Vec<(T, When)> {
    let of_old = old.iter().map(|value| (*value, if new.contains(value) { When::Both } else { When::Before }));
    let of_new = new.iter().filter(|value| !old.contains(value)).map(|value| (*value, When::Now));
    let mut all: Vec<(T, When)> = of_old.chain(of_new).collect();
    all.sort_by_key(|(value, _)| *value);
    all
}

/// The usual ways to write a MAC address, which is given in lower case with colons.
fn spellings(mac: &str) -> [(&'static str, String); 7] {
    let bare = mac.replace(':', "");
    let dotted = [0, 4, 8].map(|start| bare.get(start..start + 4).unwrap_or_default()).join(".");
    [
        ("", mac.to_owned()),
        ("in capitals", mac.to_ascii_uppercase()),
        ("with dashes", mac.replace(':', "-")),
        ("in capitals with dashes", mac.replace(':', "-").to_ascii_uppercase()),
        ("in capitals without signs", bare.to_ascii_uppercase()),
        ("with dots", dotted),
        ("without signs", bare),
    ]
}
