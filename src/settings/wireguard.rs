//! The settings of the tunnels.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::sourced::{Source, Sourced};
use crate::types::TunnelNetwork;

/// The `[wireguard]` table of a settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WireguardFile {
    /// The server's address in the tunnels with the length of the network's prefix; without it there are no tunnels.
    pub server: Option<TunnelNetwork>,
    /// The UDP address to listen on.
    pub listen: Option<SocketAddr>,
    /// What nodes are told to send their packets to, as `HOST:PORT`.
    pub endpoint: Option<String>,
    /// Whether documents are served through tunnels only.
    pub only: Option<bool>,
    /// When a node may bring a key.
    pub arm: Option<Arming>,
    /// Seconds without a handshake after which a tunnel ends.
    pub idle: Option<u64>,
    /// Seconds after which a tunnel ends in any case.
    pub max_age: Option<u64>,
    /// How many times a minute a node may ask for a tunnel.
    pub max_asks_per_minute: Option<u32>,
    /// How many handshakes a second are answered without asking for a cookie first.
    pub max_handshakes_per_second: Option<u32>,
    /// Who may read `/wireguardpeers`.
    pub admins: Option<Vec<IpNet>>,
}

/// When a node may bring a key that is not the one of its live tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arming {
    /// At any time: a node that reboots brings a fresh key.
    #[default]
    Always,
    /// Once; after that only in a window that `mds arm` opens.
    Once,
    /// Only in a window that `mds arm` opens.
    Window,
}

/// What the command line or the environment says about tunnels.
#[derive(Clone, Debug, Default)]
pub struct WireguardFlags {
    /// `--wireguard-server`.
    pub server: Option<Sourced<TunnelNetwork>>,
    /// `--wireguard-listen`.
    pub listen: Option<Sourced<SocketAddr>>,
    /// `--wireguard-endpoint`.
    pub endpoint: Option<Sourced<String>>,
    /// `--wireguard-only`.
    pub only: Option<Sourced<bool>>,
}

/// The settings of tunnels that are on.
#[derive(Clone, Debug)]
pub struct WireguardSettings {
    /// The server's address in the tunnels, and the network around it.
    pub server: Sourced<TunnelNetwork>,
    /// The UDP address to listen on, `0.0.0.0:51820` by default.
    pub listen: Sourced<SocketAddr>,
    /// What nodes are told to send their packets to, as `HOST:PORT`; without it, the address they asked at and the port
    /// that is listened on.
    pub endpoint: Option<Sourced<String>>,
    /// Whether documents are served through tunnels only; not by default.
    pub only: Sourced<bool>,
    /// When a node may bring a key.
    pub arm: Arming,
    /// How long a tunnel may go without a handshake before it ends, 10 minutes by default. A live peer shakes hands
    /// every two minutes while there is traffic.
    pub idle: Duration,
    /// How long a tunnel may last, 2 hours by default.
    pub max_age: Duration,
    /// How many times a minute a node may ask for a tunnel, 20 by default.
    pub max_asks_per_minute: u32,
    /// How many handshakes a second are answered without asking for a cookie first, 6000 by default.
    pub max_handshakes_per_second: u32,
    /// Who may read `/wireguardpeers`: loopback by default.
    pub admins: Vec<IpNet>,
}

impl WireguardSettings {
    /// Joins command line, environment, file and defaults; none when nobody names a network, and so tunnels are off.
    ///
    /// # Errors
    /// When a value makes no sense, or something is said of tunnels that are off; the sentence names the source.
    pub fn resolve(flags: WireguardFlags, file: WireguardFile, file_name: &str) -> Result<Option<Self>, String> {
        let of_file = |value: Option<_>| value.map(|value| Sourced::new(value, Source::File(file_name.to_owned())));
        let only = Sourced::choose(flags.only, file.only, file_name, || false);
        let Some(server) = flags.server.or_else(|| of_file(file.server)) else {
            return if only.value {
                Err(format!(
                    "documents are to be served through tunnels only (from {}), and there are none: name the server's \
                     address in them with --wireguard-server or `server` in [wireguard], such as 100.97.0.1/16",
                    only.source
                ))
            } else {
                Ok(None)
            };
        };
        let endpoint = match (flags.endpoint, file.endpoint) {
            (Some(endpoint), _) => Some(endpoint),
            (None, file) => file.map(|value| Sourced::new(value, Source::File(file_name.to_owned()))),
        };
        if let Some(endpoint) = &endpoint {
            check_endpoint(&endpoint.value).map_err(|fault| format!("{fault} (from {})", endpoint.source))?;
        }
        let listen = Sourced::choose(flags.listen, file.listen, file_name, || {
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT))
        });
        Ok(Some(Self {
            server,
            listen,
            endpoint,
            only,
            arm: file.arm.unwrap_or_default(),
            idle: seconds(file.idle, DEFAULT_IDLE, "idle")?,
            max_age: seconds(file.max_age, DEFAULT_MAX_AGE, "max_age")?,
            max_asks_per_minute: at_least_one(file.max_asks_per_minute, DEFAULT_ASKS, "max_asks_per_minute")?,
            max_handshakes_per_second: at_least_one(
                file.max_handshakes_per_second,
                DEFAULT_HANDSHAKES,
                "max_handshakes_per_second",
            )?,
            admins: file.admins.unwrap_or_else(super::serve::loopback),
        }))
    }
}

/// WireGuard's usual port.
const DEFAULT_PORT: u16 = 51820;
const DEFAULT_IDLE: Duration = Duration::from_secs(10 * 60);
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);
const DEFAULT_ASKS: u32 = 20;
const DEFAULT_HANDSHAKES: u32 = 6000;
/// The least of both times: a session of WireGuard lasts three minutes, and a node must have time to boot.
const LEAST_SECONDS: u64 = 1;

fn seconds(given: Option<u64>, default: Duration, name: &str) -> Result<Duration, String> {
    match given {
        Some(value) if value < LEAST_SECONDS => Err(format!("{name} must be at least {LEAST_SECONDS} second")),
        Some(value) => Ok(Duration::from_secs(value)),
        None => Ok(default),
    }
}

fn at_least_one(given: Option<u32>, default: u32, name: &str) -> Result<u32, String> {
    match given {
        Some(0) => Err(format!("{name} must be at least 1")),
        Some(value) => Ok(value),
        None => Ok(default),
    }
}

fn check_endpoint(text: &str) -> Result<(), String> {
    let expected = "HOST:PORT such as `10.252.0.1:51820` is expected, an IPv6 address in brackets";
    let Some((host, port)) = text.rsplit_once(':') else { return Err(format!("`{text}` has no port; {expected}")) };
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(format!("`{text}` has no port from 1 to 65535; {expected}"));
    }
    let is_plain = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
    if is_plain || text.parse::<SocketAddr>().is_ok() {
        Ok(())
    } else {
        Err(format!("`{text}` has no host; {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> WireguardFile {
        toml::from_str(text).unwrap()
    }

    fn resolve(text: &str) -> Result<Option<WireguardSettings>, String> {
        WireguardSettings::resolve(WireguardFlags::default(), file(text), "mds.toml")
    }

    #[test]
    fn tunnels_are_off_until_a_network_is_named() {
        assert!(resolve("").unwrap().is_none());
        assert!(resolve("idle = 5").unwrap().is_none());
        assert!(resolve("only = true").unwrap_err().contains("--wireguard-server"));
        let settings = resolve("server = \"100.97.0.1/16\"").unwrap().unwrap();
        assert_eq!(settings.listen.value.to_string(), "0.0.0.0:51820");
        assert_eq!((settings.idle.as_secs(), settings.max_age.as_secs()), (600, 7200));
        assert_eq!(settings.arm, Arming::Always);
    }

    #[test]
    fn the_command_line_wins() {
        let flags = WireguardFlags {
            server: Some(Sourced::new("10.9.0.1/24".parse().unwrap(), Source::Flag("--wireguard-server"))),
            ..WireguardFlags::default()
        };
        let settings = WireguardSettings::resolve(flags, file("server = \"100.97.0.1/16\""), "mds.toml");
        assert_eq!(settings.unwrap().unwrap().server.value.to_string(), "10.9.0.1/24");
    }

    #[test]
    fn odd_values_are_refused() {
        let with = |text: &str| resolve(&format!("server = \"100.97.0.1/16\"\n{text}")).unwrap_err();
        assert!(with("idle = 0").contains("idle"));
        assert!(with("max_asks_per_minute = 0").contains("max_asks_per_minute"));
        for endpoint in ["head", "head:0", "head:x", ":51820", "fd00::1:51820x", "a b:1"] {
            assert!(with(&format!("endpoint = \"{endpoint}\"")).contains("mds.toml"), "{endpoint}");
        }
        for endpoint in ["head:51820", "10.0.0.1:1", "[fd00::1]:51820"] {
            assert!(resolve(&format!("server = \"100.97.0.1/16\"\nendpoint = \"{endpoint}\"")).is_ok(), "{endpoint}");
        }
    }
}
