//! What a server remembers of its site's settings from start to start: where to listen, whom to believe and where the
//! inventory comes from, so that a broken `mds.toml` or a remote that is gone does not keep a restarted server from
//! serving the release it has.

use std::path::{Path, PathBuf};

use mds::settings::{FILE_NAME, InventorySettings, ServeFile, SiteSettings, SmdFile, TokenSmithFile, WireguardFile};
use serde::{Deserialize, Serialize};

/// What a settings file says that a server needs before it can read a site.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Remembered {
    /// How messages call where `serve` is from.
    #[serde(skip)]
    pub(crate) name: String,
    pub(crate) serve: ServeFile,
    /// How messages call where the tunnels are from.
    #[serde(skip)]
    pub(crate) wireguard_name: String,
    pub(crate) wireguard: WireguardFile,
    /// How messages call where the rest is from.
    #[serde(skip)]
    pub(crate) smd_name: String,
    smd: SmdFile,
    tokensmith: TokenSmithFile,
}

impl Remembered {
    pub(crate) fn new(name: String, settings: SiteSettings) -> Self {
        let SiteSettings { serve, wireguard, inventory, .. } = settings;
        let InventorySettings { smd, tokensmith, .. } = inventory;
        Self { smd_name: name.clone(), wireguard_name: name.clone(), name, serve, wireguard, smd, tokensmith }
    }

    /// This file's word on serving, and its tables of tunnels, SMD and TokenSmith where it has them; else the other's.
    pub(crate) fn over(self, other: Self) -> Self {
        let has_smd = self.smd != SmdFile::default();
        let has_tokensmith = self.tokensmith != TokenSmithFile::default();
        let has_wireguard = self.wireguard != WireguardFile::default();
        Self {
            smd_name: if has_smd { self.smd_name } else { other.smd_name },
            smd: if has_smd { self.smd } else { other.smd },
            tokensmith: if has_tokensmith { self.tokensmith } else { other.tokensmith },
            wireguard_name: if has_wireguard { self.wireguard_name } else { other.wireguard_name },
            wireguard: if has_wireguard { self.wireguard } else { other.wireguard },
            ..self
        }
    }

    /// The tables of SMD and TokenSmith as a site has them.
    pub(crate) fn inventory(&self) -> InventorySettings {
        InventorySettings { smd: self.smd.clone(), tokensmith: self.tokensmith.clone(), ..InventorySettings::default() }
    }
}

/// Remembers settings in the state folder. Secrets are left out.
#[derive(Debug)]
pub(crate) struct ServeMemory {
    path: PathBuf,
}

impl ServeMemory {
    pub(crate) fn new(state: &Path) -> Self {
        Self { path: state.join("serve.json") }
    }

    /// Remembers the settings. Without success the next start has the defaults if it needs them, which is said then.
    pub(crate) fn remember(&self, settings: &Remembered) {
        if let Err(error) = self.write(settings) {
            tracing::debug!(path = %self.path.display(), %error, "the settings of the server cannot be remembered");
        }
    }

    fn write(&self, settings: &Remembered) -> std::io::Result<()> {
        let fresh = self.path.with_extension("new");
        std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&fresh, serde_json::to_vec(settings)?)?;
        std::fs::rename(fresh, &self.path)
    }

    /// The settings of the last start that could read them, else the defaults.
    pub(crate) fn recall(&self) -> Remembered {
        let read = std::fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let (settings, name) = match read {
            Some(settings) => (settings, "the last start"),
            None => {
                tracing::warn!("no earlier settings of the server are known either; the defaults count");
                (Remembered::default(), FILE_NAME)
            }
        };
        Remembered { name: name.to_owned(), smd_name: name.to_owned(), wireguard_name: name.to_owned(), ..settings }
    }
}

#[cfg(test)]
mod tests {
    use mds::settings::parse_settings;

    use super::*;

    fn settings(text: &str) -> Remembered {
        Remembered::new("mds.toml".to_owned(), parse_settings("mds.toml", text).unwrap())
    }

    #[test]
    fn settings_are_remembered_without_secrets_and_their_absence_is_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let memory = ServeMemory::new(&folder.path().join("state"));
        assert_eq!(memory.recall().serve, ServeFile::default());
        let tables =
            "[serve]\nlisten = [\"10.0.0.1:80\"]\n[inventory.smd]\nurl = \"http://smd\"\n[inventory.tokensmith]\n";
        memory.remember(&settings(&format!("{tables}bootstrap_token = \"s3cr3t\"\n")));
        let name = || "the last start".to_owned();
        let expected = Remembered { name: name(), smd_name: name(), wireguard_name: name(), ..settings(tables) };
        assert_eq!(memory.recall(), expected);
        let written = std::fs::read_to_string(folder.path().join("state/serve.json")).unwrap();
        assert!(!written.contains("s3cr3t"), "{written}");
    }

    #[test]
    fn a_file_that_is_named_wins_and_leaves_smd_to_the_site_when_it_says_nothing_of_it() {
        let site = || settings("[inventory.smd]\nurl = \"http://site\"\n[serve]\npoll = 5\n");
        let url = |settings: Remembered| settings.inventory().smd.url.unwrap();
        assert_eq!(url(settings("[inventory.smd]\nurl = \"http://file\"\n").over(site())), "http://file");
        let tokensmith = settings("[inventory.tokensmith]\nurl = \"http://tokens\"\n").over(site());
        assert_eq!(tokensmith.inventory().tokensmith.url.as_deref(), Some("http://tokens"));
        assert_eq!(url(tokensmith), "http://site");
        let network = "[wireguard]\nserver = \"100.97.0.1/16\"\n";
        assert_eq!(settings("[serve]\npoll = 7\n").over(settings(network)).wireguard, settings(network).wireguard);
        assert_eq!(settings(network).over(site()).wireguard, settings(network).wireguard);
        let joined = settings("[serve]\npoll = 7\n").over(site());
        assert_eq!((url(joined.clone()), joined.serve.poll), ("http://site".to_owned(), Some(7)));
    }
}
