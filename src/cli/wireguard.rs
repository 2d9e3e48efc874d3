//! `mds wireguard`: the tunnels of a server, and its key.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use mds::wireguard::{
    Administered, Answer, PeerLine, Request, STATE_FOLDER, SecondKey, SystemClock, administer, server_key,
};
use serde_json::json;

use super::arguments::StateArguments;
use super::error::CliError;
use super::output::{Output, grouped};

/// Show and end the tunnels of nodes, and show the server's key
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds wireguard peers                          the live tunnels
  mds wireguard remove x1000c0s0b0n0           end a node's tunnel at once
  mds wireguard key --state-dir /var/lib/mds   the server's public key")]
pub(crate) struct WireguardArguments {
    #[command(subcommand)]
    command: WireguardCommand,
}

#[derive(Debug, Subcommand)]
enum WireguardCommand {
    Peers(PeersArguments),
    Remove(RemoveArguments),
    Key(KeyArguments),
}

/// List the live tunnels
///
/// The server that uses the state folder is asked; when none runs, its journal is read.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds wireguard peers
  mds wireguard peers --state-dir /var/lib/mds --format json")]
struct PeersArguments {
    #[command(flatten)]
    state: StateArguments,
}

/// End a tunnel at once; the node may ask for another
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds wireguard remove x1000c0s0b0n0
  mds wireguard remove wireguardpeer-1f2e3d4c5b6a7988")]
struct RemoveArguments {
    /// Whose: the node, its public key, or the peer's name as /wireguardpeers shows it
    #[arg(value_name = "NODE|KEY|UID")]
    peer: String,
    #[command(flatten)]
    state: StateArguments,
}

/// Print the server's public key; a key pair is made when there is none
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds wireguard key --state-dir /var/lib/mds")]
struct KeyArguments {
    #[command(flatten)]
    state: StateArguments,
}

pub(crate) fn run(arguments: &WireguardArguments, output: &Output) -> Result<ExitCode, CliError> {
    match &arguments.command {
        WireguardCommand::Peers(arguments) => peers(arguments, output),
        WireguardCommand::Remove(arguments) => remove(arguments, output),
        WireguardCommand::Key(arguments) => key(arguments, output),
    }
}

/// Asks the server of the state folder, or its journal.
pub(crate) fn ask(state: &StateArguments, request: &Request) -> Result<Administered, CliError> {
    let clock = SystemClock::new().map_err(CliError::failure)?;
    let folder = state.folder().join(STATE_FOLDER);
    administer(&folder, request, &clock).map_err(|error| CliError::failure(error.to_string()))
}

/// What is said when the journal answered.
pub(crate) fn without_server(state: &StateArguments, by_server: bool) -> String {
    if by_server {
        String::new()
    } else {
        format!("no server runs with the state folder {}; its journal tells:\n", state.folder().display())
    }
}

pub(crate) fn second_keys_text(second_keys: &[SecondKey]) -> String {
    second_keys.iter().fold(String::new(), |mut text, SecondKey { node, key, at }| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "refused: a second key of {node}, {key}, at {at:.0}");
        text
    })
}

/// An answer that does not fit the request, which only a server of another version gives.
pub(crate) fn unexpected() -> CliError {
    CliError::failure("the server gave an answer to another question; use the mds of the server's version")
}

fn peers(arguments: &PeersArguments, output: &Output) -> Result<ExitCode, CliError> {
    let Administered { answer, by_server } = ask(&arguments.state, &Request::Peers)?;
    let Answer::Peers { peers, second_keys } = answer else { return Err(unexpected()) };
    let mut text = without_server(&arguments.state, by_server);
    text.push_str(&if peers.is_empty() { "no live tunnels\n".to_owned() } else { table(&peers) });
    text.push_str(&second_keys_text(&second_keys));
    output.result(&text, || json!({"server": by_server, "peers": peers, "second_keys": second_keys}))?;
    Ok(ExitCode::SUCCESS)
}

const HEADINGS: [&str; 9] =
    ["NODE", "ADDRESS", "KEY", "SINCE", "LAST HANDSHAKE", "ENDPOINT", "RECEIVED", "SENT", "EXPIRES"];

fn table(peers: &[PeerLine]) -> String {
    let size = |bytes: u64| grouped(usize::try_from(bytes).unwrap_or(usize::MAX));
    let none = || "-".to_owned();
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    for peer in peers {
        // Seconds are enough for people.
        let handshake = peer.last_handshake.as_ref().and_then(|time| time.split('.').next());
        let handshake = handshake.map(|time| format!("{}Z", time.trim_end_matches('Z')));
        rows.push([
            peer.node.to_string(),
            peer.address.to_string(),
            peer.key.to_string(),
            format!("{:.0}", peer.since),
            handshake.unwrap_or_else(none),
            peer.endpoint.map_or_else(none, |endpoint| endpoint.to_string()),
            size(peer.received),
            size(peer.sent),
            format!("{:.0}", peer.expires_at),
        ]);
    }
    let widths: Vec<usize> =
        (0..HEADINGS.len()).map(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn remove(arguments: &RemoveArguments, output: &Output) -> Result<ExitCode, CliError> {
    let Administered { answer, by_server } = ask(&arguments.state, &Request::Remove { peer: arguments.peer.clone() })?;
    let Answer::Removed { peers } = answer else { return Err(unexpected()) };
    if peers.is_empty() {
        let message = format!("there is no live tunnel of `{}`", arguments.peer.escape_debug());
        return Err(CliError::failure(message).with_hint("`mds wireguard peers` lists them"));
    }
    let mut text = String::new();
    for peer in &peers {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "ended the tunnel of {}, {}", peer.node, peer.address);
    }
    if !by_server {
        text.push_str("no server runs; the journal says so from now on\n");
    }
    output.result(&text, || json!({"server": by_server, "removed": peers}))?;
    Ok(ExitCode::SUCCESS)
}

fn key(arguments: &KeyArguments, output: &Output) -> Result<ExitCode, CliError> {
    let folder = arguments.state.folder().join(STATE_FOLDER);
    let key = server_key(&folder).map_err(|error| CliError::failure(error.to_string()))?.public();
    output.result(&format!("{key}\n"), || json!({"public_key": key}))?;
    Ok(ExitCode::SUCCESS)
}
