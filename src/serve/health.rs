//! What `/health` says: JSON for people and probes. It names no node.

use bytes::Bytes;
use serde::Serialize;

use super::state::{Degradation, Gravity, State};
use crate::types::ReleaseId;

#[derive(Serialize)]
struct Report<'a> {
    service: &'static str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<ReleaseId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    documents: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    degraded: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    reason: &'a str,
    since: String,
}

/// Whether nodes can be served, and the report. A server that is degraded still serves, so it is healthy: to take it out
/// of rotation would turn a broken change into an outage. What somebody has to mend makes it call itself unhealthy, but
/// nodes are served all the same.
pub(super) fn report(state: &State) -> (bool, Bytes) {
    let release = state.release();
    let worst = state.degraded().values().find(|entry| entry.gravity == Gravity::Unhealthy);
    let is_healthy = release.is_some() && worst.is_none();
    let reason = || match worst.or_else(|| state.degraded().values().next()) {
        Some(Degradation { reason, .. }) => reason.as_str(),
        None => "no release has been published yet",
    };
    let report = Report {
        service: "mds",
        status: if is_healthy { "healthy" } else { "unhealthy" },
        reason: if is_healthy { None } else { Some(reason()) },
        release: release.map(|release| release.id()),
        nodes: release.map(|release| release.node_count()),
        documents: release.map(|release| release.document_count()),
        degraded: state
            .degraded()
            .values()
            // Whole seconds, in UTC, as RFC 3339 writes them.
            .map(|entry| Entry { reason: &entry.reason, since: format!("{:.0}", entry.since) })
            .collect(),
    };
    // Texts and numbers always have a JSON form, so the default is never taken.
    let mut body = serde_json::to_vec(&report).unwrap_or_default();
    body.push(b'\n');
    (release.is_some(), Bytes::from(body))
}
