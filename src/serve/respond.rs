//! The answer to a request: a pure function of the state, who asks, and what is asked. No socket, no clock, no file.

use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use super::conditional;
use super::health;
use super::identity::{Identity, IdentityError};
use super::refusal::{ALLOWED_METHODS, NOTIFICATION_METHOD, Refusal, retry_after};
use super::route::{Prefixes, Route};
use super::state::State;
use crate::release::{Lookup, MappedNode};
use crate::types::{Digest, DocumentName, NodeId};

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a Method,
    /// The path as it came, still percent-encoded.
    pub path: &'a str,
    /// The values of all `If-None-Match` lines.
    pub if_none_match: &'a [&'a [u8]],
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Response<'a> {
    /// The status.
    pub status: StatusCode,
    /// `Content-Type`; none for a 304.
    pub content_type: Option<&'static str>,
    /// `Content-Length`: the length of the body that GET has, also for HEAD; none for a 304.
    pub content_length: Option<usize>,
    /// `Cache-Control`.
    pub cache_control: &'static str,
    /// `ETag`, without its quotes: the digest of the body that GET has.
    pub etag: Option<Digest>,
    /// `Retry-After`.
    pub retry_after: Option<Duration>,
    /// `Allow`.
    pub allow: Option<&'static str>,
    /// The body; empty for HEAD and for a 304.
    pub body: Bytes,
    /// The node that the asker turned out to be, for logs.
    pub node: Option<&'a NodeId>,
    /// What is to be done besides answering.
    pub effect: Option<Effect>,
}

/// What a request brings about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The inventory is pulled soon. What the request says is not looked at: anybody can send it.
    PullInventory,
}

const PLAIN_TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

/// A document is one node's own: no cache on the way may keep it, and the node's may after asking.
const DOCUMENT_CACHING: &str = "private, no-cache";
/// Refusals and health are true for a moment only.
const MOMENTARY: &str = "no-store";

const HELP: &str = "\
mds serves cloud-init documents to the nodes of a cluster, by the address they ask from.

/meta-data        who the node is
/user-data        the node's own configuration
/vendor-data      what leads to the configuration of its groups
/network-config   its interfaces
/GROUP.yaml       the configuration of one of its groups
/health           whether a release is being served
";

/// Answers a request.
///
/// A document that a known node does not have is an empty 200, because cloud-init asks eleven times for whatever is
/// not 2xx and then loses its datasource (user-data) or its init stage (an included group). Only meta-data, which every
/// node has, would be a 404: an empty one would make the node run as instance `nocloud`.
#[must_use]
pub fn respond<'a>(
    state: &'a State,
    prefixes: &Prefixes,
    asker: &Result<Identity, IdentityError>,
    request: &Request<'_>,
) -> Response<'a> {
    let response = answer_get(state, prefixes, asker, request);
    if *request.method == Method::HEAD { Response { body: Bytes::new(), ..response } } else { response }
}

fn answer_get<'a>(
    state: &'a State,
    prefixes: &Prefixes,
    asker: &Result<Identity, IdentityError>,
    request: &Request<'_>,
) -> Response<'a> {
    let route = prefixes.route(request.path);
    if route == Route::Notification {
        return answer_notification(state, request.method);
    }
    if !matches!(*request.method, Method::GET | Method::HEAD) {
        return refuse(Refusal::Method(ALLOWED_METHODS), None);
    }
    match route {
        Route::Help => Response::whole(StatusCode::OK, PLAIN_TEXT, Bytes::from_static(HELP.as_bytes())),
        Route::Health => answer_health(state),
        Route::Document(name) => answer_document(state, asker, &name, request.if_none_match),
        Route::Notification | Route::Unknown => refuse(Refusal::UnknownPath, None),
    }
}

/// SMD sends a notification until it is answered with exactly 200.
fn answer_notification<'a>(state: &State, method: &Method) -> Response<'a> {
    if !state.takes_notifications() {
        return refuse(Refusal::NoNotifications, None);
    }
    if *method != Method::POST {
        return refuse(Refusal::Method(NOTIFICATION_METHOD), None);
    }
    let response = Response::whole(StatusCode::OK, PLAIN_TEXT, Bytes::from_static(b"the inventory is pulled soon\n"));
    Response { effect: Some(Effect::PullInventory), ..response }
}

fn answer_health<'a>(state: &State) -> Response<'a> {
    let (serving, body) = health::report(state);
    if serving {
        Response::whole(StatusCode::OK, JSON, body)
    } else {
        let response = Response::whole(StatusCode::SERVICE_UNAVAILABLE, JSON, body);
        Response { retry_after: Some(retry_after(None)), ..response }
    }
}

fn answer_document<'a>(
    state: &'a State,
    asker: &Result<Identity, IdentityError>,
    name: &DocumentName,
    if_none_match: &[&[u8]],
) -> Response<'a> {
    let Some(release) = state.release() else {
        return refuse(Refusal::NoRelease(asker.as_ref().ok().map(|identity| identity.address)), None);
    };
    let address = match asker {
        Ok(identity) => identity.address,
        Err(error) => return refuse(Refusal::Identity(*error), None),
    };
    let node = match release.find(address) {
        Lookup::Node(node) => node,
        Lookup::Ambiguous => return refuse(Refusal::AmbiguousAddress(address), None),
        Lookup::Unknown => return refuse(Refusal::UnknownAddress(address), None),
    };
    match body_of(node, name) {
        Ok((digest, body)) => {
            let document = if conditional::matches(if_none_match, &digest) {
                Response::not_modified()
            } else {
                Response::whole(StatusCode::OK, content_type(name), body)
            };
            Response { etag: Some(digest), cache_control: DOCUMENT_CACHING, node: Some(&node.id), ..document }
        }
        Err(refusal) => refuse(refusal, Some(&node.id)),
    }
}

/// The digest and bytes of a node's document, or of nothing where nothing is the answer that does no harm.
fn body_of<'r>(node: &'r MappedNode, name: &'r DocumentName) -> Result<(Digest, Bytes), Refusal<'r>> {
    if let DocumentName::Group(group) = name
        && !node.is_member(group)
    {
        return Err(Refusal::NotAMember(&node.id, group));
    }
    match (node.document(name), name) {
        (Some(document), _) => Ok((document.digest, document.body.clone())),
        (None, DocumentName::MetaData) => Err(Refusal::Missing(&node.id, name)),
        (None, _) => Ok((Digest::of(b""), Bytes::new())),
    }
}

/// The types that the service before this one answered with; cloud-init looks at the body's first line instead.
fn content_type(name: &DocumentName) -> &'static str {
    match name {
        DocumentName::MetaData => "application/x-yaml",
        DocumentName::VendorData => "text/plain",
        DocumentName::UserData | DocumentName::NetworkConfig | DocumentName::Group(_) => "text/cloud-config",
    }
}

fn refuse<'a>(refusal: Refusal<'_>, node: Option<&'a NodeId>) -> Response<'a> {
    let response = Response::whole(refusal.status(), PLAIN_TEXT, Bytes::from(format!("{refusal}\n")));
    Response { retry_after: refusal.retry_after(), allow: refusal.allow(), node, ..response }
}

impl Response<'_> {
    fn whole(status: StatusCode, content_type: &'static str, body: Bytes) -> Self {
        Self {
            status,
            content_type: Some(content_type),
            content_length: Some(body.len()),
            cache_control: MOMENTARY,
            etag: None,
            retry_after: None,
            allow: None,
            body,
            node: None,
            effect: None,
        }
    }

    fn not_modified() -> Self {
        Self {
            status: StatusCode::NOT_MODIFIED,
            content_type: None,
            content_length: None,
            cache_control: DOCUMENT_CACHING,
            etag: None,
            retry_after: None,
            allow: None,
            body: Bytes::new(),
            node: None,
            effect: None,
        }
    }
}

#[cfg(test)]
mod tests;
