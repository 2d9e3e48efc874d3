//! Names of network interfaces.

use super::{InvalidText, boxed_text};

/// The name of a network interface, such as `eth0`.
///
/// A name becomes a key of network-config and, on the node, a part of names of files, so it is limited to 1–15
/// characters (what the kernel takes) out of `A-Z a-z 0-9 . _ -` and starts with a letter or a digit.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName(Box<str>);

impl InterfaceName {
    /// Longest name the kernel takes, in bytes.
    pub const MAX_LENGTH: usize = 15;

    /// Parses a name.
    ///
    /// # Errors
    /// When the text is empty, too long, or would not be safe in a name of a file.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if starts_well && text.len() <= Self::MAX_LENGTH && text.bytes().all(safe) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidText(format!(
                "`{}` is not the name of an interface: 1 to {} letters, digits, `.`, `_` or `-`, starting with a \
                 letter or digit",
                text.escape_debug(),
                Self::MAX_LENGTH
            )))
        }
    }

    /// `eth<number>`.
    #[must_use]
    pub fn numbered(number: usize) -> Self {
        Self(format!("eth{number}").into())
    }

    /// Whether the source gave no name: the default, until the inventory is in its normal form.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.0.is_empty()
    }
}

boxed_text!(InterfaceName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_no_interface_can_have_are_refused() {
        for text in
            ["", ".", "..", "../../etc/x y\n", "a/b", "-a", "_a", "a b", "a:0", "eth0\n", "ä", "sixteen-letters0"]
        {
            assert!(InterfaceName::parse(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn the_names_of_interfaces_are_taken() {
        for text in ["eth0", "enp0s31f6", "eth0.100", "7", "bond0_a-b", "fifteen-letters"] {
            assert_eq!(InterfaceName::parse(text).map(|name| name.to_string()), Ok(text.to_owned()));
        }
    }
}
