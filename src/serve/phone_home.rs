//! What cloud-init's `phone_home` module sends when a node has booted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest body of a phone call, in bytes. Three host keys take about 1.5 KB.
pub(super) const MAX_CALL: usize = 64 * 1024;

/// The longest value that is kept, in bytes. The public half of an RSA key of 16,384 bits takes 2,800.
const LONGEST_VALUE: usize = 4 * 1024;

/// The fields that cloud-init can send (`cc_phone_home.py`); which of them, `post` of its settings says.
const FIELDS: [&str; 6] = ["pub_key_rsa", "pub_key_ecdsa", "pub_key_ed25519", "instance_id", "hostname", "fqdn"];

/// What a node says of itself. Nobody has checked it, and nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Call(BTreeMap<String, String>);

impl Call {
    /// Reads the form (`application/x-www-form-urlencoded`). Other fields than cloud-init's and values of more than 4 KiB are
    /// passed over, of a field that comes twice the last one counts, and what is not UTF-8 is replaced.
    pub(super) fn parse(body: &[u8]) -> Self {
        let fields = url::form_urlencoded::parse(body).filter(|(name, _)| FIELDS.contains(&name.as_ref()));
        let fields = fields.map(|(name, value)| (name.into_owned(), value.trim().to_owned()));
        Self(fields.filter(|(_, value)| value.len() <= LONGEST_VALUE).collect())
    }

    /// A field's value; none when the node did not send it.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// The host keys by their kind: `rsa`, `ecdsa`, `ed25519`.
    pub fn host_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|(name, value)| Some((name.strip_prefix("pub_key_")?, value.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_fields_of_cloud_init_are_read_and_others_passed_over() {
        let call =
            Call::parse(b"pub_key_ed25519=ssh-ed25519+AAAA+root%40n1%0A&instance_id=i-1&hostname=a&hostname=b&x=1");
        assert_eq!(call.get("pub_key_ed25519"), Some("ssh-ed25519 AAAA root@n1"));
        assert_eq!((call.get("instance_id"), call.get("hostname"), call.get("x")), (Some("i-1"), Some("b"), None));
        assert_eq!(call.host_keys().collect::<Vec<_>>(), [("ed25519", "ssh-ed25519 AAAA root@n1")]);
        assert_eq!(Call::parse(b""), Call::default());
    }

    #[test]
    fn a_value_that_is_too_long_is_not_kept() {
        let form = format!("fqdn={}&hostname={}", "x".repeat(LONGEST_VALUE + 1), "y".repeat(LONGEST_VALUE));
        let call = Call::parse(form.as_bytes());
        assert_eq!((call.get("fqdn"), call.get("hostname").map(str::len)), (None, Some(LONGEST_VALUE)));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_fail_inside(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Call::parse(&body);
        }
    }
}
