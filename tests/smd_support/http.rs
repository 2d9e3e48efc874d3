//! A small HTTP/1.1 server for tests, plain or with TLS, one thread for each connection. Written by hand and not with
//! hyper, because it has to do what a proper server refuses to do.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::server::ServerConfig;
use serde_json::Value;
use url::form_urlencoded;

use super::connection::Connection;

/// One request, complete with its body.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    /// The path with the query, as sent.
    pub target: String,
    /// Header lines in their order, the names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The common name of the client certificate, if a good one was presented.
    pub peer: Option<String>,
}

/// One complete answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What a handler wants to happen. Everything but `Answer` ends the connection.
pub enum Reply {
    /// An answer as it should be.
    Answer(Answer),
    /// The connection ends without an answer.
    Close,
    /// Nothing, and the connection stays open until the client leaves.
    Stall,
    /// The head of the answer promises all of the body; so many bytes of it come, and the connection ends.
    Cut(Answer, usize),
    /// As `Cut`, but the connection stays open.
    StallAfter(Answer, usize),
    /// The head and the body of the answer, and then more and more in chunks, with a pause before each.
    Endless(Answer, Duration, Box<dyn FnMut() -> Vec<u8> + Send>),
    /// A header line that goes on for ever, byte by byte, with a pause before each.
    EndlessHead(Duration),
}

/// A server on 127.0.0.1 with a port of its own. Dropping it cuts every connection.
pub struct HttpServer {
    address: SocketAddr,
    inner: Arc<Inner>,
    thread: Option<JoinHandle<()>>,
}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

struct Inner {
    handler: Box<Handler>,
    tls: Option<Arc<ServerConfig>>,
    is_over: AtomicBool,
    sent: AtomicU64,
    connections: AtomicU64,
    requests: Mutex<Vec<Request>>,
    open: Mutex<HashMap<u64, TcpStream>>,
}

impl Request {
    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Names and values of the query, decoded.
    pub fn query(&self) -> Vec<(String, String)> {
        pairs(self.target.split_once('?').map_or("", |(_, query)| query).as_bytes())
    }

    /// Names and values of a form in the body, decoded.
    pub fn form(&self) -> Vec<(String, String)> {
        pairs(&self.body)
    }

    /// The value of a header line; the name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(candidate, _)| candidate == name).map(|(_, value)| value.as_str())
    }

    /// The token of the Authorization header.
    pub fn bearer_token(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim()).filter(|token| !token.is_empty())
    }

    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

fn pairs(text: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(text).into_owned().collect()
}

impl Answer {
    pub fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("Content-Type".to_owned(), kind.to_owned())], body: body.into() }
    }

    pub fn json(status: u16, value: &Value) -> Self {
        Self::new(status, "application/json", value.to_string())
    }

    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text)
    }

    /// An error as SMD tells it.
    pub fn problem(status: u16, detail: &str) -> Self {
        let value = serde_json::json!({"type": "about:blank", "title": "Error", "detail": detail, "status": status});
        Self::new(status, "application/problem+json", value.to_string())
    }

    /// The answer with one more header line.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn head(&self, framing: &str) -> String {
        let lines: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("HTTP/1.1 {} \r\n{lines}{framing}\r\n\r\n", self.status)
    }
}

impl HttpServer {
    /// Starts a server; with TLS settings (see [`super::Authority::server_config`]) it speaks HTTPS only.
    pub fn start(
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_at("127.0.0.1:0".parse().unwrap(), tls, handler)
    }

    /// Starts a server where another one was, for a service that comes back.
    pub fn start_at(
        address: SocketAddr,
        tls: Option<Arc<ServerConfig>>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let inner = Arc::new(Inner {
            handler: Box::new(handler),
            tls,
            is_over: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            requests: Mutex::default(),
            open: Mutex::default(),
        });
        let theirs = Arc::clone(&inner);
        let thread = thread::spawn(move || accept(&listener, &theirs));
        Ok(Self { address, inner, thread: Some(thread) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scheme, address and port, without a slash at the end.
    pub fn origin(&self) -> String {
        let scheme = if self.inner.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The requests so far, in their order.
    pub fn requests(&self) -> Vec<Request> {
        self.inner.requests.lock().unwrap().clone()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.inner.requests.lock().unwrap().clear();
    }

    /// How many bytes of answers went out, on all connections. Tells whether a client stopped reading in time.
    pub fn bytes_sent(&self) -> u64 {
        self.inner.sent.load(Ordering::SeqCst)
    }

    /// How many connections were accepted, those included whose TLS handshake failed.
    pub fn connections(&self) -> u64 {
        self.inner.connections.load(Ordering::SeqCst)
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.inner.open.lock().unwrap().len()
    }

    /// Cuts every open connection; new ones are accepted.
    pub fn cut_connections(&self) {
        for stream in self.inner.open.lock().unwrap().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.cut_connections();
    }
}

fn accept(listener: &TcpListener, inner: &Arc<Inner>) {
    for stream in listener.incoming().flatten() {
        if inner.is_over.load(Ordering::SeqCst) {
            return;
        }
        let number = inner.connections.fetch_add(1, Ordering::SeqCst);
        let Ok(copy) = stream.try_clone() else { continue };
        inner.open.lock().unwrap().insert(number, copy);
        let inner = Arc::clone(inner);
        thread::spawn(move || {
            // Whoever hangs up has nothing to be told.
            let _ = inner.serve(stream);
            if let Some(copy) = inner.open.lock().unwrap().remove(&number) {
                let _ = copy.shutdown(Shutdown::Both);
            }
        });
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut connection = BufReader::new(Connection::open(stream, self.tls.as_ref())?);
        let peer = connection.get_mut().handshake()?;
        while let Some(request) = read_request(&mut connection, peer.as_deref())? {
            self.requests.lock().unwrap().push(request.clone());
            let reply = (self.handler)(&request);
            if self.is_over.load(Ordering::SeqCst) || !self.send(&mut connection, &request, reply)? {
                return Ok(());
            }
        }
        connection.get_mut().say_goodbye()
    }

    /// Sends what the handler wants; false when the connection ends with it.
    fn send(&self, connection: &mut BufReader<Connection>, request: &Request, reply: Reply) -> io::Result<bool> {
        match reply {
            Reply::Answer(answer) => {
                let length = if request.method == "HEAD" { 0 } else { answer.body.len() };
                self.put_part(connection, &answer, length)?;
                return Ok(true);
            }
            Reply::Close => {}
            Reply::Stall => wait_for_end(connection)?,
            Reply::Cut(answer, length) => self.put_part(connection, &answer, length)?,
            Reply::StallAfter(answer, length) => {
                self.put_part(connection, &answer, length)?;
                wait_for_end(connection)?;
            }
            Reply::Endless(answer, pause, more) => self.put_endless(connection, &answer, pause, more)?,
            Reply::EndlessHead(pause) => {
                self.put(connection, b"HTTP/1.1 200 \r\nX-Long: ")?;
                while !self.is_over.load(Ordering::SeqCst) {
                    thread::sleep(pause);
                    self.put(connection, b"a")?;
                }
            }
        }
        Ok(false)
    }

    fn put_part(&self, connection: &mut BufReader<Connection>, answer: &Answer, length: usize) -> io::Result<()> {
        let mut bytes = answer.head(&format!("Content-Length: {}", answer.body.len())).into_bytes();
        bytes.extend_from_slice(&answer.body[..length.min(answer.body.len())]);
        self.put(connection, &bytes)
    }

    fn put_endless(
        &self,
        connection: &mut BufReader<Connection>,
        answer: &Answer,
        pause: Duration,
        mut more: Box<dyn FnMut() -> Vec<u8> + Send>,
    ) -> io::Result<()> {
        self.put(connection, answer.head("Transfer-Encoding: chunked").as_bytes())?;
        let mut piece = answer.body.clone();
        while !self.is_over.load(Ordering::SeqCst) {
            // An empty chunk would end the body.
            if !piece.is_empty() {
                let chunk = [format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat();
                self.put(connection, &chunk)?;
            }
            thread::sleep(pause);
            piece = more();
        }
        Ok(())
    }

    fn put(&self, connection: &mut BufReader<Connection>, bytes: &[u8]) -> io::Result<()> {
        connection.get_mut().write_all(bytes)?;
        connection.get_mut().flush()?;
        self.sent.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        Ok(())
    }
}

/// Reads and drops whatever comes until the client leaves or the server is dropped.
fn wait_for_end(connection: &mut BufReader<Connection>) -> io::Result<()> {
    io::copy(connection, &mut io::sink()).map(drop)
}

fn read_request(connection: &mut BufReader<Connection>, peer: Option<&str>) -> io::Result<Option<Request>> {
    let mut first = String::new();
    if connection.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let mut words = first.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let (method, target) = (method.to_owned(), target.to_owned());
    let mut request = Request { method, target, headers, body: Vec::new(), peer: peer.map(str::to_owned) };
    let length = request.header("content-length").map_or(Ok(0), str::parse).map_err(io::Error::other)?;
    request.body = vec![0; length];
    connection.read_exact(&mut request.body)?;
    Ok(Some(request))
}
