//! The rules about what the schema of cloud-config does not have, or has no more.

use super::Violation;
use crate::check::document::{Document, DocumentKind};
use crate::check::remark::Remark;
use crate::check::rulebook::Rulebook;

/// Remarks of one document.
const MOST: usize = 50;

/// Holds a cloud-config against the schema.
pub(in crate::check) fn conforms(rulebook: &Rulebook, document: &Document) -> Vec<Remark> {
    let is_cloud_config = document.kind == DocumentKind::CloudConfig;
    // An empty cloud-config does nothing, and is nobody's mistake.
    let tree = document.tree.as_ref().filter(|tree| is_cloud_config && !tree.is_empty());
    let Some((schema, tree)) = rulebook.schema.as_ref().zip(tree) else { return Vec::new() };
    let remark = |violation: Violation| {
        let at = tree.spot_of(&violation.pointer());
        Remark { hint: violation.hint.map(Into::into), ..Remark::at(violation.kind.rule(), at, violation.message) }
    };
    let mut remarks: Vec<Remark> = schema.violations(&tree.to_json()).into_iter().map(remark).collect();
    remarks.sort_by_key(|remark| remark.at);
    remarks.truncate(MOST);
    remarks
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::problems_of;

    fn said(text: &str) -> Vec<String> {
        let problems = problems_of(&[("groups/a/cloud-config.yaml", text)], "x1");
        problems.iter().map(|problem| format!("{} {}", problem.rule, problem.problem)).collect()
    }

    #[test]
    fn what_is_wrong_is_said_where_it_stands() {
        let found = said("#cloud-config\nusers:\n  - name: a\n    sudo: 1\nruncmdd: [ls]\n");
        let [sudo, unknown] = &found[..] else { panic!("{found:?}") };
        assert!(sudo.starts_with("cloud-config-schema groups/a/cloud-config.yaml:4:5: "), "{sudo}");
        assert!(unknown.starts_with("cloud-config-schema groups/a/cloud-config.yaml:5:1: "), "{unknown}");
        assert!(unknown.contains("did you mean `runcmd`?"), "{unknown}");
    }

    #[test]
    fn what_is_old_is_said_and_what_is_empty_is_not() {
        let found = said("#cloud-config\napt_upgrade: true\n");
        assert!(found[0].starts_with("cloud-config-deprecated groups/a/cloud-config.yaml:2:1: "), "{found:?}");
        assert_eq!(said("#cloud-config\n"), [""; 0]);
        assert_eq!(said("#cloud-config\n{}\n"), [""; 0]);
        assert_eq!(said("#!/bin/sh\nusers: 1\n"), [""; 0]);
    }
}
