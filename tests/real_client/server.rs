//! The `mds` under test, inside the server's namespace.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use super::network::Namespace;
use super::site::SERVER_ADDRESS;

/// How long a server may take to answer, and a changed site to be served.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `mds serve`, killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server for a site and waits until it says that it is well.
    ///
    /// # Panics
    /// When it ends, or is not well in time, with all that it said.
    pub(crate) fn start(namespace: &Namespace, site: &Path, folder: &Path) -> Self {
        let log = folder.join("server.log");
        let output = File::create(&log).expect("the log can be made");
        let errors = output.try_clone().expect("a file can be shared");
        // Dies with the thread that runs the test, even if that is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(namespace.entry()).arg(binary());
        command.arg("serve").arg("--site").arg(site).arg("--state-dir").arg(folder.join("state"));
        command.args(["--listen", &format!("{SERVER_ADDRESS}:8080")]);
        remove_settings(&mut command);
        command.stdout(output).stderr(errors);
        Self::run(command, log, namespace)
    }

    /// Runs a server whose output goes to the log, and waits until it says that it is well.
    ///
    /// # Panics
    /// As [`Server::start`].
    pub(crate) fn run(mut command: Command, log: PathBuf, namespace: &Namespace) -> Self {
        let process = command.spawn().expect("the server can be started");
        let mut server = Self { process, log };
        server.wait_until_well(namespace);
        server
    }

    /// Ends it as a power cut would, with what it had not written yet.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("it is our own");
        self.process.wait().expect("it is our own");
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    fn wait_until_well(&mut self, namespace: &Namespace) {
        let begin = Instant::now();
        loop {
            let answer = namespace.fetch("/health");
            if answer.as_ref().is_ok_and(|(head, _)| head.starts_with("HTTP/1.1 200")) {
                return;
            }
            let ended = self.process.try_wait().expect("a child can be asked");
            if ended.is_some() || begin.elapsed() > PATIENCE {
                panic!("mds is not well (ended: {ended:?}, answer: {answer:?}):\n{}", self.said());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// All that the server printed.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Waits until a document, as asked for from inside a namespace, holds a text.
///
/// # Panics
/// When it does not in time.
pub(crate) fn wait_for(namespace: &Namespace, path: &str, text: &str) {
    let begin = Instant::now();
    loop {
        let answer = namespace.fetch(path);
        if answer.as_ref().is_ok_and(|(_, body)| body.contains(text)) {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{path} does not come to hold {text:?}: {answer:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// The program under test: `MDS_TESTS_BINARY`, or what cargo has just built.
pub(crate) fn binary() -> PathBuf {
    std::env::var_os("MDS_TESTS_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_mds")), PathBuf::from)
}

/// Keeps the settings of whoever runs the tests away from the server.
pub(crate) fn remove_settings(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MDS_") || name == "STATE_DIRECTORY" {
            command.env_remove(name);
        }
    }
}
