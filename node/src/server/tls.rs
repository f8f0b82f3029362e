//! The server's side of TLS, and who the caller is.

use super::ServerOptions;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;
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

/// The caller has shown no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nobody;

/// Accepts callers without a certificate too; they are answered with 401.
///
/// # Errors
/// The certificates cannot be used.
pub fn acceptor(options: &ServerOptions) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    for certificate in rustls_pemfile::certs(&mut options.client_ca_pem.as_slice()) {
        roots.add(certificate?)?;
    }
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = verifier.allow_unauthenticated().build()?;
    let chain = rustls_pemfile::certs(&mut options.certificate_pem.as_slice()).collect::<Result<Vec<_>, _>>()?;
    let key = rustls_pemfile::private_key(&mut options.key_pem.as_slice())?.ok_or(TlsError::NoKey)?;
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Whether the caller, whose certificate was verified in the handshake, is an administrator.
///
/// # Errors
/// It showed none.
pub fn is_administrator(connection: &ServerConnection) -> Result<bool, Nobody> {
    let certificate = connection.peer_certificates().and_then(<[_]>::first).ok_or(Nobody)?;
    let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| Nobody)?;
    let groups = certificate.subject().iter_organization();
    Ok(groups.filter_map(|group| group.as_str().ok()).any(|group| group == ADMINISTRATORS))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// With a certificate that nobody else knows.
    pub(crate) fn acceptor() -> TlsAcceptor {
        let own = rcgen::generate_simple_self_signed(["node".to_owned()]).unwrap();
        let pem = own.cert.pem().into_bytes();
        let options = ServerOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate_pem: pem.clone(),
            key_pem: own.signing_key.serialize_pem().into_bytes(),
            client_ca_pem: pem,
        };
        super::acceptor(&options).unwrap()
    }
}
