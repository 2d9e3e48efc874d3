//! The rules about the WireGuard tunnels between nodes and server.

use super::Rule;
use crate::check::finding::Severity::Error;

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        Error,
        "include-outside-tunnel",
        "vendor-data includes past the tunnel",
        "vendor-data includes the document of a group that is served through a tunnel only, by a URL whose host is not \
         the server's address in the tunnels. The node asks past its tunnel then and is refused, and cloud-init ends \
         its network stage when an included URL cannot be fetched: no users, no keys, no hostname. Let base_url be that \
         address, or carry the documents in vendor-data with delivery = \"inline\".",
    ),
    Rule::new(
        Error,
        "tunnel-network-overlap",
        "The network of the tunnels is in use",
        "A node's address in the inventory, or a prefix of a network of the site, lies in the network that tunnels have \
         their addresses from. While its tunnel is up, a node sends into the tunnel what is meant for a machine of that \
         network, and such a machine cannot be reached. Take a network for the tunnels that is used nowhere else, such \
         as one of 100.64.0.0/10.",
    ),
    Rule::new(
        Error,
        "tunnel-network-too-small",
        "The tunnels' network has too few addresses",
        "Every node has an address of its own in the network of the tunnels, and there are more nodes than addresses. \
         Some nodes would have no tunnel, and so none of the documents that are served through one only. Take a network \
         with a shorter prefix.",
    )
    .fixed(),
    Rule::new(
        Error,
        "tunnel-required-without-network",
        "A document asks for tunnels that are not there",
        "The site lets a document be fetched through a WireGuard tunnel only, and names no network for tunnels. Nobody \
         can have a tunnel then, so the document is refused to everyone, and a node that asks for it boots without what \
         it says. Name the server's address in the tunnels in [wireguard] or with --wireguard-server, or remove the mark.",
    ),
];
