//! The names of the documents a node may ask for.

use std::fmt;

use super::{GroupLabel, InvalidText, text_conversions};

/// One of the five kinds of document of a node.
///
/// The order is the order in which documents stand in a manifest line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentName {
    /// `meta-data`: who the node is.
    MetaData,
    /// `user-data`: the node's own configuration.
    UserData,
    /// `vendor-data`: what leads to the groups' configuration.
    VendorData,
    /// `network-config`: the node's interfaces.
    NetworkConfig,
    /// `<group>.yaml`: the configuration of one of the node's groups.
    Group(GroupLabel),
}

impl DocumentName {
    /// Parses a name as it stands in a manifest or in a request path, such as `meta-data` or `compute.yaml`.
    ///
    /// # Errors
    /// When the text is none of the four fixed names and not a group label followed by `.yaml`.
    pub fn parse(text: &str) -> Result<Self, InvalidText> {
        match text {
            "meta-data" => Ok(Self::MetaData),
            "user-data" => Ok(Self::UserData),
            "vendor-data" => Ok(Self::VendorData),
            "network-config" => Ok(Self::NetworkConfig),
            _ => match text.strip_suffix(".yaml") {
                Some(label) => GroupLabel::parse(label).map(Self::Group),
                None => Err(InvalidText(format!(
                    "`{}` is not a document: meta-data, user-data, vendor-data, network-config or GROUP.yaml is expected",
                    text.escape_debug()
                ))),
            },
        }
    }
}

impl fmt::Display for DocumentName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MetaData => formatter.write_str("meta-data"),
            Self::UserData => formatter.write_str("user-data"),
            Self::VendorData => formatter.write_str("vendor-data"),
            Self::NetworkConfig => formatter.write_str("network-config"),
            Self::Group(label) => write!(formatter, "{label}.yaml"),
        }
    }
}

text_conversions!(DocumentName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_survive_the_round_trip_through_text() {
        for text in ["meta-data", "user-data", "vendor-data", "network-config", "compute.yaml", "a.yaml.yaml"] {
            assert_eq!(DocumentName::parse(text).map(|name| name.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn paths_are_not_documents() {
        for text in ["", ".yaml", "../x.yaml", "a/b.yaml", "meta-data/", "passwd"] {
            assert!(DocumentName::parse(text).is_err(), "{text:?} must be refused");
        }
    }
}
