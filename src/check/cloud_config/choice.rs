//! Alternatives of which none fits: what the one that was meant says.

use super::faults::{Fault, What};

/// An alternative: whether it is deprecated, and what is wrong by it.
type Branch = (bool, Vec<Fault>);

/// The faults of the alternative that fits best. `at` is the place of the value that fits none.
///
/// An alternative that takes the kind of value comes first, then one whose `type` is the value's, then the one with the
/// fewest faults. Where others want something else at the same place, that is allowed too.
pub(super) fn best(mut branches: Vec<Branch>, at: &str) -> Vec<Fault> {
    let type_key = format!("{at}/type");
    let score =
        |(is_old, faults): &Branch| (is_wrong_at(faults, at), is_wrong_at(faults, &type_key), *is_old, faults.len());
    let Some(index) = (0..branches.len()).min_by_key(|&index| score(&branches[index])) else { return Vec::new() };
    let (is_old, mut chosen) = branches.swap_remove(index);
    let rank = (is_wrong_at(&chosen, at), is_wrong_at(&chosen, &type_key));
    // The rivals are as near; deprecated ones are nothing to recommend.
    let is_rival =
        |(old, faults): &Branch| (is_wrong_at(faults, at), is_wrong_at(faults, &type_key)) == rank && (is_old || !old);
    let rivals: Vec<Vec<Fault>> = branches.into_iter().filter(is_rival).map(|(_, faults)| faults).collect();
    let is_alone = chosen.len() == 1;
    for fault in &mut chosen {
        widen(fault, &rivals, is_alone);
    }
    chosen
}

fn is_wrong_at(faults: &[Fault], at: &str) -> bool {
    faults.iter().any(|fault| fault.at == at && fault.allowed().is_some())
}

/// Adds what every rival would take at the place of a fault.
fn widen(fault: &mut Fault, rivals: &[Vec<Fault>], is_alone: bool) {
    let same_place = |other: &&Fault| other.at == fault.at;
    match &mut fault.what {
        What::Value(allowed) => {
            let others = rivals.iter().map(|rival| rival.iter().filter(same_place).find_map(Fault::allowed));
            let Some(others) = others.collect::<Option<Vec<_>>>() else { return };
            for other in others {
                allowed.kinds.extend(&other.kinds);
                for value in &other.values {
                    if !allowed.values.contains(value) {
                        allowed.values.push(value.clone());
                    }
                }
            }
        }
        What::Missing(keys) if is_alone => {
            let others = rivals.iter().map(|rival| match rival.as_slice() {
                [Fault { at, what: What::Missing(keys) }] if *at == fault.at => Some(keys),
                _ => None,
            });
            let Some(others) = others.collect::<Option<Vec<_>>>() else { return };
            for key in others.into_iter().flatten() {
                if !keys.contains(key) {
                    keys.push(key.clone());
                }
            }
        }
        _ => {}
    }
}
