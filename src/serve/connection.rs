//! One connection: HTTP in, [`respond()`], HTTP out.

use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::boot_record::BootRecord;
use super::call_limit::CallLimit;
use super::errand::{self, Errand};
use super::identity::{Identity, identify};
use super::respond::{Effect, Outcome, Policy, Request, Response, respond};
use super::server::Settings;
use super::state::Shared;
use super::tunnels::TunnelCaller;

/// The most that a request line and its headers may take, in bytes. cloud-init sends about 200.
const MAX_HEAD: usize = 16 * 1024;

/// Bodies are never read. After one that is known to be at most this long, in bytes, a connection may go on; after any
/// other it is closed.
const MAX_IGNORED_BODY: u64 = 4 * 1024;

/// The most of a notification's body that is read, in bytes. It is read only because SMD may take an answer before that
/// for a failure; a hundred thousand nodes take 1.4 MB.
const MAX_NOTIFICATION: u64 = 8 * 1024 * 1024;

/// How long a connection that has nothing to do is kept when the server ends: a request may already be on its way, and
/// is answered rather than cut.
const LAST_REQUEST_GRACE: Duration = Duration::from_millis(250);

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a server stands. Connections watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Accepting and answering.
    Serving,
    /// No longer accepting; what has begun is finished.
    Draining,
    /// Time is up.
    Cut,
}

/// What all connections of a server share.
#[derive(Debug)]
pub(super) struct Context {
    shared: Arc<Shared>,
    settings: Settings,
    policy: Policy,
    http: http1::Builder,
    draining: AtomicBool,
    call_limit: CallLimit,
}

impl Context {
    pub(super) fn new(shared: Arc<Shared>, settings: Settings) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(settings.header_timeout)
            .max_buf_size(MAX_HEAD)
            // A client that closes its sending side after the request still gets its answer.
            .half_close(true);
        let tunnels = settings.tunnels.as_ref().map(|tunnels| tunnels.terms().clone());
        let policy = Policy { prefixes: settings.prefixes.clone(), tunnels };
        Self { shared, settings, policy, http, draining: AtomicBool::new(false), call_limit: CallLimit::new() }
    }

    /// Who writes down which nodes have booted.
    pub(super) fn boot_record(&self) -> Option<Arc<BootRecord>> {
        self.settings.boot_record.clone()
    }

    /// From now on, every answer says that it is the connection's last.
    pub(super) fn begin_draining(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// This end of a connection, which only nodes that ask for tunnels are told.
    pub(super) fn local_address(&self, stream: &TcpStream) -> Option<SocketAddr> {
        self.policy.tunnels.as_ref().and_then(|_| stream.local_addr().ok())
    }

    fn answer(self: &Arc<Self>, caller: &Caller, request: hyper::Request<Incoming>) -> Answering {
        let headers = request.headers();
        let asker = match caller {
            Caller::Socket { peer, .. } => {
                let forwarded_for = headers.get_all(&X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes);
                identify(peer.ip(), forwarded_for, &self.settings.trusted_proxies)
            }
            Caller::Tunnel(caller) => Ok(Identity::Key(caller.clone())),
        };
        let if_none_match: Vec<&[u8]> =
            headers.get_all(header::IF_NONE_MATCH).iter().map(HeaderValue::as_bytes).collect();
        let question = Request { method: request.method(), path: request.uri().path(), if_none_match: &if_none_match };
        let state = self.shared.snapshot();
        let outcome = respond(&state, &self.policy, &asker, &question);
        let address = asker.as_ref().ok().map(|identity| tracing::field::display(identity.address()));
        let is_draining = self.draining.load(Ordering::Acquire);
        let answer = match outcome {
            Outcome::Answer(answer) => answer,
            Outcome::Errand(errand) => {
                tracing::debug!(%caller, address, method = %question.method, path = question.path, "errand");
                return Answering::AfterBody(Box::pin(self.run_errand(errand, request.into_body(), caller.local())));
            }
        };
        tracing::debug!(
            %caller,
            address,
            node = answer.node.map(tracing::field::display),
            method = %question.method,
            path = question.path,
            status = answer.status.as_u16(),
            "request"
        );
        if answer.effect == Some(Effect::PullInventory) {
            self.settings.inventory_hint.notify_one();
            let response = into_http(answer, is_draining);
            let limit = self.settings.header_timeout;
            return Answering::AfterBody(Box::pin(read_first(request.into_body(), response, limit)));
        }
        let last = is_draining || request.body().size_hint().upper().is_none_or(|length| length > MAX_IGNORED_BODY);
        Answering::Ready(Some(into_http(answer, last)))
    }

    /// Does what has to be done before there is an answer.
    fn run_errand(
        self: &Arc<Self>,
        errand: Errand,
        body: Incoming,
        local: Option<SocketAddr>,
    ) -> impl Future<Output = Http> + Send + use<> {
        let context = Arc::clone(self);
        async move {
            let (answer, can_go_on) = errand::run(errand, body, local, &context.settings, &context.call_limit).await;
            into_http(answer, !can_go_on || context.draining.load(Ordering::Acquire))
        }
    }
}

fn into_http(answer: Response<'_>, last: bool) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    let fixed = [
        (header::CONTENT_TYPE, answer.content_type),
        (header::CACHE_CONTROL, Some(answer.cache_control)),
        (header::ALLOW, answer.allow),
        (header::CONNECTION, last.then_some("close")),
    ];
    for (name, value) in fixed {
        if let Some(value) = value {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if let Some(length) = answer.content_length {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    if let Some(digest) = answer.etag {
        insert_text(headers, header::ETAG, format!("\"{digest}\""));
    }
    if let Some(wait) = answer.retry_after {
        let is_whole = wait.subsec_nanos() == 0;
        let text = if is_whole { wait.as_secs().to_string() } else { format!("{:.3}", wait.as_secs_f64()) };
        insert_text(headers, header::RETRY_AFTER, text);
    }
    response
}

fn insert_text(headers: &mut HeaderMap, name: HeaderName, value: String) {
    // Digits and quotes are always a header value.
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

/// Reads a body to its end before it is answered, and closes the connection after one that is too long or too slow.
async fn read_first(body: Incoming, mut response: Http, limit: Duration) -> Http {
    let is_read = tokio::time::timeout(limit, read_to_end(body)).await.unwrap_or(false);
    if !is_read {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Whether the body ended before it was too long.
async fn read_to_end(mut body: Incoming) -> bool {
    let mut left = MAX_NOTIFICATION;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(length) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    true
}

type Http = hyper::Response<Full<Bytes>>;

/// An answer. Nearly all are ready at once: nothing is waited for between reading and writing.
enum Answering {
    Ready(Option<Http>),
    AfterBody(Pin<Box<dyn Future<Output = Http> + Send>>),
}

impl Future for Answering {
    type Output = Result<Http, Infallible>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Ready(response) => response.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response))),
            Self::AfterBody(response) => response.as_mut().poll(context).map(Ok),
        }
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// Whoever has the address.
    Socket {
        /// The other end.
        peer: SocketAddr,
        /// This end, where there are tunnels.
        local: Option<SocketAddr>,
    },
    /// The node whose tunnel it is.
    Tunnel(TunnelCaller),
}

impl Caller {
    fn local(&self) -> Option<SocketAddr> {
        match self {
            Self::Socket { local, .. } => *local,
            Self::Tunnel(_) => None,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket { peer, .. } => peer.fmt(formatter),
            Self::Tunnel(caller) => write!(formatter, "tunnel of {}", caller.node),
        }
    }
}

/// Answers the requests of one caller.
struct PeerService {
    context: Arc<Context>,
    caller: Caller,
}

impl Service<hyper::Request<Incoming>> for PeerService {
    type Response = Http;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, request: hyper::Request<Incoming>) -> Answering {
        self.context.answer(&self.caller, request)
    }
}

/// Serves a connection to its end, or until the server's phase ends it.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    caller: Caller,
    context: Arc<Context>,
    mut phase: watch::Receiver<Phase>,
) {
    let service = PeerService { context: Arc::clone(&context), caller: caller.clone() };
    let mut connection = std::pin::pin!(context.http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return log_end(&caller, ended),
        _ = phase.wait_for(|phase| *phase >= Phase::Draining) => {}
    }
    tokio::select! {
        biased;
        ended = connection.as_mut() => return log_end(&caller, ended),
        _ = phase.wait_for(|phase| *phase >= Phase::Cut) => return,
        () = tokio::time::sleep(LAST_REQUEST_GRACE) => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        biased;
        ended = connection.as_mut() => log_end(&caller, ended),
        // Also when the server is gone: dropping the connection closes it.
        _ = phase.wait_for(|phase| *phase >= Phase::Cut) => {}
    }
}

fn log_end(caller: &Caller, ended: Result<(), hyper::Error>) {
    if let Err(error) = ended {
        tracing::debug!(%caller, %error, "the connection ended early");
    }
}
