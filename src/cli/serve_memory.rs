//! What a server remembers of its site's settings from start to start: where to listen and whom to believe, so that a
//! broken `mds.toml` or a remote that is gone does not keep a restarted server from serving the release it has.

use std::path::{Path, PathBuf};

use mds::settings::ServeFile;

/// Remembers a `[serve]` table in the state folder.
#[derive(Debug)]
pub(crate) struct ServeMemory {
    path: PathBuf,
}

impl ServeMemory {
    pub(crate) fn new(state: &Path) -> Self {
        Self { path: state.join("serve.json") }
    }

    /// Remembers the table. Without success the next start has the defaults if it needs them, which is said then.
    pub(crate) fn remember(&self, file: &ServeFile) {
        if let Err(error) = self.write(file) {
            tracing::debug!(path = %self.path.display(), %error, "the settings of the server cannot be remembered");
        }
    }

    fn write(&self, file: &ServeFile) -> std::io::Result<()> {
        let fresh = self.path.with_extension("new");
        std::fs::create_dir_all(self.path.parent().unwrap_or(Path::new(".")))?;
        std::fs::write(&fresh, serde_json::to_vec(file)?)?;
        std::fs::rename(fresh, &self.path)
    }

    /// The table of the last start that could read it, else the defaults.
    pub(crate) fn recall(&self) -> ServeFile {
        let read = std::fs::read(&self.path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        read.unwrap_or_else(|| {
            tracing::warn!("no earlier settings of the server are known either; the defaults count");
            ServeFile::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_remembered_and_its_absence_is_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let memory = ServeMemory::new(&folder.path().join("state"));
        assert_eq!(memory.recall(), ServeFile::default());
        let file = ServeFile { listen: Some(vec!["10.0.0.1:80".parse().unwrap()]), ..ServeFile::default() };
        memory.remember(&file);
        assert_eq!(memory.recall(), file);
    }
}
