//! The rules about what cloud-init makes of several documents together.

use super::Rule;
use crate::check::finding::Severity::{Error, Warning};

pub(super) const RULES: &[Rule] = &[
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
];
