//! Problems with what people write: a sentence, a place and a hint.

use std::borrow::Cow;
use std::fmt;

/// A place in a file of a site. Line and column count from 1; 0 means unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The file, relative to the site, or as the user named it.
    pub file: String,
    /// The line, from 1, or 0 when it is not known.
    pub line: usize,
    /// The column in characters, from 1, or 0 when it is not known.
    pub column: usize,
}

impl Place {
    /// The file as a whole.
    #[must_use]
    pub fn file(file: impl Into<String>) -> Self {
        Self { file: file.into(), line: 0, column: 0 }
    }

    /// A line and column of a file.
    #[must_use]
    pub fn at(file: impl Into<String>, line: usize, column: usize) -> Self {
        Self { file: file.into(), line, column }
    }

    /// The place of a byte offset in a text.
    #[must_use]
    pub fn of_offset(file: impl Into<String>, text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file: file.into(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if self.line > 0 {
            write!(formatter, ":{}", self.line)?;
            if self.column > 0 {
                write!(formatter, ":{}", self.column)?;
            }
        }
        Ok(())
    }
}

/// Something wrong with an input, said in a sentence.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Problem {
    /// Where, if there is one place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What is wrong: a sentence without a final full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Problem {
    /// A problem at a place.
    #[must_use]
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Self { place: Some(place), message: message.into(), hint: None }
    }

    /// A problem without a place.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self { place: None, message: message.into(), hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(formatter, "{place}: ")?;
        }
        formatter.write_str(&self.message)?;
        if let Some(hint) = &self.hint {
            write!(formatter, " ({hint})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// One or more problems: readers report all they find instead of stopping at the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            problem.fmt(formatter)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// A text for a terminal: control characters, with which it could be made to do things, are shown by their names.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    let is_harmless = |character: char| !character.is_control() || character == '\n';
    if text.chars().all(is_harmless) {
        return text.into();
    }
    let shown = |character: char| match is_harmless(character) {
        true => character.to_string(),
        false => character.escape_debug().to_string(),
    };
    text.chars().map(shown).collect::<String>().into()
}

/// What serde says of a value of the wrong type, without the value: where a text does not belong, it may be a password.
#[must_use]
pub fn without_value(message: &str) -> String {
    for kind in ["invalid type: string", "invalid value: string"] {
        let found = message.split_once(&format!("{kind} \""));
        if let Some((before, (_, expected))) =
            found.and_then(|(before, rest)| Some((before, rest.rsplit_once("\", ")?)))
        {
            return format!("{before}{kind}, {expected}");
        }
    }
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_the_wrong_type_is_not_repeated() {
        for (said, kept) in [
            (
                "meta: invalid type: string \"a \\\"b\\\", c\", expected a map",
                "meta: invalid type: string, expected a map",
            ),
            ("invalid value: string \"\", expected `1`", "invalid value: string, expected `1`"),
            ("invalid type: integer `1`, expected a map", "invalid type: integer `1`, expected a map"),
            ("invalid type: string \"cut", "invalid type: string \"cut"),
        ] {
            assert_eq!(without_value(said), kept);
        }
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        assert_eq!(printable("a\u{1b}]0;x\u{7}\u{9b}2J\r\tb\nü"), "a\\u{1b}]0;x\\u{7}\\u{9b}2J\\r\\tb\nü");
        assert!(matches!(printable("plain\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn an_offset_becomes_a_line_and_a_column_in_characters() {
        let text = "one\nzwö =\nthree";
        let offset = text.find('=').unwrap();
        assert_eq!(Place::of_offset("f", text, offset), Place::at("f", 2, 5));
        assert_eq!(Place::of_offset("f", text, 999).line, 3);
    }

    #[test]
    fn a_problem_reads_as_a_sentence_with_its_place() {
        let problem =
            Problem::at(Place::at("mds.toml", 3, 1), "`nmae` is not a setting").with_hint("did you mean `name`?");
        assert_eq!(problem.to_string(), "mds.toml:3:1: `nmae` is not a setting (did you mean `name`?)");
    }
}
