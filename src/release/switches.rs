//! The log of switches: one line for every time `current` was moved, oldest first.

use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::disk::Disk;
use super::error::{At, StoreError};
use crate::types::ReleaseId;

/// Why `current` was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchAction {
    /// A release was published.
    Publish,
    /// An operator went back to a release, or forth.
    Rollback,
}

/// One line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// When.
    pub time: Timestamp,
    /// Why.
    pub action: SwitchAction,
    /// What became current.
    pub release: ReleaseId,
    /// What was current before, if anything.
    pub previous: Option<ReleaseId>,
    /// Whether an operator accepted that much is gone since then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accepted_drop: bool,
}

/// The release that was current at a time, or the first one after that; but none from before an operator had a say about
/// what is current. The log is in order, oldest first.
pub(super) fn standing_at(switches: &[Switch], time: Timestamp) -> Option<ReleaseId> {
    let mut standing = None;
    for switch in switches.iter().rev() {
        standing = Some(switch.release);
        if switch.time <= time || switch.accepted_drop || switch.action == SwitchAction::Rollback {
            break;
        }
    }
    standing
}

/// The log as it was read.
#[derive(Debug, Default)]
pub(super) struct Switches {
    pub(super) lines: Vec<Switch>,
    /// The numbers, from 1, of lines that are not readable, the torn end not counted.
    pub(super) unreadable: Vec<usize>,
    /// Whether the end is torn: a writer died, or the disk was full.
    pub(super) torn: bool,
    /// The length of the file up to the end of its last whole line.
    whole_length: usize,
    /// Whether the last line is whole and only its line feed is missing.
    lacks_line_feed: bool,
}

impl Switches {
    /// Reads the log. A log that is not there is an empty one.
    pub(super) fn read(path: &Path) -> Result<Self, StoreError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Self::from_bytes(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).at("read", path),
        }
    }

    fn from_bytes(bytes: &[u8]) -> Self {
        let mut switches = Self::default();
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            match (serde_json::from_slice(line), line.ends_with(b"\n")) {
                (Ok(switch), ends) => {
                    switches.lines.push(switch);
                    switches.lacks_line_feed = !ends;
                }
                (Err(_), true) => switches.unreadable.push(index + 1),
                (Err(_), false) => {
                    switches.torn = true;
                    continue;
                }
            }
            switches.whole_length += line.len();
        }
        switches
    }

    /// The last time the release was published, with its place in the log.
    pub(super) fn last_publish(&self, release: ReleaseId) -> Option<(usize, &Switch)> {
        let is_it = |switch: &Switch| switch.action == SwitchAction::Publish && switch.release == release;
        self.lines.iter().enumerate().rev().find(|(_, switch)| is_it(switch))
    }

    /// Adds a line, durably, and mends a torn end first.
    pub(super) fn append(disk: &dyn Disk, path: &Path, switch: &Switch) -> Result<(), StoreError> {
        let mut line =
            serde_json::to_vec(switch).map_err(|source| StoreError::Json { path: path.to_owned(), source })?;
        line.push(b'\n');
        Self::write(disk, path, &line)
    }

    /// Mends a torn end, durably, if there is one.
    pub(super) fn mend(disk: &dyn Disk, path: &Path) -> Result<(), StoreError> {
        if Self::read(path)?.torn { Self::write(disk, path, b"") } else { Ok(()) }
    }

    fn write(disk: &dyn Disk, path: &Path, line: &[u8]) -> Result<(), StoreError> {
        let before = Self::read(path)?;
        let mut file = disk.append_to_file(path).at("open", path)?;
        if before.torn {
            file.truncate(before.whole_length as u64).at("mend", path)?;
        }
        let bytes = if before.lacks_line_feed { [b"\n", line].concat() } else { line.to_owned() };
        file.write_all(&bytes).at("write", path)?;
        file.sync().at("sync", path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::disk::RealDisk;
    use crate::types::Digest;

    fn switch(number: u8) -> Switch {
        Switch {
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            action: if number.is_multiple_of(2) { SwitchAction::Publish } else { SwitchAction::Rollback },
            release: ReleaseId(Digest::of(&[number])),
            previous: (number > 0).then(|| ReleaseId(Digest::of(&[number - 1]))),
            accepted_drop: number.is_multiple_of(3),
        }
    }

    #[test]
    fn what_stood_at_a_time_is_found_and_nothing_from_before_an_operators_word() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let publish = |number: u8, second| Switch {
            time: at(second),
            action: SwitchAction::Publish,
            accepted_drop: false,
            ..switch(number)
        };
        let mut log = vec![publish(1, 10), publish(2, 20), publish(3, 30)];
        let standing = |log: &[Switch], second| standing_at(log, at(second));
        let id = |number: u8| Some(switch(number).release);
        for (second, number) in [(5, 1), (10, 1), (15, 1), (20, 2), (29, 2), (30, 3), (99, 3)] {
            assert_eq!(standing(&log, second), id(number), "{second}");
        }
        log[1].accepted_drop = true;
        assert_eq!((standing(&log, 5), standing(&log, 25)), (id(2), id(2)));
        log[2].action = SwitchAction::Rollback;
        assert_eq!((standing(&log, 5), standing(&[], 5)), (id(3), None));
    }

    #[test]
    fn a_log_cut_anywhere_is_read_up_to_the_cut_and_mended_by_the_next_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("switches.ndjson");
        for number in 0..3 {
            Switches::append(&RealDisk, &path, &switch(number)).unwrap();
        }
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let kept = Switches::read(&path).unwrap().lines;
            assert_eq!(kept, (0..kept.len() as u8).map(switch).collect::<Vec<_>>());
            Switches::mend(&RealDisk, &path).unwrap();
            assert!(!Switches::read(&path).unwrap().torn);
            fs::write(&path, &whole[..cut]).unwrap();
            Switches::append(&RealDisk, &path, &switch(9)).unwrap();
            let mended = Switches::read(&path).unwrap();
            assert_eq!(mended.lines, [kept, vec![switch(9)]].concat(), "cut at {cut}");
            assert!(!mended.torn && mended.unreadable.is_empty());
        }
    }

    #[test]
    fn a_broken_line_in_the_middle_hides_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("switches.ndjson");
        let line = |number| serde_json::to_string(&switch(number)).unwrap();
        fs::write(&path, format!("{}\n{{broken\n{}\n", line(0), line(2))).unwrap();
        let switches = Switches::read(&path).unwrap();
        assert_eq!(switches.lines, [switch(0), switch(2)]);
        assert_eq!((switches.unreadable, switches.torn), (vec![2], false));
    }
}
