//! Merging one value onto another, as `cloudinit/mergers` does, and what is lost on the way.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use super::how::{How, Kind, Merger};
use super::value::{Merged, PartId, Slot};
use crate::check::remark::Spot;

/// Longest way to a value that is said, in characters.
const LONGEST_PATH: usize = 100;

/// What becomes of a value that cannot stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::check) enum Fate {
    /// A later part's value took its place.
    Replaced,
    /// An earlier part's value kept its place.
    Ignored,
}

/// A value of a part that does not reach the node, or not all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    /// The keys that lead to it, such as `ntp.servers`.
    pub(super) path: String,
    /// What became of it.
    pub(super) fate: Fate,
    /// Whether the value is a list, of which lists can be joined.
    pub(super) is_list: bool,
    /// Whether it is one of the values that merging can join: a list or mapping.
    pub(super) can_be_joined: bool,
    /// The parts that lose.
    pub(super) losers: BTreeSet<PartId>,
    /// The parts that win.
    pub(super) winners: BTreeSet<PartId>,
    /// Where the key stands in what was there before.
    pub(super) earlier_at: Option<(PartId, Spot)>,
    /// Where the key stands in what was merged onto it.
    pub(super) later_at: Option<(PartId, Spot)>,
    /// Whether the later part asks for it in so many words.
    pub(super) is_asked_for: bool,
}

/// Where cloud-init fails while it merges a part, and leaves it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The keys that lead to the place.
    pub(super) path: String,
    /// Where the key stands in what was to be merged.
    pub(super) at: Option<(PartId, Spot)>,
}

/// Merges a value onto another. Losses are added to those there are.
///
/// # Errors
/// When cloud-init fails at it. Losses are then what they were.
pub(super) fn merge<'a>(
    old: Merged<'a>,
    new: Merged<'a>,
    how: &How,
    losses: &mut Vec<Loss>,
) -> Result<Merged<'a>, Failure> {
    let before = losses.len();
    let mut merging = Merging { how, steps: Vec::new(), losses };
    let merged = merging.merge(old, new);
    if merged.is_err() {
        losses.truncate(before);
    }
    merged
}

struct Merging<'m> {
    how: &'m How,
    /// The way to what is merged.
    steps: Vec<Step>,
    losses: &'m mut Vec<Loss>,
}

struct Step {
    name: String,
    earlier_at: Option<(PartId, Spot)>,
    later_at: Option<(PartId, Spot)>,
}

impl Merging<'_> {
    fn merge<'a>(&mut self, old: Merged<'a>, new: Merged<'a>) -> Result<Merged<'a>, Failure> {
        let how = self.how;
        let kind = if old.is_map() {
            Kind::Dict
        } else if old.is_list() {
            Kind::List
        } else if old.text().is_some() {
            Kind::Str
        } else {
            // Nothing merges onto numbers, truths and the like.
            return Ok(self.keep(old, &new, false));
        };
        match (how.of(kind), kind) {
            (None, _) => Ok(self.keep(old, &new, false)),
            (Some(merger), Kind::Dict) => self.onto_map(merger, old, new),
            (Some(merger), Kind::List) => self.onto_list(merger, old, new),
            (Some(merger), Kind::Str) => self.onto_text(merger, old, new),
        }
    }

    fn onto_map<'a>(&mut self, merger: &Merger, old: Merged<'a>, new: Merged<'a>) -> Result<Merged<'a>, Failure> {
        if !new.is_map() {
            return Ok(self.keep(old, &new, false));
        }
        let is_replacing = merger.method(&["replace", "no_replace"], "no_replace") == "replace";
        let mut slots: Vec<Option<Slot<'a>>> = old.into_slots().unwrap_or_default().into_iter().map(Some).collect();
        let mut positions: HashMap<(Cow<'a, str>, bool), usize> =
            slots.iter().flatten().map(Slot::name).zip(0..).collect();
        for slot in new.into_slots().unwrap_or_default() {
            let position = *positions.entry(slot.name()).or_insert(slots.len());
            let Some(Some(present)) = slots.get_mut(position) else {
                positions.insert(slot.name(), slots.len());
                slots.push(Some(slot));
                continue;
            };
            if slot.value.is_null() && merger.has("allow_delete") {
                slots[position] = None;
                continue;
            }
            let step =
                Step { name: slot.key.clone().into_owned(), earlier_at: Some(present.at), later_at: Some(slot.at) };
            self.steps.push(step);
            let old = std::mem::replace(&mut present.value, Merged::nothing());
            present.value = if is_replacing {
                self.replace(&old, slot.value, self.how.is_said)
            } else if goes_on(merger, true, &slot.value) {
                self.merge(old, slot.value)?
            } else {
                self.keep(old, &slot.value, merger.has("no_replace"))
            };
            self.steps.pop();
        }
        Ok(Merged::Map(slots.into_iter().flatten().collect()))
    }

    fn onto_list<'a>(&mut self, merger: &Merger, old: Merged<'a>, new: Merged<'a>) -> Result<Merged<'a>, Failure> {
        let method = merger.method(&["append", "prepend", "replace", "no_replace"], "replace");
        if method == "replace" && !new.is_list() {
            return Ok(self.replace(&old, new, merger.has("replace")));
        }
        let is_map = new.is_map();
        if !new.is_list() && ["append", "prepend"].contains(&method) {
            // Of a mapping the keys are added, of a text the letters.
            self.lose(Fate::Ignored, &new, &old, false);
        }
        let Some(later) = new.clone().into_iterated() else { return Err(self.failure()) };
        let mut items = old.clone().into_items().unwrap_or_default();
        match method {
            "append" => items.extend(later),
            "prepend" => items.splice(0..0, later).for_each(drop),
            // Python asks a mapping for the key 0.
            _ if is_map && !later.is_empty() && !items.is_empty() => return Err(self.failure()),
            _ => {
                for (index, (item, value)) in items.iter_mut().zip(later).enumerate() {
                    if method == "no_replace" {
                        continue;
                    }
                    let present = std::mem::replace(item, Merged::nothing());
                    *item = if goes_on(merger, false, &value) {
                        self.steps.push(Step { name: format!("[{index}]"), earlier_at: None, later_at: None });
                        let merged = self.merge(present, value)?;
                        self.steps.pop();
                        merged
                    } else {
                        value
                    };
                }
                let merged = Merged::List(items);
                self.overlaid(&old, &new, &merged, merger);
                return Ok(merged);
            }
        }
        Ok(Merged::List(items))
    }

    /// What two lists lose that were laid one over the other. What went on into their items has been said.
    fn overlaid(&mut self, old: &Merged<'_>, new: &Merged<'_>, merged: &Merged<'_>, merger: &Merger) {
        let is_asked_for = merger.has("no_replace") || merger.has("replace");
        let goes_into_items = merger.has("recurse_dict") || merger.has_recurse_list() || merger.has("recurse_str");
        if !goes_into_items && !merged.holds(old) {
            self.lose(Fate::Replaced, old, new, is_asked_for);
        }
        let is_longer = new.clone().into_items().map_or(0, |items| items.len())
            > old.clone().into_items().map_or(0, |items| items.len());
        if (is_longer || !goes_into_items) && !merged.holds(new) {
            self.lose(Fate::Ignored, new, old, is_asked_for);
        }
    }

    fn onto_text<'a>(&mut self, merger: &Merger, old: Merged<'a>, new: Merged<'a>) -> Result<Merged<'a>, Failure> {
        if !merger.has("append") {
            return Ok(self.replace(&old, new, self.how.is_said));
        }
        let (Some(earlier), Some(later)) = (old.text(), new.text()) else { return Err(self.failure()) };
        let parts = old.parts().union(&new.parts()).copied().collect();
        Ok(Merged::made_text(format!("{earlier}{later}"), parts))
    }

    fn replace<'a>(&mut self, old: &Merged<'a>, new: Merged<'a>, is_asked_for: bool) -> Merged<'a> {
        if !new.holds(old) {
            self.lose(Fate::Replaced, old, &new, is_asked_for);
        }
        new
    }

    fn keep<'a>(&mut self, old: Merged<'a>, new: &Merged<'a>, is_asked_for: bool) -> Merged<'a> {
        if !old.holds(new) {
            self.lose(Fate::Ignored, new, &old, is_asked_for);
        }
        old
    }

    fn lose(&mut self, fate: Fate, loser: &Merged<'_>, winner: &Merged<'_>, is_asked_for: bool) {
        let place = |of: fn(&Step) -> Option<(PartId, Spot)>| self.steps.iter().rev().find_map(of);
        self.losses.push(Loss {
            path: self.path(),
            fate,
            is_list: loser.is_list() && winner.is_list(),
            can_be_joined: loser.is_list() && winner.is_list() || loser.is_map() && winner.is_map(),
            losers: loser.parts(),
            winners: winner.parts(),
            earlier_at: place(|step| step.earlier_at),
            later_at: place(|step| step.later_at),
            is_asked_for,
        });
    }

    fn failure(&self) -> Failure {
        Failure { path: self.path(), at: self.steps.iter().rev().find_map(|step| step.later_at) }
    }

    fn path(&self) -> String {
        let mut path = String::new();
        for Step { name, .. } in &self.steps {
            if !path.is_empty() && !name.starts_with('[') {
                path.push('.');
            }
            path.push_str(name);
        }
        match path.char_indices().nth(LONGEST_PATH) {
            Some((end, _)) => format!("{}…", &path[..end]),
            None => path,
        }
    }
}

/// Whether a merger goes on into a value, by what the value is.
fn goes_on(merger: &Merger, is_map_merger: bool, value: &Merged<'_>) -> bool {
    if value.is_list() {
        merger.has_recurse_list()
    } else if value.is_map() {
        is_map_merger || merger.has("recurse_dict")
    } else {
        value.text().is_some() && merger.has("recurse_str")
    }
}
