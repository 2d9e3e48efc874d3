//! A place to run the script in: programs that play the real ones, a kernel command line, a folder for its state.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The script under test.
pub(crate) const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/site/image/wireguard-tunnel");
/// What plays the programs that need a network, and their note book.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/node_script/programs");
/// Beside those, the programs that the README of the script wants in an initrd. There are no others.
pub(crate) const TOOLS: [&str; 8] = ["cat", "chmod", "ln", "mkdir", "readlink", "rm", "rmdir", "sed"];
/// The node's private key.
pub(crate) const PRIVATE_KEY: &str = "GKGGDPXJFJEbpQbN8YPLhVjEoqbAvrGXxzHBdKpqN3k=";
/// The key that is brought to the server.
pub(crate) const PUBLIC_KEY: &str = "pFMTOl1Vq2D7wBNKkbGQHUxmZ8IaCSN4EXmzA5X1nlQ=";

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    /// What it said.
    pub(crate) said: String,
}

/// The place.
#[derive(Debug)]
pub(crate) struct Bench {
    folder: TempDir,
    shell: Vec<PathBuf>,
}

impl Bench {
    /// A place whose kernel command line ends with these words, for the machine's `sh`.
    pub(crate) fn new(words: &str) -> Self {
        Self::with_shell(words, vec!["/bin/sh".into()])
    }

    /// As [`Bench::new`], for another shell.
    pub(crate) fn with_shell(words: &str, shell: Vec<PathBuf>) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap(), shell };
        for folder in ["fake", "programs", "cloud.cfg.d"] {
            fs::create_dir(bench.path(folder)).unwrap();
        }
        for entry in fs::read_dir(PROGRAMS).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), bench.path("programs").join(entry.file_name())).unwrap();
        }
        fs::copy(Path::new(PROGRAMS).with_file_name("note"), bench.path("note")).unwrap();
        for tool in TOOLS {
            symlink(program(tool).unwrap(), bench.path("programs").join(tool)).unwrap();
        }
        bench.set("private-key", &format!("{PRIVATE_KEY}\n"));
        bench.set("public-key", &format!("{PUBLIC_KEY}\n"));
        bench.set("curl", program("curl").unwrap().to_str().unwrap());
        fs::write(bench.path("command-line"), format!("BOOT_IMAGE=/vmlinuz root=/dev/ram0 {words}\n")).unwrap();
        bench
    }

    /// A path in the place.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Tells the programs something.
    pub(crate) fn set(&self, name: &str, text: &str) {
        fs::write(self.path("fake").join(name), text).unwrap();
    }

    /// What the programs left; empty when nothing.
    pub(crate) fn get(&self, name: &str) -> String {
        fs::read_to_string(self.path("fake").join(name)).unwrap_or_default()
    }

    /// The programs that were started and that changed something, or waited, one a line: arguments are parted by bars.
    pub(crate) fn log(&self) -> Vec<String> {
        self.get("log").lines().map(ToOwned::to_owned).collect()
    }

    /// Those lines of the log that begin so.
    pub(crate) fn logged(&self, beginning: &str) -> Vec<String> {
        self.log().into_iter().filter(|line| line.starts_with(beginning)).collect()
    }

    /// The endpoints that were tried.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        let calls = self.logged("wg|set|");
        calls
            .iter()
            .filter_map(|call| call.split_once("|endpoint|")?.1.split('|').next().map(ToOwned::to_owned))
            .collect()
    }

    /// Whether there is an interface.
    pub(crate) fn has_interface(&self) -> bool {
        self.path("fake/interface").exists()
    }

    /// What cloud-init would read; none when nothing.
    pub(crate) fn seed(&self) -> Option<String> {
        fs::read_to_string(self.path("cloud.cfg.d/99-wireguard-tunnel.cfg")).ok()
    }

    /// The script, ready to be started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.shell[0]);
        command.args(&self.shell[1..]).arg(SCRIPT).args(arguments).env_clear().current_dir(self.folder.path());
        command.env("PATH", self.path("programs")).env("FAKE", self.path("fake"));
        command.env("WIREGUARD_TUNNEL_STATE", self.path("state"));
        command.env("WIREGUARD_TUNNEL_SEED", self.path("cloud.cfg.d/99-wireguard-tunnel.cfg"));
        command.env("WIREGUARD_TUNNEL_COMMAND_LINE", self.path("command-line"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the script to its end.
    pub(crate) fn run(&self, argument: &str) -> Outcome {
        finish(&mut self.command(&[argument]))
    }

    /// As [`Bench::run`], patient for so many seconds.
    pub(crate) fn up_within(&self, patience: &str) -> Outcome {
        finish(self.command(&["up"]).env("WIREGUARD_TUNNEL_PATIENCE", patience))
    }

    /// Fails unless nothing is left of a tunnel.
    pub(crate) fn assert_nothing_left(&self) {
        assert!(!self.has_interface(), "{:#?}", self.log());
        assert!(!self.path("state").exists());
        assert!(fs::symlink_metadata(self.path("cloud.cfg.d/99-wireguard-tunnel.cfg")).is_err());
        assert!(!self.path("pwned").exists());
    }
}

/// Runs a command to its end.
pub(crate) fn finish(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    assert_eq!(output.stdout, b"", "{output:?}");
    Outcome { code: output.status.code(), said: String::from_utf8(output.stderr).unwrap() }
}

/// Where the machine has a program.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name.as_ref())).find(|path| path.is_file())
}
