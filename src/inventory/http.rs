//! HTTP clients for the services that the inventory comes from.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, ClientBuilder, redirect};
use rustls::AlertDescription;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Begins a client that believes the certificates in `ca`, or the system's when there are none, and never follows a
/// redirect: the token would go with it.
///
/// # Errors
/// A sentence, when there are no such certificates.
pub(super) fn client(ca: Option<&CertificateFile>, is_https: bool) -> Result<ClientBuilder, String> {
    // It fails when the process has chosen before, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = ClientBuilder::new()
        .user_agent(concat!("mds/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .http1_only();
    Ok(match ca {
        Some(file) => builder.tls_certs_only(file.certificates()?),
        None if is_https => builder,
        // A machine without any certificates can still ask without encryption.
        None => builder.tls_certs_only([]),
    })
}

/// A file of certificates, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CertificateFile {
    name: String,
    bytes: Vec<u8>,
}

impl CertificateFile {
    /// Reads a file.
    ///
    /// # Errors
    /// A sentence, when it cannot be read.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Ok(bytes) => Ok(Self { name, bytes }),
            Err(error) => Err(format!("the certificates in {name} cannot be read: {error}")),
        }
    }

    fn certificates(&self) -> Result<Vec<Certificate>, String> {
        match Certificate::from_pem_bundle(&self.bytes) {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            _ => Err(format!("{} holds no certificate in PEM form", self.name)),
        }
    }
}

/// What is wrong with a connection, in a few words: the innermost reason, which names no URL.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut innermost = error.source();
    while let Some(source) = innermost.and_then(Error::source) {
        innermost = Some(source);
    }
    match innermost {
        _ if error.is_timeout() => "it took too long".to_owned(),
        Some(innermost) => innermost.to_string(),
        None => "the exchange failed".to_owned(),
    }
}

/// What a server says when it does not take a client's certificate, or the lack of one (RFC 8446, section 6.2).
const CERTIFICATE_ALERTS: [AlertDescription; 8] = [
    AlertDescription::BadCertificate,
    AlertDescription::UnsupportedCertificate,
    AlertDescription::CertificateRevoked,
    AlertDescription::CertificateExpired,
    AlertDescription::CertificateUnknown,
    AlertDescription::UnknownCA,
    AlertDescription::AccessDenied,
    AlertDescription::CertificateRequired,
];

/// Whether the connection failed because one side does not take the other's certificate, which more attempts do not
/// mend.
pub(super) fn concerns_certificates(error: &reqwest::Error) -> bool {
    let mut source = error.source();
    while let Some(error) = source {
        match inside(error).downcast_ref() {
            Some(rustls::Error::InvalidCertificate(_)) => return true,
            Some(rustls::Error::AlertReceived(alert)) => return CERTIFICATE_ALERTS.contains(alert),
            _ => {}
        }
        source = error.source();
    }
    false
}

/// What I/O errors were made of, however many are around it: their `source` is the one behind that.
fn inside<'a>(mut error: &'a (dyn Error + 'static)) -> &'a (dyn Error + 'static) {
    while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        error = inner;
    }
    error
}
