//! The log: to standard error, quiet for commands that end, informative for the server.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts the log. `MDS_LOG` takes a filter in tracing's own notation and wins over `-v`; `MDS_LOG_FORMAT=json` writes
/// a JSON object per line.
pub(crate) fn start(verbose: u8, is_server: bool) {
    let level = match (verbose, is_server) {
        (0, false) => "mds=warn",
        (0, true) | (1, false) => "mds=info",
        (1, true) | (2, false) => "mds=debug",
        _ => "mds=trace",
    };
    let filter = std::env::var("MDS_LOG").ok().and_then(|text| EnvFilter::try_new(text).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // It fails only when a log was started before, and none is.
    let _ = if std::env::var("MDS_LOG_FORMAT").is_ok_and(|format| format == "json") {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}
