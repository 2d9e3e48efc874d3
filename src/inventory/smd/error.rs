//! Why there is no inventory, in sentences that repeat nothing that SMD said but numbers, and hold no token.

use std::time::Duration;

use super::super::tokensmith::TokenError;
use crate::types::Problems;

/// Why SMD gave no inventory.
#[derive(Debug, thiserror::Error)]
pub enum SmdError {
    /// The client cannot be made.
    #[error("{0}")]
    Client(String),
    /// There is no token to ask with, so SMD was not asked.
    #[error("SMD was not asked, because there is no token: {0}")]
    Token(#[from] TokenError),
    /// No connection, or it broke.
    #[error("SMD cannot be reached: {0}")]
    Network(String),
    /// The certificate of SMD is not believed, which more attempts do not mend.
    #[error(
        "the encrypted connection to SMD does not come about: {0}; name what its certificate is signed by with SMD_CA"
    )]
    Certificate(String),
    /// It took too long.
    #[error("SMD did not send {resource} within {} s", limit.as_secs_f64())]
    Slow {
        /// What was asked for.
        resource: &'static str,
        /// How long it was waited for.
        limit: Duration,
    },
    /// A status that says no.
    #[error("SMD answered {resource} with status {status}{}", status_hint(*status))]
    Status {
        /// What was asked for.
        resource: &'static str,
        /// The status.
        status: u16,
        /// How long SMD asked to be left alone.
        retry_after: Option<Duration>,
    },
    /// A redirect, which is not followed, because the token would go with it.
    #[error("SMD answered {resource} with a redirect (status {status}); it is not followed: name the final URL")]
    Redirect {
        /// What was asked for.
        resource: &'static str,
        /// The status.
        status: u16,
    },
    /// The answer is not what it should be.
    #[error("what SMD sent for {resource} cannot be used: {reason}")]
    Answer {
        /// What was asked for.
        resource: &'static str,
        /// What is wrong with it.
        reason: String,
        /// Whether it broke off, and may be whole the next time.
        is_cut: bool,
    },
    /// SMD lists no node.
    #[error("SMD lists no node; nothing is published, see why it is empty")]
    NoNodes,
    /// SMD lists nodes, and none of them has an address.
    #[error(
        "SMD lists {nodes} nodes and no address of any of them; nothing is published, see what happened to its interfaces"
    )]
    NoAddresses {
        /// How many nodes there are.
        nodes: usize,
    },
    /// What it lists has no normal form, which the join should have seen to.
    #[error("{0}")]
    Inconsistent(Problems),
}

/// What to check when SMD answers with this status.
const fn status_hint(status: u16) -> &'static str {
    match status {
        401 => {
            ": it wants a valid token; set SMD_JWT or SMD_TOKEN to one that has not expired, or TOKENSMITH_URL to get \
             tokens from TokenSmith; if they come from there, see that SMD believes it"
        }
        403 => {
            ": the token is valid and not allowed to read; with SMD_AUTHZ_MODE=enforce SMD wants a role in it (viewer, \
             operator, service or admin), and TokenSmith's tokens have no role claim: set SMD_AUTHZ_MODE to off or \
             shadow, or take a token with a role"
        }
        404 => ": there is no such resource; SMD's API lies below /hsm/v2, see that the URL leads there",
        429 => ": it is asked too often",
        _ => "",
    }
}

impl SmdError {
    /// What may be said to anybody who asks: without the names of our files and of nodes, which the log has.
    #[must_use]
    pub fn for_outsiders(&self) -> String {
        match self {
            Self::Client(_) => "no connection to SMD can be prepared; the log says why".to_owned(),
            Self::Token(error) => format!("SMD was not asked, because there is no token: {}", error.for_outsiders()),
            Self::Inconsistent(_) => "what SMD lists does not fit together; the log says all".to_owned(),
            _ => self.to_string(),
        }
    }

    /// Whether asking once more may help.
    #[must_use]
    pub(super) const fn is_passing(&self) -> bool {
        match self {
            Self::Network(_) | Self::Slow { .. } => true,
            Self::Status { status, .. } => *status == 429 || *status >= 500,
            Self::Answer { is_cut, .. } => *is_cut,
            _ => false,
        }
    }

    /// Whether SMD did not take the token.
    #[must_use]
    pub(super) const fn is_unauthorised(&self) -> bool {
        matches!(self, Self::Status { status: 401, .. })
    }

    /// How long SMD asked to be left alone.
    #[must_use]
    pub(super) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}
