//! The first letters of user-data, vendor-data and group documents, by which cloud-init knows what they are.
//!
//! This is `handlers.type_from_starts_with`: after white space, in any case, the longest of these that the text begins
//! with; what follows does not matter, so that `#cloud-configs` is a cloud-config. Before that, a text with
//! `MIME-Version:` anywhere in its first 4096 bytes counts as a MIME message. What is none of these is passed over with
//! the warning "Unhandled non-multipart (text/x-not-multipart) userdata", and the node goes without; an empty text is
//! passed over without one. `Content-Type:` alone makes no MIME message.

use super::remark::Remark;
use crate::types::nearest;

/// The rule that cloud-init knows what a document is.
pub(super) const RULE: &str = "unknown-header";

/// Headers that a text may begin with; the first three also after a jinja line.
const HEADERS: [&str; 9] = [
    "#cloud-config",
    "#!",
    "#cloud-boothook",
    "#include",
    "#include-once",
    "#part-handler",
    "#cloud-config-archive",
    "#cloud-config-jsonp",
    JINJA,
];
/// Headers that a jinja template may become, in `handlers.jinja_template`.
const AFTER_JINJA: usize = 3;
/// The header of a template that the client renders.
pub(super) const JINJA: &str = "## template: jinja";
const MIME: &str = "mime-version:";
/// How far cloud-init looks for it.
const MIME_WITHIN: usize = 4096;

/// Whether cloud-init reads a text as cloud-config.
pub(super) fn is_cloud_config(text: &str) -> bool {
    let head = head(text);
    head.starts_with("#cloud-config")
        && !head.starts_with("#cloud-config-archive")
        && !head.starts_with("#cloud-config-jsonp")
}

/// The longest header that a text begins with, as [`HEADERS`] spells it.
pub(super) fn kind(text: &str) -> Option<&'static str> {
    let head = head(text);
    HEADERS.into_iter().filter(|header| head.starts_with(header)).max_by_key(|header| header.len())
}

/// Whether cloud-init takes a text for a template that it renders itself.
pub(super) fn is_jinja(text: &[u8]) -> bool {
    let head = text.trim_ascii_start().get(..JINJA.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(JINJA.as_bytes()))
}

/// What is wrong with the header of what a jinja template has become. Nothing is when it is empty, to the last line end.
pub(super) fn unknown_after_jinja(rendered: &str) -> Option<Remark> {
    let head = head(rendered);
    if head.is_empty() && !rendered.is_empty() {
        let message = "what the client renders of the document is white space, which it does not take for an empty \
                       document: it warns, and the boot counts as degraded";
        let hint = "put `#cloud-config` above the condition, and `{}` into its other branch";
        return Some(remark(message, hint.to_owned()));
    }
    let is_known = head.is_empty()
        || is_cloud_config(rendered)
        || HEADERS[1..AFTER_JINJA].iter().any(|header| head.starts_with(header));
    let message = "what the client renders of the document begins with none of the headers that may follow a jinja \
                   line, so that nodes ignore all of it";
    (!is_known).then(|| remark(message, hint(rendered, &HEADERS[..AFTER_JINJA])))
}

/// The first letters, in lower case.
fn head(text: &str) -> String {
    text.trim_start().chars().take(24).collect::<String>().to_ascii_lowercase()
}

/// What is wrong with the header of a text, and what to do about it. The text itself is not repeated.
pub(super) fn unknown_header(text: &str) -> Option<Remark> {
    let head = head(text);
    if head.is_empty() || is_mime(text) {
        return None;
    }
    let is_header = |head: &str, headers: &[&str]| headers.iter().any(|header| head.starts_with(header));
    if head.starts_with(JINJA) {
        let rest = text.trim_start().split_once('\n').map_or("", |(_, rest)| rest);
        let after = self::head(rest);
        // A header that the template makes is not there to be seen.
        let may_be_made = after.is_empty() || after.starts_with('{');
        let message = "after its jinja line the document begins with no header that cloud-init knows, so that nodes \
                       ignore all of it";
        let is_known = may_be_made || is_header(&after, &HEADERS[..AFTER_JINJA]);
        return (!is_known).then(|| remark(message, hint(rest, &HEADERS[..AFTER_JINJA])));
    }
    let message = "the document begins with no header that cloud-init knows, so that nodes ignore all of it";
    (!is_header(&head, &HEADERS)).then(|| remark(message, hint(text, &HEADERS)))
}

fn remark(message: &str, hint: String) -> Remark {
    Remark::at(RULE, (1, 1), message).with_hint(hint)
}

/// Whether cloud-init takes a text for a MIME message.
pub(super) fn is_mime(text: &str) -> bool {
    let bytes = &text.as_bytes()[..text.len().min(MIME_WITHIN)];
    bytes.windows(MIME.len()).any(|window| window.eq_ignore_ascii_case(MIME.as_bytes()))
}

fn hint(text: &str, headers: &[&'static str]) -> String {
    if let Some(header) = near_miss(text, headers) {
        return format!("did you mean `{header}`?");
    }
    if text.trim_start().to_ascii_lowercase().starts_with("content-type:") {
        return "a MIME message needs a line `MIME-Version: 1.0` at its top".to_owned();
    }
    let is_further_down = |line: &str| headers.iter().any(|header| line.to_ascii_lowercase().starts_with(header));
    match text.lines().any(is_further_down) {
        true => "a header stands further down; make it the first line".to_owned(),
        false => "begin it with `#cloud-config`, or with `#!` if it is a script".to_owned(),
    }
}

fn near_miss(text: &str, headers: &[&'static str]) -> Option<&'static str> {
    let first_line = text.trim_start().lines().next().unwrap_or_default().to_ascii_lowercase();
    let words: Vec<&str> = first_line.split_whitespace().take(3).collect();
    // `# cloud-config` is two words; a jinja line is three.
    let spellings =
        [words.first().copied().unwrap_or_default().to_owned(), words[..words.len().min(2)].concat(), words.join(" ")];
    // So short a header would be near to anything.
    let candidates = || headers.iter().copied().filter(|header| header.len() > 2);
    spellings.iter().find_map(|spelling| nearest(spelling, candidates()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_cloud_init_knows_and_empty_texts_are_fine() {
        for text in [
            "",
            "\n \n",
            "#cloud-config\n",
            "\n  #Cloud-Config\r\n",
            "#cloud-configs\n",
            "#!/bin/sh\n",
            "#include\nhttp://x\n",
            "#include-once http://x\n",
            "#cloud-boothook\n",
            "#part-handler\n",
            "#cloud-config-archive\n- a\n",
            "#cloud-config-jsonp\n[]\n",
            "## template: jinja\n#cloud-config\n",
            "## template: jinja\n\n#!/bin/sh\n",
            "## template: jinja\n{% if v1.region %}#cloud-config\n{% endif %}",
            "Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n",
            "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n",
        ] {
            assert_eq!(unknown_header(text), None, "{text:?}");
        }
    }

    #[test]
    fn near_misses_get_the_header_that_was_likely_meant() {
        for (text, header) in [
            ("#cloud-confg\na: 1\n", "#cloud-config"),
            ("# cloud-config\na: 1\n", "#cloud-config"),
            ("cloud-config\n", "#cloud-config"),
            ("#cloud_config\n", "#cloud-config"),
            ("#cloud-boothok\n", "#cloud-boothook"),
            ("#part_handler\n", "#part-handler"),
            ("##template: jinja\n#cloud-config\n", "## template: jinja"),
            ("# template: jinja\n#cloud-config\n", "## template: jinja"),
            ("## template: jinja\n#cloud-confg\n", "#cloud-config"),
        ] {
            let hint = unknown_header(text).and_then(|remark| remark.hint);
            assert_eq!(hint.as_deref(), Some(format!("did you mean `{header}`?").as_str()), "{text:?}");
        }
    }

    #[test]
    fn other_texts_are_ignored_by_nodes_and_get_other_hints() {
        for (text, word) in [
            ("packages: [vim]\n", "begin it with"),
            ("{}\n", "begin it with"),
            ("---\n#cloud-config\na: 1\n", "further down"),
            ("# of the compute nodes\n#cloud-config\na: 1\n", "further down"),
            ("Content-Type: text/cloud-config\n\na: 1\n", "MIME-Version"),
            ("## template: jinja\n#include\nhttp://x\n", "begin it with"),
        ] {
            let hint = unknown_header(text).and_then(|remark| remark.hint);
            assert!(hint.as_ref().is_some_and(|hint| hint.contains(word)), "{text:?}: {hint:?}");
        }
    }

    #[test]
    fn cloud_config_is_told_from_its_longer_relatives() {
        assert!(is_cloud_config("\n #Cloud-Config # mine\n"));
        for other in ["#cloud-config-archive\n", "#cloud-config-jsonp\n", "#!/bin/sh\n", "## template: jinja\n", ""] {
            assert!(!is_cloud_config(other), "{other:?}");
        }
    }
}
