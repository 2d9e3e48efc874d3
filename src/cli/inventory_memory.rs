//! The inventory that was pulled last, kept from start to start: a server that is started while SMD is away can build a
//! site that changes.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use mds::inventory::{Pull, parse_lock};
use mds::settings::ServiceUrl;
use mds::types::Digest;

/// Only the owner may read it: descriptions of interfaces are anybody's text.
const MODE: u32 = 0o600;

/// Keeps the inventory of one SMD in the state folder.
#[derive(Debug)]
pub(crate) struct InventoryMemory {
    path: PathBuf,
}

impl InventoryMemory {
    pub(crate) fn new(state: &Path, smd: &ServiceUrl) -> Self {
        let name = Digest::of(smd.to_string().as_bytes()).short();
        Self { path: state.join(format!("inventory-{name}.json")) }
    }

    /// Keeps what was pulled, as the text of [`pull_text`](mds::inventory::pull_text). Without success the next start has
    /// to wait for SMD.
    pub(crate) fn remember(&self, text: &str) {
        if let Err(error) = self.write(text) {
            tracing::debug!(path = %self.path.display(), %error, "the inventory cannot be remembered");
        }
    }

    fn write(&self, text: &str) -> std::io::Result<()> {
        let fresh = self.path.with_extension("new");
        fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).mode(MODE).open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(fresh, &self.path)
    }

    /// What was pulled before, if that is known and whole.
    pub(crate) fn recall(&self) -> Option<Pull> {
        let (_, pull) = parse_lock("the inventory of the last start", &fs::read(&self.path).ok()?).ok()?;
        Some(pull).filter(|pull| !pull.inventory.nodes().is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use mds::inventory::{mock_inventory, pull_text};

    use super::*;

    #[test]
    fn what_was_pulled_is_remembered_for_its_smd_and_read_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let memory = |url: &str| InventoryMemory::new(&folder.path().join("state"), &ServiceUrl::smd(url).unwrap());
        assert_eq!(memory("http://a").recall(), None);
        let pull = Pull::from(mock_inventory());
        memory("http://a").remember(&pull_text(&pull).unwrap());
        assert_eq!((memory("http://a/hsm/v2/").recall(), memory("http://b").recall()), (Some(pull), None));
        let mode = fs::metadata(&memory("http://a").path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        fs::write(&memory("http://a").path, "{\"format\":1,\"nodes\":[").unwrap();
        assert_eq!(memory("http://a").recall(), None);
    }
}
