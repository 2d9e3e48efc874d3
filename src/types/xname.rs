//! Xnames: the names of hardware by its place, as HPE Cray systems and OpenCHAMI's SMD give them.

/// What an xname names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XnameKind {
    /// A node, such as `x1000c0s0b0n0`.
    Node,
    /// A virtual node on a node, such as `x1000c0s0b0n0v1`.
    VirtualNode,
    /// Other hardware, such as the BMC `x1000c0s0b0` or the chassis `x1000c0`.
    Other,
}

/// Says what a text names, if it is an xname: a cabinet of 1 to 4 digits, then letters with numbers. Follows the grammar
/// of HPE's `hms-xname`, in lower case as SMD writes it; hardware that holds no nodes is recognised by its shape only.
#[must_use]
pub fn xname_kind(text: &str) -> Option<XnameKind> {
    let mut letters = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let after = &rest[letter.len_utf8()..];
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        let (number, remaining) = after.split_at(digits);
        let fits = match (letters.len(), letter) {
            (0, 'x') => (1..=4).contains(&digits),
            (0, _) => false,
            (1, 'c') => digits == 1 && number < "8",
            _ => letter.is_ascii_lowercase() && digits > 0,
        };
        if !fits {
            return None;
        }
        letters.push(letter);
        rest = remaining;
    }
    match letters.as_str() {
        "" => None,
        "xcsbn" => Some(XnameKind::Node),
        "xcsbnv" => Some(XnameKind::VirtualNode),
        _ => Some(XnameKind::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xnames_are_told_by_what_they_name() {
        for (text, kind) in [
            ("x1000c0s0b0n0", Some(XnameKind::Node)),
            ("x0c7s63b1n12", Some(XnameKind::Node)),
            ("x1000c0s0b0n0v3", Some(XnameKind::VirtualNode)),
            ("x1000c0s0b0", Some(XnameKind::Other)),
            ("x1000c0s0b0n0i0", Some(XnameKind::Other)),
            ("x1000", Some(XnameKind::Other)),
            ("x1000m0", Some(XnameKind::Other)),
        ] {
            assert_eq!(xname_kind(text), kind, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_xnames() {
        for text in [
            "",
            "x",
            "login01",
            "x10000c0s0b0n0",
            "x1000c8s0b0n0",
            "x1000c0sb0n0",
            "X1000c0s0b0n0",
            "x1000c0s0b0n0 ",
            "xé",
            "c0s0",
        ] {
            assert_eq!(xname_kind(text), None, "{text}");
        }
        // The simulator of the legacy server leaves out the slot: no node of SMD is called so.
        assert_eq!(xname_kind("x3000c0b0n0"), Some(XnameKind::Other));
    }
}
