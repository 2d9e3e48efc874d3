//! The socket for `mds wireguard` and `mds arm`: a line of JSON in, a line of JSON out. Only the owner of the state
//! folder reaches it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::super::administration::{self, Answer, PeerLine, Request, SOCKET, socket_address};
use super::super::state_folder::{At as _, FILE_MODE};
use super::worker::Message;
use super::{RegistrarError, Shown, reports};

/// How long a client may take for its line, and for reading the answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest line of a client, in bytes.
const LONGEST: u64 = 4096;

/// The socket, and the thread that answers at it. Dropping it ends both.
pub(super) struct ControlSocket {
    folder: PathBuf,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl ControlSocket {
    /// Listens at the socket in the folder. Whoever calls this has the folder's lock.
    pub(super) fn bind(folder: &Path, sender: Sender<Message>, shown: Shown) -> Result<Self, RegistrarError> {
        let path = folder.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", &path)?,
            _ => {}
        }
        let (address, _open) = socket_address(folder).at("open", folder)?;
        let listener = UnixListener::bind(&address).at("listen at", &path)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(FILE_MODE)).at("protect", &path)?;
        let stops = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stops);
        let thread = std::thread::Builder::new().name("mds-control".to_owned());
        let thread = thread.spawn(move || listen(&listener, &sender, &shown, &stop)).map_err(RegistrarError::Thread)?;
        Ok(Self { folder: folder.to_owned(), stops, thread: Some(thread) })
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Release);
        let woken = socket_address(&self.folder).and_then(|(address, _open)| UnixStream::connect(address));
        let thread = self.thread.take();
        // A thread that cannot be woken is left behind: it holds nothing that matters.
        if let (Ok(_), Some(thread)) = (woken, thread) {
            let _ = thread.join();
        }
        // The next server removes what is left.
        let _ = fs::remove_file(self.folder.join(SOCKET));
    }
}

/// One client after the other: people are few, and their questions short.
fn listen(listener: &UnixListener, sender: &Sender<Message>, shown: &Shown, stops: &AtomicBool) {
    for stream in listener.incoming() {
        if stops.load(Ordering::Acquire) {
            return;
        }
        let served = stream.and_then(|stream| serve(&stream, sender, shown));
        if let Err(error) = served {
            tracing::debug!(%error, "a client of the control socket was not answered");
            // Out of files, for one: not at full speed.
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn serve(mut stream: &UnixStream, sender: &Sender<Message>, shown: &Shown) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST)).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => answer(request, sender, shown),
        Err(error) => Answer::Failed { message: format!("the server does not understand the request: {error}") },
    };
    let mut text = serde_json::to_vec(&answer)?;
    text.push(b'\n');
    stream.write_all(&text)
}

fn answer(request: Request, sender: &Sender<Message>, shown: &Shown) -> Answer {
    let failed = |message: String| Answer::Failed { message };
    match request {
        Request::Peers => {
            let peers = reports(shown).iter().map(PeerLine::from).collect();
            match ask(sender, |reply| Message::Windows { reply }) {
                Some((_, second_keys)) => Answer::Peers { peers, second_keys },
                None => failed(STOPPING.to_owned()),
            }
        }
        Request::Remove { peer } => match ask(sender, |reply| Message::Remove { peer, reply }) {
            Some(Ok(peers)) => Answer::Removed { peers: peers.iter().map(PeerLine::from).collect() },
            Some(Err(fault)) => failed(fault),
            None => failed(STOPPING.to_owned()),
        },
        Request::Arm { name, seconds } => {
            let length = Duration::from_secs(seconds.min(administration::LONGEST_WINDOW.as_secs()));
            match ask(sender, |reply| Message::Arm { name, length, reply }) {
                Some(Ok(window)) => Answer::Armed { window },
                Some(Err(fault)) => failed(fault),
                None => failed(STOPPING.to_owned()),
            }
        }
        Request::Windows => match ask(sender, |reply| Message::Windows { reply }) {
            Some((windows, second_keys)) => Answer::Windows { windows, second_keys },
            None => failed(STOPPING.to_owned()),
        },
    }
}

const STOPPING: &str = "the server is stopping; run the command again";

fn ask<T>(sender: &Sender<Message>, message: impl FnOnce(oneshot::Sender<T>) -> Message) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    sender.send(message(reply)).ok()?;
    answer.blocking_recv().ok()
}
