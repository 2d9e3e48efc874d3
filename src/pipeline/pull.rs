//! Following SMD: pulling again and again, whatever happens to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::latest::{LatestInventory, Taken};
use crate::inventory::Backoff;
use crate::inventory::smd::{SmdClient, SmdError};
use crate::settings::SyncSettings;

/// After a pull that failed, the next one follows so soon at first; each further one after twice the time, up to the
/// ordinary interval.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// However many hints come, so much time lies between a pull and the next.
const LEAST_BETWEEN_HINTS: Duration = Duration::from_secs(5);

/// What came of a pull.
#[derive(Debug)]
pub enum PullReport<'a> {
    /// The inventory, or what its source said besides, is another than before.
    Changed(&'a Arc<Taken>),
    /// Everything is as before.
    Same,
    /// There is none; what was pulled before stays.
    Failed(&'a SmdError),
}

/// Pulls at once, then at every interval and at hints, into `latest`, and tells what came of each. Without `sync` it ends
/// when it has pulled once, or goes on at hints only. Needs a tokio runtime with I/O and time; end it by dropping the
/// future.
pub async fn keep_pulling(
    client: &SmdClient,
    latest: &Arc<LatestInventory>,
    sync: SyncSettings,
    hint: &Notify,
    report: &(dyn Fn(PullReport<'_>) + Send + Sync),
) {
    let first = FIRST_RETRY.min(sync.interval);
    let retries = Backoff { attempts: u32::MAX, first, longest: sync.interval };
    let mut failures = 0;
    loop {
        let pulled = client.pull().await;
        failures = if pulled.is_ok() { 0 } else { failures + 1 };
        match pulled {
            Err(error) => report(PullReport::Failed(&error)),
            Ok(pull) => {
                // The text of a large inventory takes a while to be made, and requests are answered on this thread too.
                let latest = Arc::clone(latest);
                match tokio::task::spawn_blocking(move || latest.take(pull)).await {
                    Ok(Ok(Some(taken))) => report(PullReport::Changed(&taken)),
                    Ok(Ok(None)) => report(PullReport::Same),
                    Ok(Err(error)) => tracing::error!(%error, "the inventory has no text form"),
                    Err(error) => tracing::error!(%error, "the inventory cannot be taken"),
                }
            }
        }
        latest.mark_tried();
        let ended = Instant::now();
        let rest = match failures {
            0 if sync.is_enabled => sync.interval,
            0 if sync.takes_notifications => Duration::MAX,
            0 => return,
            failures => retries.rest(failures - 1),
        };
        tokio::select! {
            () = sleep(rest) => {}
            // While SMD fails, nobody makes it be asked more often.
            () = hint.notified(), if sync.takes_notifications && failures == 0 => {
                tokio::time::sleep_until(ended + LEAST_BETWEEN_HINTS.min(sync.interval)).await;
            }
        }
    }
}

/// Sleeps; for ever when there is no end that a clock could tell.
async fn sleep(time: Duration) {
    if time == Duration::MAX { std::future::pending().await } else { tokio::time::sleep(time).await }
}
