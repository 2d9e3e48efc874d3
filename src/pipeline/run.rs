//! Rendering into a draft or into a tree.

use jiff::Timestamp;

use super::changes::Earlier;
use super::observe::{Observer, Phase};
use super::prepare::{BuildError, Prepared, sorted};
use crate::check::{Finding, Severity, Summary, document_inspector};
use crate::release::{
    DraftRelease, FindingsSummary, Manifest, NodeEntry, Provenance, Published, ReleaseSink, SiteSource, StoreError,
    TreeLock,
};
use crate::render::{NodeFacts, RenderedNode, Stopped, render_some};
use crate::site::{RepositoryUrl, SiteOrigin};
use crate::types::{Digest, ReleaseId};

/// A release that was built without being stored.
#[derive(Debug)]
pub struct Built {
    /// The id it would have.
    pub id: ReleaseId,
    /// Its manifest.
    pub manifest: Manifest,
}

/// Builds without writing anything.
///
/// # Errors
/// All findings, when one of them is an error.
pub fn draft(prepared: &Prepared, observer: &mut dyn Observer) -> Result<Built, BuildError> {
    let mut draft = DraftRelease::new();
    render_into(prepared, &mut draft, observer)?;
    let (id, manifest) = draft.finish()?;
    Ok(Built { id, manifest })
}

/// Builds and publishes. On any error the tree stays as it is.
///
/// # Errors
/// All findings, when one of them is an error; or what keeps the tree from being written.
pub fn publish(
    prepared: &Prepared,
    lock: &mut TreeLock,
    time: Timestamp,
    observer: &mut dyn Observer,
) -> Result<Published, BuildError> {
    let mut writer = lock.begin()?;
    render_into(prepared, &mut writer, observer)?;
    observer.begin(Phase::Publishing);
    Ok(writer.finish(provenance(prepared, time))?)
}

/// As [`publish`], and renders only the nodes that have changed since an earlier release. Returns how many those were.
/// With `accepts_drop`, the log of the tree says that somebody accepted what is gone.
///
/// # Errors
/// As [`publish`].
pub fn publish_changes(
    prepared: &Prepared,
    earlier: &Earlier<'_>,
    accepts_drop: bool,
    lock: &mut TreeLock,
    time: Timestamp,
    observer: &mut dyn Observer,
) -> Result<(Published, usize), BuildError> {
    let mut writer = lock.begin()?;
    if accepts_drop {
        writer.accept_drop();
    }
    let inputs = earlier.inputs_now(prepared)?;
    let changed = earlier.reuse(prepared, &inputs, &mut writer);
    let rendered = changed.len();
    render_nodes(prepared, changed, &mut writer, observer)?;
    observer.begin(Phase::Publishing);
    Ok((writer.finish_with(provenance(prepared, time), Some(&inputs))?, rendered))
}

fn render_into(prepared: &Prepared, sink: &mut dyn ReleaseSink, observer: &mut dyn Observer) -> Result<(), BuildError> {
    render_nodes(prepared, (0..prepared.plan.facts().len()).collect(), sink, observer)
}

fn render_nodes(
    prepared: &Prepared,
    nodes: Vec<usize>,
    sink: &mut dyn ReleaseSink,
    observer: &mut dyn Observer,
) -> Result<(), BuildError> {
    let plan = &prepared.plan;
    observer.begin(Phase::Rendering { nodes: nodes.len() });
    let rendered = render_some(plan, nodes, &document_inspector(), &mut |node| {
        observer.node_done();
        take(sink, &plan.facts()[node.index], node)
    });
    let broken = match rendered {
        Ok(()) => Vec::new(),
        Err(Stopped::Sink(error)) => return Err(error.into()),
        Err(Stopped::Problems(problems)) => problems,
    };
    // Errors that were found before rendering are reported together with those that rendering found.
    let has_errors = !broken.is_empty() || prepared.findings.iter().any(|finding| finding.severity == Severity::Error);
    if has_errors {
        let rendered = broken.into_iter().map(Finding::from);
        return Err(BuildError::Findings(sorted(prepared.findings.iter().cloned().chain(rendered).collect())));
    }
    Ok(())
}

fn take(sink: &mut dyn ReleaseSink, facts: &NodeFacts, node: RenderedNode) -> Result<(), StoreError> {
    for (_, digest, body) in &node.documents {
        sink.add_hashed(*digest, body)?;
    }
    sink.add_node(entry(facts, node.documents.into_iter().map(|(name, digest, _)| (name, digest)).collect()));
    Ok(())
}

pub(super) fn entry(
    facts: &NodeFacts,
    documents: std::collections::BTreeMap<crate::types::DocumentName, Digest>,
) -> NodeEntry {
    let mut addresses: Vec<_> = facts.node.addresses().collect();
    addresses.sort();
    addresses.dedup();
    let mut macs: Vec<_> = facts.node.interfaces.iter().map(|interface| interface.mac).collect();
    macs.sort();
    macs.dedup();
    NodeEntry {
        id: facts.id().clone(),
        hostname: facts.hostname.clone(),
        nid: facts.node.nid,
        instance_id: facts.instance_id.clone(),
        macs,
        addresses,
        groups: facts.groups.clone(),
        documents,
    }
}

fn provenance(prepared: &Prepared, time: Timestamp) -> Provenance {
    let Summary { errors, warnings, notes } = Summary::of(&prepared.findings);
    let site = match &prepared.site.origin {
        SiteOrigin::Folder { path } => SiteSource::Folder { folder: path.display().to_string(), commit: None },
        SiteOrigin::Repository { url, revision, commit, subfolder } => SiteSource::Repository {
            repository: RepositoryUrl::without_credentials(url),
            revision: Some(revision.clone()),
            commit: commit.clone(),
            subfolder: Some(subfolder.clone()).filter(|subfolder| !subfolder.is_empty()),
        },
    };
    Provenance {
        site,
        inventory: prepared.inventory_digest,
        mds_version: env!("CARGO_PKG_VERSION").to_owned(),
        time,
        findings: FindingsSummary { errors, warnings, notes },
    }
}
