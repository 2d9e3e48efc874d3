//! The rules about secrets where others can read them.

use super::Rule;
use crate::check::finding::Severity::Warning;

pub(super) const RULES: &[Rule] = &[
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
];
