//! Following a tree: what `current` names is what is served, soon after it changes, whoever changed it.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::Shared;
use crate::release::MappedRelease;
use crate::types::ReleaseId;

/// The part of the program that this module speaks for in `/health`.
const PART: &str = "release";

/// Where releases come from. Both functions may block: they are called on a thread made for that.
pub trait ReleaseSource: Send + Sync + 'static {
    /// The release that is to be served, none before the first.
    ///
    /// # Errors
    /// A sentence, safe to show in `/health`.
    fn current(&self) -> Result<Option<ReleaseId>, String>;

    /// Makes a release ready to serve.
    ///
    /// # Errors
    /// A sentence, safe to show in `/health`.
    fn load(&self, id: ReleaseId) -> Result<MappedRelease, String>;
}

/// How often a source is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between two looks at `current`: 250 ms, so that a change is served within a second. Polling, because watches do
    /// not work on the network file systems that trees lie on.
    pub poll: Duration,
    /// From the first failure to load a release to the next attempt: 1 s. Each further wait is twice as long.
    pub first_retry: Duration,
    /// The longest wait between attempts: 10 s.
    pub longest_retry: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(10),
        }
    }
}

/// Keeps a [`Shared`] at what a source calls current, one step at a time.
pub struct Follower {
    source: Arc<dyn ReleaseSource>,
    shared: Arc<Shared>,
    pace: Pace,
    failed: Option<Failed>,
}

/// A release that could not be loaded.
struct Failed {
    id: ReleaseId,
    wait: Duration,
    next: Instant,
}

impl Follower {
    /// A follower that has not looked yet.
    #[must_use]
    pub fn new(source: Arc<dyn ReleaseSource>, shared: Arc<Shared>, pace: Pace) -> Self {
        Self { source, shared, pace, failed: None }
    }

    /// Looks once, and loads and publishes what has changed. Whatever fails, the release being served stays, the reason
    /// stands in `/health`, and a later step tries again. Blocks while it reads files.
    pub fn step(&mut self, now: Instant) {
        let served = self.shared.snapshot().release().map(|release| release.id());
        match guarded(|| self.source.current()) {
            Err(reason) => {
                self.shared.degrade(PART, &format!("which release is current cannot be told: {reason}"));
            }
            Ok(None) if served.is_some() => {
                self.shared.degrade(PART, "the tree no longer names a current release; publish one or roll back");
            }
            Ok(None) => self.works(),
            Ok(Some(id)) if Some(id) == served => self.works(),
            Ok(Some(id)) => self.change_to(id, now),
        }
    }

    fn change_to(&mut self, id: ReleaseId, now: Instant) {
        if self.failed.as_ref().is_some_and(|failed| failed.id == id && now < failed.next) {
            return;
        }
        match self.load(id) {
            Ok(release) => {
                self.shared.publish(Arc::new(release));
                self.works();
            }
            Err(reason) => {
                self.shared.degrade(PART, &format!("release {} cannot be loaded: {reason}", id.short()));
                let wait = match &self.failed {
                    Some(failed) if failed.id == id => (failed.wait * 2).min(self.pace.longest_retry),
                    _ => self.pace.first_retry,
                };
                self.failed = Some(Failed { id, wait, next: now + wait });
            }
        }
    }

    fn load(&self, id: ReleaseId) -> Result<MappedRelease, String> {
        let release = guarded(|| self.source.load(id))?;
        if release.id() == id {
            Ok(release)
        } else {
            Err(format!("release {} came in its place", release.id().short()))
        }
    }

    fn works(&mut self) {
        self.failed = None;
        self.shared.mend(PART);
    }
}

/// A panic in a source must not end the following: it becomes a reason like any other.
fn guarded<T>(call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err("mds failed inside; see its log".to_owned()))
}

/// Follows a source for ever; end it by dropping the future. Needs a tokio runtime with time.
pub async fn follow(source: Arc<dyn ReleaseSource>, shared: Arc<Shared>, pace: Pace) -> Infallible {
    let mut follower = Follower::new(Arc::clone(&source), Arc::clone(&shared), pace);
    loop {
        let step = tokio::task::spawn_blocking(move || {
            follower.step(Instant::now());
            follower
        });
        follower = match step.await {
            Ok(follower) => follower,
            // A step does not panic; if one did, or the runtime is ending, begin anew.
            Err(_) => Follower::new(Arc::clone(&source), Arc::clone(&shared), pace),
        };
        tokio::time::sleep(pace.poll).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;
    use crate::release::{Manifest, NodeEntry};
    use crate::types::{Digest, NodeId};

    /// Releases made of one node each, and switches to break them.
    #[derive(Default)]
    struct Fake {
        current: Mutex<Option<ReleaseId>>,
        current_error: Mutex<Option<String>>,
        releases: Mutex<BTreeMap<ReleaseId, Manifest>>,
        broken: Mutex<Option<&'static str>>,
        loads: Mutex<usize>,
    }

    impl Fake {
        fn add(&self, node: &str) -> ReleaseId {
            let manifest = Manifest::new(vec![NodeEntry {
                id: NodeId::parse(node).unwrap(),
                hostname: node.to_owned(),
                nid: None,
                instance_id: node.to_owned(),
                macs: vec![],
                addresses: vec![],
                tunnel_address: None,
                groups: vec![],
                documents: BTreeMap::new(),
            }]);
            let id = Manifest::id_of(&manifest.to_bytes().unwrap());
            self.releases.lock().unwrap().insert(id, manifest);
            id
        }

        fn publish(&self, node: &str) -> ReleaseId {
            let id = self.add(node);
            *self.current.lock().unwrap() = Some(id);
            id
        }

        fn loads(&self) -> usize {
            *self.loads.lock().unwrap()
        }
    }

    impl ReleaseSource for Fake {
        fn current(&self) -> Result<Option<ReleaseId>, String> {
            match &*self.current_error.lock().unwrap() {
                Some(reason) => Err(reason.clone()),
                None => Ok(*self.current.lock().unwrap()),
            }
        }

        fn load(&self, id: ReleaseId) -> Result<MappedRelease, String> {
            *self.loads.lock().unwrap() += 1;
            let broken = *self.broken.lock().unwrap();
            match broken {
                Some("panic") => panic!("on purpose"),
                Some("other") => {
                    return Ok(MappedRelease::new(ReleaseId(Digest::of(b"?")), &Manifest::default(), |_| None).unwrap());
                }
                Some(reason) => return Err(reason.to_owned()),
                None => {}
            }
            let releases = self.releases.lock().unwrap();
            MappedRelease::new(id, &releases[&id], |_| None).map_err(|error| error.to_string())
        }
    }

    struct Bench {
        fake: Arc<Fake>,
        shared: Arc<Shared>,
        follower: Follower,
        start: Instant,
    }

    impl Bench {
        fn new() -> Self {
            let fake = Arc::new(Fake::default());
            let shared = Arc::new(Shared::new());
            let follower = Follower::new(fake.clone(), shared.clone(), Pace::default());
            Self { fake, shared, follower, start: Instant::now() }
        }

        fn step_at(&mut self, millis: u64) {
            self.follower.step(self.start + Duration::from_millis(millis));
        }

        fn served(&self) -> Option<ReleaseId> {
            self.shared.snapshot().release().map(|release| release.id())
        }

        fn reason(&self) -> Option<String> {
            self.shared.snapshot().degraded().get(PART).map(|entry| entry.reason.clone())
        }
    }

    #[test]
    fn publishing_and_rolling_back_are_followed() {
        let mut bench = Bench::new();
        bench.step_at(0);
        assert_eq!((bench.served(), bench.reason()), (None, None), "an empty tree is not a fault");
        let one = bench.fake.publish("one");
        bench.step_at(250);
        assert_eq!(bench.served(), Some(one));
        let two = bench.fake.publish("two");
        bench.step_at(500);
        assert_eq!(bench.served(), Some(two));
        *bench.fake.current.lock().unwrap() = Some(one);
        bench.step_at(750);
        assert_eq!(bench.served(), Some(one));
        bench.step_at(1000);
        assert_eq!(bench.fake.loads(), 3, "what is served is not loaded again");
    }

    #[test]
    fn a_release_that_cannot_be_loaded_keeps_the_old_one_and_says_why_until_mended() {
        for (broken, said) in
            [("no pack holds it", "no pack holds it"), ("panic", "mds failed inside"), ("other", "came in its place")]
        {
            let mut bench = Bench::new();
            let good = bench.fake.publish("good");
            bench.step_at(0);
            *bench.fake.broken.lock().unwrap() = Some(broken);
            let bad = bench.fake.publish("bad");
            bench.step_at(250);
            assert_eq!(bench.served(), Some(good));
            let reason = bench.reason().unwrap();
            assert!(reason.contains(said) && reason.contains(&bad.short()), "{reason}");
            *bench.fake.broken.lock().unwrap() = None;
            bench.step_at(500);
            assert_eq!(bench.served(), Some(good), "not before a second has passed");
            bench.step_at(1250);
            assert_eq!((bench.served(), bench.reason()), (Some(bad), None));
        }
    }

    #[test]
    fn rolling_back_from_a_broken_release_mends_at_once() {
        let mut bench = Bench::new();
        let good = bench.fake.publish("good");
        bench.step_at(0);
        *bench.fake.broken.lock().unwrap() = Some("broken");
        bench.fake.publish("bad");
        bench.step_at(250);
        assert!(bench.reason().is_some());
        *bench.fake.current.lock().unwrap() = Some(good);
        bench.step_at(500);
        assert_eq!((bench.served(), bench.reason()), (Some(good), None));
    }

    #[test]
    fn another_release_is_tried_at_once_after_a_broken_one() {
        let mut bench = Bench::new();
        *bench.fake.broken.lock().unwrap() = Some("broken");
        bench.fake.publish("bad");
        bench.step_at(0);
        *bench.fake.broken.lock().unwrap() = None;
        let good = bench.fake.publish("good");
        bench.step_at(250);
        assert_eq!((bench.served(), bench.reason()), (Some(good), None));
    }

    #[test]
    fn attempts_become_rarer_up_to_ten_seconds() {
        let mut bench = Bench::new();
        *bench.fake.broken.lock().unwrap() = Some("broken");
        bench.fake.publish("bad");
        let mut at = vec![];
        for millis in (0..60_000).step_by(250) {
            let before = bench.fake.loads();
            bench.step_at(millis);
            if bench.fake.loads() > before {
                at.push(millis / 1000);
            }
        }
        assert_eq!(at, [0, 1, 3, 7, 15, 25, 35, 45, 55]);
    }

    #[test]
    fn a_current_that_vanishes_or_cannot_be_read_changes_nothing_for_nodes() {
        let mut bench = Bench::new();
        let good = bench.fake.publish("good");
        bench.step_at(0);
        *bench.fake.current.lock().unwrap() = None;
        bench.step_at(250);
        assert!(bench.reason().unwrap().contains("no longer names"));
        *bench.fake.current_error.lock().unwrap() = Some("stale handle".to_owned());
        bench.step_at(500);
        assert!(bench.reason().unwrap().contains("stale handle"));
        assert_eq!(bench.served(), Some(good));
        *bench.fake.current_error.lock().unwrap() = None;
        bench.fake.publish("good");
        bench.step_at(750);
        assert_eq!((bench.served(), bench.reason()), (Some(good), None));
    }

    #[tokio::test]
    async fn following_picks_up_a_publish_within_a_second() {
        let fake = Arc::new(Fake::default());
        let shared = Arc::new(Shared::new());
        let following = tokio::spawn(follow(fake.clone(), shared.clone(), Pace::default()));
        for name in ["one", "two"] {
            let id = fake.publish(name);
            let begin = Instant::now();
            while shared.snapshot().release().map(|release| release.id()) != Some(id) {
                assert!(begin.elapsed() < Duration::from_secs(1), "not served within a second");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        following.abort();
    }
}
