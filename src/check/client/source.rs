//! Places in the text of a template.

use super::super::remark::Spot;

/// Line and column of a byte of a text, both from 1.
pub(super) fn spot_of(text: &str, offset: usize) -> Spot {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The byte of a text at a line and column.
pub(super) fn offset_of(text: &str, (line, column): Spot) -> Option<usize> {
    let start = match line.checked_sub(1)? {
        0 => 0,
        before => text.match_indices('\n').nth(before - 1)?.0 + 1,
    };
    let inside = text[start..].char_indices().map(|(at, _)| at).nth(column.checked_sub(1)?);
    Some(inside.map_or(text.len(), |inside| start + inside))
}

/// Where a template says a name: as a whole, else by its last part, at a byte inside a tag.
pub(super) fn find_name(source: &str, path: &str, key: &str) -> Option<usize> {
    let whole = || find_in_tags(source, path, |before| !is_word(before) && before != '.');
    let last = || find_in_tags(source, key, |before| !is_word(before));
    whole().or_else(last)
}

fn find_in_tags(source: &str, name: &str, may_stand_before: impl Fn(char) -> bool) -> Option<usize> {
    let mut places = source.match_indices(name).map(|(at, _)| at);
    places.find(|at| {
        let (before, after) = (&source[..*at], &source[at + name.len()..]);
        let is_alone = !after.starts_with(is_word) && before.chars().next_back().is_none_or(&may_stand_before);
        is_alone && is_in_tag(before)
    })
}

/// Whether a tag is open at the end of a text.
fn is_in_tag(before: &str) -> bool {
    let opened = ["{{", "{%"].iter().filter_map(|tag| before.rfind(tag)).max();
    let closed = ["}}", "%}"].iter().filter_map(|tag| before.rfind(tag)).max();
    opened.is_some_and(|opened| closed.is_none_or(|closed| closed < opened))
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The name with dashes that stands at a byte of a template, if jinja takes one of its dashes for a minus. With the
/// name in front of it, such as `ds.meta_data.local-hostname`.
pub(super) fn dashed_name(source: &str, offset: usize) -> Option<&str> {
    let is_part = |letter: char| is_word(letter) || letter == '-' || letter == '.';
    let start = source[..offset]
        .rfind(|letter| !is_part(letter))
        .map_or(0, |at| at + source[at..].chars().next().map_or(1, char::len_utf8));
    let end = source[offset..].find(|letter| !is_part(letter)).map_or(source.len(), |length| offset + length);
    let name = source[start..end].trim_matches('-');
    // Minus signs between numbers are meant.
    let is_name = |part: &str| part.starts_with(|letter: char| letter.is_alphabetic() || letter == '_');
    (name.contains('-') && name.split('-').all(is_name)).then_some(name)
}

/// The last name of an expression that ends in a name, or in a subscript that is a text or number.
pub(super) fn last_name(expression: &str) -> Option<&str> {
    let subscript = expression.trim_end().strip_suffix(']').and_then(|rest| rest.rsplit('[').next());
    if let Some(number) = subscript.filter(|inside| inside.parse::<u64>().is_ok()) {
        return Some(number);
    }
    let quoted =
        |quote: &str| expression.trim_end().strip_suffix(']')?.trim_end().strip_suffix(quote)?.rsplit(quote).next();
    if let Some(name) = quoted("'").or_else(|| quoted("\"")) {
        return Some(name);
    }
    let expression = expression.trim_end();
    let start = expression.char_indices().rev().find(|(_, letter)| !is_word(*letter));
    let name = &expression[start.map_or(0, |(at, letter)| at + letter.len_utf8())..];
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_places_belong_together() {
        let text = "a\nböb\n\nc";
        for (offset, spot) in [(0, (1, 1)), (2, (2, 1)), (5, (2, 3)), (7, (3, 1)), (8, (4, 1)), (9, (4, 2))] {
            assert_eq!(spot_of(text, offset), spot);
            assert_eq!(offset_of(text, spot), Some(offset));
        }
        assert_eq!(offset_of(text, (9, 1)), None);
    }

    #[test]
    fn names_are_found_in_tags_only() {
        let source = "region: x # v1.region\na: {{ v1.regional }} {{ other.region }}\nb: {{ v1.region }}\n";
        let spot = |path, key| find_name(source, path, key).map(|offset| spot_of(source, offset));
        assert_eq!(spot("v1.region", "region"), Some((3, 7)));
        assert_eq!(spot("ds.region", "region"), Some((2, 31)));
        assert_eq!(spot("x.y", "y"), None);
    }

    #[test]
    fn dashes_inside_names_are_told_from_others() {
        let dashed = |source: &'static str, name| dashed_name(source, source.find(name).unwrap());
        let name = "ds.meta_data.local-hostname";
        assert_eq!(dashed("{{ ds.meta_data.local-hostname }}", "local"), Some(name));
        assert_eq!(dashed("{{ ds.meta_data.local-hostname }}", "hostname"), Some(name));
        for plain in ["{{- local -}}", "{{-local-}}", "{{ local - 1 }}", "{{ local-1 }}"] {
            assert_eq!(dashed(plain, "local"), None, "{plain}");
        }
    }

    #[test]
    fn the_last_name_of_an_expression_is_what_jinja_prints() {
        for (expression, name) in
            [("a.b", "b"), ("a[\"b\"]", "b"), ("a['b-c'] ", "b-c"), ("a", "a"), ("é.a", "a"), ("a[9]", "9")]
        {
            assert_eq!(last_name(expression), Some(name));
        }
        assert_eq!(last_name("a()"), None);
        assert_eq!(last_name("a[é]"), None);
    }
}
