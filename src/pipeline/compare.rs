//! Rendering two sides at once and comparing them, node by node.
//!
//! The older side is rendered on threads of its own, a few nodes ahead of the newer one at most: neither side is ever held
//! as a whole.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;

use super::input::{InventoryInput, SiteInput};
use super::observe::{Observer, Phase};
use super::prepare::{BuildError, Prepared, decide, sorted};
use super::run::{entry, found_in_documents};
use super::tunnels::Tunnels;
use crate::check::{Finding, document_inspector};
use crate::compare::{Changes, Comparer, NodeState, Origin, TunnelChanges};
use crate::release::{NodeEntry, StoredRelease, TunnelTerms};
use crate::render::{Inspector, NodeFacts, Plan, RenderedNode, Stopped, Verdict, render_all, render_each};
use crate::settings::WireguardFlags;
use crate::site::{Site, SiteOrigin};
use crate::types::{Digest, DocumentName, Problem};

/// Nodes of the older side that may wait for those of the newer one.
const WAITING_NODES: usize = 256;

/// One side of a comparison.
#[derive(Debug)]
pub struct Side(Source);

#[derive(Debug)]
enum Source {
    Site { site: Box<Site>, plan: Arc<Plan>, tunnels: Tunnels },
    Release(StoredRelease),
}

/// Nobody takes the nodes any more.
struct Gone;

impl Side {
    /// A site, which is not checked: it only has to be rendered. `tunnels` is their network where the command line or the
    /// environment names one.
    ///
    /// # Errors
    /// What cannot be read, and templates that do not parse.
    pub fn of_site(
        site: &SiteInput,
        inventory: &InventoryInput,
        tunnels: Option<&WireguardFlags>,
    ) -> Result<Self, BuildError> {
        let (site, plan) = decide(site, inventory)?;
        let tunnels = Tunnels::new(&site, plan.facts(), tunnels);
        Ok(Self(Source::Site { site: Box::new(site), plan, tunnels }))
    }

    /// A release of a tree.
    #[must_use]
    pub const fn of_release(release: StoredRelease) -> Self {
        Self(Source::Release(release))
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        match &self.0 {
            Source::Site { site, .. } => origin(site),
            Source::Release(release) => Origin::Release { id: release.id() },
        }
    }

    fn tunnel_terms(&self) -> TunnelTerms {
        match &self.0 {
            Source::Site { tunnels, .. } => tunnels.terms.clone(),
            Source::Release(release) => release.manifest().tunnels().clone(),
        }
    }

    fn node_count(&self) -> usize {
        match &self.0 {
            Source::Site { plan, .. } => plan.facts().len(),
            Source::Release(release) => release.manifest().nodes().len(),
        }
    }

    /// Gives every node with its documents, in the order of their ids.
    fn each(&self, take: &mut dyn FnMut(NodeState) -> Result<(), Gone>) -> Result<(), BuildError> {
        match &self.0 {
            Source::Site { site, plan, tunnels } => each_rendered(site, plan, tunnels, take),
            Source::Release(release) => {
                for node in release.manifest().nodes() {
                    if take(stored(release, node)?).is_err() {
                        break;
                    }
                }
                Ok(())
            }
        }
    }
}

/// A site that was looked at as a whole.
#[derive(Debug)]
pub struct Examined {
    /// How many nodes there are.
    pub nodes: usize,
    /// How many documents could be made for them.
    pub documents: usize,
    /// How many nodes have documents that are wrong or could not be made. Of these, what there is was compared.
    pub incomplete: usize,
    /// Everything that was found, errors first.
    pub findings: Vec<Finding>,
    /// What changes against another side, if there is one; or why that cannot be rendered.
    pub changes: Option<Result<Changes, BuildError>>,
}

/// Renders every node in memory, runs every check, and compares with another side. Nothing stops at a problem: of a node with
/// documents that cannot be made the others are compared.
///
/// # Errors
/// None today but those of the threads that render.
pub fn examine(prepared: &Prepared, base: Option<&Side>, observer: &mut dyn Observer) -> Result<Examined, BuildError> {
    let Some(base) = base else { return Ok(look_at_all(prepared, observer, None)) };
    let (mut examined, changes) = with_older(base, |pairs| {
        let mut take = |node: NodeState, is_whole: bool| pairs.newer(&node, is_whole);
        let examined = look_at_all(prepared, observer, Some(&mut take));
        Ok((examined, origin(&prepared.site), prepared.tunnels.terms.clone()))
    })?;
    examined.changes = Some(changes);
    Ok(examined)
}

/// Takes a node of the newer side, and whether all its documents could be made.
type TakeNode<'a> = &'a mut dyn FnMut(NodeState, bool);

fn look_at_all(prepared: &Prepared, observer: &mut dyn Observer, mut take: Option<TakeNode<'_>>) -> Examined {
    let plan = &prepared.plan;
    let nodes: Vec<usize> = (0..plan.facts().len()).collect();
    let (count, mut documents, mut incomplete) = (nodes.len(), 0, 0);
    observer.begin(Phase::Rendering { nodes: count });
    let inspector = document_inspector(&prepared.rulebook, plan);
    let rendered = render_each(plan, nodes, &inspector, &mut |node, is_whole| {
        observer.node_done();
        documents += node.documents.len();
        incomplete += usize::from(!is_whole);
        if let Some(take) = &mut take {
            take(state(&prepared.site, &prepared.tunnels, &plan.facts()[node.index], &node), is_whole);
        }
        Ok::<(), Infallible>(())
    });
    let (broken, remarks) = match rendered {
        Ok(remarks) => (Vec::new(), remarks),
        Err(Stopped::Problems { problems, remarks }) => (problems, remarks),
        Err(Stopped::Sink(never)) => match never {},
    };
    let found = found_in_documents(prepared, broken, remarks);
    let findings = sorted(prepared.findings.iter().cloned().chain(found).collect());
    Examined { nodes: count, documents, incomplete, findings, changes: None }
}

/// What changed from one side to another.
///
/// # Errors
/// When one of them cannot be rendered; which one is said.
pub fn changes_between(
    older: &Side,
    newer: &Side,
    observer: &mut dyn Observer,
) -> Result<Changes, Box<(Origin, BuildError)>> {
    observer.begin(Phase::Rendering { nodes: newer.node_count() });
    let compared = with_older(older, |pairs| {
        newer.each(&mut |node| {
            observer.node_done();
            pairs.newer(&node, true);
            Ok(())
        })?;
        Ok(((), newer.origin(), newer.tunnel_terms()))
    });
    match compared {
        Ok(((), Ok(changes))) => Ok(changes),
        Ok(((), Err(error))) => Err(Box::new((older.origin(), error))),
        Err(error) => Err(Box::new((newer.origin(), error))),
    }
}

/// Runs something that gives the nodes of the newer side and then says where they come from, while those of the older one
/// are made.
fn with_older<T>(
    older: &Side,
    newer: impl FnOnce(&mut Pairs) -> Result<(T, Origin, TunnelTerms), BuildError>,
) -> Result<(T, Result<Changes, BuildError>), BuildError> {
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(WAITING_NODES);
        let worker = scope.spawn(move || send_all(older, &sender));
        let mut pairs = Pairs { older: receiver, next: None, comparer: Comparer::new() };
        // When the newer side fails, the receiver is dropped here and the worker ends.
        let (result, to, terms) = newer(&mut pairs)?;
        let comparer = pairs.finish();
        let rendered = worker.join().unwrap_or_else(|_| {
            Err(Problem::new("the thread that renders the older side broke down; this is a fault of mds").into())
        });
        Ok((
            result,
            rendered.map(|()| {
                let mut changes = comparer.finish(older.origin(), to);
                let before = older.tunnel_terms();
                changes.of_tunnels =
                    TunnelChanges::between((before.network, &before.only), (terms.network, &terms.only));
                changes
            }),
        ))
    })
}

fn send_all(side: &Side, sender: &SyncSender<NodeState>) -> Result<(), BuildError> {
    side.each(&mut |node| sender.send(node).map_err(|_| Gone))
}

/// Brings the nodes of both sides together.
struct Pairs {
    older: Receiver<NodeState>,
    /// The next node of the older side, if it is known.
    next: Option<NodeState>,
    comparer: Comparer,
}

impl Pairs {
    /// Takes the next node of the newer side. Of one that is not whole, only the documents that it has are compared.
    fn newer(&mut self, new: &NodeState, is_whole: bool) {
        while let Some(old) = self.next.take().or_else(|| self.older.recv().ok()) {
            if old.id < new.id {
                self.comparer.add(Some(&old), None);
            } else if old.id == new.id {
                if is_whole {
                    return self.comparer.add(Some(&old), Some(new));
                }
                let (old, new) = in_common(old, new.clone());
                return self.comparer.add(Some(&old), Some(&new));
            } else {
                self.next = Some(old);
                break;
            }
        }
        self.comparer.add(None, Some(new));
    }

    /// There are no more nodes of the newer side.
    fn finish(mut self) -> Comparer {
        while let Some(old) = self.next.take().or_else(|| self.older.recv().ok()) {
            self.comparer.add(Some(&old), None);
        }
        self.comparer
    }
}

/// Two states of a node with the documents that both have. vendor-data leads to the documents of groups, so it says nothing
/// where one of these could not be made.
fn in_common(mut old: NodeState, mut new: NodeState) -> (NodeState, NodeState) {
    let has = |state: &NodeState, name: &DocumentName| state.documents.iter().any(|(other, ..)| other == name);
    let is_group = |name: &DocumentName| matches!(name, DocumentName::Group(_));
    let lacks_a_group = old.documents.iter().any(|(name, ..)| is_group(name) && !has(&new, name));
    let counts = |name: &DocumentName| !(lacks_a_group && *name == DocumentName::VendorData);
    old.documents.retain(|(name, ..)| counts(name) && has(&new, name));
    new.documents.retain(|(name, ..)| counts(name) && has(&old, name));
    (old, new)
}

fn each_rendered(
    site: &Site,
    plan: &Arc<Plan>,
    tunnels: &Tunnels,
    take: &mut dyn FnMut(NodeState) -> Result<(), Gone>,
) -> Result<(), BuildError> {
    let unchecked: Inspector = Arc::new(|_: &NodeFacts, _: &RenderedNode| Verdict::default());
    let rendered =
        render_all(plan, &unchecked, &mut |node| take(state(site, tunnels, &plan.facts()[node.index], &node)));
    match rendered {
        Ok(_) | Err(Stopped::Sink(Gone)) => Ok(()),
        Err(Stopped::Problems { problems, .. }) => {
            Err(BuildError::Findings(sorted(problems.into_iter().map(Finding::from).collect())))
        }
    }
}

fn origin(site: &Site) -> Origin {
    match &site.origin {
        SiteOrigin::Folder { path } => Origin::Folder { name: path.display().to_string() },
        SiteOrigin::Repository { revision, commit, .. } => {
            Origin::Revision { name: revision.clone(), commit: commit.clone() }
        }
    }
}

fn state(site: &Site, tunnels: &Tunnels, facts: &NodeFacts, node: &RenderedNode) -> NodeState {
    let entry = entry(facts, tunnels.address(node.index), BTreeMap::<_, Digest>::new());
    let has_own_base_url = site.nodes.get(&entry.id).is_some_and(|own| own.cloud_init_base_url.is_some());
    NodeState {
        local_hostname: Some(facts.local_hostname.clone()),
        own_base_url: has_own_base_url.then(|| facts.base_url.clone()),
        ..of_entry(entry, node.documents.clone())
    }
}

fn stored(release: &StoredRelease, node: &NodeEntry) -> Result<NodeState, BuildError> {
    let body = |(name, digest): (&DocumentName, &Digest)| {
        let missing = || Problem::new(format!("the tree has no {name} of node {}; run `mds verify`", node.id));
        release.object(digest).ok_or_else(missing).map(|body| (name.clone(), *digest, body))
    };
    let documents = node.documents.iter().map(body).collect::<Result<_, _>>()?;
    Ok(of_entry(node.clone(), documents))
}

/// What a manifest tells of a node. It has no word on the rest.
fn of_entry(entry: NodeEntry, documents: Vec<(DocumentName, Digest, Bytes)>) -> NodeState {
    let NodeEntry { id, hostname, nid, instance_id, macs, addresses, tunnel_address, groups, documents: _ } = entry;
    NodeState {
        id,
        hostname,
        local_hostname: None,
        nid,
        instance_id,
        macs,
        addresses,
        tunnel_address,
        groups,
        own_base_url: None,
        documents,
    }
}
