//! Addresses of repositories that can be shown and stored.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The address of a repository without user names, passwords and tokens: it can be shown and stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RepositoryUrl(String);

impl RepositoryUrl {
    /// Takes an address as the user gave it and drops what may be secret: over HTTP everything before the `@` and the
    /// query (tokens hide in both), else the password. The login name of `ssh://git@host/…` and `git@host:…` stays.
    #[must_use]
    pub fn without_credentials(text: &str) -> Self {
        let Some((scheme, rest)) = text.split_once("://") else { return Self(without_password(text)) };
        let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        // A password may hold an unescaped slash; then the host's end is not where it seems, and the `@` lies beyond.
        let authority = &rest[..authority_end];
        let port_is_number =
            authority.rsplit_once(':').is_none_or(|(_, port)| port.ends_with(']') || port.parse::<u16>().is_ok());
        let at = if authority.contains('@') || port_is_number { authority.rfind('@') } else { rest.rfind('@') };
        let Some(at) = at else { return Self(without_query(text).to_owned()) };
        let user = rest[..at].split(':').next().filter(|_| !scheme.to_ascii_lowercase().starts_with("http"));
        let host = without_query(&rest[at + 1..]);
        Self(match user.filter(|user| !user.is_empty()) {
            Some(user) => format!("{scheme}://{user}@{host}"),
            None => format!("{scheme}://{host}"),
        })
    }

    /// The address as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `user:password@host:path`, which is no address, without the password.
fn without_password(text: &str) -> String {
    match text.split_once('@').and_then(|(user, host)| Some((user.split_once(':')?.0, host))) {
        Some((user, host)) if !user.contains('/') => format!("{user}@{host}"),
        _ => text.to_owned(),
    }
}

fn without_query(text: &str) -> &str {
    text.split(['?', '#']).next().unwrap_or(text)
}

impl fmt::Display for RepositoryUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for RepositoryUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RepositoryUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self::without_credentials(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_addresses_of_repositories_are_dropped() {
        for (given, kept) in [
            ("https://host/site.git", "https://host/site.git"),
            ("https://user:password@host/site.git", "https://host/site.git"),
            ("https://token@host:8443/a/b", "https://host:8443/a/b"),
            ("https://user:pass@word@host/a", "https://host/a"),
            ("https://user:pa/ss@host/a", "https://host/a"),
            ("https://host/a?private_token=secret", "https://host/a"),
            ("https://host:8443/@scope/a", "https://host:8443/@scope/a"),
            ("https://[fd00::1]/@scope/a", "https://[fd00::1]/@scope/a"),
            ("HTTPS://user:password@host/", "HTTPS://host/"),
            ("ssh://git:password@host/a", "ssh://git@host/a"),
            ("ssh://git@host:22/a", "ssh://git@host:22/a"),
            ("git@host:a/b.git", "git@host:a/b.git"),
            ("git:password@host:a/b.git", "git@host:a/b.git"),
            ("/srv/site.git", "/srv/site.git"),
            ("/srv/odd:name@x", "/srv/odd:name@x"),
            ("file:///srv/site.git", "file:///srv/site.git"),
        ] {
            assert_eq!(RepositoryUrl::without_credentials(given).as_str(), kept, "{given}");
        }
    }
}
