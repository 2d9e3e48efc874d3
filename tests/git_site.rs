//! A site in Git: which revision is read, what is refused, and following a remote repository through its failures.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;
mod git_support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use cli_support::{COMPUTE, Sandbox, git};
use git_support::{Mood, StaticServer, commit_all, is_root, repository_of, skip};
use insta::assert_snapshot;

const NODE: &str = "10.252.0.26";
/// Some polls of a second each, and something for a slow machine.
const SOON: Duration = Duration::from_secs(15);

fn compute_with(word: &str) -> String {
    COMPUTE.replace("{{ role }}", word)
}

fn write_word(sandbox: &Sandbox, word: &str) {
    sandbox.write("site/groups/compute/cloud-config.yaml", &compute_with(word));
}

/// What the first mock node would get, read from the repository with more arguments.
fn rendered(sandbox: &Sandbox, more: &[&str]) -> String {
    sandbox.stdout(&[&["render", "x1000c0s0b0n0", "compute.yaml", "--mock-smd"], more].concat())
}

fn build(sandbox: &Sandbox, more: &[&str]) -> String {
    sandbox.run(&[&["build", "--mock-smd", "--tree", "tree"], more].concat())
}

/// `release.json` of the current release.
fn record(sandbox: &Sandbox) -> serde_json::Value {
    serde_json::from_slice(&fs::read(sandbox.path("tree/current/release.json")).unwrap()).unwrap()
}

#[test]
fn a_branch_a_tag_and_a_commit_long_or_short_are_read() {
    let sandbox = Sandbox::new();
    let site = sandbox.path("site");
    write_word(&sandbox, "one");
    let first = repository_of(&site);
    git(&site, &["tag", "light"]);
    git(&site, &["tag", "--annotate", "--message", "v1", "v1"]);
    git(&site, &["switch", "--quiet", "--create", "topic/two"]);
    write_word(&sandbox, "two");
    let second = commit_all(&site, "second");
    git(&site, &["switch", "--quiet", "main"]);
    write_word(&sandbox, "three");
    let third = commit_all(&site, "third");
    for (revision, word, commit) in [
        ("HEAD", "three", &third),
        ("main", "three", &third),
        ("refs/heads/main", "three", &third),
        ("topic/two", "two", &second),
        ("light", "one", &first),
        ("v1", "one", &first),
        ("main~1", "one", &first),
        (first.as_str(), "one", &first),
        (&second[..9], "two", &second),
        (&third[..7], "three", &third),
    ] {
        let text = rendered(&sandbox, &["--repo", "site", "--rev", revision]);
        assert!(text.contains(&format!("\"{word} 1000 slurm\"")), "{revision}: {text}");
        // The record of a release stays that of its first build, so each gets a tree of its own.
        let _ = fs::remove_dir_all(sandbox.path("tree"));
        assert!(build(&sandbox, &["--repo", "site", "--rev", revision]).starts_with("exit code 0\n"));
        let site = record(&sandbox)["site"].clone();
        assert_eq!((site["revision"].as_str(), site["commit"].as_str()), (Some(revision), Some(commit.as_str())));
        let listed = sandbox.stdout(&["releases", "--tree", "tree"]);
        assert!(listed.contains(&commit[..12]), "{listed}");
    }
    assert!(rendered(&sandbox, &["--repo", "site"]).contains("three"), "HEAD is read when nothing is said");
    git(&site, &["switch", "--quiet", "--detach", &second]);
    assert!(rendered(&sandbox, &["--repo", "site"]).contains("two"), "also when it is detached");
}

#[test]
fn a_missing_revision_or_folder_is_named() {
    let sandbox = Sandbox::new();
    repository_of(&sandbox.path("site"));
    assert_snapshot!(build(&sandbox, &["--repo", "site", "--rev", "mian"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: `mian` is no commit of site: revspec 'mian' not found
      hint: name a branch, a tag or a commit with --rev
    ");
    assert_snapshot!(build(&sandbox, &["--repo", "site", "--rev", "0123456789abcdef0123456789abcdef01234567"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: `0123456789abcdef0123456789abcdef01234567` is no commit of site: revspec '0123456789abcdef0123456789abcdef01234567' not found
      hint: name a branch, a tag or a commit with --rev
    ");
    let said = build(&sandbox, &["--repo", "site", "--rev", "main:mds.toml"]);
    assert!(said.starts_with("exit code 2\n") && said.contains("`main:mds.toml` is no commit of site"), "{said}");
    assert_snapshot!(build(&sandbox, &["--repo", "site", "--subfolder", "clusters/tundra"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: site has no folder `clusters/tundra` at `HEAD`
      hint: name the site's folder in the repository with --subfolder
    ");
    assert_snapshot!(build(&sandbox, &["--repo", "site", "--subfolder", "groups"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: site at [DIGEST] is not a site: it has no mds.toml
      hint: make one with `mds init DIR`
    ");
    for subfolder in ["mds.toml", "..", "../site", "groups/../groups", "."] {
        let said = build(&sandbox, &["--repo", "site", "--subfolder", subfolder]);
        assert!(said.starts_with("exit code 2\n") && said.contains(&format!("`{subfolder}`")), "{said}");
    }
    git(&sandbox.path(""), &["init", "--quiet", "nothing"]);
    assert_snapshot!(build(&sandbox, &["--repo", "nothing"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: `HEAD` is no commit of nothing: revspec 'HEAD' not found
      hint: name a branch, a tag or a commit with --rev
    ");
    assert!(!sandbox.path("tree").exists(), "nothing was published, so no tree was made");
}

#[test]
fn a_site_in_a_subfolder_is_read_from_there() {
    let sandbox = Sandbox::new();
    let (repository, folder) = (sandbox.path("repository"), sandbox.path("repository/clusters/tundra"));
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    fs::rename(sandbox.path("site"), &folder).unwrap();
    sandbox.write("repository/mds.toml", "this is not the file\n");
    sandbox.write("repository/groups/compute/cloud-config.yaml", "{{ neither_is_this }}\n");
    repository_of(&repository);
    for subfolder in ["clusters/tundra", "/clusters/tundra/"] {
        assert!(build(&sandbox, &["--repo", "repository", "--subfolder", subfolder]).starts_with("exit code 0\n"));
        assert_eq!(record(&sandbox)["site"]["subfolder"], "clusters/tundra");
    }
    assert!(build(&sandbox, &["--repo", "repository"]).starts_with("exit code 2\n"), "the top is no site");
}

#[test]
fn what_is_not_committed_is_never_read() {
    let sandbox = Sandbox::new();
    let site = sandbox.path("site");
    write_word(&sandbox, "committed");
    repository_of(&site);
    let clean = rendered(&sandbox, &["--repo", "site"]);
    let is_unmoved = |what: &str| assert_eq!(rendered(&sandbox, &["--repo", "site"]), clean, "{what}");
    write_word(&sandbox, "dirty");
    is_unmoved("a changed file");
    sandbox.write("site/nodes/x1000c0s0b0n0.yaml", "meta: {scheduler: untracked}\n");
    is_unmoved("an untracked file");
    git(&site, &["add", "--all"]);
    is_unmoved("staged changes");
    fs::remove_file(site.join("mds.toml")).unwrap();
    git(&site, &["rm", "--quiet", "--cached", "mds.toml"]);
    is_unmoved("a removed file");
    fs::remove_dir_all(site.join("groups")).unwrap();
    is_unmoved("a removed folder");
    fs::write(site.join(".git/index"), "torn").unwrap();
    is_unmoved("a torn index");
    assert!(clean.contains("committed 1000 slurm"), "{clean}");
}

#[test]
fn bare_repositories_file_urls_shallow_clones_and_worktrees_are_read() {
    let sandbox = Sandbox::new();
    write_word(&sandbox, "everywhere");
    repository_of(&sandbox.path("site"));
    let top = sandbox.path("");
    git(&top, &["clone", "--quiet", "--bare", "site", "site.git"]);
    let url = format!("file://{}", sandbox.path("site.git").display());
    git(&top, &["clone", "--quiet", "--depth", "1", &url, "shallow"]);
    git(&sandbox.path("site"), &["worktree", "add", "--quiet", "../worktree", "HEAD"]);
    git(&sandbox.path("site.git"), &["gc", "--quiet"]);
    for repository in ["site.git", "./site.git/", &url, "shallow", "worktree", "site/.git"] {
        assert!(rendered(&sandbox, &["--repo", repository]).contains("everywhere"), "{repository}");
    }
}

#[test]
fn links_in_a_commit_are_refused() {
    let sandbox = Sandbox::new();
    let site = sandbox.path("site");
    sandbox.write("site/nodes/.keep", "");
    repository_of(&site);
    symlink("/etc/passwd", site.join("groups/compute/leak")).unwrap();
    symlink("../groups/compute", site.join("nodes/folder")).unwrap();
    symlink("compute", site.join("groups/blue")).unwrap();
    commit_all(&site, "links");
    assert_snapshot!(build(&sandbox, &["--repo", "site"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: groups/blue: symbolic links are not followed in a site
      hint: put the file itself there, or share text through templates/
    error: groups/compute/leak: symbolic links are not followed in a site
      hint: put the file itself there, or share text through templates/
    error: nodes/folder: symbolic links are not followed in a site
      hint: put the file itself there, or share text through templates/
    ");
    git(&site, &["reset", "--quiet", "--hard", "HEAD~1"]);
    fs::rename(site.join("mds.toml"), site.join("real.toml")).unwrap();
    symlink("real.toml", site.join("mds.toml")).unwrap();
    symlink("/etc/hostname", site.join("inventory.json")).unwrap();
    commit_all(&site, "linked settings");
    assert_snapshot!(build(&sandbox, &["--repo", "site"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: mds.toml: symbolic links are not followed in a site
      hint: put the file itself there, or share text through templates/
    ");
    fs::remove_file(site.join("mds.toml")).unwrap();
    fs::rename(site.join("real.toml"), site.join("mds.toml")).unwrap();
    commit_all(&site, "linked inventory");
    let said = sandbox.run(&["build", "--repo", "site", "--tree", "tree"]);
    assert!(said.starts_with("exit code 2\n") && said.contains("inventory.json: symbolic links"), "{said}");
    assert!(!sandbox.path("tree").exists());
}

#[test]
fn a_submodule_is_refused() {
    let sandbox = Sandbox::new();
    let site = sandbox.path("site");
    repository_of(&site);
    sandbox.write("shared/cloud-config.yaml", "#cloud-config\n");
    repository_of(&sandbox.path("shared"));
    let allow = "protocol.file.allow=always";
    git(&site, &["-c", allow, "submodule", "--quiet", "add", "../shared", "groups/shared"]);
    commit_all(&site, "submodule");
    assert_snapshot!(build(&sandbox, &["--repo", "site"]), @"
    exit code 2
    --- stdout
    --- stderr
    reading the site
    error: groups/shared: only regular files and folders may be in a site
      hint: submodules are not read; copy the files
    ");
    assert!(!sandbox.path("tree").exists());
}

#[test]
fn somebody_elses_repository_is_read_or_refused_with_what_to_do() {
    if !is_root() {
        return skip("to give a repository to somebody else needs root");
    }
    let sandbox = Sandbox::new();
    repository_of(&sandbox.path("site"));
    for entry in walkdir::WalkDir::new(sandbox.path("site")) {
        chown(entry.unwrap().path(), Some(65_534), Some(65_534)).unwrap();
    }
    sandbox.write("home/.keep", "");
    let build = || {
        let mut command = sandbox.command(&["build", "--repo", "site", "--mock-smd", "--tree", "tree"]);
        command.env("HOME", sandbox.path("home")).env_remove("GIT_CONFIG_GLOBAL").env_remove("XDG_CONFIG_HOME");
        command.output().unwrap()
    };
    let output = build();
    assert_eq!(output.status.code(), Some(2));
    assert_snapshot!(sandbox.masked(&String::from_utf8(output.stderr).unwrap()), @"
    reading the site
    error: the repository `site` belongs to another user, so it is not read
      hint: trust it with `git config --global --add safe.directory [FOLDER]/site`
    ");
    // The advice is followed.
    sandbox.write("home/.gitconfig", &format!("[safe]\n\tdirectory = {}\n", sandbox.path("site").display()));
    let output = build();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A site in a repository that is pushed to, and a web server that gives it away.
struct Remote {
    sandbox: Sandbox,
    web: StaticServer,
}

impl Remote {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        write_word(&sandbox, "first");
        repository_of(&sandbox.path("site"));
        git(&sandbox.path(""), &["clone", "--quiet", "--bare", "site", "web/site.git"]);
        git(&sandbox.path("web/site.git"), &["update-server-info"]);
        let web = StaticServer::start(sandbox.path("web"));
        Self { sandbox, web }
    }

    fn url(&self) -> String {
        format!("http://{}/site.git", self.web.address)
    }

    /// Commits another word and pushes it.
    fn push(&self, word: &str) -> String {
        write_word(&self.sandbox, word);
        let commit = commit_all(&self.sandbox.path("site"), word);
        git(&self.sandbox.path("site"), &["push", "--quiet", "--force", "../web/site.git", "main"]);
        git(&self.sandbox.path("web/site.git"), &["update-server-info"]);
        commit
    }

    fn build(&self) -> String {
        build(&self.sandbox, &["--repo", &self.url()]).replace(&self.web.address.to_string(), "[ADDRESS]")
    }

    /// The folders in the cache of mirrors.
    fn mirrors(&self) -> Vec<PathBuf> {
        let folder = fs::read_dir(self.sandbox.path(".mds/repositories")).into_iter().flatten();
        folder.map(|entry| entry.unwrap().path()).collect()
    }

    fn published_word(&self) -> String {
        let text = self.sandbox.stdout(&["render", "x1000c0s0b0n0", "compute.yaml", "--tree", "tree"]);
        text.split('"').nth(1).unwrap().split(' ').next().unwrap().to_owned()
    }
}

#[test]
fn a_remote_repository_is_mirrored_and_new_commits_are_fetched() {
    let remote = Remote::new();
    assert_snapshot!(remote.build(), @"
    exit code 0
    --- stdout
    published release [DIGEST]
    3 nodes, 15 documents
    the first release of this tree
    --- stderr
    fetching the repository
    reading the site
    rendering 3 nodes
    publishing
    ");
    let [mirror] = &remote.mirrors()[..] else { panic!("{:?}", remote.mirrors()) };
    assert_eq!(remote.published_word(), "first");
    let commit = remote.push("second");
    let said = remote.build();
    assert!(said.starts_with("exit code 0\n"), "{said}");
    assert_eq!(remote.published_word(), "second");
    assert_eq!(record(&remote.sandbox)["site"]["commit"], commit.as_str());
    assert_eq!(record(&remote.sandbox)["site"]["repository"], remote.url());
    assert_eq!(git(mirror, &["rev-parse", "main"]), commit);
    assert_eq!(remote.mirrors(), std::slice::from_ref(mirror), "there is still one mirror");
    // History that was written anew is followed as well.
    git(&remote.sandbox.path("site"), &["reset", "--quiet", "--hard", "HEAD~1"]);
    remote.push("rewritten");
    let said = remote.build();
    assert!(said.starts_with("exit code 0\n"), "{said}");
    assert_eq!(remote.published_word(), "rewritten");
    remote.web.set(Mood::Gone);
    assert_snapshot!(remote.build(), @"
    exit code 2
    --- stdout
    --- stderr
    fetching the repository
    error: `git fetch` of http://[ADDRESS]/site.git failed: fatal: unable to access 'http://[ADDRESS]/site.git/': Empty reply from server
    ");
    assert_eq!(remote.published_word(), "rewritten");
}

#[test]
fn the_repository_of_whoever_calls_us_is_left_alone() {
    let remote = Remote::new();
    let mine = remote.sandbox.path("mine");
    remote.sandbox.write("mine/file", "");
    repository_of(&mine);
    git(&mine, &["branch", "precious"]);
    git(&mine, &["tag", "keepsake"]);
    git(&remote.sandbox.path("web/site.git"), &["tag", "theirs"]);
    // A hook of Git runs with these; our own calls of git must not follow them.
    for word in ["cloned", "fetched"] {
        remote.push(word);
        let mut command = remote.sandbox.command(&["build", "--mock-smd", "--tree", "tree", "--repo", &remote.url()]);
        command.env("GIT_DIR", mine.join(".git")).env("GIT_WORK_TREE", &mine);
        command.env("GIT_INDEX_FILE", mine.join(".git/index")).env("GIT_OBJECT_DIRECTORY", mine.join(".git/objects"));
        command.env("GIT_COMMON_DIR", mine.join(".git")).env("GIT_CONFIG", mine.join(".git/config"));
        command.env("GIT_QUARANTINE_PATH", mine.join(".git/objects")).env("GIT_NAMESPACE", "mine");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{word}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(remote.published_word(), word);
        assert_eq!(git(&mine, &["branch", "--format=%(refname:short)"]), "main\nprecious", "{word}");
        assert_eq!(git(&mine, &["tag"]), "keepsake", "{word}");
        assert_eq!(git(&mine, &["remote"]), "", "{word}");
        assert_eq!(git(&mine, &["rev-list", "--all", "--count"]), "1", "{word}");
    }
}

#[test]
fn settings_that_the_user_passes_to_git_are_kept() {
    let remote = Remote::new();
    let url = "http://nowhere.invalid/site.git";
    let mut command = remote.sandbox.command(&["build", "--mock-smd", "--tree", "tree", "--repo", url]);
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_VALUE_0", "http://nowhere.invalid/");
    command.env("GIT_CONFIG_KEY_0", format!("url.http://{}/.insteadOf", remote.web.address));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(remote.published_word(), "first");
}

#[test]
fn the_remotes_default_branch_is_followed_when_it_changes() {
    let remote = Remote::new();
    assert!(remote.build().starts_with("exit code 0\n"));
    let web = remote.sandbox.path("web/site.git");
    git(&web, &["branch", "--move", "main", "trunk"]);
    write_word(&remote.sandbox, "renamed");
    commit_all(&remote.sandbox.path("site"), "renamed");
    git(&remote.sandbox.path("site"), &["push", "--quiet", "../web/site.git", "main:trunk"]);
    git(&web, &["symbolic-ref", "HEAD", "refs/heads/trunk"]);
    git(&web, &["update-server-info"]);
    let said = remote.build();
    assert!(said.starts_with("exit code 0\n"), "{said}");
    assert_eq!(remote.published_word(), "renamed");
    // Also when the old branch stays.
    git(&web, &["branch", "other", "trunk~1"]);
    git(&web, &["symbolic-ref", "HEAD", "refs/heads/other"]);
    git(&web, &["update-server-info"]);
    let said = build(&remote.sandbox, &["--repo", &remote.url()]);
    assert!(said.starts_with("exit code 0\n"), "{said}");
    assert_eq!(remote.published_word(), "first");
}

#[test]
fn ssh_must_not_ask_unless_the_user_says_how_it_is_called() {
    let sandbox = Sandbox::new();
    let script = |name: &str| {
        let text =
            format!("#!/bin/sh\necho {name} \"$@\" >>ssh.log\necho 'Permission denied (publickey).' >&2\nexit 255\n");
        sandbox.write(&format!("bin/{name}"), &text);
        fs::set_permissions(sandbox.path(&format!("bin/{name}")), fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("ssh");
    script("theirs");
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap());
    let call = |variables: &[(&str, &str)]| {
        let _ = fs::remove_file(sandbox.path("ssh.log"));
        let mut command = sandbox.command(&["build", "--mock-smd", "--repo", "git@host.invalid:site.git"]);
        for name in ["GIT_SSH", "GIT_SSH_COMMAND", "SSH_ASKPASS_REQUIRE"] {
            command.env_remove(name);
        }
        let output = command.env("PATH", &path).envs(variables.iter().copied()).output().unwrap();
        (fs::read_to_string(sandbox.path("ssh.log")).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (called, said) = call(&[]);
    assert!(called.starts_with("ssh -oBatchMode=yes "), "{called}");
    assert!(said.contains("failed: Permission denied (publickey).; fatal: Could not read"), "{said}");
    for variables in [
        &[("GIT_SSH_COMMAND", "theirs")][..],
        &[("GIT_SSH", "theirs")],
        &[("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "core.sshCommand"), ("GIT_CONFIG_VALUE_0", "theirs")],
        &[("SSH_ASKPASS_REQUIRE", "force")],
    ] {
        let (called, _) = call(variables);
        assert!(!called.is_empty() && !called.contains("BatchMode"), "{variables:?}: {called}");
    }
}

#[test]
fn a_served_remote_is_followed_through_its_failures() {
    let remote = Remote::new();
    let server = remote.sandbox.serve(&["--repo", &remote.url(), "--poll", "1", "--mock-smd"]);
    let serves = |word: &str| server.get("/compute.yaml", NODE).1.contains(word);
    assert!(serves("first"));
    remote.push("second");
    server.wait(SOON, |_| serves("second"));
    assert!(server.health()["degraded"].is_null());
    let good = server.health()["release"].clone();

    remote.web.set(Mood::Gone);
    server.wait(SOON, |server| !server.health()["degraded"].is_null());
    let health = server.health();
    let reason = health["degraded"][0]["reason"].as_str().unwrap();
    assert!(reason.contains(&format!("`git fetch` of {} failed: ", remote.url())), "{reason}");
    assert_eq!((health["status"].as_str(), &health["release"]), (Some("healthy"), &good));
    assert!(serves("second"), "the last good release is still served");

    remote.web.set(Mood::Well);
    server.wait(SOON, |server| server.health()["degraded"].is_null());
    assert_eq!(server.health()["release"], good, "nothing was new");
    remote.web.set(Mood::Gone);
    server.wait(SOON, |server| !server.health()["degraded"].is_null());
    remote.push("third");
    remote.web.set(Mood::Well);
    server.wait(SOON, |_| serves("third"));
    server.wait(SOON, |server| server.health()["degraded"].is_null());
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn a_server_that_starts_while_its_remote_is_gone_serves_what_it_has() {
    let remote = Remote::new();
    let serve = ["--repo", &remote.url(), "--poll", "1", "--mock-smd"];
    remote.sandbox.serve(&serve).terminate();
    for mood in [Mood::Gone, Mood::Silent("")] {
        remote.web.set(mood.clone());
        let server = remote.sandbox.serve(&serve);
        assert!(server.get("/compute.yaml", NODE).1.contains("first"), "{mood:?}");
        if mood == Mood::Gone {
            server.wait(SOON, |server| !server.health()["degraded"].is_null());
        }
    }
}

#[test]
fn a_clone_that_was_cut_off_is_not_taken_for_a_whole_one() {
    let remote = Remote::new();
    git(&remote.sandbox.path("web/site.git"), &["repack", "-adq"]);
    git(&remote.sandbox.path("web/site.git"), &["update-server-info"]);
    remote.web.set(Mood::Cut(".pack"));
    let said = remote.build();
    assert!(said.starts_with("exit code 2\n") && said.contains("`git clone` of http://[ADDRESS]/site.git"), "{said}");
    assert_eq!(remote.mirrors(), [""; 0].map(PathBuf::from), "what was cloned by halves is gone");

    // Killed in the middle, with the git that it called.
    remote.web.set(Mood::Silent(".pack"));
    let mut command = remote.sandbox.command(&["build", "--mock-smd", "--tree", "tree", "--repo", &remote.url()]);
    command.process_group(0).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    remote.web.wait_for_request(".pack");
    let group = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process_group(group, rustix::process::Signal::KILL).unwrap();
    child.wait().unwrap();
    assert_eq!(remote.mirrors().len(), 1, "something is left of it");
    assert!(!remote.sandbox.path("tree").exists());
    remote.web.set(Mood::Well);
    let said = remote.build();
    assert!(said.starts_with("exit code 0\n"), "{said}");
    assert_eq!(remote.published_word(), "first");
    let mirrors = remote.mirrors();
    assert_eq!(mirrors.len(), 1, "what was left is cleared away: {mirrors:?}");

    // A fetch that is cut off leaves the mirror as it was.
    remote.push("second");
    git(&remote.sandbox.path("web/site.git"), &["repack", "-adq"]);
    git(&remote.sandbox.path("web/site.git"), &["update-server-info"]);
    remote.web.set(Mood::Cut(".pack"));
    assert!(remote.build().starts_with("exit code 2\n"));
    assert_eq!(remote.published_word(), "first");
    remote.web.set(Mood::Well);
    let said = remote.build();
    assert!(said.starts_with("exit code 0\n"), "{said}");
    assert_eq!(remote.published_word(), "second");
}

#[test]
fn credentials_in_the_address_show_nowhere() {
    const SECRETS: [&str; 4] = ["hunter2", "t0k3n-in-name", "t0k3n-in-query", "s3cr3t"];
    let remote = Remote::new();
    let address = remote.web.address;
    let urls = [
        format!("http://operator:hunter2@{address}/site.git"),
        format!("http://t0k3n-in-name@{address}/site.git"),
        format!("http://t0k3n-in-name:x-oauth-basic@{address}/site.git"),
        format!("http://operator:s3cr3t%2Fwith%40odd%3Asigns@{address}/site.git"),
    ];
    let assert_clean = |what: &str, text: &str| {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{what} shows {secret}: {text}");
        }
    };
    let run = |command: &mut Command| {
        let output = command.stdin(Stdio::null()).output().unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat()
    };
    for (number, url) in urls.iter().enumerate() {
        let tree = format!("tree{number}");
        // Cloning fails twice and comes to its end, then fetching fails twice.
        let moods = [Mood::Gone, Mood::Guarded, Mood::Well, Mood::Guarded, Mood::Gone];
        for (mood, format) in moods.into_iter().zip(["text", "json"].into_iter().cycle()) {
            remote.web.set(mood.clone());
            let arguments = ["build", "-vv", "--mock-smd", "--tree", &tree, "--format", format, "--repo", url];
            let said = run(remote.sandbox.command(&arguments).env("MDS_LOG", "trace"));
            assert_clean(&format!("build of {number} in {mood:?}"), &said);
            assert_eq!(said.contains("failed"), mood != Mood::Well, "{said}");
        }
        remote.web.set(Mood::Well);
        for file in ["release.json", "manifest.ndjson"] {
            let text = fs::read_to_string(remote.sandbox.path(&tree).join("current").join(file)).unwrap();
            assert_clean(file, &text);
        }
        let listed = remote.sandbox.stdout(&["releases", "--tree", &tree, "--format", "json"]);
        assert!(listed.contains(&format!("http://{address}/site.git")), "{listed}");
        assert_clean("releases", &listed);
        let said = remote.sandbox.run(&["build", "--mock-smd", "--repo", url, "--rev", "nowhere"]);
        assert!(said.contains("no commit of http://"), "{said}");
        assert_clean("a missing revision", &said);
        let said = remote.sandbox.run(&["build", "--mock-smd", "--repo", url, "--subfolder", "nowhere"]);
        assert_clean("a missing folder", &said);

        let server = remote.sandbox.serve(&["--repo", url, "--poll", "1", "--mock-smd", "-vv", "--tree", &tree]);
        remote.web.set(Mood::Guarded);
        server.wait(SOON, |server| !server.health()["degraded"].is_null());
        assert_clean("/health", &server.get("/health", NODE).1);
        assert_clean("the summary", &server.summary.to_string());
        assert_clean("the log", &server.log());
        assert!(server.log().contains("degraded"), "{}", server.log());
    }
    // Addresses that are refused or that git cannot use are not shown either.
    for url in [
        format!("http://operator:s3cr3t/with-slash@{address}/site.git"),
        format!("ftp://operator:hunter2@{address}/site.git"),
        format!("http://{address}/site.git?private_token=t0k3n-in-query"),
        "ext::hunter2@x".to_owned(),
        "http://operator:hunter2@".to_owned(),
        "https://operator:hunter2@[::1/site.git".to_owned(),
        "operator:hunter2@127.0.0.1:/site.git".to_owned(),
        format!("operator:hunter2@{address}:8080/site.git"),
    ] {
        remote.web.set(Mood::Gone);
        let said = remote.sandbox.run(&["build", "--mock-smd", "--repo", &url]);
        assert!(said.starts_with("exit code 2\n"), "{url}: {said}");
        assert_clean(&url.replace(['2', '3'], "_"), &said);
    }
    for command in ["build", "serve", "render"] {
        let help = run(remote.sandbox.command(&[command, "--help"]).env("MDS_REPO", &urls[0]));
        assert!(help.contains("MDS_REPO"), "{help}");
        assert_clean("the help", &help);
    }
}
