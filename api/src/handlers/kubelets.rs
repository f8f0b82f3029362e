//! Requests to the nodes' agents, on behalf of clients that have been authorized here.
//!
//! Every connection is TLS, shows the server's client certificate and verifies the agent's. Redirects are answers like
//! any other and never followed; addresses that no node can have are refused before anything is dialled.

use crate::config::KubeletClient;
use crate::http::BoxError;
use ::http::{Request, Response, Uri};
use api_machinery::value;
use bytes::Bytes;
use futures::future::{Either, select};
use http_body::{Frame, SizeHint};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An agent that does not answer the handshake within this time is taken for dead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where agents listen unless their node says otherwise.
const PORT: u16 = 10250;

type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// Why an agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The node has no address that can be used.
    #[error("no preferred addresses found; known addresses: []")]
    NoAddress,
    /// The address is not one that a node can have.
    #[error("the address {0} of the node is not allowed")]
    Forbidden(String),
    /// Connecting took too long.
    #[error("dial tcp {0}: i/o timeout")]
    Timeout(String),
    /// Connecting failed.
    #[error("dial tcp {address}: {source}")]
    Dial {
        /// Where to.
        address: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// HTTP failed.
    #[error(transparent)]
    Http(#[from] hyper::Error),
    /// The request cannot be made.
    #[error(transparent)]
    Request(#[from] ::http::Error),
}

/// The client towards all agents.
#[derive(Clone)]
pub struct Kubelets {
    tls: TlsConnector,
}

impl std::fmt::Debug for Kubelets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Kubelets")
    }
}

impl Kubelets {
    /// A client with this identity.
    ///
    /// # Errors
    /// Says which PEM cannot be used.
    pub fn new(client: &KubeletClient) -> Result<Self, String> {
        let certificates = |pem: &[u8], what: &str| -> Result<Vec<CertificateDer<'static>>, String> {
            rustls_pemfile::certs(&mut &*pem).collect::<Result<_, _>>().map_err(|error| format!("{what}: {error}"))
        };
        let mut roots = rustls::RootCertStore::empty();
        for certificate in certificates(&client.ca_pem, "CA of the agents")? {
            roots.add(certificate).map_err(|error| format!("CA of the agents: {error}"))?;
        }
        let chain = certificates(&client.cert_pem, "client certificate")?;
        let key: PrivateKeyDer<'static> = rustls_pemfile::private_key(&mut &*client.key_pem)
            .map_err(|error| format!("client key: {error}"))?
            .ok_or("client key: no key found")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| format!("client certificate: {error}"))?;
        Ok(Self { tls: TlsConnector::from(Arc::new(config)) })
    }

    /// GET of a path from the agent of a node.
    pub(super) async fn get(&self, node: &Value, path_and_query: &str) -> Result<Response<Answer>, AskError> {
        let host = address(node).ok_or(AskError::NoAddress)?;
        let port = value::i64_at(node, &["status", "daemonEndpoints", "kubeletEndpoint", "Port"]);
        let port = port.and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0).unwrap_or(PORT);
        let shown = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let dial = |source| AskError::Dial { address: shown.clone(), source };
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, async {
            // Resolved once: what is checked is what is dialled.
            let resolved = tokio::net::lookup_host((host, port)).await.map_err(dial)?.next();
            let resolved = resolved.ok_or(AskError::NoAddress)?;
            if !is_dialable(resolved.ip()) {
                return Err(AskError::Forbidden(host.to_owned()));
            }
            let tcp = TcpStream::connect(resolved).await.map_err(dial)?;
            tcp.set_nodelay(true).map_err(dial)?;
            let name = ServerName::try_from(host.to_owned()).map_err(|_| AskError::NoAddress)?;
            self.tls.connect(name, tcp).await.map_err(dial)
        })
        .await
        .map_err(|_| AskError::Timeout(shown.clone()))??;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let uri: Uri = path_and_query.parse().map_err(::http::Error::from)?;
        let request = Request::get(uri).header(::http::header::HOST, &shown).body(Empty::<Bytes>::new())?;
        let connection: Connection = Box::pin(connection);
        let sent = Box::pin(async move { sender.send_request(request).await });
        let (response, connection) = match select(sent, connection).await {
            Either::Left((response, connection)) => (response?, Some(connection)),
            Either::Right((ended, sent)) => {
                ended?;
                (sent.await?, None)
            }
        };
        Ok(response.map(|body| Answer { body, connection }))
    }
}

/// The answer of an agent. The connection lives as long as the body is read, and ends with it.
pub(super) struct Answer {
    body: Incoming,
    connection: Option<Connection>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(connection) = &mut self.connection
            && connection.as_mut().poll(cx).is_ready()
        {
            self.connection = None;
        }
        Pin::new(&mut self.body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The node's address: that of its network before its name.
fn address(node: &Value) -> Option<&str> {
    let addresses = value::items_at(node, &["status", "addresses"]);
    ["InternalIP", "Hostname", "InternalDNS", "ExternalIP", "ExternalDNS"].iter().find_map(|kind| {
        addresses.iter().find(|address| address["type"] == **kind).and_then(|address| address["address"].as_str())
    })
}

/// Not link-local (cloud metadata lives there), multicast or unspecified.
fn is_dialable(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    !(link_local || ip.is_multicast() || ip.is_unspecified())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_that_no_node_has_are_not_dialled() {
        for bad in ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1", "::", "255.255.255.255"] {
            assert!(!is_dialable(bad.parse().expect("an address")), "{bad}");
        }
        for good in ["10.0.0.1", "127.0.0.1", "192.168.1.1", "fd00::1"] {
            assert!(is_dialable(good.parse().expect("an address")), "{good}");
        }
    }

    #[test]
    fn the_internal_address_comes_before_the_name() {
        let node = json!({"status": {"addresses": [{"type": "Hostname", "address": "n"},
            {"type": "InternalIP", "address": "10.0.0.9"}]}});
        assert_eq!(address(&node), Some("10.0.0.9"));
        assert_eq!(address(&json!({})), None);
    }
}
