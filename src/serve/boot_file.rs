//! The file of nodes that have booted: one JSON value a line, appended, and now and then rewritten without what is old.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::boot_record::Boot;
use crate::types::NodeId;

/// How many boots of a node are kept when the file is rewritten.
pub(super) const KEPT: usize = 3;

/// How many lines the file may have besides twice those that were kept last, before it is rewritten.
const SLACK: usize = 1000;

/// Only the server's user reads it: it says when which node was up.
const MODE: u32 = 0o600;

/// Why the record of boots cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}, the record of nodes that have booted: {source}", path.display())]
pub struct BootRecordError {
    pub(super) action: &'static str,
    pub(super) path: PathBuf,
    pub(super) source: io::Error,
}

/// The file, open for appending.
#[derive(Debug)]
pub(super) struct BootFile {
    path: PathBuf,
    file: File,
    /// Bytes that are whole lines.
    length: u64,
    lines: usize,
    /// Lines after it was last rewritten.
    kept: usize,
}

impl BootFile {
    /// Opens the file, or makes it. A last line that was cut is taken off.
    pub(super) fn open(path: &Path) -> Result<Self, BootRecordError> {
        let failed = |action| move |source| BootRecordError { action, path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("make the folder of"))?;
        }
        let file = append_to(path).map_err(failed("open"))?;
        let mut lines = 0;
        let whole = for_each_line(path, |_| {
            lines += 1;
            Ok(())
        });
        let whole = whole.map_err(failed("read"))?;
        let length = file.metadata().map_err(failed("read"))?.len();
        if length > whole {
            tracing::warn!(path = %path.display(), bytes = length - whole, "dropping a last line that was cut");
            file.set_len(whole).map_err(failed("cut"))?;
        }
        Ok(Self { path: path.to_owned(), file, length: whole, lines, kept: 0 })
    }

    /// A file that is not read.
    #[cfg(test)]
    pub(super) fn for_test(path: &Path) -> Self {
        Self { path: path.to_owned(), file: append_to(path).unwrap(), length: 0, lines: 0, kept: 0 }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Appends boots, and is done when the disk has them. All of them are there, or none.
    pub(super) fn append(&mut self, boots: &[Boot]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for boot in boots {
            serde_json::to_writer(&mut bytes, boot)?;
            bytes.push(b'\n');
        }
        if let Err(error) = self.file.write_all(&bytes).and_then(|()| self.file.sync_data()) {
            // Half a line in the middle would spoil the next one. When even this fails, reading skips that line.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += bytes.len() as u64;
        self.lines += boots.len();
        Ok(())
    }

    /// Whether so much is old that it is worth a rewriting.
    pub(super) fn has_grown(&self) -> bool {
        self.lines > 2 * self.kept + SLACK
    }

    /// Rewrites the file with the newest boots of each node. Cut at any moment, it is the old file or the new one.
    pub(super) fn compact(&mut self) -> io::Result<()> {
        let mut left: HashMap<NodeId, usize> = HashMap::new();
        for_each_line(&self.path, |line| {
            if let Ok(boot) = serde_json::from_slice::<Owner>(line) {
                *left.entry(boot.node).or_default() += 1;
            }
            Ok(())
        })?;
        let path = self.path.with_extension("ndjson.new");
        let new = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&path)?;
        let mut writer = BufWriter::new(new);
        let (mut length, mut lines) = (0, 0);
        for_each_line(&self.path, |line| {
            let Ok(boot) = serde_json::from_slice::<Owner>(line) else { return Ok(()) };
            let count = left.entry(boot.node).or_default();
            *count = count.saturating_sub(1);
            if *count < KEPT {
                writer.write_all(line)?;
                length += line.len() as u64;
                lines += 1;
            }
            Ok(())
        })?;
        writer.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        // Opened before it takes the old one's place: after that, nothing may be written to the old one.
        let file = append_to(&path)?;
        fs::rename(&path, &self.path)?;
        (self.file, self.length, self.lines, self.kept) = (file, length, lines, lines);
        match self.path.parent() {
            Some(folder) if folder != Path::new("") => File::open(folder)?.sync_all(),
            _ => Ok(()),
        }
    }

    /// Does not try to rewrite the file again before it has grown once more.
    pub(super) fn put_off(&mut self) {
        self.kept = self.lines;
    }
}

/// Reads the whole record, oldest first; nothing when there is none. A last line without an end is none: it may be being
/// written.
pub(super) fn read(path: &Path) -> Result<Vec<Boot>, BootRecordError> {
    let (mut boots, mut unreadable) = (Vec::new(), 0_usize);
    let outcome = for_each_line(path, |line| {
        match serde_json::from_slice(line) {
            Ok(boot) => boots.push(boot),
            Err(_) => unreadable += 1,
        }
        Ok(())
    });
    if unreadable > 0 {
        tracing::warn!(path = %path.display(), lines = unreadable, "skipping lines that are not boots of nodes");
    }
    match outcome {
        Ok(_) => Ok(boots),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(boots),
        Err(source) => Err(BootRecordError { action: "read", path: path.to_owned(), source }),
    }
}

/// Of a line, whose it is.
#[derive(Deserialize)]
struct Owner {
    node: NodeId,
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(MODE).open(path)
}

/// Goes through the lines that have an end, with it, and says how many bytes they are.
fn for_each_line(path: &Path, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<u64> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    let mut whole = 0;
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            return Ok(whole);
        }
        whole += length as u64;
        take(&line)?;
    }
}
