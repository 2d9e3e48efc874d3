//! Following a site: when it changes, it is built and published again; when it does not build, the last good release
//! stays.

use std::time::{Duration, Instant};

use super::input::{InventoryInput, SiteInput};
use super::watch::{Fingerprint, fingerprint};
use crate::site::RepositoryError;
use crate::types::ReleaseId;

/// How long a failed build rests before it is tried again although its inputs look the same: the disk may have been
/// full, or another writer at work. Each further rest is twice as long.
const FIRST_REST: Duration = Duration::from_secs(10);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(300);

/// Builds and publishes what a follower follows.
pub trait SiteBuilder {
    /// Why there is no release.
    type Error: From<RepositoryError>;

    /// Builds the inputs as they are now and makes the release current.
    ///
    /// # Errors
    /// When they do not build, or the release cannot be stored. What was current stays so.
    fn build(&mut self) -> Result<ReleaseId, Self::Error>;
}

/// What one look at a site came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<E> {
    /// There is nothing to do.
    Unchanged,
    /// The inventory has not been pulled yet, so there is nothing to build from.
    Waiting,
    /// The inputs have just changed, perhaps not for the last time: they are built at the next look.
    Settling,
    /// The inputs were built, and the release is current now.
    Published(ReleaseId),
    /// There is no new release, and why.
    Failed(E),
}

/// Follows a site.
#[derive(Debug)]
pub struct SiteFollower<B> {
    site: SiteInput,
    inventory: InventoryInput,
    builder: B,
    seen: Option<Fingerprint>,
    built: Option<Fingerprint>,
    failed: Option<Failure>,
}

/// A build that failed.
#[derive(Debug)]
struct Failure {
    inputs: Fingerprint,
    rest: Duration,
    until: Instant,
}

impl<B: SiteBuilder> SiteFollower<B> {
    /// A follower that has not looked yet.
    #[must_use]
    pub const fn new(site: SiteInput, inventory: InventoryInput, builder: B) -> Self {
        Self { site, inventory, builder, seen: None, built: None, failed: None }
    }

    /// Looks, and builds when something has changed and has settled since the last look. The first look always builds,
    /// even when a remote repository cannot be fetched but was fetched before.
    pub fn step(&mut self, now: Instant) -> Step<B::Error> {
        let is_first = self.seen.is_none();
        if !self.inventory.is_there() {
            return Step::Waiting;
        }
        let fetched = self.site.update();
        if let (Err(error), false) = (&fetched, is_first) {
            tracing::debug!(%error, "the repository cannot be fetched");
        }
        let inputs = match fingerprint(&self.site, &self.inventory) {
            Ok(inputs) => inputs,
            Err(error) => return Step::Failed(fetched.err().unwrap_or(error).into()),
        };
        let step = self.consider(inputs, is_first, now);
        match (step, fetched) {
            // What was fetched before is built; that it may be old is said from the next look on.
            (Step::Unchanged, Err(error)) => Step::Failed(error.into()),
            (step, _) => step,
        }
    }

    fn consider(&mut self, inputs: Fingerprint, is_first: bool, now: Instant) -> Step<B::Error> {
        let is_settled = self.seen.replace(inputs.clone()).as_ref() == Some(&inputs);
        // What was refused meanwhile may have been published by somebody who knew better: then it has to be undone.
        if self.built.as_ref() == Some(&inputs) && self.failed.is_none() {
            return Step::Unchanged;
        }
        // Files are saved one by one; a commit is there at once.
        let may_change_soon =
            matches!(self.site, SiteInput::Folder(_)) || matches!(self.inventory, InventoryInput::File(_));
        if !is_first && !is_settled && may_change_soon {
            return Step::Settling;
        }
        let before = self.failed.take().filter(|failure| failure.inputs == inputs);
        if let Some(failure) = before.as_ref().filter(|failure| now < failure.until) {
            self.failed = Some(Failure { inputs, ..*failure });
            return Step::Settling;
        }
        let began = Instant::now();
        match self.builder.build() {
            Ok(release) => {
                self.built = Some(inputs);
                self.failed = None;
                Step::Published(release)
            }
            Err(error) => {
                let rest = before.map_or(FIRST_REST, |failure| (failure.rest * 2).min(LONGEST_REST));
                // The rest begins when the build has ended, however long it took.
                self.failed = Some(Failure { inputs, rest, until: now + began.elapsed() + rest });
                Step::Failed(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::rc::Rc;

    use super::*;
    use crate::types::Digest;

    /// Publishes what `mds.toml` says, unless it says `broken`.
    struct Fake {
        file: std::path::PathBuf,
        builds: Rc<RefCell<usize>>,
    }

    impl SiteBuilder for Fake {
        type Error = RepositoryError;

        fn build(&mut self) -> Result<ReleaseId, RepositoryError> {
            *self.builds.borrow_mut() += 1;
            match fs::read_to_string(&self.file).unwrap().as_str() {
                "broken" => Err(RepositoryError::Url("broken".to_owned())),
                text => Ok(ReleaseId(Digest::of(text.as_bytes()))),
            }
        }
    }

    #[test]
    fn a_change_is_built_once_it_has_settled_and_a_failure_is_retried_later() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mds.toml");
        let builds = Rc::new(RefCell::new(0));
        let fake = Fake { file: file.clone(), builds: Rc::clone(&builds) };
        let mut follower = SiteFollower::new(SiteInput::Folder(folder.path().to_owned()), InventoryInput::Site, fake);
        let start = Instant::now();
        let published = |text: &str| Step::Published(ReleaseId(Digest::of(text.as_bytes())));
        let is = |step: Step<RepositoryError>, expected: &Step<()>| {
            let step = match step {
                Step::Failed(_) => Step::Failed(()),
                Step::Published(release) => Step::Published(release),
                Step::Unchanged => Step::Unchanged,
                Step::Waiting => Step::Waiting,
                Step::Settling => Step::Settling,
            };
            assert_eq!(step, *expected);
        };
        fs::write(&file, "one").unwrap();
        is(follower.step(start), &published("one"));
        is(follower.step(start), &Step::Unchanged);
        fs::write(&file, "broken").unwrap();
        is(follower.step(start), &Step::Settling);
        is(follower.step(start), &Step::Failed(()));
        is(follower.step(start), &Step::Settling);
        assert_eq!(*builds.borrow(), 2, "the same broken inputs are not built again at once");
        let later = start + FIRST_REST + Duration::from_secs(5);
        is(follower.step(later), &Step::Failed(()));
        is(follower.step(later + FIRST_REST), &Step::Settling);
        assert_eq!(*builds.borrow(), 3, "the second rest is longer than the first");
        fs::write(&file, "mended").unwrap();
        is(follower.step(later), &Step::Settling);
        is(follower.step(later), &published("mended"));
        assert_eq!(*builds.borrow(), 4);
        fs::write(&file, "broken").unwrap();
        is(follower.step(later), &Step::Settling);
        is(follower.step(later), &Step::Failed(()));
        fs::write(&file, "mended").unwrap();
        is(follower.step(later), &Step::Settling);
        is(follower.step(later), &published("mended"));
        assert_eq!(*builds.borrow(), 6, "what was built before is built again after a failure");
    }
}
