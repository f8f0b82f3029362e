//! What the tests of this folder share: a server's settings, and what its socket shows.

use crate::config::{Config, Settings};
use crate::pki::Pki;
use api::server::Handle;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

/// A server on any free port, with no nodes.
pub(super) fn config(data_dir: &Path) -> Config {
    let text = format!("data-dir = {data_dir:?}\nsecure-port = 0\nno-node = true");
    toml::from_str::<Settings>(&text).expect("settings").resolve().expect("a configuration")
}

/// The certificate that a new connection sees; it is one of the cluster's CA.
pub(super) async fn shown_certificate(api: &Handle, pki: &Pki) -> CertificateDer<'static> {
    let address = api.local_addr().expect("an address");
    let ca = CertificateDer::from_pem_slice(pki.ca_certificate().expect("a CA").as_bytes()).expect("a certificate");
    let handshake = move || {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca).expect("a CA");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::from(address.ip());
        let mut connection = rustls::ClientConnection::new(Arc::new(config), name).expect("a connection");
        let mut socket = TcpStream::connect(address).expect("connected");
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).expect("a handshake");
        }
        connection.peer_certificates().and_then(|chain| chain.first()).expect("a certificate").clone().into_owned()
    };
    tokio::task::spawn_blocking(handshake).await.expect("a certificate")
}
