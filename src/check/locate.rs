//! From a line of a rendered document back to the line of the template that it was made of.
//!
//! Templates do not keep track of that, so lines are compared: a line that stands as it is in both is the same one, and
//! a line with `{{ … }}` is the one whose other letters are there in their order. Where several lines would fit, as
//! many must fit on both sides, and then they go by their order. Where that does not decide, nothing is said: a wrong
//! line would be worse than none.

use super::remark::Spot;

/// The place in a template of a place in what was rendered of it.
pub(super) fn locate(template: &str, rendered: &str, at: Spot) -> Option<Spot> {
    if template == rendered {
        return Some(at);
    }
    let (number, column) = at;
    let of_template: Vec<&str> = template.lines().collect();
    let of_rendered: Vec<&str> = rendered.lines().collect();
    let line = *of_rendered.get(number.checked_sub(1)?)?;
    if line.trim().is_empty() {
        return None;
    }
    if let Some(found) =
        at_the_same_turn(&of_template, &of_rendered, number, |other| other == line, |other| other == line)
    {
        return Some((found, column));
    }
    let is_pattern = |candidate: &str| fits(candidate, line);
    let pattern = of_template.iter().find(|candidate| is_pattern(candidate))?;
    let number = at_the_same_turn(&of_template, &of_rendered, number, is_pattern, |other| fits(pattern, other))?;
    Some((number, column.min(before_tag(of_template[number - 1]) + 1)))
}

/// The line of the template that stands at the same position among those that fit as the line does among its like.
fn at_the_same_turn(
    template: &[&str],
    rendered: &[&str],
    number: usize,
    fits_template: impl Fn(&str) -> bool,
    fits_rendered: impl Fn(&str) -> bool,
) -> Option<usize> {
    let numbers = |lines: &[&str], fits: &dyn Fn(&str) -> bool| -> Vec<usize> {
        (1..).zip(lines).filter(|(_, line)| fits(line)).map(|(number, _)| number).collect()
    };
    let of_template = numbers(template, &fits_template);
    // A loop makes many lines of one.
    if let [only] = of_template[..] {
        return Some(only);
    }
    let of_rendered = numbers(rendered, &fits_rendered);
    let position = of_rendered.iter().position(|other| *other == number)?;
    (of_template.len() == of_rendered.len()).then(|| of_template[position])
}

/// Whether a line may have been made of a line of a template that has tags.
fn fits(pattern: &str, line: &str) -> bool {
    let Some(literals) = literals(pattern) else { return false };
    let [first, middle @ .., last] = &literals[..] else { return false };
    if literals.iter().all(|literal| literal.trim().is_empty()) {
        return false;
    }
    let Some(mut rest) = line.strip_prefix(first) else { return false };
    for literal in middle {
        let Some(at) = rest.find(literal) else { return false };
        rest = &rest[at + literal.len()..];
    }
    rest.ends_with(last)
}

/// What stands around the tags of a line. `None` without tags, and when a tag does not end in its line.
fn literals(line: &str) -> Option<Vec<&str>> {
    let (mut literals, mut rest) = (Vec::new(), line);
    while let Some(start) = rest.find("{{").into_iter().chain(rest.find("{%")).chain(rest.find("{#")).min() {
        let end = match rest.as_bytes()[start + 1] {
            b'{' => "}}",
            b'%' => "%}",
            _ => "#}",
        };
        literals.push(&rest[..start]);
        rest = &rest[start..][rest[start..].find(end)? + 2..];
    }
    if literals.is_empty() {
        return None;
    }
    literals.push(rest);
    Some(literals)
}

/// How many characters stand before the first tag.
fn before_tag(line: &str) -> usize {
    literals(line).map_or(usize::MAX - 1, |literals| literals[0].chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_where_they_come_from() {
        let template = "#cloud-config\n{% if a %}\nx: 1\n{% endif %}\nhostname: {{ hostname }}\nmode: 0644\n\
                        {% for item in list %}\n  - {{ item }}: on\n{% endfor %}\nend: yes\n";
        let rendered = "#cloud-config\n\nhostname: nid001\nmode: 0644\n\n  - a: on\n\n  - b: on\n\nend: yes\n";
        for (at, expected) in [
            ((1, 1), Some((1, 1))),
            ((3, 3), Some((5, 3))),
            ((3, 15), Some((5, 11))),
            ((4, 7), Some((6, 7))),
            ((6, 5), Some((8, 5))),
            ((8, 8), Some((8, 5))),
            ((10, 6), Some((10, 6))),
            ((2, 1), None),
            ((99, 1), None),
            ((0, 0), None),
        ] {
            assert_eq!(locate(template, rendered, at), expected, "{at:?}");
        }
        assert_eq!(locate(template, template, (7, 2)), Some((7, 2)));
    }

    #[test]
    fn what_is_not_clear_is_not_said() {
        assert_eq!(locate("a: {{ x }}\n{% if y %}a: 1\n{% endif %}b: 2\n", "c: 1\nb: 2\n", (1, 1)), None);
        // Two lines that fit, of which one is left out.
        assert_eq!(locate("{% if a %}\nx: 1\n{% else %}\nx: 1\n{% endif %}\n", "\nx: 1\n\n", (2, 1)), None);
        // Two of each go by their order.
        assert_eq!(locate("x: 1\n{# c #}\nx: 1\n", "x: 1\n\nx: 1\n", (3, 4)), Some((3, 4)));
    }
}
