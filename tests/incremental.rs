//! A build that renders only what has changed gives the very release that rendering everything would give.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use mds::inventory::{Inventory, Node, synthetic_inventory};
use mds::pipeline::{
    Earlier, InventoryInput, NoObserver, Prepared, SiteInput, Updated, draft, prepare, publish_changes,
};
use mds::release::Tree;
use mds::settings::{Source, Sourced, WireguardFlags};
use mds::types::{Digest, GroupLabel, ReleaseId};
use proptest::prelude::*;

const NODES: usize = 40;
const SETTINGS: &str = "[cluster]\nname = \"demo\"\nbase_url = \"http://10.252.0.1\"\n[networks.HMN]\nprefixes = \
                        [\"10.252.0.0/17\"]\n[networks.HSN]\nprefixes = [\"10.100.0.0/16\"]\n";

/// A site, a tree, and the nodes as they are now.
struct Cluster {
    folder: tempfile::TempDir,
    tree: Tree,
    nodes: Vec<Node>,
    program: Digest,
    tunnels: Option<WireguardFlags>,
}

impl Cluster {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::open_or_create(folder.path().join("tree")).unwrap();
        let nodes = synthetic_inventory(NODES).unwrap().nodes().to_vec();
        let cluster = Self { folder, tree, nodes, program: Digest::of(b"one"), tunnels: None };
        cluster.write("mds.toml", SETTINGS);
        cluster.write("groups/compute/cloud-config.yaml", "#cloud-config\nfqdn: {{ hostname }}.{{ role }}\n");
        cluster.write("groups/gpu/cloud-config.yaml", "#cloud-config\nfinal_message: {{ ip }}\n");
        cluster
    }

    fn site(&self) -> std::path::PathBuf {
        self.folder.path().join("site")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.site().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).unwrap();
        fs::write(path, text).unwrap();
    }

    fn prepared(&self) -> Prepared {
        let inventory = Inventory::new(self.nodes.clone()).unwrap();
        let input = InventoryInput::Pulled(Arc::new(inventory.into()));
        prepare(&SiteInput::Folder(self.site()), &input, self.tunnels.as_ref(), &mut NoObserver).unwrap()
    }

    /// Publishes and says what was published and how many nodes were rendered for it; sees that it is what rendering
    /// everything gives, and that the tree is whole.
    fn publish(&self) -> (ReleaseId, usize) {
        let prepared = self.prepared();
        let current = self.tree.current().unwrap();
        let manifest = current.map(|id| self.tree.manifest(id).unwrap());
        let inputs = current.and_then(|id| self.tree.inputs(id));
        let earlier = Earlier { program: Some(self.program), release: manifest.as_ref().zip(inputs.as_ref()) };
        let mut lock = self.tree.lock().unwrap();
        let time: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let updated = publish_changes(&prepared, &earlier, false, &mut lock, time, &mut NoObserver).unwrap();
        let Updated { published, rendered, .. } = updated;
        assert_eq!(published.id, draft(&prepared, &mut NoObserver).unwrap().id, "it is not what a whole build gives");
        assert!(self.tree.verify().unwrap().is_whole());
        (published.id, rendered)
    }
}

#[test]
fn only_nodes_that_have_changed_are_rendered() {
    let mut cluster = Cluster::new();
    let (first, rendered) = cluster.publish();
    assert_eq!(rendered, NODES);
    assert_eq!(cluster.publish(), (first, 0));
    cluster.nodes[7].groups.push(GroupLabel::parse("gpu").unwrap());
    let (second, rendered) = cluster.publish();
    assert!(second != first && rendered == 1);
    cluster.nodes.remove(3);
    assert_eq!(cluster.publish().1, 0, "a node that is gone is not rendered");
    cluster.nodes = synthetic_inventory(NODES + 2).unwrap().nodes().to_vec();
    assert_eq!(cluster.publish().1, 4, "two new ones, the one that was gone, and the one that is as it was");
}

#[test]
fn nodes_that_are_not_rendered_have_their_tunnel_address_of_now() {
    let mut cluster = Cluster::new();
    cluster.publish();
    let addresses = |cluster: &Cluster| -> Vec<Option<IpAddr>> {
        let manifest = cluster.tree.manifest(cluster.tree.current().unwrap().unwrap()).unwrap();
        manifest.nodes().iter().map(|node| node.tunnel_address).collect()
    };
    assert_eq!(addresses(&cluster), vec![None; NODES]);
    // The network is no part of what documents are made of.
    cluster.tunnels = Some(network("100.97.0.1/16"));
    assert_eq!(cluster.publish().1, 0);
    let before = addresses(&cluster);
    assert!(before.iter().all(Option::is_some));
    cluster.tunnels = Some(network("10.9.0.1/24"));
    assert_eq!(cluster.publish().1, 0);
    assert!(addresses(&cluster).iter().zip(&before).all(|(now, before)| now.is_some() && now != before));
    // A node that comes may move others, which are not rendered for it; `publish` compares with a whole build.
    cluster.nodes = synthetic_inventory(NODES + 60).unwrap().nodes().to_vec();
    assert_eq!(cluster.publish().1, 60);
}

#[test]
fn a_changed_site_or_program_renders_everything() {
    let mut cluster = Cluster::new();
    cluster.publish();
    cluster.write("groups/compute/cloud-config.yaml", "#cloud-config\nfqdn: {{ hostname }}\n");
    assert_eq!(cluster.publish().1, NODES);
    cluster.write("inventory.json", "this file is not taken, and changes nothing");
    assert_eq!(cluster.publish().1, 0);
    cluster.program = Digest::of(b"two");
    assert_eq!(cluster.publish().1, NODES);
    assert_eq!(cluster.publish().1, 0);
}

#[test]
fn what_cannot_be_believed_or_is_gone_is_rendered() {
    let cluster = Cluster::new();
    let (release, _) = cluster.publish();
    let inputs = cluster.tree.path().join("releases").join(release.to_string()).join("inputs");
    let text = fs::read_to_string(&inputs).unwrap();
    let wrong = text.replace("x1000c0s0b0n0 ", "x1000c0s0b0n9 ");
    for text in ["", "{}\n", wrong.as_str()] {
        fs::write(&inputs, text).unwrap();
        assert_eq!(cluster.publish(), (release, NODES));
    }
    assert_eq!(fs::read_to_string(&inputs).unwrap(), text, "it is mended by the next build");
    for entry in fs::read_dir(cluster.tree.path().join("packs")).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    assert_eq!(cluster.publish(), (release, NODES), "documents that no pack holds any more are made again");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_changes_give_what_a_whole_build_gives(changes in prop::collection::vec((0..NODES, 0..6_u8), 1..6)) {
        let mut cluster = Cluster::new();
        cluster.publish();
        for (index, change) in changes {
            let index = index % cluster.nodes.len();
            let node = &mut cluster.nodes[index];
            match change {
                0 => node.nid = node.nid.map(|nid| nid + 1000),
                1 => node.role.push('x'),
                2 => node.groups.clear(),
                3 => node.interfaces.truncate(1),
                4 => drop(cluster.nodes.remove(index)),
                _ => cluster.write("user-data/default.yaml", &format!("#cloud-config\nfinal_message: \"{index}\"\n")),
            }
            // It is held against a whole build inside.
            cluster.publish();
        }
    }
}

fn network(text: &str) -> WireguardFlags {
    let server = Sourced::new(text.parse().unwrap(), Source::Flag("--wireguard-server"));
    WireguardFlags { server: Some(server), ..WireguardFlags::default() }
}
