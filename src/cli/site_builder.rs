//! Building the site that `mds serve` follows, again and again.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use mds::pipeline::{LatestInventory, SiteFollower, Step};
use mds::serve::Shared;
use tokio::sync::oneshot;

use super::child_build::ChildBuild;
use super::error::CliError;

/// How long the first pull may keep the first build from being tried. A pull that fails ends sooner.
const FIRST_PULL: Duration = Duration::from_secs(600);
/// Longest reason in the log, in characters.
const LONGEST_LOG_LINE: usize = 4000;

/// Follows the site on a thread of its own, which ends with the process: publishing can be cut at any moment.
pub(super) struct Builder {
    pub(super) follower: SiteFollower<ChildBuild>,
    pub(super) interval: Duration,
    pub(super) shared: Arc<Shared>,
    /// Somebody has news.
    pub(super) woken: Receiver<()>,
    /// What is pulled from SMD, if that is followed.
    pub(super) latest: Option<Arc<LatestInventory>>,
    pub(super) has_release: bool,
    pub(super) last_failure: Option<String>,
}

impl Builder {
    /// The part of the program that this speaks for in `/health`.
    const PART: &'static str = "site";

    /// Builds once and says whether there is a release now; then follows. Without any release to serve, a site that does
    /// not build is a failure to start; but not where SMD is followed, which may mend what is wrong at any moment. `_wake`
    /// keeps the channel open.
    pub(super) fn run(mut self, _wake: Sender<()>, first: oneshot::Sender<Result<bool, CliError>>) {
        if let Some(latest) = &self.latest {
            latest.wait_until_tried(FIRST_PULL);
        }
        let has_built = match self.follower.step(Instant::now()) {
            Step::Failed(error) if !self.has_release && self.latest.is_none() => {
                let _ = first.send(Err(error));
                return;
            }
            step => {
                self.tell(&step);
                matches!(step, Step::Published(_))
            }
        };
        // The receiver is gone only when the server is ending, or has waited long enough.
        let _ = first.send(Ok(has_built));
        while self.woken.recv_timeout(self.interval) != Err(RecvTimeoutError::Disconnected) {
            let step = self.follower.step(Instant::now());
            self.tell(&step);
        }
    }

    fn tell(&mut self, step: &Step<CliError>) {
        match step {
            Step::Published(release) => {
                tracing::info!(release = %release.short(), "the site is built");
                self.last_failure = None;
                self.shared.mend(Self::PART);
            }
            Step::Unchanged => {
                self.last_failure = None;
                self.shared.mend(Self::PART);
            }
            Step::Settling | Step::Waiting => {}
            Step::Failed(error) => self.tell_failure(error),
        }
    }

    /// Everything goes to the log, once; what anybody may ask of `/health` is the first thing only, and names no node.
    fn tell_failure(&mut self, error: &CliError) {
        let everything = error.on_one_line();
        if self.last_failure.as_ref() != Some(&everything) {
            let shown: String = everything.chars().take(LONGEST_LOG_LINE).collect();
            tracing::warn!(reason = shown, "the site does not build");
            self.last_failure = Some(everything);
        }
        let what = if error.is_about_files() { "the site does not build" } else { "there is no new release" };
        self.shared.degrade(Self::PART, &format!("{what}: {}", error.for_outsiders()));
    }
}
