//! Flags that several commands share. They mean the same everywhere.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, ValueEnum};
use mds::pipeline::{InventoryInput, Observer, Phase, SiteInput};
use mds::release::Tree;
use mds::settings::{
    FILE_NAME, InventorySettings, SiteSettings, SmdSettings, Source, Sourced, WireguardFlags, parse_settings,
};
use mds::site::Repository;
use mds::types::{ReleaseId, TunnelNetwork};

use super::error::CliError;
use super::progress::Progress;
use super::smd_arguments::SmdArguments;

/// The environment variable that names the network of the tunnels.
pub(crate) const TUNNEL_NETWORK_VARIABLE: &str = "MDS_WIREGUARD_SERVER";
/// The environment variable that says whether documents are served through tunnels only.
pub(crate) const TUNNELS_ONLY_VARIABLE: &str = "MDS_WIREGUARD_ONLY";

/// Flags of every command.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    /// How results are printed
    #[arg(long, value_enum, default_value_t = Format::Text, global = true, env = "MDS_FORMAT", hide_env_values = true)]
    pub(crate) format: Format,
    /// Say more in the log; twice for even more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs: one JSON value
    Json,
}

/// Where state is kept.
#[derive(Debug, Args)]
pub(crate) struct StateArguments {
    /// Where mds keeps what it needs between runs: the default tree, and mirrors of repositories
    /// [default: systemd's STATE_DIRECTORY, else .mds]
    #[arg(long, value_name = "DIR", env = "MDS_STATE_DIR", hide_env_values = true)]
    state_dir: Option<PathBuf>,
}

impl StateArguments {
    pub(crate) fn folder(&self) -> PathBuf {
        // systemd joins several directories with colons; the first is the service's own.
        let systemd = || {
            let folders = std::env::var("STATE_DIRECTORY").ok()?;
            folders.split(':').next().filter(|folder| !folder.is_empty()).map(PathBuf::from)
        };
        self.state_dir.clone().or_else(systemd).unwrap_or_else(|| PathBuf::from(".mds"))
    }
}

/// Which tree.
#[derive(Debug, Args)]
pub(crate) struct TreeArguments {
    /// The tree that holds the releases [default: `tree` in the state folder]
    #[arg(long, value_name = "DIR", env = "MDS_TREE", hide_env_values = true)]
    pub(crate) tree: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) state: StateArguments,
}

impl TreeArguments {
    pub(crate) fn path(&self) -> PathBuf {
        self.tree.clone().unwrap_or_else(|| self.state.folder().join("tree"))
    }

    pub(crate) fn open(&self) -> Result<Tree, CliError> {
        Ok(Tree::open(self.path())?)
    }

    pub(crate) fn open_or_create(&self) -> Result<Tree, CliError> {
        Ok(Tree::open_or_create(self.path())?)
    }
}

/// The release that a text names, or the current one.
pub(crate) fn release_of(tree: &Tree, text: Option<&str>) -> Result<ReleaseId, CliError> {
    match text {
        Some(text) => Ok(tree.resolve(text)?),
        None => tree.current()?.ok_or_else(|| CliError::no_release(tree.path())),
    }
}

/// Whether the argument stands on the command line, and not just in the environment.
pub(crate) fn is_typed(matches: &ArgMatches, id: &str) -> bool {
    matches.value_source(id) == Some(ValueSource::CommandLine)
}

/// Where an argument's value is from, when it has one: the flag, or the variable that stands for it.
pub(crate) fn source_of(matches: &ArgMatches, id: &str, flag: &'static str, variable: &'static str) -> Source {
    if is_typed(matches, id) { Source::Flag(flag) } else { Source::Environment(variable) }
}

/// Which site and inventory.
#[derive(Debug, Args)]
pub(crate) struct SiteArguments {
    /// The site: a folder with an mds.toml, read as it lies there
    #[arg(long, value_name = "DIR", env = "MDS_SITE", hide_env_values = true)]
    pub(crate) site: Option<PathBuf>,
    /// The site: a Git repository, by path or URL, read at a commit and never from a checkout
    #[arg(long, value_name = "URL", env = "MDS_REPO", hide_env_values = true)]
    pub(crate) repo: Option<String>,
    /// The branch, tag or commit of the repository [default: HEAD]
    #[arg(long, value_name = "REF", env = "MDS_REV", hide_env_values = true)]
    rev: Option<String>,
    /// The folder in the repository where the site lies [default: its top]
    #[arg(long, value_name = "PATH", env = "MDS_SUBFOLDER", hide_env_values = true)]
    subfolder: Option<String>,
    /// A file of nodes instead of the site's own, as mds or `ochami discover static` writes it; `-` is standard input
    #[arg(long, value_name = "FILE", env = "MDS_INVENTORY", hide_env_values = true)]
    inventory: Option<PathBuf>,
    /// Take the site's own inventory file, whatever says where SMD is: continuous integration needs no SMD
    #[arg(long)]
    locked: bool,
    /// Take the three built-in nodes as inventory, or N made-up ones, to try things
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true)]
    #[allow(clippy::option_option)] // clap's own form of a flag with an optional value
    mock_smd: Option<Option<usize>>,
    #[command(flatten)]
    pub(crate) smd: SmdArguments,
    /// The server's address in the WireGuard tunnels with the length of their network's prefix, such as 100.97.0.1/16;
    /// each node has an address of that network [default: `server` in [wireguard] of mds.toml; no tunnels without it]
    #[arg(
        long,
        help_heading = "WireGuard",
        value_name = "ADDRESS/LENGTH",
        env = "MDS_WIREGUARD_SERVER",
        hide_env_values = true
    )]
    wireguard_server: Option<TunnelNetwork>,
    /// Serve documents through tunnels only; a build sees that nodes are sent nowhere else
    #[arg(
        long,
        help_heading = "WireGuard",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        env = "MDS_WIREGUARD_ONLY",
        hide_env_values = true
    )]
    wireguard_only: Option<bool>,
}

/// Where the inventory is to come from.
pub(crate) enum InventorySource {
    /// From what is there already.
    Ready(InventoryInput),
    /// From SMD, which has to be asked.
    Smd(Box<SmdSettings>),
}

/// Reading what is there.
#[derive(Debug, Args)]
pub(crate) struct FetchArguments {
    /// Do not fetch a remote repository: take what was fetched last
    #[arg(long)]
    pub(crate) no_fetch: bool,
}

impl FetchArguments {
    /// Fetches a site that lies in a remote repository.
    pub(crate) fn update(&self, site: &SiteInput, progress: &mut Progress) -> Result<(), CliError> {
        if site.is_remote() && !self.no_fetch {
            progress.begin(Phase::Fetching);
            site.update()?;
        }
        Ok(())
    }
}

impl SiteArguments {
    /// Lets the command line win over the environment where the two name different things.
    ///
    /// # Errors
    /// When one of them names two things itself.
    pub(crate) fn prefer_command_line(&mut self, matches: &ArgMatches) -> Result<(), CliError> {
        if self.site.is_some() && self.repo.is_some() {
            match (is_typed(matches, "site"), is_typed(matches, "repo")) {
                (true, false) => self.repo = None,
                (false, true) => self.site = None,
                _ => {
                    return Err(
                        CliError::usage("a folder and a repository are named as the site").with_hint("keep one")
                    );
                }
            }
        }
        if self.repo.is_none() {
            if is_typed(matches, "rev") || is_typed(matches, "subfolder") {
                return Err(
                    CliError::usage("--rev and --subfolder need a repository").with_hint("name it with --repo URL")
                );
            }
            (self.rev, self.subfolder) = (None, None);
        }
        self.prefer_typed_inventory(matches)
    }

    /// As above, for the sources of the inventory. What is typed wins over what the environment names.
    fn prefer_typed_inventory(&mut self, matches: &ArgMatches) -> Result<(), CliError> {
        if is_typed(matches, "smd_url") && !self.smd.is_given() {
            // A variable of a script that is not set would quietly stand for another inventory.
            return Err(CliError::usage("--smd-url names nothing").with_hint("give an URL, or leave it out"));
        }
        let named = |is_given: bool, id: &str| is_given && is_typed(matches, id);
        self.smd.set_typed(named(self.smd.is_given(), "smd_url"));
        let typed: Vec<&str> = [
            ("--inventory", named(self.inventory.is_some(), "inventory")),
            ("--locked", self.locked),
            ("--mock-smd", self.mock_smd.is_some()),
            ("--smd-url", named(self.smd.is_given(), "smd_url")),
        ]
        .into_iter()
        .filter_map(|(flag, is_typed)| is_typed.then_some(flag))
        .collect();
        match typed.as_slice() {
            [] if self.inventory.is_some() && self.smd.is_given() => {
                return Err(CliError::usage("MDS_INVENTORY and SMD_URL both say where the inventory is")
                    .with_hint("keep one, or say --inventory FILE or --smd-url URL"));
            }
            [] => {}
            [flag] => {
                if *flag != "--inventory" {
                    self.inventory = None;
                }
                if *flag != "--smd-url" {
                    self.smd.forget_url();
                }
            }
            several => {
                let message = format!("{} are given, and there is one inventory", several.join(" and "));
                return Err(CliError::usage(message).with_hint("keep one"));
            }
        }
        Ok(())
    }

    /// What the command line or the environment says of tunnels that concerns builds. It wins over what the site says.
    pub(crate) fn tunnel_flags(&self, matches: &ArgMatches) -> WireguardFlags {
        let source = |id, flag, variable| source_of(matches, id, flag, variable);
        let server = || source("wireguard_server", "--wireguard-server", TUNNEL_NETWORK_VARIABLE);
        let only = || source("wireguard_only", "--wireguard-only", TUNNELS_ONLY_VARIABLE);
        WireguardFlags {
            server: self.wireguard_server.map(|network| Sourced::new(network, server())),
            only: self.wireguard_only.map(|value| Sourced::new(value, only())),
            ..WireguardFlags::default()
        }
    }

    /// Whether a site was named at all.
    pub(crate) const fn is_given(&self) -> bool {
        self.site.is_some() || self.repo.is_some()
    }

    /// The environment that names the same site to another mds.
    pub(crate) fn environment(&self) -> Vec<(&'static str, PathBuf)> {
        let texts = [("MDS_REPO", &self.repo), ("MDS_REV", &self.rev), ("MDS_SUBFOLDER", &self.subfolder)];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, PathBuf::from(text.as_deref()?))));
        self.site.iter().map(|folder| ("MDS_SITE", folder.clone())).chain(texts).collect()
    }

    /// The site that was named; mirrors of remote repositories lie in the state folder.
    pub(crate) fn site(&self, state: &StateArguments) -> Result<Option<SiteInput>, CliError> {
        if let Some(folder) = &self.site {
            return Ok(Some(SiteInput::Folder(folder.clone())));
        }
        let Some(url) = &self.repo else { return Ok(None) };
        let revision = self.rev.as_deref().unwrap_or("HEAD");
        let subfolder = self.subfolder.as_deref().unwrap_or_default();
        let repository = Repository::new(url, revision, subfolder, &state.folder().join("repositories"))?;
        Ok(Some(SiteInput::Repository(repository)))
    }

    /// The site at another revision of its repository. A folder must lie in one, and the same folder of the revision is
    /// taken.
    ///
    /// # Errors
    /// When no site is named, or a folder that is in no repository.
    pub(crate) fn at_revision(&self, revision: &str, state: &StateArguments) -> Result<SiteInput, CliError> {
        let cache = state.folder().join("repositories");
        if let Some(url) = &self.repo {
            let subfolder = self.subfolder.as_deref().unwrap_or_default();
            return Ok(SiteInput::Repository(Repository::new(url, revision, subfolder, &cache)?));
        }
        let SiteInput::Folder(folder) = self.required_site(state)? else { return self.required_site(state) };
        let unread = |error| CliError::failure(format!("the folder {} cannot be read: {error}", folder.display()));
        let path = folder.canonicalize().map_err(unread)?;
        let Some((top, subfolder)) =
            top_of_repository(&path).and_then(|top| Some((top.to_str()?, path.strip_prefix(top).ok()?)))
        else {
            let message = format!("{} lies in no Git repository, so it has no revision `{revision}`", folder.display());
            return Err(CliError::failure(message).with_hint("compare with a release of a tree instead: --tree DIR"));
        };
        Ok(SiteInput::Repository(Repository::new(top, revision, &with_slashes(subfolder), &cache)?))
    }

    /// Where the site lies in its repository, with `/` between folders: there a reviewer finds its files. A folder in
    /// no repository is told from the current one.
    pub(crate) fn folder_in_repository(&self) -> String {
        let Some(folder) = &self.site else {
            return self.subfolder.as_deref().unwrap_or_default().trim_matches('/').to_owned();
        };
        let Ok(folder) = folder.canonicalize() else { return String::new() };
        let top = top_of_repository(&folder).map(Path::to_owned);
        let top = top.or_else(|| std::env::current_dir().ok()?.canonicalize().ok());
        let inside = top.as_deref().and_then(|top| folder.strip_prefix(top).ok()).unwrap_or(Path::new(""));
        with_slashes(inside)
    }

    /// The site that was named, or a sentence that one is needed.
    pub(crate) fn required_site(&self, state: &StateArguments) -> Result<SiteInput, CliError> {
        self.site(state)?.ok_or_else(|| {
            CliError::usage("no site is named")
                .with_hint("name a folder with --site DIR or a repository with --repo URL")
        })
    }

    /// Where the inventory comes from, as the command line, the environment and the settings of the site say, which lie
    /// in the file of this name. Standard input is read here, once.
    pub(crate) fn inventory_source(
        &self,
        settings: &InventorySettings,
        file_name: &str,
    ) -> Result<InventorySource, CliError> {
        let ready = |input| Ok(InventorySource::Ready(input));
        match (self.mock_smd, &self.inventory) {
            _ if self.locked => ready(InventoryInput::Site),
            (Some(None), _) => ready(InventoryInput::Mock),
            (Some(Some(0)), _) => Err(CliError::usage("--mock-smd=0 makes no node").with_hint("ask for one at least")),
            (Some(Some(count)), _) => ready(InventoryInput::Synthetic(count)),
            (None, Some(path)) if path == Path::new("-") => {
                let mut bytes = Vec::new();
                std::io::stdin().read_to_end(&mut bytes).map_err(|error| {
                    CliError::failure(format!("the inventory cannot be read from standard input: {error}"))
                })?;
                ready(InventoryInput::Bytes { name: "standard input".to_owned(), bytes })
            }
            (None, Some(path)) => ready(InventoryInput::File(path.clone())),
            (None, None) => match self.smd.resolve(settings, file_name)? {
                Some(smd) => Ok(InventorySource::Smd(Box::new(smd))),
                None => ready(InventoryInput::Site),
            },
        }
    }
}

/// The top of the repository in whose work tree a folder lies.
fn top_of_repository(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|ancestor| ancestor.join(".git").exists())
}

fn with_slashes(path: &Path) -> String {
    let names: Vec<_> = path.iter().map(|name| name.to_string_lossy()).collect();
    names.join("/")
}

/// The settings of a site; the defaults when it has none.
pub(crate) fn read_site_settings(site: &SiteInput) -> Result<SiteSettings, CliError> {
    let Some(bytes) = site.reader()?.read(FILE_NAME)? else { return Ok(SiteSettings::default()) };
    Ok(parse_settings(FILE_NAME, &String::from_utf8_lossy(&bytes))?)
}

/// The settings of a site. Broken ones count as none here: whoever reads the whole site says what is wrong with them.
pub(crate) fn settings_of(site: &SiteInput) -> SiteSettings {
    read_site_settings(site).unwrap_or_default()
}
