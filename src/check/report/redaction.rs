//! What of a line may be shown: its structure. Keys, the tags of templates, and the signs between them tell where something
//! is wrong; values and other free text may hold a secret under any name, so `…` stands in their place.

use crate::render::end_of_tag;

/// What stands for what is not shown.
pub(super) const HIDDEN: char = '…';
/// Parts of names by which the values of keys are known for secrets.
const SECRET_PARTS: [&str; 6] = ["passw", "passphrase", "secret", "token", "credential", "privatekey"];
/// Words of names by which they are known too.
const SECRET_WORDS: [&str; 7] = ["key", "pass", "pw", "psk", "pin", "hash", "auth"];
/// Longest name that is taken for a key, in characters.
const LONGEST_KEY: usize = 40;
/// Most digits of one.
const MOST_DIGITS: usize = 6;
/// Shortest text of digits and letters of both cases that is taken for something random, in characters.
const SHORTEST_RANDOM: usize = 20;
/// Signs that say nothing by themselves.
const SIGNS: &str = "-:{}[](),|>?\"'#=";
/// Values that say nothing of anybody.
const PLAIN_VALUES: [&str; 7] = ["true", "false", "null", "yes", "no", "on", "off"];
/// Longest number that is shown, in characters: one of a mode or of minutes says nothing of anybody.
const LONGEST_NUMBER: usize = 6;

/// What of a line is shown: each character, and its position in the line, in characters. `is_settings` says that the line
/// is one of TOML, whose tables have their names in brackets.
pub(super) fn structure(line: &str, is_settings: bool) -> Vec<(usize, char)> {
    let mut shown = Shown { line, parts: Vec::new() };
    let mut at = 0;
    while let Some(found) = ["{{", "{%", "{#"].iter().filter_map(|tag| line[at..].find(tag)).min() {
        shown.text(at, at + found, is_settings);
        at = shown.tag(at + found);
    }
    shown.text(at, line.len(), is_settings);
    shown.characters()
}

/// The parts of a line in their order: where each begins and ends, in bytes, and whether it is shown.
struct Shown<'t> {
    line: &'t str,
    parts: Vec<(usize, usize, bool)>,
}

impl Shown<'_> {
    /// Whether a word is a short number, in a line that is about no secret such as a PIN.
    fn is_number(&self, word: &str) -> bool {
        word.len() <= LONGEST_NUMBER
            && word.starts_with(|first: char| first.is_ascii_digit())
            && word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'x' | b'o' | b'_'))
            && !self.line.split(|sign: char| !sign.is_alphanumeric() && sign != '_').any(is_secret_name)
    }

    fn keep(&mut self, start: usize, end: usize) {
        if start < end {
            self.parts.push((start, end, true));
        }
    }

    fn hide(&mut self, start: usize, end: usize) {
        if start >= end {
            return;
        }
        // Several hidden words are one.
        let is_blank =
            |(start, end, is_kept): &(usize, usize, bool)| *is_kept && self.line[*start..*end].trim().is_empty();
        let before = self.parts.iter().rposition(|part| !is_blank(part));
        match before.filter(|index| !self.parts[*index].2) {
            Some(index) => self.parts.truncate(index + 1),
            None => self.parts.push((start, end, false)),
        }
    }

    /// Takes a tag that begins there, and says where it ends. Of one without an end nobody knows how far it goes.
    fn tag(&mut self, start: usize) -> usize {
        let inside = start + 2;
        self.keep(start, inside);
        let line = self.line;
        let closing = match &line[start..inside] {
            "{{" => "}}",
            "{%" => "%}",
            _ => "#}",
        };
        let Some(end) = end_of_tag(&line[inside..], closing).map(|end| inside + end) else {
            self.hide(inside, line.len());
            return line.len();
        };
        match closing {
            "#}" => self.hide(inside, end),
            _ => self.expression(inside, end),
        }
        self.keep(end, end + closing.len());
        end + closing.len()
    }

    /// The inside of a tag: names are shown, and of texts only those that are paths.
    fn expression(&mut self, start: usize, end: usize) {
        let line = self.line;
        let content = &line[start..end];
        let first = content.trim_start_matches('-').trim_start();
        let refers = first.starts_with("include") || first.starts_with("extends");
        let mut at = start;
        let mut open: Option<(char, usize)> = None;
        for (index, character) in content.char_indices().map(|(index, character)| (start + index, character)) {
            match open {
                None if matches!(character, '"' | '\'' | '`') => open = Some((character, index + 1)),
                Some((quote, from)) if quote == character => {
                    if !refers && !line[start..from - 1].trim_end().ends_with("path=") {
                        self.keep(at, from);
                        self.hide(from, index);
                        at = index;
                    }
                    open = None;
                }
                _ => {}
            }
        }
        match open {
            // A quote without an end.
            Some((_, from)) => {
                self.keep(at, from);
                self.hide(from, end);
            }
            None => self.keep(at, end),
        }
    }

    /// What is between tags: keys and signs are shown.
    fn text(&mut self, start: usize, end: usize, is_settings: bool) {
        let line = self.line;
        let mut at = start;
        while at < end {
            let rest = &line[at..end];
            let word = at + rest.len() - rest.trim_start().len();
            self.keep(at, word);
            let rest = &line[word..end];
            let length = rest.find(char::is_whitespace).unwrap_or(rest.len());
            let next = line[word + length..end].trim_start().chars().next();
            self.word(word, word + length, next, is_settings && line[..word].trim().is_empty());
            at = word + length;
        }
    }

    fn word(&mut self, start: usize, end: usize, next: Option<char>, may_be_table: bool) {
        let word = &self.line[start..end];
        let is_sign = |character: char| SIGNS.contains(character);
        let name_start = start + word.len() - word.trim_start_matches(is_sign).len();
        let rest = &self.line[name_start..end];
        let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.');
        let name_end = name_start + rest.find(|character| !is_part(character)).unwrap_or(rest.len());
        let name = &self.line[name_start..name_end];
        let after = &self.line[name_end..end];
        let closes = after.trim_start_matches(['"', '\'']);
        let is_key = is_name(name) && (closes.starts_with([':', '=']) || (closes.is_empty() && next == Some('=')));
        let is_plain =
            name.is_empty() || PLAIN_VALUES.contains(&name.to_ascii_lowercase().as_str()) || self.is_number(name);
        let is_table = may_be_table && is_name(name) && word.starts_with('[') && after.trim_end_matches(']').is_empty();
        if is_key || is_plain || is_table {
            let kept = name_end + after.len() - after.trim_start_matches(is_sign).len();
            self.keep(start, kept);
            self.hide(kept, end);
        } else {
            self.keep(start, name_start);
            self.hide(name_start, end);
        }
    }

    fn characters(&self) -> Vec<(usize, char)> {
        let mut characters = Vec::new();
        let mut column = 0;
        let mut at = 0;
        for (start, end, is_kept) in &self.parts {
            column += self.line[at..*start].chars().count();
            at = *start;
            if *is_kept {
                characters
                    .extend(self.line[*start..*end].chars().enumerate().map(|(index, one)| (column + index, one)));
            } else {
                characters.push((column, HIDDEN));
            }
        }
        characters
    }
}

/// Whether a text may be the name of a key, and not something random.
fn is_name(text: &str) -> bool {
    let begins_well = text.starts_with(|character: char| character.is_ascii_alphabetic() || character == '_');
    let count = |is: fn(&u8) -> bool| text.bytes().filter(is).count();
    let digits = count(u8::is_ascii_digit);
    let is_mixed = digits > 0 && count(u8::is_ascii_lowercase) > 0 && count(u8::is_ascii_uppercase) > 0;
    begins_well && text.len() <= LONGEST_KEY && digits <= MOST_DIGITS && !(is_mixed && text.len() >= SHORTEST_RANDOM)
}

/// Whether a line belongs to a secret that begins in a line before it: to a private key, or to the value of a key that
/// is named so. Nothing of it is shown, as it may look like a key itself. `index` counts from 0.
pub(super) fn is_inside_secret(lines: &[&str], index: usize) -> bool {
    let (Some(before), Some(line)) = (lines.get(..index), lines.get(index)) else { return false };
    let key = |mark: &str| before.iter().rposition(|line| line.contains(mark) && line.contains("PRIVATE KEY"));
    let is_in_key = match (key("-----BEGIN "), key("-----END ")) {
        (Some(begin), Some(end)) => begin > end,
        (begin, _) => begin.is_some(),
    };
    is_in_key || is_below_secret(before, line)
}

/// Whether one of the keys above a line of YAML, in whose value it stands, is named as that of a secret, and the value is
/// no table of keys.
fn is_below_secret(before: &[&str], line: &str) -> bool {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let is_item = |line: &str| line.trim_start().starts_with('-');
    let mut current = line;
    let mut is_table = true;
    for above in before.iter().rev().filter(|line| !line.trim().is_empty()) {
        // The items of a list may stand as far to the left as the key above them.
        let is_deeper = indentation(above) < indentation(current);
        let is_item_of = indentation(above) == indentation(current) && is_item(current) && !is_item(above);
        if is_deeper || is_item_of {
            is_table &= above.trim_end().ends_with(':') && !is_item(current);
            current = above;
            let name = above.split(':').next().unwrap_or_default().trim_start_matches(['-', ' ', '"', '\'']);
            if is_secret_name(name) && !is_table {
                return true;
            }
        }
    }
    false
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let joined: String = name.chars().filter(|character| character.is_alphanumeric()).collect();
    let is_word = |word: &str| SECRET_WORDS.contains(&word);
    SECRET_PARTS.iter().any(|part| joined.contains(part)) || name.split(['_', '-', '.', '"', '\'']).any(is_word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(line: &str) -> String {
        structure(line, false).into_iter().map(|(_, character)| character).collect()
    }

    #[test]
    fn keys_and_tags_are_shown() {
        for line in [
            "hostname: {{ hostnme }}",
            "      SLOTS={{ slot | default(value=1) }}",
            "  - path: {{ a.b[0] }}:{{ c }}",
            "{%- for a in b if a.c is defined -%}",
            "{% include \"templates/piece.yaml\" %}",
            "content: {{ file(path=\"groups/x/y.sh\") | yaml }}",
            "lock_passwd: true",
            "meta: {",
            "\"nodes\": [{\"id\":",
            "hostname = {{ x }}",
        ] {
            assert_eq!(text(line), line);
        }
        let table: String = structure("[[check.waivers]]", true).into_iter().map(|(_, character)| character).collect();
        assert_eq!((table.as_str(), text("[[check.waivers]]").as_str()), ("[[check.waivers]]", "[[…"));
    }

    #[test]
    fn values_and_free_text_are_not() {
        for (line, shown) in [
            ("    passwd: hunter2", "    passwd: …"),
            ("\"root\": \"hunter2\", \"x\": 1", "\"root\": \"… \"x\": 1"),
            ("  - {name: hunter2, uid: 3}", "  - {name: … uid: 3}"),
            ("  pin: 1234", "  pin: …"),
            ("  password: 1234", "  password: …"),
            ("  timeout: 0644", "  timeout: 0644"),
            ("  serial: 12345678", "  serial: …"),
            ("name = \"hunter2\"", "name = \"…"),
            ("export KEY=hunter2", "… KEY=…"),
            ("# hunter2 {% if %} hunter2 and more", "# … {% if %} …"),
            ("a: {{ x | default(value=\"hunter2\") }}", "a: {{ x | default(value=\"…\") }}"),
            ("a: {{ hostname hunter2", "a: {{…"),
            ("a: {{ hostname \"hunter2 }}", "a: {{…"),
            ("a{# hunter2 #}", "…{#…#}"),
            ("- hunter2", "- …"),
            ("url: http://user:hunter2@host", "url: http:…"),
            ("dGhpcyBpcyBhIHNlY3JldCB0ZXh0IGFuZCBtb3Jl: x", "…"),
            ("a1b2c3d4e5f6a7: x", "…"),
        ] {
            assert_eq!(text(line), shown, "{line}");
        }
    }

    #[test]
    fn every_character_knows_where_it_was() {
        let line = "- hünter two {{ nme }}";
        let shown = structure(line, false);
        let column = line.chars().position(|character| character == 'm').unwrap();
        assert!(shown.contains(&(column, 'm')) && shown.contains(&(2, HIDDEN)), "{shown:?}");
    }

    #[test]
    fn lines_of_a_secret_are_known_by_those_before_them() {
        let text = "users:\n  - name: a\n    passwd: |\n      hunter2\n      more\n    uid: 3\nchpasswd:\n  list:\n  - a:b\n\
                    key: |\n  -----BEGIN PRIVATE KEY-----\n  abc\n  -----END PRIVATE KEY-----\nruncmd:\n- x\n";
        let lines: Vec<&str> = text.lines().collect();
        let inside: Vec<usize> = (0..lines.len()).filter(|index| is_inside_secret(&lines, *index)).collect();
        assert_eq!(inside, [3, 4, 8, 10, 11, 12], "{lines:#?}");
    }

    proptest! {
        #[test]
        fn any_line_has_a_structure(line in "\\PC{0,80}", is_settings in any::<bool>(), at in 0..5_usize) {
            let characters: Vec<char> = line.chars().collect();
            let shown = structure(&line, is_settings);
            prop_assert!(shown.windows(2).all(|pair| pair[0].0 < pair[1].0));
            for (column, character) in shown {
                prop_assert!(character == HIDDEN || characters[column] == character);
            }
            let _ = is_inside_secret(&[line.as_str(); 3], at);
        }

        #[test]
        fn no_value_is_shown(before in "[ a-z,\"-]{0,20}", value in "[a-zA-Z0-9/+]{6,30}Q!") {
            for key in ["a: ", "password=", "\"token\": ", "api_key = ", "--secret ", "# ", "- ", "[", "{{ \""] {
                let line = format!("{before} {key}{value}");
                prop_assert!(!text(&line).contains(&value), "{}", text(&line));
            }
        }
    }
}
