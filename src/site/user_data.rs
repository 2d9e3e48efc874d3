//! Whom a file of user-data is for.

use crate::types::{InvalidText, MacAddress, NodeId};

/// Whom a file below `user-data/` is for, as the name of the file says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UserDataKey {
    /// Every node without a file of its own.
    Default,
    /// The node that has an interface of this address.
    Mac(MacAddress),
    /// The node of this id.
    Node(NodeId),
}

impl UserDataKey {
    /// The name that stands for every node.
    pub const DEFAULT: &'static str = "default";

    /// Parses the name of a file without its folder and `.yaml`: `default`, a MAC address in any spelling, or a node id.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        if text == Self::DEFAULT {
            return Ok(Self::Default);
        }
        MacAddress::parse(text).map(Self::Mac).or_else(|_| NodeId::parse(text).map(Self::Node))
    }

    /// The key of the file that bears a node's id. An id may look like a MAC address, and then its file does too.
    #[must_use]
    pub fn of_node(id: &NodeId) -> Self {
        MacAddress::parse(id.as_str()).map_or_else(|_| Self::Node(id.clone()), Self::Mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_told_apart() {
        let mac = UserDataKey::Mac(MacAddress::parse("b4:2e:99:be:1a:6d").unwrap());
        for text in ["b4-2e-99-be-1a-6d", "B4:2E:99:BE:1A:6D", "b42e99be1a6d"] {
            assert_eq!(UserDataKey::parse(text), Ok(mac.clone()), "{text}");
        }
        let node = |text: &str| UserDataKey::Node(NodeId::parse(text).unwrap());
        assert_eq!(UserDataKey::parse("default"), Ok(UserDataKey::Default));
        assert_eq!(UserDataKey::parse("rack:1"), Ok(node("rack:1")));
        assert_ne!(UserDataKey::parse("rack:1"), UserDataKey::parse("rack-1"));
        assert!(UserDataKey::parse("a b").is_err());
        let id = NodeId::parse("b4-2e-99-be-1a-6d").unwrap();
        assert_eq!(UserDataKey::of_node(&id), mac);
    }
}
