//! `mds boots`: which nodes have booted.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use clap::Args;
use mds::serve::{Boot, BootRecord};
use mds::types::{NodeId, printable};
use serde_json::{Value, json};

use super::arguments::StateArguments;
use super::error::CliError;
use super::output::Output;

/// Show which nodes have phoned home, and with which release
///
/// What a server noted from POST /phone-home/ID: the newest boot of every node, or what is kept of one, newest first.
/// Node, time and release are the server's; names and keys are what the node says of itself.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds boots                              the newest boot of every node
  mds boots x1000c0s0b0n0                the last boots of a node
  mds boots --format json                with the whole of the public keys")]
pub(crate) struct BootsArguments {
    /// A node's id
    #[arg(value_name = "NODE")]
    node: Option<NodeId>,
    #[command(flatten)]
    state: StateArguments,
}

pub(crate) fn run(arguments: &BootsArguments, output: &Output) -> Result<ExitCode, CliError> {
    let path = arguments.state.folder().join(BootRecord::FILE_NAME);
    let mut boots = BootRecord::read(&path).map_err(|error| CliError::failure(error.to_string()))?;
    let shown: Vec<Boot> = match &arguments.node {
        Some(node) => {
            boots.retain(|boot| boot.node == *node);
            if boots.is_empty() {
                let message = format!("node {node} has not phoned home, as far as {} says", path.display());
                return Err(CliError::failure(message)
                    .with_hint("`phone_home` of cloud-init does that: let it POST to /phone-home/$INSTANCE_ID"));
            }
            boots.into_iter().rev().collect()
        }
        None => {
            let newest: BTreeMap<NodeId, Boot> = boots.into_iter().map(|boot| (boot.node.clone(), boot)).collect();
            newest.into_values().collect()
        }
    };
    let mut text: String = shown.iter().map(lines).collect();
    if shown.is_empty() {
        text.push_str("no node has phoned home yet\n");
    }
    output.result(&text, || json!({"boots": shown.iter().map(value).collect::<Vec<Value>>()}))?;
    Ok(ExitCode::SUCCESS)
}

fn lines(boot: &Boot) -> String {
    let release =
        boot.release.map_or_else(|| "no release".to_owned(), |release| format!("release {}", release.short()));
    let known_by = if boot.through_tunnel { "key" } else { "address" };
    let mut text = format!("{}  {:.0}  {release}  by {known_by} from {}", boot.node, boot.time, boot.address);
    for (name, field) in [("hostname", "hostname"), ("instance-id", "instance_id")] {
        if let Some(value) = boot.said.get(field) {
            // Writing to a String cannot fail.
            let _ = write!(text, "  {name} {}", on_one_line(value));
        }
    }
    text.push('\n');
    for (kind, fingerprint) in fingerprints(boot) {
        let _ = writeln!(text, "    {kind} {fingerprint}");
    }
    text
}

/// The fingerprints of the host keys that can be read, by their kind, as `ssh-keygen -l` shows them.
fn fingerprints(boot: &Boot) -> Vec<(&str, String)> {
    let fingerprint = |key: &str| {
        let bytes = STANDARD.decode(key.split_ascii_whitespace().nth(1)?).ok()?;
        let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
        Some(format!("SHA256:{}", STANDARD_NO_PAD.encode(digest)))
    };
    boot.said.host_keys().filter_map(|(kind, key)| Some((kind, fingerprint(key)?))).collect()
}

/// What a node says of itself may be anything.
fn on_one_line(value: &str) -> String {
    printable(&value.replace('\n', " ")).into_owned()
}

fn value(boot: &Boot) -> Value {
    let fingerprints: Vec<Value> = fingerprints(boot)
        .into_iter()
        .map(|(kind, fingerprint)| json!({"kind": kind, "fingerprint": fingerprint}))
        .collect();
    let mut value = json!(boot);
    value["fingerprints"] = fingerprints.into();
    value
}
