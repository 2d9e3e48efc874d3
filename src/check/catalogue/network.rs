//! The rules about network-config, and about the way to the server.

use super::Rule;
use crate::check::finding::Severity::{Error, Warning};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        Error,
        "base-url",
        "No node can use the URL of the server",
        "The host of the URL where nodes are told to find the server is the node itself, such as localhost, no address \
         of a machine, or a link-local address of a network that the node is not in, or a password stands before it. \
         vendor-data includes the groups' documents from there, and a URL that cannot be fetched ends the network stage \
         of cloud-init: no users, no keys, no hostname. Write the address or name under which nodes reach the server.",
    ),
    Rule::new(
        Warning,
        "base-url-unreachable",
        "Nodes have no way to the server's address",
        "The address in the URL of the server lies in none of a node's networks, and the [networks] tables give these \
         neither a gateway nor a route to it. After its network-config is applied the node would not reach the server to \
         fetch what vendor-data includes. Add the gateway, or name an address of the server in one of the networks.",
    ),
    Rule::new(
        Error,
        "boot-interface",
        "The network-config would cut the node off",
        "The network-config of a node would leave out the address it boots from. cloud-init applies the document in \
         its network stage, before it fetches what vendor-data includes, and takes down an interface that the \
         document does not have: the node loses its way to the server in the middle of its boot. Give the network of \
         that address a table with its prefix and method = \"static\" or \"dhcp\".",
    )
    .fixed(),
    Rule::new(
        Error,
        "include-url-cycle",
        "A document includes itself",
        "An `#include` document names, by its URL on this server, a document that leads back to it. cloud-init follows \
         includes without counting: it asks on and on until it fails, its network stage ends, and the server is asked \
         by all nodes at once. Take the line out that leads back.",
    ),
    Rule::new(
        Error,
        "include-url-unknown",
        "A document includes what cannot be fetched",
        "An `#include` document has a line that is no absolute URL, or one of this server under which it has nothing. \
         cloud-init tries eleven times and then ends its network stage: no users, no keys, no hostname, and after the \
         repair a reboot alone does not run everything. Write absolute URLs, such as {{ base_url }}/GROUP.yaml; that of a \
         group whose document is empty is fine.",
    ),
    Rule::new(
        Warning,
        "network-config-default-route",
        "The way to everywhere is uncertain",
        "A node's network-config has two default routes of one IP version, metric and table, or one whose gateway lies \
         in no prefix of its interface and is reached only where netplan says that it is on the link. Which of two \
         routes the kernel keeps is chance, and a gateway beyond the link is none at all. Keep one route, give the \
         other a larger metric, and see to the prefix length of the address.",
    ),
    Rule::new(
        Error,
        "network-config-duplicate-address",
        "network-config gives a node another's address",
        "The network-config of a node has an address that is another node's by the inventory or by that node's \
         network-config. Two machines with one address lose each other's packets, and as a node is known by the \
         address it asks from, it would be given the documents and secrets of the other. Take addresses from what \
         differs per node, such as {{ ip }}; allow_duplicate = [\"address\"] in [inventory] lets it be.",
    ),
    Rule::new(
        Error,
        "network-config-gateway",
        "A gateway cannot be reached",
        "A route in network-config goes via an address that lies in no prefix of its interface, or via the interface \
         itself. The kernel refuses such a route, so the node boots without it: without a default route it reaches \
         neither package mirrors nor name servers. Mend the gateway or the prefix length; `on-link: true` says that the \
         gateway answers on the link all the same.",
    ),
    Rule::new(
        Error,
        "network-config-schema",
        "cloud-init does not take the network-config",
        "Something in network-config has a wrong name, a wrong type, or names a device that is not there. cloud-init \
         calls the node degraded at best; what its reader or netplan cannot make sense of ends the network stage, and \
         with it everything that comes after: no users, no keys, no hostname. Mend the place that is named; `mds render \
         NODE network-config` shows the whole document.",
    ),
    Rule::new(
        Error,
        "network-config-unknown-mac",
        "cloud-init waits for a card that is not there",
        "The network-config of a node has a MAC address that none of its interfaces has in the inventory, or that is \
         written in capital letters. cloud-init looks for the card of every such address, for version 2 where it is to \
         be given a name, and ends its network stage when one is missing: no users, no keys, no hostname. Take MAC \
         addresses from {{ mac }} or {{ interfaces }}, or mend the inventory.",
    ),
    Rule::new(
        Warning,
        "network-config-unmatched-mac",
        "network-config sets up a card that is not there",
        "The network-config of a node matches an interface by a MAC address that none of its interfaces has in the \
         inventory. Nothing fails, but what stands there is for nothing: the card that was meant stays without address. \
         Take MAC addresses from {{ mac }} or {{ interfaces }}, or mend the inventory; leave it if the inventory does \
         not know that card.",
    ),
    Rule::new(
        Warning,
        "network-config-value",
        "A value of network-config is out of bounds",
        "Something in network-config can be read and will not work: the address of a network or its broadcast address \
         for a host, an address that stands twice, an MTU or a VLAN id out of bounds, or a name for an interface that is \
         too long or given twice. The \
         kernel refuses it or packets get lost, and cloud-init does not say so. Mend the value at the place that is \
         named.",
    ),
    Rule::new(
        Error,
        "vlan-name",
        "A VLAN interface would get an impossible name",
        "The VLAN interface that network-config sets up would have a name that is too long for the kernel, or that \
         another interface of the node has. What the system makes of that differs: netplan warns and leaves the interface \
         out, others stop there, and the node is without that network either way. Give the interface below it another, shorter name in the inventory.",
    )
    .fixed(),
];
