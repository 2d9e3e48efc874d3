//! Rendering: from a site and an inventory to the finished documents of every node.
//!
//! [`Plan`] decides what each node is ([`NodeFacts`]) and which templates take part; [`NodeRenderer`] makes one node's
//! documents; [`render_all`] does so for all nodes on every core, in the order of their ids. Equal inputs give equal
//! bytes: maps keep a fixed order, and templates see no clock, no random numbers and no file outside the site.

mod bounds;
mod context;
mod engine;
mod facts;
mod functions;
mod network_config;
mod node;
mod origins;
mod parallel;
mod plan;
mod references;
mod templates;
mod uses;
mod value;
mod vendor_data;
mod yaml;

pub use context::NODE_NAMES;
pub use engine::DOCUMENT_TEMPLATES;
pub(crate) use engine::{NETWORK_CONFIG, VENDOR_DATA};
pub use facts::{GroupOrder, NodeFacts};
pub use node::{NodeRenderer, RenderedNode};
pub use origins::{NamedValue, Origin, Origins, Source};
pub use parallel::{Inspector, Rendered, Stopped, render_all, render_each, render_some};
pub use plan::{Plan, Template};
pub(crate) use references::end_of_tag;
pub use uses::NameUse;

use std::borrow::Cow;

use crate::types::{NodeId, Problem};

/// A problem of documents, with every node it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderProblem {
    /// The rule that is broken.
    pub rule: Cow<'static, str>,
    /// What is wrong, and where.
    pub problem: Problem,
    /// The nodes whose document it hits, in the order of their ids. Empty when it stops all rendering.
    pub nodes: Vec<NodeId>,
}

/// A problem of one node's document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeProblem {
    /// The rule that is broken.
    pub rule: Cow<'static, str>,
    /// What is wrong, and where.
    pub problem: Problem,
}

/// What an inspector has to say of one node's documents.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// What stops them.
    pub problems: Vec<NodeProblem>,
    /// What does not: whoever renders decides what comes of it.
    pub remarks: Vec<NodeProblem>,
}

/// The rule that templates parse, find every name, and keep within their bounds.
pub const TEMPLATE_RULE: &str = "template";
/// The rule that templates do not include or extend one another without end.
pub const INCLUDE_CYCLE_RULE: &str = "include-cycle";
/// The rule that network-config configures the interface that the node boots from.
pub const BOOT_INTERFACE_RULE: &str = "boot-interface";

#[cfg(test)]
pub(crate) mod fixture {
    //! Sites made of texts, for the tests of this room and those after it.

    use crate::site::{FolderReader, Site};

    /// Reads a site of these files; `mds.toml` may be left out.
    pub(crate) fn site(files: &[(&str, &str)]) -> Site {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mds.toml"), "").unwrap();
        for (path, text) in files {
            let full = folder.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
        }
        Site::read(&FolderReader::new(folder.path()).unwrap()).unwrap()
    }
}
