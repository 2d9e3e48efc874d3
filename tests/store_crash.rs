//! Whatever happens while a tree is changed (the process is killed, the disk fills up, the power goes), the tree is
//! whole afterwards, and either as it was before the step or as it is after it.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod store_support;

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use mds::release::{StoreError, Tree};
use store_support::disks::{Fault, Op, TestDisk};
use store_support::power::{Loss, PowerModel};
use store_support::{Content, assert_content, content, publish, publish_with, scratch, time};

const STEPS: usize = 8;
const CRASH_AT: &str = "MDS_TEST_STORE_CRASH_AT";
const CRASH_FOLDER: &str = "MDS_TEST_STORE_CRASH_FOLDER";

/// Release `version` of the script. Odd and even ones share objects, so that collection has something to move.
fn version(version: u32) -> Content {
    content(2 + version as usize % 3, version)
}

/// The version that is current after the step.
fn current_after(step: usize) -> Option<u32> {
    [None, Some(1), Some(2), Some(2), Some(1), Some(3), Some(3), Some(4), Some(4)][step]
}

/// One step of the script. Every way to change a tree is in it.
fn run_step(step: usize, folder: &Path, disk: &Arc<TestDisk>) -> Result<(), StoreError> {
    let disk = Arc::clone(disk);
    if step == 0 {
        return Tree::open_or_create_with(folder.join("deep/tree"), disk).map(drop);
    }
    let tree = Tree::open_with(folder.join("deep/tree"), disk)?;
    let mut lock = tree.lock()?;
    let oldest = || tree.releases().map(|releases| releases.last().unwrap().id);
    match step {
        1 => publish_with(&mut lock, &version(1), 1).map(drop),
        2 => publish_with(&mut lock, &version(2), 2).map(drop),
        3 => lock.pin(oldest()?).map(drop),
        4 => lock.rollback(Some(oldest()?), time(4)).map(drop),
        5 => publish_with(&mut lock, &version(3), 5).map(drop),
        6 => lock.gc(0).map(drop),
        7 => publish_with(&mut lock, &version(4), 7).map(drop),
        _ => {
            lock.unpin(oldest()?)?;
            lock.gc(1).map(drop)
        }
    }
}

/// Sees that the tree is whole and has one of the versions as its current one.
fn assert_sound(folder: &Path, may_be_current: &[Option<u32>], may_be_missing: bool, when: &str) {
    let tree = match Tree::open(folder.join("deep/tree")) {
        Ok(tree) => tree,
        Err(StoreError::NotATree { .. }) if may_be_missing => return,
        Err(error) => panic!("{when}: {error}"),
    };
    let report = tree.verify().unwrap();
    assert!(report.is_whole(), "{when}: {report:?}");
    let current = tree.load_current().unwrap();
    let seen = (1..=4).find(|number| {
        let id = publish_in_a_draft(&version(*number));
        current.as_ref().is_some_and(|current| current.id() == id)
    });
    assert_eq!(seen.is_some(), current.is_some(), "{when}: an unknown release is current");
    assert!(may_be_current.contains(&seen), "{when}: {seen:?} is current, not one of {may_be_current:?}");
    if let (Some(seen), Some(current)) = (seen, current) {
        assert_content(&current, &version(seen));
    }
}

fn publish_in_a_draft(content: &Content) -> mds::types::ReleaseId {
    let mut draft = mds::release::DraftRelease::new();
    store_support::add_all(&mut draft, content).unwrap();
    draft.finish().unwrap().0
}

/// Sees that the next builds and collections go on as if nothing had happened.
fn assert_life_goes_on(folder: &Path, when: &str) {
    let tree = Tree::open_or_create_with(folder.join("deep/tree"), TestDisk::new()).unwrap();
    publish(&tree, &version(3), 20);
    assert_sound(folder, &[Some(3)], false, when);
    tree.lock().unwrap().gc(1).unwrap();
    assert_sound(folder, &[Some(3)], false, when);
    assert!(tree.verify().unwrap().leftovers.is_empty(), "{when}");
}

/// Not a test by itself: what the next one runs in a process of its own.
#[test]
fn child_that_is_killed() {
    let (Ok(at), Ok(folder)) = (std::env::var(CRASH_AT), std::env::var(CRASH_FOLDER)) else { return };
    let folder = Path::new(&folder);
    let disk = TestDisk::with_fault(at.parse().unwrap(), Fault::Kill);
    let mut progress = fs::OpenOptions::new().create(true).append(true).open(folder.join("progress")).unwrap();
    for step in 0..=STEPS {
        run_step(step, folder, &disk).unwrap();
        writeln!(progress, "{step}").unwrap();
    }
}

#[test]
fn killed_at_any_operation_the_tree_is_the_old_or_the_new_one() {
    let mut at = 0;
    loop {
        at += 1;
        let folder = scratch();
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["child_that_is_killed", "--exact", "--nocapture", "--test-threads=1"])
            .env(CRASH_AT, at.to_string())
            .env(CRASH_FOLDER, folder.path())
            .output()
            .unwrap();
        let progress = fs::read_to_string(folder.path().join("progress")).unwrap();
        let done = progress.lines().count();
        if output.status.success() {
            assert_eq!(done, STEPS + 1);
            break;
        }
        assert_eq!(output.status.signal(), Some(9), "{}", String::from_utf8_lossy(&output.stdout));
        let before = done.checked_sub(1).and_then(current_after);
        let when = format!("killed at operation {at}, in step {done}");
        assert_sound(folder.path(), &[before, current_after(done)], done == 0, &when);
        assert_life_goes_on(folder.path(), &when);
    }
    assert!(at > 100, "the script has many operations, {at} is too few");
}

#[test]
fn a_full_or_failing_disk_leaves_the_tree_as_it_was() {
    const ENOSPC: i32 = 28;
    const EIO: i32 = 5;
    for fault in [Fault::Full, Fault::Once(ENOSPC), Fault::Once(EIO)] {
        for step in 0..=STEPS {
            for at in 1.. {
                let folder = scratch();
                let disk = TestDisk::new();
                (0..step).for_each(|step| run_step(step, folder.path(), &disk).unwrap());
                disk.set_fault(Some((at, fault)));
                let result = run_step(step, folder.path(), &disk);
                let when = format!("{fault:?} at operation {at} of step {step}");
                let before = step.checked_sub(1).and_then(current_after);
                match result {
                    Ok(()) => assert_sound(folder.path(), &[current_after(step)], false, &when),
                    Err(error) => {
                        let text = error.to_string();
                        assert!(text.starts_with("cannot "), "{when}: {text}");
                        let full = fault != Fault::Once(EIO);
                        assert!(!full || text.contains("make room"), "{text}");
                        assert_sound(folder.path(), &[before, current_after(step)], step == 0, &when);
                    }
                }
                let reached = disk.was_reached();
                disk.set_fault(None);
                // The failed step succeeds once there is room again, and everything after it.
                (step..=STEPS).for_each(|step| {
                    run_step(step, folder.path(), &disk).unwrap_or_else(|error| panic!("{when}: {error}"));
                });
                assert_sound(folder.path(), &[current_after(STEPS)], false, &when);
                if !reached {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_full_disk_leaves_no_temporary_files() {
    for at in 1.. {
        let folder = scratch();
        let disk = TestDisk::new();
        (0..2).for_each(|step| run_step(step, folder.path(), &disk).unwrap());
        disk.set_fault(Some((at, Fault::Full)));
        let failed = run_step(2, folder.path(), &disk).is_err();
        let left = store_support::files_below(folder.path());
        assert!(!left.iter().any(|name| name.contains(".tmp-")), "operation {at}: {left:?}");
        if !failed {
            break;
        }
    }
}

/// The number of the last step that was finished in the part of the log, plus one.
fn steps_done(log: &[Op]) -> usize {
    log.iter().rev().find_map(|op| if let Op::Step(step) = op { Some(step + 1) } else { None }).unwrap_or(0)
}

fn assert_power_cut(root: &Path, log: &[Op], loss: Loss, may_be_current: &[Option<u32>], go_on: bool) {
    let left = scratch();
    PowerModel::after(root, log).materialise(loss, left.path());
    let when = format!("power cut after operation {} with {loss:?}", log.len());
    assert_sound(left.path(), may_be_current, steps_done(log) == 0, &when);
    if go_on {
        assert_life_goes_on(left.path(), &when);
    }
}

#[test]
fn after_a_power_cut_at_any_operation_the_tree_is_the_old_or_the_new_one() {
    let folder = scratch();
    let disk = TestDisk::new();
    for step in 0..=STEPS {
        run_step(step, folder.path(), &disk).unwrap();
        disk.step(step);
    }
    let log = disk.log();
    for length in 0..=log.len() {
        let done = steps_done(&log[..length]);
        let before = done.checked_sub(1).and_then(current_after);
        let after = current_after(done.min(STEPS));
        // Right after a step its result is certain.
        let certain = matches!(log[..length].last(), Some(Op::Step(_)));
        let may_be = if certain { vec![before] } else { vec![before, after] };
        for loss in [Loss::All, Loss::Nothing].into_iter().chain((0..6).map(Loss::Some)) {
            assert_power_cut(folder.path(), &log[..length], loss, &may_be, length % 5 == 0);
        }
    }
}

#[test]
fn a_power_cut_after_a_writer_died_and_another_went_on_loses_nothing() {
    // The second writer meets what the first has named but not synced, and must not rely on it.
    let mut seed = 0;
    for at in 1..200 {
        let folder = scratch();
        let disk = TestDisk::new();
        disk.set_fault(Some((at, Fault::Halt)));
        let (mut step, mut died) = (0, 0);
        while step <= STEPS {
            match run_step(step, folder.path(), &disk) {
                Ok(()) => {
                    disk.step(step);
                    step += 1;
                }
                Err(_) if disk.was_reached() => {
                    disk.set_fault(None);
                    died = disk.log().len();
                }
                Err(error) => panic!("{error}"),
            }
        }
        let log = disk.log();
        // Soon after the death, and now and then later.
        for length in (died..log.len()).take(20).chain((died + 20..=log.len()).step_by(31)) {
            seed += 1;
            let done = steps_done(&log[..length]);
            let may_be = [done.checked_sub(1).and_then(current_after), current_after(done.min(STEPS))];
            let loss = if seed % 4 == 0 { Loss::All } else { Loss::Some(seed) };
            assert_power_cut(folder.path(), &log[..length], loss, &may_be, false);
        }
    }
}
