//! A bridge, a server and a site, from which nodes can boot.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::network::{Namespace, server_namespace};
use super::node::Node;
use super::roots::Root;
use super::scratch::scratch;
use super::server::{Server, wait_for};
use super::site::{self, Delivery, Machine};

/// A running server with nodes to boot from it.
///
/// Fields are dropped in this order: the server goes before the namespace it runs in.
#[derive(Debug)]
pub(crate) struct Laboratory {
    server: Server,
    namespace: Namespace,
    site: PathBuf,
    _folder: TempDir,
}

impl Laboratory {
    /// Writes the test site and starts a server for it.
    pub(crate) fn start(delivery: Delivery) -> Self {
        let folder = scratch();
        let site = folder.path().join("site");
        site::write(&site, delivery);
        Self::serve(folder, site)
    }

    /// Starts a server for the example site, as it lies in the repository.
    pub(crate) fn of_the_example() -> Self {
        Self::serve(scratch(), Path::new(env!("CARGO_MANIFEST_DIR")).join("site"))
    }

    fn serve(folder: TempDir, site: PathBuf) -> Self {
        let namespace = server_namespace();
        let server = Server::start(&namespace, &site, folder.path());
        Self { server, namespace, site, _folder: folder }
    }

    /// Makes a machine with an empty disk, plugged in and switched off.
    pub(crate) fn node(&self, root: &Root, machine: &Machine) -> Node {
        Node::new(root, machine, &self.namespace)
    }

    /// Gives a machine a new instance-id, and waits until the server hands it out.
    pub(crate) fn change_instance_id(&self, node: &Node, instance_id: &str) {
        site::write_instance_id(&self.site, node.machine(), instance_id);
        wait_for(node.namespace(), "/meta-data", instance_id);
    }
}

impl Drop for Laboratory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- the server said:\n{}", self.server.said());
        }
    }
}
