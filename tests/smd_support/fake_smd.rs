//! A State Manager as a client sees it: the three collections that mds reads, with the real one's rules about tokens.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use rustls::server::ServerConfig;
use serde_json::{Value, json};

use super::faults::{Fault, compressed};
use super::http::{Answer, HttpServer, Reply, Request};
use super::inventory::Inventory;
use super::tokens::TokenSet;

/// A collection that mds reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    Components,
    Interfaces,
    Memberships,
}

/// Which requests need a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// None: no key set is configured.
    #[default]
    Off,
    /// Those that need one with the real State Manager: of the three, memberships only.
    On,
    /// All, as behind a gateway that asks for a token itself.
    Strict,
}

/// Where and how a fake listens.
#[derive(Clone, Default)]
pub struct Options {
    /// What comes before `/hsm/v2`, such as `/apis/smd`.
    pub prefix: String,
    /// With these settings it speaks HTTPS.
    pub tls: Option<Arc<ServerConfig>>,
    /// Where to listen; on a port of its own by default.
    pub address: Option<SocketAddr>,
    /// The accepted tokens, to be shared with a TokenSmith.
    pub tokens: TokenSet,
}

/// The fake. Dropping it ends it, and connections to it are refused.
pub struct FakeSmd {
    server: HttpServer,
    state: Arc<Mutex<State>>,
    prefix: String,
    tokens: TokenSet,
}

struct State {
    inventory: Inventory,
    auth: Auth,
    denies: bool,
    filters: bool,
    gzip: bool,
    shuffle: Option<u64>,
    faults: HashMap<Endpoint, Fault>,
    counts: HashMap<Endpoint, usize>,
}

impl Endpoint {
    pub const ALL: [Self; 3] = [Self::Components, Self::Interfaces, Self::Memberships];

    /// The path below `/hsm/v2`.
    pub fn path(self) -> &'static str {
        match self {
            Self::Components => "/State/Components",
            Self::Interfaces => "/Inventory/EthernetInterfaces",
            Self::Memberships => "/memberships",
        }
    }

    /// The elements in the shape of the endpoint's answer.
    pub(super) fn wrap(self, elements: Vec<Value>) -> Value {
        if self == Self::Components { json!({"Components": elements}) } else { Value::Array(elements) }
    }
}

impl FakeSmd {
    /// A fake over plain HTTP without prefix and without need of a token.
    pub fn start(inventory: Inventory) -> Self {
        Self::with(Options::default(), inventory)
    }

    /// A fake with the three mock nodes of [`Inventory::mock_nodes`].
    pub fn mock_nodes() -> Self {
        Self::start(Inventory::mock_nodes())
    }

    /// A fake with the nodes of [`Inventory::synthetic`].
    pub fn synthetic(nodes: u32) -> Self {
        Self::start(Inventory::synthetic(nodes))
    }

    pub fn with(options: Options, inventory: Inventory) -> Self {
        let Options { prefix, tls, address, tokens } = options;
        let state = Arc::new(Mutex::new(State {
            inventory,
            auth: Auth::Off,
            denies: false,
            filters: true,
            gzip: false,
            shuffle: None,
            faults: HashMap::new(),
            counts: HashMap::new(),
        }));
        let (theirs, base, accepted) = (Arc::clone(&state), format!("{prefix}/hsm/v2"), tokens.clone());
        let handler = move |request: &Request| respond(&theirs, &accepted, &base, request);
        let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        let server = HttpServer::start_at(address, tls, handler).unwrap();
        Self { server, state, prefix, tokens }
    }

    /// The address for a client's settings, without `/hsm/v2`.
    pub fn url(&self) -> String {
        format!("{}{}", self.server.origin(), self.prefix)
    }

    /// The full address of an endpoint.
    pub fn url_of(&self, endpoint: Endpoint) -> String {
        format!("{}/hsm/v2{}", self.url(), endpoint.path())
    }

    /// The server behind: requests, connections, bytes sent.
    pub fn server(&self) -> &HttpServer {
        &self.server
    }

    pub fn inventory(&self) -> Inventory {
        self.state().inventory.clone()
    }

    pub fn set_inventory(&self, inventory: Inventory) {
        self.state().inventory = inventory;
    }

    pub fn set_components(&self, components: Vec<Value>) {
        self.state().inventory.components = components;
    }

    pub fn set_interfaces(&self, interfaces: Vec<Value>) {
        self.state().inventory.interfaces = interfaces;
    }

    pub fn set_memberships(&self, memberships: Vec<Value>) {
        self.state().inventory.memberships = memberships;
    }

    /// Changes the inventory in place.
    pub fn change(&self, change: impl FnOnce(&mut Inventory)) {
        change(&mut self.state().inventory);
    }

    pub fn set_auth(&self, auth: Auth) {
        self.state().auth = auth;
    }

    /// Whether good tokens are denied too, as the enforce mode does with those of TokenSmith.
    pub fn set_denies(&self, denies: bool) {
        self.state().denies = denies;
    }

    /// Whether filters are honoured. The inventory-service ignores them.
    pub fn set_filters(&self, filters: bool) {
        self.state().filters = filters;
    }

    /// Whether answers are compressed for those who accept it. The real one does not; a gateway may.
    pub fn set_gzip(&self, gzip: bool) {
        self.state().gzip = gzip;
    }

    /// Gives the elements in another order each time, the same for the same seed: the real one promises none.
    pub fn set_shuffle(&self, seed: Option<u64>) {
        // Zero would stay zero.
        self.state().shuffle = seed.map(|seed| seed.max(1));
    }

    pub fn accept_token(&self, token: &str) {
        self.tokens.accept(token);
    }

    /// The accepted tokens; a clone is the same set.
    pub fn tokens(&self) -> &TokenSet {
        &self.tokens
    }

    pub fn set_fault(&self, endpoint: Endpoint, fault: Fault) {
        self.state().faults.insert(endpoint, fault);
    }

    /// Gives every endpoint the fault; [`Fault::FailTimes`] counts for each of them.
    pub fn set_fault_everywhere(&self, fault: &Fault) {
        self.state().faults = Endpoint::ALL.into_iter().map(|endpoint| (endpoint, fault.clone())).collect();
    }

    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// How many requests an endpoint got, those included that failed.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.state().counts.get(&endpoint).copied().unwrap_or_default()
    }

    /// How many requests the three endpoints got.
    pub fn total(&self) -> usize {
        self.state().counts.values().sum()
    }

    pub fn reset_counts(&self) {
        self.state().counts.clear();
        self.server.forget_requests();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

fn respond(state: &Mutex<State>, tokens: &TokenSet, base: &str, request: &Request) -> Reply {
    let Some(path) = request.path().strip_prefix(base) else {
        return Reply::Answer(Answer::text(404, "404 page not found"));
    };
    let path = path.trim_end_matches('/');
    let Some(endpoint) = Endpoint::ALL.into_iter().find(|endpoint| endpoint.path() == path) else {
        return Reply::Answer(match path {
            "/service/ready" => Answer::json(200, &json!({"code": 0, "message": "HSM is healthy"})),
            _ => Answer::text(404, "404 page not found"),
        });
    };
    let (usual, fault) = {
        let mut state = state.lock().unwrap();
        *state.counts.entry(endpoint).or_default() += 1;
        (state.answer(endpoint, tokens, request), state.take_fault(endpoint))
    };
    match fault {
        None => Reply::Answer(usual),
        Some(fault) => fault.reply(endpoint, usual),
    }
}

impl State {
    /// The fault for this request, with one failure less left if it counts them.
    fn take_fault(&mut self, endpoint: Endpoint) -> Option<Fault> {
        let fault = self.faults.get_mut(&endpoint)?;
        let taken = fault.clone();
        if let Fault::FailTimes(left, _) = fault {
            *left = left.saturating_sub(1);
        }
        Some(taken)
    }

    fn answer(&mut self, endpoint: Endpoint, tokens: &TokenSet, request: &Request) -> Answer {
        if request.method != "GET" {
            return Answer::problem(405, "only GET is served here");
        }
        if let Some(refusal) = self.refusal(endpoint, tokens, request) {
            return refusal;
        }
        let mut elements = self.selected(endpoint, &request.query());
        self.shuffle(&mut elements);
        let answer = Answer::json(200, &endpoint.wrap(elements));
        let accepted = request.header("accept-encoding").unwrap_or_default();
        let is_accepted =
            accepted.split(',').any(|coding| coding.split(';').next().unwrap_or_default().trim() == "gzip");
        if self.gzip && is_accepted { compressed(answer) } else { answer }
    }

    fn refusal(&self, endpoint: Endpoint, tokens: &TokenSet, request: &Request) -> Option<Answer> {
        let is_guarded = match self.auth {
            Auth::Off => false,
            Auth::On => endpoint == Endpoint::Memberships,
            Auth::Strict => true,
        };
        if !is_guarded {
            return None;
        }
        match request.bearer_token() {
            None => Some(Answer::text(401, "missing bearer token")),
            Some(token) if !tokens.accepts(token) => Some(Answer::text(401, "invalid token")),
            Some(_) if self.denies => Some(denial(request)),
            Some(_) => None,
        }
    }

    /// The elements that pass the filters `id`, `type` and `role`.
    fn selected(&self, endpoint: Endpoint, query: &[(String, String)]) -> Vec<Value> {
        let Inventory { components, interfaces, memberships } = &self.inventory;
        let passes = |component: &&Value| {
            let all = [("id", "ID"), ("type", "Type"), ("role", "Role")];
            !self.filters || all.iter().all(|(name, field)| passes_filter(component, field, name, query))
        };
        match endpoint {
            Endpoint::Components => components.iter().filter(passes).cloned().collect(),
            Endpoint::Interfaces => interfaces.clone(),
            Endpoint::Memberships if query.is_empty() || !self.filters => memberships.clone(),
            Endpoint::Memberships => {
                let ids: HashSet<&str> =
                    components.iter().filter(passes).filter_map(|one| one["ID"].as_str()).collect();
                let is_selected = |one: &&Value| one["id"].as_str().is_some_and(|id| ids.contains(id));
                memberships.iter().filter(is_selected).cloned().collect()
            }
        }
    }

    fn shuffle(&mut self, elements: &mut [Value]) {
        let Some(seed) = &mut self.shuffle else { return };
        for last in (1..elements.len()).rev() {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            elements.swap(last, usize::try_from(*seed % (last as u64 + 1)).unwrap());
        }
    }
}

/// Whether a component passes one filter: given several times, one has to match; with `!` in front, none may.
fn passes_filter(component: &Value, field: &str, name: &str, query: &[(String, String)]) -> bool {
    let value = component[field].as_str().unwrap_or_default();
    let given = || query.iter().filter(|(candidate, _)| candidate == name).map(|(_, wanted)| wanted.as_str());
    let is_excluded = given().filter_map(|wanted| wanted.strip_prefix('!')).any(|no| no.eq_ignore_ascii_case(value));
    let mut wanted = given().filter(|wanted| !wanted.starts_with('!')).peekable();
    !is_excluded && (wanted.peek().is_none() || wanted.any(|wanted| wanted.eq_ignore_ascii_case(value)))
}

/// What the enforce mode says to a token without a role.
fn denial(request: &Request) -> Answer {
    Answer::json(
        403,
        &json!({
            "schema_version": "authz.deny.v1", "code": "AUTHZ_DENIED", "message": "request denied by policy",
            "decision": "deny", "reason": "no_matching_policy", "mode": "enforce",
            "principal": {"id": "mds", "roles": []}, "input": {"method": request.method, "path": request.path()},
            "policy_version": "test", "request": {}, "request_id": "test",
        }),
    )
}
