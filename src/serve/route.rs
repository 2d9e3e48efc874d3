//! Request paths. A path is compared with fixed names and parsed into words; it never reaches a file system.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::types::{DocumentName, GroupLabel, InvalidText};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/`: a few lines about the server.
    Help,
    /// `/health`.
    Health,
    /// `/smd-notification`: SMD says that something has changed.
    Notification,
    /// `/wg-init`, and `/v1/register`: a node brings a key.
    Register(KeyForm),
    /// `/phone-home/NAME`: a node says that it has booted. The name is decoded, and may be anything.
    PhoneHome(String),
    /// `/wireguardpeers`: the live tunnels.
    Peers,
    /// `/wireguardpeers/UID`: one of them.
    Peer(String),
    /// A document of the node that asks.
    Document(DocumentName),
    /// None of the paths this server has.
    Unknown,
}

/// How the body of a request says which key a node brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// `{"public_key": …}`, as OpenCHAMI's services take it at `/wg-init`.
    WgInit,
    /// `{"pubkey": …, "node": …}`, as OpenCHAMI's blog sends it to `/v1/register`.
    Register,
}

/// The paths below which everything is served once more, besides `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefixes(Vec<String>);

impl Prefixes {
    /// Parses prefixes such as `/cloud-init`. A slash in front may be missing, one behind is cut, and `/` alone adds
    /// nothing.
    ///
    /// # Errors
    /// When a prefix has an empty segment, `.` or `..`, or a character other than letters, digits, `.`, `_`, `~`, `-`.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidText> {
        let mut prefixes = Vec::new();
        for text in texts {
            let bare = text.strip_prefix('/').unwrap_or(text);
            let bare = bare.strip_suffix('/').unwrap_or(bare);
            if bare.is_empty() {
                continue;
            }
            let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._~-".contains(&byte);
            let good = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(legal);
            if !bare.split('/').all(good) {
                return Err(InvalidText(format!(
                    "`{}` is not a path prefix such as `/cloud-init`: segments of letters, digits or `._~-` are expected",
                    text.escape_debug()
                )));
            }
            prefixes.push(format!("/{bare}"));
        }
        // The longest first, so that of `/a` and `/a/b` the closer one is cut.
        prefixes.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
        prefixes.dedup();
        Ok(Self(prefixes))
    }

    /// Says what a raw request path asks for. A query is ignored, and so is one slash at the end.
    #[must_use]
    pub fn route(&self, raw: &str) -> Route {
        let path = raw.split_once(['?', '#']).map_or(raw, |(path, _query)| path);
        match route_below(path) {
            Route::Unknown => self.below_prefix(path).map_or(Route::Unknown, route_below),
            route => route,
        }
    }

    fn below_prefix<'p>(&self, path: &'p str) -> Option<&'p str> {
        self.0.iter().find_map(|prefix| match path.strip_prefix(prefix.as_str())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        })
    }
}

/// `/cloud-init` and `/metadata-service`: where the services that this one replaces are mounted.
impl Default for Prefixes {
    fn default() -> Self {
        Self(vec!["/metadata-service".to_owned(), "/cloud-init".to_owned()])
    }
}

fn route_below(path: &str) -> Route {
    let Some(segment) = path.strip_prefix('/') else { return Route::Unknown };
    match segment.strip_suffix('/').unwrap_or(segment) {
        // `//` is not `/`.
        "" if segment.is_empty() => Route::Help,
        "health" => Route::Health,
        "smd-notification" => Route::Notification,
        "wg-init" => Route::Register(KeyForm::WgInit),
        "v1/register" => Route::Register(KeyForm::Register),
        "wireguardpeers" => Route::Peers,
        segment if let Some(name) = segment.strip_prefix("phone-home/") => {
            named(name).map_or(Route::Unknown, Route::PhoneHome)
        }
        segment if let Some(uid) = segment.strip_prefix("wireguardpeers/") => {
            named(uid).map_or(Route::Unknown, Route::Peer)
        }
        segment => document(segment).map_or(Route::Unknown, Route::Document),
    }
}

/// A name that is the last segment of a path. It is compared with names, and with nothing else.
fn named(segment: &str) -> Option<String> {
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    let is_name = !segment.contains('/') && !name.is_empty() && !name.contains(char::is_control);
    is_name.then(|| name.into_owned())
}

/// Reads the one segment of a document's path. Only a group's label may be percent-encoded, and it is decoded once and
/// as a label, so that an encoded slash, dot or NUL is a character no label has, never a path.
fn document(segment: &str) -> Option<DocumentName> {
    let Some(label) = segment.strip_suffix(".yaml") else { return DocumentName::parse(segment).ok() };
    let label: Cow<'_, str> =
        if label.contains('%') { percent_decode_str(label).decode_utf8().ok()? } else { label.into() };
    GroupLabel::parse(&label).ok().map(DocumentName::Group)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Route {
        Prefixes::default().route(path)
    }

    fn group(label: &str) -> Route {
        Route::Document(DocumentName::Group(GroupLabel::parse(label).unwrap()))
    }

    #[test]
    fn documents_are_found_below_every_prefix_with_and_without_a_slash_at_the_end() {
        for prefix in ["", "/cloud-init", "/metadata-service"] {
            for slash in ["", "/", "?x=1", "/?a=/b"] {
                assert_eq!(route(&format!("{prefix}/meta-data{slash}")), Route::Document(DocumentName::MetaData));
                assert_eq!(route(&format!("{prefix}/user-data{slash}")), Route::Document(DocumentName::UserData));
                assert_eq!(route(&format!("{prefix}/vendor-data{slash}")), Route::Document(DocumentName::VendorData));
                assert_eq!(
                    route(&format!("{prefix}/network-config{slash}")),
                    Route::Document(DocumentName::NetworkConfig)
                );
                assert_eq!(route(&format!("{prefix}/compute.yaml{slash}")), group("compute"));
                assert_eq!(route(&format!("{prefix}/health{slash}")), Route::Health);
                assert_eq!(route(&format!("{prefix}/smd-notification{slash}")), Route::Notification);
            }
        }
        for path in ["/", "/?x", "/cloud-init", "/cloud-init/", "/metadata-service?x"] {
            assert_eq!(route(path), Route::Help, "{path}");
        }
    }

    #[test]
    fn an_escaped_label_is_decoded_once() {
        assert_eq!(route("/rack%3A4.yaml"), group("rack:4"));
        assert_eq!(route("/gpu%2bfast.yaml"), group("gpu+fast"));
        assert_eq!(route("/%63ompute.yaml"), group("compute"));
        assert_eq!(route("/rack%253A4.yaml"), Route::Unknown, "decoded twice, this would be a label");
        assert_eq!(route("/gpu+fast.yaml"), group("gpu+fast"), "a plus is not a blank in a path");
    }

    #[test]
    fn an_encoded_slash_does_not_leave_the_namespace() {
        for path in [
            "/a%2fb.yaml",
            "/a%2Fb.yaml",
            "/..%2f..%2fetc%2fpasswd",
            "/..%2fx.yaml",
            "/cloud-init%2fmeta-data",
            "/a%5cb.yaml",
            "/%2fcompute.yaml",
        ] {
            assert_eq!(route(path), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn other_paths_are_unknown() {
        let long = format!("/{}.yaml", "g".repeat(300));
        for path in [
            "",
            "*",
            "meta-data",
            "//",
            "//meta-data",
            "/meta-data//",
            "/meta-data/x",
            "/x/meta-data",
            "/../meta-data",
            "/./meta-data",
            "/%2e%2e/meta-data",
            "/%2e%2e.yaml",
            "/..yaml",
            "/.yaml",
            "/%00.yaml",
            "/a\0.yaml",
            "/a%zz.yaml",
            "/a%.yaml",
            "/%ff.yaml",
            "/meta%2Ddata",
            "/META-DATA",
            "/compute%2eyaml",
            "/cloud-initmeta-data",
            "/cloud-init/cloud-init/meta-data",
            "/cloud-init//meta-data",
            "/cloud-init/../meta-data",
            "/health.json",
            "/etc/passwd",
            "/packs",
            "/releases",
            "/current",
            &long,
        ] {
            assert_eq!(route(path), Route::Unknown, "{path:?}");
        }
    }

    #[test]
    fn what_tunnels_need_is_found_below_every_prefix() {
        for prefix in ["", "/cloud-init", "/metadata-service"] {
            for slash in ["", "/", "?x=1"] {
                assert_eq!(route(&format!("{prefix}/wg-init{slash}")), Route::Register(KeyForm::WgInit));
                assert_eq!(route(&format!("{prefix}/v1/register{slash}")), Route::Register(KeyForm::Register));
                assert_eq!(route(&format!("{prefix}/wireguardpeers{slash}")), Route::Peers);
                assert_eq!(route(&format!("{prefix}/phone-home/i%3A7{slash}")), Route::PhoneHome("i:7".to_owned()));
                assert_eq!(route(&format!("{prefix}/wireguardpeers/u-1{slash}")), Route::Peer("u-1".to_owned()));
            }
        }
        for path in
            ["/phone-home", "/phone-home/", "/phone-home//", "/phone-home/a/b", "/phone-home/%00", "/phone-home/%ff"]
        {
            assert_eq!(route(path), Route::Unknown, "{path}");
        }
        for path in ["/register", "/v1", "/v1/register/x", "/wireguardpeers/a/b", "/wg-init/x"] {
            assert_eq!(route(path), Route::Unknown, "{path}");
        }
    }

    #[test]
    fn prefixes_are_normalised() {
        let prefixes = Prefixes::parse(["boot/", "/a", "/a/b/", "/", "", "a"]).unwrap();
        for path in ["/boot/meta-data", "/a/meta-data", "/a/b/meta-data/"] {
            assert_eq!(prefixes.route(path), Route::Document(DocumentName::MetaData), "{path}");
        }
        assert_eq!(prefixes.route("/cloud-init/meta-data"), Route::Unknown);
    }

    #[test]
    fn odd_prefixes_are_refused() {
        for text in ["/a//b", "/../x", "/a b", "/a%2f", "/a?x", "."] {
            assert!(Prefixes::parse([text]).is_err(), "{text}");
        }
    }
}
