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
}

/// Something that does not work while the last good release is still being served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Degradation {
    /// What is wrong, in a sentence that may be shown to anyone who can reach `/health`.
    pub reason: String,
    /// Since when, without a break.
    pub since: Timestamp,
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
        self.state.rcu(|state| State { release: Some(Arc::clone(&release)), degraded: state.degraded.clone() });
        tracing::info!(
            release = %release.id().short(),
            nodes = release.node_count(),
            documents = release.document_count(),
            "serving the release"
        );
    }

    /// Says that a part of the program does not work, and why; logged when the reason is new. The time stays that of
    /// the first reason until [`Shared::mend`].
    pub fn degrade(&self, part: &'static str, reason: &str) {
        if self.snapshot().degraded.get(part).is_some_and(|known| known.reason == reason) {
            return;
        }
        let now = Timestamp::now();
        self.state.rcu(|state| {
            let mut state = State::clone(state);
            let entry = state.degraded.entry(part).or_insert_with(|| Degradation { reason: String::new(), since: now });
            reason.clone_into(&mut entry.reason);
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
    use std::io;
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::release::{Manifest, MappedRelease};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reason_is_kept_until_mended_and_logged_once() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        tracing::subscriber::with_default(subscriber, || {
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
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
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
