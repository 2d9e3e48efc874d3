//! The tunnels of `mds serve`: flags, and joining what takes keys, what reads packets and what answers requests.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgMatches, Args};
use mds::serve::{Front, ServerTerms, Shared, Tunnels};
use mds::settings::{Sourced, WireguardFlags, WireguardSettings};
use mds::types::TunnelNetwork;
use mds::wireguard::engine::{Engine, EngineSettings, RunningEngine};
use mds::wireguard::{HttpInside, Registrar, RegistrarSettings, Roster, SystemClock, server_key};

use super::arguments::source_of;
use super::error::CliError;

/// The port of HTTP, which nodes may leave out of the address of their seed.
const HTTP_PORT: u16 = 80;
/// The part of the program that this speaks for in `/health`.
const PART: &str = "wireguard-network";
/// How often the release is held against the network of the tunnels.
const LOOK: Duration = Duration::from_secs(1);

/// Where tunnels are, and what they are for.
#[derive(Debug, Default, Args)]
pub(crate) struct TunnelArguments {
    /// The UDP address to listen on for tunnels [default: 0.0.0.0:51820]
    #[arg(
        long,
        help_heading = "WireGuard",
        value_name = "ADDR:PORT",
        env = "MDS_WIREGUARD_LISTEN",
        hide_env_values = true
    )]
    wireguard_listen: Option<SocketAddr>,
    /// Where nodes are told to send the packets of their tunnels
    /// [default: the address they asked at, and the port that is listened on]
    #[arg(
        long,
        help_heading = "WireGuard",
        value_name = "HOST:PORT",
        env = "MDS_WIREGUARD_ENDPOINT",
        hide_env_values = true
    )]
    wireguard_endpoint: Option<String>,
}

impl TunnelArguments {
    /// What the command line and the environment say, joined with what builds are told too.
    pub(crate) fn flags(&self, of_builds: WireguardFlags, matches: &ArgMatches) -> WireguardFlags {
        let source = |id, flag, variable| source_of(matches, id, flag, variable);
        let listen = || source("wireguard_listen", "--wireguard-listen", "MDS_WIREGUARD_LISTEN");
        let endpoint = || source("wireguard_endpoint", "--wireguard-endpoint", "MDS_WIREGUARD_ENDPOINT");
        WireguardFlags {
            listen: self.wireguard_listen.map(|value| Sourced::new(value, listen())),
            endpoint: self.wireguard_endpoint.clone().map(|value| Sourced::new(value, endpoint())),
            ..of_builds
        }
    }
}

/// Tunnels whose socket is open and whose keys are read, but that answer nobody yet.
pub(crate) struct TunnelServer {
    engine: Engine,
    registrar: Arc<Registrar>,
}

impl TunnelServer {
    /// Opens the socket, and the server's key and those of the nodes in the state folder. Inside the tunnels, HTTP is
    /// at port 80 and at the ports where it is outside. What keeps keys from being taken is told to `shared`.
    pub(crate) fn bind(
        settings: &WireguardSettings,
        state: &Path,
        http: &[SocketAddr],
        shared: Arc<Shared>,
    ) -> Result<Self, CliError> {
        let failed = |error: &dyn std::fmt::Display| CliError::failure(error.to_string());
        let folder = state.join("wireguard");
        let private_key = server_key(&folder).map_err(|error| failed(&error))?;
        let public_key = private_key.public();
        let mut ports: Vec<u16> = http.iter().map(SocketAddr::port).chain([HTTP_PORT]).collect();
        ports.sort_unstable();
        ports.dedup();
        let roster = Arc::new(Roster::new());
        let engine = EngineSettings {
            listen: settings.listen.value,
            private_key,
            network: settings.server.value,
            ports,
            shards: std::thread::available_parallelism().map_or(1, usize::from),
            max_handshakes_per_second: settings.max_handshakes_per_second,
        };
        let engine = Engine::bind(engine, Arc::clone(&roster))
            .map_err(|error| CliError::failure(format!("{error} (the address is from {})", settings.listen.source)))?;
        let terms = ServerTerms {
            public_key,
            network: settings.server.value,
            port: engine.local_addr().port(),
            endpoint: settings.endpoint.as_ref().map(|endpoint| endpoint.value.clone()),
            only: settings.only.value,
            admins: settings.admins.clone(),
        };
        let clock = SystemClock::new().map_err(CliError::failure)?;
        let of_registrar = RegistrarSettings::new(settings, terms);
        let registrar =
            Registrar::open(&folder, of_registrar, roster, Arc::new(clock), shared).map_err(|error| failed(&error))?;
        Ok(Self { engine, registrar })
    }

    /// What takes the keys of nodes.
    pub(crate) fn registrar(&self) -> Arc<Registrar> {
        Arc::clone(&self.registrar)
    }

    /// What people are told of the tunnels.
    pub(crate) fn summary(&self) -> TunnelSummary {
        let terms = self.registrar.terms();
        TunnelSummary {
            network: terms.network.to_string(),
            listening: self.engine.local_addr(),
            public_key: terms.public_key.to_string(),
            only: terms.only,
        }
    }

    /// Answers from now on.
    pub(crate) fn start(self, front: Arc<Front>, shared: Arc<Shared>) -> Result<RunningEngine, CliError> {
        tokio::spawn(watch_network(shared, self.registrar.terms().network));
        self.engine.start(Arc::new(HttpInside::new(front))).map_err(|error| CliError::failure(error.to_string()))
    }
}

/// What people are told of the tunnels.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct TunnelSummary {
    network: String,
    listening: SocketAddr,
    public_key: String,
    pub(super) only: bool,
}

impl std::fmt::Display for TunnelSummary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { network, listening, public_key, only } = self;
        writeln!(formatter, "tunnels   {network} at {listening} (UDP), public key {public_key}")?;
        if *only { writeln!(formatter, "documents are served through tunnels only") } else { Ok(()) }
    }
}

/// Says in `/health` when the release has no addresses for the tunnels: nodes would be told to wait.
async fn watch_network(shared: Arc<Shared>, network: TunnelNetwork) {
    loop {
        let of_release = shared.snapshot().release().map(|release| release.tunnels().network);
        match of_release {
            Some(Some(there)) if there == network => shared.mend(PART),
            Some(there) => {
                let there = there.map_or_else(|| "none".to_owned(), |there| there.to_string());
                shared.degrade(
                    PART,
                    &format!(
                        "nodes get no tunnels: the server's network is {network}, that of the release is {there}; build \
                         with the same `server` in [wireguard] or --wireguard-server"
                    ),
                );
            }
            None => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}
