//! What is being served: a release and a list of what is wrong, read as one and replaced as one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use jiff::Timestamp;

use crate::release::MappedRelease;

/// The state at one moment. A request reads it once, so nothing in its answer can come from two releases.
#[derive(Clone, Debug, Default)]
pub struct State {
    release: Option<Arc<MappedRelease>>,
    degraded: BTreeMap<&'static str, Degradation>,
    takes_notifications: bool,
}

/// Something that does not work while the last good release is still being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degradation {
    /// What is wrong, in a sentence that may be shown to anyone who can reach `/health`.
    pub reason: String,
    /// Since when, without a break.
    pub since: Timestamp,
    /// How bad it is.
    pub gravity: Gravity,
}

/// How bad it is that something does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// It will mend itself, or waits for a change of the site.
    Degraded,
    /// Somebody has to do something; the server calls itself unhealthy, and serves nevertheless.
    Unhealthy,
}

impl State {
    /// The release being served; none before the first.
    #[must_use]
    pub fn release(&self) -> Option<&Arc<MappedRelease>> {
        self.release.as_ref()
    }

    /// What is wrong, by the part of the program that said so.
    #[must_use]
    pub fn degraded(&self) -> &BTreeMap<&'static str, Degradation> {
        &self.degraded
    }

    /// Whether somebody listens to notifications of SMD.
    #[must_use]
    pub const fn takes_notifications(&self) -> bool {
        self.takes_notifications
    }
}

/// The one place that requests read from and that publishing writes to. Readers never wait.
#[derive(Debug, Default)]
pub struct Shared {
    state: ArcSwap<State>,
}

impl Shared {
    /// Nothing to serve yet, and nothing wrong.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The state now. Hold it for one request, not longer: it keeps its release in memory.
    #[must_use]
    pub fn snapshot(&self) -> Guard<Arc<State>> {
        self.state.load()
    }

    /// Serves another release from now on. Requests that are being answered finish with the one they began with.
    pub fn publish(&self, release: Arc<MappedRelease>) {
        self.state.rcu(|state| State { release: Some(Arc::clone(&release)), ..State::clone(state) });
        tracing::info!(
            release = %release.id().short(),
            nodes = release.node_count(),
            documents = release.document_count(),
            "serving the release"
        );
    }

    /// Takes notifications of SMD from now on.
    pub fn take_notifications(&self) {
        self.state.rcu(|state| State { takes_notifications: true, ..State::clone(state) });
    }

    /// Says that a part of the program does not work, and why; logged when the reason is new. The time stays that of
    /// the first reason until [`Shared::mend`].
    pub fn degrade(&self, part: &'static str, reason: &str) {
        self.degrade_to(Gravity::Degraded, part, reason);
    }

    /// As [`Shared::degrade`], with how bad it is.
    pub fn degrade_to(&self, gravity: Gravity, part: &'static str, reason: &str) {
        let is_known = |known: &Degradation| known.reason == reason && known.gravity == gravity;
        if self.snapshot().degraded.get(part).is_some_and(is_known) {
            return;
        }
        let now = Timestamp::now();
        self.state.rcu(|state| {
            let mut state = State::clone(state);
            let entry = state.degraded.entry(part).or_insert_with(|| Degradation {
                reason: String::new(),
                since: now,
                gravity,
            });
            reason.clone_into(&mut entry.reason);
            entry.gravity = gravity;
            state
        });
        tracing::warn!(part, reason, "degraded; what is being served stays");
    }

    /// Says that a part works, again or still; logged when it did not.
    pub fn mend(&self, part: &'static str) {
        if !self.snapshot().degraded.contains_key(part) {
            return;
        }
        self.state.rcu(|state| {
            let mut state = State::clone(state);
            state.degraded.remove(part);
            state
        });
        tracing::info!(part, "no longer degraded");
    }
}

#[cfg(test)]
mod tests {
    use super::super::captured_log::captured;
    use super::*;
    use crate::release::{Manifest, MappedRelease};

    #[test]
    fn a_reason_is_kept_until_mended_and_logged_once() {
        let text = captured(|| {
            let shared = Shared::new();
            shared.mend("build");
            shared.degrade("build", "template x does not parse");
            let since = shared.snapshot().degraded()["build"].since;
            for _ in 0..10 {
                shared.degrade("build", "template x does not parse");
            }
            shared.degrade("build", "template y does not parse");
            shared.degrade("release", "no such pack");
            assert_eq!(shared.snapshot().degraded()["build"].reason, "template y does not parse");
            assert_eq!(shared.snapshot().degraded()["build"].since, since);
            shared.mend("build");
            shared.mend("build");
            assert_eq!(shared.snapshot().degraded().keys().copied().collect::<Vec<_>>(), ["release"]);
        });
        assert_eq!(text.matches("template x").count(), 1, "{text}");
        assert_eq!(text.matches("template y").count(), 1, "{text}");
        assert_eq!(text.matches("no longer degraded").count(), 1, "{text}");
    }

    #[test]
    fn a_snapshot_does_not_change_under_its_reader() {
        let release = |nodes: Vec<crate::release::NodeEntry>| {
            let manifest = Manifest::new(nodes);
            let id = Manifest::id_of(&manifest.to_bytes().unwrap());
            Arc::new(MappedRelease::new(id, &manifest, |_| None).unwrap())
        };
        let shared = Shared::new();
        let before = shared.snapshot();
        shared.publish(release(vec![]));
        assert!(before.release().is_none());
        assert!(shared.snapshot().release().is_some());
    }
}
