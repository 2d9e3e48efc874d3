//! The rules about one document as cloud-init reads it.

use super::Rule;
use crate::check::finding::Severity::{Error, Note, Warning};

pub(super) const RULES: &[Rule] = &[
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
        Error,
        "unknown-header",
        "cloud-init does not know what a document is",
        "The first letters of a document say what it is: `#cloud-config`, `#!` for a script, `#include` and a few more, \
         or a MIME message. cloud-init passes over a part that begins with none of them, with a line in its log that \
         nobody reads, and the node goes without all of it. Make the header the first line of the template.",
    ),
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
