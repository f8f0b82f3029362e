//! The TLS side of a listener: TLS 1.2 or newer, HTTP/2 before HTTP/1.1, a client certificate asked for but not judged.
//!
//! Upstream answers 401 to a certificate it does not trust; rustls would end the handshake. So any chain is let in here
//! as long as the client proves that it holds the key, and the authentication filter decides.

use parking_lot::RwLock;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme};
use std::sync::Arc;

/// What the server shows to its clients, as PEM.
#[derive(Clone)]
pub struct TlsMaterial {
    /// The certificate, then what leads to its CA.
    pub cert_chain_pem: Vec<u8>,
    /// The certificate's private key.
    pub key_pem: Vec<u8>,
}

impl std::fmt::Debug for TlsMaterial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsMaterial")
    }
}

/// Why a listener has no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM, or nothing of the kind in it.
    #[error("{what} is no usable PEM: {reason}")]
    Pem {
        /// Which of the inputs.
        what: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// Certificate and key do not fit, or are of no kind that TLS knows.
    #[error("serving certificate: {0}")]
    Material(#[from] Error),
}

/// Reads the certificates of a PEM file.
///
/// # Errors
/// It holds none, or something that is no certificate.
pub fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| TlsError::Pem { what, reason: error.to_string() })?;
    if chain.is_empty() {
        return Err(TlsError::Pem { what, reason: "no certificate in it".to_owned() });
    }
    Ok(chain)
}

/// The configuration of a listener. `client_ca` only names the CAs in the request for a client certificate.
///
/// # Errors
/// There is no configuration without a protocol version; ours has two.
pub fn server_config(
    serving: Arc<ServingCertificate>,
    client_ca: &[CertificateDer<'static>],
) -> Result<ServerConfig, TlsError> {
    let provider = provider();
    let verifier = AnyClient { hints: subjects(client_ca), provider: Arc::clone(&provider) };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(serving);
    // Nobody resumes: Go's clients do not by default, and what is remembered for it costs every handshake.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificate that new connections see; the same for every name they ask for. It can be replaced at any time.
#[derive(Debug)]
pub struct ServingCertificate(RwLock<Arc<CertifiedKey>>);

impl ServingCertificate {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// The material is unusable.
    pub fn new(material: &TlsMaterial) -> Result<Self, TlsError> {
        Ok(Self(RwLock::new(certified(material)?)))
    }

    /// Shows another certificate from now on. Connections that are there stay as they are.
    ///
    /// # Errors
    /// The material is unusable; the old certificate stays.
    pub fn replace(&self, material: &TlsMaterial) -> Result<(), TlsError> {
        *self.0.write() = certified(material)?;
        Ok(())
    }
}

impl ResolvesServerCert for ServingCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

fn certified(material: &TlsMaterial) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(&material.cert_chain_pem, "the serving certificate")?;
    let key = PrivateKeyDer::from_pem_slice(&material.key_pem)
        .map_err(|error| TlsError::Pem { what: "the serving key", reason: error.to_string() })?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider())?))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn subjects(certificates: &[CertificateDer<'static>]) -> Vec<DistinguishedName> {
    certificates
        .iter()
        .filter_map(|certificate| {
            let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
            Some(DistinguishedName::from(parsed.subject().as_raw().to_vec()))
        })
        .collect()
}

/// Lets every client in that holds the key of the certificate it shows; certificates are optional.
#[derive(Debug)]
struct AnyClient {
    hints: Vec<DistinguishedName>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
