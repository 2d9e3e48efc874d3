//! The `mds` under test: without root, capabilities or devices.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::harness::network::Namespace;
use crate::harness::server::{Server, binary, remove_settings};

/// The user and the group that the server runs as: nobody.
pub(crate) const NOBODY: u32 = 65534;
/// What drops everything. The folder of the program is made known at another place, as it may lie where nobody may look;
/// the mount namespace that `ip netns exec` makes keeps that to this process.
const UNPRIVILEGED: &str = "
    mount --bind \"$0\" /mnt
    exec setpriv --pdeathsig KILL --reuid 65534 --regid 65534 --clear-groups --no-new-privs \\
        --inh-caps=-all --bounding-set=-all -- \"$@\"";

/// A running `mds serve` with tunnels, killed when dropped.
#[derive(Debug)]
pub(crate) struct TunnelServer(Server);

impl TunnelServer {
    /// Starts a server with these arguments and waits until it says that it is well.
    ///
    /// # Panics
    /// When it ends, or is not well in time, with all that it said.
    pub(crate) fn start(namespace: &Namespace, folder: &Path, arguments: &[String]) -> Self {
        let log = folder.join("server.log");
        let output: File = OpenOptions::new().create(true).append(true).open(&log).expect("the log can be made");
        let errors = output.try_clone().expect("a file can be shared");
        let binary = binary();
        let place = binary.parent().expect("a program is in a folder");
        let inside = Path::new("/mnt").join(binary.file_name().expect("a program has a name"));
        let [program, entry @ ..] = namespace.entry();
        let mut command = Command::new(program);
        command.args(entry).args(["sh", "-euc", UNPRIVILEGED]).arg(place).arg(inside).args(arguments);
        remove_settings(&mut command);
        command.env("HOME", "/nonexistent").current_dir("/").stdout(output).stderr(errors);
        // Ctrl-C in a terminal is for the test, which kills its server itself.
        command.process_group(0);
        Self(Server::run(command, log, namespace))
    }

    /// Ends it as a power cut would, with what it had not written yet.
    pub(crate) fn kill(&mut self) {
        self.0.kill();
    }

    /// What the kernel says of the process, by name.
    pub(crate) fn status(&self, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{status}")).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// All that the server printed.
    pub(crate) fn said(&self) -> String {
        self.0.said()
    }
}
