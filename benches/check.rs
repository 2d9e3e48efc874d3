//! What a full check of a large cluster takes, beside plainer ways.
//!
//!     cargo bench --bench check             10,000 and 100,000 nodes
//!     cargo bench --bench check -- 50000    as many nodes as you like
//!
//! Every node has seven documents: meta-data, user-data, three of groups, vendor-data and network-config. Those of one
//! group, meta-data and network-config are each node's own; all others are the same for many. The site lies in a
//! repository, and in its folder two templates differ from HEAD: one of all nodes, and one of a few. The ways are:
//!
//! - `mds --base HEAD` is `prepare`, `Side::of_site` and `examine`, as `mds build --check --base HEAD` runs them.
//! - `mds` is the same without anything to compare with.
//! - `nothing shared` is `mds` with an inspector of its own for each node, so that what one node has shows nothing about
//!   the next. Only what the merged documents of nodes come to is still remembered.
//! - `one by one` reads the YAML of every document by itself and holds each cloud-config against the schema: the least
//!   that a script around `cloud-init schema` does, without starting a program each time. It has no other rules and tells
//!   no places. The documents are made and looked at by the threads that `mds` uses, one for each core.
//!
//! Each runs in a process of its own, whose whole CPU time and peak memory count, start included. Ways take turns; the
//! middle one of the rounds counts. Ratios are to `one by one`.
//!
//! The budget is, for `mds --base HEAD` on two cores: 10,000 nodes in 5 s and 500 MiB, 100,000 nodes in 45 s.
//!
//! Without `--bench`, as `cargo test --benches` runs it, a hundred nodes show that it works.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, missing_docs)]

#[path = "support/usage.rs"]
mod usage;

use std::collections::HashSet;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use mds::check::{CloudConfigSchema, Severity, document_inspector};
use mds::pipeline::{InventoryInput, NoObserver, Side, SiteInput, examine, prepare, read_inventory};
use mds::render::{Inspector, NodeFacts, Plan, RenderedNode, Stopped, Verdict, render_all};
use mds::site::{Repository, Site};
use mds::types::{Digest, DocumentName};
use serde_json::{Value, json};
use usage::{cpu, peak};

/// How many nodes, and how often each way has its turn.
const SIZES: [(usize, usize); 2] = [(10_000, 3), (100_000, 1)];
const NODES_OF_A_TRIAL: usize = 100;
const DOCUMENTS_OF_A_NODE: usize = 7;
/// One node in so many is a login node.
const NODES_PER_LOGIN: usize = 32;
/// What the first argument of a checking process is.
const CHECK: &str = "check-in-a-process-of-its-own";
const WAYS: [&str; 4] = ["mds --base HEAD", "mds", "nothing shared", "one by one"];

const SETTINGS: &str = r#"[cluster]
name = "bench"
short_name = "nid"
nid_length = 6
base_url = "http://10.0.0.1:8080"
public_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPwyDIeTrEb9UxrUjmv0jPTUL5owDMCNoW5hd5QAu5N8 operations@bench.example"]

[inventory]
boot_network = "HMN"

[networks.HMN]
prefixes = ["10.0.0.0/10"]
gateway = "10.0.0.1"
dns = ["10.0.0.2", "10.0.0.3"]
search = ["bench.example"]

[networks.HSN]
prefixes = ["10.64.0.0/10"]
mtu = 9000

[groups]
order = ["base", "monitoring"]
"#;

const RULE: &str = r"description: Nodes take the hostname that mds gives them
document: cloud-config
severity: error
message: preserve_hostname must be false
schema:
  type: object
  required: [preserve_hostname]
  properties:
    preserve_hostname:
      const: false
";

const USER_DATA: &str = "#cloud-config\npreserve_hostname: false\ntimezone: Etc/UTC\n";

const MERGE_HOW: &str = "merge_how: \"list(append)+dict(recurse_list,recurse_str)+str()\"\n";

/// The document that is each node's own.
const BASE: &str = r#"packages: [chrony, nfs-common]
write_files:
  - path: /etc/node-name
    permissions: "0644"
    content: |
      NAME={{ local_hostname }}
      NID={{ nid }}
      IP={{ ip }}
  - path: /etc/node-interfaces
    permissions: "0644"
    content: |
{%- for interface in interfaces %}
      {{ interface.name }} {{ interface.ip }} {{ interface.network }}
{%- endfor %}
runcmd:
  - [systemctl, enable, --now, chronyd]
  - echo {{ local_hostname }} >>/var/log/nodes
"#;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, way, folder] = arguments.as_slice()
        && first == CHECK
    {
        return check_here(way, Path::new(folder));
    }
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let named = arguments.iter().find(|argument| !argument.starts_with('-'));
    let named = named.map(|text| text.parse().expect("the argument is a number of nodes"));
    match (named, is_bench) {
        (Some(nodes), true) => compare(nodes, SIZES[0].1),
        (None, true) => SIZES.into_iter().for_each(|(nodes, rounds)| compare(nodes, rounds)),
        (named, false) => compare(named.unwrap_or(NODES_OF_A_TRIAL), 1),
    }
}

/// A document that is the same for all nodes of a group.
fn shared(group: &str) -> String {
    let mut text = format!("#cloud-config\n{MERGE_HOW}packages: [{group}-tools]\nwrite_files:\n");
    for number in 1..=6 {
        let file = format!(
            "  - path: /etc/{group}/part-{number}.conf\n    permissions: \"0644\"\n    content: |\n      part = {number}\n"
        );
        text.push_str(&file);
        text.push_str(&"      # a line of a file that is about as long as such lines are\n".repeat(4));
    }
    let _ = writeln!(text, "runcmd:\n  - [systemctl, enable, --now, {group}]\n  - echo {group} >>/var/log/nodes");
    text
}

fn write(folder: &Path, file: &str, text: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Nodes with two interfaces and three groups each.
fn inventory(nodes: usize) -> String {
    let node = |index: usize| {
        let kind = if index.is_multiple_of(NODES_PER_LOGIN) { "login" } else { "compute" };
        let (cabinet, chassis, slot) = (1000 + index / 256, index / 32 % 8, index / 4 % 8);
        let interface = |name: &str, network: &str, second: usize| {
            let host = index + 256;
            let [high, middle, low] = [host >> 16, host >> 8 & 255, host & 255];
            json!({
                "name": name,
                "mac": format!("02:{second:02x}:00:{high:02x}:{middle:02x}:{low:02x}"),
                "enabled": true,
                "addresses": [{"ip": format!("10.{}.{middle}.{low}", second + high), "network": network}],
            })
        };
        json!({
            "id": format!("x{cabinet}c{chassis}s{slot}b{}n{}", index / 2 % 2, index % 2),
            "nid": index + 1,
            "role": "Compute",
            "groups": ["base", kind, "monitoring"],
            "interfaces": [interface("eth0", "HMN", 0), interface("hsn0", "HSN", 64)],
        })
    };
    let nodes: Vec<String> = (0..nodes).map(|index| node(index).to_string()).collect();
    format!("{{\"format\":1,\"nodes\":[\n{}\n]}}\n", nodes.join(",\n"))
}

fn git(folder: &Path, arguments: &[&str]) {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=bench", "-c", "user.email=bench@example.org", "-c", "gc.auto=0"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes the site, commits it, and changes it.
fn make_site(folder: &Path, nodes: usize) {
    write(folder, "mds.toml", SETTINGS);
    write(folder, "inventory.json", &inventory(nodes));
    write(folder, "rules/hostnames.yaml", RULE);
    write(folder, "user-data/default.yaml", USER_DATA);
    let base = format!("#cloud-config\n{MERGE_HOW}{BASE}");
    write(folder, "groups/base/cloud-config.yaml", &base);
    for group in ["compute", "login", "monitoring"] {
        write(folder, &format!("groups/{group}/cloud-config.yaml"), &shared(group));
    }
    git(folder, &["init", "--quiet"]);
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", "first"]);
    write(folder, "groups/base/cloud-config.yaml", &base.replace("chrony,", "chrony, rsync,"));
    let login = shared("login") + "  - echo changed >>/var/log/nodes\n";
    write(folder, "groups/login/cloud-config.yaml", &login);
}

/// What one check came to.
#[derive(Clone, Copy, Default)]
struct Came {
    nodes: usize,
    documents: usize,
    findings: usize,
    errors: usize,
    /// Identical changes of documents.
    changes: usize,
    changed_documents: usize,
}

fn check(way: &str, folder: &Path) -> Came {
    let site = SiteInput::Folder(folder.to_owned());
    match way {
        "mds --base HEAD" => {
            let repository = Repository::new(folder.to_str().unwrap(), "HEAD", "", &folder.join(".git/cache")).unwrap();
            let base = Side::of_site(&SiteInput::Repository(repository), &InventoryInput::Site, None).unwrap();
            by_mds(&site, Some(&base))
        }
        "mds" => by_mds(&site, None),
        "nothing shared" => {
            let prepared = prepare(&site, &InventoryInput::Site, None, &mut NoObserver).unwrap();
            let (rulebook, plan) = (Arc::clone(&prepared.rulebook), Arc::clone(&prepared.plan));
            let inspect: Inspector = Arc::new(move |facts: &NodeFacts, node: &RenderedNode| {
                document_inspector(&rulebook, &plan)(facts, node)
            });
            rendered(&prepared.plan, &inspect)
        }
        _ => {
            let plan = plan(folder);
            let schema = CloudConfigSchema::built_in().unwrap();
            let violations = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&violations);
            let inspect: Inspector = Arc::new(move |_: &NodeFacts, node: &RenderedNode| {
                let found: usize = node.documents.iter().map(|(name, _, body)| one(&schema, name, body)).sum();
                counted.fetch_add(found, Ordering::Relaxed);
                Verdict::default()
            });
            let came = rendered(&plan, &inspect);
            Came { findings: violations.load(Ordering::Relaxed), ..came }
        }
    }
}

fn by_mds(site: &SiteInput, base: Option<&Side>) -> Came {
    let prepared = prepare(site, &InventoryInput::Site, None, &mut NoObserver).unwrap();
    let examined = examine(&prepared, base, &mut NoObserver).unwrap();
    let changes = examined.changes.map(Result::unwrap);
    Came {
        nodes: examined.nodes,
        documents: examined.documents,
        findings: examined.findings.len(),
        errors: examined.findings.iter().filter(|finding| finding.severity == Severity::Error).count(),
        changes: changes.as_ref().map_or(0, |changes| changes.of_documents.len() + changes.of_nodes.len()),
        changed_documents: changes.map_or(0, |changes| changes.documents_by_kind.changed),
    }
}

/// The site as it is to be rendered, without a look at anything.
fn plan(folder: &Path) -> Arc<Plan> {
    let site = Site::read(&*SiteInput::Folder(folder.to_owned()).reader().unwrap()).unwrap();
    let (_, pull) = read_inventory(&site, &InventoryInput::Site).unwrap();
    Arc::new(Plan::new(&site, &pull.inventory).unwrap())
}

/// Renders all nodes and lets each be looked at.
fn rendered(plan: &Arc<Plan>, inspect: &Inspector) -> Came {
    let mut came = Came::default();
    let rendered = render_all(plan, inspect, &mut |node| {
        came.nodes += 1;
        came.documents += node.documents.len();
        Ok::<(), Infallible>(())
    });
    match rendered {
        Ok(remarks) => came.findings = remarks.len(),
        Err(Stopped::Problems { problems, remarks }) => {
            (came.errors, came.findings) = (problems.len(), problems.len() + remarks.len());
        }
        Err(Stopped::Sink(never)) => match never {},
    }
    came
}

/// Reads one document and counts what its schema says.
fn one(schema: &CloudConfigSchema, name: &DocumentName, body: &[u8]) -> usize {
    let is_cloud_config = body.starts_with(b"#cloud-config");
    if !is_cloud_config && !matches!(name, DocumentName::MetaData | DocumentName::NetworkConfig) {
        return 0;
    }
    let document: Value = serde_yaml::from_slice(body).unwrap();
    if is_cloud_config { schema.violations(&document).len() } else { 0 }
}

/// How many different documents there are, and how many in all, with their bytes.
fn distinct(folder: &Path) -> (usize, usize, usize) {
    let unchecked: Inspector = Arc::new(|_: &NodeFacts, _: &RenderedNode| Verdict::default());
    let (mut digests, mut count, mut bytes) = (HashSet::<Digest>::new(), 0, 0);
    let rendered = render_all(&plan(folder), &unchecked, &mut |node| {
        for (_, digest, body) in &node.documents {
            digests.insert(*digest);
            count += 1;
            bytes += body.len();
        }
        Ok::<(), Infallible>(())
    });
    assert!(rendered.is_ok());
    (digests.len(), count, bytes)
}

/// What one check took, in the units of the table.
struct Taken {
    wall: f64,
    cpu: f64,
    peak: f64,
    came: Came,
}

/// The checking process: checks once and prints what it took.
fn check_here(way: &str, folder: &Path) {
    let start = Instant::now();
    let Came { nodes, documents, findings, errors, changes, changed_documents } = check(way, folder);
    println!(
        "{}",
        json!({
            "wall": start.elapsed().as_secs_f64(), "cpu": cpu(), "peak": peak(), "nodes": nodes, "documents": documents,
            "findings": findings, "errors": errors, "changes": changes, "changed_documents": changed_documents,
        })
    );
}

fn check_elsewhere(way: &str, folder: &Path) -> Taken {
    let output = Command::new(std::env::current_exe().unwrap()).args([CHECK, way]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{way}: {}", String::from_utf8_lossy(&output.stderr));
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |key: &str| value[key].as_f64().unwrap();
    let count = |key: &str| usize::try_from(value[key].as_u64().unwrap()).unwrap();
    let came = Came {
        nodes: count("nodes"),
        documents: count("documents"),
        findings: count("findings"),
        errors: count("errors"),
        changes: count("changes"),
        changed_documents: count("changed_documents"),
    };
    Taken { wall: number("wall"), cpu: number("cpu"), peak: number("peak"), came }
}

fn median(runs: &[Taken], measure: impl Fn(&Taken) -> f64) -> f64 {
    let mut values: Vec<f64> = runs.iter().map(measure).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn row(way: &str, measured: [f64; 3], rival: [f64; 3], came: Came) {
    let cell = |index: usize, digits: usize, unit: &str| {
        let ratio = format!("({:.2} x)", measured[index] / rival[index]);
        format!("{:>9.digits$} {unit} {ratio:>9}", measured[index])
    };
    let changes = match came.changes {
        0 => String::new(),
        changes => format!(", {changes} changes of {} documents", came.changed_documents),
    };
    let [wall, cpu, peak] = [cell(0, 2, "s"), cell(1, 2, "s"), cell(2, 1, "MiB")];
    println!("{way:<16} {wall} {cpu} {peak}   {} findings{changes}", came.findings);
}

/// Every way has seen all documents and found nothing wrong, and each change of a template is one change.
fn must_be_right(way: &str, came: Came, nodes: usize) {
    assert_eq!((came.nodes, came.documents), (nodes, nodes * DOCUMENTS_OF_A_NODE), "{way}");
    assert_eq!(came.errors, 0, "{way}");
    let changed = nodes + nodes.div_ceil(NODES_PER_LOGIN);
    let expected = if way == WAYS[0] { (2, changed) } else { (0, 0) };
    assert_eq!((came.changes, came.changed_documents), expected, "{way}");
}

fn compare(nodes: usize, rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    make_site(folder, nodes);
    let mut runs = WAYS.map(|_| Vec::new());
    for round in 0..rounds {
        // In turns, and each the first once.
        for turn in 0..WAYS.len() {
            let way = (round + turn) % WAYS.len();
            let taken = check_elsewhere(WAYS[way], folder);
            must_be_right(WAYS[way], taken.came, nodes);
            runs[way].push(taken);
        }
    }
    let (different, all, bytes) = distinct(folder);
    // Three of each node's documents are its own; user-data and those of three groups are shared, and so is vendor-data
    // by those who have the same groups.
    assert_eq!((different, all), (3 * nodes + 6, nodes * DOCUMENTS_OF_A_NODE));
    println!("\n{nodes} nodes with {all} documents of {bytes} bytes together, {different} of them different");
    println!("{:<16} {:>21} {:>21} {:>23}", "", "wall time", "CPU time", "peak memory");
    let measured =
        |runs: &Vec<Taken>| [median(runs, |run| run.wall), median(runs, |run| run.cpu), median(runs, |run| run.peak)];
    let rival = measured(&runs[WAYS.len() - 1]);
    for (way, runs) in WAYS.iter().zip(&runs) {
        row(way, measured(runs), rival, runs[0].came);
    }
}
