//! The shape of cloud-config: a document against the schema of cloud-init's modules.
//!
//! The schema is ours (`schemas/cloud-config.schema.json`) or the one of an installed cloud-init. Verdicts are those of
//! the command `cloud-init schema`; the sentences are ours and never show a value, which may be a password.

mod choice;
mod deprecations;
mod faults;
mod normal;
mod path;
mod rule;
mod words;

use std::sync::{Arc, OnceLock};

use jsonschema::{Draft, Validator};
use serde_json::Value;

pub use path::Step;
pub(super) use rule::conforms;

use crate::site::Site;
use crate::types::{Place, Problem};
use deprecations::Guide;
use path::Names;

/// Our schema of cloud-config.
const BUILT_IN: &str = include_str!("../../../schemas/cloud-config.schema.json");

/// Where our schema lies, as problems with it would name it.
const BUILT_IN_NAME: &str = "schemas/cloud-config.schema.json";

/// Something in a document that the schema does not have, or has no more.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where in the document. The last step is the key itself where that is unknown or deprecated; a missing key is
    /// said of the mapping that lacks it.
    pub path: Vec<Step>,
    /// Whether it is wrong or only old.
    pub kind: ViolationKind,
    /// What is wrong: a sentence without a final full stop, which names the path and never the value. A key that is
    /// no plain word and not in the schema is shown as `…`.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a violation amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ViolationKind {
    /// `cloud-init schema` calls the document invalid.
    Wrong,
    /// cloud-init still takes it, and says that it will not for ever.
    Deprecated,
}

/// A schema of cloud-config, ready for use. Making one takes milliseconds, using it microseconds.
#[derive(Debug)]
pub struct CloudConfigSchema {
    /// What is left of the schema for validation, without references.
    normal: Value,
    /// The same, compiled.
    validator: Validator,
    /// What of it leads to something deprecated.
    guide: Option<Guide>,
    /// The names in it.
    names: Names,
}

impl Violation {
    /// Its path as a JSON pointer, such as `/users/0/name`.
    #[must_use]
    pub fn pointer(&self) -> String {
        path::pointer(&self.path)
    }
}

impl ViolationKind {
    /// The rule that it breaks.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Wrong => "cloud-config-schema",
            Self::Deprecated => "cloud-config-deprecated",
        }
    }
}

impl CloudConfigSchema {
    /// Our schema, of cloud-init 25.1.
    ///
    /// # Errors
    /// Never in a released mds: a test reads the schema.
    pub fn built_in() -> Result<Arc<Self>, Problem> {
        static SCHEMA: OnceLock<Result<Arc<CloudConfigSchema>, Problem>> = OnceLock::new();
        SCHEMA.get_or_init(|| Self::parse(BUILT_IN_NAME, BUILT_IN).map(Arc::new)).clone()
    }

    /// The schema of a site: the file that it names, or ours.
    ///
    /// # Errors
    /// When the file is no schema.
    pub fn of_site(site: &Site) -> Result<Arc<Self>, Problem> {
        match &site.cloud_config_schema {
            Some(file) => Self::parse(&file.path, &file.text).map(Arc::new),
            None => Self::built_in(),
        }
    }

    /// Reads a schema: ours, or the one of an installed cloud-init, its `schema-cloud-config-v1.json`. `name` is how
    /// problems call the file.
    ///
    /// What cloud-init's validator does with it is done here too: the keywords are those of draft 4, any other is passed
    /// over, those beside a reference count, and of the formats only dates are checked.
    ///
    /// # Errors
    /// When it is no JSON, or no schema: the problem says where.
    pub fn parse(name: &str, text: &str) -> Result<Self, Problem> {
        let json: Value = serde_json::from_str(text).map_err(|error| {
            let place = Place::at(name, error.line(), error.column());
            Problem::at(place, "this is not JSON, so no schema of cloud-config can be read from it")
        })?;
        let unusable = |message: String| {
            let hint = "take schema-cloud-config-v1.json of the cloud-init that the nodes have";
            Problem::at(Place::file(name), message).with_hint(hint)
        };
        let normal = normal::normal(&json).map_err(unusable)?;
        let validator = validator(&normal).map_err(unusable)?;
        let guide = Guide::of(&normal).map_err(unusable)?;
        let names = Names::of(&normal);
        Ok(Self { normal, validator, guide, names })
    }

    /// Whether `cloud-init schema` would call a document valid, which deprecations do not hinder.
    #[must_use]
    pub fn accepts(&self, document: &Value) -> bool {
        self.validator.is_valid(document)
    }

    /// What a document does against the schema, by kind and place.
    ///
    /// An empty document, which is null, is wrong by it, as `cloud-init schema` says too. At boot it does nothing.
    #[must_use]
    pub fn violations(&self, document: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        if !self.accepts(document) {
            let errors: Vec<_> = self.validator.iter_errors(document).collect();
            let faults = faults::of_errors(&errors, &self.normal);
            found.extend(faults.into_iter().map(|fault| words::violation(fault, document, &self.names)));
        }
        if let Some(guide) = &self.guide {
            guide.walk(document, &self.names, &mut found);
        }
        // Two modules may describe the same key, and both then say the same of it.
        found.sort();
        found.dedup();
        found
    }
}

/// Compiles a schema that is free of references.
fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::options()
        .with_draft(Draft::Draft4)
        .should_validate_formats(true)
        .offline()
        .build(schema)
        .map_err(|error| format!("`{}` in it is nothing that a schema may have there", error.instance_path()))
}

#[cfg(test)]
mod tests;
