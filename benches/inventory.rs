//! What it takes to pull the inventory of a large cluster from SMD, beside two plainer ways.
//!
//!     cargo bench --bench inventory             10,000 and 100,000 nodes
//!     cargo bench --bench inventory -- 50000    as many nodes as you like
//!
//! Each way ends with the same thing, an inventory in its normal form, whose digest is compared:
//!
//! - `mds` is `SmdClient::pull`.
//! - `whole bodies` sends the same three requests with the same HTTP client, keeps every answer in memory, parses it
//!   into a tree of values and looks up what belongs together in hash maps.
//! - `node by node` is the way of the original service: one request for the list and three for each node, one after
//!   the other on one connection. A server that is not on the same machine adds three round trips for each node to its time.
//!   It is left out where it would take minutes.
//!
//! Pulling runs in a process of its own, whose whole CPU time and peak memory count, start included. The answers are
//! made beforehand and served from memory by this process. Ways take turns; the middle one of the rounds counts.
//!
//! Without `--bench`, as `cargo test --benches` runs it, a hundred nodes show that it works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[allow(dead_code, unreachable_pub)]
#[path = "../tests/smd_support/inventory.rs"]
mod answers;
#[path = "support/usage.rs"]
mod usage;

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mds::inventory::smd::SmdClient;
use mds::inventory::{Interface, InterfaceAddress, Inventory, Node};
use mds::settings::{Authentication, ServiceUrl, SmdSettings, Source, Sourced, SyncSettings};
use mds::types::{GroupLabel, InterfaceName, MacAddress, NodeId};
use reqwest::Client;
use serde_json::{Value, json};
use usage::{cpu, peak};

const NODES: [u32; 2] = [10_000, 100_000];
const NODES_OF_A_TRIAL: u32 = 100;
const ROUNDS: usize = 5;
/// More nodes than these are not asked for one by one.
const MOST_ONE_BY_ONE: u32 = 10_000;
/// What the first argument of a pulling process is.
const PULL: &str = "pull-in-a-process-of-its-own";
const WAYS: [&str; 3] = ["mds", "whole bodies", "node by node"];

/// What one pull took, in the units of the table.
struct Taken {
    wall: f64,
    cpu: f64,
    peak: f64,
    /// CPU time of the digest, which comes after all else.
    digest_cpu: f64,
    digest: String,
}

/// Complete HTTP answers by the target of the request.
type Prepared = HashMap<String, Vec<u8>>;

fn prepared(nodes: u32) -> Prepared {
    let all = answers::Inventory::synthetic(nodes);
    let mut prepared = Prepared::new();
    let mut add = |target: String, value: &Value| {
        let body = value.to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        prepared.insert(format!("/hsm/v2{target}"), [head.into_bytes(), body.into_bytes()].concat());
    };
    if nodes <= MOST_ONE_BY_ONE {
        // Both cards of a node stand one after the other.
        let each = all.components.iter().zip(&all.memberships).zip(all.interfaces.chunks(2));
        for ((component, membership), interfaces) in each {
            let id = component["ID"].as_str().unwrap();
            add(format!("/State/Components/{id}"), component);
            add(format!("/memberships/{id}"), membership);
            add(format!("/Inventory/EthernetInterfaces?ComponentID={id}"), &interfaces.into());
        }
    }
    add("/State/Components?type=Node".to_owned(), &json!({"Components": all.components}));
    add("/Inventory/EthernetInterfaces".to_owned(), &all.interfaces.into());
    add("/memberships?type=Node".to_owned(), &all.memberships.into());
    prepared
}

/// Serves the answers for as long as this process lives, and tells where.
fn serve(prepared: Prepared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let prepared = Arc::new(prepared);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let prepared = Arc::clone(&prepared);
            // A client that leaves ends its connection.
            thread::spawn(move || answer(&stream, &prepared));
        }
    });
    url
}

fn answer(mut stream: &TcpStream, prepared: &Prepared) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut lines = BufReader::new(stream).lines();
    loop {
        let first = lines.next()?.ok()?;
        while !lines.next()?.ok()?.is_empty() {}
        let target = first.split(' ').nth(1)?;
        stream.write_all(prepared.get(target).expect(target)).ok()?;
    }
}

async fn pull(way: &str, url: &str) -> Inventory {
    match way {
        "mds" => {
            let off = SyncSettings { is_enabled: false, interval: Duration::from_secs(60), takes_notifications: false };
            let settings = SmdSettings {
                url: Sourced::new(ServiceUrl::smd(url).unwrap(), Source::Default),
                ca: None,
                timeout: Duration::from_secs(10),
                authentication: Authentication::None,
                sync: off,
            };
            SmdClient::new(&settings).pull().await.unwrap().inventory
        }
        "whole bodies" => whole_bodies(&plain_client(), url).await,
        _ => node_by_node(&plain_client(), url).await,
    }
}

/// Without certificates to load, as there are none to be believed.
fn plain_client() -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().http1_only().tls_certs_only([]).build().unwrap()
}

async fn get(client: &Client, url: String) -> Value {
    let response = client.get(url).send().await.unwrap().error_for_status().unwrap();
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

async fn whole_bodies(client: &Client, url: &str) -> Inventory {
    let url = format!("{url}/hsm/v2");
    let (components, interfaces, memberships) = tokio::join!(
        get(client, format!("{url}/State/Components?type=Node")),
        get(client, format!("{url}/Inventory/EthernetInterfaces")),
        get(client, format!("{url}/memberships?type=Node")),
    );
    let mut interfaces_of: HashMap<&str, Vec<&Value>> = HashMap::new();
    for interface in interfaces.as_array().unwrap() {
        interfaces_of.entry(text(interface, "ComponentID")).or_default().push(interface);
    }
    let memberships = memberships.as_array().unwrap().iter();
    let memberships: HashMap<&str, &Value> = memberships.map(|one| (text(one, "id"), one)).collect();
    let of_node = |component: &Value| {
        let id = text(component, "ID");
        node(component, memberships[id], &interfaces_of[id])
    };
    Inventory::new(components["Components"].as_array().unwrap().iter().map(of_node).collect()).unwrap()
}

async fn node_by_node(client: &Client, url: &str) -> Inventory {
    let url = format!("{url}/hsm/v2");
    let list = get(client, format!("{url}/State/Components?type=Node")).await;
    let mut nodes = Vec::new();
    for listed in list["Components"].as_array().unwrap() {
        let id = text(listed, "ID");
        let component = get(client, format!("{url}/State/Components/{id}")).await;
        let membership = get(client, format!("{url}/memberships/{id}")).await;
        let interfaces = get(client, format!("{url}/Inventory/EthernetInterfaces?ComponentID={id}")).await;
        nodes.push(node(&component, &membership, &interfaces.as_array().unwrap().iter().collect::<Vec<_>>()));
    }
    Inventory::new(nodes).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// A node of values of which none has anything wrong.
fn node(component: &Value, membership: &Value, interfaces: &[&Value]) -> Node {
    let interface = |value: &&Value| Interface {
        name: InterfaceName::default(),
        mac: MacAddress::parse(text(value, "MACAddress")).unwrap(),
        description: text(value, "Description").to_owned(),
        enabled: true,
        redfish_id: String::new(),
        addresses: value["IPAddresses"].as_array().unwrap().iter().map(address).collect(),
    };
    let mut interfaces: Vec<Interface> = interfaces.iter().map(interface).collect();
    interfaces.sort_by_key(|interface| interface.mac);
    let labels = membership["groupLabels"].as_array().unwrap().iter();
    Node {
        id: NodeId::parse(text(component, "ID")).unwrap(),
        nid: component["NID"].as_u64().and_then(|nid| nid.try_into().ok()),
        role: text(component, "Role").to_owned(),
        sub_role: text(component, "SubRole").to_owned(),
        groups: labels.map(|label| GroupLabel::parse(label.as_str().unwrap()).unwrap()).collect(),
        interfaces,
    }
}

fn address(value: &Value) -> InterfaceAddress {
    InterfaceAddress { ip: text(value, "IPAddress").parse().unwrap(), network: text(value, "Network").to_owned() }
}

/// The pulling process: pulls once and prints what it took.
fn pull_here(way: &str, url: &str) {
    let start = Instant::now();
    // As the program's own runtime.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let inventory = runtime.block_on(pull(way, url));
    let (wall, pulled, peak) = (start.elapsed().as_secs_f64(), cpu(), peak());
    let digest = inventory.digest().unwrap().to_string();
    println!("{}", json!({"wall": wall, "cpu": pulled, "peak": peak, "digest_cpu": cpu() - pulled, "digest": digest}));
}

fn pull_elsewhere(way: &str, url: &str) -> Taken {
    let output = Command::new(std::env::current_exe().unwrap()).args([PULL, way, url]).output().unwrap();
    assert!(output.status.success(), "{way}: {}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |key: &str| value[key].as_f64().unwrap();
    Taken {
        wall: number("wall"),
        cpu: number("cpu"),
        peak: number("peak"),
        digest_cpu: number("digest_cpu"),
        digest: text(&value, "digest").to_owned(),
    }
}

fn median(runs: &[Taken], measure: impl Fn(&Taken) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(measure).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn row(way: &str, measured: [f64; 3], ours: [f64; 3]) {
    let cell = |index: usize, digits: usize, unit: &str| {
        let ratio = format!("({:.1} x)", measured[index] / ours[index]);
        format!("{:>10.digits$} {unit} {ratio:>10}", measured[index])
    };
    println!("{way:<14} {} {} {}", cell(0, 3, "s"), cell(1, 3, "s"), cell(2, 1, "MiB"));
}

fn compare(nodes: u32, rounds: usize) {
    let prepared = prepared(nodes);
    let bodies = prepared.iter().filter(|(target, _)| !target.contains("ComponentID") && !target.contains("/x"));
    let bytes: usize = bodies.map(|(_, answer)| answer.len()).sum();
    let url = serve(prepared);
    let ways = if nodes <= MOST_ONE_BY_ONE { &WAYS[..] } else { &WAYS[..2] };
    let mut runs: Vec<Vec<Taken>> = ways.iter().map(|_| Vec::new()).collect();
    for round in 0..rounds {
        // In turns, and each the first once.
        for turn in 0..ways.len() {
            let way = (round + turn) % ways.len();
            runs[way].push(pull_elsewhere(ways[way], &url));
        }
    }
    let digest = &runs[0][0].digest;
    assert!(runs.iter().flatten().all(|run| run.digest == *digest), "the ways end with different inventories");
    println!("\n{nodes} nodes, three answers of {bytes} bytes together");
    println!("{:<14} {:>23} {:>23} {:>25}", "", "wall time", "CPU time", "peak memory");
    let measured =
        |runs: &Vec<Taken>| [median(runs, |run| run.wall), median(runs, |run| run.cpu), median(runs, |run| run.peak)];
    let ours = measured(&runs[0]);
    for (way, runs) in ways.iter().zip(&runs) {
        row(way, measured(runs), ours);
    }
    println!("the digest of the normal form takes another {:.3} s of CPU time", median(&runs[0], |run| run.digest_cpu));
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, way, url] = arguments.as_slice()
        && first == PULL
    {
        return pull_here(way, url);
    }
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let named = arguments.iter().find(|argument| !argument.starts_with('-'));
    let named = named.map(|text| text.parse().expect("the argument is a number of nodes"));
    let rounds = if is_bench { ROUNDS } else { 1 };
    match (named, is_bench) {
        (Some(nodes), _) => compare(nodes, rounds),
        (None, true) => NODES.into_iter().for_each(|nodes| compare(nodes, rounds)),
        (None, false) => compare(NODES_OF_A_TRIAL, rounds),
    }
}
