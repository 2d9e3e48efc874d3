//! The action for GitHub, and the workflow of a new site that uses it: their metadata, and their scripts with a made-up
//! GitHub around them.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "action/metadata.rs"]
mod metadata;
#[path = "action/scripts.rs"]
mod scripts;

mod cli_support;
mod git_support;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Where the action is.
fn action_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/actions/check")
}

/// A file of YAML.
fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What the action says about itself.
fn action() -> Value {
    yaml(&action_folder().join("action.yml"))
}
