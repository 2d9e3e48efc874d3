//! What `/health` says when no key can be taken.

use std::sync::Arc;

use crate::serve::{Gravity, Shared};

/// The part of the program that this speaks for.
const PART: &str = "wireguard-keys";

/// Speaks for the thread that takes keys, and goes with it: when it panics, that is said.
pub(super) struct KeyHealth {
    shared: Arc<Shared>,
    /// Why nothing can be written, when that was said already.
    fault: Option<String>,
}

impl KeyHealth {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared, fault: None }
    }

    /// Says why nothing can be written, or that it can be. Where the files are is for the log only.
    pub(super) fn say(&mut self, fault: Option<String>) {
        if self.fault == fault {
            return;
        }
        match &fault {
            Some(fault) => {
                tracing::error!("no key can be taken: {fault}; tunnels that there are go on");
                self.shared.degrade(
                    PART,
                    "nodes get no tunnels: their keys cannot be written down; tunnels that there are go on, and the log \
                     says why",
                );
            }
            None => self.shared.mend(PART),
        }
        self.fault = fault;
    }
}

impl Drop for KeyHealth {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.degrade_to(
                Gravity::Unhealthy,
                PART,
                "nodes get no tunnels, and those that there are do not end: what takes keys has failed, as the log says; \
                 start the server anew",
            );
        }
    }
}
