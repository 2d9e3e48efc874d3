//! What is broken, and what that does to a node. Every rule that is an error has a case here, or a reason in
//! [`WITHOUT_CASE`] why one boot cannot show it: mostly that nothing is built at all, or that the harm is between
//! machines, each of which boots well.

use super::broken_documents::Case;

/// Whatever a document says, it leaves this on the disk.
const DONE: &str = "var/lib/done";

/// Rules that are errors and have no case, and why.
pub(crate) const WITHOUT_CASE: &[(&str, &str)] = &[
    ("duplicate-address", "one of two machines is given what is the other's"),
    ("duplicate-hostname", "both machines boot, and others take one for the other"),
    ("duplicate-instance-id", "it takes a disk that moves between two machines"),
    ("duplicate-mac", "one of two machines is given what is the other's"),
    ("duplicate-nid", "both machines boot, and are called alike"),
    ("duplicate-node", "the inventory of a site cannot say it, but SMD"),
    ("include-cycle", "nothing is built"),
    ("include-outside-tunnel", "it takes a server with tunnels, and a node with one"),
    ("network-config-duplicate-address", "two machines take packets from each other"),
    ("reserved-node-id", "other machines are given what is this one's"),
    ("site-rule", "the site is not checked as it says, while its documents may be good"),
    ("template", "nothing is built"),
    ("tunnel-network-overlap", "the node boots, and does not reach another machine"),
    ("tunnel-network-too-small", "nothing is built"),
    ("tunnel-required-without-network", "it takes a server that refuses what has a mark"),
    ("unreadable-site", "nothing is built"),
];

const OF_ALL: &str = "#cloud-config\n# of all\nruncmd: [touch /var/lib/done]\n";
const USER_DATA: &str = "#cloud-config\nruncmd: [touch /var/lib/done]\n";

const BOMB: &str = "\
#cloud-config
runcmd: [touch /var/lib/done]
a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d, *d]
f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e, *e]
g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f, *f]
h: [*g, *g, *g, *g, *g, *g, *g, *g, *g, *g]
";

/// Where the client has netplan find what network-config said.
const NETPLAN: &str = "etc/netplan/50-cloud-init.yaml";

const META_DATA: &str = "instance-id: {{ instance_id }}\nlocal-hostname: {{ local_hostname }}\n";
const V1: &str = "version: 1
config:
  - {type: physical, name: eth0, mac_address: '{mac}', subnets: [{type: static, address: '{ip}/17'}]}
";
const V1_WITH_DESCRIPTION: &str = "version: 1
config:
  - {type: physical, name: eth0, description: boot, mac_address: '{mac}', subnets: [{type: static, address: '{ip}/17'}]}
";
const V1_WITH_OTHER_MAC: &str = "version: 1
config:
  - {type: physical, name: eth0, mac_address: '{mac}', subnets: [{type: static, address: '{ip}/17'}]}
  - {type: physical, name: eth1, mac_address: '02:00:00:00:00:99', subnets: [{type: manual}]}
";
const V1_IN_CAPITALS: &str = "version: 1
config:
  - {type: physical, name: eth0, mac_address: '{{ mac | upper }}', subnets: [{type: static, address: '{ip}/17'}]}
";
const V2: &str = "version: 2
ethernets:
  eth0:
    match: {macaddress: '{mac}'}
    set-name: eth0
    addresses: ['{ip}/17']
    routes: [{to: default, via: 10.252.0.1}]
";
const V2_WITH_DHCP: &str = "version: 2\nethernets: {e: {dhcp4: true, addresses: ['{ip}/17']}}\n";
const V2_WITH_OTHER_MAC: &str = "version: 2
ethernets:
  eth0: {match: {macaddress: '{mac}'}, addresses: ['{ip}/17']}
  eth1: {match: {macaddress: '02:00:00:00:00:99'}, set-name: eth1}
";
const V2_WITH_FAR_GATEWAY: &str = "version: 2
ethernets:
  eth0: {match: {macaddress: '{mac}'}, addresses: ['{ip}/17'], routes: [{to: default, via: 10.253.0.1}]}
";

/// A machine whose interface has a name that leaves no room for the number of a VLAN.
const LONG_NAMED: &str = r#"{"format": 1, "nodes": [{
    "id": "{id}", "nid": {nid}, "groups": ["all"],
    "interfaces": [{"name": "enp193s0f0np0", "mac": "{mac}", "addresses": [{"ip": "{ip}", "network": "HMN"}]}]
}]}"#;

const CLUSTER_WITH_PLUS: &str =
    "[cluster]\nname = \"tundra\"\nshort_name = \"nid+\"\nnid_length = 6\nbase_url = \"{base}\"\n";
const VLAN: &str = "[cluster]\nname = \"tundra\"\nshort_name = \"nid\"\nnid_length = 6\nbase_url = \"{base}\"\n
[networks.HMN]\nprefixes = [\"10.252.0.0/17\"]\nvlan = 4000\n";

/// The client renders it, and leaves the node's name on the disk.
const CLIENT_TEMPLATE: &str =
    "## template: jinja\n#cloud-config\nruncmd: ['echo {{ v1.local_hostname }} >/var/lib/done']\n";

/// The list of this group is appended to that of another.
const APPENDED: &str = "\
#cloud-config
merge_how: list(append)+dict(recurse_list)+str(append)
groups: [drivers]
runcmd: [touch /var/lib/done]
";

/// Cases of Debian 13's client.
pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "yaml-syntax",
        what: "a group's cloud-config is no YAML",
        broken: &[("groups/all/cloud-config.yaml", "#cloud-config\nruncmd:\n  - touch /var/lib/done\nmotd: [\n")],
        mended: &[("groups/all/cloud-config.yaml", OF_ALL)],
        damage: |boot, node| boot.warns_of("Failed loading yaml blob") && !node.wrote(DONE),
    },
    Case {
        rule: "unknown-header",
        what: "a group's cloud-config begins with another comment",
        broken: &[("groups/all/cloud-config.yaml", "# of all\n#cloud-config\nruncmd:\n  - touch /var/lib/done\n")],
        mended: &[("groups/all/cloud-config.yaml", OF_ALL)],
        damage: |boot, node| boot.warns_of("Unhandled non-multipart") && !node.wrote(DONE),
    },
    Case {
        rule: "yaml-duplicate-key",
        what: "a cloud-config has runcmd twice",
        broken: &[("user-data/default.yaml", "#cloud-config\nruncmd: [touch /var/lib/done]\nruncmd: [\"true\"]\n")],
        mended: &[("user-data/default.yaml", USER_DATA)],
        damage: |_, node| !node.wrote(DONE),
    },
    Case {
        rule: "yaml-aliases",
        what: "aliases of aliases unfold to a hundred million values",
        broken: &[("user-data/default.yaml", BOMB)],
        mended: &[("user-data/default.yaml", USER_DATA)],
        damage: |boot, _| boot.failed("init-network") && boot.warns_of("Consuming user data failed"),
    },
    Case {
        rule: "meta-data-instance-id",
        what: "meta-data has no instance-id",
        broken: &[("templates/meta-data", "local-hostname: {{ local_hostname }}\n")],
        mended: &[("templates/meta-data", META_DATA)],
        damage: |_, node| node.wrote("var/lib/cloud/instances/nocloud"),
    },
    Case {
        rule: "network-config-schema",
        what: "an address of version 2 without the length of its prefix",
        broken: &[("templates/network-config", "version: 2\nethernets: {e: {dhcp4: true, addresses: ['{ip}']}}\n")],
        mended: &[("templates/network-config", V2_WITH_DHCP)],
        damage: |boot, _| boot.failed("init-network") && boot.warns_of("failed schema validation"),
    },
    Case {
        rule: "network-config-schema",
        what: "an unknown key in version 1",
        broken: &[("templates/network-config", V1_WITH_DESCRIPTION)],
        mended: &[("templates/network-config", V1)],
        damage: |boot, _| !boot.failed("init-network") && boot.warns_of("failed schema validation"),
    },
    Case {
        rule: "network-config-schema",
        what: "network-config without a version",
        broken: &[("templates/network-config", "ethernets: {e: {dhcp4: true, addresses: ['{ip}/17']}}\n")],
        mended: &[("templates/network-config", V2_WITH_DHCP)],
        damage: |boot, _| boot.failed("init-network"),
    },
    Case {
        rule: "network-config-unknown-mac",
        what: "version 1 with another card's MAC address",
        broken: &[("templates/network-config", V1_WITH_OTHER_MAC)],
        mended: &[("templates/network-config", V1)],
        damage: |boot, _| boot.failed("init-network") && boot.warns_of("Not all expected physical devices present"),
    },
    Case {
        rule: "network-config-unknown-mac",
        what: "version 2 gives a name to another card's MAC address",
        broken: &[("templates/network-config", V2_WITH_OTHER_MAC)],
        mended: &[("templates/network-config", V2)],
        damage: |boot, _| boot.failed("init-network") && boot.warns_of("Not all expected physical devices present"),
    },
    Case {
        rule: "network-config-unknown-mac",
        what: "a MAC address in capital letters",
        broken: &[("templates/network-config", V1_IN_CAPITALS)],
        mended: &[("templates/network-config", V1)],
        damage: |boot, _| boot.failed("init-network") && boot.warns_of("Not all expected physical devices present"),
    },
    Case {
        rule: "network-config-gateway",
        what: "the gateway lies outside the prefix",
        broken: &[("templates/network-config", V2_WITH_FAR_GATEWAY)],
        mended: &[("templates/network-config", V2)],
        damage: |_, node| node.refuses_network(),
    },
    Case {
        rule: "boot-interface",
        what: "the boot interface has neither address nor DHCP",
        broken: &[("templates/network-config", "version: 2\nethernets: {eth0: {mtu: 1400}}\n")],
        mended: &[("templates/network-config", V2)],
        damage: |_, node| !node.read(NETPLAN).contains(node.machine().address),
    },
    Case {
        rule: "meta-data-hostname",
        what: "meta-data has hostname, and no local-hostname",
        broken: &[("templates/meta-data", "instance-id: {{ instance_id }}\nhostname: {{ hostname }}\n")],
        mended: &[("templates/meta-data", META_DATA)],
        damage: |boot, node| boot.hostname() != node.machine().hostname,
    },
    Case {
        rule: "meta-data-hostname",
        what: "local-hostname is a number",
        broken: &[("templates/meta-data", "instance-id: {{ instance_id }}\nlocal-hostname: {{ nid }}\n")],
        mended: &[("templates/meta-data", META_DATA)],
        damage: |boot, _| boot.warns_of("Used fallback datasource"),
    },
    Case {
        rule: "include-url-unknown",
        what: "user-data includes a path that the server does not have",
        broken: &[("user-data/default.yaml", "#include\n{{ base_url }}/groups/all\n")],
        mended: &[("user-data/default.yaml", "#include\n{{ base_url }}/of-nobody.yaml\n")],
        damage: |boot, _| boot.failed("init-network"),
    },
    Case {
        rule: "include-url-cycle",
        what: "user-data includes itself",
        broken: &[("user-data/default.yaml", "#include\n{{ base_url }}/user-data\n")],
        mended: &[("user-data/default.yaml", "#include\n{{ base_url }}/of-nobody.yaml\n")],
        damage: |boot, _| boot.failed("init-network"),
    },
    Case {
        rule: "base-url",
        what: "nodes are sent to themselves",
        broken: &[
            ("mds.toml", "[cluster]\nname = \"tundra\"\nshort_name = \"nid\"\nbase_url = \"http://localhost:8080\"\n"),
            ("groups/all/cloud-config.yaml", OF_ALL),
        ],
        mended: &[("groups/all/cloud-config.yaml", OF_ALL)],
        damage: |boot, node| boot.failed("init-network") && !node.wrote(DONE),
    },
    Case {
        rule: "cloud-config-schema",
        what: "a key is misspelt",
        broken: &[("user-data/default.yaml", "#cloud-config\nruncmds: [touch /var/lib/done]\n")],
        mended: &[("user-data/default.yaml", USER_DATA)],
        damage: |boot, node| boot.is_degraded() && boot.warns_of("failed schema validation") && !node.wrote(DONE),
    },
    Case {
        rule: "cloud-config-schema",
        what: "a mapping where a list belongs",
        broken: &[("user-data/default.yaml", "#cloud-config\nruncmd: {touch: /var/lib/done}\n")],
        mended: &[("user-data/default.yaml", USER_DATA)],
        damage: |boot, node| boot.failed("modules-config") && !node.wrote(DONE),
    },
    Case {
        rule: "merge-how-invalid",
        what: "merge_how names a merger that there is not",
        broken: &[(
            "user-data/default.yaml",
            "#cloud-config\nmerge_how: lists(append)\nruncmd: [touch /var/lib/done]\n",
        )],
        mended: &[("user-data/default.yaml", USER_DATA)],
        damage: |boot, node| boot.warns_of("Failed at merging in cloud config part") && !node.wrote(DONE),
    },
    Case {
        rule: "merge-fails",
        what: "a group's list is to be appended to another group's text",
        broken: &[
            ("groups/all/cloud-config.yaml", "#cloud-config\ngroups: jobs\n"),
            ("groups/more/cloud-config.yaml", APPENDED),
        ],
        mended: &[
            ("groups/all/cloud-config.yaml", "#cloud-config\ngroups: [jobs]\n"),
            ("groups/more/cloud-config.yaml", APPENDED),
        ],
        damage: |boot, node| boot.warns_of("Failed at merging in cloud config part") && !node.wrote(DONE),
    },
    Case {
        rule: "client-template",
        what: "a template for the client is not closed",
        broken: &[(
            "user-data/default.yaml",
            "## template: jinja\n#cloud-config\nruncmd: ['echo {{ v1.local_hostname >/var/lib/done']\n",
        )],
        mended: &[("user-data/default.yaml", CLIENT_TEMPLATE)],
        damage: |boot, node| boot.warns_of("Ignoring jinja template") && !node.wrote(DONE),
    },
    Case {
        rule: "client-template-undefined",
        what: "a name in a template for the client is misspelt",
        broken: &[(
            "user-data/default.yaml",
            "## template: jinja\n#cloud-config\nruncmd: ['echo {{ v1.local_hostnam }} >/var/lib/done']\n",
        )],
        mended: &[("user-data/default.yaml", CLIENT_TEMPLATE)],
        damage: |boot, node| boot.is_degraded() && node.read(DONE).contains("CI_MISSING_JINJA_VAR"),
    },
    Case {
        rule: "client-template-undefined",
        what: "a template for the client asks for a part of what there is not",
        broken: &[(
            "user-data/default.yaml",
            "## template: jinja\n#cloud-config\nruncmd: ['echo {{ v2.local_hostname }} >/var/lib/done']\n",
        )],
        mended: &[("user-data/default.yaml", CLIENT_TEMPLATE)],
        damage: |boot, node| boot.warns_of("Ignoring jinja template") && !node.wrote(DONE),
    },
    Case {
        rule: "invalid-hostname",
        what: "the names of all nodes have a plus sign",
        broken: &[("mds.toml", CLUSTER_WITH_PLUS)],
        mended: &[("templates/meta-data", META_DATA)],
        damage: |boot, _| boot.warns_of("adjust the system hostname") && !boot.hostname().starts_with("nid"),
    },
    Case {
        rule: "vlan-name",
        what: "the name of an interface and the number of its VLAN are too long together",
        broken: &[("mds.toml", VLAN), ("inventory.json", LONG_NAMED)],
        mended: &[("mds.toml", VLAN)],
        damage: |_, node| node.refuses_names(),
    },
];
