//! Asking SMD: three GETs side by side, whatever the number of nodes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::Client;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, RETRY_AFTER};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::super::backoff::Backoff;
use super::super::http::{self, CertificateFile};
use super::super::pull::Pull;
use super::super::tokensmith::TokenSmith;
use super::bounded::Pieces;
use super::error::SmdError;
use super::join::join;
use super::records::{Records, read_components, read_interfaces, read_memberships};
use crate::settings::{Authentication, ServiceUrl, SmdSettings, TokenSmithSettings};
use crate::types::{Secret, without_value};

const COMPONENTS: &str = "/State/Components?type=Node";
const INTERFACES: &str = "/Inventory/EthernetInterfaces";
const MEMBERSHIPS: &str = "/memberships?type=Node";

/// How often a request is attempted. The next pull follows soon, so this bridges a restart and no more.
const BACKOFF: Backoff = Backoff { attempts: 3, first: Duration::from_millis(500), longest: Duration::from_secs(5) };
/// SMD may ask to be left alone for so many times the longest rest within one pull.
const LONGEST_RETRY_AFTER: u32 = 2;
/// One answer may take so many times the timeout as a whole: SMD itself gives up after 60 s.
const WHOLE_ANSWER: u32 = 6;
/// How many pieces of an answer wait to be parsed.
const PIECES_IN_FLIGHT: usize = 8;

/// A client of one SMD.
#[derive(Debug)]
pub struct SmdClient {
    url: ServiceUrl,
    ca: Option<PathBuf>,
    timeout: Duration,
    backoff: Backoff,
    authentication: Source,
    /// The client, with the certificates that it was made with.
    made: Mutex<Option<(Option<CertificateFile>, Client)>>,
}

/// Where tokens come from.
#[derive(Debug)]
enum Source {
    None,
    Fixed(Secret),
    TokenSmith(Box<TokenSmith>),
}

impl SmdClient {
    /// A client that has not asked yet. Tokens are kept between pulls.
    #[must_use]
    pub fn new(settings: &SmdSettings) -> Self {
        Self::with(settings, BACKOFF, TokenSmith::new)
    }

    /// As [`SmdClient::new`], with other rests between attempts, and with another keeper of tokens.
    #[must_use]
    pub fn with(
        settings: &SmdSettings,
        backoff: Backoff,
        tokensmith: impl FnOnce(TokenSmithSettings) -> TokenSmith,
    ) -> Self {
        let authentication = match &settings.authentication {
            Authentication::None => Source::None,
            Authentication::Token(token) => Source::Fixed(token.clone()),
            Authentication::TokenSmith(settings) => {
                Source::TokenSmith(Box::new(tokensmith(TokenSmithSettings::clone(settings))))
            }
        };
        Self {
            url: settings.url.value.clone(),
            ca: settings.ca.clone(),
            timeout: settings.timeout,
            backoff,
            authentication,
            made: Mutex::new(None),
        }
    }

    /// Pulls the inventory as a whole. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When any of the three answers cannot be had or used: there is no half of an inventory. When SMD lists no node, or
    /// no address of any.
    pub async fn pull(&self) -> Result<Pull, SmdError> {
        let client = self.client()?;
        let token = self.token().await?;
        let pulled = match self.pull_with(&client, token.as_ref()).await {
            // A token that TokenSmith gave may have lost its worth before its end: its signing key has changed.
            Err(error) if error.is_unauthorised() => match (&self.authentication, &token) {
                (Source::TokenSmith(tokensmith), Some(refused)) => {
                    tokensmith.reject(refused).await;
                    self.pull_with(&client, self.token().await?.as_ref()).await
                }
                _ => Err(error),
            },
            result => result,
        };
        pulled.and_then(checked)
    }

    async fn token(&self) -> Result<Option<Secret>, SmdError> {
        match &self.authentication {
            Source::None => Ok(None),
            Source::Fixed(token) => Ok(Some(token.clone())),
            Source::TokenSmith(tokensmith) => Ok(Some(tokensmith.token().await?)),
        }
    }

    /// The client; made again when the file of certificates has changed.
    fn client(&self) -> Result<Client, SmdError> {
        let ca = self.ca.as_deref().map(CertificateFile::read).transpose().map_err(SmdError::Client)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = made.as_ref().filter(|(known, _)| *known == ca) {
            tracing::trace!(certificates = known.is_some(), "the client of SMD is used again");
            return Ok(client.clone());
        }
        let builder = http::client(ca.as_ref(), self.url.is_https()).map_err(SmdError::Client)?;
        let client = builder.read_timeout(self.timeout).build().map_err(|error| {
            SmdError::Client(format!("no connection to SMD can be prepared: {}", http::reason(&error)))
        })?;
        *made = Some((ca, client.clone()));
        Ok(client)
    }

    async fn pull_with(&self, client: &Client, token: Option<&Secret>) -> Result<Pull, SmdError> {
        let (components, interfaces, memberships) = tokio::try_join!(
            self.get(client, token, COMPONENTS, read_components),
            self.get(client, token, INTERFACES, read_interfaces),
            self.get(client, token, MEMBERSHIPS, read_memberships),
        )?;
        let joined = tokio::task::spawn_blocking(move || join(components, interfaces, memberships)).await;
        joined.map_err(|_| failed_inside())?.map_err(SmdError::Inconsistent)
    }

    /// Gets one resource, with retries.
    async fn get<T: Send + 'static>(
        &self,
        client: &Client,
        token: Option<&Secret>,
        resource: &'static str,
        parse: fn(Pieces) -> Result<Records<T>, serde_json::Error>,
    ) -> Result<Records<T>, SmdError> {
        let limit = self.timeout.saturating_mul(WHOLE_ANSWER);
        let mut attempt = 0;
        loop {
            let error = match tokio::time::timeout(limit, self.get_once(client, token, resource, parse)).await {
                Ok(Ok(records)) => return Ok(records),
                Ok(Err(error)) => error,
                // Whoever drips for so long has had its time: the next pull is soon enough.
                Err(_) => return Err(SmdError::Slow { resource, limit }),
            };
            if !error.is_passing() || self.backoff.is_last(attempt) {
                return Err(error);
            }
            let rest = match error.retry_after() {
                Some(asked) => asked.min(self.backoff.longest.saturating_mul(LONGEST_RETRY_AFTER)),
                None => self.backoff.rest(attempt),
            };
            tracing::debug!(%error, ?rest, "asking SMD once more");
            tokio::time::sleep(rest).await;
            attempt += 1;
        }
    }

    async fn get_once<T: Send + 'static>(
        &self,
        client: &Client,
        token: Option<&Secret>,
        resource: &'static str,
        parse: fn(Pieces) -> Result<Records<T>, serde_json::Error>,
    ) -> Result<Records<T>, SmdError> {
        let mut request =
            client.get(self.url.join(resource)).header(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        let slow = || SmdError::Slow { resource, limit: self.timeout };
        let network = |error: reqwest::Error| match error.is_timeout() {
            true => slow(),
            false if http::concerns_certificates(&error) => SmdError::Certificate(http::reason(&error)),
            false => SmdError::Network(http::reason(&error)),
        };
        let mut response = request.send().await.map_err(network)?;
        let status = response.status();
        if status.is_redirection() {
            return Err(SmdError::Redirect { resource, status: status.as_u16() });
        }
        if status != reqwest::StatusCode::OK {
            let retry_after = response.headers().get(RETRY_AFTER).and_then(seconds);
            return Err(SmdError::Status { resource, status: status.as_u16(), retry_after });
        }
        let (sender, receiver) = mpsc::channel(PIECES_IN_FLIGHT);
        let parsing = tokio::task::spawn_blocking(move || parse(Pieces::new(receiver)));
        let mut broken = None;
        loop {
            match response.chunk().await {
                Ok(Some(piece)) => {
                    // Whoever parses has stopped reading: it knows why.
                    if sender.send(piece).await.is_err() {
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) if error.is_timeout() => {
                    broken = Some(slow());
                    break;
                }
                Err(error) => {
                    let reason = format!("it broke off ({})", http::reason(&error));
                    broken = Some(SmdError::Answer { resource, reason, is_cut: true });
                    break;
                }
            }
        }
        drop(sender);
        let parsed = parsing.await.map_err(|_| failed_inside())?;
        match (broken, parsed) {
            (Some(error), _) => Err(error),
            (None, Ok(records)) => Ok(records),
            (None, Err(error)) => Err(unusable(resource, &error)),
        }
    }
}

/// The answers, if there is a cluster in them.
fn checked(pull: Pull) -> Result<Pull, SmdError> {
    let nodes = pull.inventory.nodes();
    if nodes.is_empty() {
        return Err(SmdError::NoNodes);
    }
    if nodes.iter().all(|node| node.addresses().next().is_none()) {
        return Err(SmdError::NoAddresses { nodes: nodes.len() });
    }
    Ok(pull)
}

/// The header with the token, in memory that is overwritten, and marked so that nothing shows it.
fn bearer(token: &Secret) -> Result<HeaderValue, SmdError> {
    let text = Zeroizing::new(format!("Bearer {}", token.expose()).into_bytes());
    let mut value = HeaderValue::from_maybe_shared(Bytes::from_owner(text)).map_err(|_| {
        SmdError::Client("the token for SMD has characters that no token has; see how it was set".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// `Retry-After` in seconds; its other form, a date, is not worth its clock.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn unusable(resource: &'static str, error: &serde_json::Error) -> SmdError {
    let text = error.to_string();
    // serde_json ends its messages with the place, which helps nobody in an answer that is not kept.
    let reason = without_value(text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]));
    let is_cut = error.is_eof();
    let reason = if is_cut { "it ends too early".to_owned() } else { reason };
    SmdError::Answer { resource, reason, is_cut }
}

/// A panic in a thread of ours, which no input should cause.
fn failed_inside() -> SmdError {
    SmdError::Client("mds failed inside; see its log".to_owned())
}
