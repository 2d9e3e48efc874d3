//! Running other programs.

use std::process::{Command, Output};

/// Runs a program to its end and returns what it wrote to standard output.
///
/// # Panics
/// When it cannot be started or fails, with all that it said.
pub(crate) fn run(command: &mut Command) -> String {
    match try_run(command) {
        Ok(output) => output,
        Err(message) => panic!("{message}"),
    }
}

/// As [`run`], with the failure as a sentence.
pub(crate) fn try_run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    let Output { status, stdout, stderr } = output;
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() {
        return Ok(stdout);
    }
    Err(format!("{command:?} failed ({status}):\n{stdout}{}", String::from_utf8_lossy(&stderr)))
}

/// Runs `ip` with blank-separated arguments.
pub(crate) fn ip(arguments: &str) -> String {
    run(Command::new("ip").args(arguments.split_whitespace()))
}

/// Whether a process with this id is alive.
pub(crate) fn is_alive(process: &str) -> bool {
    std::path::Path::new("/proc").join(process).exists()
}
