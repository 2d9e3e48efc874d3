//! What the tests of the command share: a folder with a site in it, and running `mds` there as a user would.

#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Settings that give the three mock nodes everything they need.
pub const SETTINGS: &str = "\
[cluster]
name = \"demo\"
short_name = \"tc\"
base_url = \"http://10.252.0.1:8080\"

[networks.HMN]
prefixes = [\"10.252.0.0/17\"]
gateway = \"10.252.0.1\"

[networks.HSN]
prefixes = [\"10.100.0.0/16\"]
";

/// A template that uses names of the node and of its group.
pub const COMPUTE: &str =
    "#cloud-config\nwrite_files:\n  - path: /etc/node-role\n    content: \"{{ role }} {{ nid }} {{ scheduler }}\"\n";

/// A folder to work in.
pub struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A folder with a small site in `site/`.
    pub fn new() -> Self {
        let sandbox = Self::empty();
        sandbox.write("site/mds.toml", SETTINGS);
        sandbox.write("site/groups/compute/group.yaml", "meta: {scheduler: slurm}\n");
        sandbox.write("site/groups/compute/cloud-config.yaml", COMPUTE);
        sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: green\n");
        sandbox
    }

    /// The path of a file or folder.
    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file and the folders it needs.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The command with the arguments, to be run in the folder with nothing of the environment that could matter.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mds"));
        command.current_dir(self.folder.path()).args(arguments).stdin(Stdio::null());
        let ours = std::env::vars()
            .map(|(name, _)| name)
            .filter(|name| ["MDS_", "SMD_", "TOKENSMITH_"].iter().any(|prefix| name.starts_with(prefix)));
        for name in ours {
            command.env_remove(name);
        }
        command.env_remove("STATE_DIRECTORY").env("COLUMNS", "100");
        // The git that mds calls: no settings of whoever runs the tests, and no proxy.
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("NO_PROXY", "127.0.0.1").env("no_proxy", "127.0.0.1");
        command
    }

    /// Runs the command and tells exit code, standard output and standard error, with what differs between runs
    /// replaced.
    pub fn run(&self, arguments: &[&str]) -> String {
        self.describe(&self.command(arguments).output().unwrap())
    }

    /// As [`Sandbox::run`], with something on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> String {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        self.describe(&child.wait_with_output().unwrap())
    }

    /// Runs the command, which must succeed, and returns its standard output.
    pub fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{}", self.describe(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the command with `--format json`, which must succeed, and returns the value.
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.stdout(&[arguments, &["--format", "json"]].concat())).unwrap()
    }

    /// Builds the site of the sandbox and returns the id of the release.
    pub fn build(&self) -> String {
        let value = self.json(&["build", "--site", "site", "--mock-smd", "--tree", "tree"]);
        value["release"].as_str().unwrap().to_owned()
    }

    fn describe(&self, output: &Output) -> String {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().map_or_else(|| "killed".to_owned(), |code| code.to_string());
        let all = format!("exit code {code}\n--- stdout\n{}--- stderr\n{}", text(&output.stdout), text(&output.stderr));
        self.masked(&all)
    }

    /// Replaces the folder's path, digests, times and process ids.
    pub fn masked(&self, text: &str) -> String {
        let folder = self.folder.path().to_string_lossy().into_owned();
        mask_hexadecimal(&text.replace(&folder, "[FOLDER]"))
    }

    /// Starts a server on a free port and waits until it says where it listens.
    pub fn serve(&self, arguments: &[&str]) -> Server {
        self.serve_with(arguments, &[])
    }

    /// As [`Sandbox::serve`], with more in the environment.
    pub fn serve_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Server {
        let all = [&["serve", "--listen", "127.0.0.1:0", "--format", "json"], arguments].concat();
        let mut command = self.command(&all);
        command.envs(environment.iter().copied());
        let log = fs::File::create(self.path("serve.log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let status = child.wait().unwrap();
            panic!("the server ended with {status}: {}", fs::read_to_string(self.path("serve.log")).unwrap());
        }
        let summary: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = summary["listening"][0].as_str().unwrap().parse().unwrap();
        Server { child, address, summary, log: self.path("serve.log") }
    }
}

/// Replaces every run of 12 or more hexadecimal digits.
fn mask_hexadecimal(text: &str) -> String {
    let mut masked = String::new();
    let mut run = String::new();
    for character in text.chars().chain(['\0']) {
        if character.is_ascii_hexdigit() && !character.is_ascii_uppercase() {
            run.push(character);
            continue;
        }
        let is_digest = matches!(run.len(), 12 | 64);
        masked.push_str(if is_digest { "[DIGEST]" } else { &run });
        run.clear();
        if character != '\0' {
            masked.push(character);
        }
    }
    masked
}

/// A running server; it is ended when it is dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    pub summary: serde_json::Value,
    log: PathBuf,
}

impl Server {
    /// Asks for a path as the node with the address, and returns status and body.
    pub fn get(&self, path: &str, node: &str) -> (u16, String) {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: {node}\r\nConnection: close\r\n\r\n");
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        (status, body)
    }

    /// What `/health` says.
    pub fn health(&self) -> serde_json::Value {
        serde_json::from_str(&self.get("/health", "127.0.0.1").1).unwrap()
    }

    /// Waits until the condition holds, for at most the given time, and says how long it took.
    pub fn wait(&self, limit: Duration, mut condition: impl FnMut(&Self) -> bool) -> Duration {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < limit, "it did not happen within {limit:?}; the log:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        start.elapsed()
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Tells the server to end, and returns its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `git` in a folder, as a user without any settings of their own.
pub fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
