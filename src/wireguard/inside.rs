//! HTTP inside tunnels: the server's own front answers, and the caller is whoever has the tunnel's key.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::LivePeer;
use super::engine::{TunnelService, TunnelStream};
use crate::serve::{Front, TunnelCaller};

/// Answers requests that come through tunnels.
#[derive(Debug)]
pub struct HttpInside {
    front: Arc<Front>,
}

impl HttpInside {
    /// Answers as the front does, which may have connections of other kinds as well.
    #[must_use]
    pub fn new(front: Arc<Front>) -> Self {
        Self { front }
    }
}

impl TunnelService for HttpInside {
    fn serve(&self, stream: TunnelStream, peer: Arc<LivePeer>) -> Pin<Box<dyn Future<Output = ()>>> {
        let front = Arc::clone(&self.front);
        let caller = TunnelCaller { node: peer.node.clone(), key: peer.key, address: peer.address };
        Box::pin(async move { front.serve_tunnel(stream, caller).await })
    }
}
