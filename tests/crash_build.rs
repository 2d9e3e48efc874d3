//! `mds build` is killed at any moment, and the disk fills up under it: what is published stays whole, and the next
//! build goes on as if nothing had happened.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, missing_docs)]

mod cli_support;
mod git_support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use cli_support::{COMPUTE, SETTINGS, Sandbox};
use git_support::{is_root, skip};
use mds::release::Tree;
use mds::types::ReleaseId;

const NODES: usize = 300;
const ROUNDS: u32 = 40;
/// Where the child test finds the sandbox of its parent.
const FULL_DISK: &str = "MDS_TEST_FULL_DISK";

fn inventory(nodes: usize) -> String {
    let mut text = "{\"format\":1,\"nodes\":[".to_owned();
    for number in 0..nodes {
        let (high, low) = (number / 250, number % 250);
        write!(
            text,
            "{}{{\"id\":\"x{number}\",\"nid\":{number},\"groups\":[\"compute\"],\"interfaces\":[{{\"mac\":\
             \"b4:2e:99:00:{high:02x}:{low:02x}\",\"addresses\":[{{\"ip\":\"10.252.{high}.{}\",\"network\":\"HMN\"}}]}}]}}",
            if number == 0 { "" } else { "," },
            low + 2
        )
        .unwrap();
    }
    text + "]}"
}

/// Writes a site whose every group document holds the word, at least so many times.
fn write_site(sandbox: &Sandbox, folder: &str, nodes: usize, word: &str, times: usize) {
    sandbox.write(&format!("{folder}/mds.toml"), SETTINGS);
    sandbox.write(&format!("{folder}/inventory.json"), &inventory(nodes));
    let lines = format!("# {word}\n").repeat(times);
    sandbox.write(&format!("{folder}/groups/compute/cloud-config.yaml"), &format!("{COMPUTE}{lines}"));
    sandbox.write(&format!("{folder}/groups/compute/group.yaml"), "meta: {scheduler: slurm}\n");
}

fn build<'a>(site: &'a str, tree: &'a str) -> [&'a str; 7] {
    ["build", "--site", site, "--tree", tree, "--format", "json"]
}

fn release_of(sandbox: &Sandbox, site: &str, tree: &str) -> ReleaseId {
    let text = sandbox.stdout(&build(site, tree));
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    ReleaseId::parse(value["release"].as_str().unwrap()).unwrap()
}

/// Sees that the tree has no damage and that its current release can be served, and returns it.
fn assert_sound(tree: &Path, when: &str) -> ReleaseId {
    let tree = Tree::open(tree).unwrap();
    let report = tree.verify().unwrap();
    assert!(report.is_whole(), "{when}: {:?}", report.damages);
    let current = tree.current().unwrap().unwrap();
    assert_eq!(tree.load_current().unwrap().unwrap().node_count(), tree.manifest(current).unwrap().nodes().len());
    current
}

#[test]
fn a_build_that_is_killed_at_any_moment_leaves_the_old_or_the_new_release() {
    let sandbox = Sandbox::empty();
    write_site(&sandbox, "one", NODES, "first", 3);
    let mut before = release_of(&sandbox, "one", "tree");
    write_site(&sandbox, "one", NODES, "timed", 3);
    let start = Instant::now();
    release_of(&sandbox, "one", "another tree");
    let run_time = start.elapsed();
    let tree = sandbox.path("tree");
    let (mut killed, mut old, mut new) = (0, 0, 0);
    for round in 0..ROUNDS {
        let when = format!("round {round}");
        let site = ["two", "one"][round as usize % 2];
        // Every document is new, so that there is something to write at every moment.
        write_site(&sandbox, site, NODES, &when, 3);
        // The moments are mixed, so that neither site has all the early ones, and denser to the end, where writing is.
        let moment = (f64::from(round * 17 % ROUNDS) / f64::from(ROUNDS)).sqrt();
        let delay = run_time.mul_f64(moment);
        let mut child = sandbox.command(&build(site, "tree"));
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(delay);
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        let current = assert_sound(&tree, &when);
        let wanted = release_of(&sandbox, site, "tree");
        assert!([before, wanted].contains(&current), "{when}: {current} was current");
        assert_ne!(before, wanted);
        *(if current == before { &mut old } else { &mut new }) += 1;
        assert_eq!(assert_sound(&tree, &when), wanted);
        before = wanted;
        if round % 10 == 9 {
            sandbox.stdout(&["gc", "--keep", "1", "--tree", "tree"]);
        }
    }
    assert!(killed > ROUNDS / 4 && old > 0, "{killed} of {ROUNDS} were killed: {old} old, {new} new");
    eprintln!("{killed} of {ROUNDS} builds were killed: {old} left the old release, {new} the new one");
    sandbox.stdout(&["gc", "--keep", "1", "--tree", "tree"]);
    assert!(Tree::open(&tree).unwrap().verify().unwrap().leftovers.is_empty(), "collection clears what is left over");
}

#[test]
fn a_full_disk_is_one_sentence_and_nothing_is_published_by_halves() {
    if !is_root() {
        return skip("to mount a small disk needs root");
    }
    let sandbox = Sandbox::empty();
    fs::create_dir(sandbox.path("disk")).unwrap();
    let mut child = Command::new("unshare");
    child.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    child.args(["child_on_a_small_disk", "--exact", "--nocapture", "--test-threads=1"]);
    let output = child.env(FULL_DISK, sandbox.path("")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if said.contains("cannot mount") {
        return skip(&said);
    }
    assert!(output.status.success() && said.contains("the small disk was filled"), "{said}");
    assert_eq!(fs::read_dir(sandbox.path("disk")).unwrap().count(), 0, "the disk was mounted for the child only");
}

/// Not a test by itself: what the one before runs in a mount namespace of its own.
#[test]
fn child_on_a_small_disk() {
    let Some(folder) = std::env::var_os(FULL_DISK) else { return };
    let folder = Path::new(&folder);
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=512k", "tmpfs"])
        .arg(folder.join("disk"))
        .output()
        .unwrap();
    if !mount.status.success() {
        eprintln!("cannot mount a disk: {}", String::from_utf8_lossy(&mount.stderr));
        return;
    }
    let sandbox = Sandbox::empty();
    let disk = folder.join("disk/tree");
    let tree = disk.to_str().unwrap();
    write_site(&sandbox, "fits", 20, "fits", 3);
    write_site(&sandbox, "also fits", 20, "also fits", 3);
    let good = release_of(&sandbox, "fits", tree);
    // Too large by the objects, by the manifest, and by a little.
    for (nodes, times) in [(100, 2000), (1500, 0), (100, 300), (20, 4000)] {
        write_site(&sandbox, "large", nodes, "more than fits", times);
        let output = sandbox.command(&["build", "--site", "large", "--tree", tree]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        let when = format!("{nodes} nodes with {times} lines: {said}");
        assert_eq!(output.status.code(), Some(2), "{when}");
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("error: cannot ") && last.contains("No space left on device"), "{when}");
        assert!(
            last.ends_with("make room (`mds gc` may help) and try again: what was published before stays as it is")
        );
        assert!(output.stdout.is_empty(), "{when}");
        assert_eq!(assert_sound(&disk, &when), good);
        let releases = Tree::open(&disk).unwrap().releases().unwrap();
        assert_eq!(releases.iter().map(|release| release.id).collect::<Vec<_>>(), [good], "{when}");
    }
    let next = release_of(&sandbox, "also fits", tree);
    assert_eq!(assert_sound(&disk, "there is room for a small release still"), next);
    assert_eq!(release_of(&sandbox, "fits", tree), good);
    eprintln!("the small disk was filled");
}
