//! Running the user's own `git`: tied to no repository, never asking at a terminal, and within a time.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// How often a running `git` is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The variables that tie `git` to one repository, as `git rev-parse --local-env-vars` lists them, and what a hook adds.
/// `GIT_CONFIG_COUNT` and `GIT_CONFIG_PARAMETERS` are left: users pass credentials and proxies in them.
const GIT_OF_A_REPOSITORY: [&str; 15] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// What ssh is called with: it must fail, not ask at a terminal, whose input is not that of the process.
pub(super) const SSH_COMMAND: &str = "ssh -oBatchMode=yes";
/// Longest time to look up a setting.
const CONFIG_LIMIT: Duration = Duration::from_secs(10);

/// What is kept of what a program prints, in bytes.
const PRINTED_LIMIT: u64 = 1 << 20;

/// Tokens for other services, which `git` and what it calls have no use for.
const FOREIGN_SECRETS: [&str; 3] = ["SMD_JWT", "SMD_TOKEN", "TOKENSMITH_BOOTSTRAP_TOKEN"];

/// A `git` that never asks at a terminal, since a build must fail, not wait, and that is tied to no repository: what a
/// hook of another one sets would lead it there.
pub(super) fn git_command() -> Command {
    let mut git = Command::new("git");
    git.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null());
    GIT_OF_A_REPOSITORY.iter().chain(&FOREIGN_SECRETS).for_each(|name| {
        git.env_remove(name);
    });
    git
}

/// Whether the user said how ssh is called, or which program it asks for passwords, which `BatchMode` would forbid.
pub(super) fn has_own_ssh() -> std::io::Result<bool> {
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let asks_a_program = std::env::var("SSH_ASKPASS_REQUIRE").is_ok_and(|value| value == "force" || value == "prefer");
    if is_set("GIT_SSH_COMMAND") || is_set("GIT_SSH") || asks_a_program {
        return Ok(true);
    }
    let mut git = git_command();
    git.args(["config", "--get", "core.sshCommand"]);
    Ok(run_within(git, CONFIG_LIMIT)?.is_none_or(|ended| ended.status.success()))
}

/// The line that says best what went wrong: the first complaint, since what follows is advice; else the last line.
pub(super) fn complaint(printed: &str) -> String {
    const FROM_SSH: &str = "fatal: Could not read from remote repository.";
    let lines: Vec<&str> = printed.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
    let is_complaint = |line: &&str| line.starts_with("fatal: ") || line.starts_with("error: ");
    match lines.iter().position(is_complaint) {
        // Why is what ssh said before.
        Some(index) if index > 0 && lines[index] == FROM_SSH => lines[index - 1..=index].join("; "),
        Some(index) => lines[index].to_owned(),
        None => (*lines.last().unwrap_or(&"it said nothing")).to_owned(),
    }
}

/// How a program ended, and what it printed.
pub(super) struct Ended {
    pub(super) status: ExitStatus,
    pub(super) output: String,
    pub(super) errors: String,
}

/// Reads to the end on a thread of its own.
fn drain(stream: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What is cut off is not missed: only whole lines are looked at.
        let _ = stream.map(|mut stream| {
            stream.by_ref().take(PRINTED_LIMIT).read_to_end(&mut bytes)?;
            // Whoever prints more must not be stopped by it.
            std::io::copy(&mut stream, &mut std::io::sink())
        });
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Runs a program that may start others, and ends them all when their time is up: then there is `None`.
pub(super) fn run_within(mut command: Command, limit: Duration) -> std::io::Result<Option<Ended>> {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()?;
    let (output, errors) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            let (output, errors) = (output.join().unwrap_or_default(), errors.join().unwrap_or_default());
            return Ok(Some(Ended { status, output, errors }));
        }
        if Instant::now() >= deadline {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // It fails when the processes have just ended, which is what is wanted.
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_does_not_end_is_ended_with_all_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ >&2; sleep 1000 & wait"]);
        let start = Instant::now();
        assert!(run_within(command, Duration::from_millis(100)).unwrap().is_none());
        assert!(start.elapsed() < Duration::from_secs(10));
        let mut command = Command::new("sh");
        command.args(["-c", "echo said >&2; exit 3"]);
        let ended = run_within(command, Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!((ended.status.code(), ended.output.as_str(), ended.errors.as_str()), (Some(3), "", "said\n"));
    }

    #[test]
    fn the_first_complaint_of_git_is_shown() {
        let ssh = "git@host: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease \
                   make sure you have the correct access rights\nand the repository exists.\n";
        for (printed, kept) in [
            (ssh, "git@host: Permission denied (publickey).; fatal: Could not read from remote repository."),
            ("warning: x\nerror: one\nfatal: two\n", "error: one"),
            ("one\ntwo\n\n", "two"),
            ("", "it said nothing"),
        ] {
            assert_eq!(complaint(printed), kept);
        }
    }
}
