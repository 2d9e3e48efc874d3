//! What `#include` documents name.
//!
//! cloud-init fetches every line of such a document, processes the answer as it does any user-data, and so on without an
//! end: it neither counts levels nor remembers what it has had. A line that cannot be fetched ends the network stage
//! after eleven tries. Addresses of other servers are not looked at: what they answer is not known here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use url::Url;

use super::document::Document;
use super::inspector::{LookedAt, NodeRemark};
use super::remark::{Remark, Spot};
use super::rulebook::Rulebook;
use crate::render::{NodeFacts, Plan};
use crate::types::{DocumentName, GroupLabel};

/// The rule that no document includes itself.
const CYCLE: &str = "include-url-cycle";
/// The rule that what is included is there.
const UNKNOWN: &str = "include-url-unknown";

/// A line of an `#include` document.
struct Line<'t> {
    url: &'t str,
    at: Spot,
}

/// What an included URL leads to.
#[derive(Debug, PartialEq, Eq)]
enum Target {
    /// A document of the node.
    Document(DocumentName),
    /// A path that the server does not have.
    NotThere,
    /// Nothing that can be fetched.
    NoUrl,
    /// Something else, of which nothing is known.
    Elsewhere,
}

/// Follows what the node's documents include.
pub(super) fn of_node(
    rulebook: &Rulebook,
    _: &Plan,
    facts: &NodeFacts,
    documents: &[Arc<LookedAt>],
) -> Vec<NodeRemark> {
    let mut remarks = Vec::new();
    let mut includes: BTreeMap<&DocumentName, Vec<(DocumentName, Spot)>> = BTreeMap::new();
    for document in documents.iter().filter_map(|looked_at| looked_at.document.as_ref()) {
        for Line { url, at } in lines(document) {
            let remark = match target(rulebook, &facts.base_url, url) {
                Target::Document(name) => {
                    includes.entry(&document.name).or_default().push((name, at));
                    continue;
                }
                Target::Elsewhere => continue,
                Target::NotThere => {
                    Remark::at(UNKNOWN, at, "the server has nothing under the URL that is included here")
                        .with_hint("name a document of the node, such as {{ base_url }}/GROUP.yaml")
                }
                Target::NoUrl => Remark::at(UNKNOWN, at, "the line is no URL that cloud-init can fetch")
                    .with_hint("write it out with http:// and the host; cloud-init resolves no relative URLs"),
            };
            remarks.push(NodeRemark { document: document.name.clone(), remark });
        }
    }
    if !includes.is_empty() {
        remarks.extend(cycles(&includes));
    }
    remarks
}

/// The URLs of an `#include` document; there are none in any other.
fn lines(document: &Document) -> Vec<Line<'_>> {
    let is_looked_at = !matches!(document.name, DocumentName::MetaData | DocumentName::NetworkConfig);
    let is_include = |text: &str| text.get(..8).is_some_and(|head| head.eq_ignore_ascii_case("#include"));
    if !is_looked_at || !is_include(document.text.trim_start()) {
        return Vec::new();
    }
    let urls = document.text.lines().enumerate().filter_map(|(index, line)| {
        let head = ["#include-once", "#include"]
            .into_iter()
            .find(|head| line.get(..head.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(head)));
        let rest = line[head.map_or(0, str::len)..].trim_start();
        let url = rest.trim_end();
        let column = line.chars().count() - rest.chars().count() + 1;
        (!url.is_empty() && !url.starts_with('#')).then_some(Line { url, at: (index + 1, column) })
    });
    urls.collect()
}

fn target(rulebook: &Rulebook, base_url: &str, text: &str) -> Target {
    // A path of the node's own file system.
    if text.starts_with('/') || text.to_ascii_lowercase().starts_with("file:") {
        return Target::Elsewhere;
    }
    if !text.contains("://") {
        // cloud-init puts `http://` before it, so that the name of a document becomes the name of a host.
        return if DocumentName::parse(text).is_ok() { Target::NoUrl } else { Target::Elsewhere };
    }
    let Ok(url) = Url::parse(text) else { return Target::NoUrl };
    let Ok(base) = Url::parse(base_url) else { return Target::Elsewhere };
    if url.origin() != base.origin() || !url.origin().is_tuple() {
        return Target::Elsewhere;
    }
    let base_path = base.path().trim_end_matches('/');
    if let Some(path) = below(url.path(), base_path) {
        return route(path).unwrap_or(Target::NotThere);
    }
    // A server that others stand before may have anything beside it.
    if !base_path.is_empty() && !rulebook.prefixes.iter().any(|prefix| prefix == base_path) {
        return Target::Elsewhere;
    }
    let prefixes = rulebook.prefixes.iter().map(String::as_str).chain([""]);
    prefixes.into_iter().find_map(|prefix| route(below(url.path(), prefix)?)).unwrap_or(Target::NotThere)
}

/// The part of a path below a prefix, which begins with a slash.
fn below<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    path.strip_prefix(prefix).filter(|rest| rest.starts_with('/'))
}

/// What a path of the server leads to: this is what the server itself goes by.
fn route(path: &str) -> Option<Target> {
    let segment = path.strip_prefix('/')?;
    match segment.strip_suffix('/').unwrap_or(segment) {
        "" | "health" => Some(Target::Elsewhere),
        segment => {
            let Some(label) = segment.strip_suffix(".yaml") else {
                return DocumentName::parse(segment).ok().map(Target::Document);
            };
            let label = percent_decode_str(label).decode_utf8().ok()?;
            GroupLabel::parse(&label).ok().map(|label| Target::Document(DocumentName::Group(label)))
        }
    }
}

/// The lines that lead back to the document they stand in, or to one on the way to it.
fn cycles(includes: &BTreeMap<&DocumentName, Vec<(DocumentName, Spot)>>) -> Vec<NodeRemark> {
    let mut done: BTreeSet<&DocumentName> = BTreeSet::new();
    let mut remarks = Vec::new();
    for start in includes.keys() {
        follow(includes, start, &mut Vec::new(), &mut done, &mut remarks);
    }
    remarks
}

fn follow<'i>(
    includes: &'i BTreeMap<&DocumentName, Vec<(DocumentName, Spot)>>,
    name: &'i DocumentName,
    way: &mut Vec<&'i DocumentName>,
    done: &mut BTreeSet<&'i DocumentName>,
    remarks: &mut Vec<NodeRemark>,
) {
    if done.contains(name) {
        return;
    }
    way.push(name);
    for (next, at) in includes.get(name).map_or(&[][..], Vec::as_slice) {
        match way.iter().position(|on_way| *on_way == next) {
            Some(position) => {
                let names: Vec<String> = way[position..].iter().map(|name| format!("`{name}`")).collect();
                let by_way = match &names[1..] {
                    [] => String::new(),
                    others => format!(" by way of {}", others.join(" and ")),
                };
                let message = format!("{} includes itself{by_way}, and cloud-init follows without an end", names[0]);
                let remark = Remark::at(CYCLE, *at, message).with_hint("take this line out");
                remarks.push(NodeRemark { document: name.clone(), remark });
            }
            None => follow(includes, next, way, done, remarks),
        }
    }
    way.pop();
    done.insert(name);
}

#[cfg(test)]
mod tests {
    use super::super::fixture::problems_of;
    use super::*;
    use crate::render::fixture::site;

    const SETTINGS: (&str, &str) = ("mds.toml", "[cluster]\nbase_url = \"http://10.0.0.254:8080/cloud-init\"\n");

    fn said(files: &[(&str, &str)]) -> Vec<String> {
        let problems = problems_of(&[&[SETTINGS], files].concat(), "x1");
        let line = |problem: &crate::render::NodeProblem| format!("{} {}", problem.rule, problem.problem);
        problems.iter().map(line).collect()
    }

    #[test]
    fn urls_lead_where_the_server_says() {
        let (rulebook, _) = Rulebook::new(&site(&[]));
        let target = |url: &str| target(&rulebook, "http://h:8080/cloud-init", url);
        let group = |label: &str| Target::Document(DocumentName::Group(GroupLabel::parse(label).unwrap()));
        assert_eq!(target("http://h:8080/cloud-init/user-data"), Target::Document(DocumentName::UserData));
        assert_eq!(target("HTTP://H:8080/user-data?x"), Target::Document(DocumentName::UserData));
        assert_eq!(target("http://h:8080/metadata-service/a.yaml/"), group("a"));
        assert_eq!(target("http://h:8080/rack%3A4.yaml"), group("rack:4"));
        for missing in ["http://h:8080/cloud-init/all", "http://h:8080/userdata", "http://h:8080/x/user-data"] {
            assert_eq!(target(missing), Target::NotThere, "{missing}");
        }
        for other in [
            "http://h/user-data",
            "https://h:8080/x",
            "/etc/x",
            "file:///x",
            "http://h:8080/health",
            "10.0.0.1:8080/user-data",
        ] {
            assert_eq!(target(other), Target::Elsewhere, "{other}");
        }
        for none in ["user-data", "compute.yaml", "http://"] {
            assert_eq!(target(none), Target::NoUrl, "{none}");
        }
    }

    #[test]
    fn a_document_that_includes_itself_is_said_once() {
        let itself = said(&[("user-data/default.yaml", "#include\n{{ base_url }}/user-data\n")]);
        assert_eq!(
            itself,
            ["include-url-cycle user-data/default.yaml:2:1: `user-data` includes itself, and cloud-init follows \
              without an end (take this line out)"]
        );
        let around = said(&[
            ("groups/a/cloud-config.yaml", "#include {{ base_url }}/b.yaml\n"),
            ("groups/b/cloud-config.yaml", "#include-once\n\n# back\n{{ base_url }}/vendor-data\n"),
        ]);
        assert_eq!(around.len(), 1, "{around:?}");
        assert!(around[0].contains("`vendor-data` includes itself by way of `a.yaml` and `b.yaml`"), "{around:?}");
    }

    #[test]
    fn what_is_included_often_and_without_a_circle_is_fine() {
        let files = [
            ("groups/a/cloud-config.yaml", "#include\n{{ base_url }}/b.yaml\nhttp://other/user-data\n"),
            ("groups/b/cloud-config.yaml", "#cloud-config\nfinal_message: http://10.0.0.254:8080/vendor-data\n"),
            ("user-data/default.yaml", "#include\n{{ base_url }}/b.yaml\n{{ base_url }}/of-nobody.yaml\n"),
        ];
        assert_eq!(said(&files), [""; 0]);
    }

    #[test]
    fn what_is_not_there_is_said_with_its_line() {
        let lines = said(&[("user-data/default.yaml", "#include\n# of all\n{{ base_url }}/all\n  compute.yaml\n")]);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].starts_with("include-url-unknown user-data/default.yaml:3:1: the server has nothing"),
            "{lines:?}"
        );
        assert!(
            lines[1].starts_with("include-url-unknown user-data/default.yaml:4:3: the line is no URL"),
            "{lines:?}"
        );
    }
}
