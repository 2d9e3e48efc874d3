//! Group labels.

use super::{InvalidText, boxed_text};

/// The label of a group of nodes: the name of its folder in a site, and of `/<label>.yaml` on the wire.
///
/// 1–255 characters out of `A-Z a-z 0-9 . _ : + @ = ~ , -`, not starting with `.` or `-`. SMD's own labels
/// (`a-z 0-9 . _ : -`) all fit; so does everything that is safe both as a file name and, escaped, in an URL.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupLabel(Box<str>);

impl GroupLabel {
    /// Longest label accepted, in bytes: what one path component may hold.
    pub const MAX_LENGTH: usize = 255;

    /// Parses a label.
    ///
    /// # Errors
    /// When the text is empty, too long, or holds a character that a label may not hold.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let starts_well = !text.is_empty() && !text.starts_with(['.', '-']);
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._:+@=~,-".contains(&byte);
        if starts_well && text.len() <= Self::MAX_LENGTH && text.bytes().all(legal) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidText(format!(
                "`{}` is not a group label: 1 to {} letters, digits or `._:+@=~,-`, not starting with `.` or `-`",
                text.escape_debug(),
                Self::MAX_LENGTH
            )))
        }
    }
}

boxed_text!(GroupLabel);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_that_are_unsafe_in_a_path_are_refused() {
        for text in ["", ".", "..", "a/b", "-x", ".x", "a b", "a%2fb", "a\nb", &"g".repeat(256)] {
            assert!(GroupLabel::parse(text).is_err(), "{text:?} must be refused");
        }
    }

    #[test]
    fn labels_of_smd_are_accepted() {
        for text in ["compute", "rack:4", "a.b-c_d", "gpu+fast"] {
            assert!(GroupLabel::parse(text).is_ok(), "{text:?} must be accepted");
        }
    }
}
