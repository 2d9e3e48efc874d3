//! Telling the formats of node files apart.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::discover::parse_discover;
use super::file::{LockHeader, parse_lock};
use super::pull::Pull;
use crate::types::Problems;

/// Reads a file of nodes of either format: mds's own inventory, or the node file of `ochami discover static`. `name` is
/// how messages call it.
///
/// What a file is shows in what it says, not in its name: an object in JSON with `format`, or with nodes that have an
/// `id`, is an inventory, however broken it is after that; everything else is read as a node file of the tool.
///
/// # Errors
/// Those of [`parse_lock`] or of [`parse_discover`], whichever format the file has. When it has neither, the
/// problem names both.
pub fn parse_any(name: &str, bytes: &[u8]) -> Result<(LockHeader, Pull), Problems> {
    if is_inventory(bytes) {
        return parse_lock(name, bytes);
    }
    parse_discover(name, bytes).map(|inventory| (LockHeader::default(), inventory.into()))
}

fn is_inventory(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let Some(after) = bytes.strip_prefix(b"{") else { return false };
    let mut keys = Keys::default();
    let whole = Object(&mut keys).deserialize(&mut serde_json::Deserializer::from_slice(bytes)).is_ok();
    if keys.format {
        true
    } else if keys.bmcs || keys.xname {
        false
    } else {
        // With a key in quotation marks it was meant as JSON; a mapping in braces may be YAML.
        keys.id || !whole && after.trim_ascii_start().starts_with(b"\"")
    }
}

/// The keys that tell, as far as the JSON could be read.
#[derive(Default)]
struct Keys {
    format: bool,
    bmcs: bool,
    /// In an entry of `nodes`.
    xname: bool,
    /// In an entry of `nodes`.
    id: bool,
}

/// The object around everything.
struct Object<'a>(&'a mut Keys);
/// The list of nodes.
struct Nodes<'a>(&'a mut Keys);
/// One node.
struct Entry<'a>(&'a mut Keys);

/// Reads whatever stands there with the value as its own visitor.
macro_rules! seed {
    ($seed:ident, $expected:literal, $($visit:tt)*) => {
        impl<'de> DeserializeSeed<'de> for $seed<'_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.deserialize_any(self)
            }
        }

        impl<'de> Visitor<'de> for $seed<'_> {
            type Value = ();

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str($expected)
            }

            $($visit)*
        }
    };
}

seed!(
    Object,
    "an object",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            match key.as_ref() {
                "nodes" => map.next_value_seed(Nodes(self.0))?,
                other => {
                    self.0.format |= other == "format";
                    self.0.bmcs |= other == "bmcs";
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
);

seed!(
    Nodes,
    "a list",
    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while sequence.next_element_seed(Entry(&mut *self.0))?.is_some() {}
        Ok(())
    }
);

seed!(
    Entry,
    "an object",
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            self.0.xname |= key == "xname";
            self.0.id |= key == "id";
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
);

#[cfg(test)]
mod tests {
    use super::super::mock_inventory;
    use super::*;

    fn message(text: &str) -> String {
        parse_any("nodes", text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn both_formats_are_known_by_what_they_say() {
        let lock_file = mock_inventory().to_lock_file().unwrap();
        assert_eq!(parse_any("x.yaml", lock_file.as_bytes()), Ok((LockHeader::default(), mock_inventory().into())));
        for text in [
            "nodes:\n- xname: x1\n",
            "{\"nodes\":[{\"xname\":\"x1\"}]}",
            "\u{feff} {\"bmcs\":[],\"nodes\":[{\"xname\":\"x1\"}]}",
            "{nodes: [{xname: x1}]} # YAML in braces\n",
            "{\"nodes\":[{\"xname\":\"x1\"},],}",
        ] {
            assert_eq!(
                parse_any("inventory.json", text.as_bytes()).unwrap().1.inventory.nodes()[0].id.as_str(),
                "x1",
                "{text}"
            );
        }
    }

    #[test]
    fn a_broken_inventory_gets_the_message_of_the_inventory() {
        for text in [
            "{\"format\":1,\n\"nodes\":[{]}",
            "{\"format\" 1,\"nodes\":[]}",
            "{\"nodes\":[{\"id\":\"a\"},\n{\"id\":\"b\" \"nid\":1}]}",
            "{\"nodes\":[{\"id\":\"a\",\"xnames\":1}],\"format\":1}",
            "{\"nodes\":[{\"id\":\"a\"}]}",
            "{\"nodes\":[{\"id\":\"a\"}],\n\"format\":",
            "{\"",
            "{\"format\":2,\"bmcs\":[]}",
        ] {
            let expected = parse_lock("nodes", text.as_bytes()).unwrap_err().to_string();
            assert_eq!(message(text), expected);
        }
    }

    #[test]
    fn a_broken_node_file_of_the_tool_gets_its_own_message() {
        let text = message("{\"bmcs\":[],\n\"nodes\":[{\"xname\":\"x1\" \"nid\":1}]}");
        assert!(text.starts_with("nodes:2:"), "{text}");
    }

    #[test]
    fn what_is_neither_gets_a_message_that_names_both() {
        for text in ["", "# nothing\n", "hello", "[]", "{}", "a: 1\n", "{\"racks\":[]}", "format: 1\nnodes: []\n"] {
            let said = message(text);
            assert!(
                said.contains("`format` and `nodes`") && said.contains("`ochami discover static`"),
                "{text}: {said}"
            );
        }
        let said = parse_any("nodes", b"\xff\xfe\0").unwrap_err().to_string();
        assert!(said.contains("UTF-8") && said.contains("`ochami discover static`"), "{said}");
    }
}
