//! Finding a repository: a local one is opened where it lies, a remote one is mirrored into a cache by the user's own
//! `git`, so that their keys, credential helpers and proxies work.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use git2::Repository as GitRepository;
use url::Url;

use super::{GitReader, RepositoryUrl};
use crate::types::{Digest, Problem};

/// A repository that holds a site.
#[derive(Clone, Debug)]
pub struct Repository {
    location: Location,
    revision: String,
    subfolder: String,
}

#[derive(Clone, Debug)]
enum Location {
    Local(PathBuf),
    Remote { url: String, mirror: PathBuf },
}

/// Why a repository could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The text does not name a repository.
    #[error("{0}")]
    Url(String),
    /// The program `git` could not be run.
    #[error("`git` is needed to fetch {url} and could not be run: {source}; install git, or use a local clone")]
    NoGit {
        /// The repository.
        url: String,
        /// Why.
        source: std::io::Error,
    },
    /// `git` ran and failed.
    #[error("`git {step}` of {url} failed: {message}")]
    Git {
        /// `clone` or `fetch`.
        step: &'static str,
        /// The repository, without credentials.
        url: String,
        /// The last line that git printed.
        message: String,
    },
    /// The cache folder could not be made.
    #[error("the cache folder {path} cannot be made: {source}")]
    Cache {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The repository is there and something in it is not.
    #[error(transparent)]
    Problem(#[from] Problem),
}

/// Transports that may be handed to `git`. Others, such as `ext::`, run commands.
const SCHEMES: [&str; 5] = ["https", "http", "ssh", "git", "git+ssh"];

impl Repository {
    /// Takes a path, a `file:` URL, an `http`, `https`, `ssh` or `git` URL, or `user@host:path`. Mirrors of remote
    /// repositories are kept below `cache`.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn new(text: &str, revision: &str, subfolder: &str, cache: &Path) -> Result<Self, RepositoryError> {
        let location = if let Some(path) = local_path(text) {
            Location::Local(path)
        } else if is_remote(text) {
            let mirror = cache.join(Digest::of(text.as_bytes()).short());
            Location::Remote { url: text.to_owned(), mirror }
        } else {
            return Err(RepositoryError::Url(format!(
                "`{}` names no repository: a folder, a file:, https:, http:, ssh: or git: URL, or user@host:path is \
                 expected",
                RepositoryUrl::without_credentials(text)
            )));
        };
        Ok(Self { location, revision: revision.to_owned(), subfolder: subfolder.to_owned() })
    }

    /// Whether the repository has to be fetched to learn of news.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        matches!(self.location, Location::Remote { .. })
    }

    /// How messages and releases call the repository: never with a password.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.location {
            Location::Local(path) => path.display().to_string(),
            Location::Remote { url, .. } => RepositoryUrl::without_credentials(url).to_string(),
        }
    }

    /// Clones or fetches a remote repository; does nothing for a local one.
    ///
    /// # Errors
    /// When `git` cannot be run or fails, with the last line that it printed.
    pub fn update(&self) -> Result<(), RepositoryError> {
        let Location::Remote { url, mirror } = &self.location else {
            return Ok(());
        };
        if mirror.join("HEAD").is_file() {
            return self.git("fetch", |git| {
                git.arg("-C").arg(mirror).args(["fetch", "--prune", "--quiet", "--force", "origin"]);
                git.args(["+refs/*:refs/*"]);
            });
        }
        let parent = mirror.parent().unwrap_or(mirror);
        let cache_error = |source| RepositoryError::Cache { path: parent.to_owned(), source };
        std::fs::create_dir_all(parent).map_err(cache_error)?;
        // Cloned under another name, so that a clone that was cut off is not taken for a whole one.
        let fresh = mirror.with_extension(format!("new-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&fresh);
        let cloned = self.git("clone", |git| {
            git.args(["clone", "--mirror", "--quiet", "--"]).arg(url).arg(&fresh);
        });
        cloned.and_then(|()| std::fs::rename(&fresh, mirror).map_err(cache_error)).inspect_err(|_| {
            let _ = std::fs::remove_dir_all(&fresh);
        })
    }

    fn git(&self, step: &'static str, prepare: impl FnOnce(&mut Command)) -> Result<(), RepositoryError> {
        let mut git = Command::new("git");
        // Never ask at a terminal: a build must fail, not wait.
        git.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null());
        prepare(&mut git);
        let output = git.output().map_err(|source| RepositoryError::NoGit { url: self.name(), source })?;
        if output.status.success() {
            return Ok(());
        }
        let printed = String::from_utf8_lossy(&output.stderr);
        let message = printed.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        let message = match &self.location {
            Location::Remote { url, .. } => message.replace(url.as_str(), &self.name()),
            Location::Local(_) => message.to_owned(),
        };
        Err(RepositoryError::Git { step, url: self.name(), message })
    }

    /// Opens the repository at its revision. Nothing is fetched: see [`Repository::update`].
    ///
    /// # Errors
    /// When there is no repository, or the revision or subfolder is not in it.
    pub fn reader(&self) -> Result<GitReader, RepositoryError> {
        let path = match &self.location {
            Location::Local(path) => path,
            Location::Remote { mirror, .. } => mirror,
        };
        let repository = GitRepository::open(path).map_err(|error| {
            Problem::new(format!("`{}` cannot be opened as a Git repository: {}", self.name(), error.message()))
                .with_hint("a folder that is not a repository is read with --site")
        })?;
        Ok(GitReader::new(repository, self.name(), &self.revision, &self.subfolder)?)
    }
}

fn local_path(text: &str) -> Option<PathBuf> {
    if let Ok(url) = Url::parse(text)
        && url.scheme() == "file"
    {
        return url.to_file_path().ok();
    }
    let path = Path::new(text);
    let looks_local = text.starts_with(['/', '.']) || !text.contains(':');
    (looks_local && !text.is_empty() && !text.starts_with('-')).then(|| path.to_owned())
}

fn is_remote(text: &str) -> bool {
    match Url::parse(text) {
        Ok(url) if text.contains("://") => SCHEMES.contains(&url.scheme()) && url.has_host(),
        _ => is_scp_form(text),
    }
}

/// `user@host:path` or `host:path`, without anything that `git` or `ssh` could take for an option or a transport.
fn is_scp_form(text: &str) -> bool {
    let Some((host, path)) = text.split_once(':') else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._-".contains(&byte);
    !host.is_empty() && !host.starts_with('-') && host.bytes().all(plain) && !path.is_empty() && !path.starts_with(':')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_accepted(text: &str) -> bool {
        Repository::new(text, "HEAD", "", Path::new("/cache")).is_ok()
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        let repository = |text: &str| Repository::new(text, "HEAD", "", Path::new("/cache")).unwrap();
        assert!(!repository("../site").is_remote());
        assert!(!repository("file:///srv/site.git").is_remote());
        assert!(repository("https://git.example.org/site.git").is_remote());
        assert!(repository("git@git.example.org:ops/site.git").is_remote());
    }

    #[test]
    fn a_repository_name_cannot_run_a_command() {
        for text in ["ext::sh -c id", "--upload-pack=id", "-oProxyCommand=id:x", "fd::17", "", "-x@h:p"] {
            assert!(!is_accepted(text), "{text:?} must be refused");
        }
    }

    #[test]
    fn gits_own_words_are_passed_on_without_the_password() {
        let folder = tempfile::tempdir().unwrap();
        let repository =
            Repository::new("http://user:planted-secret@127.0.0.1:1/x.git", "HEAD", "", folder.path()).unwrap();
        let error = repository.update().unwrap_err().to_string();
        assert!(error.contains("http://127.0.0.1:1/x.git") && !error.contains("planted-secret"), "{error}");
    }
}
