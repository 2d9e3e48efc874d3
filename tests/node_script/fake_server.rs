//! A server that answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The most of an endless answer that is sent, should the other end take it all, in bytes.
const ENDLESS: usize = 256 << 20;

/// An answer as it goes over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    head: String,
    body: Vec<u8>,
    endless: bool,
}

impl Answer {
    /// An answer with a status and a body.
    pub(crate) fn new(status: u16, body: &str) -> Self {
        Self { head: format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n"), body: body.into(), endless: false }
    }

    /// As it is, with one more header line.
    pub(crate) fn with(mut self, header: &str) -> Self {
        self.head.push_str(header);
        self.head.push_str("\r\n");
        self
    }

    /// An answer that begins well and never ends.
    pub(crate) fn endless(body: &str) -> Self {
        Self { endless: true, ..Self::new(202, body) }
    }

    fn send(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        stream.write_all(self.head.as_bytes())?;
        if !self.endless {
            write!(stream, "Content-Length: {}\r\n", self.body.len())?;
        }
        stream.write_all(b"\r\n")?;
        stream.write_all(&self.body)?;
        let mut sent = 0;
        while self.endless && sent < ENDLESS {
            stream.write_all(&[b' '; 65536])?;
            sent += 65536;
        }
        Ok(())
    }
}

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The method and the path.
    pub(crate) line: String,
    /// The other lines of the head, in small letters.
    pub(crate) head: String,
    /// The body.
    pub(crate) body: String,
}

/// A running server, ended when dropped.
#[derive(Debug)]
pub(crate) struct FakeServer {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FakeServer {
    /// Gives each request the next answer; the last one again and again.
    pub(crate) fn start(answers: Vec<Answer>) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answers)
    }

    /// As [`FakeServer::start`], at an address.
    pub(crate) fn start_at(address: SocketAddr, answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, ending) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (noted, ended) = (Arc::clone(&asked), Arc::clone(&ending));
        let thread = std::thread::spawn(move || {
            let mut answers = answers.into_iter().peekable();
            let mut answer = answers.next().unwrap();
            for stream in listener.incoming() {
                if ended.load(Ordering::Acquire) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let Some(request) = read(&stream) else { continue };
                noted.lock().unwrap().push(request);
                // The other end may have had enough.
                let _ = answer.send(&stream);
                if let Some(next) = answers.next() {
                    answer = next;
                }
            }
        });
        Self { address, asked, ending, thread: Some(thread) }
    }

    /// All that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The methods and paths of all that was asked so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_owned();
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let head = lines.get(1..)?.join("\n").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let line = lines[0].trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, head, body: String::from_utf8(body).ok()? })
}
