//! The answer to a request: a pure function of the state, who asks, and what is asked. No socket, no clock, no file.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::{Method, StatusCode};

use super::conditional;
use super::errand::Errand;
use super::health;
use super::identity::{Identity, IdentityError, canonical_network};
use super::refusal::{ALLOWED_METHODS, POST_ONLY, Refusal, retry_after};
use super::route::{KeyForm, Prefixes, Route};
use super::state::State;
use super::tunnels::ServerTerms;
use crate::release::{Lookup, MappedNode, MappedRelease};
use crate::types::{Digest, DocumentName, NodeId, WireguardKey};

/// What holds for all requests.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Below which paths everything is served besides `/`.
    pub prefixes: Prefixes,
    /// The terms of tunnels; none where there are none.
    pub tunnels: Option<ServerTerms>,
}

/// What comes of a request.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// An answer.
    Answer(Response<'a>),
    /// Something that has to be done before there is an answer.
    Errand(Errand),
}

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
/wg-init          POST a public key here for a WireGuard tunnel, where there are tunnels
/phone-home/NAME  POST here when the node has booted
";

/// Answers a request.
///
/// A document that a known node does not have is an empty 200, because cloud-init asks eleven times for whatever is
/// not 2xx and then loses its datasource (user-data) or its init stage (an included group). Only meta-data, which every
/// node has, would be a 404: an empty one would make the node run as instance `nocloud`.
#[must_use]
pub fn respond<'a>(
    state: &'a State,
    policy: &Policy,
    asker: &Result<Identity, IdentityError>,
    request: &Request<'_>,
) -> Outcome<'a> {
    match answer_get(state, policy, asker, request) {
        Outcome::Answer(response) if *request.method == Method::HEAD => {
            Outcome::Answer(Response { body: Bytes::new(), ..response })
        }
        outcome => outcome,
    }
}

fn answer_get<'a>(
    state: &'a State,
    policy: &Policy,
    asker: &Result<Identity, IdentityError>,
    request: &Request<'_>,
) -> Outcome<'a> {
    let route = policy.prefixes.route(request.path);
    match &route {
        Route::Notification => return Outcome::Answer(answer_notification(state, request.method)),
        Route::Register(form) => return or_refuse(register(state, policy, asker, request.method, *form)),
        Route::PhoneHome(name) => return or_refuse(phone_home(state, policy, asker, request.method, name)),
        _ => {}
    }
    if !matches!(*request.method, Method::GET | Method::HEAD) {
        return Outcome::Answer(refuse(Refusal::Method(ALLOWED_METHODS), None));
    }
    Outcome::Answer(match route {
        Route::Help => Response::whole(StatusCode::OK, PLAIN_TEXT, Bytes::from_static(HELP.as_bytes())),
        Route::Health => answer_health(state),
        Route::Document(name) => answer_document(state, policy, asker, &name, request.if_none_match),
        Route::Peers => return or_refuse(show_peers(policy, asker, None)),
        Route::Peer(uid) => return or_refuse(show_peers(policy, asker, Some(uid))),
        Route::Notification | Route::Register(_) | Route::PhoneHome(_) | Route::Unknown => {
            refuse(Refusal::UnknownPath, None)
        }
    })
}

fn or_refuse<'a>(errand: Result<Errand, Refusal<'_>>) -> Outcome<'a> {
    errand.map_or_else(|refusal| Outcome::Answer(refuse(refusal, None)), Outcome::Errand)
}

/// A node brings a key: it is whoever its address proves, whatever the body says.
fn register<'a>(
    state: &'a State,
    policy: &Policy,
    asker: &'a Result<Identity, IdentityError>,
    method: &Method,
    form: KeyForm,
) -> Result<Errand, Refusal<'a>> {
    if policy.tunnels.is_none() {
        return Err(Refusal::TunnelsOff);
    }
    if *method != Method::POST {
        return Err(Refusal::Method(POST_ONLY));
    }
    let (release, identity, node) = node_of(state, asker)?;
    let through = identity.tunnel().map(|caller| caller.key);
    let address = identity.address();
    Ok(Errand::Register { node: node.id.clone(), release: Arc::clone(release), address, through, form })
}

/// A node has booted. Nobody can say so for another one.
fn phone_home<'a>(
    state: &'a State,
    policy: &Policy,
    asker: &'a Result<Identity, IdentityError>,
    method: &Method,
    name: &str,
) -> Result<Errand, Refusal<'a>> {
    if *method != Method::POST {
        return Err(Refusal::Method(POST_ONLY));
    }
    let (release, identity, node) = node_of(state, asker)?;
    let tunnel = identity.tunnel();
    let is_own = node.is_called(name) || tunnel.is_some_and(|caller| caller.key.peer_uid() == name);
    // Which peer a node has while it asks outside its tunnel is not known here.
    let may_be_peer = tunnel.is_none() && policy.tunnels.is_some() && name.starts_with(WireguardKey::UID_PREFIX);
    if !is_own && !may_be_peer {
        return Err(Refusal::OtherCaller(&node.id));
    }
    Ok(Errand::PhoneHome {
        node: node.id.clone(),
        release: release.id(),
        address: identity.address(),
        through: tunnel.map(|caller| caller.key),
        peer: (!is_own).then(|| name.to_owned()),
    })
}

/// Peers are shown to administrators, who are known by their addresses.
fn show_peers<'a>(
    policy: &Policy,
    asker: &'a Result<Identity, IdentityError>,
    uid: Option<String>,
) -> Result<Errand, Refusal<'a>> {
    let Some(terms) = &policy.tunnels else { return Err(Refusal::TunnelsOff) };
    match asker {
        Ok(Identity::Address { address, .. })
            if terms.admins.iter().any(|network| canonical_network(*network).contains(address)) =>
        {
            Ok(Errand::ShowPeers { uid })
        }
        Ok(_) => Err(Refusal::NotAnAdministrator),
        Err(error) => Err(Refusal::Identity(*error)),
    }
}

/// The node that asks: through a tunnel the one whose key it is, outside the one that has the address.
fn node_of<'a, 'b>(
    state: &'a State,
    asker: &'b Result<Identity, IdentityError>,
) -> Result<(&'a Arc<MappedRelease>, &'b Identity, &'a MappedNode), Refusal<'b>> {
    let Some(release) = state.release() else {
        return Err(Refusal::NoRelease(asker.as_ref().ok().map(Identity::address)));
    };
    let identity = asker.as_ref().map_err(|error| Refusal::Identity(*error))?;
    let node = match identity {
        Identity::Key(caller) => release.node(&caller.node).ok_or(Refusal::GoneNode(&caller.node))?,
        Identity::Address { address, .. } => match release.find(*address) {
            Lookup::Node(node) => node,
            Lookup::Ambiguous => return Err(Refusal::AmbiguousAddress(*address)),
            Lookup::Unknown => return Err(Refusal::UnknownAddress(*address)),
        },
    };
    Ok((release, identity, node))
}

/// SMD sends a notification until it is answered with exactly 200.
fn answer_notification<'a>(state: &State, method: &Method) -> Response<'a> {
    if !state.takes_notifications() {
        return refuse(Refusal::NoNotifications, None);
    }
    if *method != Method::POST {
        return refuse(Refusal::Method(POST_ONLY), None);
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
    policy: &Policy,
    asker: &Result<Identity, IdentityError>,
    name: &DocumentName,
    if_none_match: &[&[u8]],
) -> Response<'a> {
    let is_inside = matches!(asker, Ok(Identity::Key(_)));
    if !is_inside && policy.tunnels.as_ref().is_some_and(|terms| terms.only) {
        return refuse(Refusal::TunnelsOnly, None);
    }
    let (release, node) = match node_of(state, asker) {
        Ok((release, _, node)) => (release, node),
        Err(refusal) => return refuse(refusal, None),
    };
    match body_of(node, name) {
        // After the question whether it is the node's at all, so that others learn nothing of it.
        Ok(_) if !is_inside && release.tunnels().only.contains(name) => {
            let has_tunnels = policy.tunnels.is_some();
            refuse(Refusal::TunnelOnly { document: name, has_tunnels }, Some(&node.id))
        }
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

pub(super) fn refuse<'a>(refusal: Refusal<'_>, node: Option<&'a NodeId>) -> Response<'a> {
    let response = Response::whole(refusal.status(), PLAIN_TEXT, Bytes::from(format!("{refusal}\n")));
    Response { retry_after: refusal.retry_after(), allow: refusal.allow(), node, ..response }
}

impl Response<'_> {
    /// An answer in JSON that is true for a moment only.
    pub(super) fn json(status: StatusCode, body: Bytes) -> Self {
        Self::whole(status, JSON, body)
    }

    /// An answer without a word.
    pub(super) fn empty() -> Self {
        Self::whole(StatusCode::OK, PLAIN_TEXT, Bytes::new())
    }

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
#[cfg(test)]
mod tunnel_tests;
