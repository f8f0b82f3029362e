//! Mutual TLS from PEM files. Both sides show a certificate of an authority that the other trusts.
//!
//! The files are read anew for every connection, so that certificates can be replaced while the member runs. Where they
//! cannot be used, listeners keep what they had.

use parking_lot::Mutex;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::config::Tls;
use crate::error::StartError;

/// Key files must keep these bits clear: others must not read the key.
const FORBIDDEN_KEY_MODE: u32 = 0o077;

/// TLS of the listeners of one kind.
pub(crate) struct ServerTls {
    files: Tls,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    material: Material,
    config: Arc<ServerConfig>,
}

/// What is in the files.
#[derive(PartialEq, Eq)]
struct Material {
    certificate: Vec<u8>,
    key: Vec<u8>,
    authority: Vec<u8>,
}

impl ServerTls {
    /// Clients without a certificate of the trusted authority are refused in the handshake.
    pub(crate) fn new(files: &Tls) -> Result<Arc<Self>, StartError> {
        let material = Material::read(files)?;
        let config = material.server_config(files)?;
        Ok(Arc::new(Self { files: files.clone(), loaded: Mutex::new(Loaded { material, config }) }))
    }

    /// Shakes hands, with what the files hold now.
    pub(crate) async fn accept(self: Arc<Self>, connection: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let current = tokio::task::spawn_blocking(move || self.current()).await.map_err(io::Error::other)?;
        TlsAcceptor::from(current).accept(connection).await
    }

    fn current(&self) -> Arc<ServerConfig> {
        let read = Material::read(&self.files);
        let mut loaded = self.loaded.lock();
        let renewed = match read {
            Ok(material) if material == loaded.material => None,
            Ok(material) => Some(material.server_config(&self.files).map(|config| Loaded { material, config })),
            Err(error) => Some(Err(error)),
        };
        match renewed {
            None => {}
            Some(Ok(renewed)) => {
                tracing::info!(path = %self.files.cert_file.display(), "the certificate was replaced");
                *loaded = renewed;
            }
            // Perhaps only one of the files has been written yet.
            Some(Err(error)) => tracing::warn!(%error, "the certificate cannot be replaced"),
        }
        Arc::clone(&loaded.config)
    }
}

/// For a connection to another member.
pub(crate) fn client_config(files: &Tls) -> Result<ClientTlsConfig, StartError> {
    let Material { certificate, key, authority } = Material::read(files)?;
    let identity = Identity::from_pem(certificate, key);
    Ok(ClientTlsConfig::new().identity(identity).ca_certificate(Certificate::from_pem(authority)))
}

impl Material {
    fn read(files: &Tls) -> Result<Self, StartError> {
        let metadata = fs::metadata(&files.key_file).map_err(|error| unusable(&files.key_file, &error.to_string()))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & FORBIDDEN_KEY_MODE != 0 {
            let reason = format!("mode {mode:04o} lets others read the key; use chmod 600");
            return Err(unusable(&files.key_file, &reason));
        }
        Ok(Self {
            certificate: pem(&files.cert_file, "CERTIFICATE")?,
            key: pem(&files.key_file, "PRIVATE KEY")?,
            authority: pem(&files.trusted_ca_file, "CERTIFICATE")?,
        })
    }

    fn server_config(&self, files: &Tls) -> Result<Arc<ServerConfig>, StartError> {
        let failed = |path: &Path, error: &dyn std::fmt::Display| unusable(path, &error.to_string());
        let certificates = |pem: &[u8], path: &Path| {
            let certificates: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
            certificates.map_err(|error| failed(path, &error))
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(certificates(&self.authority, &files.trusted_ca_file)?);
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
            .build()
            .map_err(|error| failed(&files.trusted_ca_file, &error))?;
        let chain = certificates(&self.certificate, &files.cert_file)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| failed(&files.key_file, &error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_client_cert_verifier(verifier).with_single_cert(chain, key))
            .map_err(|error| failed(&files.cert_file, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn pem(path: &Path, what: &str) -> Result<Vec<u8>, StartError> {
    let text = fs::read(path).map_err(|error| unusable(path, &error.to_string()))?;
    let marker = format!("{what}-----");
    match text.windows(marker.len()).any(|window| window == marker.as_bytes()) {
        true => Ok(text),
        false => Err(unusable(path, &format!("no {what} in PEM form is in it"))),
    }
}

fn unusable(path: &Path, reason: &str) -> StartError {
    StartError::Tls { path: path.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let signed = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("cert"), signed.cert.pem()).unwrap();
        fs::write(path("key"), signed.signing_key.serialize_pem()).unwrap();
        let tls = Tls { cert_file: path("cert"), key_file: path("key"), trusted_ca_file: path("cert") };
        fs::set_permissions(path("key"), fs::Permissions::from_mode(0o644)).unwrap();
        assert!(ServerTls::new(&tls).is_err_and(|error| error.to_string().contains("chmod 600")));
        fs::set_permissions(path("key"), fs::Permissions::from_mode(0o600)).unwrap();
        assert!(ServerTls::new(&tls).is_ok());
    }
}
