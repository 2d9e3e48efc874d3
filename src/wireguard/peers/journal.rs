//! The journal's file: groups of lines that are made durable together, and the file made anew when it says far more than
//! is true now.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::state_folder::{At as _, FILE_MODE, StateError};
use super::record::{BadLine, Change, FORMAT, Record, parse};
use super::table::Table;
use super::windows::Windows;
use crate::release::{Disk, DiskFile};

pub(super) const FILE: &str = "peers.journal";
const TEMPORARY: &str = "peers.journal.new";
/// The file is made anew when it has this many lines for one that is needed, and `LEAST_LINES` more.
const LINES_FOR_ONE: usize = 4;
const LEAST_LINES: usize = 1024;

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Replayed {
    pub(super) table: Table,
    pub(super) windows: Windows,
    /// The bytes of the end that a crash cut off.
    pub(super) torn: usize,
}

/// The peers and windows that the journal in the folder tells of, for looking at them while no server runs: nothing is
/// locked or repaired. None of them when there is no journal.
///
/// # Errors
/// When the journal cannot be read, or is damaged.
pub fn read_journal(folder: &Path) -> Result<(Table, Windows), StateError> {
    replay(folder).map(|replayed| (replayed.table, replayed.windows))
}

pub(super) fn replay(folder: &Path) -> Result<Replayed, StateError> {
    let path = folder.join(FILE);
    let bytes = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Replayed::default()),
        other => other.at("read", &path)?,
    };
    let mut replayed = Replayed::default();
    let mut rest = bytes.as_slice();
    let mut line = 0;
    while !rest.is_empty() {
        line += 1;
        // A line without its end was cut, and so nobody was told of it.
        let (text, after) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &rest[rest.len()..]),
        };
        let record = if text.len() == rest.len() { Err(BadLine::Broken) } else { parse(text) };
        match record {
            Err(BadLine::Broken) => {
                if after.split(|byte| *byte == b'\n').any(|line| parse(line) != Err(BadLine::Broken)) {
                    let fault = "is not what was written".to_owned();
                    return Err(StateError::Damaged { path, line, fault });
                }
                replayed.torn = rest.len();
                return Ok(replayed);
            }
            Ok(record) if record.clone().replay(&mut replayed.table, &mut replayed.windows).is_some() => {}
            Ok(_) | Err(BadLine::Unknown) => return Err(StateError::Newer { path, line }),
        }
        rest = after;
    }
    Ok(replayed)
}

/// The journal, open for writing.
#[derive(Debug)]
pub(super) struct Journal {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    file: Option<Box<dyn DiskFile>>,
    /// Bytes that are known to be on disk.
    length: u64,
    lines: usize,
    /// From how many lines on it is worth making the file anew.
    worth: usize,
}

impl Journal {
    /// A journal that is not written yet: [`Journal::renew`] does that, and nothing can be appended before.
    pub(super) fn new(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        Self { disk, folder: folder.to_owned(), file: None, length: 0, lines: 0, worth: 0 }
    }

    /// Whether lines can be appended to what is on disk.
    pub(super) fn is_sound(&self) -> bool {
        self.file.is_some()
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.join(FILE)
    }

    /// Writes lines for the changes, and makes them durable, all at once. When that fails, what is on disk is not known
    /// any more, and the file has to be made anew.
    pub(super) fn append(&mut self, changes: &[Change]) -> io::Result<()> {
        let mut text = Vec::new();
        for change in changes {
            Record::of_change(change).write(&mut text)?;
        }
        let mut file = self.file.take().ok_or_else(|| io::Error::other("the journal has to be made anew"))?;
        if let Err(error) = file.write_all(&text).and_then(|()| file.sync()) {
            // Should the process die before the file is made anew, what nobody was told of is better not there.
            let _ = file.truncate(self.length);
            return Err(error);
        }
        self.file = Some(file);
        self.length += text.len() as u64;
        self.lines += changes.len();
        Ok(())
    }

    /// Whether the file says several times more than is true now.
    pub(super) fn is_worth_renewing(&self) -> bool {
        self.lines >= self.worth
    }

    /// Makes the file anew with what is true now, durably. A failure before the new file has the name leaves the old one
    /// as it is.
    pub(super) fn renew(&mut self, table: &Table, windows: &Windows) -> Result<(), StateError> {
        let (text, lines) = snapshot(table, windows);
        // Should it fail, it is not tried again at every group.
        self.worth = self.lines.saturating_mul(2).max(LEAST_LINES);
        let temporary = self.folder.join(TEMPORARY);
        match self.disk.remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).at("remove", &temporary)?,
            _ => {}
        }
        let mut file = self.disk.create_file(&temporary, FILE_MODE).at("create", &temporary)?;
        file.write_all(&text).and_then(|()| file.sync()).at("write", &temporary)?;
        // From here on it is not known which file has the name.
        self.file = None;
        let path = self.path();
        self.disk.rename(&temporary, &path).at("create", &path)?;
        self.disk.sync_folder(&self.folder).at("sync", &self.folder)?;
        self.file = Some(file);
        self.length = text.len() as u64;
        self.lines = lines;
        self.worth = lines.saturating_mul(LINES_FOR_ONE).saturating_add(LEAST_LINES);
        Ok(())
    }
}

/// The whole journal, as short as it can be, and how many lines that is.
fn snapshot(table: &Table, windows: &Windows) -> (Vec<u8>, usize) {
    let mut records = vec![Record::Journal { format: FORMAT }];
    records.extend(windows.first_keys().map(|(node, key)| Record::First { node: node.clone(), key: *key }));
    for window in windows.iter() {
        records.push(Record::of_window(window));
        let used = window.used.iter();
        records.extend(used.map(|(node, key)| Record::Used { window: window.number, node: node.clone(), key: *key }));
    }
    records.extend(table.iter().map(Record::of_peer));
    let mut text = Vec::new();
    for record in &records {
        // Texts and numbers always become JSON.
        let _ = record.write(&mut text);
    }
    (text, records.len())
}
