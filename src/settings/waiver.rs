//! `[[check.waivers]]`: findings that a site lives with for a while.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};
use jiff::civil::Date;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::file::FILE_NAME;
use crate::types::{GroupLabel, Place};

/// What of a rule is not counted, why, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The rule's id.
    pub rule: Spanned<String>,
    /// The files, as a pattern of their paths in the site: `*` is anything in one folder, `**` in all below. Findings
    /// about no file do not fit. Without it every finding of the rule fits.
    pub file: Option<Pattern>,
    /// The nodes, as patterns of their ids. Without nodes and groups all nodes fit, and findings about none.
    #[serde(default)]
    pub nodes: Vec<Pattern>,
    /// The groups whose nodes fit too.
    #[serde(default)]
    pub groups: Vec<GroupLabel>,
    /// Why: for those who read it later.
    pub reason: String,
    /// The last day on which it counts.
    #[serde(deserialize_with = "date")]
    pub until: Date,
    /// Where it stands.
    #[serde(skip)]
    pub place: Place,
}

impl Waiver {
    /// Whether it is for some nodes only.
    #[must_use]
    pub const fn is_for_some_nodes(&self) -> bool {
        !self.nodes.is_empty() || !self.groups.is_empty()
    }

    /// Remembers where it stands in a text.
    pub(super) fn set_place(&mut self, name: &str, text: &str) {
        self.place = Place::of_offset(name, text, self.rule.span().start);
    }

    /// What is wrong with it, if anything is.
    pub(super) fn fault(&self) -> Option<String> {
        let is_empty = self.reason.trim().is_empty();
        is_empty.then(|| format!("[[check.waivers]] has a waiver of `{}` without a reason", self.rule.get_ref()))
    }
}

impl Default for Waiver {
    fn default() -> Self {
        Self {
            rule: Spanned::new(0..0, String::new()),
            file: None,
            nodes: Vec::new(),
            groups: Vec::new(),
            reason: String::new(),
            until: Date::MAX,
            place: Place::file(FILE_NAME),
        }
    }
}

/// A pattern of paths or ids.
#[derive(Clone, Debug)]
pub struct Pattern(GlobMatcher);

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence, when it is none.
    pub fn parse(text: &str) -> Result<Self, String> {
        let glob = GlobBuilder::new(text).literal_separator(true).build();
        glob.map(|glob| Self(glob.compile_matcher()))
            .map_err(|error| format!("`{text}` is no pattern: {}", error.kind()))
    }

    /// Whether a text fits as a whole.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.glob() == other.0.glob()
    }
}

impl Eq for Pattern {}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// Reads a date of TOML, or one in quotes.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Date, D::Error> {
    struct Text;

    impl<'de> Visitor<'de> for Text {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a date such as 2026-12-31")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<String, A::Error> {
            let date = toml::value::Datetime::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
            Ok(date.to_string())
        }
    }

    let text = deserializer.deserialize_any(Text)?;
    // A date and a time would be read as well, and the time would mean nothing.
    let date = text.parse().ok().filter(|_| text.len() == "2026-12-31".len());
    date.ok_or_else(|| D::Error::custom(format!("`{text}` is no date; one such as 2026-12-31 is expected")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::parse_settings;

    fn waiver(text: &str) -> Result<Waiver, String> {
        let text = format!("\n[[check.waivers]]\n{text}");
        parse_settings("mds.toml", &text)
            .map(|mut settings| settings.check.waivers.remove(0))
            .map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_date_stands_with_or_without_quotes() {
        let day = jiff::civil::date(2026, 12, 31);
        for text in ["2026-12-31", "\"2026-12-31\""] {
            let waiver = waiver(&format!("until = {text}\nrule = \"x\"\nreason = \"y\"\n")).unwrap();
            assert_eq!((waiver.until, waiver.place), (day, Place::at("mds.toml", 4, 8)));
        }
        for text in ["2026-12-31T00:00:00", "\"2026-12-32\"", "\"soon\"", "20261231", "12:00:00", "true", "\"\""] {
            let said = waiver(&format!("rule = \"x\"\nreason = \"y\"\nuntil = {text}\n")).unwrap_err();
            assert!(said.starts_with("mds.toml:5:9: ") && said.contains("2026-12-31"), "{said}");
        }
    }

    #[test]
    fn what_a_waiver_needs_is_asked_for() {
        let until = "until = 2026-12-31\n";
        for (text, said) in [
            ("rule = \"x\"\nreason = \"y\"\n".to_owned(), "missing field `until`"),
            (format!("rule = \"x\"\n{until}"), "missing field `reason`"),
            (format!("reason = \"y\"\n{until}"), "missing field `rule`"),
            (format!("rule = \"x\"\nreason = \" \"\n{until}"), "a waiver of `x` without a reason"),
            (format!("rule = \"x\"\nreason = \"y\"\nfile = \"a[\"\n{until}"), "`a[` is no pattern"),
            (format!("rule = \"x\"\nreason = \"y\"\nfiles = \"a\"\n{until}"), "did you mean `file`?"),
        ] {
            let found = waiver(&text).unwrap_err();
            assert!(found.contains(said), "{found}");
        }
    }

    #[test]
    fn a_star_stays_in_its_folder() {
        let fits = |pattern: &str, path: &str| Pattern::parse(pattern).unwrap().fits(path);
        assert!(fits("groups/x/*", "groups/x/cloud-config.yaml") && !fits("groups/x/*", "groups/x/y/z"));
        assert!(fits("groups/**", "groups/x/y/z") && fits("x1000c{0,1}*", "x1000c1s0b0n0"));
        assert!(!fits("x1", "x10") && fits("x1", "x1"));
    }
}
