//! A machine that boots cloud-init.

use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_yaml::Value;
use tempfile::TempDir;
use walkdir::WalkDir;

use super::boot::Boot;
use super::network::{Namespace, machine_namespace};
use super::roots::{Client, Root};
use super::scratch::scratch;
use super::site::{BASE_URL, Machine};

/// The longest that one boot may take, in seconds. An ordinary one takes three.
const BOOT_LIMIT: &str = "180";

/// The memory that a process of a node may have: documents that eat all there is must not eat ours. What needs more may
/// take it, as only the soft limit is set.
const MEMORY_LIMIT: &str = "--as=800000000:";

/// A machine with a disk and an interface.
#[derive(Debug)]
pub(crate) struct Node {
    client: Client,
    root: PathBuf,
    machine: Machine,
    namespace: Namespace,
    disk: TempDir,
    boots: u32,
}

impl Node {
    /// Makes a machine with an empty disk, plugged into the server's bridge.
    pub(crate) fn new(root: &Root, machine: &Machine, server: &Namespace) -> Self {
        let namespace = machine_namespace(server, machine);
        let Root { client, folder } = root.clone();
        Self { client, root: folder, machine: *machine, namespace, disk: scratch(), boots: 0 }
    }

    /// The machine as the inventory knows it.
    pub(crate) const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Where the machine's interface is.
    pub(super) const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Boots with the disk that the boot before left.
    ///
    /// # Panics
    /// When the boot does not come to its end, with what the console showed.
    pub(crate) fn boot(&mut self) -> Boot {
        self.boot_from(BASE_URL)
    }

    /// As [`Node::boot`], from another place than the server of the laboratory.
    pub(super) fn boot_from(&mut self, url: &str) -> Boot {
        self.boot_with(&self.client.command_line(url))
    }

    /// As [`Node::boot`], with any kernel command line.
    pub(crate) fn boot_with(&mut self, command_line: &str) -> Boot {
        self.boots += 1;
        let report = self.disk.path().join(format!("report-{}", self.boots));
        fs::create_dir(&report).expect("the disk's folder can be written");
        let log_before = self.log().len();
        let status = self.boot_command(&report, command_line).status().expect("timeout can be started");
        assert!(status.success(), "the boot failed ({status}):\n{}", console(&report));
        Boot::read(self.client, &report, &self.log()[log_before..])
    }

    fn boot_command(&self, report: &Path, command_line: &str) -> Command {
        let output = File::create(report.join("console")).expect("the report can be written");
        let errors = output.try_clone().expect("a file can be shared");
        let mut command = Command::new("timeout");
        command.args(["--signal=KILL", BOOT_LIMIT, "prlimit", MEMORY_LIMIT]).args(self.namespace.entry());
        command.args(["unshare", "--mount", "--propagation", "private", "--uts", "--ipc", "--pid"]);
        command.args(["--fork", "--kill-child"]);
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real_client/boot"));
        command.arg(&self.root).arg(self.disk.path()).arg(report).arg(command_line);
        command.stdout(output).stderr(errors);
        command
    }

    /// Puts a file on the disk, as if it had come with the image.
    pub(crate) fn install(&self, path: &str, text: &str, mode: u32) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("the disk can be written");
        fs::write(&path, text).expect("the disk can be written");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("the disk can be written");
    }

    /// A path on the disk. Only what the node wrote is there, not what its Debian came with.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.disk.path().join("upper").join(path)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("var/log/cloud-init.log")).unwrap_or_default()
    }

    /// Whether the node wrote a file.
    pub(crate) fn wrote(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// The text of a file that the node wrote.
    ///
    /// # Panics
    /// When it did not.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("the node's {path}: {error}"))
    }

    /// How many lines a file has; none when the node did not write it.
    pub(crate) fn count_lines(&self, path: &str) -> usize {
        fs::read_to_string(self.path(path)).map_or(0, |text| text.lines().count())
    }

    /// Whether the kernel refuses one of the addresses and routes of the netplan file, all of one interface.
    ///
    /// # Panics
    /// When there is no such file, or it is of another shape.
    pub(crate) fn refuses_network(&self) -> bool {
        let netplan = self.netplan();
        let ethernets = netplan["network"]["ethernets"].as_mapping().expect("it has interfaces");
        let interface = ethernets.values().next().expect("it has an interface");
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let list = |key: &str| interface[key].as_sequence().cloned().unwrap_or_default();
        let addresses = list("addresses")
            .into_iter()
            .filter_map(|address| text(&address))
            .map(|address| format!("address add {address} dev eth0"));
        let routes = list("routes").into_iter().filter_map(|route| {
            Some(format!("route add {} via {} dev eth0", text(&route["to"])?, text(&route["via"])?))
        });
        let commands: Vec<String> = addresses.chain(routes).collect();
        assert!(commands.len() > 1, "{netplan:?}");
        // What the boot firmware has set up gives way to it.
        self.namespace.ip("address flush dev eth0");
        commands.iter().any(|command| self.namespace.try_ip(command).is_err())
    }

    /// Whether the kernel refuses the name of one of the VLAN interfaces of the netplan file.
    ///
    /// # Panics
    /// When there is no such file, or it has no VLANs.
    pub(crate) fn refuses_names(&self) -> bool {
        let netplan = self.netplan();
        let vlans = netplan["network"]["vlans"].as_mapping().expect("it has VLANs");
        let mut names = vlans.keys().map(|name| name.as_str().expect("a name is text"));
        // Not every kernel has VLANs, and names are the same matter for all kinds of interfaces.
        names.any(|name| self.namespace.try_ip(&format!("link add {name} type bridge")).is_err())
    }

    fn netplan(&self) -> Value {
        serde_yaml::from_str(&self.read("etc/netplan/50-cloud-init.yaml")).expect("it is YAML")
    }

    /// Every file that the node wrote at or below paths, by path, but for those that differ on every first boot.
    pub(crate) fn everything_below(&self, paths: &[&str]) -> BTreeMap<PathBuf, String> {
        let upper = self.path("");
        let entries = paths.iter().map(|path| self.path(path)).filter(|path| path.exists()).flat_map(WalkDir::new);
        entries
            .map(|entry| entry.expect("a finished node's disk can be read"))
            .filter(|entry| entry.file_type().is_file())
            .map(|entry| (entry.path().strip_prefix(&upper).expect("it lies below").to_path_buf(), entry.into_path()))
            .filter(|(name, _)| !is_made_anew(name))
            .map(|(name, path)| (name, comparable(&path)))
            .collect()
    }
}

/// The text of a file without what says nothing about the documents: the line in which cloud-init says when it made the
/// file, and the order of SSH keys, which 22.4 keeps in a set.
fn comparable(path: &Path) -> String {
    let bytes = fs::read(path).expect("a finished node's disk can be read");
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("# Created by cloud-init ")).collect();
    if path.ends_with("authorized_keys") {
        lines.sort_unstable();
    }
    lines.join("\n")
}

/// Whether each node makes a file's content for itself: host keys, and passwords with the day they were set.
fn is_made_anew(name: &Path) -> bool {
    name.starts_with("etc/ssh") || name.starts_with("etc/shadow") || name.starts_with("etc/shadow-")
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let report = self.disk.path().join(format!("report-{}", self.boots));
            eprintln!("---- {} showed on its console:\n{}", self.machine.id, console(&report));
        }
    }
}

fn console(report: &Path) -> String {
    fs::read_to_string(report.join("console")).unwrap_or_else(|error| error.to_string())
}
