//! One build from end to end: read the site and the inventory, decide, check, render, and hand the documents to a draft
//! or to a tree. And following a site: building again when it changes.
//!
//! This room joins the others and decides nothing itself.

mod follow;
mod input;
mod observe;
mod prepare;
mod run;
mod watch;

pub use follow::{SiteBuilder, SiteFollower, Step};
pub use input::{InventoryInput, SiteInput};
pub use observe::{NoObserver, Observer, Phase};
pub use prepare::{BuildError, Prepared, prepare};
pub use run::{Built, draft, publish};
pub use watch::{Fingerprint, fingerprint};
