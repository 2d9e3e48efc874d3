//! Finding a repository: a local one is opened where it lies, a remote one is mirrored into a cache by the user's own
//! `git`, so that their keys, credential helpers and proxies work.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use git2::Repository as GitRepository;
use percent_encoding::percent_decode_str;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use url::Url;

use super::git_program::{SSH_COMMAND, complaint, git_command, has_own_ssh, run_within};
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
        /// `clone`, `fetch` or `ls-remote`.
        step: &'static str,
        /// The repository, without credentials.
        url: String,
        /// What git said: its first complaint.
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

/// Longest time for a clone.
const CLONE_LIMIT: Duration = Duration::from_secs(600);
/// Longest time for a fetch: a remote that says nothing must not keep a server from telling that it is out of reach.
const FETCH_LIMIT: Duration = Duration::from_secs(60);
/// What is added to a mirror's name while it is being cloned; the process id follows.
const CLONING: &str = "new-";
/// Fewer characters than this are no secret, and likely to be part of any word.
const SECRET_LENGTH: usize = 3;
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
                shown(text)
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

    /// The revision that is read, as it was named.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.revision
    }

    /// Whether there is something to read without fetching.
    #[must_use]
    pub fn is_fetched(&self) -> bool {
        match &self.location {
            Location::Local(_) => true,
            Location::Remote { mirror, .. } => is_mirror(mirror),
        }
    }

    /// Clones or fetches a remote repository; does nothing for a local one.
    ///
    /// # Errors
    /// When `git` cannot be run, fails (with its first complaint), or takes longer than its time.
    pub fn update(&self) -> Result<(), RepositoryError> {
        let Location::Remote { url, mirror } = &self.location else {
            return Ok(());
        };
        if !is_mirror(mirror) {
            return self.clone_into(url, mirror);
        }
        // Git trusts a folder that it is pointed to; this looks whose it is.
        self.open()?;
        self.git("fetch", FETCH_LIMIT, |git| {
            git.arg(git_dir(mirror)).args(["fetch", "--prune", "--quiet", "--force", "origin", "+refs/*:refs/*"]);
        })?;
        if self.revision.split(['~', '^', '@', ':']).next() == Some("HEAD") { self.follow_head(mirror) } else { Ok(()) }
    }

    /// Makes the mirror's `HEAD` the remote's default branch, which a fetch leaves as it was when the mirror was made.
    fn follow_head(&self, mirror: &Path) -> Result<(), RepositoryError> {
        let listed = self.git_output("ls-remote", FETCH_LIMIT, |git| {
            git.arg(git_dir(mirror)).args(["ls-remote", "--symref", "origin", "HEAD"]);
        })?;
        // A remote whose `HEAD` is no branch, or an unborn one, says nothing of a branch.
        let Some(branch) = listed.lines().find_map(default_branch) else { return Ok(()) };
        let known = self.open()?;
        let stands_for_it =
            known.find_reference("HEAD").is_ok_and(|head| head.symbolic_target().is_ok_and(|now| now == Some(branch)));
        if stands_for_it {
            return Ok(());
        }
        known.reference_symbolic("HEAD", branch, true, "the default branch").map(drop).map_err(|error| {
            Problem::new(format!("the mirror of {} cannot follow `{branch}`: {}", self.name(), error.message())).into()
        })
    }

    fn clone_into(&self, url: &str, mirror: &Path) -> Result<(), RepositoryError> {
        let parent = mirror.parent().unwrap_or(mirror);
        let cache_error = |source| RepositoryError::Cache { path: parent.to_owned(), source };
        // A mirror's own settings hold the URL, and with it what password there may be in it.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(cache_error)?;
        // Cloned under another name, so that a clone that was cut off is not taken for a whole one.
        let fresh = mirror.with_extension(format!("{CLONING}{}", std::process::id()));
        let _ = fs::remove_dir_all(&fresh);
        remove_abandoned(mirror);
        let cloned = self.git("clone", CLONE_LIMIT, |git| {
            git.args(["clone", "--mirror", "--quiet", "--"]).arg(url).arg(&fresh);
        });
        let placed = cloned.and_then(|()| fs::rename(&fresh, mirror).map_err(cache_error));
        if placed.is_err() {
            let _ = fs::remove_dir_all(&fresh);
        }
        // Another process may have been quicker, which is as good.
        placed.or_else(|error| if is_mirror(mirror) { Ok(()) } else { Err(error) })
    }

    fn git(
        &self,
        step: &'static str,
        limit: Duration,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<(), RepositoryError> {
        self.git_output(step, limit, prepare).map(drop)
    }

    /// Runs git and returns what it printed.
    fn git_output(
        &self,
        step: &'static str,
        limit: Duration,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<String, RepositoryError> {
        let no_git = |source| RepositoryError::NoGit { url: self.name(), source };
        let mut git = git_command();
        if !has_own_ssh().map_err(no_git)? {
            git.env("GIT_SSH_COMMAND", SSH_COMMAND);
        }
        prepare(&mut git);
        let message = match run_within(git, limit).map_err(no_git)? {
            Some(ended) if ended.status.success() => return Ok(ended.output),
            Some(ended) => self.without_secrets(&complaint(&ended.errors)),
            None => format!("it was not done after {} seconds", limit.as_secs()),
        };
        Err(RepositoryError::Git { step, url: self.name(), message })
    }

    /// What git said, without what is secret in the URL. Git repeats URLs, and parts of them with the user name, which
    /// may be a token; ssh repeats user and password.
    fn without_secrets(&self, message: &str) -> String {
        let Location::Remote { url, .. } = &self.location else { return message.to_owned() };
        let said = without_user_names(&message.replace(url.as_str(), &self.name()));
        let Ok(url) = Url::parse(url) else { return said };
        let encoded = url.password().unwrap_or_default();
        let decoded = percent_decode_str(encoded).decode_utf8_lossy();
        let passwords = [encoded, decoded.as_ref()].into_iter().filter(|password| password.len() >= SECRET_LENGTH);
        passwords.fold(said, |said, password| said.replace(password, "***"))
    }

    /// Opens the repository at its revision. Nothing is fetched: see [`Repository::update`].
    ///
    /// # Errors
    /// When there is no repository, or the revision or subfolder is not in it.
    pub fn reader(&self) -> Result<GitReader, RepositoryError> {
        Ok(GitReader::new(self.open()?, self.name(), &self.revision, &self.subfolder)?)
    }

    fn open(&self) -> Result<GitRepository, Problem> {
        let path = match &self.location {
            Location::Local(path) => path,
            Location::Remote { mirror, .. } => mirror,
        };
        GitRepository::open(path).map_err(|error| {
            let name = self.name();
            if error.code() == git2::ErrorCode::Owner {
                let folder = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
                return Problem::new(format!("the repository `{name}` belongs to another user, so it is not read"))
                    .with_hint(format!(
                        "trust it with `git config --global --add safe.directory {}`",
                        folder.display()
                    ));
            }
            Problem::new(format!("`{name}` cannot be opened as a Git repository: {}", error.message()))
                .with_hint("a folder that is not a repository is read with --site")
        })
    }
}

/// Unlike `-C`, this leaves nothing to be found.
fn git_dir(mirror: &Path) -> OsString {
    let mut argument = OsString::from("--git-dir=");
    argument.push(mirror);
    argument
}

/// The branch in a line `ref: refs/heads/BRANCH<tab>HEAD`.
fn default_branch(line: &str) -> Option<&str> {
    line.strip_prefix("ref: ")?.strip_suffix("\tHEAD").filter(|name| name.starts_with("refs/heads/"))
}

/// A text that was refused, without what may be secret. Where a URL is broken, so is the notion of where its password
/// ends, so only the scheme is shown.
fn shown(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, _)) if !Url::parse(text).is_ok_and(|url| url.has_host()) => {
            let is_scheme =
                !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+');
            format!("{}://…", if is_scheme { scheme } else { "…" })
        }
        _ => RepositoryUrl::without_credentials(text).to_string(),
    }
}

/// Removes what clones left that were killed.
fn remove_abandoned(mirror: &Path) {
    let name = mirror.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{name}.{CLONING}");
    for entry in mirror.parent().and_then(|parent| fs::read_dir(parent).ok()).into_iter().flatten().flatten() {
        let file_name = entry.file_name();
        let owner =
            file_name.to_str().and_then(|name| name.strip_prefix(&prefix)?.parse().ok()).and_then(Pid::from_raw);
        if owner.is_some_and(|owner| test_kill_process(owner) == Err(Errno::SRCH)) {
            // It only takes room; the next clone tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// The text with `//user@host` and `//user:password@host` made `//host`.
fn without_user_names(text: &str) -> String {
    let mut parts = text.split("://");
    let mut kept = vec![parts.next().unwrap_or_default()];
    kept.extend(parts.map(|part| {
        let is_end = |character: char| character.is_whitespace() || "/'\"`".contains(character);
        let authority = &part[..part.find(is_end).unwrap_or(part.len())];
        &part[authority.rfind('@').map_or(0, |at| at + 1)..]
    }));
    kept.join("://")
}

fn is_mirror(path: &Path) -> bool {
    path.join("HEAD").is_file()
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
        // What is meant as a URL and is none, git would take for one or for the name of a host.
        _ => !text.contains("://") && is_scp_form(text),
    }
}

/// `user@host:path` or `host:path`, without anything that `git` or `ssh` could take for an option or a transport.
fn is_scp_form(text: &str) -> bool {
    let Some((host, path)) = text.split_once(':') else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"@._-".contains(&byte);
    // `user:password@host:path` is no form that git knows, and its password would be taken for a path.
    let is_path =
        !path.is_empty() && !path.starts_with(':') && !path.split('/').next().unwrap_or_default().contains('@');
    !host.is_empty() && !host.starts_with('-') && host.bytes().all(plain) && is_path
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
        for text in [
            "user:planted-secret@host:path",
            "ext::sh -c id",
            "--upload-pack=id",
            "-oProxyCommand=id:x",
            "fd::17",
            "http://user:planted-secret@",
            "https://user:planted/secret@host/a",
            "",
            "-x@h:p",
        ] {
            assert!(!is_accepted(text), "{text:?} must be refused");
        }
    }

    #[test]
    fn a_broken_url_is_refused_without_its_secret() {
        for text in [
            "https://user:p/SECRET@host/x",
            "https://u:SECRET@ho st/x",
            "https://u:SECRET@h:99999/x",
            "https://u:SECRET@[::1/x",
            "https://SECRET@",
            "u:SECRET@h://x",
            "://SECRET@h/x",
        ] {
            let said = Repository::new(text, "HEAD", "", Path::new("/cache")).unwrap_err().to_string();
            assert!(said.contains("names no repository") && !said.contains("SECRET"), "{text}: {said}");
        }
    }

    #[test]
    fn user_names_and_passwords_are_dropped_wherever_they_stand() {
        let repository =
            |text: &str| Repository::new(text, "HEAD", "", Path::new("/cache")).unwrap().without_secrets(text);
        assert_eq!(repository("https://token@host:1/a"), "https://host:1/a");
        let repository = Repository::new("https://tok%20en:a%3Apass@host/a", "HEAD", "", Path::new("/cache")).unwrap();
        for (said, kept) in [
            (
                "could not read Password for 'https://tok%20en@host': no",
                "could not read Password for 'https://host': no",
            ),
            ("Authentication failed for \"https://host/a/\"", "Authentication failed for \"https://host/a/\""),
            ("tok:a:pass@host: Permission denied, a%3Apass", "tok:***@host: Permission denied, ***"),
            ("https://a@b and ssh://c:d@e@f/@g", "https://b and ssh://f/@g"),
        ] {
            assert_eq!(repository.without_secrets(said), kept);
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
