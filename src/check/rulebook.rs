//! What a site says about how its documents are checked, read once for all of them.

use super::document::Document;
use super::remark::Remark;
use super::{header, merging, size, yaml};
use crate::settings::CheckSettings;
use crate::site::Site;

/// Looks at one document of one node. It has been read if cloud-init can read it.
type DocumentRule = fn(&Rulebook, &Document) -> Vec<Remark>;

/// Everything that is run on a document that cloud-init can read.
const DOCUMENT_RULES: [DocumentRule; 2] = [size::too_large, merging::how_is_understood];

/// How documents are checked.
#[derive(Debug)]
pub struct Rulebook {
    /// `[check]`
    pub(super) settings: CheckSettings,
    /// What is known of documents that are merged.
    pub(super) merging: merging::Known,
}

impl Rulebook {
    /// Reads what a site says about its documents.
    #[must_use]
    pub fn new(site: &Site) -> Self {
        Self { settings: site.settings.check.clone(), merging: merging::Known::default() }
    }

    /// Everything there is to say about a document, which is read on the way. With `is_fine`, its YAML is known to be
    /// fine already.
    pub(super) fn remarks(&self, document: &mut Document, is_fine: bool) -> Vec<Remark> {
        if document.text.starts_with('\u{feff}') {
            let message =
                "the document begins with a byte order mark, so cloud-init does not see what it is and ignores it";
            return vec![Remark::new(yaml::SYNTAX, message).with_hint("save the file as UTF-8 without BOM")];
        }
        let mut remarks = match document.is_yaml() {
            true if is_fine => Vec::new(),
            true => yaml::remarks(&document.text),
            false => header::unknown_header(&document.text).into_iter().collect(),
        };
        if !remarks.iter().any(|remark| [yaml::SYNTAX, yaml::ALIASES].contains(&remark.rule)) {
            document.read();
            remarks.extend(DOCUMENT_RULES.iter().flat_map(|rule| rule(self, document)));
        }
        remarks
    }
}
