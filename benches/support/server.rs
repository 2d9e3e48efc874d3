//! `mds serve` as a process of its own, so that what it takes can be told from what its load takes.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::cluster::TUNNELS;

/// The kernel counts CPU time in hundredths of a second, on every machine that Linux runs on today.
const TICKS_PER_SECOND: f64 = 100.0;
/// How often memory is looked at for its peak.
const LOOK: Duration = Duration::from_millis(100);

/// A running server. It is ended when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Serves the tree in a folder on free ports of the loopback interface.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(Command::new(env!("CARGO_BIN_EXE_mds")), folder, "127.0.0.1:0", "127.0.0.1:0")
    }

    /// Serves the tree in a folder; the command may be one that starts `mds` elsewhere.
    pub(crate) fn start_with(mut command: Command, folder: &Path, listen: &str, wireguard_listen: &str) -> Self {
        let names: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
        for name in names.iter().filter(|name| name.starts_with("MDS_")) {
            command.env_remove(name);
        }
        let (tree, state) = (folder.join("tree"), folder.join("state"));
        command.args(["--format", "json", "serve", "--listen", listen]);
        command.args(["--wireguard-server", TUNNELS, "--wireguard-listen", wireguard_listen]);
        command.arg("--tree").arg(tree).arg("--state-dir").arg(state);
        // Only what is wrong.
        command.env("MDS_LOG", "warn").env_remove("STATE_DIRECTORY").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut text = String::new();
        let said = loop {
            let read = output.read_line(&mut text).unwrap();
            match serde_json::from_str::<Value>(&text) {
                Ok(said) => break said,
                Err(_) => assert!(read > 0, "the server has ended; it said {text:?}"),
            }
        };
        let address = said["listening"][0].as_str().expect("the server says where it listens").parse().unwrap();
        Self { child, address }
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Seconds of CPU time that it has used, to a hundredth.
    pub(crate) fn cpu(&self) -> f64 {
        cpu_of(self.child.id())
    }

    /// Its memory that is no file's, in KiB: heap and stacks, with what the allocator keeps for later.
    pub(crate) fn memory(&self) -> f64 {
        memory_of(self.child.id())
    }

    /// Looks at its memory until told to stop.
    pub(crate) fn watch_memory(&self) -> MemoryWatch {
        let (stop, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let process = self.child.id();
        let (stopped, seen) = (Arc::clone(&stop), Arc::clone(&peak));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                seen.fetch_max(memory_of(process) as u64, Ordering::Relaxed);
                std::thread::sleep(LOOK);
            }
        });
        MemoryWatch { stop, peak, thread }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Somebody who looks at the memory of a server.
pub(crate) struct MemoryWatch {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    thread: JoinHandle<()>,
}

impl MemoryWatch {
    /// The most that was seen, in KiB.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn peak(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        self.peak.load(Ordering::Relaxed) as f64
    }
}

/// Seconds of CPU time that a process has used, to a hundredth.
pub(crate) fn cpu_of(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before may have blanks in it.
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks = |at: usize| fields.split_whitespace().nth(at).and_then(|field| field.parse::<f64>().ok()).unwrap();
    (ticks(11) + ticks(12)) / TICKS_PER_SECOND
}

fn memory_of(process: u32) -> f64 {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a line on anonymous memory");
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
