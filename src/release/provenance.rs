//! Where a release came from: `release.json`. It lies beside the manifest and is no part of the release's id.

use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::error::StoreError;
use crate::site::RepositoryUrl;
use crate::types::{Digest, ReleaseId};

/// The version of the record that this build writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// What whoever builds a release knows about where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The site.
    pub site: SiteSource,
    /// The digest of the normalised inventory.
    pub inventory: Digest,
    /// The version of mds that built it.
    pub mds_version: String,
    /// When it was built. The store never looks at a clock.
    pub time: Timestamp,
    /// What the checks found.
    #[serde(default)]
    pub findings: FindingsSummary,
}

/// Where a site was read from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SiteSource {
    /// A repository.
    Repository {
        /// Its address.
        repository: RepositoryUrl,
        /// The branch, tag or commit that was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        revision: Option<String>,
        /// The commit that was read.
        commit: String,
        /// The folder of the site in the repository, when it is not the whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subfolder: Option<String>,
    },
    /// A folder.
    Folder {
        /// The folder, as the user named it.
        folder: String,
        /// The commit the folder stood at, when it is a clean checkout.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        commit: Option<String>,
    },
}

impl fmt::Display for SiteSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (place, commit) = match self {
            Self::Repository { repository, commit, .. } => (repository.as_str(), Some(commit)),
            Self::Folder { folder, commit } => (folder.as_str(), commit.as_ref()),
        };
        formatter.write_str(place)?;
        match commit {
            Some(commit) => write!(formatter, " at {}", commit.get(..12).unwrap_or(commit)),
            None => Ok(()),
        }
    }
}

/// How many findings the checks had, by severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingsSummary {
    /// Findings that forbid publishing unless forced.
    pub errors: usize,
    /// Findings that should be looked at.
    pub warnings: usize,
    /// Findings that are good to know.
    pub notes: usize,
}

/// What `release.json` says: the provenance, and what the store adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    format: u32,
    /// The release the record belongs to.
    pub release: ReleaseId,
    /// Where the release came from.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// How many nodes the release has.
    pub nodes: usize,
    /// How many documents the nodes have in all.
    pub documents: usize,
}

/// A record with the digest of itself, so that an altered one is noticed.
#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    record: ReleaseRecord,
    seal: Digest,
}

impl ReleaseRecord {
    pub(super) fn new(release: ReleaseId, provenance: Provenance, nodes: usize, documents: usize) -> Self {
        Self { format: FORMAT, release, provenance, nodes, documents }
    }

    /// Whether both tell of one site, inventory and mds, at whatever time.
    pub(super) fn has_same_origin(&self, other: &Self) -> bool {
        let time = other.provenance.time;
        Self { provenance: Provenance { time, ..self.provenance.clone() }, ..self.clone() } == *other
    }

    pub(super) fn to_bytes(&self, path: &Path) -> Result<Vec<u8>, StoreError> {
        let json = |source| StoreError::Json { path: path.to_owned(), source };
        let seal = Digest::of(&serde_json::to_vec(self).map_err(json)?);
        let mut bytes = serde_json::to_vec_pretty(&Sealed { record: self.clone(), seal }).map_err(json)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads a record; a seal that does not fit is not minded here, only by [`ReleaseRecord::check`].
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let sealed: Sealed = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let format = sealed.record.format;
        if format > FORMAT {
            return Err(format!("it has format {format}, and this mds knows formats up to {FORMAT}"));
        }
        Ok(sealed.record)
    }

    /// Checks that the bytes are exactly what was written for that release.
    pub(super) fn check(bytes: &[u8], release: ReleaseId, nodes: usize, documents: usize) -> Result<(), String> {
        let record = Self::from_bytes(bytes)?;
        let written = record.to_bytes(Path::new("release.json")).map_err(|error| error.to_string())?;
        if written != bytes {
            return Err("its bytes were altered".to_owned());
        }
        if (record.release, record.nodes, record.documents) != (release, nodes, documents) {
            return Err("it belongs to another release".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ReleaseRecord {
        let site = SiteSource::Repository {
            repository: RepositoryUrl::without_credentials("https://me:secret@host/site"),
            revision: Some("main".to_owned()),
            commit: "c0ffee".repeat(6),
            subfolder: None,
        };
        let provenance = Provenance {
            site,
            inventory: Digest::of(b"inventory"),
            mds_version: "0.1.0".to_owned(),
            time: "2026-01-02T03:04:05Z".parse().unwrap(),
            findings: FindingsSummary { errors: 0, warnings: 2, notes: 3 },
        };
        ReleaseRecord::new(ReleaseId(Digest::of(b"manifest")), provenance, 4, 20)
    }

    #[test]
    fn a_record_survives_the_round_trip_and_notices_any_flipped_byte() {
        let record = record();
        let bytes = record.to_bytes(Path::new("release.json")).unwrap();
        assert_eq!(ReleaseRecord::from_bytes(&bytes).unwrap(), record);
        assert!(!String::from_utf8_lossy(&bytes).contains("secret"));
        ReleaseRecord::check(&bytes, record.release, 4, 20).unwrap();
        assert!(ReleaseRecord::check(&bytes, record.release, 5, 20).is_err());
        for position in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[position] ^= 1;
            assert!(ReleaseRecord::check(&flipped, record.release, 4, 20).is_err(), "byte {position}");
        }
    }

    #[test]
    fn a_folder_is_told_from_a_repository() {
        let folder = SiteSource::Folder { folder: "site".to_owned(), commit: None };
        let text = serde_json::to_string(&folder).unwrap();
        assert_eq!(text, r#"{"folder":"site"}"#);
        assert_eq!(serde_json::from_str::<SiteSource>(&text).unwrap(), folder);
        assert_eq!(record().provenance.site.to_string(), "https://host/site at c0ffeec0ffee");
    }
}
