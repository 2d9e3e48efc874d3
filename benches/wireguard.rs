//! What a cluster takes that boots through tunnels: CPU time and memory of the server, and how long nodes wait.
//!
//!     cargo bench --bench wireguard                        10,000 nodes, then the throughput of one tunnel (as root)
//!     cargo bench --bench wireguard -- 2000                 as many nodes as you like
//!     cargo bench --bench wireguard -- --throughput         only one tunnel
//!     cargo bench --bench wireguard -- 10000 --nodes        only the nodes
//!
//! `mds serve` runs as a process of its own, with a release in which every node has six documents of about 2 KB, each
//! its own. The load is one thread with an in-process node for each: its own address of 127.0.0.0/8, port, key pair,
//! session and TCP. It shares the machine's cores with the server. Every document is compared byte for byte.
//!
//! - First, 128 nodes at a time, the steps of a boot one after the other, so that what each takes of the server can be
//!   told: `/wg-init`, which puts keys on disk; handshake and six documents, each over a connection of its own, which is
//!   *the tunnel part*; `/phone-home` through the tunnel, which ends it.
//! - Then whole boots, phone-home included, 128, 1,000 and all at a time.
//!
//! CPU time is user and system time of the server's process, without what the kernel does in the name of others.
//! Memory is what is no file's in the server's address space: heap and stacks, with what the allocator keeps for later.
//! *Live peers* are the nodes after their last document, with their sessions; the *peak* is that of all boots at once,
//! with connections open and documents on their way. Some seconds after the tunnels have ended, the server gives their
//! memory back; all boots at once take place twice, to show that nothing adds up.
//!
//! The throughput of one tunnel is that of a document of 1 MiB, fetched 64 times over one connection by curl, through
//! wireguard-go in a network namespace. The rival is wireguard-go at the server's side as well; its packets reach the
//! same `mds serve` by the kernel's TCP, so nothing but the tunnel differs. Both take turns; the middle of the rounds
//! counts. Needs root, `ip`, `curl`, `wg` and `wireguard-go`, and is skipped, loudly, where they are missing.
//!
//! The limits are: no failure, 0.6 ms of the server's CPU time per node for the tunnel part, 40 KiB per live peer, and
//! at least half of the throughput of wireguard-go. The last line is everything as JSON. A limit that is broken, or a
//! node that fails, makes the exit code 1.
//!
//! Without `--bench`, as `cargo test --benches` runs it, a hundred nodes show that it works, and no limit counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/load.rs"]
mod load;
#[path = "support/one_tunnel.rs"]
mod one_tunnel;
#[path = "support/server.rs"]
mod server;
#[path = "support/tunnel_client.rs"]
mod tunnel_client;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mds::wireguard::PrivateKey;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::task::LocalSet;

use cluster::{DOCUMENTS, Node};
use load::{Phase, each};
use server::Server;
use tunnel_client::{Grant, Tunnel, ask_in_the_open, bring_key, get, post};

const NODES: u32 = 10_000;
const NODES_OF_A_TRIAL: u32 = 100;
/// How many nodes are at it in the steps.
const IN_FLIGHT: usize = 128;
/// How many nodes boot at a time; none for all of them.
const STORMS: [Option<usize>; 3] = [Some(128), Some(1000), None];
/// The limits: of CPU time in milliseconds, of memory in KiB, of throughput as a part of wireguard-go's.
const TUNNEL_CPU: f64 = 0.6;
const LIVE_PEER: f64 = 40.0;
const THROUGHPUT: f64 = 0.5;
/// How long tunnels may take to end once their nodes have called.
const ENDING: Duration = Duration::from_secs(60);
/// What is left in memory is looked at so much later.
const AFTERWARDS: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let named = arguments.iter().find(|argument| !argument.starts_with('-'));
    let named = named.map(|text| text.parse().expect("the argument is a number of nodes"));
    let is_bench = has("--bench");
    let nodes = named.unwrap_or(if is_bench { NODES } else { NODES_OF_A_TRIAL });
    let mut verdicts = Verdicts { counts: is_bench, broken: false };
    let mut report = json!({"format": 1, "cores": std::thread::available_parallelism().map_or(1, usize::from)});
    if !has("--throughput") {
        raise_file_limit(nodes);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        report["boots"] = LocalSet::new().block_on(&runtime, boots(nodes, is_bench, &mut verdicts));
    }
    if !has("--nodes") {
        report["throughput"] = throughput(is_bench, &mut verdicts);
    }
    println!("\n{report}");
    if verdicts.broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// The throughput of one tunnel; nothing, and that is said loudly, where it cannot be measured.
fn throughput(is_bench: bool, verdicts: &mut Verdicts) -> Value {
    if let Err(reason) = one_tunnel::can_be_done() {
        println!("\n*** SKIPPED: the throughput of one tunnel was NOT measured: {reason} ***");
        return Value::Null;
    }
    match one_tunnel::compare(is_bench) {
        Ok(throughput) => {
            let ratio = throughput["ratio"].as_f64().expect("a number");
            verdicts.at_least("throughput of one tunnel, as a part of wireguard-go's", ratio, THROUGHPUT);
            throughput
        }
        Err(fault) => {
            println!("\n*** FAILED: the throughput of one tunnel: {fault} ***");
            verdicts.broken = true;
            Value::Null
        }
    }
}

/// Whether all limits are kept.
struct Verdicts {
    counts: bool,
    broken: bool,
}

impl Verdicts {
    fn at_most(&mut self, what: &str, value: f64, limit: f64, unit: &str) {
        self.say(what, format!("{value:.3} {unit}"), format!("at most {limit} {unit}"), value <= limit);
    }

    fn at_least(&mut self, what: &str, value: f64, limit: f64) {
        self.say(what, format!("{value:.2}"), format!("at least {limit}"), value >= limit);
    }

    fn say(&mut self, what: &str, value: String, limit: String, is_kept: bool) {
        let verdict = match (self.counts, is_kept) {
            (false, _) => "does not count in a trial",
            (true, true) => "kept",
            (true, false) => "BROKEN",
        };
        println!("{what}: {value} (limit: {limit}; {verdict})");
        self.broken |= self.counts && !is_kept;
    }

    /// A failure counts in a trial too.
    fn no_failures<T>(&mut self, what: &str, phase: &Phase<T>) {
        if let Some(first) = phase.failures.first() {
            println!("*** {} nodes failed at {what}, the first of them {first} ***", phase.failures.len());
            self.broken = true;
        }
    }
}

/// Every node has a socket, at this end and, before it has its tunnel, at the server's, which inherits the limit.
fn raise_file_limit(nodes: u32) {
    let wanted = u64::from(nodes) * 2 + 1000;
    let limits = getrlimit(Resource::Nofile);
    let raised = |maximum| Rlimit { current: Some(wanted), maximum };
    let is_enough = limits.maximum.is_none_or(|maximum| maximum >= wanted);
    let maximum = if is_enough { limits.maximum } else { Some(wanted) };
    if limits.current.is_some_and(|current| current < wanted) && setrlimit(Resource::Nofile, raised(maximum)).is_err() {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, maximum: limits.maximum });
        let most = limits.maximum.unwrap_or_default();
        println!("*** only {most} files may be open, and all boots at once may need {wanted} ***");
    }
}

/// Fresh keys, made before anything is measured.
fn with_keys(nodes: u32) -> Vec<(Node, PrivateKey)> {
    (0..nodes).map(|number| (Node(number), PrivateKey::generate().unwrap())).collect()
}

async fn fetch_documents(node: Node, grant: Grant, key: PrivateKey) -> Result<Tunnel, String> {
    let mut tunnel = Tunnel::open(&grant, node.address(), &key).await?;
    tunnel.shake_hands().await?;
    for document in DOCUMENTS {
        let said = |fault| format!("{document}: {fault}");
        let body = tunnel.ask(&get(&format!("/{document}"))).await.and_then(tunnel_client::Answer::ok).map_err(said)?;
        if body != node.body(document) {
            return Err(said("these are not the bytes of this node".to_owned()));
        }
    }
    Ok(tunnel)
}

async fn call_home(node: Node, mut tunnel: Tunnel) -> Result<(), String> {
    let path = format!("/phone-home/{}", node.id());
    let body = format!("pub_key_ed25519=ssh-ed25519+AAAA&instance_id=i-{0}&hostname={0}", node.id());
    tunnel.ask(&post(&path, "application/x-www-form-urlencoded", &body)).await?.ok()?;
    tunnel.finish().await
}

/// Waits until the server has no tunnels any more.
async fn until_all_have_ended(server: SocketAddr) {
    let start = Instant::now();
    loop {
        let peers = ask_in_the_open(server, Ipv4Addr::LOCALHOST, &get("/wireguardpeers")).await.unwrap().ok().unwrap();
        if serde_json::from_slice::<Vec<Value>>(&peers).unwrap().is_empty() {
            return;
        }
        assert!(start.elapsed() < ENDING, "tunnels do not end");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Does something and tells the server's CPU time for each node, in milliseconds.
async fn costing<T>(server: &Server, nodes: u32, work: impl Future<Output = T>) -> (f64, T) {
    let before = server.cpu();
    let result = work.await;
    ((server.cpu() - before) * 1e3 / f64::from(nodes), result)
}

fn headings() {
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>16} {:>9} {:>9} {:>9}",
        "", "wall", "nodes/s", "failures", "server CPU/node", "median", "99%", "longest"
    );
}

#[allow(clippy::cast_precision_loss)]
fn row<T>(what: &str, cpu: f64, phase: &Phase<T>) -> Value {
    let wall = phase.wall.as_secs_f64();
    let rate = phase.results.len() as f64 / wall;
    let [median, most, longest] = [50, 99, 100].map(|part| phase.percentile(part).as_secs_f64() * 1e3);
    println!(
        "{what:<34} {wall:>7.2} s {rate:>9.0} {:>9} {cpu:>13.3} ms {median:>6.0} ms {most:>6.0} ms {longest:>6.0} ms",
        phase.failures.len()
    );
    json!({
        "what": what, "wall_s": wall, "nodes_per_s": rate, "failures": phase.failures.len(),
        "server_cpu_ms_per_node": cpu, "median_ms": median, "p99_ms": most, "longest_ms": longest,
    })
}

async fn boots(nodes: u32, is_bench: bool, verdicts: &mut Verdicts) -> Value {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    cluster::publish(&folder.path().join("tree"), nodes);
    println!("{nodes} nodes with six documents of {} bytes each", Node(0).body(DOCUMENTS[0]).len());
    headings();
    let steps = in_steps(folder.path(), nodes, verdicts).await;
    let mut storms = Vec::new();
    // In a trial, one will do.
    let storms_of_a_trial = STORMS.len() - 1;
    for in_flight in STORMS.into_iter().skip(if is_bench { 0 } else { storms_of_a_trial }) {
        storms.push(storm(folder.path(), nodes, in_flight, verdicts).await);
    }
    println!();
    let number = |value: &Value| value.as_f64().unwrap();
    let (memory, peers) = (&steps["memory_kib"], f64::from(nodes));
    let above = |value: &Value, from: &Value| (number(value) - number(from)) / peers;
    verdicts.at_most("tunnel part, per node", number(&steps["phases"][1]["server_cpu_ms_per_node"]), TUNNEL_CPU, "ms");
    let live = above(&memory["live"], &memory["baseline"]);
    verdicts.at_most("memory per live peer", live, LIVE_PEER, "KiB");
    let storm = storms.last().expect("there are some");
    let peak = above(&storm["memory_kib"]["peak"], &storm["memory_kib"]["baseline"]);
    println!("memory per node at the peak of all boots at once, connections and answers included: {peak:.3} KiB");
    let known = above(&memory["known"], &memory["baseline"]);
    println!("memory per peer that is known and has not spoken: {known:.3} KiB");
    println!("memory of the server in MiB:");
    let line = |what: &str, memory: &Value, names: &[(&str, &str)]| {
        let values = names.iter().map(|(name, when)| format!("{:.1} {when}", number(&memory[*name]) / 1024.0));
        println!("  {what}: {}", values.collect::<Vec<_>>().join(", "));
    };
    line(
        "steps",
        memory,
        &[("baseline", "before"), ("live", "with all peers live"), ("released", "once they had ended")],
    );
    let names = [
        ("baseline", "before"),
        ("peak", "at the peak"),
        ("released", "once all had ended"),
        ("second_peak", "at the peak of a second time"),
        ("second_released", "after it"),
    ];
    line("all boots at once", &storm["memory_kib"], &names);
    json!({
        "nodes": nodes, "steps": steps, "storms": storms,
        "kib_per_live_peer": live, "kib_per_node_at_peak": peak, "kib_per_known_peer": known,
    })
}

/// The steps of a boot, each for all nodes before the next.
async fn in_steps(folder: &Path, nodes: u32, verdicts: &mut Verdicts) -> Value {
    let server = Server::start(folder);
    let (address, baseline) = (server.address, server.memory());
    let keys = with_keys(nodes);

    let work = each(keys, IN_FLIGHT, move |node, key| async move {
        bring_key(address, node.address(), &key).await.map(|grant| (grant, key))
    });
    let (cpu, mut phase) = costing(&server, nodes, work).await;
    let known = server.memory();
    verdicts.no_failures("/wg-init", &phase);
    let asked = row("/wg-init", cpu, &phase);

    let granted = std::mem::take(&mut phase.results);
    let work = each(granted, IN_FLIGHT, |node, (grant, key)| fetch_documents(node, grant, key));
    let (cpu, mut phase) = costing(&server, nodes, work).await;
    let live = server.memory();
    verdicts.no_failures("fetching through the tunnel", &phase);
    let fetched = row("handshake and documents", cpu, &phase);

    let tunnels = std::mem::take(&mut phase.results);
    let (cpu, phase) = costing(&server, nodes, each(tunnels, IN_FLIGHT, call_home)).await;
    verdicts.no_failures("/phone-home", &phase);
    let called = row("/phone-home", cpu, &phase);

    until_all_have_ended(address).await;
    tokio::time::sleep(AFTERWARDS).await;
    json!({
        "phases": [asked, fetched, called],
        "memory_kib": {"baseline": baseline, "known": known, "live": live, "released": server.memory()},
    })
}

/// Whole boots, so many at a time, by a server that was started afresh and knows no peers. All at once, they boot a
/// second time.
async fn storm(folder: &Path, nodes: u32, in_flight: Option<usize>, verdicts: &mut Verdicts) -> Value {
    let server = Server::start(folder);
    let baseline = server.memory();
    let what = match in_flight {
        Some(many) => format!("whole boots, {many} at a time"),
        None => "whole boots, all at once".to_owned(),
    };
    let in_flight_or_all = in_flight.unwrap_or(nodes as usize);
    let (mut report, peak, released) = wave(&server, nodes, in_flight_or_all, &what, verdicts).await;
    report["memory_kib"] = json!({"baseline": baseline, "peak": peak, "released": released});
    if in_flight.is_none() {
        let what = "the same once more";
        let (second, peak, released) = wave(&server, nodes, in_flight_or_all, what, verdicts).await;
        report["second"] = second;
        report["memory_kib"]["second_peak"] = json!(peak);
        report["memory_kib"]["second_released"] = json!(released);
    }
    report
}

/// All nodes boot once. Tells also the memory at its peak, and once their tunnels have ended.
async fn wave(server: &Server, nodes: u32, in_flight: usize, what: &str, verdicts: &mut Verdicts) -> (Value, f64, f64) {
    let address = server.address;
    let keys = with_keys(nodes);
    let watch = server.watch_memory();
    let work = each(keys, in_flight, move |node, key| async move {
        let grant = bring_key(address, node.address(), &key).await?;
        let tunnel = fetch_documents(node, grant, key).await?;
        call_home(node, tunnel).await
    });
    let (cpu, phase) = costing(server, nodes, work).await;
    let peak = watch.peak();
    verdicts.no_failures(what, &phase);
    let report = row(what, cpu, &phase);
    until_all_have_ended(address).await;
    tokio::time::sleep(AFTERWARDS).await;
    (report, peak, server.memory())
}
