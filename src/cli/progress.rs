//! How far a build is: a bar on a terminal, plain lines elsewhere.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use mds::pipeline::{Observer, Phase};

use super::output::{counted, eprint};

/// Tells a person on standard error how far a build is.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    is_terminal: bool,
    is_quiet: bool,
}

impl Progress {
    /// A terminal gets a bar; without one, lines are written unless `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { bar: None, is_terminal: std::io::stderr().is_terminal(), is_quiet: quiet }
    }

    fn clear(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn show(&mut self, phase: Phase) {
        let bar = match phase {
            Phase::Rendering { nodes } => {
                let style = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} nodes");
                ProgressBar::new(nodes as u64)
                    .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
                    .with_message("rendering")
            }
            Phase::Fetching => ProgressBar::new_spinner().with_message("fetching the repository"),
            Phase::Pulling => ProgressBar::new_spinner().with_message("pulling the inventory"),
            Phase::Reading => ProgressBar::new_spinner().with_message("reading the site"),
            Phase::Publishing => ProgressBar::new_spinner().with_message("publishing"),
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        self.bar = Some(bar);
    }
}

impl Observer for Progress {
    fn begin(&mut self, phase: Phase) {
        self.clear();
        if self.is_terminal {
            self.show(phase);
            return;
        }
        if self.is_quiet {
            return;
        }
        eprint(&match phase {
            Phase::Fetching => "fetching the repository\n".to_owned(),
            Phase::Pulling => "pulling the inventory\n".to_owned(),
            Phase::Reading => "reading the site\n".to_owned(),
            Phase::Rendering { nodes: 0 } => "no node has changed\n".to_owned(),
            Phase::Rendering { nodes } => format!("rendering {}\n", counted(nodes, "node")),
            Phase::Publishing => "publishing\n".to_owned(),
        });
    }

    fn node_done(&mut self) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
