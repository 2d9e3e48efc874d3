//! What a process has used, for benchmarks that run each way in a process of its own.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// Seconds of CPU time that this process has used.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The peak memory of this process in MiB.
pub(crate) fn peak() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
