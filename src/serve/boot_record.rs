//! The record of boots: who has phoned home, when, and with which release. Nodes do not wait for the disk, which a thread
//! writes to: the record is for people, and no tunnel and no document depends on it.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::boot_file::{self, BootFile, BootRecordError};
use super::phone_home::Call;
use super::state::Shared;
use crate::types::{NodeId, ReleaseId};

/// How many boots may wait for the disk. A node says less than 25 KB, nearly always about 2 KB.
const QUEUE: usize = 4096;
/// How many are written at once.
const BATCH: usize = 1024;
/// How long is waited before a disk that refused is tried again.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);
/// How long whoever waits for the disk waits for room in a full queue.
const PAUSE_WHILE_FULL: Duration = Duration::from_millis(10);

/// A node has booted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// The node that called.
    pub node: NodeId,
    /// When.
    pub time: Timestamp,
    /// The release that was served then; none when nothing was.
    pub release: Option<ReleaseId>,
    /// Whether the call came through the node's tunnel.
    pub through_tunnel: bool,
    /// The address that it came from; inside a tunnel, that of the tunnel.
    pub address: IpAddr,
    /// What the node says of itself.
    pub said: Call,
}

/// Takes boots and writes them down.
///
/// Nothing is refused: what the disk does not take is tried again every second, and when too much waits, the newest is
/// forgotten. Both are logged and said by `/health`. When the file has grown to more than twice what was kept last, it is
/// rewritten with the three newest boots of each node.
#[derive(Debug)]
pub struct BootRecord {
    queue: Option<SyncSender<Message>>,
    shared: Arc<Shared>,
    ending: Arc<AtomicBool>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Message {
    Boot(Box<Boot>),
    /// Everything before this is on disk, or cannot be.
    Flush(SyncSender<()>),
}

impl BootRecord {
    /// The name of the file in the folder of state.
    pub const FILE_NAME: &str = "phone-home.ndjson";

    /// The part of the program that this speaks for in `/health`.
    const PART: &str = "boot-record";

    /// Opens the file or makes it, with mode 0600, and drops a line at its end that was not written whole. What goes wrong
    /// later is told to `shared`.
    ///
    /// # Errors
    /// When the file can be neither read nor made, or there is no thread.
    pub fn open(path: &Path, shared: Arc<Shared>) -> Result<Arc<Self>, BootRecordError> {
        let file = BootFile::open(path)?;
        Self::with_file(file, QUEUE, shared).map(Arc::new)
    }

    fn with_file(file: BootFile, room: usize, shared: Arc<Shared>) -> Result<Self, BootRecordError> {
        let path = file.path().to_owned();
        let (queue, messages) = sync_channel(room);
        let ending = Arc::new(AtomicBool::new(false));
        let mut writer = Writer { file, messages, shared: Arc::clone(&shared), ending: Arc::clone(&ending) };
        let writer = std::thread::Builder::new()
            .name("boot-record".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| BootRecordError { action: "start the thread for", path, source })?;
        Ok(Self { queue: Some(queue), shared, ending, writer: Some(writer) })
    }

    /// Notes that a node has booted, without waiting for anything.
    pub(super) fn note(&self, boot: Boot) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send(Message::Boot(Box::new(boot))).is_err() {
            self.shared
                .degrade(Self::PART, "the disk is too slow for the nodes that have booted; some are not on record");
        }
    }

    /// Waits until what was noted so far is on disk, or the time is over. Says whether the writing was tried in time.
    pub(super) fn flush(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let (done, is_done) = sync_channel(1);
        let mut message = Message::Flush(done);
        let Some(queue) = &self.queue else { return false };
        while let Err(error) = queue.try_send(message) {
            let TrySendError::Full(again) = error else { return false };
            if Instant::now() >= until {
                return false;
            }
            message = again;
            std::thread::sleep(PAUSE_WHILE_FULL);
        }
        is_done.recv_timeout(until.saturating_duration_since(Instant::now())).is_ok()
    }

    /// Reads the record, oldest first; nothing when there is none. A last line that is not whole is passed over, because
    /// it may be being written, and lines that are not boots are passed over with a warning.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(path: &Path) -> Result<Vec<Boot>, BootRecordError> {
        boot_file::read(path)
    }
}

/// What waits is written; a disk that refuses it then is not waited for.
impl Drop for BootRecord {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            writer.thread().unpark();
            // It has nothing to say: its troubles were told.
            let _ = writer.join();
        }
    }
}

struct Writer {
    file: BootFile,
    messages: Receiver<Message>,
    shared: Arc<Shared>,
    ending: Arc<AtomicBool>,
}

impl Writer {
    fn run(&mut self) {
        while let Ok(first) = self.messages.recv() {
            let mut boots = Vec::new();
            let mut waiting = Vec::new();
            for message in std::iter::once(first).chain(self.messages.try_iter()).take(BATCH) {
                match message {
                    Message::Boot(boot) => boots.push(*boot),
                    Message::Flush(done) => waiting.push(done),
                }
            }
            self.write(&boots);
            for done in waiting {
                // Whoever waits no longer need not be told.
                let _ = done.try_send(());
            }
        }
    }

    /// Writes until the disk takes it, or the end has come.
    fn write(&mut self, boots: &[Boot]) {
        if boots.is_empty() {
            return;
        }
        while let Err(error) = self.file.append(boots) {
            tracing::debug!(path = %self.file.path().display(), %error, "a boot cannot be written down");
            self.shared
                .degrade(BootRecord::PART, &format!("it cannot be written down which nodes have booted: {error}"));
            if self.ending.load(Ordering::Acquire) {
                return;
            }
            std::thread::park_timeout(PAUSE_AFTER_ERROR);
        }
        self.shared.mend(BootRecord::PART);
        if self.file.has_grown()
            && let Err(error) = self.file.compact()
        {
            tracing::warn!(path = %self.file.path().display(), %error, "old boots cannot be removed; they stay for now");
            self.file.put_off();
        }
    }
}

#[cfg(test)]
mod tests;
