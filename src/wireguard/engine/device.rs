//! Where the TCP/IP stack of a tunnel gets its packets, and where it puts them.

use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;

/// The greatest packet inside a tunnel: what fits an Ethernet frame over IPv6 with WireGuard's overhead. It is the
/// default of all other implementations too.
pub(super) const MTU: usize = 1420;

/// Packets that are to be sealed and sent.
#[derive(Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Outbox {
    /// The packets, in order.
    pub(super) fn packets(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.bytes[start..*end])
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// A device for one call of the stack.
pub(super) struct Device<'a> {
    /// The packet that has come, if any.
    pub(super) inbound: Option<&'a [u8]>,
    /// Where packets go.
    pub(super) outbox: &'a mut Outbox,
}

impl phy::Device for Device<'_> {
    type RxToken<'token>
        = RxToken<'token>
    where
        Self: 'token;
    type TxToken<'token>
        = TxToken<'token>
    where
        Self: 'token;

    fn receive(&mut self, _timestamp: Instant) -> Option<(RxToken<'_>, TxToken<'_>)> {
        let inbound = self.inbound.take()?;
        Some((RxToken(inbound), TxToken(self.outbox)))
    }

    fn transmit(&mut self, _timestamp: Instant) -> Option<TxToken<'_>> {
        Some(TxToken(self.outbox))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

/// A packet that has come.
pub(super) struct RxToken<'a>(&'a [u8]);

impl phy::RxToken for RxToken<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(self.0)
    }
}

/// Room for a packet.
pub(super) struct TxToken<'a>(&'a mut Outbox);

impl phy::TxToken for TxToken<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let Outbox { bytes, ends } = self.0;
        let start = bytes.len();
        bytes.resize(start + length, 0);
        ends.push(bytes.len());
        write(&mut bytes[start..])
    }
}
