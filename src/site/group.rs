//! Groups: a folder each, with `group.yaml`, `cloud-config.yaml` and whatever the template includes.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::model::SiteFile;
use crate::settings::Requirement;
use crate::types::GroupLabel;

/// The name of a group's description file.
pub(super) const DESCRIPTION_FILE: &str = "group.yaml";
/// The name of a group's template.
pub(super) const TEMPLATE_FILE: &str = "cloud-config.yaml";

/// A group of the site.
#[derive(Clone, Debug)]
pub struct Group {
    /// The label, which is the folder's name.
    pub label: GroupLabel,
    /// What people call it.
    pub description: String,
    /// Values for templates and for meta-data: any JSON.
    pub meta: Map<String, Value>,
    /// Who renders the template.
    pub render: RenderMode,
    /// How the group's document may be fetched; in any way without it.
    pub require: Option<Requirement>,
    /// The template; a group without one shows in meta-data only.
    pub template: Option<SiteFile>,
}

/// Who renders a group's template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RenderMode {
    /// The client when the first line says `## template: jinja`, else mds.
    #[default]
    Auto,
    /// mds.
    Server,
    /// The client, or nobody: the text is passed on as it is.
    Client,
}

/// `group.yaml` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct GroupFile {
    pub(super) description: String,
    pub(super) meta: Map<String, Value>,
    pub(super) render: RenderMode,
    pub(super) require: Option<Requirement>,
}

impl GroupFile {
    pub(super) fn into_group(self, label: GroupLabel, template: Option<SiteFile>) -> Group {
        let Self { description, meta, render, require } = self;
        Group { label, description, meta, render, require, template }
    }
}
