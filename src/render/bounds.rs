//! Bounds for one document: a writer that refuses to grow past a size, and a deadline that templates meet in whatever
//! they call. What loops without calling anything is caught by the watchdog of [`super::parallel`].

use std::cell::Cell;
use std::io::{self, Write};
use std::time::{Duration, Instant};

thread_local! {
    /// When the document that this thread renders has to be finished.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Starts the clock for one document on this thread.
pub(super) fn start_deadline(limit: Duration) {
    DEADLINE.set(Instant::now().checked_add(limit));
}

/// Whether the document's time is up.
pub(super) fn is_late() -> bool {
    DEADLINE.get().is_some_and(|deadline| Instant::now() > deadline)
}

/// Which bound a document has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bound {
    Size,
    Time,
}

/// Collects a document and fails when it grows too large or takes too long.
#[derive(Debug)]
pub(super) struct BoundedWriter {
    bytes: Vec<u8>,
    max_bytes: usize,
    writes: u32,
    met: Option<Bound>,
}

/// Writes between two looks at the clock: templates write a few bytes at a time, and a look costs more than a write.
const WRITES_PER_LOOK: u32 = 256;

impl BoundedWriter {
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { bytes: Vec::new(), max_bytes, writes: 0, met: None }
    }

    pub(super) const fn met(&self) -> Option<Bound> {
        self.met
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn refuse(&mut self, bound: Bound) -> io::Error {
        self.met = Some(bound);
        io::Error::other("a bound is met")
    }
}

impl Write for BoundedWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.writes = self.writes.wrapping_add(1);
        if self.bytes.len() + buffer.len() > self.max_bytes {
            return Err(self.refuse(Bound::Size));
        }
        if self.writes.is_multiple_of(WRITES_PER_LOOK) && is_late() {
            return Err(self.refuse(Bound::Time));
        }
        self.bytes.extend_from_slice(buffer);
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writer_stops_at_its_size() {
        let mut writer = BoundedWriter::new(4);
        assert!(writer.write_all(b"1234").is_ok());
        assert!(writer.write_all(b"5").is_err());
        assert_eq!(writer.met(), Some(Bound::Size));
    }

    #[test]
    fn the_writer_stops_at_its_time() {
        start_deadline(Duration::ZERO);
        std::thread::sleep(Duration::from_millis(2));
        let mut writer = BoundedWriter::new(usize::MAX);
        let failed = (0..=WRITES_PER_LOOK).any(|_| writer.write_all(b"x").is_err());
        assert!(failed && writer.met() == Some(Bound::Time));
    }
}
