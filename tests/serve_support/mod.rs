//! What the serving tests share: releases made in memory, a running server, and a small HTTP client that sends exactly
//! the bytes it is given.

#![allow(dead_code, unreachable_pub)]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use mds::release::{Manifest, MappedRelease, NodeEntry};
use mds::serve::{Server, Settings, Shared};
use mds::types::{Digest, DocumentName, GroupLabel, NodeId};
use socket2::{Domain, Socket, Type};
use tokio::sync::oneshot;

/// A node of a release under construction.
pub struct Node<'a> {
    pub id: &'a str,
    pub addresses: &'a [&'a str],
    pub groups: &'a [&'a str],
    pub documents: &'a [(&'a str, &'a str)],
}

/// Makes a release of the nodes.
pub fn release(nodes: &[Node<'_>]) -> Arc<MappedRelease> {
    let mut bodies = BTreeMap::new();
    let mut entries = Vec::new();
    for node in nodes {
        let mut documents = BTreeMap::new();
        for (name, body) in node.documents {
            let digest = Digest::of(body.as_bytes());
            bodies.insert(digest, Bytes::copy_from_slice(body.as_bytes()));
            documents.insert(DocumentName::parse(name).unwrap(), digest);
        }
        entries.push(NodeEntry {
            id: NodeId::parse(node.id).unwrap(),
            hostname: node.id.to_owned(),
            nid: None,
            instance_id: node.id.to_owned(),
            macs: vec![],
            addresses: node.addresses.iter().map(|address| address.parse().unwrap()).collect(),
            tunnel_address: None,
            groups: node.groups.iter().map(|group| GroupLabel::parse(group).unwrap()).collect(),
            documents,
        });
    }
    let manifest = Manifest::new(entries);
    let id = Manifest::id_of(&manifest.to_bytes().unwrap());
    Arc::new(MappedRelease::new(id, &manifest, |digest| bodies.get(digest).cloned()).unwrap())
}

/// The release that most tests use: `local` asks from 127.0.0.1 and ::1, `five` from 127.0.0.5, `victim` from 10.0.0.1.
pub fn usual_release() -> Arc<MappedRelease> {
    let node = |id, addresses, documents| Node { id, addresses, groups: &["compute", "rack:4", "plain"], documents };
    release(&[
        node(
            "local",
            &["127.0.0.1", "::1"],
            &[
                ("meta-data", "meta of local\n"),
                ("user-data", "user of local\n"),
                ("vendor-data", "vendor of local\n"),
                ("network-config", "network of local\n"),
                ("compute.yaml", "compute of local\n"),
                ("rack:4.yaml", "rack of local\n"),
            ],
        ),
        node("five", &["127.0.0.5"], &[("meta-data", "meta of five\n")]),
        node("victim", &["10.0.0.1", "2001:db8::1"], &[("meta-data", "meta of victim\n")]),
        node("other", &["10.0.0.2"], &[("meta-data", "meta of other\n")]),
    ])
}

/// A server on a thread of its own. Dropping it ends it.
pub struct Running {
    pub addresses: Vec<SocketAddr>,
    pub shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Serves the usual release on 127.0.0.1 with the usual settings.
    pub fn usual() -> Self {
        Self::with(Settings::default())
    }

    /// Serves the usual release on 127.0.0.1.
    pub fn with(settings: Settings) -> Self {
        let running = Self::start(&["127.0.0.1:0"], settings).unwrap();
        running.shared.publish(usual_release());
        running
    }

    /// Serves nothing yet; none when the machine lacks one of the addresses.
    pub fn start(addresses: &[&str], settings: Settings) -> Option<Self> {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|address| address.parse().unwrap()).collect();
        let server = Server::bind(&addresses).ok()?;
        let addresses = server.local_addrs().unwrap();
        let shared = Arc::new(Shared::new());
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime
                .block_on(server.run(served, settings, async {
                    stopped.await.ok();
                }))
                .unwrap();
        });
        Some(Self { addresses, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// Tells the server to end, without waiting.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            stop.send(()).ok();
        }
    }

    /// Waits until the server has ended.
    pub fn wait(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Whether the server has ended.
    pub fn has_ended(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.addresses[0])
    }

    /// Connects from another of this machine's loopback addresses, such as 127.0.0.5.
    pub fn connect_from(&self, source: &str) -> Client {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let source: IpAddr = source.parse().unwrap();
        socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
        socket.connect(&self.addresses[0].into()).unwrap();
        Client::new(socket.into())
    }

    /// One GET with extra header lines, from 127.0.0.1.
    pub fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.connect().get(path, headers)
    }

    /// One GET with extra header lines, from another loopback address.
    pub fn get_from(&self, source: &str, path: &str, headers: &[&str]) -> Answer {
        self.connect_from(source).get(path, headers)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        if !std::thread::panicking() {
            self.wait();
        }
    }
}

/// The loopback address with another port's last part, for binding.
pub fn localhost(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)
}

/// One connection.
pub struct Client {
    stream: BufReader<TcpStream>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).unwrap())
    }

    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    pub fn stream(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }

    /// Sends bytes as they are. Whether they arrive shows in what is read afterwards.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).ok();
    }

    pub fn request(&mut self, method: &str, path: &str, headers: &[&str]) -> Answer {
        self.try_request(method, path, headers).unwrap()
    }

    pub fn try_request(&mut self, method: &str, path: &str, headers: &[&str]) -> Option<Answer> {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: mds\r\n");
        for header in headers {
            text.push_str(header);
            text.push_str("\r\n");
        }
        self.send(text + "\r\n");
        self.read_answer(method != "HEAD")
    }

    pub fn get(&mut self, path: &str, headers: &[&str]) -> Answer {
        self.request("GET", path, headers)
    }

    /// Reads one answer; none when the connection ended before one was complete.
    pub fn read_answer(&mut self, with_body: bool) -> Option<Answer> {
        let status = self.read_line()?.split(' ').nth(1)?.parse().unwrap();
        let mut headers = Vec::new();
        loop {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut answer = Answer { status, headers, body: Vec::new() };
        if with_body && status != 304 {
            let length = answer.header("content-length").map_or(0, |length| length.parse().unwrap());
            answer.body = vec![0; length];
            self.stream.read_exact(&mut answer.body).ok()?;
        }
        Some(answer)
    }

    fn read_line(&mut self) -> Option<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line) {
            Ok(length) if length > 0 => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    /// Whether a byte of an answer comes in time.
    pub fn is_answered_within(&mut self, limit: Duration) -> bool {
        let usual = self.stream.get_mut().read_timeout().unwrap();
        self.stream.get_mut().set_read_timeout(Some(limit)).unwrap();
        let answered = self.stream.fill_buf().is_ok_and(|bytes| !bytes.is_empty());
        self.stream.get_mut().set_read_timeout(usual).unwrap();
        answered
    }

    /// Waits for the other end to close; false when it sent something or did not close in time.
    pub fn is_closed_within(&mut self, limit: Duration) -> bool {
        self.stream.get_mut().set_read_timeout(Some(limit)).unwrap();
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(length) => length == 0,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
