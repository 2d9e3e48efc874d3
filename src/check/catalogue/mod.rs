//! Every rule with what it looks for, what that does to a node, and what to do about it.

mod documents;
mod inventory;
mod merging;
mod network;
mod secrets;
mod site;
mod tunnels;

use std::sync::LazyLock;

use super::finding::Severity;

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
pub static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let mut sorted = [
        documents::RULES,
        inventory::RULES,
        merging::RULES,
        network::RULES,
        secrets::RULES,
        site::RULES,
        tunnels::RULES,
    ]
    .concat();
    sorted.sort_by_key(|rule| rule.id);
    sorted
});

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
        for Rule { id, summary, is_about_secrets, .. } in RULES.iter() {
            let words = ["secret", "password", "passphrase", "private key", "private-key", "token", "hash"];
            let speaks_of_one = words.iter().any(|word| format!("{id} {summary}").to_lowercase().contains(word));
            assert_eq!(*is_about_secrets, speaks_of_one, "{id}");
        }
    }

    #[test]
    fn every_rule_is_explained_in_a_few_sentences() {
        for Rule { id, summary, explanation, .. } in RULES.iter() {
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
                if !entry.file_type().is_file() || entry.path().components().any(|part| part.as_os_str() == "catalogue")
                {
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
