//! Building in a process of its own.
//!
//! A server must outlive whatever a template does: one that loops for ever or eats all memory takes the building
//! process with it, and nothing else.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mds::check::Finding;
use mds::inventory::pull_text;
use mds::pipeline::{InventoryInput, SiteBuilder};
use mds::settings::WireguardSettings;
use mds::types::{Problem, ReleaseId};
use rustix::process::{Signal, set_parent_process_death_signal};
use serde::Deserialize;

use super::arguments::{SiteArguments, TUNNEL_NETWORK_VARIABLE, TUNNELS_ONLY_VARIABLE, TreeArguments};
use super::error::CliError;
use super::smd_arguments::ENVIRONMENT;

/// How likely the kernel is to end the building process first when memory runs out: certainly.
const OUT_OF_MEMORY_SCORE: &str = "1000";
/// What tells a building process that a server waits for it.
const CHILD_MARK: &str = "MDS_BUILDS_FOR_A_SERVER";
/// What stands for standard input where a file is named.
const STANDARD_INPUT: &str = "-";

/// Runs `mds build` with the site, inventory and tree of another command.
#[derive(Debug)]
pub(crate) struct ChildBuild {
    program: PathBuf,
    environment: Vec<(&'static str, PathBuf)>,
    inventory: InventoryInput,
    /// Whether the next release may lack much of what there was.
    accepts_drop: bool,
}

/// What `mds build --format json` prints.
#[derive(Deserialize)]
struct Printed {
    release: Option<ReleaseId>,
    #[serde(default)]
    findings: Vec<Finding>,
    #[serde(default)]
    errors: Vec<Problem>,
}

impl ChildBuild {
    /// `tunnels` is what the server does, so that both speak of the same addresses.
    pub(crate) fn new(
        site: &SiteArguments,
        tree: &TreeArguments,
        inventory: InventoryInput,
        accepts_drop: bool,
        tunnels: Option<&WireguardSettings>,
    ) -> Result<Self, CliError> {
        let program = std::env::current_exe()
            .map_err(|error| CliError::failure(format!("mds cannot find its own program to build with: {error}")))?;
        // By the environment, because everybody may read the arguments of a process, and URLs may hold passwords.
        let mut environment = site.environment();
        environment.push(("MDS_TREE", tree.path()));
        environment.push(("MDS_STATE_DIR", tree.state.folder()));
        if let Some(tunnels) = tunnels {
            environment.push((TUNNEL_NETWORK_VARIABLE, tunnels.server.value.to_string().into()));
            environment.push((TUNNELS_ONLY_VARIABLE, tunnels.only.value.to_string().into()));
        }
        Ok(Self { program, environment, inventory, accepts_drop })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["build", "--no-fetch", "--format", "json"]);
        let ours = [
            "MDS_SITE",
            "MDS_REPO",
            "MDS_REV",
            "MDS_SUBFOLDER",
            "MDS_INVENTORY",
            "MDS_ACCEPT_DROP",
            TUNNEL_NETWORK_VARIABLE,
            TUNNELS_ONLY_VARIABLE,
        ];
        // Whoever is handed the inventory has no use for tokens.
        for name in ours.into_iter().chain(ENVIRONMENT) {
            command.env_remove(name);
        }
        match &self.inventory {
            InventoryInput::Site => drop(command.arg("--locked")),
            InventoryInput::Mock => drop(command.arg("--mock-smd")),
            InventoryInput::Synthetic(count) => drop(command.arg(format!("--mock-smd={count}"))),
            InventoryInput::File(path) => drop(command.env("MDS_INVENTORY", path)),
            InventoryInput::Bytes { .. } | InventoryInput::Pulled(_) | InventoryInput::Followed(_) => {
                command.env("MDS_INVENTORY", STANDARD_INPUT);
            }
        }
        if self.accepts_drop {
            command.env("MDS_ACCEPT_DROP", "true");
        }
        command.env(CHILD_MARK, "1");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command
    }

    /// What the building process reads.
    fn input(&self) -> Result<Vec<u8>, CliError> {
        let unwritable = |error| CliError::failure(format!("the inventory has no text form: {error}"));
        match &self.inventory {
            InventoryInput::Bytes { bytes, .. } => Ok(bytes.clone()),
            InventoryInput::Pulled(pull) => Ok(pull_text(pull).map_err(unwritable)?.into_bytes()),
            InventoryInput::Followed(latest) => {
                Ok(latest.get().map(|taken| taken.text.clone().into_bytes()).unwrap_or_default())
            }
            InventoryInput::Site | InventoryInput::File(_) | InventoryInput::Mock | InventoryInput::Synthetic(_) => {
                Ok(Vec::new())
            }
        }
    }
}

/// Tells a building process of a server, and only such a one, to end when the server does.
pub(crate) fn end_with_server() {
    if std::env::var_os(CHILD_MARK).is_some() {
        // Only a kernel older than any that Rust runs on does not know this.
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
    }
}

impl SiteBuilder for ChildBuild {
    type Error = CliError;

    fn build(&mut self) -> Result<ReleaseId, CliError> {
        let failed = |error: std::io::Error| CliError::failure(format!("the building process cannot be run: {error}"));
        let input = self.input()?;
        let mut child = self.command().spawn().map_err(failed)?;
        // Where there is no such file, the kernel chooses as it always does.
        let score = Path::new("/proc").join(child.id().to_string()).join("oom_score_adj");
        let _ = std::fs::write(score, OUT_OF_MEMORY_SCORE);
        if let Some(mut stdin) = child.stdin.take() {
            // A process that ends without reading says why by itself.
            let _ = stdin.write_all(&input);
        }
        let output = child.wait_with_output().map_err(failed)?;
        let printed: Option<Printed> = serde_json::from_slice(&output.stdout).ok();
        match printed {
            Some(Printed { release: Some(release), .. }) if output.status.success() => {
                // What was accepted once is not accepted for ever.
                self.accepts_drop = false;
                Ok(release)
            }
            Some(Printed { errors, .. }) if !errors.is_empty() => Err(CliError::Failure(errors)),
            Some(Printed { findings, .. }) if !findings.is_empty() => Err(CliError::Findings(findings)),
            _ => Err(CliError::failure(format!("the building process ended without a result ({})", output.status))
                .with_hint("a template may have used up its memory or nested without end; see the log")),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use mds::settings::{WireguardFile, WireguardFlags};

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        site: SiteArguments,
        #[command(flatten)]
        tree: TreeArguments,
    }

    #[test]
    fn the_network_of_the_tunnels_is_that_of_the_server() {
        let arguments = Arguments::try_parse_from(["mds", "--site", "site"]).unwrap();
        let network_for = |tunnels: Option<&str>| {
            let file = WireguardFile { server: tunnels.map(|text| text.parse().unwrap()), ..WireguardFile::default() };
            let tunnels = WireguardSettings::resolve(WireguardFlags::default(), file, "mds.toml").unwrap();
            let child =
                ChildBuild::new(&arguments.site, &arguments.tree, InventoryInput::Site, false, tunnels.as_ref())
                    .unwrap();
            let command = child.command();
            let mut said = command.get_envs().filter(|(name, _)| *name == TUNNEL_NETWORK_VARIABLE);
            // Nothing means that the variable is taken out of what the server was started with.
            said.next().unwrap().1.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(network_for(Some("100.97.0.1/16")).as_deref(), Some("100.97.0.1/16"));
        assert_eq!(network_for(None), None);
    }
}
