//! The three requests that get tokens, and what their answers mean.
//!
//! Nothing that TokenSmith writes is repeated but the error codes of its protocol (RFC 6749, section 5.2, and its own):
//! a description may quote the token that it is about.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Identity, Response};
use serde::Deserialize;
use serde_json::json;
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::super::http::{self, CertificateFile};
use crate::settings::{IdentityFiles, TokenSmithSettings};
use crate::types::Secret;

/// The most that an answer may have, in bytes. Real ones have about 3,000.
const MAX_ANSWER: usize = 64 * 1024;
/// The longest lifetime that is believed.
const LONGEST_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

const SESSION: &str = "/service-identity/session";
const TOKEN: &str = "/oauth/token";
const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const BOOTSTRAP_TOKEN: &str = "urn:openchami:params:oauth:token-type:bootstrap-token";

/// The error codes that are repeated.
const KNOWN_CODES: [&str; 11] = [
    "invalid_request",
    "unsupported_grant_type",
    "invalid_grant",
    "invalid_client",
    "invalid_scope",
    "unauthorized_client",
    "access_denied",
    "too_many_requests",
    "server_error",
    "temporarily_unavailable",
    "invalid_token",
];

/// What TokenSmith gave.
#[derive(Debug)]
pub(super) struct Granted {
    pub(super) access: Secret,
    pub(super) access_lifetime: Duration,
    pub(super) refresh: Option<(Secret, Duration)>,
}

/// Why it gave nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExchangeError {
    /// No connection came about, so TokenSmith has seen nothing.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The exchange broke, and TokenSmith may have done its part.
    #[error("the exchange broke: {0}")]
    Broken(String),
    /// The connection broke because of a certificate, which will not change by itself.
    #[error(
        "the encrypted connection does not come about: {0}; see whether the certificates are those that both sides expect, and have not expired"
    )]
    Certificate(String),
    /// It said no.
    #[error("it answered {resource} with status {status}{}", code.map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// What was asked for.
        resource: &'static str,
        /// The status.
        status: u16,
        /// The protocol's error code.
        code: Option<&'static str>,
    },
    /// It answered something else than tokens.
    #[error("its answer cannot be used: {0}")]
    Answer(&'static str),
    /// Files of ours cannot be used.
    #[error("{0}")]
    Files(String),
    /// The bootstrap token has brought tokens, which can no longer be refreshed.
    #[error(
        "the bootstrap token has been used, and what it brought can no longer be refreshed; start mds with a new one"
    )]
    Spent,
}

impl ExchangeError {
    /// Whether asking once more may help without anything being changed.
    pub(super) const fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) | Self::Answer(_) => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Files(_) | Self::Certificate(_) | Self::Spent => false,
        }
    }

    /// Whether TokenSmith may have used up a token that works once without our getting what it gave for it.
    pub(super) const fn leaves_doubt(&self) -> bool {
        match self {
            Self::Broken(_) | Self::Answer(_) => true,
            // It may be a gateway that speaks, which has not heard from TokenSmith.
            Self::Refused { status, .. } => *status >= 500,
            _ => false,
        }
    }

    /// Whether TokenSmith itself said that the token is worth nothing.
    pub(super) fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Refused { code: Some("invalid_grant"), .. })
    }
}

/// Makes requests.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    pub(super) settings: &'a TokenSmithSettings,
    /// For one request as a whole.
    pub(super) timeout: Duration,
}

impl Exchange<'_> {
    /// A session for whom a client certificate names.
    pub(super) async fn session(&self, files: &IdentityFiles) -> Result<Granted, ExchangeError> {
        let mut body = json!({
            "service_name": "mds",
            "service_id": "mds",
            "instance_id": "",
            "cluster_id": "",
            "target_service": self.settings.target_service,
        });
        if !self.settings.scopes.is_empty() {
            body["scopes"] = json!(self.settings.scopes);
        }
        let body = Zeroizing::new(body.to_string().into_bytes());
        self.post(SESSION, "application/json", body, Some(files)).await
    }

    /// Gives a bootstrap token for tokens.
    pub(super) async fn bootstrap(&self, token: &Secret) -> Result<Granted, ExchangeError> {
        let form = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token", token.expose()),
            ("subject_token_type", BOOTSTRAP_TOKEN),
        ];
        self.post_form(&form).await
    }

    /// Gives a refresh token for new tokens. It works once.
    pub(super) async fn refresh(&self, token: &Secret) -> Result<Granted, ExchangeError> {
        self.post_form(&[("grant_type", "refresh_token"), ("refresh_token", token.expose())]).await
    }

    async fn post_form(&self, form: &[(&str, &str)]) -> Result<Granted, ExchangeError> {
        let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        // Without the certificate, which is not needed here: one that has expired would break the connection.
        self.post(TOKEN, "application/x-www-form-urlencoded", Zeroizing::new(text.into_bytes()), None).await
    }

    async fn post(
        &self,
        resource: &'static str,
        content_type: &'static str,
        body: Zeroizing<Vec<u8>>,
        identity: Option<&IdentityFiles>,
    ) -> Result<Granted, ExchangeError> {
        let client = self.client(identity)?;
        let request = client
            .post(self.settings.url.join(resource))
            .header(CONTENT_TYPE, content_type)
            .body(Bytes::from_owner(body));
        let response = request.send().await.map_err(|error| broken(&error))?;
        let status = response.status().as_u16();
        let answer = read(response).await?;
        if status == 200 { granted(&answer) } else { Err(refused(resource, status, &answer)) }
    }

    /// A client with the files as they are now: sessions are rare, and files are replaced while mds runs.
    fn client(&self, files: Option<&IdentityFiles>) -> Result<Client, ExchangeError> {
        let ca = self.settings.ca.as_deref().map(CertificateFile::read).transpose().map_err(ExchangeError::Files)?;
        let mut builder = http::client(ca.as_ref(), self.settings.url.is_https())
            .map_err(ExchangeError::Files)?
            .timeout(self.timeout);
        if let Some(files) = files {
            builder = builder.identity(identity(files)?);
        }
        builder.build().map_err(|error| {
            let reason = http::reason(&error);
            ExchangeError::Files(match files {
                // What does not belong together is found here.
                Some(files) => format!("{} cannot be used together: {reason}", both(files)),
                None => format!("no connection to TokenSmith can be prepared: {reason}"),
            })
        })
    }
}

/// Whether the files look like an identity, so that a session may be had with it.
pub(super) fn is_usable(files: &IdentityFiles) -> bool {
    identity(files).is_ok()
}

/// The names of both files.
fn both(files: &IdentityFiles) -> String {
    format!("{} and {}", files.certificate.display(), files.key.display())
}

/// How an exchange broke. TokenSmith ends the connection when it does not take a client certificate; it never answers.
fn broken(error: &reqwest::Error) -> ExchangeError {
    let reason = http::reason(error);
    if http::concerns_certificates(error) {
        ExchangeError::Certificate(reason)
    } else if error.is_connect() {
        ExchangeError::Unreachable(reason)
    } else {
        ExchangeError::Broken(reason)
    }
}

/// The client certificate with its key.
fn identity(files: &IdentityFiles) -> Result<Identity, ExchangeError> {
    let read = |path: &Path| match std::fs::read(path) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(error) => Err(ExchangeError::Files(format!("{} cannot be read: {error}", path.display()))),
    };
    let certificate = read(&files.certificate)?;
    let key = read(&files.key)?;
    let mut pem = Zeroizing::new(Vec::with_capacity(certificate.len() + key.len() + 1));
    pem.extend_from_slice(&certificate);
    pem.push(b'\n');
    pem.extend_from_slice(&key);
    Identity::from_pem(&pem).map_err(|_| {
        ExchangeError::Files(format!("{} are not a certificate and its private key in PEM form", both(files)))
    })
}

async fn read(mut response: Response) -> Result<Zeroizing<Vec<u8>>, ExchangeError> {
    let mut answer = Zeroizing::new(Vec::with_capacity(MAX_ANSWER));
    while let Some(piece) = response.chunk().await.map_err(|error| broken(&error))? {
        if answer.len() + piece.len() > MAX_ANSWER {
            return Err(ExchangeError::Answer("it is too long"));
        }
        answer.extend_from_slice(&piece);
    }
    Ok(answer)
}

#[derive(Deserialize)]
struct WireGrant {
    access_token: Secret,
    expires_in: u64,
    #[serde(default)]
    refresh_token: Option<Secret>,
    #[serde(default)]
    refresh_expires_in: Option<u64>,
}

fn granted(answer: &[u8]) -> Result<Granted, ExchangeError> {
    let wire: WireGrant = serde_json::from_slice(answer)
        .map_err(|_| ExchangeError::Answer("it holds no access_token with expires_in"))?;
    if wire.access_token.is_empty() || !wire.access_token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(ExchangeError::Answer("its access_token is none"));
    }
    if wire.expires_in == 0 {
        return Err(ExchangeError::Answer("its access_token has no lifetime"));
    }
    let lifetime = |seconds: u64| Duration::from_secs(seconds).min(LONGEST_LIFETIME);
    let refresh = match (wire.refresh_token, wire.refresh_expires_in) {
        (Some(token), Some(seconds)) if !token.is_empty() && seconds > 0 => Some((token, lifetime(seconds))),
        _ => None,
    };
    Ok(Granted { access: wire.access_token, access_lifetime: lifetime(wire.expires_in), refresh })
}

#[derive(Deserialize)]
struct WireError {
    error: String,
}

fn refused(resource: &'static str, status: u16, answer: &[u8]) -> ExchangeError {
    let said = serde_json::from_slice::<WireError>(answer).ok();
    let code = said.and_then(|said| KNOWN_CODES.into_iter().find(|known| *known == said.error));
    ExchangeError::Refused { resource, status, code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_what_is_needed_is_refused() {
        for answer in [
            "",
            "<html>",
            "{}",
            r#"{"access_token":"a"}"#,
            r#"{"access_token":"a","expires_in":0}"#,
            r#"{"access_token":"","expires_in":1}"#,
            r#"{"access_token":"a b","expires_in":1}"#,
            r#"{"access_token":"a\nX-Evil: 1","expires_in":1}"#,
            r#"{"access_token":1,"expires_in":1}"#,
            r#"{"access_token":"a","expires_in":-1}"#,
        ] {
            assert!(granted(answer.as_bytes()).is_err(), "{answer}");
        }
    }

    #[test]
    fn a_refresh_token_may_be_missing() {
        let with = |more: &str| granted(format!(r#"{{"access_token":"a","expires_in":60{more}}}"#).as_bytes()).unwrap();
        assert!(with("").refresh.is_none());
        assert!(with(r#","refresh_token":"r""#).refresh.is_none());
        assert!(with(r#","refresh_token":"","refresh_expires_in":5"#).refresh.is_none());
        let (_, lifetime) = with(r#","refresh_token":"r","refresh_expires_in":18446744073709551615"#).refresh.unwrap();
        assert_eq!(lifetime, LONGEST_LIFETIME);
    }

    #[test]
    fn only_the_codes_of_the_protocol_are_repeated() {
        let said = |answer: &str| refused(TOKEN, 400, answer.as_bytes()).to_string();
        let text = said(r#"{"error":"invalid_grant","error_description":"s3cr3t is used"}"#);
        assert_eq!(text, "it answered /oauth/token with status 400 (invalid_grant)");
        assert_eq!(said(r#"{"error":"s3cr3t"}"#), "it answered /oauth/token with status 400");
        assert_eq!(said("s3cr3t"), "it answered /oauth/token with status 400");
    }
}
