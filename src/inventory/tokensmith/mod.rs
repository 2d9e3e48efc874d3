//! TokenSmith, OpenCHAMI's token service, as the source of tokens for SMD.
//!
//! | module | owns |
//! |---|---|
//! | `exchange` | the three requests on the wire, and what their answers mean |
//! | `lifetime` | how long a token is good for, whatever the clocks do |
//! | `manager` | which request when: [`TokenSmith::token`] |
//!
//! A session can be had at any time with a client certificate, a bootstrap token works once, and a refresh token works
//! once and is replaced by its answer. So refreshing comes first, then the certificate, then the bootstrap token; and a
//! refresh token that may have been used already is given up when there is a certificate: to send it once more would
//! look like a theft, and TokenSmith would revoke the whole family.

mod exchange;
mod lifetime;
mod manager;

pub use lifetime::{Clock, Moment};
pub use manager::{Pace, TokenError, TokenSmith};
