//! How large a document may be.

use super::document::Document;
use super::remark::Remark;
use super::rulebook::Rulebook;

/// The rule that documents stay within the size that the site sets.
const RULE: &str = "document-size";

/// Says that a document is larger than the site wants it.
pub(super) fn too_large(rulebook: &Rulebook, document: &Document) -> Vec<Remark> {
    let (size, most) = (document.text.len(), rulebook.settings.max_document_bytes);
    if size <= most {
        return Vec::new();
    }
    let message = format!("the document is larger than {most} bytes");
    let hint = "let the node fetch what is large from elsewhere, or raise [check] max_document_bytes in mds.toml";
    vec![Remark::new(RULE, message).with_hint(hint)]
}
