//! Reading an answer as it comes, within bounds: whatever a server sends, it takes a known amount of memory.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use bytes::{Buf, Bytes};
use tokio::sync::mpsc::Receiver;

/// The most that one answer may have, in bytes, after decompression. A million nodes take about 600 MB.
pub(super) const MAX_BODY: u64 = 1 << 30;
/// The most that one element of an answer may have, in bytes. SMD's have about 400.
const MAX_ELEMENT: u64 = 1 << 20;

/// What may still be read before the next element has to be complete. Shared by a reader and whoever parses it.
#[derive(Clone, Debug)]
pub(super) struct ElementBudget(Rc<Cell<u64>>);

impl ElementBudget {
    pub(super) fn new() -> Self {
        Self(Rc::new(Cell::new(MAX_ELEMENT)))
    }

    /// An element is complete; the next one may begin.
    pub(super) fn renew(&self) {
        self.0.set(MAX_ELEMENT);
    }
}

/// A reader that fails when an answer is larger than it may be.
#[derive(Debug)]
pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    element: ElementBudget,
}

impl<R: Read> Bounded<R> {
    pub(super) const fn new(inner: R, element: ElementBudget) -> Self {
        Self { inner, left: MAX_BODY, element }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let read = count as u64;
        self.left = self.left.checked_sub(read).ok_or_else(|| {
            io::Error::other(format!("the answer is larger than {} MiB, which no inventory is", MAX_BODY >> 20))
        })?;
        let left = self.element.0.get().checked_sub(read).ok_or_else(|| {
            io::Error::other(format!("one element is larger than {} MiB, which none of SMD is", MAX_ELEMENT >> 20))
        })?;
        self.element.0.set(left);
        Ok(count)
    }
}

/// Reads what arrives in pieces on another thread. The end of the channel is the end of the answer.
#[derive(Debug)]
pub(super) struct Pieces {
    receiver: Receiver<Bytes>,
    piece: Bytes,
}

impl Pieces {
    pub(super) const fn new(receiver: Receiver<Bytes>) -> Self {
        Self { receiver, piece: Bytes::new() }
    }
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while !self.piece.has_remaining() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.piece = piece,
                None => return Ok(0),
            }
        }
        let count = self.piece.remaining().min(buffer.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_in_order_and_to_their_end() {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        for piece in [&b"ab"[..], b"", b"cde"] {
            sender.blocking_send(Bytes::from_static(piece)).unwrap();
        }
        drop(sender);
        let mut text = String::new();
        Pieces::new(receiver).read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcde");
    }

    #[test]
    fn an_element_may_be_large_and_not_endless() {
        let budget = ElementBudget::new();
        let mut reader = Bounded::new(io::repeat(b'x'), budget.clone());
        let mut buffer = vec![0; 1 << 19];
        for _ in 0..2 {
            reader.read_exact(&mut buffer).unwrap();
        }
        assert!(reader.read_exact(&mut buffer).is_err());
        budget.renew();
        reader.read_exact(&mut buffer).unwrap();
    }

    #[test]
    fn an_answer_ends_within_its_bound() {
        let budget = ElementBudget::new();
        let mut reader = Bounded::new(io::repeat(b'x'), budget.clone());
        let mut buffer = vec![0; 1 << 20];
        let mut read = 0_u64;
        while let Ok(count) = reader.read(&mut buffer) {
            read += count as u64;
            budget.renew();
        }
        assert_eq!(read, MAX_BODY);
    }
}
