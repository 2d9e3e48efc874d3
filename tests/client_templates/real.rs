//! cloud-init's own code, run in a Debian root.

use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::harness::Root;

/// Instance data and templates as the client has them.
const DRIVER: &str = include_str!("driver.py");
/// Where the node's documents come from; what mds takes for it too.
const SEED: &str = "http://192.0.2.1/";

/// What the client said.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// What templates see.
    pub(crate) seen: Value,
    /// What became of each template.
    pub(crate) renders: Vec<Render>,
}

/// What became of a template.
#[derive(Debug, Deserialize)]
pub(crate) struct Render {
    /// The document that it went on with; none if it lost it.
    pub(crate) text: Option<String>,
    /// What it warned of.
    pub(crate) warnings: Vec<String>,
}

/// Has the client of a root read meta-data and render templates. The root is not written to: the client's files go to
/// an empty file system that nobody else sees.
pub(crate) fn ask(root: &Root, meta_data: &str, templates: &[String]) -> Answer {
    let order = json!({
        "command_line": root.client.command_line(SEED),
        "meta_data": meta_data,
        "templates": templates,
    });
    let script = "mount -t tmpfs tmpfs \"$1/tmp\" && exec chroot \"$1\" \
                  /usr/bin/env PYTHONDONTWRITEBYTECODE=1 python3 -B -c \"$2\"";
    let mut child = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"])
        .arg(&root.folder)
        .arg(DRIVER)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(order.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
