//! `pods/log` through a real TLS connection to a node's agent.

use super::{Server, pod};
use crate::config::KubeletClient;
use crate::handlers::Kubelets;
use ::http::Method;
use bytes::Bytes;
use http_body_util::BodyExt;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const PODS: &str = "/api/v1/namespaces/default/pods";

struct Identity {
    cert_pem: String,
    key_pem: String,
}

struct Ca {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("signed").pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        let cert_pem = params.signed_by(&key, &self.issuer).expect("signed").pem();
        Identity { cert_pem, key_pem: key.serialize_pem() }
    }

    fn client(&self) -> Kubelets {
        let own = self.issue("client");
        let client = KubeletClient {
            cert_pem: own.cert_pem.into(),
            key_pem: own.key_pem.into(),
            ca_pem: self.pem.clone().into(),
        };
        Kubelets::new(&client).expect("a client")
    }
}

/// An agent that answers one request with what `answers` brings, and the request it got.
#[allow(clippy::disallowed_methods, reason = "the runtime of a test ends its tasks")]
async fn agent(ca: &Ca, mut answers: mpsc::Receiver<&'static str>) -> (u16, tokio::task::JoinHandle<String>) {
    let own = ca.issue("127.0.0.1");
    let chain = rustls_pemfile::certs(&mut own.cert_pem.as_bytes()).collect::<Result<_, _>>().expect("a chain");
    let key = rustls_pemfile::private_key(&mut own.key_pem.as_bytes()).expect("a key").expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a certificate");
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let served = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a client");
        let Ok(mut stream) = tls.accept(tcp).await else { return String::new() };
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.expect("a request"));
        }
        while let Some(answer) = answers.recv().await {
            stream.write_all(answer.as_bytes()).await.expect("written");
            stream.flush().await.expect("flushed");
        }
        String::from_utf8(request).expect("text")
    });
    (port, served)
}

async fn with_pod(kubelets: Kubelets, port: u16) -> Server {
    let mut server = Server::start().await;
    server.handlers.kubelets = Some(kubelets);
    let node = json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}});
    server.post("/api/v1/nodes", &node).await.expect(201);
    let status = json!({"status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}});
    server.patch("/api/v1/nodes/n/status", "merge-patch", &status).await.expect(200);
    let mut object = pod("p");
    object["spec"]["nodeName"] = "n".into();
    server.post(PODS, &object).await.expect(201);
    server
}

#[tokio::test]
async fn a_log_is_passed_on_while_it_is_written() {
    let ca = Ca::new();
    let (answers, received) = mpsc::channel(4);
    let (port, served) = agent(&ca, received).await;
    let server = with_pod(ca.client(), port).await;
    answers.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nfirst\n\r\n").await.expect("open");
    let path = format!("{PODS}/p/log?follow=true&tailLines=5&timestamps=true");
    let (response, _) = server.open(Method::GET, &path, &[], Bytes::new()).await;
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].as_bytes()), (200, &b"text/plain"[..]));
    let mut body = response.into_body();
    let mut frame = async || body.frame().await.expect("a frame").expect("a frame").into_data().expect("data");
    assert_eq!(frame().await, "first\n");
    answers.send("7\r\nsecond\n\r\n0\r\n\r\n").await.expect("open");
    assert_eq!(frame().await, "second\n");
    drop(answers);
    let request = served.await.expect("served");
    let want = "GET /containerLogs/default/p/c?follow=true&timestamps=true&tailLines=5 HTTP/1.1\r\n";
    assert!(request.starts_with(want), "{request}");
}

#[tokio::test]
async fn an_agents_refusal_becomes_a_status_and_a_redirect_is_not_followed() {
    for (answer, code, reason) in [
        ("HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\n\r\nnope", 400, "BadRequest"),
        ("HTTP/1.1 500 Internal Server Error\r\ncontent-length: 4\r\n\r\nnope", 500, "InternalError"),
        ("HTTP/1.1 302 Found\r\nlocation: https://127.0.0.1:1/\r\ncontent-length: 4\r\n\r\nnope", 302, ""),
    ] {
        let ca = Ca::new();
        let (answers, received) = mpsc::channel(4);
        let (port, _served) = agent(&ca, received).await;
        let server = with_pod(ca.client(), port).await;
        answers.send(answer).await.expect("open");
        let refusal = server.get(&format!("{PODS}/p/log")).await.refusal();
        assert_eq!((refusal.0, &*refusal.1), (code, reason), "{}", refusal.2);
    }
}

#[tokio::test]
async fn an_agent_with_a_strangers_certificate_is_not_believed() {
    let (ca, stranger) = (Ca::new(), Ca::new());
    let (_answers, received) = mpsc::channel(1);
    let (port, _served) = agent(&stranger, received).await;
    let server = with_pod(ca.client(), port).await;
    let (code, _, message) = server.get(&format!("{PODS}/p/log")).await.refusal();
    assert_eq!(code, 500);
    assert!(message.contains("invalid peer certificate"), "{message}");
}
