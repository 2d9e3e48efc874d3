//! Which names the text of a template uses, and where; what it includes is followed.
//!
//! This reads tags, not Tera's grammar: words that stand where a name may stand. Whether a word is a name is for the
//! caller to say, who knows which there are.

use std::collections::BTreeSet;

use super::plan::{Plan, Template};
use crate::types::Place;

/// A use of a name in a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameUse {
    /// Where it stands.
    pub place: Place,
    /// The name and what is reached through it, such as `ds`, `meta_data`, `hostname`.
    pub path: Vec<String>,
}

impl Plan {
    /// The names that a template uses, in the order in which they stand, those of what it includes where it includes
    /// it; and the files that it includes or passes on.
    #[must_use]
    pub fn uses(&self, template: Template<'_>) -> (Vec<NameUse>, Vec<String>) {
        let mut found = Found { plan: self, uses: Vec::new(), files: Vec::new(), open: BTreeSet::new() };
        found.look_at(template.path, template.text);
        (found.uses, found.files)
    }
}

struct Found<'a> {
    plan: &'a Plan,
    uses: Vec<NameUse>,
    files: Vec<String>,
    /// Templates that are being looked at: a circle, which rendering refuses, ends here too.
    open: BTreeSet<String>,
}

impl Found<'_> {
    fn look_at(&mut self, path: &str, text: &str) {
        if !self.open.insert(path.to_owned()) {
            return;
        }
        let bound: BTreeSet<&str> = tags(text).into_iter().flat_map(|(_, tag)| bound_names(tag)).collect();
        for (offset, tag) in tags(text) {
            let words = words(tag);
            let keyword = words
                .first()
                .filter(|_| tag.trim_start_matches('-').trim_start().starts_with(|c: char| c.is_alphabetic()));
            let is_reference = keyword.is_some_and(|word| ["include", "extends"].contains(&word.path[0].as_str()));
            if is_reference {
                for name in quoted(tag) {
                    self.add_file(name);
                    if let Some(text) = self.plan.templates.text(name) {
                        self.look_at(name, text);
                    }
                }
                continue;
            }
            if words.iter().any(|word| word.is_called && word.path[0] == "file") {
                quoted(tag).for_each(|name| self.add_file(name));
            }
            let binds = bound_names(tag).next().is_some();
            let is_own = |word: &Word| !binds && bound.contains(word.path[0].as_str());
            for word in words.into_iter().filter(|word| !word.is_called && !is_own(word)) {
                let place = Place::of_offset(path, text, offset + word.offset);
                self.uses.push(NameUse { place, path: word.path });
            }
        }
        self.open.remove(path);
    }

    fn add_file(&mut self, name: &str) {
        if !self.files.iter().any(|known| known == name) {
            self.files.push(name.to_owned());
        }
    }
}

/// The insides of `{{ … }}` and `{% … %}` with their offsets, without what is commented out or raw.
fn tags(text: &str) -> Vec<(usize, &str)> {
    let mut tags = Vec::new();
    let mut at = 0;
    let mut is_raw = false;
    while let Some(start) = text[at..].find('{').map(|found| at + found) {
        let end = match text.as_bytes().get(start + 1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => {
                at = start + 1;
                continue;
            }
        };
        let Some(length) = text[start + 2..].find(end) else { break };
        let inside = &text[start + 2..start + 2 + length];
        let word = inside.trim_start_matches('-').trim_end_matches('-').trim();
        if end == "%}" && (word == "raw" || word == "endraw") {
            is_raw = word == "raw";
        } else if end != "#}" && !is_raw {
            tags.push((start + 2, inside));
        }
        at = start + 2 + length + end.len();
    }
    tags
}

struct Word {
    offset: usize,
    path: Vec<String>,
    /// Whether it is a function.
    is_called: bool,
}

/// The words of a tag that may be names: not in quotes, not what follows a `.` or `|`, not the name of an argument.
fn words(tag: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let bytes = tag.as_bytes();
    let mut at = 0;
    let mut is_filter = false;
    while at < bytes.len() {
        let byte = bytes[at];
        if matches!(byte, b'"' | b'\'' | b'`') {
            at += 1 + tag[at + 1..].find(char::from(byte)).map_or(tag.len() - at - 1, |found| found + 1);
            continue;
        }
        if byte.is_ascii_digit() {
            at += tag[at..].bytes().take_while(u8::is_ascii_alphanumeric).count();
            continue;
        }
        if !byte.is_ascii_alphabetic() && byte != b'_' {
            if !byte.is_ascii_whitespace() {
                is_filter = byte == b'|';
            }
            at += 1;
            continue;
        }
        let start = at;
        let mut path = Vec::new();
        loop {
            let length = tag[at..].bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
            path.push(tag[at..at + length].to_owned());
            at += length;
            let goes_on = bytes.get(at) == Some(&b'.')
                && bytes.get(at + 1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
            if !goes_on {
                break;
            }
            at += 1;
        }
        let rest = tag[at..].trim_start();
        let is_argument = rest.starts_with('=') && !rest.starts_with("==");
        if !is_filter && !is_argument {
            words.push(Word { offset: start, path, is_called: rest.starts_with('(') });
        }
        is_filter = false;
    }
    words
}

/// The names that a tag gives values of the template's own: those of a loop, and what is set.
fn bound_names(tag: &str) -> impl Iterator<Item = &str> {
    let mut rest = tag.trim_start_matches('-').split_whitespace();
    let bound = match rest.next() {
        Some("for") => tag.split(" in ").next().and_then(|head| head.split_once("for")).map(|(_, names)| names),
        Some("set" | "set_global") => rest.next().map(|word| word.split('=').next().unwrap_or(word)),
        _ => None,
    };
    bound.into_iter().flat_map(|names| names.split(',')).map(str::trim)
}

fn quoted(tag: &str) -> impl Iterator<Item = &str> {
    tag.split(['"', '\'', '`']).skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::mock_inventory;
    use crate::render::fixture::site;
    use crate::types::DocumentName;

    fn uses(text: &str) -> (Vec<String>, Vec<String>) {
        let piece = "a\n {{ nid }}\n";
        let site = site(&[
            ("groups/compute/cloud-config.yaml", text),
            ("templates/piece", piece),
            ("groups/compute/x.sh", "{{ x"),
        ]);
        let plan = Plan::new(&site, &mock_inventory()).unwrap_or_else(|problems| panic!("{problems:?}"));
        let name = DocumentName::parse("compute.yaml").unwrap();
        let (uses, files) = plan.uses(plan.template_of(&plan.facts()[0], &name).unwrap());
        (
            uses.iter()
                .map(|one| format!("{}:{}:{} {}", one.place.file, one.place.line, one.place.column, one.path.join(".")))
                .collect(),
            files,
        )
    }

    #[test]
    fn names_are_found_with_their_places() {
        let text = "#cloud-config\na: {{ hostname | default(value=\"nid\") }}\n{# {{ role }} #}{% raw %}{{ ip }}{% endraw %}\n\
                    {%- for one in interfaces %}{{ one.ip }} {{ ds.meta_data.hostname }}{% endfor %}\n\
                    x: {{ file(path=\"groups/compute/x.sh\") | yaml(indent=nid) }} {{ 1 }}\n";
        let (found, files) = uses(text);
        let at = |rest: &str| format!("groups/compute/cloud-config.yaml:{rest}");
        let known = ["hostname", "interfaces", "ds", "nid", "role", "ip"];
        let is_known =
            |line: &&String| known.contains(&line.split(' ').next_back().unwrap().split('.').next().unwrap());
        let names: Vec<&String> = found.iter().filter(is_known).collect();
        let expected = [at("2:7 hostname"), at("4:16 interfaces"), at("4:45 ds.meta_data.hostname"), at("5:54 nid")];
        assert_eq!(names, expected.iter().collect::<Vec<_>>(), "{found:?}");
        assert_eq!(files, ["groups/compute/x.sh"]);
    }

    #[test]
    fn names_that_a_template_makes_itself_are_its_own() {
        let (found, _) =
            uses("{% for ip in interfaces %}{{ ip.name }}{% endfor %}{% set nid = nid %}{{ nid }}{{ role }}");
        let known = |line: &&String| {
            ["ip.name", "nid", "role", "interfaces"].iter().any(|name| line.ends_with(&format!(" {name}")))
        };
        let names: Vec<&str> = found.iter().filter(known).map(|line| line.split(' ').next_back().unwrap()).collect();
        assert_eq!(names, ["interfaces", "nid", "role"], "{found:?}");
    }

    #[test]
    fn what_is_included_is_followed() {
        let (found, files) = uses("{% if nid %}{% include \"templates/piece\" %}{% endif %}{{ role }}");
        let of_names: Vec<&String> =
            found.iter().filter(|line| line.ends_with(" nid") || line.ends_with(" role")).collect();
        let expected = [
            "groups/compute/cloud-config.yaml:1:7 nid",
            "templates/piece:2:5 nid",
            "groups/compute/cloud-config.yaml:1:58 role",
        ];
        assert_eq!(of_names, expected);
        assert_eq!(files, ["templates/piece"]);
    }
}
