//! `mds arm`: windows in which nodes may bring a key.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use mds::types::{GroupLabel, NodeId};
use mds::wireguard::{Administered, Answer, LONGEST_WINDOW, Request, WindowLine};
use serde_json::json;

use super::arguments::StateArguments;
use super::error::CliError;
use super::output::{Output, counted};
use super::wireguard::{ask, second_keys_text, unexpected, without_server};

/// Let a node, or every node of a group, bring a key for a tunnel
///
/// Counts when `arm` in [wireguard] of the settings is `once` or `window`. Each node may bring one key while the window
/// is open; a second one is refused and shown.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds arm x1000c0s0b0n0             for half an hour
  mds arm compute --for 2h          every node that has the group when it asks
  mds arm --list                    the open windows, and who has used them")]
pub(crate) struct ArmArguments {
    /// The node's id or the group's label
    #[arg(value_name = "NODE|GROUP", required_unless_present = "list")]
    name: Option<String>,
    /// How long: a number with `s`, `m`, `h` or `d`, a week at most
    #[arg(long = "for", value_name = "TIME", default_value = "30m", value_parser = parse_length)]
    length: Duration,
    /// List the open windows instead
    #[arg(long, conflicts_with_all = ["name", "length"])]
    list: bool,
    #[command(flatten)]
    state: StateArguments,
}

fn parse_length(text: &str) -> Result<Duration, String> {
    let expected = || "a number with `s`, `m`, `h` or `d` such as 30m is expected, 7d at most".to_owned();
    let units: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 60 * 60), ('d', 24 * 60 * 60)];
    let found = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, seconds)));
    let seconds = found.and_then(|(number, unit)| number.parse::<u64>().ok()?.checked_mul(*unit));
    let length = seconds.map(Duration::from_secs).ok_or_else(expected)?;
    if length.is_zero() || length > LONGEST_WINDOW { Err(expected()) } else { Ok(length) }
}

pub(crate) fn run(arguments: &ArmArguments, output: &Output) -> Result<ExitCode, CliError> {
    match &arguments.name {
        Some(name) => arm(arguments, name, output),
        None => list(arguments, output),
    }
}

fn arm(arguments: &ArmArguments, name: &str, output: &Output) -> Result<ExitCode, CliError> {
    if NodeId::parse(name).is_err() && GroupLabel::parse(name).is_err() {
        return Err(CliError::usage(format!("`{}` is neither a node nor a group", name.escape_debug())));
    }
    let request = Request::Arm { name: name.to_owned(), seconds: arguments.length.as_secs() };
    let Administered { answer, by_server } = ask(&arguments.state, &request)?;
    let Answer::Armed { window } = answer else { return Err(unexpected()) };
    let mut text = format!("{name} may bring a key for the next {}\n", shown(arguments.length.as_secs()));
    if !by_server {
        text.push_str("no server runs; the window is in the journal and open from now on\n");
    }
    output.result(&text, || json!({"server": by_server, "window": window}))?;
    Ok(ExitCode::SUCCESS)
}

fn list(arguments: &ArmArguments, output: &Output) -> Result<ExitCode, CliError> {
    let Administered { answer, by_server } = ask(&arguments.state, &Request::Windows)?;
    let Answer::Windows { windows, second_keys } = answer else { return Err(unexpected()) };
    let mut text = without_server(&arguments.state, by_server);
    if windows.is_empty() {
        text.push_str("no window is open\n");
    }
    windows.iter().for_each(|window| describe(window, &mut text));
    text.push_str(&second_keys_text(&second_keys));
    output.result(&text, || json!({"server": by_server, "windows": windows, "second_keys": second_keys}))?;
    Ok(ExitCode::SUCCESS)
}

fn describe(window: &WindowLine, text: &mut String) {
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{}: open for {} more, used by {}",
        window.name,
        shown(window.seconds_left),
        counted(window.used.len(), "node")
    );
    for (node, key) in &window.used {
        let _ = writeln!(text, "  {node} {key}");
    }
}

/// A time in the greatest unit that it is a whole number of; from a minute on, seconds are not counted.
fn shown(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ if seconds % 3600 < 60 => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_unit_and_end_within_a_week() {
        for (text, seconds) in [("1s", 1), ("30m", 1800), ("2h", 7200), ("7d", 604_800)] {
            assert_eq!(parse_length(text).map(|length| length.as_secs()), Ok(seconds));
        }
        for text in ["", "30", "m", "0m", "-1m", "8d", "1.5h", "1 h", "99999999999999999999d", "5ä"] {
            assert!(parse_length(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_in_words_of_people() {
        assert_eq!([5, 1799, 7200, 5400].map(shown), ["5 s", "29 min", "2 h", "1 h 30 min"]);
    }
}
