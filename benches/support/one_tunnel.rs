//! How much goes through one tunnel, beside wireguard-go at both ends.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use mds::types::WireguardKey;
use mds::wireguard::PrivateKey;
use serde_json::{Value, json};

use crate::cluster::{self, node_with};
use crate::server::{Server, cpu_of};

/// The length of the document: the longest that `mds` allows unless told otherwise.
const LENGTH: usize = 1024 * 1024;
/// How often a connection fetches it, in a benchmark and in a trial.
const FETCHES: [u32; 2] = [64, 2];
const ROUNDS: [usize; 2] = [5, 1];
const DOCUMENT: &str = "user-data";
/// Addresses of the wire, and of the rival's tunnel.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 2);
const RIVAL_SERVER: Ipv4Addr = Ipv4Addr::new(10, 89, 0, 1);
const RIVAL_CLIENT: Ipv4Addr = Ipv4Addr::new(10, 89, 0, 2);
/// Addresses of the tunnel.
const INSIDE: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
const NODE: Ipv4Addr = Ipv4Addr::new(100, 64, 1, 0);
const PORT: u16 = 8080;
const WIREGUARD_PORT: u16 = 51820;
const RIVAL_PORT: u16 = 51821;
/// How long a program may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// Measures both, in turns.
///
/// # Errors
/// With a sentence, when something goes wrong.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn compare(is_bench: bool) -> Result<Value, String> {
    let size = usize::from(!is_bench);
    let (fetches, rounds) = (FETCHES[size], ROUNDS[size]);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
    let line = "# a line of a document that is about as long as such lines are\n";
    let body: Vec<u8> = line.bytes().cycle().take(LENGTH).collect();
    let addresses = [CLIENT, RIVAL_CLIENT].map(IpAddr::from).to_vec();
    let node = node_with("bulk", addresses, NODE.into(), vec![(DOCUMENT, body.clone())]);
    cluster::publish_entries(&folder.path().join("tree"), std::iter::once(node));
    let laboratory = Laboratory::build(folder.path())?;

    println!("\none document of 1 MiB, fetched {fetches} times over one connection");
    let Laboratory { server, far, near, .. } = &laboratory;
    let ways = [
        ("wireguard-go to mds", INSIDE, vec![server.id()], near[0].id()),
        ("wireguard-go to wireguard-go", RIVAL_SERVER, vec![server.id(), far.id()], near[1].id()),
    ];
    for (name, address, ..) in &ways {
        let copy = folder.path().join("copy");
        laboratory.fetch(*address, 1, &copy)?;
        let is_right = std::fs::read(&copy).is_ok_and(|copy| copy == body);
        assert!(is_right, "{name}: the document came in other bytes");
    }
    let mut runs: [Vec<Run>; 2] = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..ways.len() {
            let way = (round + turn) % ways.len();
            let (_, address, servers, client) = &ways[way];
            let spent = || (servers.iter().map(|process| cpu_of(*process)).sum::<f64>(), cpu_of(*client));
            let (before, start) = (spent(), Instant::now());
            laboratory.fetch(*address, fetches, Path::new("/dev/null"))?;
            let seconds = start.elapsed().as_secs_f64();
            let after = spent();
            runs[way].push(Run {
                rate: f64::from(fetches) * LENGTH as f64 / 1e6 / seconds,
                at_server: after.0 - before.0,
                at_client: after.1 - before.1,
            });
        }
    }
    let mut rates = [0.0; 2];
    let mut report = json!({"bytes": u64::from(fetches) * LENGTH as u64, "rounds": rounds});
    println!("{:<30} {:>11} {:>17} {:>17}", "", "", "CPU at the server", "CPU at the client");
    for (way, (name, ..)) in ways.iter().enumerate() {
        let runs = &mut runs[way];
        runs.sort_by(|left, right| left.rate.total_cmp(&right.rate));
        let Run { rate, at_server, at_client } = runs[runs.len() / 2];
        let (slowest, fastest) = (runs[0].rate, runs[runs.len() - 1].rate);
        rates[way] = rate;
        println!(
            "{name:<30} {rate:>6.1} MB/s {at_server:>15.2} s {at_client:>15.2} s   from {slowest:.1} to {fastest:.1} MB/s"
        );
        report[*name] = json!({
            "mb_per_s": rate, "slowest": slowest, "fastest": fastest, "server_cpu_s": at_server, "client_cpu_s": at_client,
        });
    }
    report["ratio"] = json!(rates[0] / rates[1]);
    Ok(report)
}

/// What one turn came to: megabytes a second, and seconds of CPU time.
struct Run {
    rate: f64,
    at_server: f64,
    at_client: f64,
}

/// Whether this machine allows it.
///
/// # Errors
/// With what is missing.
pub(crate) fn can_be_done() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("network namespaces need root".to_owned());
    }
    for program in ["ip", "curl", "wg", "wireguard-go"] {
        let found = std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
        if !found {
            return Err(format!("there is no {program}"));
        }
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err("there is no /dev/net/tun, which wireguard-go needs".to_owned());
    }
    Ok(())
}

/// Two machines with a wire and two tunnels between them. What runs in the namespaces goes before they do.
struct Laboratory {
    server: Server,
    /// The rival at the server.
    far: Daemon,
    /// wireguard-go at the node: for `mds`, and for the rival.
    near: [Daemon; 2],
    /// The server's, and the node's.
    spaces: [Space; 2],
}

impl Laboratory {
    fn build(folder: &Path) -> Result<Self, String> {
        let spaces = [Space::new("server")?, Space::new("node")?];
        let [at_server, at_node] = &spaces;
        ip(&format!("-n {} link add wire type veth peer name wire netns {}", at_server.name, at_node.name))?;
        for (space, address) in [(at_server, SERVER), (at_node, CLIENT)] {
            space.ip(&format!("address add {address}/24 dev wire"))?;
            space.ip("link set wire up")?;
        }
        let [program, arguments @ ..] = at_server.entry();
        let mut command = Command::new(program);
        command.args(arguments).arg(env!("CARGO_BIN_EXE_mds"));
        let server =
            Server::start_with(command, folder, &format!("0.0.0.0:{PORT}"), &format!("0.0.0.0:{WIREGUARD_PORT}"));

        let keys: Vec<PrivateKey> =
            std::iter::repeat_with(PrivateKey::generate).take(3).collect::<Option<_>>().unwrap();
        let [of_node, of_rival, of_rival_server] = keys.as_slice() else { unreachable!("three were asked for") };
        let near = [
            at_node.wireguard("near0", NODE, of_node, None)?,
            at_node.wireguard("near1", RIVAL_CLIENT, of_rival, None)?,
        ];
        let far = at_server.wireguard("far", RIVAL_SERVER, of_rival_server, Some(RIVAL_PORT))?;
        let laboratory = Self { server, far, near, spaces };
        let server_key = laboratory.bring_key(of_node)?;
        let [at_server, at_node] = &laboratory.spaces;
        at_node.peer("near0", &server_key, INSIDE, Some(WIREGUARD_PORT))?;
        at_node.peer("near1", &of_rival_server.public(), RIVAL_SERVER, Some(RIVAL_PORT))?;
        at_server.peer("far", &of_rival.public(), RIVAL_CLIENT, None)?;
        Ok(laboratory)
    }

    /// Brings the node's key to the server and returns the server's.
    fn bring_key(&self, key: &PrivateKey) -> Result<WireguardKey, String> {
        let body = json!({"public_key": key.public()}).to_string();
        let url = format!("http://{SERVER}:{PORT}/wg-init");
        let answer = run(self.spaces[1].command("curl").args(["-sS", "--fail", "--data", &body, &url]))?;
        let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
        WireguardKey::parse(answer["server-public-key"].as_str().unwrap_or_default()).map_err(|error| error.to_string())
    }

    /// Fetches the document so many times over one connection.
    fn fetch(&self, server: Ipv4Addr, times: u32, to: &Path) -> Result<(), String> {
        let mut curl = self.spaces[1].command("curl");
        // The server ignores what follows the question mark; curl counts with it.
        let url = format!("http://{server}:{PORT}/{DOCUMENT}?[1-{times}]");
        curl.args([
            "-sS",
            "--fail",
            "--max-time",
            "300",
            "--write-out",
            "%{size_download} %{num_connects}\n",
            "--output",
        ]);
        let said = run(curl.arg(to).arg(url))?;
        let connections: usize = said.lines().map(|line| usize::from(line.ends_with(" 1"))).sum();
        let whole = format!("{LENGTH} ");
        let all_whole = said.lines().filter(|line| line.starts_with(&whole)).count() == times as usize;
        if all_whole && connections == 1 {
            Ok(())
        } else {
            Err(format!("curl did not fetch all over one connection: {said}"))
        }
    }
}

/// A named network namespace, removed when it is dropped.
struct Space {
    name: String,
}

impl Space {
    fn new(role: &str) -> Result<Self, String> {
        let name = format!("mds-bench-{}-{role}", std::process::id());
        ip(&format!("netns add {name}"))?;
        let space = Self { name };
        space.ip("link set lo up")?;
        Ok(space)
    }

    /// The arguments that start a program inside.
    fn entry(&self) -> [&str; 4] {
        ["ip", "netns", "exec", &self.name]
    }

    fn command(&self, program: &str) -> Command {
        let [ip, arguments @ ..] = self.entry();
        let mut command = Command::new(ip);
        command.args(arguments).arg(program);
        command
    }

    fn ip(&self, arguments: &str) -> Result<(), String> {
        ip(&format!("-n {} {arguments}", self.name))
    }

    /// Starts wireguard-go with an address inside its tunnel.
    fn wireguard(&self, role: &str, address: Ipv4Addr, key: &PrivateKey, port: Option<u16>) -> Result<Daemon, String> {
        let name = interface(role);
        let mut command = self.command("wireguard-go");
        // Without the variable it tells everybody at length that the kernel can do this too.
        command.args(["-f", &name]).env("WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD", "1").env("LOG_LEVEL", "error");
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let daemon = Daemon(child.map_err(|error| format!("wireguard-go: {error}"))?);
        let socket = format!("/var/run/wireguard/{name}.sock");
        let start = Instant::now();
        while !Path::new(&socket).exists() {
            if start.elapsed() > PATIENCE {
                return Err("wireguard-go does not start; is there a TUN device?".to_owned());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let port = port.map(|port| port.to_string());
        let mut arguments = vec!["set", &name, "private-key", "/dev/stdin"];
        arguments.extend(port.iter().flat_map(|port| ["listen-port", port.as_str()]));
        let text = base64::engine::general_purpose::STANDARD.encode(key.expose());
        run_with_input(self.command("wg").args(arguments), &text)?;
        self.ip(&format!("address add {address}/24 dev {name}"))?;
        self.ip(&format!("link set {name} up"))?;
        Ok(daemon)
    }

    /// Tells wireguard-go who is at the other end.
    fn peer(&self, role: &str, key: &WireguardKey, address: Ipv4Addr, port: Option<u16>) -> Result<(), String> {
        let (name, key, allowed) = (interface(role), key.to_string(), format!("{address}/32"));
        let endpoint = port.map(|port| format!("{SERVER}:{port}"));
        let mut arguments = vec!["set", &name, "peer", &key, "allowed-ips", &allowed];
        arguments.extend(endpoint.iter().flat_map(|endpoint| ["endpoint", endpoint.as_str()]));
        run(self.command("wg").args(arguments))?;
        // The tunnel's network need not be that of the address.
        self.ip(&format!("route replace {allowed} dev {name}"))
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // A panic here, during another one, would hide the first.
        let _ = ip(&format!("netns delete {}", self.name));
    }
}

/// The name of an interface. The sockets of all wireguard-go lie in one folder under it, whatever their namespace.
fn interface(role: &str) -> String {
    format!("{role}-{}", std::process::id())
}

/// A program that is ended when it is dropped.
struct Daemon(Child);

impl Daemon {
    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // At the signal it removes its socket. It may have ended by itself.
        let process = i32::try_from(self.0.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(process) = process {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

fn ip(arguments: &str) -> Result<(), String> {
    run(Command::new("ip").args(arguments.split_whitespace())).map(drop)
}

fn run(command: &mut Command) -> Result<String, String> {
    run_with_input(command, "")
}

fn run_with_input(command: &mut Command, input: &str) -> Result<String, String> {
    let name = format!("{command:?}");
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().map_err(|error| format!("{name}: {error}"))?;
    // A program that does not read its input may have closed it.
    let _ = child.stdin.take().expect("it was asked for").write_all(input.as_bytes());
    let output = child.wait_with_output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(format!("{name}: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
    }
}
