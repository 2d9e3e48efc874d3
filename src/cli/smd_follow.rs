//! Following SMD for a server: what comes of each pull goes to the log, to `/health`, and to whoever builds.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use mds::check::{remarked, text_report};
use mds::inventory::Pull;
use mds::inventory::smd::{SmdClient, SmdError};
use mds::pipeline::{LatestInventory, PullReport, keep_pulling};
use mds::serve::{Gravity, Shared};
use mds::settings::SmdSettings;
use tokio::sync::Notify;

use super::pull::left_out_text;

/// The part of the program that this speaks for in `/health`.
const PART: &str = "inventory";

/// SMD, to be followed.
pub(crate) struct Smd {
    pub(crate) settings: SmdSettings,
    /// Where what is pulled goes.
    pub(crate) latest: Arc<LatestInventory>,
}

impl Smd {
    /// Pulls again and again. `wake` is told when there is something new.
    pub(crate) async fn follow(self, shared: Arc<Shared>, hint: Arc<Notify>, wake: Sender<()>) {
        if self.settings.sync.takes_notifications {
            shared.take_notifications();
        }
        tracing::info!(url = %self.settings.url.value, from = %self.settings.url.source, "pulling the inventory from SMD");
        let client = SmdClient::new(&self.settings);
        // A sender is for one thread at a time, and a report may come from any.
        let wake = Mutex::new(wake);
        let report = |report: PullReport<'_>| match report {
            PullReport::Changed(pull) => {
                tell_change(pull);
                shared.mend(PART);
                // Nobody is left to be woken when the server is ending.
                let _ = wake.lock().unwrap_or_else(PoisonError::into_inner).send(());
            }
            PullReport::Same => shared.mend(PART),
            PullReport::Failed(error) => tell_failure(&shared, error),
        };
        keep_pulling(&client, &self.latest, self.settings.sync, &hint, &report).await;
    }
}

fn tell_change(pull: &Pull) {
    let left_out = left_out_text(&pull.left_out);
    tracing::info!(nodes = pull.inventory.nodes().len(), left_out, "the inventory has changed");
    let remarks = text_report(&remarked(&pull.remarks));
    for remark in remarks.lines().filter(|line| !line.is_empty()) {
        tracing::debug!(remark, "SMD says something that cannot be used");
    }
}

/// That there is no token is somebody's to mend; everything else may pass.
fn tell_failure(shared: &Shared, error: &SmdError) {
    let gravity = if matches!(error, SmdError::Token(_)) { Gravity::Unhealthy } else { Gravity::Degraded };
    shared.degrade_to(gravity, PART, &format!("the inventory cannot be pulled: {error}"));
}
