//! `mds init`: a new site.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use mds::site::scaffold;
use serde_json::json;

use super::error::CliError;
use super::output::Output;

/// Make a new site that teaches by its comments
///
/// Nothing is overwritten: a folder that holds one of the files already is refused.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds init my-cluster && cd my-cluster && git init && mds serve --site .")]
pub(crate) struct InitArguments {
    /// The folder of the new site
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(arguments: &InitArguments, output: &Output) -> Result<ExitCode, CliError> {
    let written = scaffold(&arguments.folder, env!("CARGO_PKG_VERSION"))?;
    let folder = arguments.folder.display();
    let mut text: String = written.iter().map(|path| format!("  {path}\n")).collect();
    text.insert_str(0, &format!("made a site in {folder}:\n"));
    text.push_str(&format!("next:\n  cd {folder} && git init\n  mds build --check --site .\n  mds serve --site .\n"));
    output.result(&text, || json!({"folder": arguments.folder, "files": written}))?;
    Ok(ExitCode::SUCCESS)
}
