//! What a site asks of whoever fetches a document.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::types::DocumentName;

/// How a document may be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// Through a WireGuard tunnel only.
    Wireguard,
}

/// One `[documents.<name>]` table, of user-data, vendor-data, network-config or meta-data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentSettings {
    /// How the document may be fetched; in any way without it.
    pub require: Option<Requirement>,
}

/// What is wrong with the tables, one sentence each: what is to hold for a group's document stands with the group.
pub(super) fn faults(documents: &BTreeMap<DocumentName, DocumentSettings>) -> Vec<String> {
    let of_group = |name: &DocumentName| match name {
        DocumentName::Group(label) => Some(format!(
            "[documents.\"{name}\"] is about a group's document; say `require: wireguard` in \
             groups/{label}/group.yaml instead"
        )),
        _ => None,
    };
    documents.keys().filter_map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use super::super::parse_settings;
    use super::*;

    fn refused(text: &str) -> String {
        parse_settings("mds.toml", text).unwrap_err().to_string()
    }

    #[test]
    fn a_document_may_be_for_tunnels_only() {
        let settings = parse_settings("mds.toml", "[documents.user-data]\nrequire = \"wireguard\"\n").unwrap();
        assert_eq!(settings.documents[&DocumentName::UserData].require, Some(Requirement::Wireguard));
    }

    #[test]
    fn other_documents_and_other_words_are_refused_with_their_place() {
        let text = refused("[documents.\"compute.yaml\"]\nrequire = \"wireguard\"\n");
        assert!(text.contains("groups/compute/group.yaml"), "{text}");
        let text = refused("[documents.userdata]\nrequire = \"wireguard\"\n");
        assert!(text.contains("mds.toml:1:") && text.contains("is not a document"), "{text}");
        let text = refused("[documents.user-data]\nrequire = \"tls\"\n");
        assert!(text.contains("mds.toml:2:") && text.contains("wireguard"), "{text}");
        let text = refused("[documents.user-data]\nrequires = \"wireguard\"\n");
        assert!(text.contains("did you mean `require`"), "{text}");
    }
}
