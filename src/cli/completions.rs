//! `mds completions`: completions for shells.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;
use super::error::CliError;
use super::output::Output;

/// Print completions for a shell
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds completions bash > /etc/bash_completion.d/mds
  mds completions zsh > ~/.zfunc/_mds
  mds completions fish > ~/.config/fish/completions/mds.fish")]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &CompletionsArguments, output: &Output) -> Result<ExitCode, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "mds", &mut script);
    output.bytes(&script)?;
    Ok(ExitCode::SUCCESS)
}
