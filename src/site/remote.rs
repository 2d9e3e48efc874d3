//! Finding a repository: a local one is opened where it lies, a remote one is mirrored into a cache by the user's own
//! `git`, so that their keys, credential helpers and proxies work.

use std::fs;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use git2::Repository as GitRepository;
use percent_encoding::percent_decode_str;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};
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

/// Longest time for a clone.
const CLONE_LIMIT: Duration = Duration::from_secs(600);
/// Longest time for a fetch: a remote that says nothing must not keep a server from telling that it is out of reach.
const FETCH_LIMIT: Duration = Duration::from_secs(60);
/// What is added to a mirror's name while it is being cloned; the process id follows.
const CLONING: &str = "new-";
/// Fewer characters than this are no secret, and likely to be part of any word.
const SECRET_LENGTH: usize = 3;
/// How often a running `git` is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The variables that tie `git` to one repository, as `git rev-parse --local-env-vars` lists them.
const GIT_OF_A_REPOSITORY: [&str; 10] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

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
    /// When `git` cannot be run, fails (with the last line that it printed), or takes longer than its time.
    pub fn update(&self) -> Result<(), RepositoryError> {
        let Location::Remote { url, mirror } = &self.location else {
            return Ok(());
        };
        if !is_mirror(mirror) {
            return self.clone_into(url, mirror);
        }
        self.git("fetch", FETCH_LIMIT, |git| {
            git.arg("-C").arg(mirror).args(["fetch", "--prune", "--quiet", "--force", "origin", "+refs/*:refs/*"]);
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
        let mut git = Command::new("git");
        // Never ask at a terminal: a build must fail, not wait.
        git.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null());
        // What a hook of another repository sets would lead git there.
        GIT_OF_A_REPOSITORY.iter().for_each(|name| {
            git.env_remove(name);
        });
        prepare(&mut git);
        let output = run_within(git, limit).map_err(|source| RepositoryError::NoGit { url: self.name(), source })?;
        let message = match output {
            Some((status, _)) if status.success() => return Ok(()),
            Some((_, printed)) => {
                let last = printed.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
                self.without_secrets(last)
            }
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
        let path = match &self.location {
            Location::Local(path) => path,
            Location::Remote { mirror, .. } => mirror,
        };
        let repository = GitRepository::open(path).map_err(|error| {
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
        })?;
        Ok(GitReader::new(repository, self.name(), &self.revision, &self.subfolder)?)
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

/// Runs a program that may start others, and ends them all when their time is up. Returns how it ended and what it
/// printed to standard error; `None` when it had to be ended.
fn run_within(mut command: Command, limit: Duration) -> std::io::Result<Option<(ExitStatus, String)>> {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).spawn()?;
    let stderr = child.stderr.take();
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        // What is cut off is not missed: only the last whole line is shown.
        let _ = stderr.map(|mut stderr| stderr.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let deadline = Instant::now() + limit;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some((status, reader.join().unwrap_or_default())));
        }
        if Instant::now() >= deadline {
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // It fails when the processes have just ended, which is what is wanted.
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK);
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
    fn a_program_that_does_not_end_is_ended_with_all_it_started() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo $$ >&2; sleep 1000 & wait"]);
        let start = Instant::now();
        assert!(run_within(command, Duration::from_millis(100)).unwrap().is_none());
        assert!(start.elapsed() < Duration::from_secs(10));
        let mut command = Command::new("sh");
        command.args(["-c", "echo said >&2; exit 3"]);
        let (status, said) = run_within(command, Duration::from_secs(60)).unwrap().unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(3), "said\n"));
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
