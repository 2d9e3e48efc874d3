//! The tags of a template, as far as they can be told without reading it as jinja does.

/// Filters of jinja2 3.1.
const FILTERS: [&str; 54] = [
    "abs",
    "attr",
    "batch",
    "capitalize",
    "center",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "filesizeformat",
    "first",
    "float",
    "forceescape",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "pprint",
    "random",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "slice",
    "sort",
    "string",
    "striptags",
    "sum",
    "title",
    "tojson",
    "trim",
    "truncate",
    "unique",
    "upper",
    "urlencode",
    "urlize",
    "wordcount",
    "wordwrap",
    "xmlattr",
];

/// Words before a bracket that begins a list.
const KEYWORDS: [&str; 9] = ["and", "do", "elif", "else", "if", "in", "is", "not", "or"];

/// A tag that is no comment and does not stand in a raw block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag<'a> {
    /// Where what is between its delimiters begins, in bytes.
    pub(super) start: usize,
    /// What is between its delimiters.
    pub(super) text: &'a str,
    /// Whether it is a statement.
    pub(super) is_block: bool,
}

impl<'a> Tag<'a> {
    /// The first word of a statement.
    fn word(&self) -> &'a str {
        let text = self.text.trim_start_matches(['-', '+']).trim_start();
        text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default()
    }
}

/// The tags of a template. What follows a tag that does not end is left out.
pub(super) fn tags(source: &str) -> Vec<Tag<'_>> {
    let (mut tags, mut at) = (Vec::new(), 0);
    while let Some(open) = source[at..].find('{').map(|found| at + found) {
        let inside = open + 2;
        at = match source.get(open..inside) {
            Some("{#") => match source[inside..].find("#}") {
                Some(length) => inside + length + 2,
                None => break,
            },
            Some(opening @ ("{{" | "{%")) => {
                let is_block = opening == "{%";
                let Some(length) = length_of(&source[inside..], if is_block { "%}" } else { "}}" }) else { break };
                let tag = Tag { start: inside, text: &source[inside..inside + length], is_block };
                let after = inside + length + 2;
                if is_block && tag.word() == "raw" {
                    after_raw(source, after)
                } else {
                    tags.push(tag);
                    after
                }
            }
            _ => open + 1,
        };
    }
    tags
}

/// How far it is to the end of a tag: ends in texts and inside braces are none.
fn length_of(text: &str, end: &str) -> Option<usize> {
    let (mut quote, mut braces, mut is_escaped) = (None, 0_usize, false);
    for (at, letter) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
        } else if let Some(open) = quote {
            is_escaped = letter == '\\';
            quote = Some(open).filter(|open| *open != letter);
        } else if braces == 0 && text[at..].starts_with(end) {
            return Some(at);
        } else {
            match letter {
                '\'' | '"' => quote = Some(letter),
                '{' => braces += 1,
                '}' => braces = braces.saturating_sub(1),
                _ => {}
            }
        }
    }
    None
}

/// Where the raw block ends that begins at a byte.
fn after_raw(source: &str, start: usize) -> usize {
    let rest = &source[start..];
    let ends = rest
        .match_indices("{%")
        .map(|(at, _)| at)
        .find(|at| rest[at + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw"));
    ends.and_then(|at| rest[at..].find("%}").map(|length| start + at + length + 2)).unwrap_or(source.len())
}

/// A template in which subscripts that are names, such as `['rack']`, are written as `.rack` with blanks behind, so that
/// all places stay. To jinja both are the same, but for names of methods.
pub(super) fn with_dots(source: &str, is_method: impl Fn(&str) -> bool) -> String {
    let mut bytes = source.as_bytes().to_vec();
    for tag in tags(source) {
        for (open, name) in subscripts(tag.text).filter(|(_, name)| !is_method(name)) {
            let start = tag.start + open;
            let end = start + name.len() + "['']".len();
            bytes[start] = b'.';
            bytes[start + 1..=start + name.len()].copy_from_slice(name.as_bytes());
            bytes[start + 1 + name.len()..end].fill(b' ');
        }
    }
    // Names are ASCII, and what they take the place of is too.
    String::from_utf8(bytes).unwrap_or_else(|_| source.to_owned())
}

/// Subscripts of a tag that are names in quotes, with the places of their brackets.
fn subscripts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let brackets = outside_of_texts(text).filter(|(_, letter)| *letter == '[');
    brackets.filter_map(move |(open, _)| {
        let before = &text[..open];
        let word = before.rsplit(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or_default();
        let is_value = before.ends_with([']', ')']) || (!word.is_empty() && !KEYWORDS.contains(&word));
        let inside = text[open + 1..].split(']').next()?;
        let name = ['\'', '"'].iter().find_map(|quote| inside.strip_prefix(*quote)?.strip_suffix(*quote))?;
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && !name.is_empty();
        (is_value && is_name).then_some((open, name))
    })
}

/// The letters of a tag that stand in no text.
fn outside_of_texts(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quote, mut is_escaped) = (None, false);
    text.char_indices().filter(move |(_, letter)| {
        if is_escaped {
            is_escaped = false;
        } else if let Some(open) = quote {
            is_escaped = *letter == '\\';
            quote = Some(open).filter(|open| open != letter);
        } else if ['\'', '"'].contains(letter) {
            quote = Some(*letter);
        } else {
            return true;
        }
        false
    })
}

/// What a template does with a value that Python refuses for some.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is compared by size.
    Compared,
    /// It is gone through.
    Looped,
}

/// What a template does with a name, with the byte where it stands: if it stands in one place only, since else it may
/// be another than the one that is rendered.
pub(super) fn use_of(source: &str, path: &str) -> Option<(usize, Use)> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut places = tags(source).into_iter().flat_map(|tag| {
        let found = tag.text.match_indices(path).map(move |(at, _)| (tag, at));
        found.filter(|(tag, at)| {
            let (before, after) = (&tag.text[..*at], &tag.text[at + path.len()..]);
            !after.starts_with(is_word) && !before.ends_with(|last: char| is_word(last) || last == '.')
        })
    });
    let (tag, at) = places.next()?;
    if places.next().is_some() {
        return None;
    }
    let before = tag.text[..at].trim_end();
    let after = tag.text[at + path.len()..].trim_start();
    let is_size = |sign: &str| sign.starts_with('<') || sign.starts_with('>');
    let sizes = ["<", ">", "<=", ">="];
    let is_looped = tag.is_block
        && tag.word() == "for"
        && before.ends_with(" in")
        && (matches!(after, "" | "-" | "+") || after.starts_with("if ") || after.starts_with("recursive"));
    let what = match is_looped {
        true => Use::Looped,
        false if is_size(after) || sizes.iter().any(|sign| before.ends_with(sign)) => Use::Compared,
        false => return None,
    };
    Some((tag.start + at, what))
}

/// The first filter that jinja2 does not have where it refuses the whole template for it, used or not: outside of
/// conditions, as others fail only when they are used. With the byte where it stands.
pub(super) fn unknown_filter(source: &str) -> Option<(usize, &str)> {
    let mut conditions = 0_usize;
    for tag in tags(source) {
        if tag.is_block {
            match tag.word() {
                "if" => conditions += 1,
                "endif" => conditions = conditions.saturating_sub(1),
                _ => {}
            }
        }
        // Of an `if` inside an expression, the part that is conditional is not looked for.
        let is_conditional = conditions > 0 || tag.text.split_whitespace().any(|word| word == "if");
        if let Some(found) = filters(tag.text).find(|(_, name)| !is_conditional && !FILTERS.contains(name)) {
            return Some((tag.start + found.0, found.1));
        }
    }
    None
}

/// The names of filters in a tag, with their places in it.
fn filters(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let pipes = outside_of_texts(text).filter(|(_, letter)| *letter == '|');
    pipes.filter_map(|(pipe, _)| {
        let rest = text[pipe + 1..].trim_start();
        let length = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len());
        (length > 0).then(|| (text.len() - rest.len(), &rest[..length]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tags(source).iter().map(|tag| tag.text.trim()).collect()
    }

    #[test]
    fn tags_end_where_jinja_ends_them() {
        assert_eq!(texts("a {{ b }} {% if c %}d{% endif %}{"), ["b", "if c", "endif"]);
        assert_eq!(texts("{{ '}}' }}{{ {'a': {}} }}{{ \"\\\"}}\" }}"), ["'}}'", "{'a': {}}", "\"\\\"}}\""]);
        assert_eq!(texts("{# {{ a }} #}{%- raw -%}{{ b }}{%- endraw -%}{{ c }}"), ["c"]);
        assert_eq!(texts("{{ é }}{{ a"), ["é"]);
    }

    #[test]
    fn subscripts_that_are_names_become_names() {
        let dotted = |source| with_dots(source, |name| name == "items");
        assert_eq!(dotted("{{ a['b'][\"c\"].d(e)['f'] }}['g']"), "{{ a.b   .c   .d(e).f    }}['g']");
        for same in [
            "{{ ['a'] + b['c-d'] }}{% for x in['a'] %}",
            "{{ \"x['a']\" }}{# a['b'] #}",
            "{{ a['items'] }}",
            "{{ é }}{{ é['é'] }}",
        ] {
            assert_eq!(dotted(same), same);
        }
    }

    #[test]
    fn what_is_done_with_a_name_is_known_if_it_stands_once() {
        let done = |source| use_of(source, "a.b").map(|(_, what)| what);
        assert_eq!(done("a.b {% for x in a.b %}"), Some(Use::Looped));
        assert_eq!(done("{%- for x in a.b if x -%}"), Some(Use::Looped));
        assert_eq!(done("{% if a.b >= 3 %}"), Some(Use::Compared));
        assert_eq!(done("{{ 3 < a.b }}"), Some(Use::Compared));
        for none in ["{{ a.b }}", "{% for x in a.b or [] %}", "{{ a.b > 1 }}{{ a.b }}", "{{ a.bc > 1 }}{{ x.a.b > 1 }}"]
        {
            assert_eq!(done(none), None, "{none}");
        }
    }

    #[test]
    fn filters_that_stop_a_template_are_found_though_they_are_not_used() {
        let found = |source| unknown_filter(source).map(|(_, name)| name);
        assert_eq!(unknown_filter("{% for x in [] %}{{ x | upper|nope(1) }}{% endfor %}"), Some((30, "nope")));
        assert_eq!(found("{% set x = 'a'|nope %}"), Some("nope"));
        for fine in [
            "{{ 'a|nope' }}{# {{ a|nope }} #}{% raw %}{{ a|nope }}{% endraw %}a|nope",
            "{% if a %}{{ a|nope }}{% else %}{{ b|nope }}{% endif %}{% if a|nope %}{% endif %}",
            "{{ a|nope if b else 1 }}{{ a | upper }}",
        ] {
            assert_eq!(found(fine), None, "{fine}");
        }
    }
}
