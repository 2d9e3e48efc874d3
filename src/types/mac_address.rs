//! MAC addresses.

use std::fmt;

use super::{InvalidText, text_conversions};

/// An Ethernet address (EUI-48), written as six lower-case pairs with colons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddress([u8; 6]);

impl MacAddress {
    /// Parses twelve hexadecimal digits of either case, bare or as pairs joined by `:` or `-`.
    ///
    /// # Errors
    /// When the text is anything else, or the address that means "none" (all zero).
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        Self::digits(text).filter(|bytes| *bytes != [0; 6]).map(Self).ok_or_else(|| {
            InvalidText(format!(
                "`{}` is not a MAC address: twelve hexadecimal digits such as `b4:2e:99:be:1a:6d` are expected",
                text.escape_debug()
            ))
        })
    }

    fn digits(text: &str) -> Option<[u8; 6]> {
        let pairs: Vec<&str> = match text.len() {
            12 if text.is_ascii() => (0..6).map(|index| &text[2 * index..2 * index + 2]).collect(),
            17 if text.contains('-') => text.split('-').collect(),
            17 => text.split(':').collect(),
            _ => return None,
        };
        let mut bytes = [0; 6];
        if pairs.len() != bytes.len() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let hexadecimal = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            *byte = u8::from_str_radix(pair, 16).ok().filter(|_| hexadecimal)?;
        }
        Some(bytes)
    }

    /// Whether the address means several interfaces (multicast, or broadcast) and so can be that of none.
    #[must_use]
    pub const fn is_multicast(&self) -> bool {
        self.0[0] & 1 == 1
    }

    /// The address with dashes instead of colons, as it stands in names of files.
    #[must_use]
    pub fn with_dashes(&self) -> String {
        self.to_string().replace(':', "-")
    }
}

impl fmt::Display for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f] = self.0;
        write!(formatter, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}")
    }
}

impl fmt::Debug for MacAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

text_conversions!(MacAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_spelling_is_one_address() {
        let address = MacAddress::parse("b4:2e:99:be:1a:6d");
        for text in ["B4:2E:99:BE:1A:6D", "b4-2e-99-be-1a-6d", "b42e99be1a6d"] {
            assert_eq!(MacAddress::parse(text), address);
        }
        assert_eq!(address.map(|mac| mac.with_dashes()), Ok("b4-2e-99-be-1a-6d".to_owned()));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "b4:2e", "b4:2e:99:be:1a:6g", "00:00:00:00:00:00", "b4:2e:99:be:1a-6d", "ééééééé", "+4:2e:99:be:1a:6d"]
        {
            assert!(MacAddress::parse(text).is_err(), "{text:?} must be refused");
        }
    }
}
