//! What a fake TokenSmith has issued, and what it does with a token that comes back.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::http::{Answer, Request};
use super::tokens::{MARK, TokenSet};

pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub const BOOTSTRAP_TOKEN: &str = "urn:openchami:params:oauth:token-type:bootstrap-token";
pub const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access-token";

/// The ways to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// A client certificate.
    Session,
    /// A bootstrap token, once.
    Bootstrap,
    /// A refresh token, once; the answer has the next one.
    Refresh,
}

/// A request for a token that is complete: what kind it is, and the secret that it shows.
pub(super) struct Claim {
    pub grant: Grant,
    pub secret: String,
}

/// Everything issued by one TokenSmith.
pub(super) struct Issued {
    pub expires_in: u64,
    pub refresh_expires_in: u64,
    pub policies: HashSet<String>,
    pub replays: usize,
    tokens: TokenSet,
    /// Bootstrap tokens with their subjects; used ones have none.
    bootstrap: HashMap<String, Option<String>>,
    refresh: HashMap<String, RefreshToken>,
    families: Vec<Family>,
}

struct RefreshToken {
    family: usize,
    is_used: bool,
}

struct Family {
    subject: String,
    end: Instant,
    is_revoked: bool,
}

/// Reads a request to one of the paths that give tokens, as strictly as the standard allows.
pub(super) fn claim(path: &str, request: &Request) -> Result<Claim, Answer> {
    if path == "/service-identity/session" {
        return Ok(Claim { grant: Grant::Session, secret: request.body_text() });
    }
    let kind = request.header("content-type").unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/x-www-form-urlencoded" {
        return Err(invalid("The body must be a form"));
    }
    if !request.query().is_empty() {
        return Err(invalid("Parameters belong into the body"));
    }
    let form = request.form();
    match field(&form, "grant_type")? {
        TOKEN_EXCHANGE if field(&form, "subject_token_type")? != BOOTSTRAP_TOKEN => {
            Err(invalid("Invalid subject_token_type parameter"))
        }
        TOKEN_EXCHANGE => Ok(Claim { grant: Grant::Bootstrap, secret: field(&form, "subject_token")?.to_owned() }),
        "refresh_token" => Ok(Claim { grant: Grant::Refresh, secret: field(&form, "refresh_token")?.to_owned() }),
        other => Err(error(400, "unsupported_grant_type", &format!("Grant type '{other}' is not supported"))),
    }
}

/// The value of a parameter that is there once and not empty.
fn field<'a>(form: &'a [(String, String)], name: &str) -> Result<&'a str, Answer> {
    let mut values = form.iter().filter(|(candidate, _)| candidate == name).map(|(_, value)| value.trim());
    match (values.next(), values.next()) {
        (Some(value), None) if !value.is_empty() => Ok(value),
        (_, None) => Err(invalid(&format!("Missing or empty {name} parameter"))),
        (_, Some(_)) => Err(invalid(&format!("Repeated {name} parameter"))),
    }
}

fn invalid(description: &str) -> Answer {
    error(400, "invalid_request", description)
}

/// An error as OAuth tells it.
pub(super) fn error(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, &json!({"error": code, "error_description": description})).with("Cache-Control", "no-store")
}

/// A secret that was never issued before in this process.
fn new_secret(kind: &str) -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(1);
    format!("{MARK}-{kind}-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

impl Issued {
    pub fn new(tokens: TokenSet) -> Self {
        Self {
            expires_in: 3600,
            refresh_expires_in: 86_400,
            policies: HashSet::new(),
            replays: 0,
            tokens,
            bootstrap: HashMap::new(),
            refresh: HashMap::new(),
            families: Vec::new(),
        }
    }

    pub fn new_bootstrap_token(&mut self, subject: &str) -> String {
        let token = new_secret("bootstrap");
        self.bootstrap.insert(token.clone(), Some(subject.to_owned()));
        token
    }

    /// Ends every family and every access token. Policies stay, so that a client certificate is good for a new start.
    pub fn revoke_everything(&mut self) {
        for family in &mut self.families {
            family.is_revoked = true;
        }
        self.bootstrap.clear();
        self.tokens.clear();
    }

    /// Gives tokens for a claim, or says why not.
    pub fn process(&mut self, claim: &Claim, peer: Option<&str>) -> Result<Value, Answer> {
        let family = match claim.grant {
            Grant::Session => self.session(peer)?,
            Grant::Bootstrap => self.spend_bootstrap_token(&claim.secret)?,
            Grant::Refresh => self.spend_refresh_token(&claim.secret)?,
        };
        Ok(self.issue(family))
    }

    fn session(&mut self, peer: Option<&str>) -> Result<usize, Answer> {
        let Some(subject) = peer.filter(|peer| !peer.is_empty()) else {
            return Err(error(401, "invalid_client", "TLS client certificate is required"));
        };
        if !self.policies.contains(subject) {
            return Err(error(403, "invalid_client", "No policy configured for service identity subject"));
        }
        Ok(self.new_family(subject.to_owned()))
    }

    fn spend_bootstrap_token(&mut self, token: &str) -> Result<usize, Answer> {
        let subject = self.bootstrap.get_mut(token).and_then(Option::take);
        let refusal = || error(400, "invalid_grant", "The provided token is invalid or has already been used");
        subject.map(|subject| self.new_family(subject)).ok_or_else(refusal)
    }

    /// A token that was used before tells that two have it, and nobody knows which of them is the thief: the whole
    /// family ends.
    fn spend_refresh_token(&mut self, token: &str) -> Result<usize, Answer> {
        let refusal = || error(400, "invalid_grant", "The provided refresh token is invalid or has expired");
        let known = self.refresh.get_mut(token).ok_or_else(refusal)?;
        let (number, is_replay) = (known.family, std::mem::replace(&mut known.is_used, true));
        let now = self.tokens.now();
        let family = &mut self.families[number];
        if is_replay {
            self.replays += 1;
            family.is_revoked = true;
        }
        if family.is_revoked || family.end <= now { Err(refusal()) } else { Ok(number) }
    }

    fn new_family(&mut self, subject: String) -> usize {
        let end = self.tokens.now() + Duration::from_secs(self.refresh_expires_in);
        self.families.push(Family { subject, end, is_revoked: false });
        self.families.len() - 1
    }

    fn issue(&mut self, number: usize) -> Value {
        let family = &self.families[number];
        let access = access_token(&family.subject, self.expires_in);
        let refresh = new_secret("refresh");
        // Rounded up, so that a new family has the seconds that it was given.
        let left = family.end.saturating_duration_since(self.tokens.now()).as_millis().div_ceil(1000);
        self.tokens.accept_for(&access, Duration::from_secs(self.expires_in));
        self.refresh.insert(refresh.clone(), RefreshToken { family: number, is_used: false });
        json!({
            "access_token": access, "token_type": "Bearer", "expires_in": self.expires_in,
            "refresh_token": refresh, "refresh_expires_in": u64::try_from(left).unwrap(),
            "scope": "read", "issued_token_type": ACCESS_TOKEN,
        })
    }
}

/// A token in three parts, of which only the signature is none.
fn access_token(subject: &str, expires_in: u64) -> String {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let header = json!({"alg": "PS256", "kid": "test", "typ": "JWT"});
    let claims = json!({
        "iss": "https://tokensmith.test", "sub": subject, "aud": ["smd"], "exp": now + expires_in, "nbf": now,
        "iat": now, "scope": ["read"],
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&header), part(&claims), new_secret("access"))
}
