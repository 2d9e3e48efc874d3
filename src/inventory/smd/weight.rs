//! How much memory a record takes. A byte of an answer can become twenty in memory, so that a bound on the answer alone
//! bounds little.

use super::records::{Address, Component, EthernetInterface, Membership};

/// The most that the records of one answer may take in memory, in bytes. Those of a million nodes with two interfaces
/// take half of it.
pub(super) const MAX_WEIGHT: usize = 1 << 30;

/// Something that is kept of an answer.
pub(super) trait Weight {
    /// What it takes in memory, in bytes.
    fn weight(&self) -> usize;
}

/// What an allocation takes: allocators round up, need something for themselves, and give no less than 32 bytes.
fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { (bytes + 8).next_multiple_of(16).max(32) }
}

/// What the texts take besides the place where they are kept.
fn texts<'a>(texts: impl IntoIterator<Item = &'a Box<str>>) -> usize {
    texts.into_iter().map(|text| allocated(text.len())).sum()
}

impl Weight for Component {
    fn weight(&self) -> usize {
        size_of::<Self>() + texts([&self.id, &self.role, &self.sub_role])
    }
}

impl Weight for EthernetInterface {
    fn weight(&self) -> usize {
        let addresses = self.addresses.iter().flat_map(|Address { ip, network }| [ip, network]);
        size_of::<Self>()
            + allocated(size_of_val(&*self.addresses))
            + texts([&self.component, &self.mac, &self.description].into_iter().chain(addresses))
    }
}

impl Weight for Membership {
    fn weight(&self) -> usize {
        size_of::<Self>() + allocated(size_of_val(&*self.labels)) + texts([&self.id].into_iter().chain(&self.labels))
    }
}
