//! One build from end to end: read the site and the inventory, decide, check, render, and hand the documents to a draft
//! or to a tree. And following: pulling the inventory again and again, and building again when it or the site changes.
//!
//! This room joins the others and decides nothing itself.

mod changes;
mod compare;
mod drop;
mod follow;
mod input;
mod latest;
mod observe;
mod prepare;
mod pull;
mod run;
mod tunnels;
mod watch;

pub use changes::Earlier;
pub use compare::{Examined, Side, changes_between, examine};
pub use drop::drop_problem;
pub use follow::{SiteBuilder, SiteFollower, Step};
pub use input::{InventoryInput, SiteInput};
pub use latest::{LatestInventory, Taken};
pub use observe::{NoObserver, Observer, Phase};
pub use prepare::{
    BuildError, Inspection, Prepared, inspect, lock_age, max_lock_age, prepare, read_in_part, read_inventory,
    read_outside, template_findings, unreadable_findings,
};
pub use pull::{PullReport, keep_pulling};
pub use run::{Built, Updated, draft, publish, publish_changes};
pub use tunnels::Tunnels;
pub use watch::{Fingerprint, fingerprint};
