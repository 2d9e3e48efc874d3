//! The body of a request that brings a key.

use serde_json::{Map, Value};

use super::route::KeyForm;
use crate::types::WireguardKey;

/// The longest body of a request that brings a key, in bytes.
pub(super) const MAX_KEY_BODY: usize = 4 * 1024;

/// A key, and the node that it is said to be of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRequest {
    pub(super) key: WireguardKey,
    /// What the request calls its node; only the second form has this.
    pub(super) node: Option<String>,
}

/// Reads the body. Keys of the object that are not known are passed over, as OpenCHAMI's services do.
///
/// # Errors
/// With a sentence for the sender, when the body is not a JSON object with a usable text for the key. It does not repeat
/// what was sent.
pub(super) fn parse(form: KeyForm, body: &[u8]) -> Result<KeyRequest, String> {
    let name = match form {
        KeyForm::WgInit => "public_key",
        KeyForm::Register => "pubkey",
    };
    let mut parsed: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|_| format!("the body must be a JSON object such as {{\"{name}\": \"BASE64\"}}, and is not"))?;
    let (key, node) = match form {
        KeyForm::WgInit => (parsed.remove(name), None),
        KeyForm::Register => (parsed.remove(name), parsed.remove("node")),
    };
    let key = match key {
        Some(Value::String(text)) if !text.trim().is_empty() => text,
        None | Some(Value::Null | Value::String(_)) => return Err(format!("{name} is required")),
        Some(_) => return Err(format!("{name} must be a text")),
    };
    let node = match node {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        Some(_) => return Err("node must be a text".to_owned()),
    };
    let key = WireguardKey::parse(&key).map_err(|error| format!("{name}: {error}"))?;
    Ok(KeyRequest { key, node })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";

    #[test]
    fn both_forms_are_read() {
        let key = WireguardKey::parse(KEY).unwrap();
        let body = format!("{{\"public_key\":\"{KEY}\",\"extra\":[1]}}");
        assert_eq!(parse(KeyForm::WgInit, body.as_bytes()), Ok(KeyRequest { key, node: None }));
        let body = format!("{{\"pubkey\":\"{KEY}\\n\",\"node\":\"compute-01\"}}");
        let request = KeyRequest { key, node: Some("compute-01".to_owned()) };
        assert_eq!(parse(KeyForm::Register, body.as_bytes()), Ok(request));
        let body = format!("{{\"pubkey\":\"{KEY}\",\"node\":null}}");
        assert_eq!(parse(KeyForm::Register, body.as_bytes()), Ok(KeyRequest { key, node: None }));
    }

    #[test]
    fn other_bodies_are_refused_with_a_sentence_that_does_not_repeat_them() {
        for (body, reason) in [
            ("", "must be a JSON object"),
            ("[]", "must be a JSON object"),
            ("\"x\"", "must be a JSON object"),
            ("{\"public_key\":\"s3cr3t\"", "must be a JSON object"),
            ("{}", "public_key is required"),
            ("{\"public_key\":null}", "public_key is required"),
            ("{\"public_key\":\"  \"}", "public_key is required"),
            ("{\"pubkey\":\"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\"}", "public_key is required"),
            ("{\"public_key\":7}", "public_key must be a text"),
            ("{\"public_key\":\"s3cr3t!\"}", "must be base64"),
            ("{\"public_key\":\"c2hvcnQ=\"}", "must be 32 bytes"),
        ] {
            let message = parse(KeyForm::WgInit, body.as_bytes()).unwrap_err();
            assert!(message.contains(reason) && !message.contains("s3cr3t"), "{body}: {message}");
        }
        let body = format!("{{\"pubkey\":\"{KEY}\",\"node\":7}}");
        assert_eq!(parse(KeyForm::Register, body.as_bytes()), Err("node must be a text".to_owned()));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_fail_inside(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(KeyForm::WgInit, &body);
            let _ = parse(KeyForm::Register, &body);
        }
    }
}
