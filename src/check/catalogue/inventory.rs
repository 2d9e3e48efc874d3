//! The rules about nodes, their addresses and their names.

use super::Rule;
use crate::check::finding::Severity::{Error, Note, Warning};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        Warning,
        "address-outside-networks",
        "An address lies in no network of the table",
        "An address of a node lies in none of the prefixes in the [networks] tables, so its prefix length and gateway \
         are not known and network-config leaves it out. A node that boots with that network-config does not have the \
         address, and cloud-init takes down an interface that has no other. Add the prefix to the network's table, or \
         set method = \"none\" there if mds is to leave it alone.",
    )
    .of_inventory(),
    Rule::new(
        Error,
        "duplicate-address",
        "Two nodes have one IP address",
        "Two nodes claim the same IP address, and a node is known by the address it asks from. One of them would get \
         the documents of the other, with its hostname, its keys and its secrets. Mend the inventory; where the \
         address is shared on purpose, allow_duplicate = [\"address\"] in [inventory] lets it be, and then it \
         identifies neither.",
    )
    .of_inventory(),
    Rule::new(
        Error,
        "duplicate-hostname",
        "Two nodes have one hostname",
        "Two nodes would be called the same, in any case of letters. Workload managers, logs and the DNS know nodes \
         by their names, and would take one for the other. Give one of them another hostname in nodes/<id>.yaml or \
         another NID, or allow it with allow_duplicate = [\"hostname\"] in [inventory].",
    )
    .of_inventory(),
    Rule::new(
        Error,
        "duplicate-instance-id",
        "Two nodes have one instance-id",
        "Two nodes have the same instance-id. cloud-init sets a node up anew when its instance-id is not that of the \
         last boot, and only then: with an image or a disk that moves between the two, users, keys and runcmd of the \
         second node would never be applied. Give each an instance_id of its own in nodes/<id>.yaml, or none, as a \
         node's id is the default.",
    )
    .fixed()
    .of_inventory(),
    Rule::new(
        Error,
        "duplicate-mac",
        "Two nodes have one MAC address",
        "Two nodes list the same MAC address. user-data and network-config are chosen by it, so one of the nodes gets \
         what is meant for the other, and a MAC address in network-config that the machine lacks stops cloud-init's \
         network stage. See which node has the card now and mend the inventory, or allow it with allow_duplicate = \
         [\"mac\"].",
    )
    .of_inventory(),
    Rule::new(
        Error,
        "duplicate-nid",
        "Two nodes have one NID",
        "Two nodes have the same number. Hostnames are made of it, so both would be called alike, and templates that \
         count with it do the same work twice. Mend the numbers in the inventory, or allow it with allow_duplicate = \
         [\"nid\"] in [inventory] and give the nodes hostnames of their own.",
    )
    .of_inventory(),
    Rule::new(
        Error,
        "duplicate-node",
        "A node is listed twice, in two ways",
        "SMD lists a node more than once, and the entries contradict each other. Which of them is right cannot be \
         known here, and the node might boot with the role or the number of another. Remove the wrong entry in SMD \
         and pull the inventory again.",
    )
    .of_inventory(),
    Rule::new(
        Note,
        "group-without-folder",
        "A group of nodes has no folder in the site",
        "Nodes are in a group that has no folder in the site. The group shows in their meta-data, and there is no \
         document for it, so nothing more happens on the node. Add groups/<label>/cloud-config.yaml if the nodes need \
         something, and leave it otherwise.",
    )
    .of_inventory(),
    Rule::new(
        Warning,
        "group-without-member",
        "A group of the site has no nodes",
        "The site has a folder for a group in which no node of the inventory is. Its document reaches nobody, which \
         often means that the label is written differently in the inventory. Compare the two; remove the folder if \
         the group is gone.",
    )
    .of_inventory(),
    Rule::new(
        Note,
        "interface-without-owner",
        "An interface belongs to no node",
        "SMD lists an interface whose component is no node that mds knows, such as that of a switch, or of a node \
         that is disabled or gone. Nothing can be made of it, so no node is known by its addresses. It matters only \
         if a node misses an address: then mend the component of the interface in SMD.",
    )
    .of_inventory(),
    Rule::new(
        Warning,
        "invalid-address",
        "An address is none that a node can have",
        "SMD lists something as the address of a node that is no IP address, or one that no single machine can have, \
         such as a multicast or a broadcast address. It is left out: the node is not known by it, and does not get it \
         in network-config. Mend the entry in SMD and pull the inventory again.",
    )
    .of_inventory(),
    Rule::new(
        Warning,
        "invalid-group-label",
        "A group has a label that mds does not take",
        "SMD has a group or partition whose label cannot be the name of a document: it becomes part of an URL that \
         nodes ask for. Membership in it is left out, so its nodes get nothing of that group. Rename the group in SMD \
         to letters, digits and the few signs that are allowed, such as dashes and dots.",
    )
    .of_inventory(),
    Rule::new(
        Error,
        "invalid-hostname",
        "A hostname is none by RFC 1123",
        "A node would get a hostname that is none by RFC 1123: labels of at most 63 letters, digits and dashes, with \
         dots between them. Resolvers, SSH and workload managers do not take such a name, and some systems refuse to \
         set it, so that the node keeps the name of its image. Set [cluster] short_name to plain letters, give the \
         node a NID, or set its hostname in nodes/<id>.yaml.",
    ),
    Rule::new(
        Warning,
        "invalid-mac",
        "An interface has no MAC address of its own",
        "SMD lists an interface whose MAC address is none, or one that is not a single card's, such as all zeros or a \
         multicast address. The interface is left out with its addresses, since cloud-init matches interfaces by MAC \
         address and stops at one that the machine does not have. Mend the entry in SMD and pull the inventory again.",
    )
    .of_inventory(),
    Rule::new(
        Warning,
        "invalid-nid",
        "A node has a NID that is no number of a node",
        "SMD gives a node a NID that cannot be one, such as a negative or a very large number. The node counts as one \
         without NID and is called by its id, which may change its hostname. Mend the NID in SMD and pull the \
         inventory again.",
    )
    .of_inventory(),
    Rule::new(
        Warning,
        "invalid-node-id",
        "A node has an id that mds does not take",
        "SMD lists a node whose id cannot be the name of a file or a part of an URL. The node is left out altogether: \
         its addresses are unknown, and it gets no documents at all when it boots. Mend the id in SMD and pull the \
         inventory again.",
    )
    .of_inventory(),
    Rule::new(
        Warning,
        "loopback-address",
        "A node has a loopback address",
        "A node lists a loopback address, such as 127.0.0.1. Every process on the server's own machine asks from \
         there and would be given the node's documents, secrets included. Give the node the addresses that it asks \
         from, and nothing else.",
    ),
    Rule::new(
        Warning,
        "node-without-address",
        "A node has no address",
        "A node has no IP address in the inventory. Nodes are known by the address they ask from, so nobody can be \
         this node: when it boots it is told that it is unknown, and cloud-init gives the datasource up after eleven \
         tries. Add its addresses to the inventory.",
    )
    .of_inventory(),
    Rule::new(
        Note,
        "node-without-nid",
        "A node has no NID",
        "A node has no number, so no hostname can be made of one and the node is called by its id. That works where \
         ids are hostnames. Give it a NID in the inventory, or a hostname in nodes/<id>.yaml, if it is to be called \
         otherwise.",
    )
    .of_inventory(),
    Rule::new(
        Note,
        "not-an-xname",
        "A node's id is not the xname of a node",
        "The id of a node is not an xname of a node, such as x1000c0s0b0n0. mds takes it all the same, and the node \
         boots; other tools of the cluster that expect xnames may not find it. Leave it if that is meant, or turn the \
         rule off in [check.severity].",
    )
    .of_inventory(),
    Rule::new(
        Warning,
        "old-lock",
        "The inventory was pulled long ago",
        "The inventory file of the site was pulled longer ago than is allowed, or does not say when. Nodes that were \
         added, moved or renumbered since are unknown to the build, and boot with what was right then or are refused. \
         Pull it again with `mds inventory pull` and review what has changed.",
    )
    .of_inventory(),
    Rule::new(
        Warning,
        "repeated-address",
        "An address stands at two interfaces of a node",
        "SMD lists one address at two interfaces of the same node. A machine has it on one only, so it is kept at the \
         first and left out at the other; if the first is the wrong one, network-config sets the address up on the \
         wrong card. Remove it from the interface that does not have it.",
    )
    .of_inventory(),
    Rule::new(
        Error,
        "reserved-node-id",
        "A node has a reserved id",
        "A node is called `default`, and user-data/default.yaml is the file for all nodes that have none of their \
         own. What is written for one machine would reach the whole cluster. Give the node another id in the \
         inventory.",
    )
    .fixed(),
];
