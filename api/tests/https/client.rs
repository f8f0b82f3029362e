//! A small HTTPS client that shows what the server does on the wire: one connection, either version of HTTP.

use crate::pki::{Ca, Identity};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How to connect.
pub(crate) struct Dial<'a> {
    pub(crate) ca: &'a Ca,
    pub(crate) identity: Option<&'a Identity>,
    pub(crate) http2: bool,
    pub(crate) versions: &'static [&'static SupportedProtocolVersion],
}

/// One connection.
pub(crate) enum Connection {
    One(hyper::client::conn::http1::SendRequest<Full<Bytes>>),
    Two(hyper::client::conn::http2::SendRequest<Full<Bytes>>),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl<'a> Dial<'a> {
    pub(crate) fn new(ca: &'a Ca, identity: Option<&'a Identity>) -> Self {
        Self { ca, identity, http2: false, versions: rustls::ALL_VERSIONS }
    }

    pub(crate) async fn tls(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.pem.as_bytes()).expect("PEM")).expect("a CA");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![CertificateDer::from_pem_slice(identity.cert_pem.as_bytes()).expect("PEM")];
                let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(chain, key).expect("fit")
            }
        };
        config.alpn_protocols = vec![if self.http2 { b"h2".to_vec() } else { b"http/1.1".to_vec() }];
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    pub(crate) async fn connect(&self, address: SocketAddr) -> Connection {
        let io = TokioIo::new(self.tls(address).await.expect("TLS"));
        if self.http2 {
            let (sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.expect("HTTP/2");
            spawn(connection);
            Connection::Two(sender)
        } else {
            let (sender, connection) = hyper::client::conn::http1::handshake(io).await.expect("HTTP/1.1");
            spawn(connection);
            Connection::One(sender)
        }
    }
}

#[allow(clippy::disallowed_methods, reason = "tests have no supervisor")]
fn spawn<F: Future<Output = Result<(), hyper::Error>> + Send + 'static>(connection: F) {
    tokio::spawn(connection);
}

impl Connection {
    pub(crate) async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, hyper::Error> {
        match self {
            Self::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    pub(crate) async fn ask(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let mut request = Request::builder().method(method).uri(format!("https://localhost{path}"));
        if matches!(self, Self::One(_)) {
            request = request.header("host", "localhost").uri(path);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).expect("a request");
        let response = self.send(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a body").to_bytes();
        Answer { code: head.status.as_u16(), headers: head.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[], Vec::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json")];
        self.ask(Method::POST, path, &headers, body.to_string().into_bytes()).await
    }
}
