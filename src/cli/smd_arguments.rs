//! Flags that say where SMD and TokenSmith are. Names and environment variables are those of OpenCHAMI's
//! metadata-service.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use mds::settings::{InventorySettings, SmdFlags, SmdSettings, Source, Sourced, TokenSmithFile};
use mds::types::Secret;

use super::error::CliError;

/// Where the inventory is pulled from, and with which token.
#[derive(Debug, Default, Args)]
pub(crate) struct SmdArguments {
    /// Pull the inventory from SMD, which is there; a token is taken from SMD_JWT, else SMD_TOKEN, or from TokenSmith
    #[arg(long, help_heading = "SMD", value_name = "URL", env = "SMD_URL", hide_env_values = true)]
    smd_url: Option<String>,
    /// The certificates that SMD's has to be signed by, instead of the system's
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "FILE",
        env = "SMD_CA",
        hide_env_values = true,
        hide_short_help = true,
        value_parser = path_or_nothing()
    )]
    smd_ca: Option<PathBuf>,
    /// Get tokens for SMD from TokenSmith, which is there; fixed tokens are never used then
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "URL",
        env = "TOKENSMITH_URL",
        hide_env_values = true,
        hide_short_help = true
    )]
    tokensmith_url: Option<String>,
    /// A bootstrap token for TokenSmith, which works once; better in the environment, where fewer can see it
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "TOKEN",
        env = "TOKENSMITH_BOOTSTRAP_TOKEN",
        hide_env_values = true,
        hide_short_help = true,
        value_parser = parse_secret
    )]
    tokensmith_bootstrap_token: Option<Secret>,
    /// The client certificate that TokenSmith knows this service by
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "FILE",
        env = "TOKENSMITH_SERVICE_IDENTITY_CERT",
        hide_env_values = true,
        hide_short_help = true,
        value_parser = path_or_nothing()
    )]
    tokensmith_service_identity_cert: Option<PathBuf>,
    /// Its private key
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "FILE",
        env = "TOKENSMITH_SERVICE_IDENTITY_KEY",
        hide_env_values = true,
        hide_short_help = true,
        value_parser = path_or_nothing()
    )]
    tokensmith_service_identity_key: Option<PathBuf>,
    /// The certificates that TokenSmith's has to be signed by, instead of the system's
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "FILE",
        env = "TOKENSMITH_SERVICE_IDENTITY_CA",
        hide_env_values = true,
        hide_short_help = true,
        value_parser = path_or_nothing()
    )]
    tokensmith_service_identity_ca: Option<PathBuf>,
    /// The service that tokens are for [default: smd]
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "NAME",
        env = "TOKENSMITH_TARGET_SERVICE",
        hide_env_values = true,
        hide_short_help = true
    )]
    tokensmith_target_service: Option<String>,
    /// Scopes to ask for, which TokenSmith's own policy decides about
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "SCOPE",
        env = "TOKENSMITH_SCOPES",
        hide_env_values = true,
        hide_short_help = true,
        value_delimiter = ','
    )]
    tokensmith_scopes: Option<Vec<String>>,
    /// Seconds before its end at which a token is renewed [default: 300]
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "SECONDS",
        env = "TOKENSMITH_REFRESH_SKEW_SEC",
        hide_env_values = true,
        hide_short_help = true,
        value_parser = number_or_nothing
    )]
    tokensmith_refresh_skew_sec: Option<Perhaps<u64>>,
    /// Whether the URL of SMD stands on the command line, and not just in the environment.
    #[arg(skip)]
    is_url_typed: bool,
}

/// The environment that names SMD and its tokens. A process that is handed its inventory has no use for it.
pub(crate) const ENVIRONMENT: [&str; 12] = [
    "SMD_URL",
    "SMD_CA",
    "SMD_JWT",
    "SMD_TOKEN",
    "TOKENSMITH_URL",
    "TOKENSMITH_BOOTSTRAP_TOKEN",
    "TOKENSMITH_SERVICE_IDENTITY_CERT",
    "TOKENSMITH_SERVICE_IDENTITY_KEY",
    "TOKENSMITH_SERVICE_IDENTITY_CA",
    "TOKENSMITH_TARGET_SERVICE",
    "TOKENSMITH_SCOPES",
    "TOKENSMITH_REFRESH_SKEW_SEC",
];

/// A value, or nothing: a variable that is empty says nothing, as compose files write those that are not set.
#[derive(Clone, Copy, Debug)]
struct Perhaps<T>(Option<T>);

fn number_or_nothing(text: &str) -> Result<Perhaps<u64>, String> {
    match text.trim() {
        "" => Ok(Perhaps(None)),
        number => {
            number.parse().map(|number| Perhaps(Some(number))).map_err(|_| "a whole number is expected".to_owned())
        }
    }
}

fn truth_or_nothing(text: &str) -> Result<Perhaps<bool>, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "" => Ok(Perhaps(None)),
        "true" | "t" | "yes" | "on" | "1" => Ok(Perhaps(Some(true))),
        "false" | "f" | "no" | "off" | "0" => Ok(Perhaps(Some(false))),
        _ => Err("`true` or `false` is expected".to_owned()),
    }
}

/// Takes an empty path too: a variable that is empty names nothing, as with those that hold texts.
fn path_or_nothing() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// A text that names something.
fn text(given: Option<&String>) -> Option<String> {
    given.filter(|text| !text.trim().is_empty()).cloned()
}

/// A path that names something.
fn path(given: Option<&PathBuf>) -> Option<PathBuf> {
    given.filter(|path| !path.as_os_str().is_empty()).cloned()
}

/// The scopes that name something, if any does.
fn scopes(given: &[String]) -> Option<Vec<String>> {
    let named: Vec<String> = given.iter().filter(|scope| !scope.trim().is_empty()).cloned().collect();
    (!named.is_empty()).then_some(named)
}

fn parse_secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// How a server keeps in step with SMD.
#[derive(Debug, Default, Args)]
pub(crate) struct SyncArguments {
    /// Whether the inventory is pulled again and again [default: true]
    #[arg(
        long,
        help_heading = "SMD",
        value_name = "BOOL",
        env = "SMD_SYNC_ENABLED",
        hide_env_values = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = truth_or_nothing
    )]
    smd_sync_enabled: Option<Perhaps<bool>>,
    /// Seconds between pulls [default: 60]
    #[arg(long, help_heading = "SMD", value_name = "SECONDS", env = "SMD_SYNC_INTERVAL", hide_env_values = true, value_parser = number_or_nothing)]
    smd_sync_interval: Option<Perhaps<u64>>,
    /// Take state change notifications of SMD, as POST to /smd-notification, as hints to pull now
    #[arg(long, help_heading = "SMD", env = "SMD_NOTIFICATIONS", hide_env_values = true, num_args = 0..=1, require_equals = true, default_missing_value = "true",
        value_parser = truth_or_nothing, value_name = "BOOL")]
    smd_notifications: Option<Perhaps<bool>>,
}

impl SyncArguments {
    fn fill(&self, flags: &mut SmdFlags) {
        flags.sync_enabled =
            given(self.smd_sync_enabled.and_then(|value| value.0), "--smd-sync-enabled", "SMD_SYNC_ENABLED");
        flags.sync_interval =
            given(self.smd_sync_interval.and_then(|value| value.0), "--smd-sync-interval", "SMD_SYNC_INTERVAL");
        flags.notifications =
            given(self.smd_notifications.and_then(|value| value.0), "--smd-notifications", "SMD_NOTIFICATIONS");
    }
}

/// A value of the command line or of the variable that stands for it.
fn given<T>(value: Option<T>, flag: &'static str, variable: &'static str) -> Option<Sourced<T>> {
    value.map(|value| Sourced::new(value, Source::FlagOrEnvironment(flag, variable)))
}

impl SmdArguments {
    /// Whether SMD is named. A variable that is empty names nothing.
    pub(crate) fn is_given(&self) -> bool {
        text(self.smd_url.as_ref()).is_some()
    }

    /// Says whether the URL of SMD stands on the command line, which messages tell.
    pub(crate) const fn set_typed(&mut self, is_typed: bool) {
        self.is_url_typed = is_typed;
    }

    /// Whether SMD is named on the command line itself.
    pub(crate) fn is_typed(&self) -> bool {
        self.is_url_typed && self.is_given()
    }

    /// Something else was preferred.
    pub(crate) fn forget_url(&mut self) {
        self.smd_url = None;
    }

    /// Joins the command line, the environment and the settings, which lie in the file of this name.
    pub(crate) fn resolve(
        &self,
        settings: &InventorySettings,
        file_name: &str,
    ) -> Result<Option<SmdSettings>, CliError> {
        self.resolve_with(&SyncArguments::default(), settings, file_name)
    }

    const fn source(&self) -> Source {
        if self.is_url_typed { Source::Flag("--smd-url") } else { Source::Environment("SMD_URL") }
    }

    /// As [`SmdArguments::resolve`], with how a server keeps in step.
    pub(crate) fn resolve_with(
        &self,
        sync: &SyncArguments,
        settings: &InventorySettings,
        file_name: &str,
    ) -> Result<Option<SmdSettings>, CliError> {
        let mut flags = SmdFlags {
            url: text(self.smd_url.as_ref()).map(|url| Sourced::new(url, self.source())),
            ca: given(path(self.smd_ca.as_ref()), "--smd-ca", "SMD_CA"),
            token: fixed_token(),
            ..SmdFlags::default()
        };
        sync.fill(&mut flags);
        let tokensmith = TokenSmithFile {
            url: text(self.tokensmith_url.as_ref()),
            bootstrap_token: self.tokensmith_bootstrap_token.clone().filter(|token| !token.is_empty()),
            service_identity_cert: path(self.tokensmith_service_identity_cert.as_ref()),
            service_identity_key: path(self.tokensmith_service_identity_key.as_ref()),
            service_identity_ca: path(self.tokensmith_service_identity_ca.as_ref()),
            target_service: text(self.tokensmith_target_service.as_ref()),
            scopes: self.tokensmith_scopes.as_deref().and_then(scopes),
            refresh_skew_sec: self.tokensmith_refresh_skew_sec.and_then(|seconds| seconds.0),
        };
        SmdSettings::resolve(flags, tokensmith, settings.smd.clone(), settings.tokensmith.clone(), file_name)
            .map_err(CliError::usage)
    }
}

/// `SMD_JWT`, else `SMD_TOKEN`. There is no flag: everybody may read the arguments of a process.
fn fixed_token() -> Option<Sourced<Secret>> {
    ["SMD_JWT", "SMD_TOKEN"].into_iter().find_map(|name| {
        let token = Secret::new(&std::env::var(name).ok()?);
        (!token.is_empty()).then(|| Sourced::new(token, Source::Environment(name)))
    })
}
