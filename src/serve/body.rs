//! Reading what a client sends: never more than was meant, never for longer than was meant.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body;

/// How much is read and thrown away behind a limit, in bytes. An answer to a client that still sends may be lost with its
/// connection, so one that sends a little too much is heard to its end.
const THROWN_AWAY: u64 = 256 * 1024;

/// How long the rest of a body that is too long is waited for.
const LINGER: Duration = Duration::from_millis(500);

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyFault {
    /// It has more bytes than the limit.
    TooLong,
    /// It did not end in time.
    TooSlow,
    /// It is not what its headers say, or the client has gone.
    Broken,
}

/// A body, and what became of its connection.
#[derive(Debug)]
pub(super) struct Heard {
    /// The bytes.
    pub(super) bytes: Result<Vec<u8>, BodyFault>,
    /// Whether the body was read to its end, so that another request can follow.
    pub(super) is_whole: bool,
}

/// Reads a body of at most `limit` bytes. What is said of its length beforehand counts only when it is too much.
pub(super) async fn read<B>(body: B, limit: usize, patience: Duration) -> Heard
where
    B: Body<Data = Bytes> + Unpin,
{
    let limit = limit as u64;
    if body.size_hint().lower() > limit + THROWN_AWAY {
        return Heard { bytes: Err(BodyFault::TooLong), is_whole: false };
    }
    let mut reader = Reader { body, kept: Vec::new(), length: 0 };
    let bytes = match tokio::time::timeout(patience, reader.read_to(limit)).await {
        Ok(Ok(true)) => return Heard { bytes: Ok(reader.kept), is_whole: true },
        Ok(Ok(false)) => Err(BodyFault::TooLong),
        Ok(Err(fault)) => return Heard { bytes: Err(fault), is_whole: false },
        Err(_) => return Heard { bytes: Err(BodyFault::TooSlow), is_whole: false },
    };
    reader.kept = Vec::new();
    let rest = tokio::time::timeout(LINGER, reader.throw_away(limit + THROWN_AWAY)).await;
    Heard { bytes, is_whole: rest.unwrap_or(false) }
}

struct Reader<B> {
    body: B,
    kept: Vec<u8>,
    length: u64,
}

impl<B: Body<Data = Bytes> + Unpin> Reader<B> {
    /// Whether the body ended within the limit.
    async fn read_to(&mut self, limit: u64) -> Result<bool, BodyFault> {
        while let Some(frame) = self.body.frame().await {
            let frame = frame.map_err(|_| BodyFault::Broken)?;
            let Some(data) = frame.data_ref() else { continue };
            self.length = self.length.saturating_add(data.len() as u64);
            if self.length > limit {
                return Ok(false);
            }
            self.kept.extend_from_slice(data);
        }
        Ok(true)
    }

    /// Whether the body ended before there was far too much of it.
    async fn throw_away(&mut self, limit: u64) -> bool {
        while let Some(frame) = self.body.frame().await {
            let Ok(frame) = frame else { return false };
            self.length = self.length.saturating_add(frame.data_ref().map_or(0, |data| data.len() as u64));
            if self.length > limit {
                return false;
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use http_body_util::Full;
    use hyper::body::Frame;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    /// A body of pieces that does not say how long it is.
    struct Pieces(Vec<usize>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::Poll::Ready(self.0.pop().map(|length| Ok(Frame::data(Bytes::from(vec![b'x'; length])))))
        }
    }

    #[test]
    fn a_body_may_have_as_many_bytes_as_the_limit_and_no_more() {
        for (pieces, is_good, is_whole) in [
            (vec![], true, true),
            (vec![4, 3, 3], true, true),
            (vec![4, 3, 4], false, true),
            (vec![1, 11, 1], false, true),
            (vec![200 * 1024; 2], false, false),
        ] {
            let length: usize = pieces.iter().sum();
            let heard = run(read(Pieces(pieces), 10, PATIENCE));
            assert_eq!((heard.bytes.is_ok(), heard.is_whole), (is_good, is_whole), "{length}");
            match heard.bytes {
                Ok(bytes) => assert_eq!(bytes.len(), length),
                Err(fault) => assert_eq!(fault, BodyFault::TooLong),
            }
        }
    }

    #[test]
    fn a_body_that_says_that_it_is_far_too_long_is_not_read() {
        let long = Full::new(Bytes::from(vec![0; 300 * 1024]));
        let heard = run(read(long, 10, PATIENCE));
        assert_eq!((heard.bytes, heard.is_whole), (Err(BodyFault::TooLong), false));
    }

    #[test]
    fn a_body_that_does_not_end_is_not_waited_for() {
        let heard = run(read(Endless, 10, Duration::from_millis(5)));
        assert_eq!((heard.bytes, heard.is_whole), (Err(BodyFault::TooSlow), false));
    }

    struct Endless;

    impl Body for Endless {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            std::task::Poll::Pending
        }
    }
}
