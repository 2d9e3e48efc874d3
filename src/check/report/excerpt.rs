//! Excerpts: the line of a file that a finding is about, with a mark below the column. Only its structure is shown, since
//! anything else may be a secret, and nothing that could do something to a terminal.

use unicode_width::UnicodeWidthChar;

use super::ReportSubject;
use super::redaction::{HIDDEN, is_inside_secret, structure};
use crate::check::finding::Finding;
use crate::check::rules::rule;
use crate::settings::FILE_NAME;
use crate::site::Site;

/// Columns of a terminal that a line may take.
const WIDEST: usize = 100;
/// Columns that are shown before the mark when the line is longer.
const BEFORE: usize = 40;
/// What stands for a part of a line that is not shown.
const CUT: char = '…';
/// What a tab is shown as: how wide it is depends on the terminal.
const TAB: &str = "    ";

/// Where the texts are that excerpts are of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sources<'a> {
    site: Option<&'a Site>,
}

impl<'a> Sources<'a> {
    /// The files of a site, but for its inventory, whose lines are long and hold little that may be shown.
    #[must_use]
    pub const fn of(site: &'a Site) -> Self {
        Self { site: Some(site) }
    }

    fn text(&self, file: &str) -> Option<&'a str> {
        let site = self.site?;
        let bytes = match site.files.get(file) {
            Some(bytes) => bytes,
            None if file == FILE_NAME => &site.settings_file,
            None => return None,
        };
        std::str::from_utf8(bytes).ok()
    }
}

/// A line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    /// Its number, from 1.
    pub(super) line: usize,
    /// What it says, as far as it is shown.
    pub(super) text: String,
    /// How many columns of the terminal are before the mark, and how many it takes.
    pub(super) mark: Option<(usize, usize)>,
}

impl Excerpt {
    /// The line that a finding is about, if it is known and may be shown.
    pub(super) fn of(subject: &ReportSubject<'_>, finding: &Finding) -> Option<Self> {
        if rule(&finding.rule).is_none_or(|rule| rule.is_about_secrets) {
            return None;
        }
        let place = finding.problem.place.as_ref().filter(|place| place.line > 0)?;
        // Lines are counted as editors do.
        let lines: Vec<&str> = subject.sources.text(&place.file)?.split('\n').take(place.line).collect();
        let index = place.line - 1;
        let line = lines.get(index)?.trim_end_matches('\r');
        if is_inside_secret(&lines, index) {
            return None;
        }
        let shown = structure(line.trim_end(), place.file == FILE_NAME);
        // Signs alone say nothing.
        if !shown.iter().any(|(_, character)| character.is_alphanumeric()) {
            return None;
        }
        Some(cut(place.line, &shown, place.column.checked_sub(1)))
    }

    /// The lines of an excerpt: a number and a bar before each.
    pub(super) fn lines(&self) -> Vec<(String, String)> {
        let number = self.line.to_string();
        let empty = " ".repeat(number.len());
        let mut lines = vec![(format!("{empty} |"), String::new()), (format!("{number} |"), self.text.clone())];
        if let Some((before, width)) = self.mark {
            lines.push((format!("{empty} |"), format!("{}{}", " ".repeat(before), "^".repeat(width))));
        }
        lines
    }
}

/// As much of a line as fits, in characters that do nothing to a terminal, with the mark. A column of which the character
/// is not shown is marked at the sign for it.
fn cut(number: usize, shown: &[(usize, char)], column: Option<usize>) -> Excerpt {
    let pieces: Vec<(String, usize)> = shown.iter().map(|(_, character)| piece(*character)).collect();
    let is_behind = |column: usize| shown.last().is_none_or(|(last, character)| column > *last && *character != HIDDEN);
    let column = column.map(|column| match is_behind(column) {
        true => pieces.len(),
        false => shown.partition_point(|(original, _)| *original <= column).saturating_sub(1),
    });
    let width = |pieces: &[(String, usize)]| pieces.iter().map(|(_, width)| width).sum::<usize>();
    let mut start = 0;
    let before = &pieces[..column.unwrap_or_default()];
    if width(&pieces) > WIDEST {
        while width(&before[start..]) > BEFORE {
            start += 1;
        }
    }
    let mut text = if start > 0 { CUT.to_string() } else { String::new() };
    let mut end = start;
    let mut taken = 0;
    while let Some((_, width)) = pieces.get(end).filter(|(_, width)| taken + width <= WIDEST) {
        taken += width;
        end += 1;
    }
    text.extend(pieces[start..end].iter().map(|(piece, _)| piece.as_str()));
    if end < pieces.len() {
        text.push(CUT);
    }
    let mark = column.map(|column| {
        let is_part = |(_, character): &&(usize, char)| character.is_alphanumeric() || *character == '_';
        let word_end = column + shown[column..].iter().take_while(is_part).count();
        let word: usize = width(&pieces[column..word_end.min(end).max(column)]);
        (usize::from(start > 0) + width(&pieces[start..column]), word.max(1))
    });
    Excerpt { line: number, text, mark }
}

/// What a character is shown as, and how many columns that takes.
fn piece(character: char) -> (String, usize) {
    let escaped = |text: String| {
        let width = text.len();
        (text, width)
    };
    match character.width() {
        _ if character == '\t' => escaped(TAB.to_owned()),
        // Without a width are those that turn the direction of what follows, or hide.
        None | Some(0) => escaped(character.escape_unicode().to_string()),
        Some(width) => (character.to_string(), width),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::fixture::subject;
    use super::*;
    use crate::render::fixture::site;
    use crate::types::{Place, Problem};

    fn at(rule: &'static str, file: &str, line: usize, column: usize) -> Finding {
        Finding::error(rule, Problem::at(Place::at(file, line, column), "wrong"), Vec::new())
    }

    fn excerpt_of(text: &str, line: usize, column: usize) -> Option<Excerpt> {
        let site = site(&[("templates/x", text)]);
        let finding = [at("template", "templates/x", line, column)];
        Excerpt::of(&ReportSubject { sources: Sources::of(&site), ..subject(&finding) }, &finding[0])
    }

    fn shown(text: &str, line: usize, column: usize) -> String {
        let lines = excerpt_of(text, line, column).unwrap().lines();
        lines.iter().map(|(gutter, text)| format!("{gutter} {text}").trim_end().to_owned() + "\n").collect()
    }

    #[test]
    fn the_word_at_the_column_is_marked() {
        assert_eq!(shown("a\nb: {{ name }}\n", 2, 7), "  |\n2 | b: {{ name }}\n  |       ^^^^\n");
        assert_eq!(shown("a: [1\r\n", 1, 4), "  |\n1 | a: [1\n  |    ^\n");
        assert_eq!(shown("a:\n", 1, 0), "  |\n1 | a:\n");
        // Behind the end: something is missing there.
        assert_eq!(shown("a: [\n", 1, 9), "  |\n1 | a: [\n  |     ^\n");
        let many = "x:\n".repeat(1_200);
        assert_eq!(shown(&many, 1_000, 1), "     |\n1000 | x:\n     | ^\n");
    }

    #[test]
    fn the_mark_stands_below_tabs_and_wide_characters() {
        assert_eq!(shown("\ta: {{ 日本.x }}\n", 1, 11), "  |\n1 |     a: {{ 日本.x }}\n  |                ^\n");
        let odd = "{{ ü\u{1b}[2J\u{202e}x }}\n";
        assert_eq!(shown(odd, 1, 10), "  |\n1 | {{ ü\\u{1b}[2J\\u{202e}x }}\n  |                      ^\n");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_mark_is_shown() {
        let long = format!("{{{{ {}here{} }}}}\n", "a ".repeat(500), " b".repeat(500));
        let excerpt = excerpt_of(&long, 1, 1_004).unwrap();
        assert!(excerpt.text.starts_with('…') && excerpt.text.ends_with('…') && excerpt.text.contains("here"));
        let (before, width) = excerpt.mark.unwrap();
        assert_eq!((before, width), (41, 4));
        assert_eq!(excerpt.text.chars().skip(before).take(width).collect::<String>(), "here");
    }

    #[test]
    fn there_is_no_excerpt_of_what_is_not_there_or_not_to_be_seen() {
        for (line, column) in [(0, 0), (2, 1), (3, 1), (9, 1)] {
            assert_eq!(excerpt_of("a:\n\n- hunter2", line, column), None, "{line}");
        }
        let site = site(&[("inventory.json", "{\"a\":"), ("mds.toml", "[cluster]\n")]);
        let of = |rule, file, sources: Sources<'_>| {
            let finding = [at(rule, file, 1, 1)];
            Excerpt::of(&ReportSubject { sources, ..subject(&finding) }, &finding[0]).map(|excerpt| excerpt.text)
        };
        let sources = Sources::of(&site);
        assert_eq!(of("template", "mds.toml", sources).as_deref(), Some("[cluster]"));
        assert_eq!(of("secret-in-settings", "mds.toml", sources), None);
        assert_eq!(of("a-rule-of-later", "mds.toml", sources), None);
        assert_eq!(of("template", "/etc/hostname", sources), None);
        assert_eq!(of("template", "inventory.json", sources), None);
        assert_eq!(of("template", "mds.toml", Sources::default()), None);
    }

    #[test]
    fn a_value_is_not_shown_and_the_mark_keeps_its_place() {
        assert_eq!(shown("passwd: hunter2\n", 1, 11), "  |\n1 | passwd: …\n  |         ^\n");
        assert_eq!(shown("a: hunter2 {{ x }} hunter2\n", 1, 15), "  |\n1 | a: … {{ x }} …\n  |         ^\n");
        assert_eq!(excerpt_of("passwd: |\n  hunter2 {{ x }}\n", 2, 14), None);
    }

    proptest! {
        #[test]
        fn any_text_can_be_shown_and_does_nothing(text in any::<String>(), line in 0..4_usize, column in 0..40_usize) {
            if let Some(excerpt) = excerpt_of(&text, line, column) {
                prop_assert!(!excerpt.text.chars().any(|character| character.width().unwrap_or_default() == 0));
                let width: usize = excerpt.text.chars().filter_map(UnicodeWidthChar::width).sum();
                prop_assert!(width <= WIDEST + 2);
                prop_assert!(excerpt.mark.is_none_or(|(before, marked)| before + marked <= width + 1));
            }
        }
    }
}
