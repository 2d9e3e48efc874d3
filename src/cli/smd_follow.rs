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
use tokio::task::JoinHandle;

use super::inventory_memory::InventoryMemory;
use super::pull::left_out_text;

/// The part of the program that this speaks for in `/health`.
const PART: &str = "inventory";

/// SMD, to be followed.
pub(crate) struct Smd {
    pub(crate) settings: SmdSettings,
    /// Where what is pulled goes.
    pub(crate) latest: Arc<LatestInventory>,
    /// What is kept of it from start to start.
    pub(crate) memory: Arc<InventoryMemory>,
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
        let teller = Teller { shared, wake: Mutex::new(wake), said: Mutex::default() };
        let (latest, memory) = (&self.latest, &self.memory);
        let report = |report: PullReport<'_>| match report {
            PullReport::Changed(taken) => {
                teller.tell_change(&taken.pull);
                let (taken, memory) = (Arc::clone(taken), Arc::clone(memory));
                // Nobody waits for the disk.
                drop(tokio::task::spawn_blocking(move || memory.remember(&taken.text)));
            }
            PullReport::Same => teller.shared.mend(PART),
            PullReport::Failed(error) => {
                teller.tell_failure(error);
                // What was pulled last is better than nothing when the site changes.
                if latest.get().is_none()
                    && let Some(pull) = memory.recall()
                    && latest.take(pull).is_ok()
                {
                    tracing::warn!("the site is built with the inventory that was pulled before the last start");
                    teller.wake();
                }
            }
        };
        keep_pulling(&client, &self.latest, self.settings.sync, &hint, &report).await;
    }
}

/// Says so when the pulling breaks down, which is a fault of mds: what is served stays, and gets old.
pub(crate) async fn watch_pulling(pulling: JoinHandle<()>, shared: Arc<Shared>) {
    if pulling.await.is_err_and(|error| error.is_panic()) {
        let reason = "the inventory is no longer pulled, because mds failed inside; see its log, and start it again";
        shared.degrade_to(Gravity::Unhealthy, PART, reason);
    }
}

/// Says what comes of pulls: to the log, to `/health`, and to whoever builds.
struct Teller {
    shared: Arc<Shared>,
    wake: Mutex<Sender<()>>,
    /// The failure that the log has already.
    said: Mutex<String>,
}

impl Teller {
    fn wake(&self) {
        // Nobody is left to be woken when the server is ending.
        let _ = self.wake.lock().unwrap_or_else(PoisonError::into_inner).send(());
    }

    fn tell_change(&self, pull: &Pull) {
        let left_out = left_out_text(&pull.left_out);
        tracing::info!(nodes = pull.inventory.nodes().len(), left_out, "the inventory has changed");
        let remarks = text_report(&remarked(&pull.remarks));
        for remark in remarks.lines().filter(|line| !line.is_empty()) {
            tracing::debug!(remark, "SMD says something that cannot be used");
        }
        self.shared.mend(PART);
        self.wake();
    }

    /// That there is no token is somebody's to mend; everything else may pass. Everything goes to the log, once; what
    /// anybody may ask of `/health` leaves out the names of our files.
    fn tell_failure(&self, error: &SmdError) {
        let gravity = if matches!(error, SmdError::Token(_)) { Gravity::Unhealthy } else { Gravity::Degraded };
        let (everything, outside) = (error.to_string(), error.for_outsiders());
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if everything != outside && *said != everything {
            tracing::warn!(reason = everything, "the inventory cannot be pulled");
            *said = everything;
        }
        self.shared.degrade_to(gravity, PART, &format!("the inventory cannot be pulled: {outside}"));
    }
}
