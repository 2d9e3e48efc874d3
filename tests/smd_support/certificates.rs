//! Certificates made on the fly, so that none has to be kept in the repository and expire there.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ServerConfig, WebPkiClientVerifier};

/// A certificate authority of a test. Two of them do not trust each other.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    pem: String,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate as PEM text.
    pub certificate_pem: String,
    /// The key as PEM text (PKCS #8).
    pub key_pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    #[allow(clippy::new_without_default, reason = "every authority is another one")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        // No common name: see `common_name` below. A number, because authorities of one name would be told apart by
        // their signatures only.
        let name = format!("Test authority {:016x}", fastrand::u64(..));
        params.distinguished_name.push(DnType::OrganizationName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), certificate: certificate.der().clone(), issuer: Issuer::new(params, key) }
    }

    /// The authority's own certificate, as PEM text.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server on this machine.
    pub fn server(&self) -> Identity {
        self.server_for(&["127.0.0.1", "localhost"])
    }

    /// A certificate for a server with other names.
    pub fn server_for(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let params = CertificateParams::new(names).unwrap();
        self.sign(params, "server", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client, whose common name is its subject.
    pub fn client(&self, common_name: &str) -> Identity {
        self.sign(CertificateParams::default(), common_name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// As [`Authority::client`], but no longer valid.
    pub fn expired_client(&self, common_name: &str) -> Identity {
        let mut params = CertificateParams::default();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.sign(params, common_name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// As [`Authority::client`], but meant for servers: it does not have the clientAuth usage.
    pub fn client_of_wrong_usage(&self, common_name: &str) -> Identity {
        self.sign(CertificateParams::default(), common_name, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn sign(&self, mut params: CertificateParams, common_name: &str, usage: ExtendedKeyUsagePurpose) -> Identity {
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    /// TLS settings of a server that has a certificate of this authority, and asks for client certificates of it
    /// without insisting. A certificate that is presented has to be good, or the handshake fails: so does TokenSmith.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.server_config_of(&self.server(), Some(self))
    }

    /// As [`Authority::server_config`], with a given certificate and another authority for the clients, or none.
    pub fn server_config_of(&self, identity: &Identity, clients: Option<&Self>) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let roots = Arc::new(clients.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).allow_unauthenticated();
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(identity.key.clone()));
        Arc::new(builder.with_single_cert(vec![identity.certificate.clone()], key).unwrap())
    }

    /// What a client needs to trust this authority and no other.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        roots
    }
}

impl Identity {
    /// Certificate and key in one PEM text.
    pub fn pem(&self) -> String {
        format!("{}{}", self.certificate_pem, self.key_pem)
    }
}

/// The common name of a certificate of an [`Authority`]: the value after the first identifier 2.5.4.3. The authority's
/// name has none, so that the first one is the subject's, and no parser of certificates is needed for a fake.
pub fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    let identifier = [0x06, 0x03, 0x55, 0x04, 0x03];
    let start = certificate.windows(identifier.len()).position(|window| window == identifier)? + identifier.len();
    // A tag, a length below 128, and the text.
    let length = usize::from(*certificate.get(start + 1)?);
    let text = certificate.get(start + 2..start + 2 + length)?;
    String::from_utf8(text.to_vec()).ok()
}
