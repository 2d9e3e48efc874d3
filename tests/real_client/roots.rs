//! The Debian roots, and what to do when they cannot be used.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::programs::{run, try_run};
use super::scratch;

/// The folder of the checkout that keeps the roots.
const CACHE: &str = ".cache/roots";

/// A cloud-init that is booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// 22.4 of Debian 12: never asks for network-config, and wants the old name of the data source.
    Bookworm,
    /// 25.1 of Debian 13: asks for network-config first.
    Trixie,
}

impl Client {
    /// The name of the Debian release.
    pub(crate) const fn release(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// What the kernel command line says to make the client use a server.
    pub(crate) fn command_line(self, url: &str) -> String {
        let source = match self {
            Self::Bookworm => "nocloud-net",
            Self::Trixie => "nocloud",
        };
        format!("BOOT_IMAGE=/boot/vmlinuz root=/dev/ram0 ro ds={source};s={url}")
    }

    /// Whether the client asks for network-config.
    pub(crate) fn asks_for_network_config(self) -> bool {
        self == Self::Trixie
    }
}

/// A Debian root to boot.
#[derive(Clone, Debug)]
pub(crate) struct Root {
    /// The cloud-init in it.
    pub(crate) client: Client,
    /// Its folder, which no node writes to.
    pub(crate) folder: PathBuf,
}

impl Root {
    /// The root with a client, or none when this machine cannot boot it: then the test has to end here, and has been
    /// reported as skipped.
    ///
    /// # Panics
    /// When the root cannot be had and `MDS_TESTS_MUST_RUN` is `1`.
    pub(crate) fn of(client: Client) -> Option<Self> {
        match find(client) {
            Ok(folder) => Some(Self { client, folder }),
            Err(reason) if std::env::var_os("MDS_TESTS_MUST_RUN").is_some_and(|value| value == "1") => {
                panic!("the real-client tests must run here and cannot: {reason}")
            }
            Err(reason) => {
                skip(&reason);
                None
            }
        }
    }
}

fn find(client: Client) -> Result<PathBuf, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("network namespaces and overlays need root".to_owned());
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = repository.join("tests/lib/roots");
    let listing = run(Command::new(script).arg("--print").arg(repository.join(CACHE)));
    let folder = listing
        .lines()
        .filter_map(|line| line.split_once(' '))
        .find_map(|(release, folder)| (release == client.release()).then(|| PathBuf::from(folder)))
        .ok_or_else(|| format!("tests/lib/roots does not know {}", client.release()))?;
    if !folder.is_dir() {
        return Err(format!("there is no {}; `tests/lib/roots {CACHE}` makes it", folder.display()));
    }
    try_run(Command::new("ip").args(["netns", "list"]))?;
    scratch::base()?;
    Ok(folder)
}

/// Says so past the test runner, which keeps to itself what a passing test prints.
fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let line = format!("\nSKIPPED: {test}: no real client was booted: {reason}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}
