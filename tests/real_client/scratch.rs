//! Folders for the nodes' disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::programs::{is_alive, try_run};

/// What the names of all scratch folders begin with; the process id follows.
const PREFIX: &str = "mds-client-";

/// Makes a folder that can hold the upper side of an overlay; it is removed when dropped.
///
/// # Panics
/// When it cannot be made.
pub(crate) fn scratch() -> TempDir {
    scratch_in(base().expect("the roots were checked before"))
}

/// Makes a folder at a place; it is removed when dropped, and what killed runs have left there is removed now.
///
/// # Panics
/// When it cannot be made.
pub(crate) fn scratch_in(base: &Path) -> TempDir {
    remove_abandoned(base);
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(base).expect("a folder can be made where a trial one could")
}

/// Where scratch folders go: the first place that can hold the upper side of an overlay.
///
/// The target folder of a build in a container lies on an overlay itself, and overlays do not stack that way.
pub(crate) fn base() -> Result<&'static Path, String> {
    static BASE: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BASE.get_or_init(find_base).as_deref().map_err(Clone::clone)
}

fn find_base() -> Result<PathBuf, String> {
    let mut complaints = Vec::new();
    for candidate in [env!("CARGO_TARGET_TMPDIR"), "/dev/shm"].map(PathBuf::from) {
        match try_overlay(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(complaint) => complaints.push(complaint),
        }
    }
    Err(format!("no place for an overlay was found:\n{}", complaints.join("\n")))
}

/// Mounts a trial overlay, in namespaces of its own.
fn try_overlay(base: &Path) -> Result<(), String> {
    fs::create_dir_all(base).map_err(|error| format!("{}: {error}", base.display()))?;
    let trial = tempfile::Builder::new()
        .prefix(&format!("{PREFIX}{}-", std::process::id()))
        .tempdir_in(base)
        .map_err(|error| format!("{}: {error}", base.display()))?;
    let script = "mkdir lower upper work merged
        mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged
        : >merged/file";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--uts", "--ipc", "--pid", "--fork", "--kill-child"]);
    try_run(command.args(["sh", "-euc", script]).current_dir(trial.path())).map(drop)
}

/// Removes the folders of runs that were killed.
fn remove_abandoned(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
        if owner.is_some_and(|process| !is_alive(process)) {
            // Another run may be removing the same one; what stays is tried again next time.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
