//! Time that neither jumps nor stops: how long something has lasted must not depend on what the wall clock is set to.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::types::InvalidText;

/// One start of the machine, by the number that the kernel makes for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BootId(u128);

impl BootId {
    /// The boot with this number.
    #[must_use]
    pub const fn new(number: u128) -> Self {
        Self(number)
    }

    /// Parses what `/proc/sys/kernel/random/boot_id` says: 32 hexadecimal digits, with or without dashes.
    ///
    /// # Errors
    /// When the text is something else.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        let digits = text.trim_ascii().replace('-', "");
        let number = (digits.len() == 32).then(|| u128::from_str_radix(&digits, 16).ok()).flatten();
        number.map(Self).ok_or_else(|| InvalidText(format!("`{}` is not the id of a boot", text.escape_debug())))
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

crate::types::text_conversions!(BootId);

/// A moment, by the wall clock and by how long the machine has been up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// The wall clock, which may be set at any time.
    pub wall: Timestamp,
    /// The boot.
    pub boot: BootId,
    /// The time since the boot, with the time that the machine was suspended.
    #[serde(rename = "uptime_ms", with = "crate::wireguard::clock::milliseconds")]
    pub uptime: Duration,
}

impl Moment {
    /// The time from an earlier moment to this one: exact within a boot, whatever the wall clock does; by the wall clock
    /// across boots, and when that went back, at least what has passed since this boot.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Duration {
        if self.boot == earlier.boot {
            self.uptime.saturating_sub(earlier.uptime)
        } else {
            let by_wall = Duration::try_from(self.wall.duration_since(earlier.wall)).unwrap_or_default();
            by_wall.max(self.uptime)
        }
    }

    /// The moment as the journal will tell it after a restart.
    #[must_use]
    pub fn rounded(self) -> Self {
        Self { uptime: Duration::from_millis(u64::try_from(self.uptime.as_millis()).unwrap_or(u64::MAX)), ..self }
    }
}

/// How long something has lasted. After [`Stopwatch::rebase`], what the wall clock does no longer counts until the next
/// boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopwatch {
    at: Moment,
    /// What had passed at that moment.
    #[serde(rename = "before_ms", with = "crate::wireguard::clock::milliseconds")]
    before: Duration,
}

impl Stopwatch {
    /// Begins now.
    #[must_use]
    pub fn start(now: Moment) -> Self {
        Self { at: now.rounded(), before: Duration::ZERO }
    }

    /// What has passed.
    #[must_use]
    pub fn elapsed(&self, now: &Moment) -> Duration {
        self.before.saturating_add(now.since(&self.at))
    }

    /// Counts on from now: once that is written down, what had passed is never forgotten.
    pub fn rebase(&mut self, now: Moment) {
        let now = now.rounded();
        *self = Self { before: self.elapsed(&now), at: now };
    }
}

/// Where moments come from: the system's clock, or that of a test.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The moment now.
    fn now(&self) -> Moment;
}

/// The clocks of the system.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    boot: BootId,
}

/// Where the kernel says which boot it is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

impl SystemClock {
    /// The clocks of this machine.
    ///
    /// # Errors
    /// When the kernel does not say which boot it is.
    pub fn new() -> Result<Self, String> {
        let text = std::fs::read_to_string(BOOT_ID)
            .map_err(|error| format!("{BOOT_ID} cannot be read: {error}; mount /proc, tunnels need it"))?;
        BootId::parse(&text).map(|boot| Self { boot }).map_err(|error| format!("{BOOT_ID}: {error}"))
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        let uptime = clock_gettime(ClockId::Boottime);
        // The time since the boot is not negative.
        let uptime = Duration::try_from(uptime).unwrap_or_default();
        Moment { wall: Timestamp::now(), boot: self.boot, uptime }
    }
}

/// Durations in whole milliseconds.
pub(super) mod milliseconds {
    use super::{Deserialize, Deserializer, Duration, Serializer};

    pub(in crate::wireguard) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(in crate::wireguard) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(wall: i64, boot: u128, uptime: u64) -> Moment {
        Moment {
            wall: Timestamp::from_second(wall).unwrap(),
            boot: BootId::new(boot),
            uptime: Duration::from_secs(uptime),
        }
    }

    #[test]
    fn within_a_boot_the_wall_clock_does_not_count() {
        let watch = Stopwatch::start(moment(1000, 1, 50));
        for wall in [0, 1010, 1_000_000] {
            assert_eq!(watch.elapsed(&moment(wall, 1, 60)).as_secs(), 10);
        }
    }

    #[test]
    fn across_boots_the_wall_clock_counts_and_one_that_went_back_counts_the_uptime() {
        let mut watch = Stopwatch::start(moment(1000, 1, 50));
        assert_eq!(watch.elapsed(&moment(1300, 2, 5)).as_secs(), 300);
        assert_eq!(watch.elapsed(&moment(0, 2, 5)).as_secs(), 5);
        watch.rebase(moment(0, 2, 5));
        assert_eq!(watch.elapsed(&moment(5000, 2, 25)).as_secs(), 25, "counted anew from the start of the server");
        watch.rebase(moment(5100, 3, 1));
        assert_eq!(watch.elapsed(&moment(0, 3, 2)).as_secs(), 5106);
    }

    #[test]
    fn a_stopwatch_is_the_same_after_it_was_written() {
        let watch = Stopwatch::start(Moment { uptime: Duration::from_nanos(1_234_567), ..moment(5, 7, 0) });
        let text = serde_json::to_string(&watch).unwrap();
        assert_eq!(serde_json::from_str::<Stopwatch>(&text).unwrap(), watch, "{text}");
    }

    #[test]
    fn the_system_has_a_boot_and_an_uptime() {
        let clock = SystemClock::new().unwrap();
        let (first, second) = (clock.now(), clock.now());
        assert!(first.uptime > Duration::ZERO && second.uptime >= first.uptime && first.boot == second.boot);
        assert!(BootId::parse("x").is_err());
    }
}
