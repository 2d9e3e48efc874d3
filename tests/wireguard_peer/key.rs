//! Keys of nodes that tests know, unlike those that the script makes.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::harness::programs::run;

/// A pair of keys.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// The private one.
    pub(crate) private: String,
    /// The public one.
    pub(crate) public: String,
}

impl Key {
    /// Makes a fresh pair.
    pub(crate) fn fresh() -> Self {
        let private = run(Command::new("wg").arg("genkey")).trim().to_owned();
        let mut command = Command::new("wg");
        let mut process = command.arg("pubkey").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(private.as_bytes()).unwrap();
        let output = process.wait_with_output().unwrap();
        let public = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        assert_eq!(public.len(), 44);
        Self { private, public }
    }
}
