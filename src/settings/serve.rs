//! The settings of the server.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::sourced::Sourced;

/// The `[serve]` table of a settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServeFile {
    /// Addresses to listen on.
    pub listen: Option<Vec<SocketAddr>>,
    /// Senders whose `X-Forwarded-For` counts.
    pub trusted_proxies: Option<Vec<IpNet>>,
    /// Path prefixes below which everything is served as well.
    pub prefixes: Option<Vec<String>>,
    /// Seconds between looks at a remote repository.
    pub poll: Option<u64>,
}

/// What the command line or the environment says about serving.
#[derive(Clone, Debug, Default)]
pub struct ServeFlags {
    /// `--listen`.
    pub listen: Option<Sourced<Vec<SocketAddr>>>,
    /// `--trusted-proxy`.
    pub trusted_proxies: Option<Sourced<Vec<IpNet>>>,
    /// `--prefix`.
    pub prefixes: Option<Sourced<Vec<String>>>,
    /// `--poll`, in seconds.
    pub poll: Option<Sourced<u64>>,
}

/// The settings of a running server.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// Addresses to listen on, `0.0.0.0:8080` by default.
    pub listen: Sourced<Vec<SocketAddr>>,
    /// Senders whose `X-Forwarded-For` counts: loopback by default.
    pub trusted_proxies: Sourced<Vec<IpNet>>,
    /// Path prefixes, each beginning with a slash and not ending in one.
    pub prefixes: Sourced<Vec<String>>,
    /// Seconds between looks at a remote repository, 60 by default and at least 1.
    pub poll: Sourced<u64>,
}

impl ServeSettings {
    /// Joins command line, environment, file and defaults.
    ///
    /// # Errors
    /// When a prefix is not a path of plain characters, or the poll interval is zero; the sentence names the source.
    pub fn resolve(flags: ServeFlags, file: ServeFile, file_name: &str) -> Result<Self, String> {
        let mut prefixes = Sourced::choose(flags.prefixes, file.prefixes, file_name, default_prefixes);
        for prefix in &mut prefixes.value {
            *prefix = clean_prefix(prefix).map_err(|message| format!("{message} (from {})", prefixes.source))?;
        }
        prefixes.value.retain(|prefix| !prefix.is_empty());
        let poll = Sourced::choose(flags.poll, file.poll, file_name, || DEFAULT_POLL_SECONDS);
        if poll.value == 0 {
            return Err(format!(
                "a poll interval of 0 seconds (from {}) would never rest; use at least 1",
                poll.source
            ));
        }
        let listen = Sourced::choose(flags.listen, file.listen, file_name, || {
            vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT))]
        });
        if listen.value.is_empty() {
            return Err(format!("no address to listen on is left (from {}); name at least one", listen.source));
        }
        Ok(Self {
            listen,
            trusted_proxies: Sourced::choose(flags.trusted_proxies, file.trusted_proxies, file_name, loopback),
            prefixes,
            poll,
        })
    }
}

/// The port of the original service.
const DEFAULT_PORT: u16 = 8080;
/// How often a remote repository is asked for news, in seconds.
const DEFAULT_POLL_SECONDS: u64 = 60;

/// The two prefixes under which OpenCHAMI's gateways have mounted the service.
fn default_prefixes() -> Vec<String> {
    vec!["/cloud-init".to_owned(), "/metadata-service".to_owned()]
}

pub(super) fn loopback() -> Vec<IpNet> {
    let network = |address: IpAddr, length: u8| IpNet::new(address, length).map(|network| network.trunc());
    [network(IpAddr::V4(Ipv4Addr::LOCALHOST), 8), network(IpAddr::V6(Ipv6Addr::LOCALHOST), 128)]
        .into_iter()
        .flatten()
        .collect()
}

fn clean_prefix(prefix: &str) -> Result<String, String> {
    let trimmed = prefix.trim_matches('/');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let is_odd = |part: &str| part == "." || part == ".." || (part.is_empty() && !trimmed.is_empty());
    if trimmed.bytes().all(plain) && !trimmed.split('/').any(is_odd) {
        Ok(if trimmed.is_empty() { String::new() } else { format!("/{trimmed}") })
    } else {
        Err(format!("`{prefix}` is not a path prefix: letters, digits, `-_.~` and `/` are expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;

    #[test]
    fn defaults_are_the_originals_port_and_loopback_as_the_only_proxy() {
        let settings = ServeSettings::resolve(ServeFlags::default(), ServeFile::default(), "mds.toml").unwrap();
        assert_eq!(settings.listen.value, ["0.0.0.0:8080".parse().unwrap()]);
        let proxies: Vec<String> = settings.trusted_proxies.value.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["127.0.0.0/8", "::1/128"]);
    }

    #[test]
    fn prefixes_are_cleaned_and_odd_ones_refused_with_their_source() {
        let flags = |text: &str| ServeFlags {
            prefixes: Some(Sourced::new(vec![text.to_owned()], Source::Flag("--prefix"))),
            ..ServeFlags::default()
        };
        let resolve = |text: &str| ServeSettings::resolve(flags(text), ServeFile::default(), "mds.toml");
        assert_eq!(resolve("a/b/").unwrap().prefixes.value, ["/a/b"]);
        assert!(resolve("/").unwrap().prefixes.value.is_empty());
        assert!(resolve("/a//b").is_err());
        assert!(resolve("/a/../b").unwrap_err().contains("the flag --prefix"));
    }
}
