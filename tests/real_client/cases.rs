//! What is broken, and what that does to a node. Every rule about the boot that is an error has a case here.

use super::broken_documents::Case;

/// Whatever the group `all` says, it leaves this on the disk.
const DONE: &str = "var/lib/done";

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

/// Cases of Debian 13's client.
pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "yaml-syntax",
        what: "a group's cloud-config is no YAML",
        broken: &[("groups/all/cloud-config.yaml", "#cloud-config\nruncmd:\n  - touch /var/lib/done\nmotd: [\n")],
        mended: &[("groups/all/cloud-config.yaml", "#cloud-config\nruncmd:\n  - touch /var/lib/done\n")],
        damage: |boot, node| boot.warns_of("Failed loading yaml blob") && !node.wrote(DONE),
    },
    Case {
        rule: "unknown-header",
        what: "a group's cloud-config begins with another comment",
        broken: &[("groups/all/cloud-config.yaml", "# of all\n#cloud-config\nruncmd:\n  - touch /var/lib/done\n")],
        mended: &[("groups/all/cloud-config.yaml", "#cloud-config\n# of all\nruncmd:\n  - touch /var/lib/done\n")],
        damage: |boot, node| boot.warns_of("Unhandled non-multipart") && !node.wrote(DONE),
    },
    Case {
        rule: "yaml-duplicate-key",
        what: "a cloud-config has runcmd twice",
        broken: &[("user-data/default.yaml", "#cloud-config\nruncmd: [touch /var/lib/done]\nruncmd: [\"true\"]\n")],
        mended: &[("user-data/default.yaml", "#cloud-config\nruncmd: [touch /var/lib/done, \"true\"]\n")],
        damage: |_, node| !node.wrote(DONE),
    },
    Case {
        rule: "yaml-aliases",
        what: "aliases of aliases unfold to a hundred million values",
        broken: &[("user-data/default.yaml", BOMB)],
        mended: &[("user-data/default.yaml", "#cloud-config\nruncmd: [touch /var/lib/done]\n")],
        damage: |boot, _| boot.failed("init-network") && boot.warns_of("Consuming user data failed"),
    },
    Case {
        rule: "meta-data-instance-id",
        what: "meta-data has no instance-id",
        broken: &[("templates/meta-data", "local-hostname: {{ local_hostname }}\n")],
        mended: &[("templates/meta-data", "instance-id: {{ instance_id }}\nlocal-hostname: {{ local_hostname }}\n")],
        damage: |_, node| node.wrote("var/lib/cloud/instances/nocloud"),
    },
];
