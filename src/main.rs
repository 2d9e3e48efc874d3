//! The `mds` command: a thin shell around the library. It parses the command line, prints, and chooses exit codes.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
