//! `mds serve`: build, publish, serve, follow.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::{ArgMatches, Args};
use ipnet::IpNet;
use mds::pipeline::{InventoryInput, LatestInventory, Observer, Phase, SiteFollower, SiteInput};
use mds::release::Tree;
use mds::serve::{
    BootRecord, Front, Pace, Prefixes, Server, Settings, Shared, TreeSource, TrustedProxies, Tunnels, follow,
};
use mds::settings::{FILE_NAME, ServeFlags, ServeSettings, SiteSettings, Sourced, WireguardSettings, parse_settings};
use mds::types::{Place, Problem};
use serde_json::json;
use tokio::sync::{oneshot, watch};

use super::arguments::{InventorySource, SiteArguments, TreeArguments, read_site_settings, source_of};
use super::child_build::ChildBuild;
use super::error::CliError;
use super::inventory_memory::InventoryMemory;
use super::output::Output;
use super::progress::Progress;
use super::serve_memory::{Remembered, ServeMemory};
use super::site_builder::Builder;
use super::smd_arguments::SyncArguments;
use super::smd_follow::{Smd, watch_pulling};
use super::tunnels::{TunnelArguments, TunnelServer, TunnelSummary};

/// How often a folder or a local repository is looked at.
const LOCAL_POLL: Duration = Duration::from_millis(400);
/// How long a remote repository may keep a server that has a release from starting.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nodes may take at the end for what was answered through their tunnels.
const DELIVERY: Duration = Duration::from_secs(2);
/// How long the first release may take from being published to being served before the summary is printed anyway.
const FIRST_LOAD: Duration = Duration::from_secs(10);

/// Serve the current release of a tree, and follow its changes
///
/// With a site, it is built and published first, and again whenever it changes; a change that does not build keeps the
/// last good release. Nodes are known by the address they ask from.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  mds serve --site site                              build and serve a folder, follow its changes
  mds serve --tree /srv/mds/tree                     serve what `mds build --tree` publishes
  mds serve --repo https://git.example.org/site.git --poll 30 --tree /srv/mds/tree
  mds serve --site site --smd-url http://smd:27779   keep in step with SMD
  mds serve --site site --listen 10.252.0.1:80 --listen [fd00::1]:80
  mds serve --site site --trusted-proxy 10.1.0.5     believe this sender's X-Forwarded-For
  mds serve --site site --wireguard-server 100.97.0.1/16   give nodes a tunnel each")]
pub(crate) struct ServeArguments {
    #[command(flatten)]
    pub(super) site: SiteArguments,
    #[command(flatten)]
    tree: TreeArguments,
    /// An address to listen on; may be repeated [default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDR:PORT", env = "MDS_LISTEN", hide_env_values = true, value_delimiter = ',')]
    listen: Option<Vec<SocketAddr>>,
    /// A sender whose X-Forwarded-For counts, as an address or a prefix; may be repeated [default: loopback]
    #[arg(long, value_name = "CIDR", env = "MDS_TRUSTED_PROXIES", hide_env_values = true, value_delimiter = ',', value_parser = parse_network)]
    trusted_proxy: Option<Vec<IpNet>>,
    /// A path below which everything is served as well; may be repeated
    /// [default: /cloud-init and /metadata-service]
    #[arg(long, value_name = "PATH", env = "MDS_PREFIXES", hide_env_values = true, value_delimiter = ',')]
    prefix: Option<Vec<String>>,
    /// Seconds between looks at a remote repository [default: 60]
    #[arg(long, value_name = "SECONDS", env = "MDS_POLL", hide_env_values = true)]
    poll: Option<u64>,
    /// A settings file whose [serve] table counts, instead of the site's mds.toml; and its [wireguard],
    /// [inventory.smd] and [inventory.tokensmith], where it has them
    #[arg(long, value_name = "FILE", env = "MDS_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    tunnels: TunnelArguments,
    #[command(flatten)]
    sync: SyncArguments,
    /// Publish the first release although the inventory takes away more nodes or addresses at once than max_removed
    /// allows
    #[arg(long)]
    accept_drop: bool,
}

fn parse_network(text: &str) -> Result<IpNet, String> {
    let single = text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>().or(single).map_err(|_| "an address or a prefix such as 10.1.0.0/24 is expected".to_owned())
}

pub(crate) fn run(arguments: &ServeArguments, matches: &ArgMatches, output: &Output) -> Result<ExitCode, CliError> {
    let site = arguments.site.site(&arguments.tree.state)?;
    if site.is_none() && arguments.site.smd.is_typed() {
        return Err(CliError::usage("--smd-url says which nodes there are, and no site says what they get")
            .with_hint("name a folder with --site DIR or a repository with --repo URL"));
    }
    if let Some(site) = site.as_ref().filter(|site| site.is_remote()) {
        update_once(site, output);
    }
    let tree = arguments.tree.open_or_create()?;
    let has_release = tree.current().is_ok_and(|current| current.is_some());
    let remembered = read_settings(arguments, site.as_ref(), has_release)?;
    let settings = resolve_settings(arguments, matches, &remembered)?;
    let wireguard = resolve_tunnels(arguments, matches, &remembered)?;
    let server = Server::bind(&settings.listen.value)
        .map_err(|error| CliError::failure(format!("{error} (the address is from {})", settings.listen.source)))?;
    let addresses = server.local_addrs().map_err(|error| CliError::failure(error.to_string()))?;
    let state = arguments.tree.state.folder();
    let shared = Arc::new(Shared::new());
    let bind = |wireguard| TunnelServer::bind(wireguard, &state, &addresses, Arc::clone(&shared));
    let tunnels = wireguard.as_ref().map(bind).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| CliError::failure(format!("the server cannot start its threads: {error}")))?;
    let following = match site {
        None => None,
        Some(site) => {
            let interval = if site.is_remote() { Duration::from_secs(settings.poll.value) } else { LOCAL_POLL };
            let (inventory, smd) = resolve_inventory(arguments, &remembered)?;
            let accepts_drop = arguments.accept_drop;
            let builder =
                ChildBuild::new(&arguments.site, &arguments.tree, inventory.clone(), accepts_drop, wireguard.as_ref())?;
            Some(Following { follower: SiteFollower::new(site, inventory, builder), interval, smd })
        }
    };
    let sockets = Sockets { server, addresses, tunnels };
    let result = runtime.block_on(serve(sockets, shared, &settings, &state, tree, following, output));
    // What still builds is left behind: publishing can be cut at any moment.
    runtime.shutdown_background();
    result.map(|()| ExitCode::SUCCESS)
}

/// Fetches before the settings are read. When that fails or takes long, an earlier mirror may do.
fn update_once(site: &SiteInput, output: &Output) {
    Progress::new(output.is_json()).begin(Phase::Fetching);
    let patience = if site.is_fetched() { PATIENCE } else { Duration::MAX };
    let (sender, receiver) = channel();
    let site = site.clone();
    // Nobody listens any more to one that comes too late.
    std::thread::spawn(move || drop(sender.send(site.update())));
    match receiver.recv_timeout(patience) {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(%error, "the repository cannot be fetched; going on with what is there"),
        Err(_) => tracing::warn!("the repository takes long to be fetched; going on with what is there"),
    }
}

/// What the site, or the file that is named instead, says about serving and about SMD.
fn read_settings(
    arguments: &ServeArguments,
    site: Option<&SiteInput>,
    has_release: bool,
) -> Result<Remembered, CliError> {
    let memory = ServeMemory::new(&arguments.tree.state.folder());
    let of_site = match site.map(read_site_settings) {
        None => Remembered::new(FILE_NAME.to_owned(), SiteSettings::default()),
        Some(Ok(settings)) => {
            let read = Remembered::new(FILE_NAME.to_owned(), settings);
            memory.remember(&read);
            read
        }
        // A release is there to be served, and where to serve it was known once.
        Some(Err(error)) if has_release => {
            tracing::warn!(
                reason = error.on_one_line(),
                "the site's settings cannot be read; those of the last start count"
            );
            memory.recall()
        }
        Some(Err(error)) => return Err(error),
    };
    match &arguments.config {
        None => Ok(of_site),
        Some(path) => Ok(read_config(path)?.over(of_site)),
    }
}

/// Which inventory is built, and SMD if it has to be followed for that.
fn resolve_inventory(
    arguments: &ServeArguments,
    remembered: &Remembered,
) -> Result<(InventoryInput, Option<Smd>), CliError> {
    let settings = remembered.inventory();
    match arguments.site.inventory_source(&settings, &remembered.smd_name)? {
        InventorySource::Ready(input) => Ok((input, None)),
        InventorySource::Smd(_) => {
            let settings = arguments.site.smd.resolve_with(&arguments.sync, &settings, &remembered.smd_name)?;
            let latest = Arc::new(LatestInventory::default());
            let state = arguments.tree.state.folder();
            let smd = settings.map(|settings| {
                let memory = Arc::new(InventoryMemory::new(&state, &settings.url.value));
                Smd { settings, latest: Arc::clone(&latest), memory }
            });
            Ok((InventoryInput::Followed(latest), smd))
        }
    }
}

fn resolve_settings(
    arguments: &ServeArguments,
    matches: &ArgMatches,
    remembered: &Remembered,
) -> Result<ServeSettings, CliError> {
    let source = |id, flag, variable| source_of(matches, id, flag, variable);
    let flags = ServeFlags {
        listen: arguments.listen.clone().map(|value| Sourced::new(value, source("listen", "--listen", "MDS_LISTEN"))),
        trusted_proxies: arguments
            .trusted_proxy
            .clone()
            .map(|value| Sourced::new(value, source("trusted_proxy", "--trusted-proxy", "MDS_TRUSTED_PROXIES"))),
        prefixes: arguments
            .prefix
            .clone()
            .map(|value| Sourced::new(value, source("prefix", "--prefix", "MDS_PREFIXES"))),
        poll: arguments.poll.map(|value| Sourced::new(value, source("poll", "--poll", "MDS_POLL"))),
    };
    ServeSettings::resolve(flags, remembered.serve.clone(), &remembered.name).map_err(CliError::failure)
}

/// The tunnels, if there are any.
fn resolve_tunnels(
    arguments: &ServeArguments,
    matches: &ArgMatches,
    remembered: &Remembered,
) -> Result<Option<WireguardSettings>, CliError> {
    let flags = arguments.tunnels.flags(arguments.site.tunnel_flags(matches), matches);
    WireguardSettings::resolve(flags, remembered.wireguard.clone(), &remembered.wireguard_name)
        .map_err(CliError::failure)
}

/// The record of boots. Nodes are served without it too.
fn boot_record(state: &Path, shared: &Arc<Shared>) -> Option<Arc<BootRecord>> {
    match BootRecord::open(&state.join(BootRecord::FILE_NAME), Arc::clone(shared)) {
        Ok(record) => Some(record),
        Err(error) => {
            shared.degrade("boot-record", &format!("boots are not recorded: {error}"));
            None
        }
    }
}

fn read_config(path: &Path) -> Result<Remembered, CliError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::at(Place::file(name.as_str()), format!("cannot be read: {error}")))?;
    let settings = parse_settings(&name, &text)?;
    Ok(Remembered::new(name, settings))
}

/// A site that is followed, and SMD if its inventory comes from there.
struct Following {
    follower: SiteFollower<ChildBuild>,
    interval: Duration,
    smd: Option<Smd>,
}

/// What is listened on.
struct Sockets {
    server: Server,
    addresses: Vec<SocketAddr>,
    tunnels: Option<TunnelServer>,
}

async fn serve(
    sockets: Sockets,
    shared: Arc<Shared>,
    settings: &ServeSettings,
    state: &Path,
    tree: Tree,
    following: Option<Following>,
    output: &Output,
) -> Result<(), CliError> {
    let Sockets { server, addresses, tunnels } = sockets;
    let prefixes = Prefixes::parse(settings.prefixes.value.iter().map(String::as_str));
    let server_settings = Settings {
        trusted_proxies: TrustedProxies::new(settings.trusted_proxies.value.iter().copied()),
        prefixes: prefixes.map_err(|error| CliError::failure(error.to_string()))?,
        tunnels: tunnels.as_ref().map(|tunnels| tunnels.registrar() as Arc<dyn Tunnels>),
        boot_record: boot_record(state, &shared),
        ..Settings::default()
    };
    let hint = Arc::clone(&server_settings.inventory_hint);
    let mut ended = end_signal()?;
    let mut server_end = ended.clone();
    let front = Arc::new(Front::new(Arc::clone(&shared), server_settings));
    let tunnel_summary = tunnels.as_ref().map(TunnelServer::summary);
    // Runs until it is dropped, which is when all that has begun is finished and delivered.
    let engine = tunnels.map(|tunnels| tunnels.start(Arc::clone(&front), Arc::clone(&shared))).transpose()?;
    let serving = tokio::spawn(async move {
        let end = async move {
            // An error means that nobody can ask for the end any more, which is an end too.
            let _ = server_end.wait_for(|ended| *ended).await;
        };
        server.run_front(&front, end).await
    });
    let has_release = tree.current().is_ok_and(|current| current.is_some());
    tokio::spawn(follow(Arc::new(TreeSource::new(tree)), Arc::clone(&shared), Pace::default()));
    let mut expects_release = has_release;
    if let Some(Following { follower, interval, smd }) = following {
        let (wake, woken) = channel();
        // SMD may be away for as long as it likes; nodes are told to wait meanwhile.
        let patience = if has_release || smd.is_some() { PATIENCE } else { Duration::MAX };
        let latest = smd.as_ref().map(|smd| Arc::clone(&smd.latest));
        let (first, first_done) = oneshot::channel();
        let builder =
            Builder { follower, interval, shared: Arc::clone(&shared), woken, latest, has_release, last_failure: None };
        if let Some(smd) = smd {
            let following = tokio::spawn(smd.follow(Arc::clone(&shared), hint, wake.clone()));
            tokio::spawn(watch_pulling(following, Arc::clone(&shared)));
        }
        std::thread::spawn(move || builder.run(wake, first));
        tokio::select! {
            _ = ended.wait_for(|ended| *ended) => return Ok(()),
            // A builder that is gone without a word has nothing to add.
            result = first_done => match result {
                Ok(Err(error)) => return Err(error),
                Ok(Ok(has_built)) => expects_release |= has_built,
                Err(_) => {}
            },
            () = tokio::time::sleep(patience) => {}
        }
    }
    if expects_release {
        let _ = tokio::time::timeout(FIRST_LOAD, wait_for_release(&shared)).await;
    }
    print_summary(&shared, &addresses, tunnel_summary.as_ref(), output)?;
    let served = serving.await;
    if let Some(engine) = &engine
        && !engine.drain(DELIVERY).await
    {
        tracing::warn!("cutting connections in tunnels whose nodes do not take their answers");
    }
    match served {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(CliError::failure(format!("the server cannot listen: {error}"))),
        Err(error) => Err(CliError::failure(format!("the server ended unexpectedly: {error}"))),
    }
}

/// Becomes true at SIGTERM or SIGINT.
fn end_signal() -> Result<watch::Receiver<bool>, CliError> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| CliError::failure(format!("signals cannot be received: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending: finishing what has begun");
        sender.send_replace(true);
        // The sender lives on, so that receivers see the value and not its end.
        std::future::pending::<()>().await;
    });
    Ok(receiver)
}

async fn wait_for_release(shared: &Shared) {
    while shared.snapshot().release().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn print_summary(
    shared: &Shared,
    addresses: &[SocketAddr],
    tunnels: Option<&TunnelSummary>,
    output: &Output,
) -> Result<(), CliError> {
    let state = shared.snapshot();
    let release = state.release();
    let mut text = match release {
        Some(release) => format!(
            "release   {}\nnodes     {}\ndocuments {}\n",
            release.id(),
            release.node_count(),
            release.document_count()
        ),
        None => "no release yet: nodes get 503 until one is published\n".to_owned(),
    };
    for address in addresses {
        text.push_str(&format!("listening on http://{address}\n"));
    }
    if let Some(tunnels) = tunnels {
        text.push_str(&tunnels.to_string());
    }
    if let (Some(node), Some(address)) = (release.and_then(|release| release.example_address()), addresses.first()) {
        let here = reachable(*address);
        text.push_str("try it:\n");
        if tunnels.is_none_or(|tunnels| !tunnels.only) {
            text.push_str(&format!("  curl -H 'X-Forwarded-For: {node}' http://{here}/meta-data\n"));
        }
        if tunnels.is_some() {
            let body = "{\"public_key\": \"'$(wg genkey | wg pubkey)'\"}";
            text.push_str(&format!("  curl -H 'X-Forwarded-For: {node}' -d '{body}' http://{here}/wg-init\n"));
        }
        text.push_str(&format!("  curl http://{here}/health\n"));
    }
    output.result(&text, || {
        let mut summary = json!({
            "release": release.map(|release| release.id()),
            "nodes": release.map(|release| release.node_count()),
            "documents": release.map(|release| release.document_count()),
            "listening": addresses,
        });
        if let Some(tunnels) = tunnels {
            summary["tunnels"] = json!(tunnels);
        }
        summary
    })
}

/// The address by which this machine reaches a socket that may be bound to all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
