//! Every rule with what it looks for, what that does to a node, and what to do about it.

use super::finding::Severity::{self, Error, Note, Warning};

/// A rule of mds.
pub type Rule = AnyRule<'static>;

/// A rule of mds, or one of a site's own.
#[derive(Clone, Copy, Debug)]
pub struct AnyRule<'a> {
    /// Its id, as reports and settings name it.
    pub id: &'a str,
    /// How much what it finds matters unless the site says otherwise.
    pub severity: Severity,
    /// Whether a site may say otherwise: what would send a node wrong documents, or none, stays an error.
    pub may_be_changed: bool,
    /// Whether it looks at the inventory, so that a check of the inventory alone runs it too.
    pub is_of_inventory: bool,
    /// Whether what it finds is a secret, so that no report shows the line where it stands.
    pub is_about_secrets: bool,
    /// What it finds, in a few words.
    pub summary: &'a str,
    /// What is wrong, what that does to a node, and what to do: a few sentences.
    pub explanation: &'a str,
}

impl<'a> AnyRule<'a> {
    const fn new(severity: Severity, id: &'a str, summary: &'a str, explanation: &'a str) -> Self {
        Self {
            id,
            severity,
            may_be_changed: true,
            is_of_inventory: false,
            is_about_secrets: false,
            summary,
            explanation,
        }
    }

    /// A rule of a site's own.
    pub(super) const fn of_site(severity: Severity, id: &'a str, summary: &'a str, explanation: &'a str) -> Self {
        Self::new(severity, id, summary, explanation)
    }

    const fn fixed(self) -> Self {
        Self { may_be_changed: false, ..self }
    }

    const fn about_secrets(self) -> Self {
        Self { is_about_secrets: true, ..self }
    }

    const fn of_inventory(self) -> Self {
        Self { is_of_inventory: true, ..self }
    }
}

/// Every rule, sorted by id.
pub const RULES: &[Rule] = &[
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
        "client-template",
        "The client cannot render a document",
        "A document begins with `## template: jinja`, so cloud-init renders it on the node, and that fails: a slip in its \
         jinja, a filter or method that the client does not have, an operator that does not fit the values of this node, \
         or more work than one document should be. cloud-init warns, ignores the whole document, and the boot counts as \
         degraded. Mend the template; `mds render NODE DOCUMENT --as-client` shows what the node makes of it.",
    ),
    Rule::new(
        Warning,
        "client-template-empty-loop",
        "A document goes through a list that the node does not have",
        "A document that the client renders goes through a name that is not defined on the node, or joins its items. The \
         client takes it for an empty list without a word, so the node gets nothing of what was meant. Write the name as \
         meta-data has it; if some nodes go without on purpose, say so with the filter `default([])`.",
    ),
    Rule::new(
        Note,
        "client-template-unchecked",
        "What the client makes of a document cannot be said",
        "A document that the client renders uses something of the client's jinja that mds does not have, or the machine's \
         own configuration (`merged_cfg`), so that nothing can be said about the result and no other rule sees it. Nothing \
         is wrong with that; try the document on a node before many have it.",
    ),
    Rule::new(
        Error,
        "client-template-undefined",
        "A document has a name that is not defined on the node",
        "A document begins with `## template: jinja`, so cloud-init renders it on the node, and names something that the \
         node's meta-data and cloud-init do not define. The client writes CI_MISSING_JINJA_VAR/ and the name in its place, \
         warns, and applies that; where more is asked of the name, such as a part of it, it ignores the whole document. \
         Either way the boot counts as degraded. Names with dashes are written with `_`, since jinja subtracts. Mend the \
         name, define it in the meta of a group or node, or give a value with the filter `default`.",
    ),
    Rule::new(
        Warning,
        "cloud-config-deprecated",
        "A cloud-config has what cloud-init wants to give up",
        "A cloud-config document has a key, or a form of a value, that is deprecated. It still does what it says; \
         cloud-init logs a warning at every boot, with which `cloud-init status` calls the node degraded, and a later \
         version will pass it over. Write what the finding says in its place.",
    ),
    Rule::new(
        Error,
        "cloud-config-schema",
        "A cloud-config is not as cloud-init's schema has it",
        "A cloud-config document has a key that cloud-init does not know, lacks one that it needs, or has a value of \
         the wrong kind, so `cloud-init schema` calls it invalid. At boot the node logs a warning and is called \
         degraded, and what the document asks for there is left undone, or its module fails. It is an error as nothing \
         else tells of a misspelt key; a site may make it less in [check.severity]. Mend the document, or name the \
         schema of the nodes' own cloud-init with cloud_config_schema in [check] if theirs differs.",
    ),
    Rule::new(
        Warning,
        "document-size",
        "A document is larger than the site wants it",
        "A document has more bytes than [check] max_document_bytes allows. Every node fetches its documents on every boot \
         and all nodes do so at once, cloud-init keeps them in memory and on disk, and some ways to hand them over, such as \
         the user-data of EC2, end at 16 KiB. Let the node fetch what is large from a file server, or raise the limit.",
    ),
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
        Warning,
        "empty-password",
        "An account has no password and is not locked",
        "A user has an empty password and lock_passwd is false. cloud-init unlocks the account then, and anybody who \
         reaches a login of the node, at its console or over SSH if that takes passwords, is in. Remove both keys, so \
         that the account is locked, and give people SSH keys.",
    )
    .about_secrets(),
    Rule::new(
        Warning,
        "expired-waiver",
        "A waiver has come to its end",
        "A waiver of the site is past its last day. What it was about counts again, which may keep the next release from \
         being published. Mend what it was about and remove it, or give it another end and say why.",
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
        Warning,
        "hidden-name",
        "A meta key hides a name of the node",
        "A key in the meta of a group or node has the name of something mds says about a node, such as hostname. \
         Templates then see the key's value in its place, on every node that it applies to. Choose another name for \
         the key; if hiding is what you want, the node's own value stays reachable below ds.",
    ),
    Rule::new(
        Error,
        "include-cycle",
        "Templates include one another without end",
        "A template includes or extends another one that leads back to it, so that rendering them would never come to an \
         end. None of the documents that need one of these templates is made, and nothing is published. Take one of the \
         includes out, or move what both templates need into a third one.",
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
        Error,
        "merge-fails",
        "cloud-init cannot merge a part of a configuration",
        "A group, or a part of user-data, sets a key to something that cannot be merged onto what an earlier part set \
         there, in the way that its merge_how asks for: a text onto a list that is appended to, say. cloud-init leaves \
         out the whole part with a line in its log, and the node goes without all that it says. Make both values of one \
         kind, or set the key in one of the two only.",
    ),
    Rule::new(
        Warning,
        "merge-group-ignored",
        "What a later group sets does not apply",
        "Two groups of a node set the same key, and the later one has a merge_how by which the earlier value stays: \
         numbers, true and false always do, and lists without `append` are laid one over the other. The later value is \
         dropped without a word. Set the key in one group only, or join lists with `list(append)` and \
         `dict(recurse_list)`; `dict(no_replace)` says that the earlier value is to stay, and then nothing is said here.",
    ),
    Rule::new(
        Warning,
        "merge-group-replaced",
        "A later group replaces what an earlier one sets",
        "Two groups of a node set the same key, and the later one says nothing about merging. cloud-init then replaces the \
         earlier value, whole lists and mappings too, without a word: of two groups with a runcmd, one is never run. Add \
         the merge_how line of the hint to the later group, in which all groups best agree; a merge_how with \
         `dict(replace)` says that it is meant.",
    ),
    Rule::new(
        Error,
        "merge-how-invalid",
        "cloud-init does not understand a merge_how",
        "The merge_how of a document is not of the form that cloud-init reads, names a merger that it does not have, or \
         has none for mappings. cloud-init leaves out the whole document with a line in its log, so that the node goes \
         without all that it says. Write it as `list(append)+dict(recurse_list,recurse_str)+str()`.",
    ),
    Rule::new(
        Warning,
        "merge-how-option",
        "An option of a merge_how does nothing",
        "A merge_how gives a merger an option that it does not have, such as `list(apend)`. cloud-init passes over it, and \
         merges as if it were not there: lists are replaced where they were to be joined. Mend the option.",
    ),
    Rule::new(
        Warning,
        "merge-user-data-replaces",
        "user-data replaces what groups set",
        "The user-data of a node sets a key that its groups set too. user-data stands above vendor-data, where the groups \
         are: its lists and plain values stay, and those of all groups are dropped without a word, whatever merge_how \
         says; only mappings are joined. Set the key in user-data or in groups, not in both.",
    ),
    Rule::new(
        Error,
        "meta-data-hostname",
        "meta-data has not the node's own hostname",
        "The site's own template for meta-data leaves out local-hostname, or has one that is no hostname or another than \
         mds knows the node by. Without one the node keeps the name of its image, as all others do; over one that is a \
         number cloud-init gives up the server and all documents; and of one that mds does not know nothing sees to it \
         that no other node has it. \
         Write `local-hostname: \"{{ local_hostname }}\"` into the template; a domain may follow.",
    ),
    Rule::new(
        Error,
        "meta-data-instance-id",
        "meta-data has not the node's own instance-id",
        "The site's own template for meta-data leaves out the instance-id, or has another one than mds knows the node by. \
         Without one cloud-init takes `nocloud`, and never notices that a node is to be set up anew; with one that many \
         nodes share, what was done once for one is not done for the others that use its disk or image. Write \
         `instance-id: \"{{ instance_id }}\"` into the template, and set instance_id in nodes/<id>.yaml where a node \
         needs another one.",
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
        "password-hash",
        "The hash of a password stands in a document",
        "A document has the hash of a password. Nodes fetch documents over plain HTTP and every user on a node can do the \
         same, so everybody can try passwords on it at leisure, which the permissions of /etc/shadow are there to \
         prevent. Give people SSH keys and leave passwords locked. Where a hash has to be, take a yescrypt one (`$y$`) of \
         a long password, and turn the rule off in [check.severity].",
    )
    .about_secrets(),
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
    Rule::new(
        Warning,
        "secret-file-permissions",
        "A file with a secret in it is open to others",
        "write_files makes a file that holds a secret, and its permissions let other users read it. A file of which \
         nothing is said is readable by everybody (0644), and programs such as sshd and munged refuse keys that others \
         can read. Write `permissions: \"0600\"`, and name an owner if it is not for root.",
    )
    .about_secrets(),
    Rule::new(
        Warning,
        "secret-in-clear",
        "A secret stands in a document",
        "A private key, a password or a token stands in a document, or in the meta values that go into meta-data. Nodes \
         fetch documents over plain HTTP and are known by their addresses, so every user on a node can read them, and so \
         can whoever reads the repository. Nothing fails on the node, and some sites accept it on a closed network, so it \
         is a warning. Let the node fetch the secret from a vault when it boots, use SSH keys instead of passwords, and \
         have what stood in a repository replaced.",
    )
    .about_secrets(),
    Rule::new(
        Warning,
        "secret-in-settings",
        "A secret stands in the settings",
        "The settings of the site hold the bootstrap token of TokenSmith. Everybody who can read the repository, now \
         or from its history, can ask for access to the inventory with it. Take it out, give it in the environment \
         variable TOKENSMITH_BOOTSTRAP_TOKEN, and have a new one made.",
    )
    .about_secrets()
    .of_inventory(),
    Rule::new(
        Error,
        "site-rule",
        "A file in rules/ is no rule",
        "A file in the site's rules/ cannot be used: it is not YAML, lacks a key or has one too many, or its schema is \
         no JSON Schema. What it is there to prevent is not looked at, and nobody would notice, so it is an error. Mend the file at \
         the place that is named; schemas/site-rule.schema.json says what a rule may hold.",
    ),
    Rule::new(
        Error,
        "template",
        "A template cannot be rendered",
        "A template does not parse, uses a name that is not there, or grows or takes longer than its bounds. There is \
         no document to send then, and a node that asked for one that is missing would try eleven times and, for \
         meta-data and user-data, boot without its users, keys and hostname. Mend the template at the place that is \
         named; `default(value=…)` gives a name that may be missing a value.",
    )
    .fixed(),
    Rule::new(
        Warning,
        "unknown-group",
        "The order of groups names one that is not there",
        "[groups] order names a group that has neither a folder nor a node. The line has no effect, and if the label \
         is a slip, the group that was meant applies at another place: of two groups that set the same key, the later \
         one wins on the node. Mend the label or remove it.",
    ),
    Rule::new(
        Error,
        "unknown-header",
        "cloud-init does not know what a document is",
        "The first letters of a document say what it is: `#cloud-config`, `#!` for a script, `#include` and a few more, \
         or a MIME message. cloud-init passes over a part that begins with none of them, with a line in its log that \
         nobody reads, and the node goes without all of it. Make the header the first line of the template.",
    ),
    Rule::new(
        Warning,
        "unknown-node",
        "A node's file belongs to no node",
        "The site has a file in nodes/ for an id that the inventory does not have. What it says reaches nobody, and \
         if the id is a slip, the node that was meant boots without it. Mend the name of the file, or remove it if \
         the node is gone.",
    ),
    Rule::new(
        Error,
        "unreadable-site",
        "A file of the site cannot be read",
        "The settings, a group, a node's file or the inventory is not written as it has to be: it does not parse, has \
         keys that are not known, or lies where it is not looked for. Nothing is built from a site that is understood \
         in part, since nodes would lose what the rest says. Mend the file at the place that is named.",
    )
    .fixed()
    .of_inventory(),
    Rule::new(
        Warning,
        "unused-site-rule",
        "A rule of the site holds for no node",
        "A rule in rules/ names groups, nodes or a document that no node of the inventory has. It never finds anything, \
         and if a label or pattern is a slip, the nodes that were meant are not looked at. Mend it, or remove the rule if \
         its nodes are gone.",
    ),
    Rule::new(
        Warning,
        "unused-template",
        "A file in templates/ is used by nothing",
        "The site has a file in templates/ that is no document of its own, and that no template includes, extends or \
         passes on. It reaches nobody, and if its name is a slip, nodes get the built-in document in place of the one \
         that was written for them. Mend the name, or remove the file.",
    ),
    Rule::new(
        Warning,
        "unused-user-data",
        "A user-data file belongs to no node",
        "The site has a file in user-data/ whose name is neither the id nor a MAC address of a node. It reaches \
         nobody, and if the name is a slip, the node that was meant gets the default user-data. Mend the name of the \
         file, or remove it.",
    ),
    Rule::new(
        Note,
        "unused-waiver",
        "A waiver fits nothing that was found",
        "The site has a waiver for something that is not found any more, or that never was because its rule, file or \
         nodes are written wrongly. It would hide the same thing if it came back. Remove it, or mend what it names.",
    )
    .of_inventory(),
    Rule::new(
        Error,
        "vlan-name",
        "A VLAN interface would get an impossible name",
        "The VLAN interface that network-config sets up would have a name that is too long for the kernel, or that \
         another interface of the node has. The network stage of cloud-init fails on it, and the node stays without \
         that network or stops there. Give the interface below it another, shorter name in the inventory.",
    )
    .fixed(),
    Rule::new(
        Error,
        "yaml-aliases",
        "A document unfolds to more than anybody can hold",
        "The aliases of a YAML document stand for more than a million values together. cloud-init writes the \
         configuration out with every alias unfolded, and runs out of memory or time on the node. Write the values \
         out, or use fewer aliases of aliases.",
    )
    .fixed(),
    Rule::new(
        Warning,
        "yaml-ambiguous-value",
        "A plain word means something else to cloud-init",
        "cloud-init reads YAML 1.1, in which 0644 is the number 420, 12:30 is 750, and yes, no, on and off are true and \
         false. A value that is written so without quotes reaches the node as something else than it looks like. Put \
         it in quotes, or write what is meant.",
    ),
    Rule::new(
        Warning,
        "yaml-duplicate-key",
        "A mapping has a key twice",
        "One mapping of a document has the same key more than once. cloud-init keeps the last and says nothing, so what \
         stands below the first never reaches the node. Join the two.",
    ),
    Rule::new(
        Warning,
        "yaml-line-ends",
        "A line ends where nobody sees it",
        "A document holds one of the rare characters that end a line in YAML 1.1, such as a lone carriage return or \
         U+2028. What follows it counts as a line of its own, even in a comment. Replace it by an ordinary line end, \
         or write it as an escape in double quotes.",
    ),
    Rule::new(
        Error,
        "yaml-syntax",
        "A rendered document is not YAML",
        "A rendered document that cloud-init reads as YAML is none. cloud-init warns and drops that document, applies \
         the rest and calls the node degraded: what the document was to set up is missing, and a broken \
         network-config counts as absent. Look at it with `mds render NODE DOCUMENT`; values that may hold special \
         characters are safe with `| yaml`.",
    )
    .fixed(),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn rules_are_sorted_and_stand_once() {
        assert!(RULES.windows(2).all(|pair| pair[0].id < pair[1].id));
    }

    #[test]
    fn rules_about_secrets_are_known_for_it() {
        for Rule { id, summary, is_about_secrets, .. } in RULES {
            let words = ["secret", "password", "passphrase", "private key", "private-key", "token", "hash"];
            let speaks_of_one = words.iter().any(|word| format!("{id} {summary}").to_lowercase().contains(word));
            assert_eq!(*is_about_secrets, speaks_of_one, "{id}");
        }
    }

    #[test]
    fn every_rule_is_explained_in_a_few_sentences() {
        for Rule { id, summary, explanation, .. } in RULES {
            assert!((10..60).contains(&summary.len()) && !summary.ends_with('.'), "{id}: {summary}");
            let sentences = explanation.matches(". ").count() + 1;
            assert!((2..=5).contains(&sentences) && explanation.ends_with('.'), "{id}: {sentences} sentences");
            assert!(!explanation.contains("  ") && !explanation.contains('\n'), "{id}: {explanation}");
        }
    }

    /// What stands in quotes and could be the id of a rule.
    fn quoted(text: &str) -> BTreeSet<String> {
        let of_id = |character: char| character.is_ascii_lowercase() || character == '-';
        let words = text.split('"').filter(|word| !word.is_empty() && word.chars().all(of_id));
        words.map(str::to_owned).collect()
    }

    #[test]
    fn every_rule_is_used_and_every_id_that_is_used_is_a_rule() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut used = BTreeSet::new();
        for room in ["check", "render", "inventory", "pipeline"] {
            for entry in walkdir::WalkDir::new(source.join(room)).into_iter().map(Result::unwrap) {
                if !entry.file_type().is_file() || entry.file_name() == "catalogue.rs" {
                    continue;
                }
                let text = std::fs::read_to_string(entry.path()).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
                // The id is the first argument of what makes a finding.
                for maker in ["Finding::error(", "Finding::warning(", "Finding::note("] {
                    for call in text.split(maker).skip(1) {
                        let Some(after) = call.trim_start().strip_prefix('"') else { continue };
                        let id = after.split('"').next().unwrap();
                        assert!(RULES.iter().any(|rule| rule.id == id), "{id} in {}", entry.path().display());
                    }
                }
                // Or a constant.
                for line in text.lines().filter(|line| line.contains("_RULE: &str = ")) {
                    let id = line.split('"').nth(1).unwrap();
                    assert!(RULES.iter().any(|rule| rule.id == id), "{id} in {}", entry.path().display());
                }
                used.extend(quoted(text));
            }
        }
        let unused: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| !used.contains(*id)).collect();
        assert_eq!(unused, [""; 0]);
    }
}
