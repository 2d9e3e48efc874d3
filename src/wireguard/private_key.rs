//! The private half of a key pair.

use std::fmt;

use boringtun::x25519::{PublicKey, StaticSecret};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::types::WireguardKey;

/// A private key of WireGuard. It is never shown, and its memory is overwritten when it is dropped.
#[derive(Clone)]
pub struct PrivateKey(Zeroizing<[u8; WireguardKey::LENGTH]>);

impl PrivateKey {
    /// Makes a fresh key; none when the system has no random numbers.
    #[must_use]
    pub fn generate() -> Option<Self> {
        let mut bytes = Zeroizing::new([0; WireguardKey::LENGTH]);
        SystemRandom::new().fill(&mut *bytes).ok()?;
        Some(Self(bytes))
    }

    /// The key with these bytes. Curve25519 ignores five of their bits.
    #[must_use]
    pub fn new(bytes: [u8; WireguardKey::LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes of the key, for whoever writes it to where nobody else reads.
    #[must_use]
    pub fn expose(&self) -> &[u8; WireguardKey::LENGTH] {
        &self.0
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> WireguardKey {
        WireguardKey::new(PublicKey::from(&self.secret()).to_bytes())
    }

    /// The form that the protocol computes with.
    #[must_use]
    pub fn secret(&self) -> StaticSecret {
        StaticSecret::from(*self.0)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[private key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_key_has_the_public_half_that_wg_computes_and_is_not_shown() {
        let pair = ["iMJUibXXczWutTrkImEZyJZUeZsV9TgEtHLayB8WjFk=", "k6mY5dbhD8mFaazcNww2feB6avJuexBbDk6RNisKey0="];
        // A private key has the form of a public one.
        let [private, public] = pair.map(|text| WireguardKey::parse(text).unwrap());
        let key = PrivateKey::new(*private.as_bytes());
        assert_eq!(key.public(), public);
        assert_ne!(key.public(), PrivateKey::generate().unwrap().public());
        assert_eq!(format!("{key:?}"), "[private key]");
    }
}
