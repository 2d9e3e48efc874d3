//! Which nodes have to be rendered again: those of which the inventory says something else than when an earlier release
//! was built, or all, when the site or mds has changed.
//!
//! A node's documents depend on the site, on the program, and on its own entry in the inventory; templates see no other
//! node. So equal digests of the three mean equal documents.
//!
//! Documents that are taken over are not inspected again. Errors cannot be among them, or the earlier release would not
//! be there; warnings of them were given when they were rendered, and are given anew by `mds build --check`,
//! `--dry-run` and `--anew`, which render everything. The site's own rules count as part of the site: when one changes, every
//! node is held against it.

use std::collections::HashMap;

use super::prepare::{BuildError, Prepared};
use super::run::entry;
use crate::release::{Inputs, Manifest, NodeEntry, ReleaseSink, ReleaseWriter};
use crate::types::{Digest, NodeId, Problem};

/// An earlier release whose documents may do once more.
#[derive(Clone, Copy, Debug)]
pub struct Earlier<'a> {
    /// The program that renders now, if it can be told: another one may render something else from the same site.
    pub program: Option<Digest>,
    /// The release's manifest, and what it was rendered from; without it everything is rendered.
    pub release: Option<(&'a Manifest, &'a Inputs)>,
}

impl Earlier<'_> {
    /// What the nodes are rendered from now.
    pub(super) fn inputs_now(&self, prepared: &Prepared) -> Result<Inputs, BuildError> {
        let unwritable = |error| Problem::new(format!("a node of the inventory has no text form: {error}"));
        let mut nodes = std::collections::BTreeMap::new();
        for node in prepared.inventory.nodes() {
            let text = serde_json::to_vec(node).map_err(unwritable)?;
            nodes.insert(node.id.clone(), Digest::of(&text));
        }
        Ok(Inputs { recipe: self.recipe(prepared), nodes })
    }

    fn recipe(&self, prepared: &Prepared) -> Digest {
        let program = self.program.map_or([0; Digest::LENGTH], |program| *program.as_bytes());
        Digest::of(&[&program[..], &prepared.site.recipe.as_bytes()[..]].concat())
    }

    /// Takes over every node whose documents are known, and returns the positions of all others.
    pub(super) fn reuse(&self, prepared: &Prepared, now: &Inputs, writer: &mut ReleaseWriter<'_>) -> Vec<usize> {
        let facts = prepared.plan.facts();
        let is_same_recipe = |(_, inputs): &(&Manifest, &Inputs)| inputs.recipe == now.recipe && self.program.is_some();
        let Some((manifest, before)) = self.release.filter(is_same_recipe) else { return (0..facts.len()).collect() };
        let known: HashMap<&NodeId, &NodeEntry> = manifest.nodes().iter().map(|node| (&node.id, node)).collect();
        let mut changed = Vec::new();
        for (index, facts) in facts.iter().enumerate() {
            let is_same = before.nodes.get(facts.id()).is_some_and(|digest| now.nodes.get(facts.id()) == Some(digest));
            let entry_before = known.get(facts.id()).filter(|_| is_same);
            match entry_before.filter(|entry| entry.documents.values().all(|digest| writer.holds(digest))) {
                // Which address a node has in its tunnel depends on the other nodes as well.
                Some(entry_before) => {
                    writer.add_node(entry(facts, prepared.tunnels.address(index), entry_before.documents.clone()))
                }
                None => changed.push(index),
            }
        }
        changed
    }
}
