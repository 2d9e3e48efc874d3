//! What the tests around Git share: repositories, a web server for them, and skipping out loud.

#![allow(dead_code, unreachable_pub)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::cli_support::git;

/// Makes a repository of a folder, with everything in it committed, and returns the commit.
pub fn repository_of(folder: &Path) -> String {
    git(folder, &["init", "--quiet"]);
    commit_all(folder, "first")
}

/// Commits everything in a checkout and returns the commit.
pub fn commit_all(folder: &Path, message: &str) -> String {
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", message]);
    git(folder, &["rev-parse", "HEAD"])
}

/// Ends a test early because this machine cannot run it: past the test runner, which keeps to itself what a passing
/// test prints.
///
/// # Panics
/// When `MDS_TESTS_MUST_RUN` is `1`.
pub fn skip(reason: &str) {
    let test = thread::current().name().unwrap_or("a test").to_owned();
    let must_run = std::env::var_os("MDS_TESTS_MUST_RUN").is_some_and(|value| value == "1");
    assert!(!must_run, "{test} must run here and cannot: {reason}");
    let _ = std::io::stderr().write_all(format!("\nSKIPPED: {test}: {reason}\n").as_bytes());
}

/// Whether the test runs as root.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// How a [`StaticServer`] treats those who ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Gives every file.
    Well,
    /// Hangs up without an answer.
    Gone,
    /// Wants a name and a password.
    Guarded,
    /// Says nothing and keeps the connection, when the path holds the text; gives other files.
    Silent(&'static str),
    /// Promises the whole file and hangs up in the middle, when the path holds the text; gives other files.
    Cut(&'static str),
}

/// Serves the files of a folder over HTTP on a port of its own: enough for Git's dumb protocol.
pub struct StaticServer {
    pub address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    folder: PathBuf,
    mood: Mood,
    requests: Vec<String>,
    held: Vec<TcpStream>,
    is_over: bool,
}

impl StaticServer {
    pub fn start(folder: impl Into<PathBuf>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state =
            State { folder: folder.into(), mood: Mood::Well, requests: Vec::new(), held: Vec::new(), is_over: false };
        let state = Arc::new(Mutex::new(state));
        let theirs = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if theirs.lock().unwrap().is_over {
                    return;
                }
                let state = Arc::clone(&theirs);
                // Whoever hangs up has nothing to be told.
                thread::spawn(move || drop(answer(stream, &state)));
            }
        });
        Self { address, state }
    }

    /// Whatever was asked is forgotten, and what hangs is let go.
    pub fn set(&self, mood: Mood) {
        let mut state = self.state.lock().unwrap();
        state.mood = mood;
        state.requests.clear();
        state.let_go();
    }

    /// The paths asked for since the mood was set, with their queries.
    pub fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    /// Waits until something was asked whose path holds the text.
    pub fn wait_for_request(&self, text: &str) {
        let asked = || self.requests().iter().any(|path| path.contains(text));
        for _ in 0..500 {
            if asked() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("nobody asked for {text:?}, only for {:?}", self.requests());
    }
}

impl State {
    fn let_go(&mut self) {
        for stream in self.held.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for StaticServer {
    fn drop(&mut self) {
        if let Ok(mut state) = self.state.lock() {
            state.is_over = true;
            state.let_go();
        }
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let (mut line, mut start) = (String::new(), 0);
    while reader.read_line(&mut line)? > 2 {
        // Git goes on where an earlier answer was cut off.
        let range = line.to_ascii_lowercase().trim().strip_prefix("range: bytes=").map(str::to_owned);
        start = range.and_then(|range| range.trim_end_matches('-').parse().ok()).unwrap_or(start);
        line.clear();
    }
    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let path = target.split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
    let (mood, file) = {
        let mut state = state.lock().unwrap();
        state.requests.push(target);
        (state.mood.clone(), state.folder.join(&path))
    };
    let is_inside = Path::new(&path).components().all(|part| matches!(part, Component::Normal(_)));
    let body = if is_inside { std::fs::read(file).ok() } else { None };
    match (mood, body) {
        (Mood::Gone, _) => return stream.shutdown(Shutdown::Both),
        (Mood::Silent(text), _) if path.contains(text) => {
            let mut state = state.lock().unwrap();
            state.held.push(stream);
            return Ok(());
        }
        (Mood::Guarded, _) => write!(
            stream,
            "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"site\"\r\nContent-Length: 0\r\nConnection: \
             close\r\n\r\n"
        )?,
        (_, None) => write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?,
        (mood, Some(body)) => {
            let rest = body.get(start..).unwrap_or_default();
            match start {
                0 => write!(stream, "HTTP/1.1 200 OK\r\n")?,
                _ => {
                    write!(stream, "HTTP/1.1 206 Partial Content\r\n")?;
                    write!(stream, "Content-Range: bytes {start}-{}/{}\r\n", body.len() - 1, body.len())?;
                }
            }
            write!(stream, "Content-Length: {}\r\nConnection: close\r\n\r\n", rest.len())?;
            let is_cut = matches!(mood, Mood::Cut(text) if path.contains(text));
            stream.write_all(&rest[..if is_cut { rest.len() / 2 } else { rest.len() }])?;
        }
    }
    stream.shutdown(Shutdown::Write)?;
    // Until the other side is done: a connection that is closed too early may lose what was just written.
    std::io::copy(&mut stream.take(1 << 16), &mut std::io::sink()).map(drop)
}
