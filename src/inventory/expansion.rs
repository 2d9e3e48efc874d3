//! A bound on what the aliases of a YAML file may say over again.
//!
//! The YAML parser bounds how often aliases are followed (100 times the number of events of the file) and how deep
//! (128 levels), but not how much stands behind each: a list of thousands of entries, named thousands of times, would
//! be made thousands of times.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Values that any file may hold with its aliases followed, besides one for each of its bytes.
const ALLOWANCE: usize = 1_000_000;

/// Whether the file would hold more values with its aliases followed than one for each of its bytes and a million, or
/// names with an alias what the alias stands in, so that there is no end to it.
///
/// Without aliases no file does, as a value takes at least a byte. A file that is not YAML is not too large here: who
/// reads it says what is wrong with it.
pub(super) fn expands_too_far(text: &str) -> bool {
    if !text.contains('*') {
        return false;
    }
    let left = Cell::new(text.len().saturating_add(ALLOWANCE));
    let ended = Walk(&left).deserialize(serde_yaml::Deserializer::from_str(text)).is_ok();
    // Reading without following aliases tells what has no end from what is not YAML or is empty. Limits of the parser
    // count as no end, too: a reader that passes over some keys would meet them later, with the rest not counted.
    !ended && serde_yaml::from_str::<Option<IgnoredAny>>(text).is_ok_and(|value| value.is_some())
}

/// Goes through a value of any kind and counts down for each value in it.
#[derive(Clone, Copy)]
struct Walk<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.set(self.0.get().saturating_sub(1));
        if self.0.get() == 0 {
            return Err(D::Error::custom("too many values"));
        }
        deserializer.deserialize_any(self)
    }
}

/// Scalars are counted already.
macro_rules! scalars {
    ($($visit:ident: $kind:ty),*) => {
        $(fn $visit<E: Error>(self, _: $kind) -> Result<(), E> {
            Ok(())
        })*
    };
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    scalars!(visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64);
    scalars!(visit_str: &str);

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(self)?.is_some() {
            map.next_value_seed(self)?;
        }
        Ok(())
    }

    /// A value with a tag.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (IgnoredAny, value) = tagged.variant()?;
        value.newtype_variant_seed(self)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Each level names the one before it nine times.
    fn bomb(levels: usize, tag: &str) -> String {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..=levels {
            let again = vec![format!("*a{}", level - 1); 9].join(", ");
            let _ = writeln!(text, "a{level}: &a{level} {tag}[{again}]");
        }
        text
    }

    #[test]
    fn what_aliases_repeat_over_and_over_is_too_much() {
        assert!(expands_too_far(&bomb(9, "")));
        assert!(expands_too_far(&bomb(9, "!tagged ")));
        let many = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(20_000), "*a,".repeat(20_000));
        assert!(expands_too_far(&many));
    }

    #[test]
    fn an_alias_that_names_what_it_stands_in_has_no_end() {
        assert!(expands_too_far("a: &a [*a, *a]\n"));
    }

    #[test]
    fn what_the_parser_stops_at_does_not_hide_the_rest() {
        let many = format!("x: &x [*x]\na: &a [{}]\nb: [{}]\n", "x,".repeat(2_000), "*a,".repeat(2_000));
        assert!(expands_too_far(&many));
    }

    #[test]
    fn aliases_that_save_typing_and_files_that_are_not_yaml_are_let_through() {
        assert!(!expands_too_far("a: &a [x, 1, 1.5, true, ~, !t y]\nb: *a\nc: {*a : *a}\n"));
        assert!(!expands_too_far(&bomb(3, "")));
        for text in ["a: [*\n", "# none at all: *a\n", "a: *b\n", "--- *a\n", "a: 1\n--- \nb: '*'\n"] {
            assert!(!expands_too_far(text), "{text}");
        }
    }
}
