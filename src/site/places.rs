//! Where in the files of a site something is said: for findings about values that were read long ago.

use saphyr_parser::{Event, Parser};

use super::Site;
use crate::settings::FILE_NAME;
use crate::types::{NodeId, Place};

impl Site {
    /// The place of a key in `mds.toml` or in a YAML file of the site: the last of these keys that is there, each within
    /// the one before. Without any of them, or if the file cannot be read, it is the file as a whole.
    #[must_use]
    pub fn place_of(&self, file: &str, keys: &[&str]) -> Place {
        self.find_key(file, keys).map_or_else(|| Place::file(file), |(place, _)| place)
    }

    /// As [`Site::place_of`], if the last of the keys is there.
    #[must_use]
    pub fn exact_place_of(&self, file: &str, keys: &[&str]) -> Option<Place> {
        self.find_key(file, keys).filter(|(_, depth)| *depth == keys.len()).map(|(place, _)| place)
    }

    /// The place of the last key that is there, and how many of the keys lead to it.
    fn find_key(&self, file: &str, keys: &[&str]) -> Option<(Place, usize)> {
        if file == FILE_NAME {
            let text = std::str::from_utf8(&self.settings_file).ok()?;
            return toml_key(text, keys).map(|(offset, depth)| (Place::of_offset(file, text, offset), depth));
        }
        let text = std::str::from_utf8(self.files.get(file)?).ok()?;
        yaml_key(text, keys).map(|((line, column), depth)| (Place::at(file, line, column), depth))
    }

    /// The place of a node in the inventory file, if that is one in which nodes stand by their ids.
    #[must_use]
    pub fn place_in_inventory(&self, id: &NodeId) -> Option<Place> {
        let text = std::str::from_utf8(self.inventory.as_ref()?).ok()?;
        let id = format!("\"{id}\"");
        let is_value_of_id = |offset: &usize| {
            let before = text[..*offset].trim_end().strip_suffix(':').map(str::trim_end);
            before.is_some_and(|before| before.ends_with("\"id\""))
        };
        let offset = text.match_indices(&id).map(|(offset, _)| offset).find(is_value_of_id)?;
        Some(Place::of_offset(self.settings.inventory.file.clone(), text, offset))
    }
}

/// The byte offset of the last of the keys that is there, and how many lead to it.
fn toml_key(text: &str, keys: &[&str]) -> Option<(usize, usize)> {
    let document = toml::de::DeTable::parse(text).ok()?;
    let mut found = None;
    let mut table = Some(document.get_ref());
    for (depth, key) in (1..).zip(keys) {
        let Some((name, value)) = table.and_then(|table| table.get_key_value(*key)) else { break };
        found = Some((name.span().start, depth));
        table = value.get_ref().as_table();
    }
    found
}

/// Line and column of the last of the keys that is there, and how many lead to it.
fn yaml_key(text: &str, keys: &[&str]) -> Option<((usize, usize), usize)> {
    let mut search = Search { keys, open: Vec::new(), found: None, depth: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        search.event(&event, (span.start.line(), span.start.col() + 1));
    }
    search.found.map(|found| (found, search.depth))
}

struct Search<'a> {
    keys: &'a [&'a str],
    /// The lists and mappings that are open: whether a key comes next, and whether the way to here is that of the keys.
    open: Vec<Open>,
    found: Option<(usize, usize)>,
    /// How many of the keys were found, each within the one before.
    depth: usize,
}

struct Open {
    is_mapping: bool,
    is_key_next: bool,
    /// How many of the keys lead here; `None` beside their way.
    level: Option<usize>,
    /// What the value of the key that was just read is to have as its level.
    next: Option<usize>,
}

impl Search<'_> {
    fn event(&mut self, event: &Event<'_>, at: (usize, usize)) {
        match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                let level = match self.open.last() {
                    None => Some(0),
                    Some(parent) => parent.next,
                };
                let is_mapping = matches!(event, Event::MappingStart(..));
                self.open.push(Open { is_mapping, is_key_next: true, level, next: None });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
                self.value_done();
            }
            Event::Scalar(text, ..) => self.scalar(text, at),
            Event::Alias(_) => self.value_done(),
            _ => {}
        }
    }

    fn scalar(&mut self, text: &str, at: (usize, usize)) {
        let Some(parent) = self.open.last_mut().filter(|open| open.is_mapping && open.is_key_next) else {
            return self.value_done();
        };
        parent.is_key_next = false;
        let level = parent.level.filter(|level| self.keys.get(*level) == Some(&text));
        parent.next = level.map(|level| level + 1);
        if let Some(next) = parent.next.filter(|next| *next > self.depth) {
            (self.depth, self.found) = (next, Some(at));
        }
    }

    fn value_done(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.is_key_next = true;
            open.next = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::fixture;

    #[test]
    fn keys_of_settings_are_found() {
        let settings = "# x\n[cluster]\nname = \"a\"\n\n[networks.HMN]\nvlan = 7\n[groups]\norder = []\n";
        let site = fixture::site(&[("mds.toml", settings)]);
        for (keys, place) in [
            (&["cluster", "name"][..], "mds.toml:3:1"),
            (&["networks", "HMN", "vlan"], "mds.toml:6:1"),
            (&["networks", "HMN"], "mds.toml:5:11"),
            (&["groups", "nothing"], "mds.toml:7:2"),
            (&["serve"], "mds.toml"),
        ] {
            assert_eq!(site.place_of("mds.toml", keys).to_string(), place, "{keys:?}");
        }
        assert_eq!(site.exact_place_of("mds.toml", &["groups", "nothing"]), None);
        assert!(site.exact_place_of("mds.toml", &["groups", "order"]).is_some());
    }

    #[test]
    fn keys_of_yaml_are_found() {
        let text = "description: meta\nmeta:\n  a: {hostname: x}\n  list: [hostname, {hostname: 1}]\n  'hostname': y\n";
        let site = fixture::site(&[("groups/a/group.yaml", text)]);
        for (keys, place) in [
            (&["meta", "hostname"][..], "groups/a/group.yaml:5:3"),
            (&["meta", "a", "hostname"], "groups/a/group.yaml:3:7"),
            (&["meta", "nothing"], "groups/a/group.yaml:2:1"),
            (&["nothing"], "groups/a/group.yaml"),
        ] {
            assert_eq!(site.place_of("groups/a/group.yaml", keys).to_string(), place, "{keys:?}");
        }
        assert_eq!(site.place_of("nodes/x.yaml", &["a"]).to_string(), "nodes/x.yaml");
        assert_eq!(site.exact_place_of("groups/a/group.yaml", &["meta", "nothing"]), None);
    }

    #[test]
    fn nodes_are_found_in_the_inventory() {
        let inventory = "{\"format\":1,\"nodes\":[\n  {\"id\": \"x1\", \"role\": \"x2\"},\n  {\"role\":\"x1\",\"id\" : \"x2\"}\n]}\n";
        let site = fixture::site(&[("inventory.json", inventory)]);
        let place = |id: &str| site.place_in_inventory(&NodeId::parse(id).unwrap()).map(|place| place.to_string());
        assert_eq!(place("x1").as_deref(), Some("inventory.json:2:10"));
        assert_eq!(place("x2").as_deref(), Some("inventory.json:3:23"));
        assert_eq!(place("x3"), None);
    }
}
