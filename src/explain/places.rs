//! Lines of the site's files at which the keys stand that values come from.

use super::model::{FoundOrigin, FoundSource};
use crate::render::{Origin, Source};
use crate::site::Site;
use crate::types::Place;

/// An origin with its places.
pub(super) fn found(site: &Site, origin: &Origin) -> FoundOrigin {
    let source = |source: &Source| match source {
        Source::Inventory(field) => FoundSource { file: None, key: (*field).to_owned(), is_default: false },
        Source::File { file, keys } => {
            let at = place(site, file, keys);
            let is_default = at.is_none();
            let file = at.map_or_else(|| Place::file(file), |(line, column)| Place::at(file, line, column));
            FoundSource { file: Some(file), key: key_of(keys), is_default }
        }
    };
    FoundOrigin { sources: origin.sources.iter().map(source).collect(), rule: origin.rule }
}

/// A key of `mds.toml` as it is written there, of a YAML file with dots.
fn key_of(keys: &[String]) -> String {
    keys.join(".")
}

/// Where a key stands. `None` where the file does not say it.
pub(super) fn place(site: &Site, file: &str, keys: &[String]) -> Option<(usize, usize)> {
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    site.exact_place_of(file, &keys).map(|place| (place.line, place.column))
}
