//! The rules about the files of a site: its settings, templates, waivers and rules of its own.

use super::Rule;
use crate::check::finding::Severity::{Error, Note, Warning};

pub(super) const RULES: &[Rule] = &[
    Rule::new(
        Warning,
        "expired-waiver",
        "A waiver has come to its end",
        "A waiver of the site is past its last day. What it was about counts again, which may keep the next release from \
         being published. Mend what it was about and remove it, or give it another end and say why.",
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
];
