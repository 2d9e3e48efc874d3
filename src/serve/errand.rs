//! Requests that have to do something before they are answered: their bodies are read, and whoever runs tunnels or keeps
//! the record of boots is asked.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::body::{Body, Incoming};
use jiff::Timestamp;
use serde_json::json;

use super::body::{self, BodyFault};
use super::boot_record::Boot;
use super::call_limit::CallLimit;
use super::key_request::{self, KeyRequest, MAX_KEY_BODY};
use super::peer_resource;
use super::phone_home::{Call, MAX_CALL};
use super::refusal::Refusal;
use super::respond::{Response, refuse};
use super::route::KeyForm;
use super::server::Settings;
use super::tunnels::{RegisterRefusal, Registered, Registration, ServerTerms, Tunnels};
use crate::release::MappedRelease;
use crate::types::{NodeId, ReleaseId, WireguardKey};

/// What has to be done before there is an answer. Who asks has been settled.
#[derive(Clone, Debug)]
pub enum Errand {
    /// The body brings a key of the node.
    Register {
        /// The node that asks.
        node: NodeId,
        /// The release that knows it.
        release: Arc<MappedRelease>,
        /// The address that it asks from.
        address: IpAddr,
        /// The key of the tunnel that the request came through.
        through: Option<WireguardKey>,
        /// How the body says the key.
        form: KeyForm,
    },
    /// The node has booted.
    PhoneHome {
        /// The node that calls.
        node: NodeId,
        /// The release that is served.
        release: ReleaseId,
        /// The address that it calls from.
        address: IpAddr,
        /// The key of the tunnel that the call came through.
        through: Option<WireguardKey>,
        /// What the path says, where it is none of the node's names: it must be the name of the node's live peer.
        peer: Option<String>,
    },
    /// An administrator wants to see the live tunnels, or the one of a name.
    ShowPeers {
        /// The name.
        uid: Option<String>,
    },
}

/// Runs an errand. The second value says whether nothing of the body is left, so that the connection can go on.
pub(super) async fn run(
    errand: Errand,
    body: Incoming,
    local: Option<SocketAddr>,
    settings: &Settings,
    call_limit: &CallLimit,
) -> (Response<'static>, bool) {
    match errand {
        Errand::Register { node, release, address, through, form } => {
            let body = match read(body, MAX_KEY_BODY, settings.header_timeout).await {
                (Ok(body), _) => body,
                (Err(refusal), is_whole) => return (refusal, is_whole),
            };
            let Some(tunnels) = &settings.tunnels else { return (refuse(Refusal::TunnelsOff, None), true) };
            let request = match request(&node, &release, form, &body) {
                Ok(request) => request,
                Err(refusal) => return (*refusal, true),
            };
            let registration = Registration { node, release, key: request.key, through };
            (register(&**tunnels, registration, address, local).await, true)
        }
        Errand::PhoneHome { node, release, address, through, peer } => {
            let body = match read(body, MAX_CALL, settings.header_timeout).await {
                (Ok(body), _) => body,
                (Err(refusal), is_whole) => return (refusal, is_whole),
            };
            let key = settings.tunnels.as_ref().and_then(|tunnels| tunnels.key_of(&node));
            if peer.is_some() && peer != key.map(|key| key.peer_uid()) {
                return (refuse(Refusal::OtherCaller(&node), None), true);
            }
            // What is left of a tunnel that the node has replaced does not end the one that replaced it.
            if let (Some(tunnels), Some(key)) = (&settings.tunnels, key)
                && through.is_none_or(|through| key == through)
            {
                tunnels.end_soon(&key);
            }
            if !call_limit.admits(&node) {
                tracing::debug!(%node, "the node says too often that it has booted; this time is not recorded");
                return (Response::empty(), true);
            }
            let through_tunnel = through.is_some();
            tracing::info!(%node, release = %release.short(), tunnel = through_tunnel, "the node has booted");
            if let Some(record) = &settings.boot_record {
                let (time, release, said) = (Timestamp::now(), Some(release), Call::parse(&body));
                record.note(Boot { node, time, release, through_tunnel, address, said });
            }
            (Response::empty(), true)
        }
        Errand::ShowPeers { uid } => {
            let has_no_body = body.is_end_stream();
            let Some(tunnels) = &settings.tunnels else { return (refuse(Refusal::TunnelsOff, None), has_no_body) };
            (show_peers(&**tunnels, uid.as_deref()), has_no_body)
        }
    }
}

/// Reads a body of at most `limit` bytes, whether or not it says its length beforehand. The second value says whether
/// nothing of the body is left.
async fn read(body: Incoming, limit: usize, time: Duration) -> (Result<Vec<u8>, Response<'static>>, bool) {
    let heard = body::read(body, limit, time).await;
    let bytes = heard.bytes.map_err(|fault| match fault {
        BodyFault::TooLong => refuse(Refusal::LongBody(limit), None),
        BodyFault::TooSlow | BodyFault::Broken => refuse(Refusal::BrokenBody, None),
    });
    (bytes, heard.is_whole)
}

/// Reads what the body says, which must be of the node that asks.
fn request(
    node: &NodeId,
    release: &MappedRelease,
    form: KeyForm,
    body: &[u8],
) -> Result<KeyRequest, Box<Response<'static>>> {
    let request = key_request::parse(form, body).map_err(|fault| {
        tracing::debug!(%node, fault, "a request for a tunnel brings no key");
        Box::new(refuse(Refusal::KeyRequest(&fault), None))
    })?;
    let is_called = |name: &str| release.node(node).is_some_and(|node| node.is_called(name));
    if request.node.as_deref().is_some_and(|name| !is_called(name)) {
        tracing::debug!(%node, "a request for a tunnel names another node than the one that sent it");
        return Err(Box::new(refuse(Refusal::OtherNode(node), None)));
    }
    Ok(request)
}

async fn register(
    tunnels: &dyn Tunnels,
    registration: Registration,
    address: IpAddr,
    local: Option<SocketAddr>,
) -> Response<'static> {
    let (node, key) = (registration.node.clone(), registration.key);
    match tunnels.register(registration).await {
        Ok(registered) => answer(&registered, tunnels.terms(), local),
        Err(refusal) => {
            if needs_attention(&refusal) {
                tracing::warn!(%node, %key, reason = %refusal, "a key is not taken");
            } else {
                tracing::debug!(%node, %key, reason = %refusal, "a key is not taken");
            }
            refuse(Refusal::Register(&refusal, address), None)
        }
    }
}

/// Whether somebody has to look at the node. What a node may bring about as often as it likes is not for the log, and
/// neither is what the server says of itself elsewhere.
const fn needs_attention(refusal: &RegisterRefusal) -> bool {
    match refusal {
        RegisterRefusal::KeyOfAnother | RegisterRefusal::NotArmed(_) | RegisterRefusal::SecondKey(_) => true,
        RegisterRefusal::UnusableKey(_)
        | RegisterRefusal::TooOften(_)
        | RegisterRefusal::ThroughTunnel
        | RegisterRefusal::NoAddress(_)
        | RegisterRefusal::Unwritable => false,
    }
}

/// The answer of OpenCHAMI's services, with their names: scripts of nodes read `client-vpn-ip`, `server-ip`, `server-port` and
/// `server-public-key`. `endpoint`, `expires-at` and `allowed-ips` are ours.
fn answer(registered: &Registered, terms: &ServerTerms, local: Option<SocketAddr>) -> Response<'static> {
    let server = terms.network.server();
    let endpoint = endpoint(terms, local);
    let port = endpoint.as_deref().and_then(|endpoint| endpoint.rsplit_once(':')).map(|(_, port)| port.to_owned());
    let length = if server.is_ipv4() { 32 } else { 128 };
    let body = json!({
        "message": "WireGuard peer allocation accepted",
        "peer-uid": registered.key.peer_uid(),
        "client-vpn-ip": registered.address,
        "server-public-key": terms.public_key,
        "server-ip": server,
        "server-port": port.unwrap_or_else(|| terms.port.to_string()),
        "endpoint": endpoint,
        "expires-at": registered.expires_at.to_string(),
        "allowed-ips": [format!("{server}/{length}")],
    });
    Response::json(StatusCode::ACCEPTED, Bytes::from(format!("{body}\n")))
}

/// Where the node shall send its packets: what the settings say, else where its request arrived. What a header says of
/// that is not looked at. Behind a proxy the request arrived at an address that the node may not reach, which is what the
/// setting is for.
fn endpoint(terms: &ServerTerms, local: Option<SocketAddr>) -> Option<String> {
    let local = || local.map(|local| SocketAddr::new(local.ip().to_canonical(), terms.port).to_string());
    terms.endpoint.clone().or_else(local)
}

fn show_peers(tunnels: &dyn Tunnels, uid: Option<&str>) -> Response<'static> {
    let peers = tunnels.peers();
    match uid {
        None => Response::json(StatusCode::OK, peer_resource::list(&peers)),
        Some(uid) => match peers.iter().find(|peer| peer.key.peer_uid() == uid) {
            Some(peer) => Response::json(StatusCode::OK, peer_resource::one(peer)),
            None => refuse(Refusal::UnknownPeer, None),
        },
    }
}

#[cfg(test)]
mod tests;
