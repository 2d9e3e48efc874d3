//! A machine that runs `wireguard-go`.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use super::cluster::SERVER_IN_TUNNEL;
use super::key::Key;
use crate::harness::network::{Namespace, machine_namespace};
use crate::harness::programs::{run, try_run};
use crate::harness::site::{Machine, SERVER_ADDRESS};

/// The script of the example site.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/site/image/wireguard-tunnel");
/// What the machine's first process does. Its `/run` is its own, and so are its processes, which end with it.
const FIRST_PROCESS: &str = "
    mount -t proc proc /proc
    mount -t tmpfs -o mode=755 tmpfs /run
    printf 'BOOT_IMAGE=/vmlinuz ochami_wg_ip=%s\\n' \"$0\" >/run/command-line
    mount --bind /run/command-line /proc/cmdline
    echo ready
    exec sleep infinity";

/// The answer to a request.
#[derive(Clone)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning: String = self.text().chars().take(300).collect();
        write!(formatter, "{} {beginning:?}", self.status)
    }
}

impl Answer {
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A running machine, switched off when dropped.
///
/// Fields are dropped in this order: the processes go before the namespace they run in.
#[derive(Debug)]
pub(crate) struct Peer {
    first: FirstProcess,
    namespace: Namespace,
    machine: Machine,
}

#[derive(Debug)]
struct FirstProcess {
    /// `unshare`, whose child ends with it.
    parent: Child,
    /// The child's id out here.
    id: String,
}

impl Peer {
    /// Makes a machine, plugged into the server's bridge.
    pub(super) fn start(server: &Namespace, machine: &Machine) -> Self {
        let namespace = machine_namespace(server, machine);
        let first = FirstProcess::start(&namespace);
        Self { first, namespace, machine: *machine }
    }

    /// The machine as the inventory knows it.
    pub(crate) const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The network that the machine is in.
    pub(crate) const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.id, "--mount", "--pid", "--net", "--", program]);
        command.env("WIREGUARD_TUNNEL_PATIENCE", "60");
        command
    }

    /// Runs a program with blank-separated arguments, and returns what it wrote.
    ///
    /// # Panics
    /// When it fails.
    pub(crate) fn run(&self, line: &str) -> String {
        let (program, arguments) = line.split_once(' ').expect("a program and its arguments");
        run(self.command(program).args(arguments.split_whitespace()))
    }

    /// Opens the tunnel with the node's script, and returns what it said.
    ///
    /// # Panics
    /// When it does not.
    pub(crate) fn up(&self) -> String {
        let output = self.command("sh").args(["-c", "exec \"$0\" up 2>&1", SCRIPT]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{}: {said}{}", self.machine.id, String::from_utf8_lossy(&output.stderr));
        said
    }

    /// Closes the tunnel with the node's script.
    pub(crate) fn down(&self) {
        run(self.command(SCRIPT).arg("down"));
    }

    /// Asks with `curl`; a sentence when there is no answer within so many seconds.
    pub(crate) fn ask(&self, limit: u32, arguments: &[&str]) -> Result<Answer, String> {
        let mut command = self.command("curl");
        command.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", &limit.to_string()]);
        command.args(["--write-out", "%{stderr}\nstatus %{http_code}"]).args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let status = said.rsplit_once("\nstatus ").and_then(|(_, status)| status.parse().ok());
        match status {
            Some(status) if output.status.success() => Ok(Answer { status, body: output.stdout }),
            _ => Err(said),
        }
    }

    /// Asks for a path through the tunnel, however long that takes, up to two minutes.
    ///
    /// # Panics
    /// When there is no answer.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(120, &[&format!("http://{SERVER_IN_TUNNEL}{path}")]).unwrap()
    }

    /// As [`Peer::get`], with a limit in seconds; whether the answer is the machine's own meta-data.
    pub(crate) fn has_tunnel(&self, limit: u32) -> bool {
        let answer = self.ask(limit, &[&format!("http://{SERVER_IN_TUNNEL}/meta-data")]);
        answer.is_ok_and(|answer| answer.status == 200 && answer.text().contains(self.machine.hostname))
    }

    /// Asks for a path outside the tunnel, with more of `curl`'s arguments.
    ///
    /// # Panics
    /// When there is no answer.
    pub(crate) fn get_outside(&self, path: &str, arguments: &[&str]) -> Answer {
        let url = format!("http://{SERVER_ADDRESS}:8080{path}");
        self.ask(30, &[arguments, &[&url]].concat()).unwrap()
    }

    /// Brings a key to the server, outside the tunnel.
    pub(crate) fn bring(&self, key: &Key) -> Answer {
        self.get_outside("/wg-init", &["--data", &json!({"public_key": key.public}).to_string()])
    }

    /// Brings a key to the server and opens a tunnel with it, as the script does but with a key that the test knows.
    pub(crate) fn up_with(&self, key: &Key) -> Value {
        let answer = self.bring(key);
        assert_eq!(answer.status, 202, "{answer:?}");
        let terms = answer.json();
        self.use_key(key, &terms);
        terms
    }

    /// Opens a tunnel on terms that the server has given, in place of the one there is.
    pub(crate) fn use_key(&self, key: &Key, terms: &Value) {
        let term = |name: &str| terms[name].as_str().unwrap_or_else(|| panic!("{name}: {terms}"));
        let (address, server) = (term("client-vpn-ip"), term("server-ip"));
        let script = format!(
            "ip link show dev wg0 >/dev/null 2>&1 || LOG_LEVEL=error wireguard-go wg0 >/dev/null 2>&1
             ip address flush dev wg0
             wg set wg0 peer '{peer}' remove
             printf '%s\\n' '{private}' | wg set wg0 private-key /proc/self/fd/0 peer '{peer}' \
                allowed-ips {server}/32 endpoint {endpoint}
             ip address add {address}/32 dev wg0
             ip link set dev wg0 mtu 1420 up
             ip route replace {server}/32 dev wg0",
            peer = term("server-public-key"),
            private = key.private,
            endpoint = term("endpoint"),
        );
        run(self.command("sh").args(["-euc", &script]));
    }

    /// When the tunnel's last handshake was, in seconds of the clock; 0 when there was none.
    pub(crate) fn last_handshake(&self) -> u64 {
        let line = self.run("wg show wg0 latest-handshakes");
        line.split_whitespace().last().unwrap().parse().unwrap()
    }
}

impl FirstProcess {
    fn start(namespace: &Namespace) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(namespace.entry());
        command.args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private", "--"]);
        command.args(["sh", "-euc", FIRST_PROCESS, SERVER_ADDRESS]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut parent = command.spawn().expect("setpriv can be started");
        let mut line = String::new();
        BufReader::new(parent.stdout.take().expect("it is piped")).read_line(&mut line).expect("it can be read");
        let children = format!("/proc/{id}/task/{id}/children", id = parent.id());
        let id = std::fs::read_to_string(children).unwrap_or_default().trim().to_owned();
        let first = Self { parent, id };
        assert_eq!((line.as_str(), first.id.is_empty()), ("ready\n", false), "the machine does not start");
        first
    }
}

impl Drop for FirstProcess {
    fn drop(&mut self) {
        let _ = self.parent.kill();
        let _ = self.parent.wait();
        // The namespace of processes ends with its first, which may take a moment.
        let begin = std::time::Instant::now();
        while std::path::Path::new("/proc").join(&self.id).exists() && begin.elapsed().as_secs() < 10 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

/// Whether a link can be made a bad one by the kernel.
pub(super) fn kernel_can_be_bad(namespace: &Namespace, link: &str, what: &str) -> bool {
    let [program, entry @ ..] = namespace.entry();
    let mut command = Command::new(program);
    command.args(entry).args(["tc", "qdisc", "add", "dev", link, "root", "netem"]).args(what.split_whitespace());
    try_run(&mut command).is_ok()
}
