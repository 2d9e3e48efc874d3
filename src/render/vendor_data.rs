//! vendor-data: how a node gets its groups' documents, by a list of URLs or in one MIME message.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::types::{Digest, GroupLabel};

/// Everything but the unreserved characters of RFC 3986 is escaped.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The URL of a group's document. The base has no final slash, so that none is doubled.
#[must_use]
pub(super) fn group_url(base_url: &str, group: &GroupLabel) -> String {
    format!("{base_url}/{}.yaml", utf8_percent_encode(group.as_str(), ESCAPED))
}

/// One MIME multipart message with a part for every group's document.
///
/// The parts are `text/plain`, so that cloud-init finds out what each is by its first line, exactly as it does with an
/// included URL. A document that is itself a MIME message goes in with its own header.
#[must_use]
pub(super) fn multipart(parts: &[(&GroupLabel, &[u8])]) -> Vec<u8> {
    let bodies: Vec<Vec<u8>> = parts.iter().map(|(label, body)| part(label, body)).collect();
    // The boundary is made of the contents: the same parts give the same bytes, and no part can hold its own digest.
    let boundary = format!("==mds-{}==", Digest::of(&bodies.concat()).short());
    let mut message = format!("MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\n");
    let mut bytes = std::mem::take(&mut message).into_bytes();
    for body in bodies {
        bytes.extend_from_slice(format!("--{boundary}\n").as_bytes());
        bytes.extend_from_slice(&body);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(format!("--{boundary}--\n").as_bytes());
    bytes
}

fn part(label: &GroupLabel, body: &[u8]) -> Vec<u8> {
    if is_mime_message(body) {
        return body.to_vec();
    }
    let head = format!(
        "Content-Type: text/plain; charset=\"utf-8\"\nContent-Disposition: attachment; filename=\"{label}.yaml\"\n"
    );
    // Python's e-mail parser mangles text beyond ASCII that is not encoded, and splits lines at more characters than
    // a newline.
    let simple = body.iter().all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~'));
    let mut bytes = head.into_bytes();
    if simple {
        bytes.extend_from_slice(b"Content-Transfer-Encoding: 7bit\n\n");
        bytes.extend_from_slice(body);
    } else {
        bytes.extend_from_slice(b"Content-Transfer-Encoding: base64\n\n");
        for line in STANDARD.encode(body).as_bytes().chunks(76) {
            bytes.extend_from_slice(line);
            bytes.push(b'\n');
        }
    }
    bytes
}

/// cloud-init's own test: the words stand in the first 4096 bytes, in any case.
fn is_mime_message(body: &[u8]) -> bool {
    body[..body.len().min(4096)].to_ascii_lowercase().windows(13).any(|window| window == b"mime-version:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(text: &str) -> GroupLabel {
        GroupLabel::parse(text).unwrap()
    }

    #[test]
    fn labels_are_escaped_in_urls() {
        assert_eq!(group_url("http://h/x", &label("a+b:c@d")), "http://h/x/a%2Bb%3Ac%40d.yaml");
        assert_eq!(group_url("http://h", &label("rack-4.a_b~")), "http://h/rack-4.a_b~.yaml");
    }

    #[test]
    fn text_beyond_ascii_is_encoded_and_plain_text_is_not() {
        let (plain, accented) = (label("plain"), label("accented"));
        let bytes =
            multipart(&[(&plain, b"#cloud-config\nkey: a\n"), (&accented, "#cloud-config\nk: \u{e9}\n".as_bytes())]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        assert!(text.contains("7bit\n\n#cloud-config\nkey: a\n\n--==mds-"), "{text}");
        assert!(text.contains("base64\n\nI2Nsb3VkLWNvbmZpZwprOiDDqQo=\n"), "{text}");
        assert_eq!(
            bytes,
            multipart(&[(&plain, b"#cloud-config\nkey: a\n"), (&accented, "#cloud-config\nk: \u{e9}\n".as_bytes())])
        );
    }

    #[test]
    fn a_document_that_is_a_message_keeps_its_own_header() {
        let group = label("g");
        let body = b"Content-Type: text/x-shellscript\nMIME-Version: 1.0\n\n#!/bin/sh\n";
        let text = String::from_utf8(multipart(&[(&group, body)])).unwrap();
        assert!(text.contains("==\nContent-Type: text/x-shellscript\n"), "{text}");
    }
}
