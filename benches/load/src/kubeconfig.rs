//! The administrator's kubeconfig as the server writes it: YAML, with keys and certificates inside.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// Where the server is and how to speak to it.
#[derive(Clone)]
pub(crate) struct Target {
    /// Host and port.
    pub(crate) authority: String,
    /// The name that the certificate must have.
    pub(crate) name: ServerName<'static>,
    /// Trust and the client's certificate.
    pub(crate) tls: Arc<ClientConfig>,
}

impl Target {
    /// Reads a kubeconfig.
    ///
    /// # Errors
    /// It cannot be read, or is not what the server writes.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let config: Value = serde_saphyr::from_str(&text).context("the kubeconfig is not YAML")?;
        let server = config["clusters"][0]["cluster"]["server"].as_str().context("the kubeconfig names no server")?;
        let uri: http::Uri = server.parse().context("the kubeconfig's server is no URL")?;
        let authority = uri.authority().context("the kubeconfig's server has no host")?;
        let name = ServerName::try_from(authority.host().to_owned()).context("the server's host is no name")?;

        let mut roots = RootCertStore::empty();
        let ca = pem(&config["clusters"][0]["cluster"]["certificate-authority-data"])?;
        roots.add(CertificateDer::from_pem_slice(&ca)?)?;
        let user = &config["users"][0]["user"];
        let chain =
            CertificateDer::pem_slice_iter(&pem(&user["client-certificate-data"])?).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(&pem(&user["client-key-data"])?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        tls.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { authority: authority.as_str().to_owned(), name, tls: Arc::new(tls) })
    }
}

fn pem(field: &Value) -> Result<Vec<u8>> {
    let text = field.as_str().context("the kubeconfig carries no keys: it is not the server's own")?;
    Ok(STANDARD.decode(text)?)
}
