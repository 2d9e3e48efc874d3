//! Rendering into a draft or into a tree.

use std::net::IpAddr;

use jiff::Timestamp;

use super::changes::Earlier;
use super::observe::{Observer, Phase};
use super::prepare::{BuildError, Prepared, sorted};
use crate::check::{Finding, Severity, Summary, document_inspector, with_severities};
use crate::release::{
    DraftRelease, FindingsSummary, Manifest, NodeEntry, Provenance, Published, ReleaseSink, SiteSource, StoreError,
    TreeLock,
};
use crate::render::{NodeFacts, RenderProblem, RenderedNode, Stopped, render_some};
use crate::site::{RepositoryUrl, SiteOrigin};
use crate::types::{Digest, ReleaseId};

/// A release that was built without being stored.
#[derive(Debug)]
pub struct Built {
    /// The id it would have.
    pub id: ReleaseId,
    /// Its manifest.
    pub manifest: Manifest,
    /// What was found in its documents that does not stop it, what is waived among it.
    pub findings: Vec<Finding>,
}

/// A release of which only the nodes that had changed were rendered.
#[derive(Debug)]
pub struct Updated {
    /// The release.
    pub published: Published,
    /// How many nodes were rendered.
    pub rendered: usize,
    /// What was found in the documents of these nodes that does not stop the release.
    pub findings: Vec<Finding>,
}

/// Builds without writing anything.
///
/// # Errors
/// All findings, when one of them is an error.
pub fn draft(prepared: &Prepared, observer: &mut dyn Observer) -> Result<Built, BuildError> {
    let mut draft = DraftRelease::new();
    let findings = render_into(prepared, &mut draft, observer)?;
    let (id, manifest) = draft.finish()?;
    Ok(Built { id, manifest, findings })
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
    let findings = render_into(prepared, &mut writer, observer)?;
    observer.begin(Phase::Publishing);
    Ok(writer.finish(provenance(prepared, &findings, time))?)
}

/// As [`publish`], and renders only the nodes that have changed since an earlier release. Documents of the others are
/// not looked at again, so what was found in them then is not found now: a draft looks at everything. With
/// `accepts_drop`, the log of the tree says that somebody accepted what is gone.
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
) -> Result<Updated, BuildError> {
    let mut writer = lock.begin()?;
    if accepts_drop {
        writer.accept_drop();
    }
    let inputs = earlier.inputs_now(prepared)?;
    let changed = earlier.reuse(prepared, &inputs, &mut writer);
    let rendered = changed.len();
    let findings = render_nodes(prepared, changed, &mut writer, observer)?;
    observer.begin(Phase::Publishing);
    let published = writer.finish_with(provenance(prepared, &findings, time), Some(&inputs))?;
    Ok(Updated { published, rendered, findings })
}

fn render_into(
    prepared: &Prepared,
    sink: &mut dyn ReleaseSink,
    observer: &mut dyn Observer,
) -> Result<Vec<Finding>, BuildError> {
    render_nodes(prepared, (0..prepared.plan.facts().len()).collect(), sink, observer)
}

/// Renders nodes, and returns what was found in their documents that does not stop the release.
fn render_nodes(
    prepared: &Prepared,
    nodes: Vec<usize>,
    sink: &mut dyn ReleaseSink,
    observer: &mut dyn Observer,
) -> Result<Vec<Finding>, BuildError> {
    sink.set_tunnels(prepared.tunnels.terms.clone());
    let plan = &prepared.plan;
    observer.begin(Phase::Rendering { nodes: nodes.len() });
    let rendered = render_some(plan, nodes, &document_inspector(&prepared.rulebook, plan), &mut |node| {
        observer.node_done();
        take(sink, prepared, node)
    });
    let (broken, remarks) = match rendered {
        Ok(remarks) => (Vec::new(), remarks),
        Err(Stopped::Sink(error)) => return Err(error.into()),
        Err(Stopped::Problems { problems, remarks }) => (problems, remarks),
    };
    let found = found_in_documents(prepared, broken, remarks);
    // Errors that were found before rendering are reported together with those that rendering found.
    let all = sorted(prepared.findings.iter().cloned().chain(found.iter().cloned()).collect());
    let counting = prepared.waivers.weigh(all.clone(), &[]).findings;
    if counting.iter().any(|finding| finding.severity == Severity::Error) {
        return Err(BuildError::Findings(all));
    }
    Ok(found)
}

/// Everything that was found, of a site whose documents were looked at.
pub(super) fn found_in_documents(
    prepared: &Prepared,
    broken: Vec<RenderProblem>,
    remarks: Vec<RenderProblem>,
) -> Vec<Finding> {
    // What is wrong with templates was found before, with all nodes that it hits.
    let is_new = |finding: &Finding| {
        let same = |known: &Finding| known.rule == finding.rule && known.problem == finding.problem;
        !prepared.findings.iter().any(same)
    };
    let found = broken.into_iter().chain(remarks).map(|found| prepared.rulebook.finding(found)).filter(is_new);
    let found = found.chain(prepared.rulebook.findings_of_all()).collect();
    with_severities(&prepared.site.settings.check, found)
}

fn take(sink: &mut dyn ReleaseSink, prepared: &Prepared, node: RenderedNode) -> Result<(), StoreError> {
    let (facts, tunnel_address) = (&prepared.plan.facts()[node.index], prepared.tunnels.address(node.index));
    for (_, digest, body) in &node.documents {
        sink.add_hashed(*digest, body)?;
    }
    let documents = node.documents.into_iter().map(|(name, digest, _)| (name, digest)).collect();
    sink.add_node(entry(facts, tunnel_address, documents));
    Ok(())
}

pub(super) fn entry(
    facts: &NodeFacts,
    tunnel_address: Option<IpAddr>,
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
        tunnel_address,
        groups: facts.groups.clone(),
        documents,
    }
}

fn provenance(prepared: &Prepared, rendered: &[Finding], time: Timestamp) -> Provenance {
    let all = prepared.findings.iter().chain(rendered).cloned().collect();
    let Summary { errors, warnings, notes } = Summary::of(&prepared.waivers.weigh(all, &[]).findings);
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
