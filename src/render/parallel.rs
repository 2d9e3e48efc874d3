//! Rendering all nodes on every core, in order, under a watchdog.
//!
//! Workers are plain threads that may be left behind: a template that loops without ever calling anything cannot be
//! interrupted, only abandoned. So nothing here waits for a worker that has gone silent.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::engine::too_slow;
use super::facts::NodeFacts;
use super::node::RenderedNode;
use super::plan::Plan;
use super::{NodeProblem, RenderProblem, TEMPLATE_RULE, Verdict};
use crate::types::{NodeId, Place, Problem};

/// Nodes a worker takes at once: enough to make handing over cheap, few enough to keep memory small.
const CHUNK: usize = 128;
/// Finished chunks that may wait for the writer.
const WAITING_CHUNKS: usize = 8;
/// How often the watchdog looks at the workers.
const LOOK: Duration = Duration::from_millis(100);
/// What a document may take beyond its own limit before its worker is given up.
const GRACE: Duration = Duration::from_secs(1);
/// Stack of a worker in bytes: templates nest deeper in debug builds than the default allows.
const STACK: usize = 16 << 20;

/// What inspectors remarked on documents that they let through, each remark once with the nodes it concerns.
pub type Rendered = Vec<RenderProblem>;

/// Why rendering did not give every node its documents.
#[derive(Debug)]
pub enum Stopped<E> {
    /// Documents have problems.
    Problems {
        /// What stopped them.
        problems: Vec<RenderProblem>,
        /// What was remarked on these and all other documents.
        remarks: Rendered,
    },
    /// The receiver of the documents failed.
    Sink(E),
}

/// What one worker is doing, for the watchdog.
type Activity = Arc<Mutex<Doing>>;

/// Since when a worker renders which template for the node at which position.
type Doing = Option<(Instant, Arc<str>, usize)>;

/// One finished chunk: its position, and a result for each of its nodes.
type Chunk = (usize, Results);

/// The nodes of a chunk, each with the documents that there are, and what its inspector and its templates said.
type Results = Vec<(RenderedNode, Verdict)>;

/// Looks at a node's finished documents, on the thread that rendered them.
pub type Inspector = Arc<dyn Fn(&NodeFacts, &RenderedNode) -> Verdict + Send + Sync>;

/// Renders every node of the plan, lets `inspect` look at its documents, and hands the documents to `sink` in the order
/// of the nodes' ids. Returns what was remarked.
///
/// # Errors
/// All problems of all nodes, each once with the nodes it hits; after the first problem nothing more goes to the sink.
/// Or what the sink said.
pub fn render_all<E>(
    plan: &Arc<Plan>,
    inspect: &Inspector,
    sink: &mut dyn FnMut(RenderedNode) -> Result<(), E>,
) -> Result<Rendered, Stopped<E>> {
    render_some(plan, (0..plan.facts().len()).collect(), inspect, sink)
}

/// As [`render_all`], for the nodes at these positions of [`Plan::facts`] only, in this order.
///
/// # Errors
/// As [`render_all`].
pub fn render_some<E>(
    plan: &Arc<Plan>,
    nodes: Vec<usize>,
    inspect: &Inspector,
    sink: &mut dyn FnMut(RenderedNode) -> Result<(), E>,
) -> Result<Rendered, Stopped<E>> {
    let mut is_broken = false;
    render_each(plan, nodes, inspect, &mut |node, is_whole| {
        is_broken |= !is_whole;
        if is_broken { Ok(()) } else { sink(node) }
    })
}

/// As [`render_some`], for those who want to see every node, also when there are problems: `sink` gets the documents that
/// there are of it, and whether nothing is wrong with it.
///
/// # Errors
/// As [`render_all`].
pub fn render_each<E>(
    plan: &Arc<Plan>,
    nodes: Vec<usize>,
    inspect: &Inspector,
    sink: &mut dyn FnMut(RenderedNode, bool) -> Result<(), E>,
) -> Result<Rendered, Stopped<E>> {
    let chunks = nodes.len().div_ceil(CHUNK);
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (sender, receiver) = sync_channel(WAITING_CHUNKS);
    let shared = Arc::new(Shared { nodes, next: AtomicUsize::new(0), abandoned: AtomicBool::new(false) });
    let mut activities = Vec::new();
    for _ in 0..threads.min(chunks) {
        let activity: Activity = Arc::default();
        let (plan, shared, sender) = (Arc::clone(plan), Arc::clone(&shared), sender.clone());
        let inspect = Arc::clone(inspect);
        activities.push(Arc::clone(&activity));
        let worker = move || work(&plan, &inspect, &shared, &activity, &sender);
        let started = thread::Builder::new().name("render".to_owned()).stack_size(STACK).spawn(worker);
        if let Err(error) = started {
            let problem = Problem::new(format!("a thread for rendering cannot be started: {error}"));
            return Err(no_rendering(problem));
        }
    }
    drop(sender);
    let mut collector = Collector {
        plan,
        sink,
        chunks,
        problems: Grouped::default(),
        remarks: Grouped::default(),
        next: 0,
        early: BTreeMap::new(),
    };
    let result = collector.run(&receiver, &activities);
    shared.abandoned.store(true, Ordering::Relaxed);
    result?;
    if collector.problems.is_empty() { Ok(collector.remarks.into_list()) } else { Err(collector.stopped()) }
}

fn no_rendering<E>(problem: Problem) -> Stopped<E> {
    let problems = vec![RenderProblem { rule: TEMPLATE_RULE.into(), problem, nodes: Vec::new() }];
    Stopped::Problems { problems, remarks: Vec::new() }
}

struct Shared {
    nodes: Vec<usize>,
    next: AtomicUsize,
    abandoned: AtomicBool,
}

fn work(plan: &Plan, inspect: &Inspector, shared: &Shared, activity: &Activity, sender: &SyncSender<Chunk>) {
    let Ok(renderer) = plan.renderer() else { return };
    loop {
        let chunk = shared.next.fetch_add(1, Ordering::Relaxed);
        let Some(nodes) = shared.nodes.chunks(CHUNK).nth(chunk) else { return };
        let mut results = Vec::with_capacity(nodes.len());
        for &index in nodes {
            if shared.abandoned.load(Ordering::Relaxed) {
                return;
            }
            let mut watch = |path: &Arc<str>| drop(set(activity, Some((Instant::now(), Arc::clone(path), index))));
            let rendered = catch_unwind(AssertUnwindSafe(|| renderer.render_watched(index, &mut watch)));
            let path = set(activity, None).map_or_else(String::new, |(_, path, _)| path.to_string());
            let nothing = || RenderedNode { index, documents: Vec::new() };
            let (node, problems) = rendered.unwrap_or_else(|_| (nothing(), vec![broken_down(path)]));
            // What there is of a node is looked at, although some of its documents may be missing.
            let mut verdict = inspect(&plan.facts()[index], &node);
            verdict.problems.splice(0..0, problems);
            results.push((node, verdict));
        }
        if sender.send((chunk, results)).is_err() {
            return;
        }
    }
}

fn broken_down(path: String) -> NodeProblem {
    let problem = Problem::at(Place::file(path), "the template engine broke down on this template")
        .with_hint("simplify the template; this is a fault of mds or its template engine, please report it");
    NodeProblem { rule: TEMPLATE_RULE.into(), problem }
}

fn set(activity: &Activity, doing: Doing) -> Doing {
    std::mem::replace(&mut *activity.lock().unwrap_or_else(PoisonError::into_inner), doing)
}

struct Collector<'a, E> {
    plan: &'a Plan,
    sink: &'a mut dyn FnMut(RenderedNode, bool) -> Result<(), E>,
    chunks: usize,
    problems: Grouped,
    remarks: Grouped,
    next: usize,
    early: BTreeMap<usize, Results>,
}

impl<E> Collector<'_, E> {
    fn run(&mut self, receiver: &Receiver<Chunk>, activities: &[Activity]) -> Result<(), Stopped<E>> {
        let mut last_look = Instant::now();
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok((chunk, results)) => drop(self.early.insert(chunk, results)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.finish(),
            }
            while let Some(results) = self.early.remove(&self.next) {
                self.next += 1;
                for (node, verdict) in results {
                    self.take(node, verdict)?;
                }
            }
            if last_look.elapsed() >= LOOK {
                last_look = Instant::now();
                self.look_at(activities)?;
            }
        }
    }

    fn take(&mut self, node: RenderedNode, Verdict { problems, remarks }: Verdict) -> Result<(), Stopped<E>> {
        let id = self.plan.facts()[node.index].id();
        let is_whole = problems.is_empty();
        remarks.into_iter().for_each(|remark| self.remarks.add(remark, id));
        problems.into_iter().for_each(|problem| self.problems.add(problem, id));
        (self.sink)(node, is_whole).map_err(Stopped::Sink)
    }

    /// A worker that neither finishes its document nor meets its own deadline ends the build.
    fn look_at(&mut self, activities: &[Activity]) -> Result<(), Stopped<E>> {
        let bounds = &self.plan.settings.render;
        for activity in activities {
            let doing = activity.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some((since, path, index)) = doing
                && since.elapsed() > bounds.time_limit() + GRACE
            {
                let problem = NodeProblem { rule: TEMPLATE_RULE.into(), problem: too_slow(&path, bounds) };
                self.problems.add(problem, self.plan.facts()[index].id());
                return Err(self.stopped());
            }
        }
        Ok(())
    }

    fn stopped(&mut self) -> Stopped<E> {
        let [problems, remarks] = [&mut self.problems, &mut self.remarks].map(|list| std::mem::take(list).into_list());
        Stopped::Problems { problems, remarks }
    }

    /// All workers have ended; chunks that never came belong to workers that could not start.
    fn finish(&self) -> Result<(), Stopped<E>> {
        if self.next == self.chunks {
            return Ok(());
        }
        let problem = Problem::new("the threads that render ended before their work was done");
        Err(no_rendering(problem))
    }
}

/// Problems in the order in which they first came up, each once.
#[derive(Default)]
struct Grouped {
    list: Vec<RenderProblem>,
    positions: HashMap<(Cow<'static, str>, Option<Place>, String), usize>,
}

impl Grouped {
    fn add(&mut self, NodeProblem { rule, problem }: NodeProblem, node: &NodeId) {
        // What to do about it may name a place in one node's document, and is told for the first.
        let key = (rule.clone(), problem.place.clone(), problem.message.clone());
        let position = *self.positions.entry(key).or_insert_with(|| {
            self.list.push(RenderProblem { rule, problem, nodes: Vec::new() });
            self.list.len() - 1
        });
        let nodes = &mut self.list[position].nodes;
        // Two documents of one node may have the same problem.
        if nodes.last() != Some(node) {
            nodes.push(node.clone());
        }
    }

    fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    fn into_list(self) -> Vec<RenderProblem> {
        self.list
    }
}
