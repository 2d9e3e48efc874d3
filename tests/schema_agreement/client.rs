//! The real client, in a Debian root that is not written to.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::corpus::Document;

/// The folder of the checkout that keeps the roots.
const CACHE: &str = ".cache/roots";
/// Where the client keeps its schema.
const SCHEMA: &str = "usr/lib/python3/dist-packages/cloudinit/config/schemas/schema-cloud-config-v1.json";

/// What the client says of a document.
#[derive(Debug, Deserialize)]
pub(crate) struct Verdict {
    /// Whether it is valid.
    pub(crate) valid: bool,
    /// The paths of what is deprecated, sorted.
    pub(crate) deprecated: Vec<String>,
    /// Whether the command said that it is valid, for those that went through it.
    pub(crate) command: Option<bool>,
}

/// The cloud-init of Debian 13.
pub(crate) struct Client {
    root: PathBuf,
}

impl Client {
    /// The client, or none when this machine cannot run it: then the test has to end here, and has been reported as
    /// skipped.
    ///
    /// # Panics
    /// When it cannot be run and `MDS_TESTS_MUST_RUN` is `1`.
    pub(crate) fn find() -> Option<Self> {
        match root() {
            Ok(root) => Some(Self { root }),
            Err(reason) if std::env::var_os("MDS_TESTS_MUST_RUN").is_some_and(|value| value == "1") => {
                panic!("the schema tests must run here and cannot: {reason}")
            }
            Err(reason) => {
                let line = format!("\nSKIPPED: the schema was not compared with the real client's: {reason}\n");
                // Past the test runner, which keeps to itself what a passing test prints.
                let _ = std::io::stderr().write_all(line.as_bytes());
                None
            }
        }
    }

    /// The text of its schema.
    pub(crate) fn schema(&self) -> String {
        std::fs::read_to_string(self.root.join(SCHEMA)).expect("the package has a schema")
    }

    /// Its verdicts on documents, in their order. Those whose places are in `by_command` take the way of the command
    /// too.
    pub(crate) fn verdicts(&self, documents: &[Document], by_command: &[usize]) -> Vec<Verdict> {
        // A mount in a namespace of its own: the root stays as it is, and nothing is left behind.
        let script = r#"mount -t tmpfs tmpfs "$1/tmp" && exec chroot "$1" python3 -B -c "$2" "$3""#;
        let mut child = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-euc", script, "sh"])
            .arg(&self.root)
            .arg(include_str!("client.py"))
            .arg(serde_json::to_string(by_command).unwrap())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
        // It reads all before it writes anything, so neither waits for the other.
        serde_json::to_writer(child.stdin.take().expect("it is piped"), &texts).expect("the client reads");
        let output = child.wait_with_output().expect("the client ends");
        assert!(output.status.success(), "the client failed:\n{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("the client writes its verdicts")
    }
}

fn root() -> Result<PathBuf, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("changing the root needs root".to_owned());
    }
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cache = repository.join(CACHE);
    let listing = Command::new(repository.join("tests/lib/roots")).arg("--print").arg(cache).output();
    let listing = listing.map_err(|error| format!("tests/lib/roots cannot be started: {error}"))?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let root = listing.lines().find_map(|line| line.strip_prefix("trixie ")).map(PathBuf::from);
    let root = root.ok_or("tests/lib/roots does not know trixie")?;
    if !root.is_dir() {
        return Err(format!("there is no {}; `tests/lib/roots {CACHE}` makes it", root.display()));
    }
    let mut unshare = Command::new("unshare");
    match unshare.args(["--mount", "--propagation", "private", "true"]).status() {
        Ok(status) if status.success() => Ok(root),
        _ => Err("`unshare --mount` does not work here".to_owned()),
    }
}
