//! A TokenSmith as a client sees it: sessions for client certificates, bootstrap tokens that work once, and refresh
//! tokens that change with each use and give a thief away.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::certificates::Authority;
use super::fake_smd::Options;
pub use super::grants::Grant;
use super::grants::{Claim, Issued, claim, error};
use super::http::{Answer, HttpServer, Reply, Request};
use super::tokens::TokenSet;

/// What TokenSmith does instead of answering well. Unless it says otherwise, the request has no effect.
#[derive(Clone, Debug)]
pub enum TokenFault {
    /// Closes the connection without an answer.
    Down,
    /// Says nothing and keeps the connection.
    Stall,
    /// A status with an error code, or without a body.
    Status(u16, Option<String>),
    /// As `Status` with 429, and a Retry-After header.
    Throttled(String),
    /// Does what was asked (a token that is used once is used) and closes the connection without an answer.
    LostAnswer,
    /// Refuses, and repeats the submitted secret while doing so.
    EchoSecrets,
    /// A web page with status 200.
    Garbage,
    /// Does what was asked, and leaves a field out of the answer.
    MissingField(String),
    /// Does what was asked, and gives a field of the answer another value.
    WrongField(String, Value),
    /// Status 503 for the next so many requests of the kind, and the usual answer afterwards.
    FailTimes(usize),
    /// Status 307 to another place, which would take the secret along.
    Redirect(String),
}

/// The fake. Dropping it ends it, and connections to it are refused.
pub struct FakeTokenSmith {
    server: HttpServer,
    shared: Arc<Shared>,
    prefix: String,
    tokens: TokenSet,
}

#[derive(Default)]
struct Flights {
    now: AtomicUsize,
    greatest: AtomicUsize,
}

struct Shared {
    flights: Flights,
    state: Mutex<State>,
}

struct State {
    issued: Issued,
    delay: Duration,
    faults: HashMap<Grant, TokenFault>,
    requests: HashMap<Grant, usize>,
    successes: HashMap<Grant, usize>,
}

impl FakeTokenSmith {
    /// A fake with a certificate of the authority, which trusts the authority's client certificates.
    pub fn start(authority: &Authority) -> Self {
        Self::with(Options { tls: Some(authority.server_config()), ..Options::default() })
    }

    /// A fake with other options, such as a prefix, or without TLS and so without sessions.
    pub fn with(options: Options) -> Self {
        let Options { prefix, tls, address, tokens } = options;
        let state = State {
            issued: Issued::new(tokens.clone()),
            delay: Duration::ZERO,
            faults: HashMap::new(),
            requests: HashMap::new(),
            successes: HashMap::new(),
        };
        let shared = Arc::new(Shared { flights: Flights::default(), state: Mutex::new(state) });
        let (theirs, base) = (Arc::clone(&shared), prefix.clone());
        let handler = move |request: &Request| theirs.respond(&base, request);
        let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let server = HttpServer::start_at(address, tls, handler).unwrap();
        Self { server, shared, prefix, tokens }
    }

    /// The address for a client's settings.
    pub fn url(&self) -> String {
        format!("{}{}", self.server.origin(), self.prefix)
    }

    /// The server behind: requests, connections.
    pub fn server(&self) -> &HttpServer {
        &self.server
    }

    /// The access tokens that are good, to be given to a State Manager; a clone is the same set.
    pub fn tokens(&self) -> &TokenSet {
        &self.tokens
    }

    /// Makes a policy for a subject, so that client certificates of its name get sessions.
    pub fn allow(&self, subject: &str) {
        self.state().issued.policies.insert(subject.to_owned());
    }

    /// Removes the policy of a subject.
    pub fn forbid(&self, subject: &str) {
        self.state().issued.policies.remove(subject);
    }

    /// A bootstrap token, good for one exchange.
    pub fn new_bootstrap_token(&self, subject: &str) -> String {
        self.state().issued.new_bootstrap_token(subject)
    }

    /// How long access tokens live that are issued from now on, in seconds.
    pub fn set_expires_in(&self, seconds: u64) {
        self.state().issued.expires_in = seconds;
    }

    /// How long families of refresh tokens live that begin from now on, in seconds.
    pub fn set_refresh_expires_in(&self, seconds: u64) {
        self.state().issued.refresh_expires_in = seconds;
    }

    /// How long each answer is held back after the request has had its effect.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Puts the clock forward by which access tokens and families of refresh tokens end.
    pub fn let_time_pass(&self, time: Duration) {
        self.tokens.let_time_pass(time);
    }

    /// Ends every refresh token, bootstrap token and access token. A client certificate is good for a new start.
    pub fn revoke_everything(&self) {
        self.state().issued.revoke_everything();
    }

    pub fn set_fault(&self, grant: Grant, fault: TokenFault) {
        self.state().faults.insert(grant, fault);
    }

    /// Gives every kind of request the fault; [`TokenFault::FailTimes`] counts for each of them.
    pub fn set_fault_everywhere(&self, fault: &TokenFault) {
        self.state().faults = Grant::ALL.into_iter().map(|grant| (grant, fault.clone())).collect();
    }

    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// How many complete requests of a kind came, those included that failed.
    pub fn count(&self, grant: Grant) -> usize {
        self.state().requests.get(&grant).copied().unwrap_or_default()
    }

    /// How many requests of a kind had tokens issued, those included whose answer was lost.
    pub fn successes(&self, grant: Grant) -> usize {
        self.state().successes.get(&grant).copied().unwrap_or_default()
    }

    /// How often a refresh token came that had been used before.
    pub fn replays(&self) -> usize {
        self.state().issued.replays
    }

    /// The greatest number of requests for tokens that were under way at the same time.
    pub fn greatest_in_flight(&self) -> usize {
        self.shared.flights.greatest.load(Ordering::SeqCst)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap()
    }
}

impl Grant {
    pub const ALL: [Self; 3] = [Self::Session, Self::Bootstrap, Self::Refresh];
}

impl Shared {
    fn respond(&self, base: &str, request: &Request) -> Reply {
        let path = request.path().strip_prefix(base).unwrap_or_default().trim_end_matches('/');
        if !["/oauth/token", "/token", "/service-identity/session"].contains(&path) {
            return Reply::Answer(match path {
                "/health" => Answer::json(200, &json!({"status": "healthy"})),
                _ => Answer::text(404, "404 page not found"),
            });
        }
        if request.method != "POST" {
            return Reply::Answer(Answer::text(405, "").with("Allow", "POST"));
        }
        self.flights.begin();
        let (reply, delay) = {
            let mut state = self.state.lock().unwrap();
            let reply = match claim(path, request) {
                Ok(claim) => state.reply(&claim, request.peer.as_deref()),
                Err(refusal) => Reply::Answer(refusal),
            };
            (reply, state.delay)
        };
        thread::sleep(delay);
        // Before the answer goes out: a client that waits for it before it asks again is never counted twice.
        self.flights.end();
        reply
    }
}

impl Flights {
    fn begin(&self) {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.greatest.fetch_max(now, Ordering::SeqCst);
    }

    fn end(&self) {
        self.now.fetch_sub(1, Ordering::SeqCst);
    }
}

impl State {
    fn reply(&mut self, claim: &Claim, peer: Option<&str>) -> Reply {
        *self.requests.entry(claim.grant).or_default() += 1;
        let Some(fault) = self.take_fault(claim.grant) else { return Reply::Answer(self.answer(claim, peer, |_| ())) };
        Reply::Answer(match fault {
            TokenFault::Down => return Reply::Close,
            TokenFault::Stall => return Reply::Stall,
            TokenFault::LostAnswer => {
                self.answer(claim, peer, |_| ());
                return Reply::Close;
            }
            TokenFault::Status(status, Some(code)) => error(status, &code, "as the test wishes"),
            TokenFault::Status(status, None) => Answer::text(status, ""),
            TokenFault::Throttled(wait) => {
                error(429, "too_many_requests", "Too many failed token exchange attempts").with("Retry-After", &wait)
            }
            TokenFault::EchoSecrets => {
                error(400, "invalid_grant", &format!("The provided token {} is not known", claim.secret))
            }
            TokenFault::Garbage => Answer::new(200, "text/html", "<!doctype html><title>Sign in</title>"),
            TokenFault::MissingField(name) => self.answer(claim, peer, |fields| {
                fields.as_object_mut().and_then(|fields| fields.remove(&name));
            }),
            TokenFault::WrongField(name, value) => self.answer(claim, peer, |fields| fields[&name] = value),
            TokenFault::FailTimes(0) => self.answer(claim, peer, |_| ()),
            TokenFault::FailTimes(_) => error(503, "server_error", "An internal server error occurred"),
            TokenFault::Redirect(location) => Answer::text(307, "").with("Location", &location),
        })
    }

    /// The fault for this request, with one failure less left if it counts them.
    fn take_fault(&mut self, grant: Grant) -> Option<TokenFault> {
        let fault = self.faults.get_mut(&grant)?;
        let taken = fault.clone();
        if let TokenFault::FailTimes(left) = fault {
            *left = left.saturating_sub(1);
        }
        Some(taken)
    }

    /// Does what was asked and answers, with a last change to the fields of a success.
    fn answer(&mut self, claim: &Claim, peer: Option<&str>, change: impl FnOnce(&mut Value)) -> Answer {
        match self.issued.process(claim, peer) {
            Err(refusal) => refusal,
            Ok(mut fields) => {
                *self.successes.entry(claim.grant).or_default() += 1;
                change(&mut fields);
                Answer::json(200, &fields).with("Cache-Control", "no-store")
            }
        }
    }
}
