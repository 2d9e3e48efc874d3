//! Reading the array of an answer one element at a time, and keeping what matters of each.

use std::fmt;
use std::io::{BufReader, Read};
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::bounded::{Bounded, ElementBudget};
use super::records::Records;
use super::weight::{MAX_WEIGHT, Weight};

/// The most elements that one answer may have: twice what a million nodes with two interfaces need.
const MAX_RECORDS: usize = 4_000_000;
/// Reads an array of `W`, below a key of an object or bare, and keeps what `keep` makes of its elements.
pub(super) fn read<W, T: Weight>(
    reader: impl Read,
    key: Option<&'static str>,
    keep: impl Fn(W) -> Option<T>,
) -> Result<Records<T>, serde_json::Error>
where
    W: for<'de> Deserialize<'de>,
{
    read_within(MAX_WEIGHT, reader, key, keep)
}

/// As [`read`], with another bound on what is kept, in bytes.
fn read_within<W, T: Weight>(
    max_weight: usize,
    reader: impl Read,
    key: Option<&'static str>,
    keep: impl Fn(W) -> Option<T>,
) -> Result<Records<T>, serde_json::Error>
where
    W: for<'de> Deserialize<'de>,
{
    let budget = ElementBudget::new();
    let mut records = Records { records: Vec::new(), of_hardware: 0 };
    let mut deserializer = serde_json::Deserializer::from_reader(BufReader::new(Bounded::new(reader, budget.clone())));
    let elements = Elements { keep: &keep, records: &mut records, budget: &budget, max_weight, wire: PhantomData };
    Answer { key, elements }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(records)
}

/// The whole answer.
struct Answer<'a, W, T, F> {
    key: Option<&'static str>,
    elements: Elements<'a, W, T, F>,
}

/// Its array.
struct Elements<'a, W, T, F> {
    keep: &'a F,
    records: &'a mut Records<T>,
    budget: &'a ElementBudget,
    max_weight: usize,
    wire: PhantomData<fn() -> W>,
}

impl<'de, W: Deserialize<'de>, T: Weight, F: Fn(W) -> Option<T>> DeserializeSeed<'de> for Answer<'_, W, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, W: Deserialize<'de>, T: Weight, F: Fn(W) -> Option<T>> Visitor<'de> for Answer<'_, W, T, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.key {
            Some(key) => write!(formatter, "an object with the array `{key}`"),
            None => formatter.write_str("an array"),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<(), A::Error> {
        self.elements.visit_seq(sequence)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut elements = self.key.map(|key| (key, self.elements));
        let Some((wanted, _)) = &elements else { return Err(A::Error::custom("an array was expected")) };
        let wanted = *wanted;
        while let Some(key) = map.next_key::<Box<str>>()? {
            if *key == *wanted {
                let (_, elements) =
                    elements.take().ok_or_else(|| A::Error::custom(format!("`{wanted}` stands twice")))?;
                map.next_value_seed(elements)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        if elements.is_some() { Err(A::Error::custom(format!("there is no `{wanted}` in it"))) } else { Ok(()) }
    }
}

impl<'de, W: Deserialize<'de>, T: Weight, F: Fn(W) -> Option<T>> DeserializeSeed<'de> for Elements<'_, W, T, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, W: Deserialize<'de>, T: Weight, F: Fn(W) -> Option<T>> Visitor<'de> for Elements<'_, W, T, F> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        let (mut count, mut weight) = (0, 0);
        while let Some(wire) = sequence.next_element_seed(Element(PhantomData::<fn() -> W>))? {
            self.budget.renew();
            count += 1;
            if count > MAX_RECORDS {
                return Err(A::Error::custom(format!("there are more than {MAX_RECORDS} elements")));
            }
            match (self.keep)(wire) {
                Some(record) => {
                    weight += record.weight();
                    if weight > self.max_weight {
                        return Err(A::Error::custom(format!(
                            "what it says takes more than {} MiB of memory, which no inventory does",
                            self.max_weight >> 20
                        )));
                    }
                    self.records.records.push(record);
                }
                None => self.records.of_hardware += 1,
            }
        }
        Ok(())
    }
}

/// One element: an object. What is derived would take an array too, whose values mean what stands at their place.
struct Element<W>(PhantomData<fn() -> W>);

impl<'de, W: Deserialize<'de>> DeserializeSeed<'de> for Element<W> {
    type Value = W;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<W, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, W: Deserialize<'de>> Visitor<'de> for Element<W> {
    type Value = W;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<W, A::Error> {
        W::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text that is kept as it is.
    #[derive(Deserialize)]
    struct Named {
        name: Box<str>,
    }

    impl Weight for Box<str> {
        fn weight(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn what_is_kept_weighs_no_more_than_it_may() {
        let named = |max_weight| {
            let text = r#"[{"name":"0123456789"},{"name":"0123456789"}]"#;
            read_within::<Named, _>(max_weight, text.as_bytes(), None, |named| Some(named.name))
        };
        assert_eq!(named(20).unwrap().records.len(), 2);
        let message = named(19).unwrap_err().to_string();
        assert!(message.starts_with("what it says takes more than"), "{message}");
    }

    #[test]
    fn what_is_not_kept_weighs_nothing() {
        let text = format!("[{}{{\"name\":\"x\"}}]", "{\"name\":\"0123456789\"},".repeat(1000));
        let short = |named: Named| Some(named.name).filter(|name| name.len() == 1);
        let records = read_within::<Named, _>(1, text.as_bytes(), None, short).unwrap();
        assert_eq!((records.records.len(), records.of_hardware), (1, 1000));
    }
}
