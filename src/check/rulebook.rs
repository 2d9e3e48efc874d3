//! What a site says about how its documents are checked, read once for all of them.

use std::sync::Arc;

use super::catalogue::AnyRule;
use super::cloud_config::{self, CloudConfigSchema};
use super::document::Document;
use super::finding::Finding;
use super::network_config::{self, Owners};
use super::remark::Remark;
use super::site_rules::SiteRules;
use super::{header, merging, secrets, size, yaml};
use crate::render::{NodeFacts, RenderProblem};
use crate::settings::{CheckSettings, Duplicate, Level, RenderSettings};
use crate::site::Site;
use crate::types::Problems;

/// Looks at one document of one node. It has been read if cloud-init can read it.
type DocumentRule = fn(&Rulebook, &Document) -> Vec<Remark>;

/// Everything that is run on a document that cloud-init can read.
const DOCUMENT_RULES: &[DocumentRule] = &[
    size::too_large,
    merging::how_is_understood,
    secrets::in_document,
    cloud_config::conforms,
    network_config::of_document,
];

/// How documents are checked.
#[derive(Debug)]
pub struct Rulebook {
    /// `[check]`
    pub(super) settings: CheckSettings,
    /// `[render]`
    pub(super) render: RenderSettings,
    /// Whether meta-data is made of a template of the site's own.
    pub(super) has_own_meta_data: bool,
    /// `rules/`
    pub(super) site_rules: SiteRules,
    /// The schema of cloud-config, if it can be read.
    pub(super) schema: Option<Arc<CloudConfigSchema>>,
    /// Whether the site lets several nodes have one address.
    pub(super) may_share_addresses: bool,
    /// The path prefixes below which the server has everything as well, such as `/cloud-init`.
    pub(super) prefixes: Vec<String>,
    /// Who has which address.
    pub(super) owners: Owners,
    /// What is known of documents that are merged.
    pub(super) merging: merging::Known,
}

impl Rulebook {
    /// Reads what a site says about its documents. Of what cannot be read the problems tell; documents are then checked
    /// by the rest.
    #[must_use]
    pub fn new(site: &Site) -> (Self, Problems) {
        let mut problems = Vec::new();
        let schema = CloudConfigSchema::of_site(site).map_err(|problem| problems.push(problem)).ok();
        let rulebook = Self {
            settings: site.settings.check.clone(),
            render: site.settings.render.clone(),
            has_own_meta_data: site.files.contains_key("templates/meta-data"),
            site_rules: SiteRules::read(site),
            schema,
            may_share_addresses: site.settings.inventory.allow_duplicate.contains(&Duplicate::Address),
            prefixes: site.settings.serve_prefixes(),
            owners: Owners::default(),
            merging: merging::Known::default(),
        };
        (rulebook, Problems(problems))
    }

    /// What can be said only when the documents of all nodes have been looked at.
    #[must_use]
    pub fn findings_of_all(&self) -> Vec<Finding> {
        self.owners.shared()
    }

    /// What is wrong with what the site says about its documents.
    #[must_use]
    pub fn findings(&self, facts: &[NodeFacts]) -> Vec<Finding> {
        self.site_rules.findings(facts)
    }

    /// The site's own rules, but for those that it has turned off.
    #[must_use]
    pub fn site_rules(&self) -> Vec<AnyRule<'_>> {
        let is_off = |rule: &AnyRule<'_>| self.settings.severity.get(rule.id) == Some(&Level::Off);
        self.site_rules.described().into_iter().filter(|rule| !is_off(rule)).collect()
    }

    /// A problem of documents as a finding, with the severity that its rule has.
    #[must_use]
    pub fn finding(&self, found: RenderProblem) -> Finding {
        let finding = Finding::from(found);
        let severity = self.site_rules.severity(&finding.rule).unwrap_or(finding.severity);
        Finding { severity, ..finding }
    }

    /// Everything there is to say about a document, which is read on the way. With `is_fine`, its YAML is known to be
    /// fine already.
    pub(super) fn remarks(&self, document: &mut Document, is_fine: bool) -> Vec<Remark> {
        if document.text.starts_with('\u{feff}') {
            let message =
                "the document begins with a byte order mark, so cloud-init does not see what it is and ignores it";
            return vec![Remark::new(yaml::SYNTAX, message).with_hint("save the file as UTF-8 without BOM")];
        }
        let remarks = match document.is_yaml() {
            true if is_fine => Vec::new(),
            true => yaml::remarks(&document.text),
            false => header::unknown_header(&document.text).into_iter().collect(),
        };
        self.with_document_rules(document, remarks)
    }

    /// As [`Rulebook::remarks`], about what the client has rendered.
    pub(super) fn remarks_on_rendered(&self, document: &mut Document, is_fine: bool) -> Vec<Remark> {
        let remarks = if document.is_yaml() && !is_fine { yaml::remarks(&document.text) } else { Vec::new() };
        self.with_document_rules(document, remarks)
    }

    fn with_document_rules(&self, document: &mut Document, mut remarks: Vec<Remark>) -> Vec<Remark> {
        if !remarks.iter().any(|remark| yaml::is_unreadable(&remark.rule)) {
            document.read();
            remarks.extend(DOCUMENT_RULES.iter().flat_map(|rule| rule(self, document)));
        }
        remarks
    }
}
