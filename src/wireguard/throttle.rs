//! How many handshakes are taken on: all together, and from one address while there are too many.
//!
//! A cookie proves an address and no more. Whoever has one address could ask for as many handshakes as it likes, each of
//! which costs a computation on the curve before its key is known. So while there are too many, an address gets its
//! share only, and the others get in.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often an address may start a handshake while there are too many: fifty times a second, since a whole cluster can
/// be behind one address.
const INTERVAL: Duration = Duration::from_millis(20);
/// How many handshakes an address may start at once that has not started any for a while.
pub(super) const BURST: u32 = 100;
/// How many addresses are told apart, in 32 KiB. Those that share a place share its handshakes.
const PLACES: usize = 4096;

/// Counts handshakes. Shared by all threads.
pub(super) struct Throttle {
    /// From when times are counted.
    origin: Instant,
    /// How many handshakes a second are taken on without a look at where they come from.
    limit: u64,
    /// The second that is counted now.
    second: AtomicU64,
    /// How many there were in it.
    count: AtomicU64,
    /// Which place an address has. The key is made anew at each start: nobody can choose addresses that share the place
    /// of another.
    places: RandomState,
    /// When, in nanoseconds since the origin, what was started from a place is paid for at one handshake an interval.
    paid: Box<[AtomicU64]>,
}

impl Throttle {
    /// Takes on so many handshakes a second without a look at where they come from.
    pub(super) fn new(limit: u32, now: Instant) -> Self {
        Self {
            origin: now,
            limit: u64::from(limit),
            second: AtomicU64::new(0),
            count: AtomicU64::new(0),
            places: RandomState::new(),
            paid: (0..PLACES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Begins to count anew when another second has begun.
    pub(super) fn next_second(&self, now: Instant) {
        let second = now.saturating_duration_since(self.origin).as_secs();
        // No memory is guarded by these numbers, and a few handshakes more or less do not matter.
        if self.second.swap(second, Ordering::Relaxed) != second {
            self.count.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a handshake, and says whether it is one too many for this second.
    pub(super) fn is_above_limit(&self) -> bool {
        self.count.fetch_add(1, Ordering::Relaxed) >= self.limit
    }

    /// Counts a handshake of an address, and says whether the address has a right to it.
    pub(super) fn allows(&self, from: IpAddr, now: Instant) -> bool {
        let Some(paid) = self.paid.get(self.place(from)) else { return false };
        // Both last for centuries.
        let nanoseconds = |duration: Duration| duration.as_nanos() as u64;
        let now = nanoseconds(now.saturating_duration_since(self.origin));
        let (interval, longest) = (nanoseconds(INTERVAL), nanoseconds(INTERVAL * BURST));
        let next = |paid: u64| {
            let then = paid.max(now).saturating_add(interval);
            (then.saturating_sub(now) <= longest).then_some(then)
        };
        paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    /// The place of an address. Of IPv6, whoever has one address usually has a /64 of them.
    fn place(&self, from: IpAddr) -> usize {
        let network = match from.to_canonical() {
            IpAddr::V4(address) => (4, u64::from(u32::from(address))),
            IpAddr::V6(address) => (6, (u128::from(address) >> 64) as u64),
        };
        // Below the number of places, so that nothing is lost.
        (self.places.hash_one(network) % PLACES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// How many handshakes an address gets at a moment.
    fn allowed(throttle: &Throttle, from: &str, now: Instant) -> u32 {
        (0..10 * BURST).map(|_| u32::from(throttle.allows(address(from), now))).sum()
    }

    #[test]
    fn the_limit_is_of_each_second() {
        let start = Instant::now();
        let throttle = Throttle::new(2, start);
        let after = |milliseconds| {
            throttle.next_second(start + Duration::from_millis(milliseconds));
            [(); 3].map(|()| throttle.is_above_limit())
        };
        assert_eq!(after(0), [false, false, true]);
        assert_eq!(after(900), [true; 3]);
        assert_eq!(after(1100), [false, false, true]);
        assert_eq!(after(1900), [true; 3]);
    }

    #[test]
    fn an_address_gets_a_burst_and_then_its_rate_and_saves_no_more_than_a_burst() {
        let start = Instant::now();
        let throttle = Throttle::new(0, start);
        let after = |milliseconds| allowed(&throttle, "192.0.2.1", start + Duration::from_millis(milliseconds));
        assert_eq!((after(0), after(19), after(20), after(1020)), (BURST, 0, 1, 50));
        assert_eq!((after(3_600_000), after(3_600_000)), (BURST, 0));
        assert_eq!(after(0), 0, "a clock that went back gives nothing");
    }

    #[test]
    fn addresses_do_not_take_from_one_another_unless_they_share_a_place() {
        let now = Instant::now();
        let throttle = Throttle::new(0, now);
        assert_eq!(allowed(&throttle, "192.0.2.1", now), BURST);
        let place = throttle.place(address("192.0.2.1"));
        let mut others = (2..=255).map(|last| format!("192.0.2.{last}"));
        let other = others.find(|other| throttle.place(address(other)) != place).unwrap();
        assert_eq!(allowed(&throttle, &other, now), BURST);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_so_is_ipv4_in_ipv6() {
        let throttle = Throttle::new(0, Instant::now());
        let place = |text: &str| throttle.place(address(text));
        assert_eq!(place("2001:db8:0:1::1"), place("2001:db8:0:1:ffff::2"));
        assert_eq!(place("192.0.2.1"), place("::ffff:192.0.2.1"));
        let networks: Vec<_> = (0..64).map(|network| place(&format!("2001:db8:0:{network:x}::1"))).collect();
        assert!(networks.iter().any(|other| *other != networks[0]));
    }

    #[test]
    fn places_cannot_be_foreseen() {
        let places = |throttle: &Throttle| [1, 2, 3, 4].map(|last: u8| throttle.place(IpAddr::from([192, 0, 2, last])));
        let now = Instant::now();
        assert_ne!(places(&Throttle::new(0, now)), places(&Throttle::new(0, now)));
    }
}
