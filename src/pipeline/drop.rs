//! Keeping an inventory from being published that nobody has reviewed and that takes away much at once.
//!
//! "At once" is a quarter of an hour: a tool that deletes interfaces one by one makes every single pull lose little, and
//! all of them together everything. So an inventory is held against the release that is current, and against the one
//! that was current a quarter of an hour ago. Somebody who accepts a drop, or goes back, sets a new beginning.

use std::time::Duration;

use jiff::Timestamp;

use super::input::InventoryInput;
use super::prepare::Prepared;
use crate::inventory::{Population, dropped_too_much};
use crate::release::{Manifest, StoreError, Tree};
use crate::types::Problem;

/// How far back it is looked.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// Says what is gone, when the inventory takes away more than the site allows at once. `current` is the manifest of the
/// release that is current.
///
/// # Errors
/// When the log of the tree cannot be read.
pub fn drop_problem(
    prepared: &Prepared,
    input: &InventoryInput,
    tree: &Tree,
    current: &Manifest,
    now: Timestamp,
) -> Result<Option<Problem>, StoreError> {
    if !input.is_unreviewed() {
        return Ok(None);
    }
    let standing = tree.standing_at(now.saturating_sub(WINDOW).unwrap_or(now))?;
    // One that was removed meanwhile cannot be looked at.
    let before = standing.filter(|id| tree.current().ok().flatten() != Some(*id)).and_then(|id| tree.manifest(id).ok());
    let after = Population::from(&prepared.inventory);
    let max_removed = prepared.site.settings.inventory.max_removed;
    let problem = [Some(current), before.as_ref()]
        .into_iter()
        .flatten()
        .find_map(|manifest| dropped_too_much(&population(manifest), &after, max_removed));
    Ok(problem.map(|problem| Problem { message: format!("{}; what is published stays", problem.message), ..problem }))
}

fn population(manifest: &Manifest) -> Population {
    Population::new(manifest.nodes().iter().map(|node| (&node.id, node.addresses.len(), node.groups.len())))
}
