//! Public keys of WireGuard.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{InvalidText, text_conversions};

/// A public key of WireGuard: a point on Curve25519, written as 44 characters of base64.
///
/// Any 32 bytes are a key here; whether a tunnel can be made with it is for whoever makes tunnels to say.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WireguardKey([u8; Self::LENGTH]);

impl WireguardKey {
    /// The length of a key in bytes.
    pub const LENGTH: usize = 32;

    /// What the name of every peer begins with.
    pub const UID_PREFIX: &str = "wireguardpeer-";

    /// Parses the form that `wg pubkey` prints: base64 of the standard alphabet with padding, white space around it
    /// ignored.
    ///
    /// # Errors
    /// When the text is not base64, or of another length.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let bytes = STANDARD.decode(text.trim_ascii()).map_err(|_| {
            InvalidText(
                "a public key must be base64 such as `wg pubkey` prints: 44 characters, the last one `=`".to_owned(),
            )
        })?;
        let length = bytes.len();
        bytes.try_into().map(Self).map_err(|_| {
            InvalidText(format!("a public key must be {} bytes in base64, and this one has {length}", Self::LENGTH))
        })
    }

    /// The key with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The name of the peer that has the key, as OpenCHAMI's metadata-service makes it: `wireguardpeer-` and the first 8
    /// bytes of the SHA-256 digest of the key's base64 form, in hexadecimal.
    #[must_use]
    pub fn peer_uid(&self) -> String {
        use fmt::Write;
        let digest = ring::digest::digest(&ring::digest::SHA256, self.to_string().as_bytes());
        digest.as_ref().iter().take(8).fold(Self::UID_PREFIX.to_owned(), |mut uid, byte| {
            // Writing to a string does not fail.
            let _ = write!(uid, "{byte:02x}");
            uid
        })
    }
}

impl fmt::Display for WireguardKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for WireguardKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

text_conversions!(WireguardKey);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_and_written_as_base64() {
        let text = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
        let key = WireguardKey::parse(&format!(" {text}\n")).unwrap();
        assert_eq!(key.to_string(), text);
        assert_eq!(WireguardKey::new(*key.as_bytes()), key);
    }

    #[test]
    fn other_texts_are_refused_without_being_repeated() {
        for text in [
            "",
            "xTIBA5rb",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg",
            "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8D-=",
        ] {
            let message = WireguardKey::parse(text).unwrap_err().to_string();
            assert!(text.is_empty() || !message.contains(text), "{message}");
        }
    }

    #[test]
    fn the_name_of_a_peer_is_that_of_the_original() {
        // printf %s KEY | sha256sum | cut -c 1-16
        let key = WireguardKey::new([0; 32]);
        assert_eq!(key.to_string(), "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
        assert_eq!(key.peer_uid(), "wireguardpeer-51643eac9777b63a");
    }
}
