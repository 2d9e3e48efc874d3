//! The settings of SMD and TokenSmith: where the inventory is pulled from, and with which token.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::service_url::ServiceUrl;
use super::sourced::{Source, Sourced};
use crate::types::Secret;

/// The `[inventory.smd]` table of a settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SmdFile {
    /// Where SMD is; without it, the inventory is a file.
    pub url: Option<String>,
    /// A file with the certificates that SMD's has to be signed by, instead of the system's.
    pub ca: Option<PathBuf>,
    /// Seconds to wait for SMD to send anything.
    pub timeout: Option<u64>,
    /// Whether a server pulls the inventory again and again.
    pub sync_enabled: Option<bool>,
    /// Seconds between pulls.
    pub sync_interval: Option<u64>,
    /// Whether SMD's state change notifications are taken as hints to pull now.
    pub notifications: Option<bool>,
}

/// The `[inventory.tokensmith]` table of a settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenSmithFile {
    /// Where TokenSmith is; without it, the token is a fixed one.
    pub url: Option<String>,
    /// A bootstrap token. It works once, and does not belong in a site.
    #[serde(skip_serializing)]
    pub bootstrap_token: Option<Secret>,
    /// The certificate that proves who asks.
    pub service_identity_cert: Option<PathBuf>,
    /// Its private key.
    pub service_identity_key: Option<PathBuf>,
    /// A file with the certificates that TokenSmith's has to be signed by, instead of the system's.
    pub service_identity_ca: Option<PathBuf>,
    /// The service that the token is for; TokenSmith itself decides by its policy.
    pub target_service: Option<String>,
    /// Scopes to ask for; TokenSmith itself decides by its policy.
    pub scopes: Option<Vec<String>>,
    /// Seconds before its end at which a token is renewed.
    pub refresh_skew_sec: Option<u64>,
}

/// What the command line or the environment says about SMD.
#[derive(Clone, Debug, Default)]
pub struct SmdFlags {
    /// `--smd-url`.
    pub url: Option<Sourced<String>>,
    /// `--smd-ca`.
    pub ca: Option<Sourced<PathBuf>>,
    /// `SMD_JWT`, else `SMD_TOKEN`.
    pub token: Option<Sourced<Secret>>,
    /// `--smd-sync-enabled`.
    pub sync_enabled: Option<Sourced<bool>>,
    /// `--smd-sync-interval`, in seconds.
    pub sync_interval: Option<Sourced<u64>>,
    /// `--smd-notifications`.
    pub notifications: Option<Sourced<bool>>,
}

/// Where SMD is, and how it is asked.
#[derive(Clone, Debug)]
pub struct SmdSettings {
    /// Where its API begins.
    pub url: Sourced<ServiceUrl>,
    /// A file with the certificates that SMD's has to be signed by, instead of the system's.
    pub ca: Option<PathBuf>,
    /// How long SMD may send nothing before the attempt is given up: 10 s by default.
    pub timeout: Duration,
    /// Which token it is asked with.
    pub authentication: Authentication,
    /// How a server keeps in step.
    pub sync: SyncSettings,
}

/// How a server keeps in step with SMD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncSettings {
    /// Whether it pulls again and again; otherwise once, at its start.
    pub is_enabled: bool,
    /// The time between pulls: 60 s by default and at least 1.
    pub interval: Duration,
    /// Whether a notification of SMD makes it pull at once.
    pub takes_notifications: bool,
}

/// Which token SMD is asked with.
#[derive(Clone, Debug)]
pub enum Authentication {
    /// None.
    None,
    /// A fixed one.
    Token(Secret),
    /// One of TokenSmith, and never a fixed one instead.
    TokenSmith(Box<TokenSmithSettings>),
}

/// How tokens are got from TokenSmith.
#[derive(Clone, Debug)]
pub struct TokenSmithSettings {
    /// Where its API begins.
    pub url: ServiceUrl,
    /// The files of a client certificate and its key, with which a session can be had at any time.
    pub identity: Option<IdentityFiles>,
    /// A token that is exchanged once.
    pub bootstrap_token: Option<Secret>,
    /// A file with the certificates that TokenSmith's has to be signed by, instead of the system's.
    pub ca: Option<PathBuf>,
    /// The service that the token is for.
    pub target_service: String,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// How long before its end a token is renewed.
    pub refresh_skew: Duration,
}

/// The files of a client certificate, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate, with those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

const DEFAULT_TIMEOUT_SECONDS: u64 = 10;
/// An hour: whoever says nothing for longer will not say anything.
const MAX_TIMEOUT_SECONDS: u64 = 3600;
/// As the original service.
const DEFAULT_SYNC_SECONDS: u64 = 60;
/// Thirty days.
const MAX_SYNC_SECONDS: u64 = 30 * 24 * 3600;
/// As the original service.
const DEFAULT_SKEW_SECONDS: u64 = 300;
const DEFAULT_TARGET: &str = "smd";

impl SmdSettings {
    /// Joins command line, environment, file and defaults; `None` when nothing says where SMD is.
    ///
    /// # Errors
    /// When an URL is none, an interval is zero, or TokenSmith is named without anything to prove who asks; the sentence
    /// names the source.
    pub fn resolve(
        flags: SmdFlags,
        tokensmith_flags: TokenSmithFile,
        smd: SmdFile,
        tokensmith: TokenSmithFile,
        file_name: &str,
    ) -> Result<Option<Self>, String> {
        let in_file = |text| Sourced::new(text, Source::File(file_name.to_owned()));
        let Some(url) = flags.url.or_else(|| smd.url.map(in_file)).filter(|url| !url.value.trim().is_empty()) else {
            return Ok(None);
        };
        let parsed = ServiceUrl::smd(&url.value).map_err(|error| format!("{error} (from {})", url.source))?;
        let interval = Sourced::choose(flags.sync_interval, smd.sync_interval, file_name, || DEFAULT_SYNC_SECONDS);
        let timeout = smd.timeout.unwrap_or(DEFAULT_TIMEOUT_SECONDS);
        if !(1..=MAX_SYNC_SECONDS).contains(&interval.value) {
            return Err(format!(
                "{} seconds between pulls (from {}) are not between 1 and {MAX_SYNC_SECONDS}",
                interval.value, interval.source
            ));
        }
        if !(1..=MAX_TIMEOUT_SECONDS).contains(&timeout) {
            return Err(format!(
                "a timeout of {timeout} seconds (from {file_name}) is not between 1 and {MAX_TIMEOUT_SECONDS}"
            ));
        }
        let fixed = flags.token.filter(|token| !token.value.is_empty());
        let authentication = match TokenSmithSettings::resolve(tokensmith_flags.or(tokensmith))? {
            Some(tokensmith) => Authentication::TokenSmith(Box::new(tokensmith)),
            None => fixed.map_or(Authentication::None, |token| Authentication::Token(token.value)),
        };
        Ok(Some(Self {
            url: Sourced::new(parsed, url.source),
            ca: flags.ca.map(|ca| ca.value).or(smd.ca),
            timeout: Duration::from_secs(timeout),
            authentication,
            sync: SyncSettings {
                is_enabled: flags.sync_enabled.map(|enabled| enabled.value).or(smd.sync_enabled).unwrap_or(true),
                interval: Duration::from_secs(interval.value),
                takes_notifications: flags
                    .notifications
                    .map(|notifications| notifications.value)
                    .or(smd.notifications)
                    .unwrap_or(false),
            },
        }))
    }
}

impl SmdFile {
    /// What is wrong with the values, one sentence each.
    pub(super) fn faults(&self) -> Vec<String> {
        let url = self.url.as_deref().and_then(|url| ServiceUrl::smd(url).err()).map(|error| error.to_string());
        let beyond = |value: Option<u64>, max: u64, name: &str| {
            let value = value.filter(|value| !(1..=max).contains(value))?;
            Some(format!("{name} is {value} seconds, and 1 to {max} are possible"))
        };
        let times = [
            beyond(self.timeout, MAX_TIMEOUT_SECONDS, "timeout"),
            beyond(self.sync_interval, MAX_SYNC_SECONDS, "sync_interval"),
        ];
        url.into_iter().chain(times.into_iter().flatten()).collect()
    }
}

impl TokenSmithFile {
    /// What is wrong with the values. Who asks may be said by the command line or the environment.
    pub(super) fn fault(&self) -> Option<String> {
        self.url.as_deref().and_then(|url| ServiceUrl::tokensmith(url).err()).map(|error| error.to_string())
    }

    /// Every value of this one, and of the other what this one does not say.
    fn or(self, other: Self) -> Self {
        Self {
            url: self.url.or(other.url),
            bootstrap_token: self.bootstrap_token.or(other.bootstrap_token),
            service_identity_cert: self.service_identity_cert.or(other.service_identity_cert),
            service_identity_key: self.service_identity_key.or(other.service_identity_key),
            service_identity_ca: self.service_identity_ca.or(other.service_identity_ca),
            target_service: self.target_service.or(other.target_service),
            scopes: self.scopes.or(other.scopes),
            refresh_skew_sec: self.refresh_skew_sec.or(other.refresh_skew_sec),
        }
    }
}

impl TokenSmithSettings {
    fn resolve(options: TokenSmithFile) -> Result<Option<Self>, String> {
        let Some(url) = options.url.filter(|url| !url.trim().is_empty()) else { return Ok(None) };
        let url = ServiceUrl::tokensmith(&url).map_err(|error| error.to_string())?;
        let bootstrap_token = options.bootstrap_token.filter(|token| !token.is_empty());
        let given = |path: &PathBuf| !path.as_os_str().is_empty();
        let files = (options.service_identity_cert.filter(given), options.service_identity_key.filter(given));
        let identity = match files {
            (Some(certificate), Some(key)) => Some(IdentityFiles { certificate, key }),
            (None, None) => None,
            _ if bootstrap_token.is_some() => {
                tracing::warn!(
                    "of TokenSmith's service identity only one of certificate and key is given; the bootstrap token is used"
                );
                None
            }
            _ => {
                return Err("TokenSmith's service identity needs both a certificate and a key; give \
                            TOKENSMITH_SERVICE_IDENTITY_CERT and TOKENSMITH_SERVICE_IDENTITY_KEY"
                    .to_owned());
            }
        };
        if identity.is_none() && bootstrap_token.is_none() {
            return Err("TokenSmith needs to be told who asks; give a service identity \
                        (TOKENSMITH_SERVICE_IDENTITY_CERT and _KEY) or TOKENSMITH_BOOTSTRAP_TOKEN"
                .to_owned());
        }
        let skew = options.refresh_skew_sec.unwrap_or(DEFAULT_SKEW_SECONDS);
        Ok(Some(Self {
            url,
            identity,
            bootstrap_token,
            ca: options.service_identity_ca.filter(given),
            target_service: options.target_service.unwrap_or_else(|| DEFAULT_TARGET.to_owned()),
            scopes: options.scopes.unwrap_or_default(),
            refresh_skew: Duration::from_secs(skew),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(url: &str) -> SmdFlags {
        SmdFlags { url: Some(Sourced::new(url.to_owned(), Source::Flag("--smd-url"))), ..SmdFlags::default() }
    }

    fn with_tokensmith(tokensmith: TokenSmithFile) -> Result<Option<SmdSettings>, String> {
        let token = Some(Sourced::new(Secret::new("fixed"), Source::Environment("SMD_TOKEN")));
        let flags = SmdFlags { token, ..flags("http://smd") };
        SmdSettings::resolve(flags, TokenSmithFile::default(), SmdFile::default(), tokensmith, "mds.toml")
    }

    #[test]
    fn nothing_said_is_no_smd_and_the_defaults_are_those_of_the_original() {
        let none = |flags| {
            SmdSettings::resolve(flags, TokenSmithFile::default(), SmdFile::default(), TokenSmithFile::default(), "f")
        };
        assert!(none(SmdFlags::default()).unwrap().is_none());
        assert!(none(flags(" ")).unwrap().is_none());
        let settings = none(flags("http://smd:27779")).unwrap().unwrap();
        let sync = SyncSettings { is_enabled: true, interval: Duration::from_secs(60), takes_notifications: false };
        assert_eq!((settings.sync, settings.timeout), (sync, Duration::from_secs(10)));
        assert!(matches!(settings.authentication, Authentication::None));
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_is_named_when_it_is_wrong() {
        let file = SmdFile { url: Some("http://file".to_owned()), sync_interval: Some(5), ..SmdFile::default() };
        let resolve = |flags, file| {
            SmdSettings::resolve(flags, TokenSmithFile::default(), file, TokenSmithFile::default(), "mds.toml")
        };
        let settings = resolve(flags("http://flag"), file.clone()).unwrap().unwrap();
        assert_eq!(
            (settings.url.value.to_string(), settings.sync.interval.as_secs()),
            ("http://flag/hsm/v2".to_owned(), 5)
        );
        assert!(resolve(flags("nonsense"), file.clone()).unwrap_err().contains("(from the flag --smd-url)"));
        for seconds in [0, u64::MAX] {
            let wrong = SmdFile { sync_interval: Some(seconds), ..file.clone() };
            assert!(resolve(SmdFlags::default(), wrong).unwrap_err().contains("(from mds.toml)"));
            let wrong = SmdFile { timeout: Some(seconds), ..file.clone() };
            assert!(resolve(SmdFlags::default(), wrong).unwrap_err().contains("a timeout of"));
        }
    }

    #[test]
    fn tokensmith_takes_the_place_of_a_fixed_token_and_has_to_be_told_who_asks() {
        let options = |cert: Option<&str>, key: Option<&str>, bootstrap: Option<&str>| TokenSmithFile {
            url: Some("https://tokensmith".to_owned()),
            service_identity_cert: cert.map(PathBuf::from),
            service_identity_key: key.map(PathBuf::from),
            bootstrap_token: bootstrap.map(Secret::new),
            ..TokenSmithFile::default()
        };
        let identity = |options| match with_tokensmith(options).unwrap().unwrap().authentication {
            Authentication::TokenSmith(settings) => settings.identity.is_some(),
            other => panic!("{other:?}"),
        };
        assert!(identity(options(Some("c"), Some("k"), None)));
        assert!(!identity(options(None, None, Some("b"))));
        assert!(!identity(options(Some("c"), None, Some("b"))), "half an identity gives way to a bootstrap token");
        assert!(with_tokensmith(options(Some("c"), None, None)).unwrap_err().contains("both a certificate and a key"));
        assert!(with_tokensmith(options(None, None, None)).unwrap_err().contains("who asks"));
        let settings = with_tokensmith(TokenSmithFile::default()).unwrap().unwrap();
        assert!(matches!(settings.authentication, Authentication::Token(_)));
    }
}
