//! The server's key pair on disk: made once, and never replaced by anything but a person.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::private_key::PrivateKey;
use super::state_folder::{self, At as _, FILE_MODE, StateError};
use crate::types::WireguardKey;

const FILE: &str = "private.key";
/// Longer than any text of a key with white space around it.
const LONGEST: u64 = 128;

/// The server's private key in the folder; made, and on disk for good, when there is none.
///
/// The file has the form that `wg genkey` prints. Two processes that make it at the same time get the same one.
///
/// # Errors
/// When others than the owner may read the file, it holds something else, or cannot be read or written.
pub fn server_key(folder: &Path) -> Result<PrivateKey, StateError> {
    state_folder::make(folder)?;
    let path = folder.join(FILE);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    let key = PrivateKey::generate().ok_or(StateError::NoRandomness)?;
    let temporary = folder.join(format!(".{FILE}.{}.{:x}", std::process::id(), fastrand::u64(..)));
    let written = write(&temporary, &key).at("write", &temporary);
    // Unlike a rename, a link never takes the place of a key that another process has made meanwhile.
    let linked = written.and_then(|()| match fs::hard_link(&temporary, &path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.at("create", &path),
    });
    // A temporary file that was not even made need not be removed.
    let _ = fs::remove_file(&temporary);
    linked?;
    state_folder::sync(folder)?;
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        state_folder::sync(parent)?;
    }
    read(&path)?.ok_or_else(|| StateError::Io { action: "read", path, source: io::ErrorKind::NotFound.into() })
}

fn read(path: &Path) -> Result<Option<PrivateKey>, StateError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.at("read", path)?,
    };
    let mode = file.metadata().at("read", path)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(StateError::Open { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST as usize));
    file.take(LONGEST).read_to_end(&mut text).at("read", path)?;
    let not_a_key = || StateError::NotAKey { path: path.to_owned() };
    let mut bytes = Zeroizing::new([0; WireguardKey::LENGTH]);
    let length = STANDARD.decode_slice(text.trim_ascii(), &mut *bytes).map_err(|_| not_a_key())?;
    if length != WireguardKey::LENGTH || *bytes == [0; WireguardKey::LENGTH] {
        return Err(not_a_key());
    }
    Ok(Some(PrivateKey::new(*bytes)))
}

fn write(path: &Path, key: &PrivateKey) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    let mut text = Zeroizing::new(STANDARD.encode(key.expose()));
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wireguard");
        (folder, path)
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let (_keep, folder) = state();
        let key = server_key(&folder).unwrap();
        assert_eq!(server_key(&folder).unwrap().public(), key.public());
        assert_eq!((mode(&folder), mode(&folder.join(FILE))), (0o700, 0o600));
        let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [FILE], "no temporary file is left");
        assert_eq!(fs::read_to_string(folder.join(FILE)).unwrap().len(), 45);
    }

    #[test]
    fn a_key_of_wg_genkey_is_taken() {
        let (_keep, folder) = state();
        state_folder::make(&folder).unwrap();
        fs::write(folder.join(FILE), "iMJUibXXczWutTrkImEZyJZUeZsV9TgEtHLayB8WjFk=\n").unwrap();
        fs::set_permissions(folder.join(FILE), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(server_key(&folder).unwrap().public().to_string(), "k6mY5dbhD8mFaazcNww2feB6avJuexBbDk6RNisKey0=");
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_the_remedy() {
        let (_keep, folder) = state();
        server_key(&folder).unwrap();
        for mode in [0o640, 0o604, 0o660] {
            fs::set_permissions(folder.join(FILE), fs::Permissions::from_mode(mode)).unwrap();
            let message = server_key(&folder).unwrap_err().to_string();
            assert!(message.contains("chmod 600") && message.contains(&format!("{mode:04o}")), "{message}");
        }
    }

    #[test]
    fn a_broken_key_is_never_replaced_and_never_shown() {
        let (_keep, folder) = state();
        server_key(&folder).unwrap();
        let path = folder.join(FILE);
        let long = "A".repeat(300);
        for text in ["", "iMJUibXXczWutTrkImEZyJZUeZsV9TgEtHLayB8WjF", "c2hvcnQ=", &long] {
            fs::write(&path, text).unwrap();
            let message = server_key(&folder).unwrap_err().to_string();
            assert!(message.contains("does not hold a private key"), "{message}");
            assert!(text.is_empty() || !message.contains(text), "{message}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }

    #[test]
    fn many_who_make_it_at_once_get_the_same() {
        let (_keep, folder) = state();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8).map(|_| scope.spawn(|| server_key(&folder).unwrap().public())).collect();
            makers.into_iter().map(|maker| maker.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}
