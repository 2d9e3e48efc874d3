//! Node ids.

use super::{InvalidText, boxed_text};

/// The id of a node as the inventory knows it, usually an xname such as `x1000c0s0b0n0`.
///
/// An id names files, so it is limited to 1–128 characters out of `A-Z a-z 0-9 . _ : -` and starts with a letter or a
/// digit. That it need not be an xname follows the announced successor of SMD, which allows any id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Box<str>);

impl NodeId {
    /// Longest id accepted, in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// Parses an id.
    ///
    /// # Errors
    /// When the text is empty, too long, or would not be safe as the name of a file.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let starts_well = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if starts_well && text.len() <= Self::MAX_LENGTH && text.bytes().all(safe) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidText(format!(
                "`{}` is not a node id that is safe in a path: 1 to {} letters, digits, `.`, `_`, `:` or `-`, \
                 starting with a letter or digit",
                text.escape_debug(),
                Self::MAX_LENGTH
            )))
        }
    }
}

boxed_text!(NodeId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_a_folder_are_refused() {
        for text in ["", ".", "..", "../x", "a/b", "a\\b", "-rf", ".hidden", "a\0b", "a b", "ä", &"x".repeat(129)] {
            assert!(NodeId::parse(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn xnames_and_plain_names_are_ids() {
        for text in ["x1000c0s0b0n0", "node-01", "rack4:blade.2", "7"] {
            assert_eq!(NodeId::parse(text).map(|id| id.to_string()), Ok(text.to_owned()));
        }
    }
}
