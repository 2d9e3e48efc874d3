//! The kinds of files that have a schema, each with its schema and its parser.

use std::collections::BTreeMap;
use std::fs;
use std::sync::LazyLock;

use jsonschema::Validator;
use mds::check::Rulebook;
use mds::inventory::parse_inventory;
use mds::release::Manifest;
use mds::site::{FolderReader, Site};
use mds::types::Problems;
use serde_json::Value;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Settings,
    Group,
    Node,
    Inventory,
    ManifestLine,
    Release,
    Report,
    SiteRule,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Settings,
        Self::Group,
        Self::Node,
        Self::Inventory,
        Self::ManifestLine,
        Self::Release,
        Self::Report,
        Self::SiteRule,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Settings => "mds",
            Self::Group => "group",
            Self::Node => "node",
            Self::Inventory => "inventory",
            Self::ManifestLine => "manifest",
            Self::Release => "release",
            Self::Report => "report",
            Self::SiteRule => "site-rule",
        }
    }

    /// What the schema gets to see of a text.
    pub(crate) fn to_json(self, text: &str) -> Value {
        match self {
            Self::Settings => with_dates_as_texts(toml::from_str(text).unwrap()),
            Self::Group | Self::Node | Self::SiteRule => serde_yaml::from_str(text).unwrap(),
            Self::Inventory | Self::ManifestLine | Self::Release | Self::Report => serde_json::from_str(text).unwrap(),
        }
    }

    /// What mds says to a text.
    pub(crate) fn parse(self, text: &str) -> Result<(), String> {
        match self {
            Self::Settings => read_site(&[("mds.toml", text)]).map(drop).map_err(|problems| problems.to_string()),
            Self::Group => read_site(&[("mds.toml", ""), ("groups/g/group.yaml", text)])
                .map(drop)
                .map_err(|problems| problems.to_string()),
            Self::Node => read_site(&[("mds.toml", ""), ("nodes/n.yaml", text)])
                .map(drop)
                .map_err(|problems| problems.to_string()),
            Self::Inventory => {
                parse_inventory("inventory.json", text.as_bytes()).map(drop).map_err(|problems| problems.to_string())
            }
            Self::ManifestLine => {
                let header = r#"{"format":1,"nodes":1,"documents":0}"#;
                let whole = if text.contains("\"format\"") { text.to_owned() } else { format!("{header}\n{text}\n") };
                Manifest::from_bytes(whole.as_bytes()).map(drop).map_err(|error| error.to_string())
            }
            Self::SiteRule => {
                let site = read_site(&[("mds.toml", ""), ("rules/r.yaml", text)]).unwrap();
                let findings = Rulebook::new(&site).0.findings(&[]);
                let broken = findings.iter().find(|finding| finding.rule == "site-rule");
                broken.map_or(Ok(()), |finding| Err(finding.problem.to_string()))
            }
            Self::Release => unreachable!("records are read by the store only"),
            Self::Report => unreachable!("reports are written only"),
        }
    }
}

/// Dates of TOML have no counterpart in JSON: schemas see them as texts, as editors do.
fn with_dates_as_texts(value: Value) -> Value {
    match value {
        Value::Object(map) => match map.get("$__toml_private_datetime") {
            Some(date) => date.clone(),
            None => map.into_iter().map(|(key, value)| (key, with_dates_as_texts(value))).collect(),
        },
        Value::Array(items) => items.into_iter().map(with_dates_as_texts).collect(),
        other => other,
    }
}

/// Reads a site of these files.
pub(crate) fn read_site(files: &[(&str, &str)]) -> Result<Site, Problems> {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    Site::read(&FolderReader::new(folder.path()).unwrap())
}

static SCHEMAS: LazyLock<BTreeMap<Kind, (Value, Validator)>> = LazyLock::new(|| {
    let load = |kind: Kind| {
        let path = super::repository().join(format!("schemas/{}.schema.json", kind.name()));
        let schema: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        (kind, (schema, validator))
    };
    Kind::ALL.into_iter().map(load).collect()
});

/// The schema of a kind.
pub(crate) fn schema(kind: Kind) -> &'static Value {
    &SCHEMAS[&kind].0
}

/// What is wrong with a value by its schema.
pub(crate) fn errors(kind: Kind, value: &Value) -> Vec<String> {
    let (_, validator) = &SCHEMAS[&kind];
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}
