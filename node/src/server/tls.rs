//! The server's side of TLS, and who the caller is.

use crate::options::ServerOptions;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, ServerConnection, SignatureScheme,
};
use std::io;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The group that may do everything.
const ADMINISTRATORS: &str = "system:masters";

/// Certificates that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not PEM.
    #[error("cannot be read: {0}")]
    Pem(#[from] std::io::Error),
    /// There is no private key.
    #[error("there is no private key")]
    NoKey,
    /// They do not fit together.
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    /// No caller could be verified.
    #[error(transparent)]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// The caller has shown no certificate, or one that nobody here vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nobody;

/// The listening side.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    callers: Arc<dyn ClientCertVerifier>,
}

/// Asks for a certificate and takes any whose key the caller has: whose it is, is looked at after the handshake, so
/// that a stranger gets an answer instead of a broken connection (as upstream).
#[derive(Debug)]
struct Anybody(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Accepts callers without a certificate, or with a stranger's, too; they are answered with 401.
///
/// # Errors
/// The certificates cannot be used.
pub fn acceptor(options: &ServerOptions) -> Result<Acceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in rustls_pemfile::certs(&mut options.client_ca_pem.as_slice()) {
        roots.add(certificate?)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let callers: Arc<dyn ClientCertVerifier> = verifier.allow_unauthenticated().build()?;
    let chain = rustls_pemfile::certs(&mut options.certificate_pem.as_slice()).collect::<Result<Vec<_>, _>>()?;
    let key = rustls_pemfile::private_key(&mut options.key_pem.as_slice())?.ok_or(TlsError::NoKey)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(Anybody(Arc::clone(&callers))))
        .with_single_cert(chain, key)?;
    // The API server connects anew each time; a simulated node each with a memory of its own for sessions adds up.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Acceptor { tls: TlsAcceptor::from(Arc::new(config)), callers })
}

impl Acceptor {
    /// Shakes hands.
    ///
    /// # Errors
    /// The caller does not speak TLS, or broke off.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.tls.accept(stream).await
    }

    /// Whether the caller is an administrator.
    ///
    /// # Errors
    /// It showed no certificate of the cluster's.
    pub fn is_administrator(&self, connection: &ServerConnection) -> Result<bool, Nobody> {
        let (first, others) = connection.peer_certificates().and_then(<[_]>::split_first).ok_or(Nobody)?;
        self.callers.verify_client_cert(first, others, UnixTime::now()).map_err(|_| Nobody)?;
        let (_, certificate) = X509Certificate::from_der(first).map_err(|_| Nobody)?;
        let groups = certificate.subject().iter_organization();
        Ok(groups.filter_map(|group| group.as_str().ok()).any(|group| group == ADMINISTRATORS))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
    use rustls::ClientConfig;
    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use tokio::io::AsyncReadExt;
    use tokio_rustls::TlsConnector;

    struct Authority(CertificateParams, KeyPair, String);

    impl Authority {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let key = KeyPair::generate().unwrap();
            let pem = params.self_signed(&key).unwrap().pem();
            Self(params, key, pem)
        }

        fn leaf(&self, group: &str) -> (String, String) {
            let mut params = CertificateParams::new(["node".to_owned()]).unwrap();
            params.distinguished_name.push(DnType::OrganizationName, group);
            let key = KeyPair::generate().unwrap();
            let issuer = Issuer::from_params(&self.0, &self.1);
            (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
        }
    }

    fn options(authority: &Authority) -> ServerOptions {
        let (certificate, key) = authority.leaf("system:nodes");
        ServerOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate_pem: certificate.into_bytes(),
            key_pem: key.into_bytes(),
            client_ca_pem: authority.2.clone().into_bytes(),
        }
    }

    /// With a certificate that nobody else knows.
    pub(crate) fn acceptor() -> TlsAcceptor {
        super::acceptor(&options(&Authority::new())).unwrap().tls
    }

    /// What the server makes of a caller with this certificate.
    async fn ask(server: &Authority, caller: Option<(String, String)>) -> Result<bool, Nobody> {
        let acceptor = super::acceptor(&options(server)).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(rustls_pemfile::certs(&mut server.2.as_bytes()).next().unwrap().unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match caller {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = rustls_pemfile::certs(&mut certificate.as_bytes()).collect::<Result<_, _>>().unwrap();
                let key: PrivateKeyDer<'static> = rustls_pemfile::private_key(&mut key.as_bytes()).unwrap().unwrap();
                config.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let connect = async {
            let tcp = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("node").unwrap();
            let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap();
            // Until the other side has made up its mind.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        };
        let serve = async {
            let stream = acceptor.accept(listener.accept().await.unwrap().0).await.unwrap();
            acceptor.is_administrator(stream.get_ref().1)
        };
        futures::future::join(connect, serve).await.1
    }

    #[tokio::test]
    async fn a_stranger_shakes_hands_and_is_nobody() {
        let (own, other) = (Authority::new(), Authority::new());
        assert_eq!(ask(&own, Some(own.leaf(ADMINISTRATORS))).await, Ok(true));
        assert_eq!(ask(&own, Some(own.leaf("system:nodes"))).await, Ok(false));
        assert_eq!(ask(&own, Some(other.leaf(ADMINISTRATORS))).await, Err(Nobody));
        assert_eq!(ask(&own, None).await, Err(Nobody));
    }
}
