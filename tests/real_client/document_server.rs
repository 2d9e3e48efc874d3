//! A web server for documents that `mds` refuses to publish.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::network::Namespace;
use super::programs::run;
use super::roots::Root;
use super::site::SERVER_ADDRESS;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, killed when dropped.
#[derive(Debug)]
pub(super) struct DocumentServer(Child);

impl DocumentServer {
    /// Serves documents by their paths, which begin with a slash, at the port 8080 of a namespace. As `mds` does, it
    /// answers with an empty document where a node has none, and with 404 to a path that it does not have.
    ///
    /// The server runs on the Python that a root has anyway.
    ///
    /// # Panics
    /// When it does not come to answer.
    pub(super) fn start(namespace: &Namespace, root: &Root, documents: &BTreeMap<String, String>) -> Self {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).args(namespace.entry()).arg("chroot").arg(&root.folder);
        command.args(["/usr/bin/python3", "-B", "-c", include_str!("document_server.py"), SERVER_ADDRESS]);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = command.spawn().expect("setpriv can be started");
        let text = serde_json::to_vec(documents).expect("documents are JSON");
        process.stdin.take().expect("it is piped").write_all(&text).expect("the server reads its documents");
        let mut server = Self(process);
        let begin = Instant::now();
        while let Err(answer) = namespace.fetch("/") {
            let ended = server.0.try_wait().expect("a child can be asked");
            assert!(ended.is_none() && begin.elapsed() < PATIENCE, "the documents are not served: {ended:?}, {answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }
}

impl Drop for DocumentServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Fails early, with the reason, where the root has no Python.
pub(super) fn check(root: &Root) {
    run(Command::new("chroot").arg(&root.folder).args(["/usr/bin/python3", "-B", "-c", "import http.server"]));
}
