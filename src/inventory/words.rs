//! Values of a file that belongs to another tool, read so that what is wrong with one is reported at its own place.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::net::IpAddr;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

use crate::types::{GroupLabel, InvalidText};

/// A value written as text.
///
/// The words of [`crate::types`] are parsed after the text was taken; in YAML an error would then get the place of the
/// entry around it. Here the parser still knows the place of the text. In YAML any plain scalar is text, so that a MAC
/// address of digits alone need not be quoted.
pub(super) struct Word<T>(pub(super) T);

struct WordVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for WordVisitor<T> {
    type Value = Word<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(Word).map_err(E::custom)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WordVisitor(PhantomData))
    }
}

/// An IP address, with a message that says what is expected.
pub(super) struct Address(pub(super) IpAddr);

impl FromStr for Address {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self).map_err(|_| {
            InvalidText(format!(
                "`{}` is not an IP address: one such as `172.16.0.1` is expected, without a prefix length",
                text.escape_debug()
            ))
        })
    }
}

/// The number of a node. 0 is the tool's own word for none: it leaves such a number out of what it sends.
pub(super) struct NodeNumber(pub(super) Option<u32>);

struct NodeNumberVisitor;

impl Visitor<'_> for NodeNumberVisitor {
    type Value = NodeNumber;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a number from 1 to {}", u32::MAX)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        let number = u32::try_from(number)
            .map_err(|_| E::custom(format!("{number} is not the number of a node: 1 to {} is expected", u32::MAX)))?;
        Ok(NodeNumber(Some(number).filter(|number| *number != 0)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::custom(format!("{number} is not the number of a node: 1 to {} is expected", u32::MAX))),
        }
    }
}

impl<'de> Deserialize<'de> for NodeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeNumberVisitor)
    }
}

/// One group label or a list of them; an empty text is none, as it is for the tool.
pub(super) struct Labels(pub(super) Vec<GroupLabel>);

struct LabelsVisitor;

impl<'de> Visitor<'de> for LabelsVisitor {
    type Value = Labels;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a group label or a list of them")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Labels(Vec::new()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.is_empty() {
            return self.visit_unit();
        }
        GroupLabel::parse(text).map(|label| Labels(vec![label])).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut labels = Vec::new();
        while let Some(Word(label)) = sequence.next_element()? {
            labels.push(label);
        }
        Ok(Labels(labels))
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LabelsVisitor)
    }
}
