//! `mds inventory`: pulling, comparing and checking the list of nodes.

mod check;
mod diff;
mod pull;

use std::process::ExitCode;

use clap::{ArgMatches, Args, Subcommand};

use super::arguments::SiteArguments;
use super::error::CliError;
use super::output::Output;

/// Pull, compare and check the inventory of nodes
#[derive(Debug, Args)]
pub(crate) struct InventoryArguments {
    #[command(subcommand)]
    command: InventoryCommand,
}

#[derive(Debug, Subcommand)]
enum InventoryCommand {
    Pull(pull::PullArguments),
    Diff(diff::DiffArguments),
    Check(check::CheckArguments),
}

impl InventoryArguments {
    /// The arguments that name the site and the source.
    pub(super) const fn site(&mut self) -> &mut SiteArguments {
        match &mut self.command {
            InventoryCommand::Pull(arguments) => &mut arguments.site,
            InventoryCommand::Diff(arguments) => &mut arguments.site,
            InventoryCommand::Check(arguments) => &mut arguments.site,
        }
    }
}

pub(crate) fn run(arguments: &InventoryArguments, output: &Output) -> Result<ExitCode, CliError> {
    match &arguments.command {
        InventoryCommand::Pull(arguments) => pull::run(arguments, output),
        InventoryCommand::Diff(arguments) => diff::run(arguments, output),
        InventoryCommand::Check(arguments) => check::run(arguments, output),
    }
}

/// The matches of the subcommand.
pub(super) fn matches_of(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, matches)| matches)
}
