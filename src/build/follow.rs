//! Following a site: when it changes, it is built and published again; when it does not build, the last good release
//! stays.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::input::{InventoryInput, SiteInput};
use super::observe::Observer;
use super::prepare::{BuildError, prepare};
use super::run::publish;
use super::watch::{Fingerprint, fingerprint};
use crate::release::{Published, Tree};
use crate::types::Digest;

/// How long a failed build rests before it is tried again although its inputs look the same: the disk may have been
/// full, or another writer at work.
const RETRY: Duration = Duration::from_secs(10);

/// What one look at a site came to.
#[derive(Debug)]
pub enum Step {
    /// There is nothing to do.
    Unchanged,
    /// The inputs have just changed, perhaps not for the last time: they are built at the next look.
    Settling,
    /// A release was built and is current now.
    Published(Published),
    /// The inputs were touched and say the same as before.
    Same,
    /// There is no new release, and why.
    Failed(BuildError),
}

/// Follows a site into a tree.
#[derive(Debug)]
pub struct SiteFollower {
    site: SiteInput,
    inventory: InventoryInput,
    tree: Tree,
    seen: Option<Fingerprint>,
    built: Option<Fingerprint>,
    content: Option<(Digest, Digest)>,
    failed: Option<(Fingerprint, Instant)>,
}

impl SiteFollower {
    /// A follower that has not looked yet.
    #[must_use]
    pub const fn new(site: SiteInput, inventory: InventoryInput, tree: Tree) -> Self {
        Self { site, inventory, tree, seen: None, built: None, content: None, failed: None }
    }

    /// Looks, and builds when something has changed and has settled since the last look. The first look always builds.
    pub fn step(&mut self, observer: &mut dyn Observer) -> Step {
        let look = self.site.update().and_then(|()| fingerprint(&self.site, &self.inventory));
        let now = match look {
            Ok(now) => now,
            Err(error) => return Step::Failed(error.into()),
        };
        let is_first = self.seen.is_none();
        let is_settled = self.seen.replace(now.clone()).as_ref() == Some(&now);
        if self.built.as_ref() == Some(&now) || self.rests(&now) {
            return Step::Unchanged;
        }
        if !is_first && !is_settled {
            return Step::Settling;
        }
        match self.build(observer) {
            Ok(published) => {
                self.built = Some(now);
                self.failed = None;
                published.map_or(Step::Same, Step::Published)
            }
            Err(error) => {
                self.failed = Some((now, Instant::now()));
                Step::Failed(error)
            }
        }
    }

    fn rests(&self, now: &Fingerprint) -> bool {
        self.failed.as_ref().is_some_and(|(inputs, since)| inputs == now && since.elapsed() < RETRY)
    }

    /// `None` when the inputs say the same as those of the last build.
    fn build(&mut self, observer: &mut dyn Observer) -> Result<Option<Published>, BuildError> {
        let prepared = prepare(&self.site, &self.inventory, observer)?;
        let content = (prepared.site.digest, prepared.inventory_digest);
        if self.content == Some(content) && self.failed.is_none() {
            return Ok(None);
        }
        let published = publish(&prepared, &mut self.tree.lock()?, Timestamp::now(), observer)?;
        self.content = Some(content);
        Ok(Some(published))
    }
}
