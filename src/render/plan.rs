//! The plan of a build: every node decided, every template found, before anything is rendered.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::context::{GroupValues, fill_global, group_values};
use super::engine::{Engine, META_DATA, NETWORK_CONFIG, USER_DATA, VENDOR_DATA};
use super::facts::{GroupOrder, NodeFacts};
use super::node::NodeRenderer;
use super::templates::TemplateSet;
use super::{NodeProblem, RenderProblem, TEMPLATE_RULE};
use crate::inventory::{Inventory, Selector};
use crate::settings::SiteSettings;
use crate::site::{Group, RenderMode, Site, SiteFile, UserDataKey};
use crate::types::{Digest, DocumentName, GroupLabel, NodeId, Place, Problem};

/// The first line of a template that cloud-init renders itself. Case and blanks at the end do not matter to it.
const CLIENT_TEMPLATE_HEADER: &str = "## template: jinja";

/// How a document comes about.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The text as it is: the client renders it, or there is nothing to render.
    Verbatim { path: Arc<str>, digest: Digest, body: Bytes },
    /// A template, by its path.
    Template(Arc<str>),
}

/// A file of the site, or one of the built-in templates, that a document is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    /// Its path in the site.
    pub path: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Everything that rendering needs, shared by all threads.
#[derive(Debug)]
pub struct Plan {
    facts: Vec<NodeFacts>,
    pub(super) settings: SiteSettings,
    pub(super) templates: TemplateSet,
    pub(super) group_values: BTreeMap<GroupLabel, GroupValues>,
    pub(super) group_sources: BTreeMap<GroupLabel, Source>,
    user_data: BTreeMap<UserDataKey, Source>,
    fixed: BTreeMap<&'static str, Source>,
}

impl Plan {
    /// As [`Plan::with_problems`], for those who render nothing unless everything can be.
    ///
    /// # Errors
    /// Everything that is wrong with the templates.
    pub fn new(site: &Site, inventory: &Inventory) -> Result<Self, Vec<RenderProblem>> {
        let (plan, problems) = Self::with_problems(site, inventory);
        if problems.is_empty() { Ok(plan) } else { Err(problems) }
    }

    /// Decides about every node and reads every template. What is wrong with templates (they do not parse, refer to what
    /// is not there, or contradict the settings of their groups) is told with the nodes that it hits; documents that need
    /// such a template are not rendered, and all others are.
    #[must_use]
    pub fn with_problems(site: &Site, inventory: &Inventory) -> (Self, Vec<RenderProblem>) {
        let order = GroupOrder::new(&site.settings.groups.order);
        let facts: Vec<NodeFacts> = inventory.nodes().iter().map(|node| NodeFacts::new(site, &order, node)).collect();
        let mut refused: BTreeMap<String, Vec<NodeProblem>> = BTreeMap::new();
        let mut group_sources = BTreeMap::new();
        for group in site.groups.values() {
            let Some(template) = &group.template else { continue };
            if let Some(problem) = contradiction(group, template) {
                let fault = NodeProblem { rule: TEMPLATE_RULE.into(), problem };
                refused.insert(template.path.clone(), vec![fault]);
            }
            group_sources.insert(group.label.clone(), source_of(template, group.render));
        }
        let user_data: BTreeMap<UserDataKey, Source> =
            site.user_data.iter().map(|(key, file)| (key.clone(), source_of(file, RenderMode::Auto))).collect();
        let entries = group_sources.values().chain(user_data.values()).filter_map(|source| match source {
            Source::Template(path) => Some(path.to_string()).filter(|path| !refused.contains_key(path)),
            Source::Verbatim { .. } => None,
        });
        let entries: Vec<String> = entries.collect();
        let fixed = fixed_sources(site);
        let is_rendered = |path: &str| !matches!(fixed.get(path), Some(Source::Verbatim { .. }));
        let templates = TemplateSet::new(Arc::clone(&site.files), entries, refused, is_rendered);
        let plan = Self {
            facts,
            settings: site.settings.clone(),
            templates,
            group_values: group_values(&site.groups),
            group_sources,
            user_data,
            fixed,
        };
        let problems = plan.problems();
        (plan, problems)
    }

    /// What is wrong with the templates, with the nodes that need them.
    fn problems(&self) -> Vec<RenderProblem> {
        let faults = self.templates.faults();
        let mut nodes: BTreeMap<&str, Vec<NodeId>> = faults.keys().map(|path| (path.as_str(), Vec::new())).collect();
        for facts in self.facts.iter().filter(|_| !faults.is_empty()) {
            let needed = self.entries(facts);
            let faulty = needed.iter().flat_map(|path| self.templates.faulty_needs(path));
            for path in faulty.collect::<BTreeSet<&str>>() {
                nodes.entry(path).or_default().push(facts.id().clone());
            }
        }
        let mut problems: Vec<RenderProblem> = Vec::new();
        for (path, NodeProblem { rule, problem }) in
            faults.iter().flat_map(|(path, faults)| faults.iter().map(move |fault| (path, fault)))
        {
            let nodes = nodes.get(path.as_str()).cloned().unwrap_or_default();
            // What is wrong with all of them is told once.
            match problems.iter_mut().find(|told| told.rule == *rule && told.problem == *problem) {
                Some(told) => told.nodes.extend(nodes),
                None => problems.push(RenderProblem { rule: rule.clone(), problem: problem.clone(), nodes }),
            }
        }
        for problem in &mut problems {
            problem.nodes.sort();
            problem.nodes.dedup();
        }
        problems
    }

    /// The templates of a node's documents.
    fn entries(&self, facts: &NodeFacts) -> BTreeSet<Arc<str>> {
        let groups = facts.groups.iter().filter_map(|label| self.group_sources.get(label)).cloned();
        let fixed = [META_DATA, VENDOR_DATA, NETWORK_CONFIG].map(|path| self.fixed(path));
        let sources = groups.chain(fixed).chain([self.user_data_source(facts)]);
        let path = |source: Source| match source {
            Source::Template(path) => Some(path),
            Source::Verbatim { .. } => None,
        };
        sources.filter_map(path).collect()
    }

    /// The nodes, decided, in the order of their ids.
    #[must_use]
    pub fn facts(&self) -> &[NodeFacts] {
        &self.facts
    }

    /// Whether the site has a template of its own for meta-data.
    #[must_use]
    pub fn is_own_meta_data(&self) -> bool {
        self.templates.is_overridden(META_DATA)
    }

    /// Whether a template is one of the built-in ones, which the site does not override.
    #[must_use]
    pub fn is_built_in(&self, template: Template<'_>) -> bool {
        !self.templates.is_overridden(template.path)
    }

    /// Whether a document of a node is passed on as it is: the client renders it, or there is nothing to render.
    #[must_use]
    pub fn is_verbatim(&self, facts: &NodeFacts, name: &DocumentName) -> bool {
        let source = match name {
            DocumentName::MetaData => self.fixed.get(META_DATA),
            DocumentName::UserData => self.user_data_file(facts).or_else(|| self.fixed.get(USER_DATA)),
            DocumentName::VendorData => self.fixed.get(VENDOR_DATA),
            DocumentName::NetworkConfig => self.fixed.get(NETWORK_CONFIG),
            DocumentName::Group(label) => self.group_sources.get(label),
        };
        matches!(source, Some(Source::Verbatim { .. }))
    }

    /// The keys of the user-data files that a node may have, best first, of which the first that is there counts.
    #[must_use]
    pub fn user_data_keys(&self, facts: &NodeFacts) -> Vec<UserDataKey> {
        let all = user_data_keys(facts).chain([UserDataKey::Default]);
        let mut keys: Vec<UserDataKey> = Vec::new();
        for key in all.filter(|key| self.user_data.contains_key(key)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Whether the site has a template of its own for vendor-data, so that it may lead elsewhere than to the groups.
    #[must_use]
    pub fn is_own_vendor_data(&self) -> bool {
        self.templates.is_overridden(VENDOR_DATA)
    }

    /// Whether the site has a template of its own for network-config.
    #[must_use]
    pub fn is_own_network_config(&self) -> bool {
        self.templates.is_overridden(NETWORK_CONFIG)
    }

    /// A renderer for one thread.
    ///
    /// # Errors
    /// When the template engine refuses what it has taken before.
    pub fn renderer(&self) -> Result<NodeRenderer<'_>, Problem> {
        Ok(NodeRenderer::new(self, self.engine()?))
    }

    /// The node that a person's text names best, or those among which it cannot decide.
    ///
    /// # Errors
    /// A sentence, when no node or several fit.
    pub fn select(&self, selector: &Selector) -> Result<&NodeFacts, String> {
        let ranked = self.facts.iter().filter_map(|facts| {
            let addresses: Vec<_> = facts.node.addresses().collect();
            let macs: Vec<_> = facts.node.interfaces.iter().map(|interface| interface.mac).collect();
            let rank = selector.rank(facts.id().as_str(), &facts.hostname, facts.node.nid, &addresses, &macs)?;
            Some((rank, facts))
        });
        selector.choose(ranked, NodeFacts::id)
    }

    fn engine(&self) -> Result<Engine, Problem> {
        let mut engine = self.templates.engine()?;
        fill_global(engine.global_context(), &self.settings.cluster);
        Ok(engine)
    }

    /// The user-data of a node: by its id, by one of its MAC addresses, the default, the built-in one.
    pub(super) fn user_data_source(&self, facts: &NodeFacts) -> Source {
        self.user_data_file(facts).cloned().unwrap_or_else(|| self.fixed(USER_DATA))
    }

    fn user_data_file(&self, facts: &NodeFacts) -> Option<&Source> {
        let own = user_data_keys(facts).find_map(|key| self.user_data.get(&key));
        own.or_else(|| self.user_data.get(&UserDataKey::Default))
    }

    /// What a document of a node is made of. `None` for a group without a template.
    #[must_use]
    pub fn template_of(&self, facts: &NodeFacts, name: &DocumentName) -> Option<Template<'_>> {
        let (source, built_in) = match name {
            DocumentName::MetaData => (self.fixed.get(META_DATA), META_DATA),
            DocumentName::UserData => (self.user_data_file(facts).or_else(|| self.fixed.get(USER_DATA)), USER_DATA),
            DocumentName::VendorData => (self.fixed.get(VENDOR_DATA), VENDOR_DATA),
            DocumentName::NetworkConfig => (self.fixed.get(NETWORK_CONFIG), NETWORK_CONFIG),
            DocumentName::Group(label) => (Some(self.group_sources.get(label)?), ""),
        };
        let path = match source {
            None => built_in,
            Some(Source::Template(path)) => path,
            Some(Source::Verbatim { path, body, .. }) => {
                return Some(Template { path, text: std::str::from_utf8(body).ok()? });
            }
        };
        Some(Template { path, text: self.templates.text(path)? })
    }

    /// The keys of user-data files that no node of the inventory uses.
    #[must_use]
    pub fn unused_user_data(&self) -> Vec<UserDataKey> {
        let known: HashSet<UserDataKey> = self.facts.iter().flat_map(user_data_keys).collect();
        let is_used = |key: &UserDataKey| *key == UserDataKey::Default || known.contains(key);
        self.user_data.keys().filter(|key| !is_used(key)).cloned().collect()
    }

    /// Files in `templates/` that no document needs.
    #[must_use]
    pub fn unused_templates(&self) -> &[String] {
        self.templates.unused()
    }

    /// How the fixed document of this template comes about.
    pub(super) fn fixed(&self, path: &'static str) -> Source {
        self.fixed.get(path).cloned().unwrap_or_else(|| Source::Template(path.into()))
    }
}

/// The keys under which a node's own user-data may lie, in the order in which they are tried.
fn user_data_keys(facts: &NodeFacts) -> impl Iterator<Item = UserDataKey> {
    let by_mac = facts.node.interfaces.iter().map(|interface| UserDataKey::Mac(interface.mac));
    std::iter::once(UserDataKey::of_node(facts.id())).chain(by_mac)
}

/// What the settings of a group say against its template, if they do.
fn contradiction(group: &Group, template: &SiteFile) -> Option<Problem> {
    if group.render != RenderMode::Server || !is_for_the_client(&template.text) {
        return None;
    }
    let message = format!(
        "the first line leaves this template to the client, and group.yaml says render: server ({})",
        group.label
    );
    let problem = Problem::at(Place::at(template.path.clone(), 1, 1), message);
    Some(problem.with_hint("remove the line `## template: jinja`, or say render: auto"))
}

fn source_of(file: &SiteFile, mode: RenderMode) -> Source {
    let has_tags = ["{{", "{%", "{#"].iter().any(|tag| file.text.contains(tag));
    let rendered = match mode {
        RenderMode::Client => false,
        RenderMode::Server => true,
        RenderMode::Auto => has_tags && !is_for_the_client(&file.text),
    };
    if rendered { Source::Template(file.path.as_str().into()) } else { as_it_is(&file.path, &file.text) }
}

/// How the four fixed documents come about: by the built-in templates or the site's own, or, when such a one belongs to
/// the client, as they are.
fn fixed_sources(site: &Site) -> BTreeMap<&'static str, Source> {
    let source = |path: &'static str| {
        let text = site.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok());
        match text.filter(|text| is_for_the_client(text)) {
            Some(text) => as_it_is(path, text),
            None => Source::Template(path.into()),
        }
    };
    [META_DATA, USER_DATA, VENDOR_DATA, NETWORK_CONFIG].map(|path| (path, source(path))).into()
}

fn as_it_is(path: &str, text: &str) -> Source {
    let body = Bytes::from(text.to_owned());
    Source::Verbatim { path: path.into(), digest: Digest::of(&body), body }
}

fn is_for_the_client(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.trim_end().to_ascii_lowercase().starts_with(CLIENT_TEMPLATE_HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::parse_inventory;
    use crate::site::FolderReader;

    fn plan(files: &[(&str, &str)], nodes: &str) -> Plan {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [("mds.toml", "[cluster]\nbase_url = \"http://10.0.0.1\"\n")].iter().chain(files) {
            let full = folder.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
        }
        let site = Site::read(&FolderReader::new(folder.path()).unwrap()).unwrap();
        let text = format!("{{\"format\": 1, \"nodes\": [{nodes}]}}");
        Plan::new(&site, &parse_inventory("inventory.json", text.as_bytes()).unwrap()).unwrap()
    }

    fn document(plan: &Plan, id: &str, name: &DocumentName) -> String {
        let index = plan.facts().iter().position(|facts| facts.id().as_str() == id).unwrap();
        let node = plan.renderer().unwrap().render(index).unwrap();
        let (_, _, body) = node.documents.iter().find(|(other, _, _)| other == name).unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn user_data_goes_to_the_node_it_names_and_no_other() {
        let files = [
            ("user-data/rack:1.yaml", "colon"),
            ("user-data/rack-2.yaml", "dash"),
            ("user-data/B4-2E-99-BE-1A-6D.yaml", "mac"),
            ("user-data/default.yaml", "default"),
            ("user-data/gone.yaml", "unused"),
        ];
        let nodes = r#"{"id": "rack:1"}, {"id": "rack-1"}, {"id": "rack:2"}, {"id": "rack-2"},
            {"id": "m", "interfaces": [{"mac": "b4:2e:99:be:1a:6d"}]}"#;
        let plan = plan(&files, nodes);
        let expected =
            [("rack:1", "colon"), ("rack-1", "default"), ("rack:2", "default"), ("rack-2", "dash"), ("m", "mac")];
        for (id, text) in expected {
            assert_eq!(document(&plan, id, &DocumentName::UserData), text, "{id}");
        }
        assert_eq!(plan.unused_user_data(), [UserDataKey::parse("gone").unwrap()]);
    }

    #[test]
    fn a_fixed_template_for_the_client_is_passed_on_as_it_is() {
        let text = "## template: jinja\n#cloud-config\n{# note #}{% raw %}{{ a }}{% endraw %}\n\
                    {%- if ds is defined %}\nhostname: {{ v1.local_hostname | default('x') }}\n{% endif %}\n";
        let files = ["meta-data", "user-data", "vendor-data"].map(|name| (format!("templates/{name}"), text));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let plan = plan(&files, r#"{"id": "a"}"#);
        for name in [DocumentName::MetaData, DocumentName::UserData, DocumentName::VendorData] {
            assert_eq!(document(&plan, "a", &name), text, "{name}");
        }
    }
}
