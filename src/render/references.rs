//! What templates refer to, read from their tags without the template engine: a template that does not parse, or one
//! that nobody renders, can be asked as well.

use std::collections::{BTreeMap, BTreeSet};

/// A tag of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tag<'t> {
    /// What stands in it, without the signs that remove blanks.
    content: &'t str,
    /// Where the content begins, in bytes.
    offset: usize,
}

/// The path of another template in an `{% include "…" %}` or `{% extends "…" %}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reference<'t> {
    /// The path.
    pub(super) path: &'t str,
    /// Where it stands, in bytes.
    pub(super) offset: usize,
}

/// The templates that a template includes or extends, in the order of the text.
pub(super) fn references(text: &str) -> Vec<Reference<'_>> {
    tags(text).into_iter().filter_map(reference_in).collect()
}

fn reference_in(tag: Tag<'_>) -> Option<Reference<'_>> {
    let is_reference = ["include", "extends"].contains(&word(tag.content));
    let (at, path) = literals_in(tag.content).into_iter().next().filter(|_| is_reference)?;
    Some(Reference { path, offset: tag.offset + at })
}

/// Every text in quotes in the tags of a template: some may be paths of files.
pub(super) fn literals(text: &str) -> BTreeSet<&str> {
    tags(text).into_iter().flat_map(|tag| literals_in(tag.content).into_iter().map(|(_, literal)| literal)).collect()
}

/// The components that a template defines.
pub(super) fn components_defined(text: &str) -> BTreeSet<&str> {
    let definitions = tags(text).into_iter().filter_map(|tag| tag.content.trim_start().strip_prefix("component "));
    definitions.map(word).filter(|name| !name.is_empty()).collect()
}

/// The components that a template uses.
pub(super) fn components_used(text: &str) -> BTreeSet<&str> {
    let uses = tags(text).into_iter().filter_map(|tag| tag.content.trim_start().strip_prefix('<'));
    uses.map(word).filter(|name| !name.is_empty()).collect()
}

/// The first word of a text.
fn word(text: &str) -> &str {
    let text = text.trim_start();
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '.' | '-');
    text.find(|character| !is_part(character)).map_or(text, |end| &text[..end])
}

/// The tags of a template. Comments have none, and neither has what stands between `raw` and `endraw`.
fn tags(text: &str) -> Vec<Tag<'_>> {
    let mut tags = Vec::new();
    let mut at = 0;
    let mut is_raw = false;
    while let Some(found) = text[at..].find('{') {
        let start = at + found + 1;
        at = match text[start..].chars().next() {
            Some('#') if !is_raw => match text[start..].find("#}") {
                Some(end) => start + end + 2,
                None => return tags,
            },
            Some(opening @ ('%' | '{')) if !is_raw || opening == '%' => {
                let closing = if opening == '%' { "%}" } else { "}}" };
                let Some(end) = end_of_tag(&text[start + 1..], closing) else {
                    // Nothing that follows is a tag for sure.
                    return tags;
                };
                let whole = &text[start + 1..start + 1 + end];
                let content = whole.strip_prefix('-').unwrap_or(whole);
                match (is_raw, word(content)) {
                    (false, "raw") => is_raw = true,
                    (true, "endraw") => is_raw = false,
                    (true, _) => {
                        at = start + 1;
                        continue;
                    }
                    (false, _) => tags.push(Tag { content, offset: start + 1 + whole.len() - content.len() }),
                }
                start + 1 + end + closing.len()
            }
            _ => start,
        };
    }
    tags
}

/// Where the sign that ends a tag begins; in quotes there is none, unless the tag is a comment.
pub(crate) fn end_of_tag(text: &str, closing: &str) -> Option<usize> {
    let mut quote = None;
    for (at, character) in text.char_indices() {
        match quote {
            Some(open) if open == character => quote = None,
            Some(_) => {}
            None if text[at..].starts_with(closing) => return Some(at),
            None if closing != "#}" && is_quote(character) => quote = Some(character),
            None => {}
        }
    }
    None
}

const fn is_quote(character: char) -> bool {
    matches!(character, '"' | '\'' | '`')
}

/// The texts in quotes, each with where it begins.
fn literals_in(content: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut open: Option<(char, usize)> = None;
    for (at, character) in content.char_indices() {
        match open {
            Some((quote, start)) if quote == character => {
                found.push((start, &content[start..at]));
                open = None;
            }
            Some(_) => {}
            None if is_quote(character) => open = Some((character, at + 1)),
            None => {}
        }
    }
    found
}

/// The circles among these references, each once and beginning with the first of its paths.
pub(super) fn circles(references: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Vec<String>> {
    let mut circles = BTreeSet::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let next_of = |path: &str| references.get(path).map(|paths| paths.iter());
    for start in references.keys() {
        // The way from the start, each with those of its references that are still to be followed.
        let mut way = vec![(start.as_str(), next_of(start))];
        if done.contains(start.as_str()) {
            continue;
        }
        while let Some((path, waiting)) = way.last_mut() {
            let Some(next) = waiting.as_mut().and_then(Iterator::next) else {
                done.insert(path);
                way.pop();
                continue;
            };
            if let Some(position) = way.iter().position(|(path, _)| path == next) {
                circles.insert(from_its_first(way[position..].iter().map(|(path, _)| *path).collect()));
            } else if !done.contains(next.as_str()) && references.contains_key(next) {
                way.push((next, next_of(next)));
            }
        }
    }
    circles
}

fn from_its_first(mut circle: Vec<&str>) -> Vec<String> {
    let first = circle.iter().enumerate().min_by_key(|(_, path)| **path).map_or(0, |(position, _)| position);
    circle.rotate_left(first);
    circle.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(text: &str) -> Vec<&str> {
        references(text).iter().map(|reference| reference.path).collect()
    }

    #[test]
    fn references_stand_in_tags_and_nowhere_else() {
        let text = "{% extends \"a\" %}{%- include 'b' -%}{# {% include \"no\" %} #}{% raw %}{% include \"no\" %}\
                    {% endraw %}{{ \"{% include 'no' %}\" }}{% include `c` %} include \"no\" {%include \"d\"%}";
        assert_eq!(paths(text), ["a", "b", "c", "d"]);
        for reference in references(text) {
            assert!(text[reference.offset..].starts_with(reference.path));
        }
        for broken in ["{%", "{{ \"", "{% include %}", "{% include \"a", "{#", "{% raw %}{% include \"a\" %}", "{", ""]
        {
            assert!(paths(broken).is_empty(), "{broken}");
        }
        assert_eq!(paths("{% if x %}{% include \"a\" %}{{ broken | }}"), ["a"]);
    }

    proptest! {
        #[test]
        fn any_text_can_be_asked(pieces in proptest::collection::vec(
            prop_oneof![Just("{%"), Just("%}"), Just("{{"), Just("}}"), Just("{#"), Just("#}"), Just("\""), Just(" raw "),
                Just("endraw"), Just("include \"a\""), Just("component x"), Just("<x"), Just("ü"), Just("{"), Just("-")],
            0..20,
        )) {
            let text = pieces.concat();
            for reference in references(&text) {
                prop_assert!(text[reference.offset..].starts_with(reference.path));
            }
            let _ = (literals(&text), components_defined(&text), components_used(&text));
        }
    }

    #[test]
    fn literals_and_components_are_found() {
        let text = "{{ file(path=\"templates/a.sh\") | indent(width='2') }}\"none\"{{ <badge text=\"x\" /> }}";
        assert_eq!(literals(text).into_iter().collect::<Vec<_>>(), ["2", "templates/a.sh", "x"]);
        assert_eq!(components_used(text).into_iter().collect::<Vec<_>>(), ["badge"]);
        let text = "{% component badge(text) %}{% endcomponent badge %}{% <other> %}{% </other> %}";
        assert_eq!(components_defined(text).into_iter().collect::<Vec<_>>(), ["badge"]);
        assert_eq!(components_used(text).into_iter().collect::<Vec<_>>(), ["other"]);
    }

    #[test]
    fn every_circle_is_found_once() {
        let of = |edges: &[(&str, &[&str])]| {
            let edges = edges.iter().map(|(from, to)| {
                ((*from).to_owned(), to.iter().map(|path| (*path).to_owned()).collect::<BTreeSet<_>>())
            });
            circles(&edges.collect()).into_iter().map(|circle| circle.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(of(&[("a", &["b", "x"]), ("b", &["c"]), ("c", &["a", "gone"]), ("x", &["x"])]), ["a b c", "x"]);
        assert_eq!(of(&[("z", &["b"]), ("b", &["c"]), ("c", &["b"])]), ["b c"]);
        assert!(of(&[("a", &["b", "c"]), ("b", &["d"]), ("c", &["d"]), ("d", &[])]).is_empty());
    }
}
