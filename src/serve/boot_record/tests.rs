//! The record on disk: what survives, what is dropped, what is seen.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::serve::boot_file::KEPT;

const PATIENCE: Duration = Duration::from_secs(20);

fn boot(node: &str, second: i64) -> Boot {
    Boot {
        node: NodeId::parse(node).unwrap(),
        time: Timestamp::from_second(second).unwrap(),
        release: None,
        through_tunnel: false,
        address: "10.0.0.1".parse().unwrap(),
        said: Call::parse(b"hostname=n1%0A%1b[2J"),
    }
}

struct Place {
    folder: TempDir,
    shared: Arc<Shared>,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), shared: Arc::default() }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("state").join(BootRecord::FILE_NAME)
    }

    fn open(&self) -> Arc<BootRecord> {
        BootRecord::open(&self.path(), Arc::clone(&self.shared)).unwrap()
    }

    fn read(&self) -> Vec<Boot> {
        BootRecord::read(&self.path()).unwrap()
    }
}

#[test]
fn what_was_noted_is_there_after_the_end_and_nobody_else_reads_it() {
    let place = Place::new();
    assert_eq!(place.read(), [], "no file is no boots");
    let record = place.open();
    record.note(boot("x1", 1));
    record.note(boot("x2", 2));
    assert!(record.flush(PATIENCE));
    assert_eq!(place.read(), [boot("x1", 1), boot("x2", 2)]);
    record.note(boot("x3", 4));
    drop(record);
    assert_eq!(place.read().last(), Some(&boot("x3", 4)), "the end waits for what was noted");
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_last_line_that_was_cut_is_dropped_wherever_it_was_cut() {
    let place = Place::new();
    drop(place.open());
    let line = |second| serde_json::to_string(&boot("x1", second)).unwrap() + "\n";
    let torn = line(2);
    for length in 0..torn.len() {
        fs::write(place.path(), line(1) + &torn[..length]).unwrap();
        assert_eq!(place.read(), [boot("x1", 1)], "{length}");
        let record = place.open();
        record.note(boot("x1", 3));
        drop(record);
        assert_eq!(fs::read_to_string(place.path()).unwrap(), line(1) + &line(3), "{length}");
    }
}

#[test]
fn a_line_that_is_no_boot_spoils_no_other() {
    let place = Place::new();
    drop(place.open());
    let line = |second| serde_json::to_string(&boot("x1", second)).unwrap() + "\n";
    fs::write(place.path(), format!("{}{{\"node\":\n\n\0\n{}", line(1), line(2))).unwrap();
    drop(place.open());
    assert_eq!(place.read(), [boot("x1", 1), boot("x1", 2)]);
}

#[test]
fn a_file_that_grows_keeps_the_newest_of_each_node_in_their_order() {
    let place = Place::new();
    let record = place.open();
    record.note(boot("rare", 0));
    for second in 1..=1500 {
        record.note(boot("often", second));
    }
    assert!(record.flush(PATIENCE));
    let boots = place.read();
    assert!(boots.len() < 1000, "{}", boots.len());
    assert_eq!(boots[0], boot("rare", 0));
    let newest: Vec<Boot> = (1498..=1500).map(|second| boot("often", second)).collect();
    assert_eq!(newest.len(), KEPT);
    assert!(boots.ends_with(&newest));
    record.note(boot("late", 1501));
    drop(record);
    assert_eq!(place.read().last(), Some(&boot("late", 1501)), "the file that was rewritten is written on");
    assert_eq!(fs::metadata(place.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let files = fs::read_dir(place.path().parent().unwrap()).unwrap().count();
    assert_eq!(files, 1, "nothing but the record");
}

#[test]
fn a_disk_that_is_full_is_seen_and_nobody_waits_for_it() {
    let shared: Arc<Shared> = Arc::default();
    // Writing to it always fails as on a full disk, and reading it never ends, so it is not opened by the record.
    let full = BootFile::for_test(Path::new("/dev/full"));
    let record = BootRecord::with_file(full, 2, Arc::clone(&shared)).unwrap();
    record.note(boot("x1", 1));
    while !shared.snapshot().degraded().contains_key(BootRecord::PART) {
        std::thread::yield_now();
    }
    let reason = shared.snapshot().degraded()[BootRecord::PART].reason.clone();
    assert!(reason.contains("No space left") && !reason.contains("/dev"), "{reason}");
    let mut reasons = String::new();
    for second in 2..10 {
        record.note(boot("x1", second));
        reasons += &shared.snapshot().degraded()[BootRecord::PART].reason;
    }
    assert!(reasons.contains("some are not on record"), "{reasons}");
    assert!(!record.flush(Duration::from_millis(30)), "it is waited for no longer than was said");
    drop(record);
}

#[test]
fn a_disk_that_takes_boots_again_is_no_longer_complained_of() {
    let place = Place::new();
    let shared: Arc<Shared> = Arc::default();
    fs::create_dir(place.folder.path().join("state")).unwrap();
    let (_, messages) = sync_channel(1);
    let ending = Arc::new(AtomicBool::new(false));
    let full = BootFile::for_test(Path::new("/dev/full"));
    let mut writer = Writer { file: full, messages, shared: Arc::clone(&shared), ending: Arc::clone(&ending) };
    ending.store(true, Ordering::Release);
    writer.write(&[boot("x1", 1)]);
    assert!(shared.snapshot().degraded().contains_key(BootRecord::PART));
    writer.file = BootFile::open(&place.path()).unwrap();
    writer.write(&[boot("x1", 1)]);
    assert_eq!(place.read(), [boot("x1", 1)]);
    assert!(shared.snapshot().degraded().is_empty());
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let error = BootRecord::open(Path::new("/proc/none/phone-home.ndjson"), Arc::default()).unwrap_err().to_string();
    assert!(error.contains("/proc/none/phone-home.ndjson"), "{error}");
}
