//! The command line: one file per command, and what they share.

mod arguments;
mod arm;
mod boots;
mod build;
mod build_check;
mod check;
mod child_build;
mod completions;
mod diff;
mod error;
mod explain;
mod export;
mod gc;
mod init;
mod inventory;
mod inventory_memory;
mod logging;
mod output;
mod pin;
mod progress;
mod pull;
mod releases;
mod render;
mod replace;
mod reports;
mod rollback;
mod serve;
mod serve_memory;
mod sides;
mod site_builder;
mod smd_arguments;
mod smd_follow;
mod tunnels;
mod verify;
mod wireguard;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use error::CliError;
use output::Output;

/// Builds finished cloud-init files for every node of a cluster, and serves them.
#[derive(Debug, Parser)]
#[command(
    name = "mds",
    version,
    max_term_width = 100,
    after_help = "\
Exit codes: 0 fine, 1 findings or changes that were to fail on, 2 failure, 64 wrong usage.

Examples:
  mds serve --site site                      build the site, publish it, serve it, follow its changes
  mds build --check --site site              say what is wrong with a site, writing nothing
  mds render x1000c0s0b0n0 meta-data --site site
                                             print what one node would get"
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: arguments::CommonArguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArguments),
    Build(build::BuildArguments),
    Check(check::CheckArguments),
    Serve(serve::ServeArguments),
    Render(render::RenderArguments),
    Explain(explain::ExplainArguments),
    Inventory(inventory::InventoryArguments),
    Boots(boots::BootsArguments),
    Releases(releases::ReleasesArguments),
    Diff(diff::DiffArguments),
    Rollback(rollback::RollbackArguments),
    Pin(pin::PinArguments),
    Unpin(pin::UnpinArguments),
    Verify(verify::VerifyArguments),
    Gc(gc::GcArguments),
    Export(export::ExportArguments),
    Wireguard(wireguard::WireguardArguments),
    Arm(arm::ArmArguments),
    Completions(completions::CompletionsArguments),
}

/// Runs the command line that the process was started with.
pub(crate) fn run() -> ExitCode {
    say_panics_in_a_sentence();
    match parse(std::env::args_os()) {
        Err(code) => code,
        Ok((cli, matches)) => {
            let output = Output::new(cli.common.format);
            logging::start(cli.common.verbose, matches!(cli.command, Command::Serve(_)));
            match dispatch(cli, &matches, &output) {
                Ok(code) => code,
                Err(error) => error.report(&output),
            }
        }
    }
}

/// A panic is a fault of mds. It is said in a sentence instead of a stack trace.
fn say_panics_in_a_sentence() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |location| format!(" ({location})"));
        tracing::error!("mds failed inside{place}; please report this with the command that was run");
    }));
}

/// Help and version go to standard output with exit code 0, wrong usage to standard error with exit code 64.
fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<(Cli, ArgMatches), ExitCode> {
    let parsed = Cli::command()
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches).map(|cli| (cli, matches)));
    parsed.map_err(|error| {
        // Nothing is left to be said when even this cannot be printed.
        let _ = error.print();
        if error.use_stderr() { ExitCode::from(error::EXIT_USAGE) } else { ExitCode::SUCCESS }
    })
}

fn dispatch(mut cli: Cli, matches: &ArgMatches, output: &Output) -> Result<ExitCode, CliError> {
    // There always is a subcommand: without one, wrong usage was reported before.
    let matches = matches.subcommand().map_or(matches, |(_, matches)| matches);
    match &mut cli.command {
        Command::Build(arguments) => arguments.site.prefer_command_line(matches)?,
        Command::Serve(arguments) => arguments.site.prefer_command_line(matches)?,
        Command::Render(arguments) => arguments.site.prefer_command_line(matches)?,
        Command::Explain(arguments) => arguments.site.prefer_command_line(matches)?,
        Command::Diff(arguments) => arguments.site.prefer_command_line(matches)?,
        Command::Inventory(arguments) => {
            arguments.site().prefer_command_line(inventory::matches_of(matches))?;
        }
        _ => {}
    }
    match cli.command {
        Command::Init(arguments) => init::run(&arguments, output),
        Command::Build(arguments) => build::run(&arguments, matches, output),
        Command::Check(arguments) => check::run(&arguments, output),
        Command::Serve(arguments) => serve::run(&arguments, matches, output),
        Command::Render(arguments) => render::run(&arguments, matches, output),
        Command::Explain(arguments) => explain::run(&arguments, matches, output),
        Command::Inventory(arguments) => inventory::run(&arguments, output),
        Command::Boots(arguments) => boots::run(&arguments, output),
        Command::Releases(arguments) => releases::run(&arguments, output),
        Command::Diff(arguments) => diff::run(&arguments, matches, output),
        Command::Rollback(arguments) => rollback::run(&arguments, output),
        Command::Pin(arguments) => pin::run_pin(&arguments, output),
        Command::Unpin(arguments) => pin::run_unpin(&arguments, output),
        Command::Verify(arguments) => verify::run(&arguments, output),
        Command::Gc(arguments) => gc::run(&arguments, output),
        Command::Export(arguments) => export::run(&arguments, output),
        Command::Wireguard(arguments) => wireguard::run(&arguments, output),
        Command::Arm(arguments) => arm::run(&arguments, output),
        Command::Completions(arguments) => completions::run(&arguments, output),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
