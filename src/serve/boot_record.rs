//! The record of boots: who has phoned home, when, and with which release.
//!
//! A file of lines, one for each call. Nodes do not wait for the disk, and a disk that is full costs them nothing: the
//! record is for people, and no tunnel and no document depends on it.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::phone_home::Call;
use super::state::Shared;
use crate::types::{NodeId, ReleaseId};

/// How many boots of a node are kept when the file is made smaller.
const KEPT: usize = 3;
/// From which size on the file is made smaller, in bytes, and then again whenever it has doubled.
const LARGE: u64 = 64 * 1024 * 1024;
/// How many calls may wait for the disk.
const QUEUE: usize = 4096;
/// Host keys and names are nobody else's business.
const MODE: u32 = 0o600;
/// The part of the program that this speaks for in `/health`.
const PART: &str = "boot-record";

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

/// Why the record cannot be opened or read.
#[derive(Debug, thiserror::Error)]
#[error("the record of boots {} cannot be used: {source}", path.display())]
pub struct BootRecordError {
    /// The file.
    pub path: PathBuf,
    /// What the operating system says.
    pub source: io::Error,
}

/// Takes boots and writes them down.
#[derive(Debug)]
pub struct BootRecord {
    queue: SyncSender<Boot>,
    shared: Arc<Shared>,
}

impl BootRecord {
    /// The name of the file in the folder of state.
    pub const FILE_NAME: &str = "phone-home.ndjson";

    /// Opens the file, makes it if it is not there, and drops a line at its end that was not written whole. Trouble with
    /// the disk later on is shown by `shared`.
    ///
    /// # Errors
    /// When the file cannot be opened for writing.
    pub fn open(path: &Path, shared: Arc<Shared>) -> Result<Arc<Self>, BootRecordError> {
        let failed = |source| BootRecordError { path: path.to_owned(), source };
        let writer = Writer::open(path).map_err(failed)?;
        let (queue, calls) = sync_channel(QUEUE);
        let told = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("boot-record".to_owned())
            .spawn(move || write_all(writer, &calls, &told))
            .map_err(failed)?;
        Ok(Arc::new(Self { queue, shared }))
    }

    /// Notes a boot. Never waits: when the disk has fallen far behind, the boot is in the log only.
    pub(super) fn note(&self, boot: Boot) {
        if self.queue.try_send(boot).is_err() {
            self.shared.degrade(PART, "boots are not recorded: the disk does not keep up, or the writer has ended");
        }
    }

    /// Reads the record, oldest first. A line that is not whole is passed over: it may be being written.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn read(path: &Path) -> Result<Vec<Boot>, BootRecordError> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(BootRecordError { path: path.to_owned(), source }),
        };
        let lines = BufReader::new(file).split(b'\n').collect::<io::Result<Vec<_>>>();
        let lines = lines.map_err(|source| BootRecordError { path: path.to_owned(), source })?;
        Ok(lines.iter().filter_map(|line| serde_json::from_slice(line).ok()).collect())
    }
}

fn write_all(mut writer: Writer, calls: &Receiver<Boot>, shared: &Shared) {
    while let Ok(first) = calls.recv() {
        let group = std::iter::once(first).chain(calls.try_iter().take(QUEUE));
        let text: Vec<u8> = group.filter_map(|boot| serde_json::to_vec(&boot).ok()).flat_map(with_newline).collect();
        match writer.append(&text) {
            Ok(()) => shared.mend(PART),
            Err(error) => {
                shared.degrade(PART, &format!("boots are not recorded: the file cannot be written ({error})"))
            }
        }
    }
}

fn with_newline(mut line: Vec<u8>) -> Vec<u8> {
    line.push(b'\n');
    line
}

/// The file, open at its end.
struct Writer {
    path: PathBuf,
    file: File,
    length: u64,
    next_compaction: u64,
}

impl Writer {
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path)?;
        let (length, whole) = (file.metadata()?.len(), end_of_whole_lines(&mut file)?);
        if whole < length {
            tracing::warn!(path = %path.display(), bytes = length - whole, "dropping a boot that was not written whole");
            file.set_len(whole)?;
        }
        let mut writer = Self { path: path.to_owned(), file, length: whole, next_compaction: LARGE };
        writer.compact_if_large()?;
        Ok(writer)
    }

    /// Appends whole lines; what was written of them is cut off again when not all of it can be.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(lines).and_then(|()| self.file.sync_data()) {
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += lines.len() as u64;
        self.compact_if_large()
    }

    fn compact_if_large(&mut self) -> io::Result<()> {
        if self.length < self.next_compaction {
            return Ok(());
        }
        let fresh = self.path.with_extension("new");
        let kept = keep_newest(&self.file, &fresh)?;
        fs::rename(&fresh, &self.path)?;
        self.file = OpenOptions::new().read(true).append(true).open(&self.path)?;
        self.length = kept;
        self.next_compaction = LARGE.max(kept.saturating_mul(2));
        Ok(())
    }
}

/// Where the last whole line ends.
fn end_of_whole_lines(file: &mut File) -> io::Result<u64> {
    const BLOCK: u64 = 4096;
    let mut end = file.metadata()?.len();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(position) = block.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + position as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Copies the newest boots of every node, in their order, and returns how many bytes these are.
fn keep_newest(file: &File, fresh: &Path) -> io::Result<u64> {
    #[derive(Deserialize)]
    struct Who {
        node: NodeId,
    }
    let mut newest: HashMap<NodeId, VecDeque<(u64, usize)>> = HashMap::new();
    let mut reader = BufReader::new(file.try_clone()?);
    reader.seek(SeekFrom::Start(0))?;
    let (mut offset, mut line) = (0_u64, Vec::new());
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        if let Ok(who) = serde_json::from_slice::<Who>(&line) {
            let boots = newest.entry(who.node).or_default();
            boots.push_back((offset, length));
            if boots.len() > KEPT {
                boots.pop_front();
            }
        }
        offset += length as u64;
    }
    let mut kept: Vec<(u64, usize)> = newest.into_values().flatten().collect();
    kept.sort_unstable();
    let mut output =
        io::BufWriter::new(OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(fresh)?);
    let mut bytes = 0;
    for (offset, length) in kept {
        line.resize(length, 0);
        reader.seek(SeekFrom::Start(offset))?;
        reader.read_exact(&mut line)?;
        output.write_all(&line)?;
        bytes += length as u64;
    }
    output.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(node: &str, second: i64) -> Boot {
        Boot {
            node: NodeId::parse(node).unwrap(),
            time: Timestamp::from_second(second).unwrap(),
            release: None,
            through_tunnel: false,
            address: "10.0.0.1".parse().unwrap(),
            said: Call::parse(b"hostname=n1"),
        }
    }

    fn line(boot: &Boot) -> Vec<u8> {
        with_newline(serde_json::to_vec(boot).unwrap())
    }

    #[test]
    fn what_is_noted_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/phone-home.ndjson");
        assert_eq!(BootRecord::read(&path).unwrap(), []);
        let record = BootRecord::open(&path, Arc::default()).unwrap();
        record.note(boot("a", 1));
        record.note(boot("b", 2));
        let written = || BootRecord::read(&path).unwrap();
        while written().len() < 2 {
            std::thread::yield_now();
        }
        assert_eq!(written(), [boot("a", 1), boot("b", 2)]);
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_torn_last_line_is_dropped_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let whole = [line(&boot("a", 1)), line(&boot("b", 2))].concat();
        for torn in [&b""[..], b"{", b"{\"node\":\"c\"", &vec![b'x'; 10_000]] {
            fs::write(&path, [&whole[..], torn].concat()).unwrap();
            let mut writer = Writer::open(&path).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole);
            writer.append(&line(&boot("c", 3))).unwrap();
            assert_eq!(BootRecord::read(&path).unwrap().len(), 3);
        }
    }

    #[test]
    fn a_large_file_keeps_the_newest_boots_of_every_node_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let boots: Vec<Boot> = (0..40).map(|second| boot(if second % 4 == 0 { "a" } else { "b" }, second)).collect();
        fs::write(&path, boots.iter().flat_map(line).collect::<Vec<u8>>()).unwrap();
        let mut writer = Writer::open(&path).unwrap();
        writer.next_compaction = 1;
        writer.append(&line(&boot("c", 40))).unwrap();
        let seconds = |boots: &[Boot]| boots.iter().map(|boot| boot.time.as_second()).collect::<Vec<_>>();
        assert_eq!(seconds(&BootRecord::read(&path).unwrap()), [28, 32, 36, 37, 38, 39, 40]);
        writer.append(&line(&boot("d", 41))).unwrap();
        assert_eq!(BootRecord::read(&path).unwrap().len(), 8);
    }
}
