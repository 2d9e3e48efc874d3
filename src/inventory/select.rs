//! Naming a node the way people do: by id, hostname, NID, IP address or MAC address.

use std::net::IpAddr;

use crate::types::{MacAddress, NodeId};

/// What a person typed to name a node. One text may be read in several ways; an id or a hostname wins over the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    text: String,
    nid: Option<u32>,
    address: Option<IpAddr>,
    mac: Option<MacAddress>,
}

impl Selector {
    /// Takes any text.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let digits = text.strip_prefix("nid").unwrap_or(text);
        Self {
            text: text.to_owned(),
            nid: digits.parse().ok(),
            address: text.parse::<IpAddr>().ok().map(|address| address.to_canonical()),
            mac: MacAddress::parse(text).ok(),
        }
    }

    /// How well the text names a node with these properties: `None` when not at all, and smaller is better.
    #[must_use]
    pub fn rank(
        &self,
        id: &str,
        hostname: &str,
        nid: Option<u32>,
        addresses: &[IpAddr],
        macs: &[MacAddress],
    ) -> Option<u8> {
        if id == self.text {
            Some(0)
        } else if hostname == self.text {
            Some(1)
        } else if self.address.is_some_and(|address| addresses.contains(&address)) {
            Some(2)
        } else if self.mac.is_some_and(|mac| macs.contains(&mac)) {
            Some(3)
        } else if self.nid.is_some() && self.nid == nid {
            Some(4)
        } else {
            None
        }
    }

    /// Chooses among candidates with their ranks: the one of the best rank, if it is the only one of it.
    ///
    /// # Errors
    /// A sentence, when none or several fit.
    pub fn choose<'a, T>(
        &self,
        ranked: impl Iterator<Item = (u8, &'a T)>,
        id: impl Fn(&T) -> &NodeId,
    ) -> Result<&'a T, String> {
        let mut best: Vec<&T> = Vec::new();
        let mut best_rank = u8::MAX;
        for (rank, candidate) in ranked {
            if rank < best_rank {
                best.clear();
                best_rank = rank;
            }
            if rank == best_rank {
                best.push(candidate);
            }
        }
        match best.as_slice() {
            [only] => Ok(only),
            [] => Err(format!("no node has the id, hostname, NID, IP or MAC address `{}`", self.text)),
            several => {
                let ids: Vec<&str> = several.iter().take(5).map(|candidate| id(candidate).as_str()).collect();
                Err(format!("`{}` names {} nodes, among them {}", self.text, several.len(), ids.join(", ")))
            }
        }
    }

    /// The text as it was typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_can_be_named_in_five_ways() {
        let addresses = ["10.252.0.26".parse().unwrap()];
        let macs = [MacAddress::parse("b4:2e:99:be:1a:6d").unwrap()];
        let rank = |text: &str| Selector::new(text).rank("x1", "tc1000", Some(1000), &addresses, &macs);
        assert_eq!(rank("x1"), Some(0));
        assert_eq!(rank("tc1000"), Some(1));
        assert_eq!(rank("::ffff:10.252.0.26"), Some(2));
        assert_eq!(rank("B4-2E-99-BE-1A-6D"), Some(3));
        assert_eq!(rank("1000"), Some(4));
        assert_eq!(rank("nid001000"), Some(4));
        assert_eq!(rank("x2"), None);
    }
}
