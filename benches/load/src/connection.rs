//! HTTP/2 connections over TLS with the administrator's certificate, and the requests that go over them.

use crate::kubeconfig::Target;
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What one connection may have in flight, far above its streams' windows: a stream that is not read must not hold up
/// the others, which share this.
const CONNECTION_WINDOW_BYTES: u32 = 64 * 1024 * 1024;

/// What Go's clients let the server send ahead on one stream.
pub(crate) const GO_STREAM_WINDOW_BYTES: u32 = 4 * 1024 * 1024;
/// The media type of all objects here.
pub(crate) const JSON: &str = "application/json";

/// One connection; its driver runs in the set it was opened with.
#[derive(Clone)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
}

impl Connection {
    /// Connects. `stream_window_bytes` is how much the server may send ahead on one stream.
    ///
    /// # Errors
    /// The server is not there, or does not speak HTTP/2 over TLS with us.
    pub(crate) async fn open(target: &Target, stream_window_bytes: u32, drivers: &mut JoinSet<()>) -> Result<Self> {
        let tcp = TcpStream::connect(&target.authority).await?;
        tcp.set_nodelay(true)?;
        let tls = tokio_rustls::TlsConnector::from(target.tls.clone()).connect(target.name.clone(), tcp).await?;
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(stream_window_bytes)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(TokioIo::new(tls))
            .await?;
        // An error of the driver is an error of every request on it, which is where it is reported.
        drivers.spawn(async move { drop(driver.await) });
        Ok(Self { sender, authority: target.authority.clone() })
    }

    /// Opens several.
    ///
    /// # Errors
    /// One of them cannot be opened.
    pub(crate) async fn open_many(
        target: &Target,
        count: usize,
        stream_window_bytes: u32,
        drivers: &mut JoinSet<()>,
    ) -> Result<Vec<Self>> {
        let mut connections = Vec::with_capacity(count);
        for _ in 0..count {
            connections.push(Self::open(target, stream_window_bytes, drivers).await?);
        }
        Ok(connections)
    }

    /// Sends a request and returns the answer's head with a body to read.
    ///
    /// # Errors
    /// The connection is gone.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        accept: &str,
        body: Bytes,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("https://{}{path}", self.authority))
            .header("accept", accept)
            .header("user-agent", "raftsman-load");
        if !body.is_empty() {
            request = request.header("content-type", JSON);
        }
        self.sender.ready().await?;
        Ok(self.sender.send_request(request.body(Full::new(body))?).await?)
    }

    /// Sends a request and counts the bytes of a successful answer without keeping them.
    ///
    /// # Errors
    /// The answer does not come whole, or is an error.
    pub(crate) async fn count(&mut self, method: Method, path: &str, accept: &str, body: Bytes) -> Result<u64> {
        let response = self.send(method, path, accept, body).await?;
        let status = response.status();
        let mut answer = response.into_body();
        if !status.is_success() {
            bail!("{path}: {status}: {}", String::from_utf8_lossy(&answer.collect().await?.to_bytes()));
        }
        let mut bytes = 0;
        while let Some(frame) = answer.frame().await {
            bytes += frame.context("the answer broke off")?.data_ref().map_or(0, |data| data.len() as u64);
        }
        Ok(bytes)
    }

    /// Sends a request and returns status and whole answer.
    ///
    /// # Errors
    /// The answer does not come whole.
    pub(crate) async fn fetch(&mut self, method: Method, path: &str, body: Bytes) -> Result<(StatusCode, Bytes)> {
        let response = self.send(method, path, JSON, body).await?;
        Ok((response.status(), response.into_body().collect().await?.to_bytes()))
    }
}
