//! Many nodes at the same time, in one thread.

use std::future::Future;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::cluster::Node;

/// How long a node may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What became of some work of all nodes.
pub(crate) struct Phase<T> {
    pub(crate) wall: Duration,
    /// How long each node took that got everything, from its start, sorted.
    pub(crate) took: Vec<Duration>,
    pub(crate) results: Vec<(Node, T)>,
    pub(crate) failures: Vec<String>,
}

impl<T> Phase<T> {
    /// The time in which so many parts of a hundred of the nodes were done.
    pub(crate) fn percentile(&self, hundredths: usize) -> Duration {
        let at = (self.took.len() * hundredths).div_ceil(100).saturating_sub(1);
        self.took.get(at).copied().unwrap_or_default()
    }
}

/// Does some work for each node, for so many at a time.
pub(crate) async fn each<S: 'static, T: 'static, F: Future<Output = Result<T, String>> + 'static>(
    nodes: Vec<(Node, S)>,
    in_flight: usize,
    work: impl Fn(Node, S) -> F + Copy + 'static,
) -> Phase<T> {
    let places = Rc::new(Semaphore::new(in_flight));
    let mut tasks = JoinSet::new();
    let start = Instant::now();
    for (node, subject) in nodes {
        let places = Rc::clone(&places);
        tasks.spawn_local(async move {
            let _place = places.acquire().await.expect("nobody closes it");
            let start = Instant::now();
            let result = tokio::time::timeout(PATIENCE, work(node, subject)).await;
            let result = result.unwrap_or_else(|_| Err(format!("it was not done in {} s", PATIENCE.as_secs())));
            (node, start.elapsed(), result)
        });
    }
    let mut phase = Phase { wall: Duration::ZERO, took: vec![], results: vec![], failures: vec![] };
    while let Some(done) = tasks.join_next().await {
        match done.expect("no task panics") {
            (node, took, Ok(result)) => {
                phase.took.push(took);
                phase.results.push((node, result));
            }
            (node, _, Err(fault)) => phase.failures.push(format!("{}: {fault}", node.id())),
        }
    }
    phase.wall = start.elapsed();
    phase.took.sort_unstable();
    phase
}
