//! Keys that no tunnel can be made with.

use boringtun::x25519::{PublicKey, StaticSecret};

use crate::serve::RegisterRefusal;
use crate::types::WireguardKey;

/// Refuses a key that cannot be a node's.
pub(super) fn check(key: &WireguardKey, server: &WireguardKey) -> Result<(), RegisterRefusal> {
    if *key.as_bytes() == [0; WireguardKey::LENGTH] {
        return Err(RegisterRefusal::UnusableKey("this public key is all zero; make one with `wg genkey | wg pubkey`"));
    }
    if key == server {
        return Err(RegisterRefusal::UnusableKey(
            "this public key is the server's own; send the one that `wg genkey | wg pubkey` prints on the node",
        ));
    }
    // Curve25519 ignores this bit, and no node's key has it: a node would shake hands under the key without it, which
    // may be another's, or the server's own.
    if key.as_bytes()[WireguardKey::LENGTH - 1] & 0x80 != 0 {
        return Err(RegisterRefusal::UnusableKey(
            "this is no public key that WireGuard makes; send the one that `wg genkey | wg pubkey` prints on the node",
        ));
    }
    // With a key of low order every secret leads to the same, known, shared secret: any number will do to find out.
    let shared = StaticSecret::from([0x55; WireguardKey::LENGTH]).diffie_hellman(&PublicKey::from(*key.as_bytes()));
    if shared.was_contributory() {
        Ok(())
    } else {
        Err(RegisterRefusal::UnusableKey(
            "this public key is a point of low order, which protects nothing; make one with `wg genkey | wg pubkey`",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wireguard::PrivateKey;

    fn key(hexadecimal: &str) -> WireguardKey {
        let byte = |index: usize| u8::from_str_radix(&hexadecimal[2 * index..2 * index + 2], 16).unwrap();
        WireguardKey::new(std::array::from_fn(byte))
    }

    #[test]
    fn keys_that_cannot_be_a_nodes_are_refused() {
        let server = PrivateKey::generate().unwrap().public();
        // The points of small order on Curve25519 and its twist, as <https://cr.yp.to/ecdh.html> lists them.
        for text in [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "0100000000000000000000000000000000000000000000000000000000000000",
            "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
            "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
            "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
            "0000000000000000000000000000000000000000000000000000000000000080",
        ] {
            assert!(matches!(check(&key(text), &server), Err(RegisterRefusal::UnusableKey(_))), "{text}");
        }
        assert!(check(&server, &server).unwrap_err().to_string().contains("the server's own"));
        let other_name = |key: &WireguardKey| {
            let mut bytes = *key.as_bytes();
            bytes[31] |= 0x80;
            WireguardKey::new(bytes)
        };
        for key in [server, PrivateKey::generate().unwrap().public()] {
            assert!(matches!(check(&other_name(&key), &server), Err(RegisterRefusal::UnusableKey(_))), "{key}");
        }
        assert_eq!(check(&PrivateKey::generate().unwrap().public(), &server), Ok(()));
    }
}
