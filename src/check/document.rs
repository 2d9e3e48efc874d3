//! One document of a node, as cloud-init has it before it.

use super::header;
use super::yaml::{self, Tree};
use crate::types::DocumentName;

/// What cloud-init takes a document for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentKind {
    /// meta-data: YAML.
    MetaData,
    /// network-config: YAML.
    NetworkConfig,
    /// cloud-config: YAML, after its header.
    CloudConfig,
    /// A script, a list of URLs, a message of several parts, and whatever else is not read as YAML.
    Other,
}

/// A document that can be read as text.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// Its name.
    pub(super) name: DocumentName,
    /// Its text.
    pub(super) text: String,
    /// What cloud-init takes it for.
    pub(super) kind: DocumentKind,
    /// What it says, if it is YAML that cloud-init can read. An empty document says nothing.
    pub(super) tree: Option<Tree>,
}

impl Document {
    /// Looks at the first letters of a text. What it says is not read yet.
    pub(super) fn new(name: DocumentName, text: String) -> Self {
        let kind = match &name {
            DocumentName::MetaData => DocumentKind::MetaData,
            DocumentName::NetworkConfig => DocumentKind::NetworkConfig,
            _ if header::is_cloud_config(&text) => DocumentKind::CloudConfig,
            _ => DocumentKind::Other,
        };
        Self { name, text, kind, tree: None }
    }

    /// Whether cloud-init reads it as YAML.
    pub(super) fn is_yaml(&self) -> bool {
        self.kind != DocumentKind::Other
    }

    /// Reads what it says.
    pub(super) fn read(&mut self) {
        if self.is_yaml() {
            self.tree = yaml::load(&self.text);
        }
    }
}
