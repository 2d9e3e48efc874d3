//! Documents that a rule of `mds build --check` calls an error, and the same ones mended: the check says so of the
//! broken form and of that only, and the real client agrees.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use mds::inventory::parse_inventory;
use mds::render::Plan;
use mds::site::{FolderReader, Site};
use serde_json::{Value, json};

use super::boot::Boot;
use super::document_server::{self, DocumentServer};
use super::network::{Namespace, server_namespace};
use super::node::Node;
use super::roots::Root;
use super::scratch::scratch;
use super::server::{binary, remove_settings};
use super::site::{CLUSTER_KEY, Machine, SERVER_ADDRESS, put};

/// Nodes that boot at the same time. Most of a boot is waiting.
const AT_ONCE: usize = 6;

/// Files of a site by their paths. `{base}`, `{id}`, `{nid}`, `{mac}` and `{ip}` in them stand for the URL of the node's
/// documents, its id and number, and its MAC and IP address.
pub(crate) type Files = &'static [(&'static str, &'static str)];

/// A broken document, and the same mended.
pub(crate) struct Case {
    /// The rule that says so.
    pub(crate) rule: &'static str,
    /// What is broken, in a few words.
    pub(crate) what: &'static str,
    /// The files of the broken site. The node is in the groups `all` and `more`, in this order; `mds.toml` and
    /// the inventory are there unless named.
    pub(crate) broken: Files,
    /// The files of the mended site.
    pub(crate) mended: Files,
    /// Whether a boot shows the damage.
    pub(crate) damage: fn(&Boot, &Node) -> bool,
}

/// A site to boot from, with a machine of its own: the broken one of a case, or the mended one of all cases that have
/// the same.
struct Form<'a> {
    cases: Vec<&'a Case>,
    is_broken: bool,
    machine: Machine,
}

/// The broken and mended sites of all cases.
fn forms(cases: &[Case]) -> Vec<Form<'_>> {
    let mut forms: Vec<Form<'_>> = Vec::new();
    for case in cases {
        let is_same = |form: &&mut Form<'_>| !form.is_broken && form.files() == case.mended;
        let same = forms.iter_mut().find(is_same).map(|form| form.cases.push(case));
        let further = [(true, true), (false, same.is_none())];
        for (is_broken, _) in further.into_iter().filter(|(_, is_new)| *is_new) {
            let number = u32::try_from(forms.len() + 1).expect("there are not that many");
            forms.push(Form { cases: vec![case], is_broken, machine: Machine::numbered(number) });
        }
    }
    forms
}

/// Checks and boots both forms of all cases.
///
/// # Panics
/// When a check or a client is of another opinion, with all such cases.
pub(crate) fn agree(root: &Root, cases: &[Case]) {
    document_server::check(root);
    let forms = forms(cases);
    let mut complaints = Vec::new();
    let mut documents = BTreeMap::new();
    for form in &forms {
        match catch_unwind(AssertUnwindSafe(|| form.checked())) {
            Ok(of_form) => documents.extend(of_form),
            Err(_) => complaints.push(form.to_string()),
        }
    }
    let namespace = server_namespace();
    let _server = DocumentServer::start(&namespace, root, &documents);
    let next = AtomicUsize::new(0);
    let work = || -> Vec<String> {
        let mine = std::iter::from_fn(|| forms.get(next.fetch_add(1, Ordering::Relaxed)));
        let fails = |form: &&Form<'_>| catch_unwind(AssertUnwindSafe(|| form.boot(root, &namespace))).is_err();
        mine.filter(fails).map(ToString::to_string).collect()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        complaints.extend(threads.into_iter().flat_map(|thread| thread.join().expect("panics are caught")));
    });
    assert!(complaints.is_empty(), "of {} cases, these are not as expected:\n{}", cases.len(), complaints.join("\n"));
}

impl std::fmt::Display for Form<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let form = if self.is_broken { "broken" } else { "mended" };
        let cases: Vec<String> = self.cases.iter().map(|case| format!("{} ({})", case.rule, case.what)).collect();
        write!(formatter, "{form}: {}", cases.join(", "))
    }
}

impl Form<'_> {
    fn files(&self) -> Files {
        let case = self.cases[0];
        if self.is_broken { case.broken } else { case.mended }
    }

    /// The path below which the node's documents lie.
    fn path(&self) -> String {
        format!("/{}", self.machine.id)
    }

    fn base_url(&self) -> String {
        format!("http://{SERVER_ADDRESS}:8080{}", self.path())
    }

    /// Runs `mds build --check`, and returns the documents of the node by their paths at the server.
    fn checked(&self) -> BTreeMap<String, String> {
        let folder = scratch();
        let site = folder.path();
        self.write(site);
        let found = rules_found(site);
        for case in &self.cases {
            assert_eq!(found.contains(case.rule), self.is_broken, "{self}: the check finds {found:?}");
        }
        self.render(site)
    }

    fn write(&self, folder: &Path) {
        let inventory = json!({"format": 1, "nodes": [self.machine.inventory_entry()]}).to_string();
        put(folder, "mds.toml", &settings(&self.base_url()));
        put(folder, "inventory.json", &inventory);
        for (path, text) in self.files() {
            put(folder, path, &self.filled_in(text));
        }
    }

    /// A text that says what is this machine's own.
    fn filled_in(&self, text: &str) -> String {
        let Machine { id, nid, address, mac, .. } = self.machine;
        let text = text.replace("{base}", &self.base_url()).replace("{id}", id).replace("{nid}", &nid.to_string());
        text.replace("{mac}", mac).replace("{ip}", address)
    }

    /// Renders without any check, as the documents may be broken.
    fn render(&self, folder: &Path) -> BTreeMap<String, String> {
        let site = Site::read(&FolderReader::new(folder).expect("the site is there")).expect("the site can be read");
        let inventory = site.inventory.as_deref().expect("the site has an inventory");
        let inventory = parse_inventory("inventory.json", inventory).expect("the inventory can be read");
        let plan = Plan::new(&site, &inventory).expect("the templates can be read");
        let node = plan.renderer().expect("the templates can be read").render(0).expect("the node can be rendered");
        let text = |body: &[u8]| String::from_utf8(body.to_vec()).expect("the documents are text");
        node.documents.iter().map(|(name, _, body)| (format!("{}/{name}", self.path()), text(body))).collect()
    }

    fn boot(&self, root: &Root, server: &Namespace) {
        let mut node = Node::new(root, &self.machine, server);
        let boot = node.boot_from(&format!("{}/", self.base_url()));
        for case in &self.cases {
            let shows_damage = (case.damage)(&boot, &node);
            assert_eq!(shows_damage, self.is_broken, "{self}: the boot went like this:\n{}", boot.account());
        }
        if !self.is_broken {
            boot.assert_clean();
        }
        // Past the test runner: which cases ran is worth knowing.
        let _ = writeln!(std::io::stderr(), "{}: {self}: the client agrees", root.client.release());
    }
}

/// The rules of all findings of `mds build --check`.
fn rules_found(site: &Path) -> BTreeSet<String> {
    let mut command = Command::new(binary());
    command.args(["build", "--check", "--report", "json", "--site"]).arg(site);
    remove_settings(&mut command);
    let output = command.output().expect("mds can be started");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("mds build --check reports nothing ({error}):\n{}", String::from_utf8_lossy(&output.stderr))
    });
    let findings = report["findings"].as_array().expect("a report has findings");
    findings.iter().filter_map(|finding| finding["rule"].as_str().map(ToOwned::to_owned)).collect()
}

fn settings(base_url: &str) -> String {
    format!(
        r#"[cluster]
name = "tundra"
short_name = "nid"
nid_length = 6
base_url = "{base_url}"
public_keys = ["{CLUSTER_KEY}"]

[networks.HMN]
prefixes = ["10.252.0.0/17"]
gateway = "{SERVER_ADDRESS}"
"#
    )
}
