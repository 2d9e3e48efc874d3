//! Texts that must not be shown.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

/// A token, a password or another text that must never be shown: its `Debug` form is fixed, it has no `Display` form and
/// cannot be serialised, and its memory is overwritten when it is dropped.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a text, without the white space around it that files and environment variables often end with.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text.trim()))
    }

    /// The text, for whoever sends it to where it belongs.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // secrecy's own form keeps the text in memory that is overwritten too.
        SecretString::deserialize(deserializer).map(|text| Self::new(text.expose_secret()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::new(" s3cr3t\n");
        assert_eq!(secret.expose(), "s3cr3t");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)), "[secret] Some(\n    [secret],\n)");
        assert!(Secret::new(" \n").is_empty() && Secret::default() == Secret::new(""));
    }
}
