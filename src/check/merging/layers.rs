//! The two layers of a node: the parts of user-data, and below them those of vendor-data.
//!
//! Each layer is merged by itself, part by part; then cloud-init merges vendor-data below user-data, whose values stay
//! where both set one (`ConfigMerger`). What a part says about merging does not reach across.

use crate::check::yaml::{Tree, Value};

use super::how::{BETWEEN_LAYERS, Fault, How, KEYS, Kind, how_of, take};
use super::merge::{Failure, Loss, merge};
use super::parts::{Body, Part};
use super::patch::patched;
use super::value::{Merged, PartId};

/// Why cloud-init leaves out a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It does not understand what the part says about merging.
    How(Fault),
    /// The part names mergers and none for mappings, which every part is.
    NoMapping,
    /// It fails while merging.
    Fails(Failure),
    /// The part is a patch, which cannot be applied to what was there.
    Patch,
    /// It cannot read the part.
    Unreadable,
}

/// What comes of the parts of a node.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    /// What the node is configured with, its image's own settings apart.
    pub(super) config: Merged<'a>,
    /// What is lost among the parts of one layer.
    pub(super) within: Vec<Loss>,
    /// What is lost between the two layers.
    pub(super) between: Vec<Loss>,
    /// The parts that are left out.
    pub(super) refused: Vec<(PartId, Refusal)>,
    /// Whether user-data turns vendor-data off, or its cloud-config at least.
    pub(super) is_vendor_data_off: bool,
}

/// Merges the parts of a node, of which the first ones are those of user-data.
pub(super) fn outcome<'a>(parts: &'a [Part<'a>], of_user_data: usize) -> Outcome<'a> {
    let (mut within, mut between, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let numbered = || parts.iter().enumerate();
    let user_data = layer(numbered().take(of_user_data), &mut within, &mut refused);
    let is_vendor_data_off = user_data.as_ref().is_some_and(turns_vendor_data_off);
    let mut config = Merged::nothing();
    let vendor_data = match is_vendor_data_off {
        true => None,
        false => layer(numbered().skip(of_user_data), &mut within, &mut refused),
    };
    for layer in [user_data, vendor_data].into_iter().flatten() {
        let mut slots = layer.into_slots().unwrap_or_default();
        // What is left of the keys after merging the parts counts here.
        let said = if slots.is_empty() { None } else { take(&mut slots) };
        let own = said.and_then(|said| how_of(Some(&said.to_tree()), None).ok()).filter(|how| how.is_said);
        let how = own.unwrap_or_else(|| How::given(BETWEEN_LAYERS));
        if let Ok(merged) = merge(config.clone(), Merged::Map(slots), &how, &mut between) {
            config = merged;
        }
    }
    Outcome { config, within, between, refused, is_vendor_data_off }
}

/// Merges the parts of one layer. `None` without any.
fn layer<'a>(
    parts: impl Iterator<Item = (PartId, &'a Part<'a>)>,
    losses: &mut Vec<Loss>,
    refused: &mut Vec<(PartId, Refusal)>,
) -> Option<Merged<'a>> {
    let mut merged = None;
    for (id, part) in parts {
        let before = merged.clone().unwrap_or_else(Merged::nothing);
        match with_part(before, part, id, losses) {
            Ok(after) => merged = Some(after),
            Err(refusal) => refused.push((id, refusal)),
        }
        if refused.last() == Some(&(id, Refusal::NoMapping)) && merged.is_none() {
            merged = Some(Merged::nothing());
        }
    }
    merged
}

fn with_part<'a>(
    before: Merged<'a>,
    part: &'a Part<'a>,
    id: PartId,
    losses: &mut Vec<Loss>,
) -> Result<Merged<'a>, Refusal> {
    let tree = match &part.body {
        Body::Unreadable => return Err(Refusal::Unreadable),
        Body::Patch(text) => return patched(before, text, id).ok_or(Refusal::Patch),
        Body::Config(tree) => tree.as_ref(),
    };
    let mut slots = Merged::Whole(tree, id).into_slots().unwrap_or_default();
    let said = take(&mut slots);
    let said = said.as_ref().map(Merged::to_tree);
    let how = how_of(said.as_deref(), part.how.as_deref()).map_err(Refusal::How)?;
    if how.of(Kind::Dict).is_none() {
        return Err(Refusal::NoMapping);
    }
    merge(before, Merged::Map(slots), &how, losses).map_err(Refusal::Fails)
}

/// Whether user-data says that nothing of vendor-data counts, or no cloud-config in it.
fn turns_vendor_data_off(user_data: &Merged<'_>) -> bool {
    let config = user_data.to_tree();
    let Some(said) = config.get("vendor_data") else { return false };
    if !matches!(said.value, Value::Map(_)) {
        return true;
    }
    let is_on = said.get("enabled").is_none_or(|enabled| match &enabled.value {
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number == 1,
        Value::Text(text) => ["true", "1", "on", "yes"].contains(&text.trim().to_lowercase().as_str()),
        _ => false,
    });
    let is_cloud_config = |handler: &Tree| handler.text() == Some("text/cloud-config");
    !is_on || said.get("disabled_handlers").is_some_and(|off| off.items().iter().any(is_cloud_config))
}

/// Whether a part says something about merging, and with which key.
pub(super) fn said_in(tree: &Tree) -> Option<&crate::check::yaml::Entry> {
    let entries = || KEYS.into_iter().filter_map(|key| tree.entry(key));
    entries().find(|entry| entry.value.value != Value::Null)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::check::document::Document;
    use crate::check::merging::parts::parts_of;
    use crate::types::DocumentName;

    /// A made-up part.
    fn part(random: &mut fastrand::Rng) -> String {
        fn value(random: &mut fastrand::Rng, depth: usize) -> String {
            match random.usize(..if depth == 0 { 3 } else { 6 }) {
                0 => "x".to_owned(),
                1 => "true".to_owned(),
                2 => random.u8(..2).to_string(),
                3 => format!("[{}]", (0..random.usize(..3)).map(|_| value(random, 0) + ", ").collect::<String>()),
                _ => format!(
                    "{{{}}}",
                    (0..random.usize(..3))
                        .map(|key| format!("k{key}: {}, ", value(random, depth - 1)))
                        .collect::<String>()
                ),
            }
        }
        let hows = [
            "",
            "",
            "merge_how: dict(recurse_list)+list(append)\n",
            "merge_how: dict(recurse_list,recurse_str)+list(prepend)+str()\n",
            "merge_how: dict(no_replace)+list()\n",
            "merge_how: dict(recurse_list)+list(no_replace)+str()\n",
            "merge_how: dict(recurse_array,recurse_str)+list()+str()\n",
        ];
        let mut keys = String::new();
        for key in 0..3 {
            if random.bool() {
                keys += &format!("k{key}: {}\n", value(random, 2));
            }
        }
        format!("#cloud-config\n{}{}", hows[random.usize(..hows.len())], keys)
    }

    #[test]
    fn something_is_lost_exactly_when_that_is_said() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut counts = [0, 0];
        for _ in 0..3000 {
            let mut documents =
                [part(&mut random), part(&mut random)].map(|text| Document::new(DocumentName::UserData, text));
            documents.iter_mut().for_each(Document::read);
            let parts: Vec<Part<'_>> = documents.iter().flat_map(|document| parts_of(document, &|_| None, 0)).collect();
            for of_user_data in [1, 2] {
                let outcome = outcome(&parts, of_user_data);
                if !outcome.refused.is_empty() {
                    continue;
                }
                let without_how = |tree: &Cow<'_, Tree>| {
                    let mut slots = Merged::Whole(tree, 0).into_slots().unwrap_or_default();
                    take(&mut slots);
                    Merged::Map(slots).to_tree().into_owned()
                };
                let is_kept = |part: &Part<'_>| match &part.body {
                    Body::Config(tree) => outcome.config.holds(&Merged::Whole(&without_how(tree), 0)),
                    _ => true,
                };
                let is_lossless = outcome.within.is_empty() && outcome.between.is_empty();
                counts[usize::from(is_lossless)] += 1;
                assert_eq!(parts.iter().all(is_kept), is_lossless, "{documents:?}\n{outcome:?}");
            }
        }
        assert!(counts.iter().all(|count| *count > 500), "{counts:?}");
    }
}
