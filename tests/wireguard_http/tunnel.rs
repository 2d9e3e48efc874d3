//! Connections as tunnels hand them over: pipes that cannot leave their thread.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use mds::release::MappedRelease;
use mds::serve::{Front, Server, Settings, Shared, TunnelCaller};
use mds::types::{NodeId, WireguardKey};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::LocalSet;

use super::{FakeTunnels, get_request, settings};
use crate::serve_support::usual_release;

/// A stream that is not `Send`, as those of tunnels.
struct Pinned(DuplexStream, #[allow(dead_code)] Rc<()>);

impl AsyncRead for Pinned {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Pinned {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

fn run_local<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, future)
}

/// The tunnel's address is that of `local` outside: no address may count.
fn caller(node: &str, key: u8) -> TunnelCaller {
    TunnelCaller {
        node: NodeId::parse(node).unwrap(),
        key: WireguardKey::new([key; 32]),
        address: "127.0.0.1".parse().unwrap(),
    }
}

fn connect(front: &Arc<Front>, caller: TunnelCaller) -> DuplexStream {
    // Smaller than any request, so that reading and writing have to wait.
    let (ours, theirs) = tokio::io::duplex(64);
    let front = Arc::clone(front);
    tokio::task::spawn_local(async move { front.serve_tunnel(Pinned(theirs, Rc::new(())), caller).await });
    ours
}

/// Sends requests, each through a connection of its own, and returns the status and body of each answer.
pub(crate) fn ask(
    settings: Settings,
    node: &str,
    key: u8,
    release: Arc<MappedRelease>,
    requests: &[String],
) -> Vec<(u16, String)> {
    let shared = Arc::new(Shared::new());
    shared.publish(release);
    let front = Arc::new(Front::new(shared, settings));
    run_local(async {
        let mut answers = Vec::new();
        for request in requests {
            let (mut reading, mut writing) = tokio::io::split(connect(&front, caller(node, key)));
            let request = request.clone();
            tokio::task::spawn_local(async move { writing.write_all(request.as_bytes()).await });
            let mut text = String::new();
            reading.read_to_string(&mut text).await.unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            answers.push((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()));
        }
        answers
    })
}

#[test]
fn a_node_that_is_gone_gets_nothing_through_its_tunnel() {
    let requests =
        [get_request("/meta-data", ""), super::post_request("/phone-home/gone", ""), get_request("/health", "")];
    let answers = ask(settings(&FakeTunnels::new(true)), "gone", 1, usual_release(), &requests);
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [404, 404, 200]);
    assert!(answers[0].1.contains("node gone, whose tunnel this is"), "{}", answers[0].1);
}

#[test]
fn connections_in_tunnels_are_drained_and_cut_with_the_server() {
    let settings = Settings { drain_timeout: Duration::from_millis(600), ..settings(&FakeTunnels::new(true)) };
    let front = Arc::new(Front::new(Arc::new(Shared::new()), settings));
    run_local(async {
        let server = Server::bind(&["127.0.0.1:0".parse().unwrap()]).unwrap();
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&front);
        let serving = tokio::task::spawn_local(async move {
            let end = async {
                stopped.await.ok();
            };
            server.run_front(&served, end).await
        });
        let mut idle = connect(&front, caller("five", 1));
        idle.write_all(b"GET /health HTTP/1.1\r\nHost: mds\r\n\r\n").await.unwrap();
        idle.read_exact(&mut [0]).await.unwrap();
        let mut stuck = connect(&front, caller("five", 1));
        stuck.write_all(b"GET /health HTTP/1.1\r\n").await.unwrap();
        // Both connections are known to the server.
        tokio::task::yield_now().await;
        stop.send(()).unwrap();
        let mut rest = Vec::new();
        idle.read_to_end(&mut rest).await.unwrap();
        assert!(!serving.is_finished(), "a request has begun");
        serving.await.unwrap().unwrap();
        stuck.read_to_end(&mut rest).await.unwrap();
    });
}
