//! A connection inside a tunnel, as the server's handlers want it.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::RecvError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use super::net::Net;

/// How streams tell their shard that there may be something to send.
#[derive(Default)]
pub(super) struct Signal {
    slots: RefCell<Vec<u32>>,
    notify: Notify,
}

impl Signal {
    /// Marks a tunnel.
    pub(super) fn mark(&self, slot: u32, net: &mut Net) {
        if !std::mem::replace(&mut net.dirty, true) {
            self.slots.borrow_mut().push(slot);
            self.notify.notify_one();
        }
    }

    /// Takes the marked tunnels.
    pub(super) fn take(&self) -> Vec<u32> {
        self.slots.take()
    }

    /// Gives back a tunnel that was taken, and that must wait.
    pub(super) fn put_back(&self, slot: u32) {
        self.slots.borrow_mut().push(slot);
    }

    /// Waits until a tunnel is marked.
    pub(super) async fn wait(&self) {
        self.notify.notified().await;
    }
}

/// A TCP connection inside a tunnel. It belongs to the thread of its tunnel.
///
/// Writing never waits for the node, but for room. Dropping the stream closes the connection: what was written is
/// delivered first. When the tunnel ends, reading and writing are errors at once.
pub struct TunnelStream {
    net: Rc<RefCell<Net>>,
    signal: Rc<Signal>,
    slot: u32,
    handle: SocketHandle,
}

impl TunnelStream {
    pub(super) fn new(net: &Rc<RefCell<Net>>, signal: &Rc<Signal>, slot: u32, handle: SocketHandle) -> Self {
        Self { net: Rc::clone(net), signal: Rc::clone(signal), slot, handle }
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the tunnel has ended")
}

impl AsyncRead for TunnelStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if buffer.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let mut net = self.net.borrow_mut();
        let Some(socket) = net.socket(self.handle) else { return Poll::Ready(Err(gone())) };
        match socket.recv_slice(buffer.initialize_unfilled()) {
            Ok(0) => {
                socket.register_recv_waker(context.waker());
                Poll::Pending
            }
            Ok(length) => {
                buffer.advance(length);
                // The node may have been waiting for the room.
                self.signal.mark(self.slot, &mut net);
                Poll::Ready(Ok(()))
            }
            Err(RecvError::Finished) => Poll::Ready(Ok(())),
            Err(RecvError::InvalidState) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }
}

impl AsyncWrite for TunnelStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut net = self.net.borrow_mut();
        let Some(socket) = net.socket(self.handle) else { return Poll::Ready(Err(gone())) };
        match socket.send_slice(bytes) {
            Ok(0) => {
                socket.register_send_waker(context.waker());
                Poll::Pending
            }
            Ok(length) => {
                self.signal.mark(self.slot, &mut net);
                Poll::Ready(Ok(length))
            }
            Err(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut net = self.net.borrow_mut();
        net.close(self.handle);
        self.signal.mark(self.slot, &mut net);
        Poll::Ready(Ok(()))
    }
}

impl Drop for TunnelStream {
    fn drop(&mut self) {
        let mut net = self.net.borrow_mut();
        net.leave(self.handle);
        self.signal.mark(self.slot, &mut net);
    }
}
