//! What came of a boot.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::roots::Client;

/// What a node told about one boot.
#[derive(Debug)]
pub(crate) struct Boot {
    client: Client,
    stages: String,
    status: String,
    results: Vec<Value>,
    hostname: String,
    log: String,
}

impl Boot {
    /// Reads the report of a boot.
    pub(super) fn read(client: Client, report: &Path, log: &str) -> Self {
        let read = |name: &str| {
            fs::read_to_string(report.join(name)).unwrap_or_else(|error| panic!("the boot's {name}: {error}"))
        };
        let json = |name: &str| serde_json::from_str(&read(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self {
            client,
            stages: read("stages"),
            status: read("status"),
            results: vec![json("status.json"), json("result.json")],
            hostname: read("hostname").trim().to_owned(),
            log: log.to_owned(),
        }
    }

    /// The name the running node had in the end.
    pub(crate) fn hostname(&self) -> &str {
        &self.hostname
    }

    /// How often the node opened a tunnel and closed it.
    pub(crate) fn tunnels(&self) -> (usize, usize) {
        let count = |name: &str| self.stages.lines().filter(|stage| stage.starts_with(name)).count();
        (count("tunnel-up "), count("tunnel-down "))
    }

    /// Whether a stage ended with an error: `init-local`, `init-network`, `modules-config` or `modules-final`.
    pub(crate) fn failed(&self, stage: &str) -> bool {
        let mut codes = self.stages.lines().filter_map(|line| line.strip_prefix(stage)?.strip_prefix(' '));
        codes.any(|codes| !codes.starts_with("0 "))
    }

    /// Whether the client calls the node degraded, as it does from 23.4 on when there were warnings.
    pub(crate) fn is_degraded(&self) -> bool {
        self.status.lines().any(|line| line.starts_with("extended_status: degraded"))
    }

    /// Whether the client warns in its log of something that has these words, which makes the node a degraded one.
    pub(crate) fn warns_of(&self, words: &str) -> bool {
        self.warnings().iter().any(|line| line.contains(words))
    }

    /// All that there is to know when a boot was not as expected.
    pub(crate) fn account(&self) -> String {
        format!("{}{}\n{}", self.stages, self.status, self.warnings().join("\n"))
    }

    /// The paths that the client asked for, in order, once each time it asked.
    pub(crate) fn requests(&self) -> Vec<&str> {
        self.tries()
            .map(|(_, url)| url.trim_start_matches("http://").split_once('/').map_or("", |(_, path)| path))
            .collect()
    }

    /// What the client logged about requests: `[0/11] open 'http://...' with ...`, where 0 is the first try.
    fn tries(&self) -> impl Iterator<Item = (&str, &str)> {
        self.log.lines().filter_map(|line| {
            let (head, rest) = line.split_once("] open '")?;
            let (_, tries) = head.rsplit_once('[')?;
            Some((tries.split('/').next()?, rest.split('\'').next()?))
        })
    }

    /// Fails unless every stage succeeded, the client has nothing to complain about, and it had to ask for nothing
    /// twice.
    pub(crate) fn assert_clean(&self) {
        for stage in self.stages.lines() {
            assert_eq!(stage.split(' ').nth(1), Some("0"), "a stage failed:\n{}{}", self.stages, self.status);
        }
        let of_client = self.stages.lines().filter(|stage| !stage.starts_with("tunnel-"));
        assert_eq!(of_client.count(), 5, "a stage did not run:\n{}", self.stages);
        assert!(self.status.contains("status: done"), "{}", self.status);
        // "degraded done" from 23.4 on, when there were warnings.
        let extended = self.status.lines().find(|line| line.starts_with("extended_status:"));
        assert!(extended.is_none_or(|line| line == "extended_status: done"), "{}", self.status);
        let complaints: Vec<String> = self.results.iter().flat_map(complaints).collect();
        assert!(complaints.is_empty(), "the client complains: {complaints:#?}");
        assert_eq!(self.warnings(), Vec::<&str>::new(), "the client warns");
        let again: Vec<_> = self.tries().filter(|(number, _)| *number != "0").collect();
        assert!(again.is_empty(), "the client had to ask again: {again:?}");
    }

    /// The warnings and errors in the log, but for the one that is the test's own doing.
    fn warnings(&self) -> Vec<&str> {
        // 22.4 asks systemd about ssh, and there is no systemd.
        let own = |line: &str| self.client == Client::Bookworm && line.contains("SSH service 'ssh' is not available");
        self.log
            .lines()
            .filter(|line| ["[WARNING]", "[ERROR]", "[CRITICAL]", "Traceback"].iter().any(|mark| line.contains(mark)))
            .filter(|line| !own(line))
            .collect()
    }
}

/// Everything that stands in an `errors` or `recoverable_errors` member anywhere in the client's own account.
fn complaints(value: &Value) -> Vec<String> {
    let Value::Object(members) = value else { return Vec::new() };
    members
        .iter()
        .flat_map(|(name, value)| match (name.as_str(), value) {
            ("errors", Value::Array(errors)) => errors.iter().map(ToString::to_string).collect(),
            ("recoverable_errors", Value::Object(kinds)) => kinds.iter().map(|(k, v)| format!("{k}: {v}")).collect(),
            _ => complaints(value),
        })
        .collect()
}
