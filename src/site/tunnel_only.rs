//! Which documents a site lets nodes fetch through a tunnel only.

use std::collections::BTreeSet;

use super::{Group, Site};
use crate::settings::{Delivery, FILE_NAME, Requirement};
use crate::types::{DocumentName, GroupLabel, Place};

impl Site {
    /// The documents that are served through a tunnel only: those that are marked, and vendor-data as well where it
    /// carries the document of a group that is.
    #[must_use]
    pub fn tunnel_only(&self) -> BTreeSet<DocumentName> {
        let documents = self.settings.documents.iter().filter(|(_, settings)| settings.require.is_some());
        let mut only: BTreeSet<DocumentName> = documents.map(|(name, _)| name.clone()).collect();
        let groups: Vec<&GroupLabel> =
            self.groups.values().filter(|group| is_marked(group)).map(|group| &group.label).collect();
        if !groups.is_empty() && self.settings.vendor_data.delivery == Delivery::Inline {
            only.insert(DocumentName::VendorData);
        }
        only.extend(groups.into_iter().cloned().map(DocumentName::Group));
        only
    }

    /// Whether the settings mark a document of every node.
    #[must_use]
    pub fn is_document_marked(&self, document: &DocumentName) -> bool {
        self.settings.documents.get(document).is_some_and(|document| document.require == Some(Requirement::Wireguard))
    }

    /// Where the site says that a document is for tunnels only.
    #[must_use]
    pub fn place_of_requirement(&self, document: &DocumentName) -> Place {
        match document {
            DocumentName::Group(label) => self.place_of(&format!("groups/{label}/group.yaml"), &["require"]),
            // vendor-data may have its mark from the groups that it carries.
            other if self.is_document_marked(other) => {
                self.place_of(FILE_NAME, &["documents", &other.to_string(), "require"])
            }
            _ => self.place_of(FILE_NAME, &["vendor_data", "delivery"]),
        }
    }
}

/// A group without a template has no document that could be fetched.
fn is_marked(group: &Group) -> bool {
    group.require == Some(Requirement::Wireguard) && group.template.is_some()
}

#[cfg(test)]
mod tests {
    use super::super::FolderReader;
    use super::*;

    fn site(settings: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let files = [
            ("mds.toml", settings),
            ("groups/keys/group.yaml", "description: x\nrequire: wireguard\n"),
            ("groups/keys/cloud-config.yaml", "#cloud-config\n"),
            ("groups/open/cloud-config.yaml", "#cloud-config\n"),
            ("groups/bare/group.yaml", "require: wireguard\n"),
        ];
        for (path, text) in files {
            let full = folder.path().join(path);
            std::fs::create_dir_all(full.parent().unwrap()).unwrap();
            std::fs::write(full, text).unwrap();
        }
        Site::read(&FolderReader::new(folder.path()).unwrap()).unwrap()
    }

    fn names(site: &Site) -> Vec<String> {
        site.tunnel_only().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn marked_documents_are_for_tunnels_only_and_so_is_what_carries_them() {
        assert_eq!(names(&site("")), ["keys.yaml"]);
        assert_eq!(names(&site("[vendor_data]\ndelivery = \"inline\"\n")), ["vendor-data", "keys.yaml"]);
        assert_eq!(names(&site("[documents.user-data]\nrequire = \"wireguard\"\n")), ["user-data", "keys.yaml"]);
    }

    #[test]
    fn the_place_of_a_mark_is_found() {
        let site = site("[documents.user-data]\nrequire = \"wireguard\"\n");
        let place = |name: &str| site.place_of_requirement(&DocumentName::parse(name).unwrap()).to_string();
        assert_eq!(place("keys.yaml"), "groups/keys/group.yaml:2:1");
        assert_eq!(place("user-data"), "mds.toml:2:1");
    }
}
