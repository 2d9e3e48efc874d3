//! Datagrams on their way out.
//!
//! When the system takes no more at the moment, some wait here, and the stacks of the tunnels have to wait for those:
//! what they would send now would be lost, and sent again much later.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::counters::{Counters, count};

/// How many datagrams may wait. Stacks stop when one does; what comes after that are answers of the protocol, and the
/// rest of one stack's turn.
const BACKLOG: usize = 1024;

/// Something that takes datagrams without waiting, or says that it would have to.
pub(super) trait Outlet {
    fn offer(&self, message: &[u8], to: SocketAddr) -> io::Result<()>;
}

impl Outlet for UdpSocket {
    fn offer(&self, message: &[u8], to: SocketAddr) -> io::Result<()> {
        self.try_send_to(message, to).map(drop)
    }
}

/// Datagrams on their way out of one shard.
#[derive(Default)]
pub(super) struct Sender {
    backlog: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Sender {
    /// Whether datagrams wait.
    pub(super) fn is_blocked(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Sends a datagram, now or soon. One that cannot be sent is lost, as on the way: whoever needs it asks again.
    pub(super) fn send(&mut self, outlet: &impl Outlet, counters: &Counters, to: SocketAddr, message: &[u8]) {
        if !self.is_blocked() && !is_full(outlet.offer(message, to), counters) {
            return;
        }
        if self.backlog.len() < BACKLOG {
            self.backlog.push_back((to, message.to_vec()));
        } else {
            count(&counters.unsent);
        }
    }

    /// Sends what waits, as far as it goes.
    pub(super) fn flush(&mut self, outlet: &impl Outlet, counters: &Counters) {
        while let Some((to, message)) = self.backlog.front() {
            if is_full(outlet.offer(message, *to), counters) {
                return;
            }
            self.backlog.pop_front();
        }
    }
}

/// Whether the system takes no more at the moment. Any other error is that of one datagram.
fn is_full(result: io::Result<()>, counters: &Counters) -> bool {
    match result {
        Ok(()) => false,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
        Err(error) => {
            count(&counters.unsent);
            tracing::trace!("a message was not sent: {error}");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// Takes so many datagrams, and fails for those that are empty.
    #[derive(Default)]
    struct Narrow {
        room: Cell<usize>,
        taken: RefCell<Vec<u8>>,
    }

    impl Outlet for Narrow {
        fn offer(&self, message: &[u8], _to: SocketAddr) -> io::Result<()> {
            let room = self.room.get().checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
            let first = message.first().ok_or(io::ErrorKind::ConnectionRefused)?;
            self.room.set(room);
            self.taken.borrow_mut().push(*first);
            Ok(())
        }
    }

    #[test]
    fn what_has_to_wait_is_sent_in_order_and_what_is_too_much_is_counted() {
        let (mut sender, outlet, counters) = (Sender::default(), Narrow::default(), Counters::default());
        let to = "192.0.2.1:1".parse().unwrap();
        let send = |sender: &mut Sender, message: &[u8]| sender.send(&outlet, &counters, to, message);
        outlet.room.set(1);
        for number in 1..=3 {
            send(&mut sender, &[number]);
        }
        assert!(sender.is_blocked());
        outlet.room.set(1);
        sender.flush(&outlet, &counters);
        assert!(sender.is_blocked());
        send(&mut sender, &[]);
        outlet.room.set(100);
        send(&mut sender, &[4]);
        sender.flush(&outlet, &counters);
        assert!(!sender.is_blocked());
        assert_eq!(*outlet.taken.borrow(), [1, 2, 3, 4]);
        assert_eq!(counters.snapshot().unsent, 1, "the one that failed");
        outlet.room.set(0);
        for _ in 0..BACKLOG + 5 {
            send(&mut sender, &[5]);
        }
        assert_eq!(counters.snapshot().unsent, 6);
    }
}
