//! Telling a person how far a build is.

/// A part of a build that may take a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A repository is being cloned or fetched.
    Fetching,
    /// The inventory is being pulled from SMD.
    Pulling,
    /// Site and inventory are being read and checked.
    Reading,
    /// Documents are being rendered, for this many nodes.
    Rendering {
        /// How many nodes there are.
        nodes: usize,
    },
    /// The release is being put in place.
    Publishing,
}

/// Hears how far a build is. Called on the thread that builds.
pub trait Observer {
    /// A phase begins.
    fn begin(&mut self, phase: Phase);
    /// One more node is rendered.
    fn node_done(&mut self);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn begin(&mut self, _: Phase) {}
    fn node_done(&mut self) {}
}
