//! Reading what a site consists of, before anything of it is understood.

use std::collections::BTreeMap;

use super::SiteReader;
use super::limits::Volume;
use super::model::{FOLDERS, SiteFile, SiteOrigin, text_of};
use crate::settings::FILE_NAME;
use crate::types::{Digest, Place, Problem};

/// What is said of a place that is no site.
pub(super) fn no_settings(origin: &SiteOrigin) -> Problem {
    let place = match origin {
        SiteOrigin::Folder { path } => format!("the folder {}", path.display()),
        SiteOrigin::Repository { url, commit, .. } => format!("{url} at {}", &commit[..12.min(commit.len())]),
    };
    Problem::new(format!("{place} is not a site: it has no {FILE_NAME}")).with_hint("make one with `mds init DIR`")
}

/// Reads the inventory file that the settings name, if it is there.
pub(super) fn read_inventory(reader: &dyn SiteReader, path: &str) -> Result<Option<Vec<u8>>, Problem> {
    if is_inside(path) {
        reader.read(path)
    } else {
        let message = format!("[inventory] file = \"{path}\" does not lie in the site");
        Err(Problem::at(Place::file(FILE_NAME), message).with_hint("name another file with --inventory FILE"))
    }
}

/// Whether a path that the settings name stays within the site, written in one way only.
fn is_inside(path: &str) -> bool {
    !path.is_empty()
        && !path.starts_with('/')
        && !path.split('/').any(|part| part.is_empty() || part == "." || part == "..")
}

/// Reads the schema of cloud-config that the settings name.
pub(super) fn read_schema(reader: &dyn SiteReader, path: &str) -> Result<SiteFile, Problem> {
    let problem = |what: &str| {
        let message = format!("[check] cloud_config_schema = \"{path}\" {what}");
        let hint = "copy schema-cloud-config-v1.json of the nodes' cloud-init into the site";
        Problem::at(Place::file(FILE_NAME), message).with_hint(hint)
    };
    if !is_inside(path) {
        return Err(problem("does not lie in the site"));
    }
    let bytes = reader.read(path)?.ok_or_else(|| problem("is not there"))?;
    text_of(path, bytes)
}

/// Reads everything in the site's folders.
///
/// # Errors
/// When it is too much to go on.
pub(super) fn read_folders(
    reader: &dyn SiteReader,
    problems: &mut Vec<Problem>,
) -> Result<BTreeMap<String, Vec<u8>>, Problem> {
    let mut files = BTreeMap::new();
    let mut volume = Volume::default();
    for folder in FOLDERS {
        let paths = reader.list(folder).unwrap_or_else(|found| {
            problems.extend(found.0);
            Vec::new()
        });
        for path in paths {
            volume.add_entry(&path)?;
            match reader.read(&path) {
                Ok(Some(bytes)) => {
                    volume.add_bytes(&path, bytes.len())?;
                    files.insert(path, bytes);
                }
                Ok(None) => {} // removed since it was listed
                Err(problem) => problems.push(problem),
            }
        }
    }
    Ok(files)
}

/// Hashes names and contents with their lengths, so that no two sites hash alike by running into each other.
pub(super) fn digest_of(
    settings: &[u8],
    inventory: Option<&[u8]>,
    schema: Option<&SiteFile>,
    files: &BTreeMap<String, Vec<u8>>,
) -> Digest {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    add(settings);
    add(inventory.unwrap_or_default());
    for (path, bytes) in files {
        add(path.as_bytes());
        add(bytes);
    }
    if let Some(file) = schema {
        add(file.path.as_bytes());
        add(file.text.as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}
