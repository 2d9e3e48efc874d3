//! A bridge, a site and a server with tunnels.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use walkdir::WalkDir;

use super::peer::Peer;
use super::server::{NOBODY, TunnelServer};
use crate::harness::network::{Namespace, server_namespace};
use crate::harness::programs::run;
use crate::harness::scratch::scratch_in;
use crate::harness::server::{binary, remove_settings};
use crate::harness::site::{BASE_URL, FIRST, Machine, SERVER_ADDRESS, put, write};
use crate::harness::{Delivery, Node, Root};

/// The server's address in the tunnels.
pub(crate) const SERVER_IN_TUNNEL: &str = "100.97.0.1";

/// What a server is started with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The network of the tunnels, with the server's address.
    pub(crate) network: &'static str,
    /// What nodes are told to send their packets to.
    pub(crate) endpoint: &'static str,
}

impl Default for Terms {
    fn default() -> Self {
        Self { network: "100.97.0.1/16", endpoint: "10.252.0.1:51820" }
    }
}

/// A running server with its network.
///
/// Fields are dropped in this order: the server goes before the namespace it runs in.
#[derive(Debug)]
pub(crate) struct Cluster {
    server: TunnelServer,
    namespace: Namespace,
    terms: Terms,
    folder: TempDir,
}

impl Cluster {
    /// Starts a server that serves documents through tunnels only.
    pub(crate) fn start() -> Self {
        Self::with(Terms::default(), |_| {})
    }

    /// As [`Cluster::start`], with other terms and with changes to the site.
    pub(crate) fn with(terms: Terms, change: impl FnOnce(&Path)) -> Self {
        // Where everybody may look, unlike the checkout perhaps.
        let folder = scratch_in(Path::new("/tmp"));
        let site = folder.path().join("site");
        write(&site, Delivery::Include);
        reach_through_tunnel(&site, terms.network.split('/').next().unwrap());
        change(&site);
        fs::create_dir(folder.path().join("state")).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for entry in WalkDir::new(folder.path()) {
            chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let namespace = server_namespace();
        let server = TunnelServer::start(&namespace, folder.path(), &arguments(folder.path(), terms));
        Self { server, namespace, terms, folder }
    }

    /// The running server.
    pub(crate) const fn server(&self) -> &TunnelServer {
        &self.server
    }

    /// Where the server runs.
    pub(crate) const fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Ends the server as a power cut would.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts the server again, after [`Cluster::kill`].
    pub(crate) fn restart(&mut self) {
        let arguments = arguments(self.folder.path(), self.terms);
        self.server = TunnelServer::start(&self.namespace, self.folder.path(), &arguments);
    }

    /// Makes a machine that runs, and has no tunnel yet.
    pub(crate) fn peer(&self, machine: &Machine) -> Peer {
        Peer::start(&self.namespace, machine)
    }

    /// Makes a machine that can boot a Debian.
    pub(crate) fn node(&self, root: &Root, machine: &Machine) -> Node {
        Node::new(root, machine, &self.namespace)
    }

    /// A document of a node, as it is rendered without any server.
    pub(crate) fn document(&self, machine: &Machine, name: &str) -> Vec<u8> {
        let mut command = Command::new(binary());
        command.args(["render", machine.id, name, "--site"]).arg(self.site());
        remove_settings(&mut command);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    /// What is on record of a machine's boots, newest first.
    pub(crate) fn boots(&self, machine: &Machine) -> Vec<Value> {
        let mut command = Command::new(binary());
        command.args(["boots", machine.id, "--format", "json", "--state-dir"]).arg(self.folder.path().join("state"));
        remove_settings(&mut command);
        let answer: Value = serde_json::from_str(&run(&mut command)).unwrap();
        answer["boots"].as_array().unwrap().clone()
    }

    fn site(&self) -> PathBuf {
        self.folder.path().join("site")
    }

    /// The live tunnels, as an administrator on the server's machine is shown them: the text of the whole answer.
    pub(crate) fn peers(&self) -> String {
        let [program, entry @ ..] = self.namespace.entry();
        let mut command = Command::new(program);
        command.args(entry).args(["curl", "--silent", "--show-error", "--fail", "--max-time", "10"]);
        run(command.arg("http://127.0.0.1:8080/wireguardpeers"))
    }

    /// How many tunnels are live.
    pub(crate) fn count_peers(&self) -> usize {
        let text = self.peers();
        match serde_json::from_str(&text) {
            Ok(Value::Array(peers)) => peers.len(),
            other => panic!("{other:?}: {text}"),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the server said:\n{}", self.server.said());
        }
    }
}

/// Has nodes fetch the documents of their groups from the server's end of the tunnel, and send phone_home there.
fn reach_through_tunnel(site: &Path, server: &str) {
    let base = if server.contains(':') { format!("http://[{server}]") } else { format!("http://{server}") };
    let settings = fs::read_to_string(site.join("mds.toml")).unwrap();
    let outside = BASE_URL.trim_end_matches('/');
    assert!(settings.contains(outside), "{settings}");
    put(site, "mds.toml", &settings.replace(outside, &base));
    let user_data = format!("user-data/{}.yaml", FIRST.id);
    let text = fs::read_to_string(site.join(&user_data)).unwrap();
    put(
        site,
        &user_data,
        &format!("{text}phone_home:\n  url: {base}/phone-home/$INSTANCE_ID/\n  post: all\n  tries: 3\n"),
    );
}

fn arguments(folder: &Path, terms: Terms) -> Vec<String> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let outside = format!("{SERVER_ADDRESS}:8080");
    let (site, state) = (path("site"), path("state"));
    let words = ["serve", "--site", &site, "--state-dir", &state, "--listen", &outside, "--listen", "127.0.0.1:8080"];
    let tunnels = ["--wireguard-server", terms.network, "--wireguard-endpoint", terms.endpoint, "--wireguard-only"];
    words.iter().chain(&tunnels).map(ToString::to_string).collect()
}
