//! BLAKE3 digests: the names of objects, packs and releases.

use std::fmt;

use super::{InvalidText, text_conversions};

/// The BLAKE3 digest of some bytes, 32 bytes long, written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; Digest::LENGTH]);

impl Digest {
    /// Length of a digest in bytes.
    pub const LENGTH: usize = 32;

    /// Hashes the bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Takes the raw bytes of a digest that was computed elsewhere.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The first 12 hexadecimal digits: enough to tell releases apart when people read or type them.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }

    /// Parses exactly 64 hexadecimal digits.
    ///
    /// # Errors
    /// When the text has another length or another character.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        blake3::Hash::from_hex(text)
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(|_| InvalidText(format!("`{text}` is not a digest: 64 hexadecimal digits are expected")))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

text_conversions!(Digest);

/// The name of a release: the digest of its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseId(pub Digest);

impl ReleaseId {
    /// Parses a whole release id.
    ///
    /// # Errors
    /// When the text is not a digest.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        Digest::parse(text)
            .map(Self)
            .map_err(|_| InvalidText(format!("`{text}` is not a release id: 64 hexadecimal digits are expected")))
    }

    /// The first 12 digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for ReleaseId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

text_conversions!(ReleaseId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_the_round_trip_through_text() {
        let digest = Digest::of(b"bytes");
        assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
        assert_eq!(digest.short().len(), 12);
    }

    #[test]
    fn a_path_is_not_a_digest() {
        assert!(Digest::parse("../../etc/passwd").is_err());
        assert!(Digest::parse("").is_err());
        assert!(ReleaseId::parse(&"g".repeat(64)).is_err());
    }
}
