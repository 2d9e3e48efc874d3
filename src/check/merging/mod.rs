//! What becomes of a node's cloud-config when cloud-init merges its parts.
//!
//! A node gets its configuration in parts: those of user-data, and below them those of vendor-data, which are its
//! groups. cloud-init merges them key by key and says nothing about what it drops on the way. Here the same is done by
//! the same rules, which were read in `cloudinit/mergers`, `handlers/cloud_config.py`, `helpers.py` and `user_data.py` of
//! versions 22.4.2 and 25.1.4 and are compared with the real code in `tests/merging_agreement.rs`:
//!
//! * Parts of one layer are merged in their order. A part says with `merge_how` (else `merge_type`, else a `Merge-Type`
//!   header) how it goes onto what is there; without that, a key it sets replaces what was there, whole.
//! * A part whose `merge_how` cloud-init does not understand, or has no merger for mappings, is left out.
//! * vendor-data goes below user-data: mappings are joined, of all else user-data's value stays.

mod analysis;
mod how;
mod layers;
mod merge;
mod parts;
mod patch;
mod report;
mod rules;
mod value;

pub(super) use analysis::{Known, effective};
pub use report::{LeftOut, Lost, MergedKey, Merging, merged_config, merging};
pub(super) use rules::{how_is_understood, losses};
