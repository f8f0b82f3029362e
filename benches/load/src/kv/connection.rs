//! gRPC over HTTP/2 without TLS, as little of it as a put needs.

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const PUT: &str = "/etcdserverpb.KV/Put";
/// What the server may send ahead; answers are small.
const WINDOW_BYTES: u32 = 1 << 20;
/// The trailer that says how a call ended, and its value for success.
const STATUS: &str = "grpc-status";
const OK: &str = "0";

/// One connection; its driver runs in the set it was opened with.
#[derive(Clone)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    uri: Uri,
    headers: HeaderMap,
}

impl Connection {
    pub(super) async fn open(authority: &str, drivers: &mut JoinSet<()>) -> Result<Self> {
        let tcp = TcpStream::connect(authority).await?;
        tcp.set_nodelay(true)?;
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .handshake(TokioIo::new(tcp))
            .await?;
        // An error of the driver is an error of every request on it, which is where it is reported.
        drivers.spawn(async move { drop(driver.await) });
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        Ok(Self { sender, uri: format!("http://{authority}{PUT}").parse()?, headers })
    }

    /// Sends a put and waits until the server says that it is done.
    pub(super) async fn put(&mut self, body: Bytes) -> Result<()> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.headers.clone();
        self.sender.ready().await?;
        let response = self.sender.send_request(request).await?;
        if !response.status().is_success() {
            bail!("HTTP status {}", response.status());
        }
        if response.headers().contains_key(STATUS) {
            return check(response.headers());
        }
        let mut answer = response.into_body();
        while let Some(frame) = answer.frame().await {
            if let Some(trailers) = frame.context("the answer broke off")?.trailers_ref() {
                return check(trailers);
            }
        }
        bail!("the answer has no trailers")
    }
}

fn check(trailers: &HeaderMap) -> Result<()> {
    let text = |name| trailers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text(STATUS) {
        OK => Ok(()),
        status => bail!("gRPC status {status}: {}", text("grpc-message")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_with_its_text() {
        let mut trailers = HeaderMap::new();
        trailers.insert(STATUS, HeaderValue::from_static("8"));
        trailers.insert("grpc-message", HeaderValue::from_static("etcdserver: too many requests"));
        assert_eq!(check(&trailers).unwrap_err().to_string(), "gRPC status 8: etcdserver: too many requests");
        trailers.insert(STATUS, HeaderValue::from_static("0"));
        assert!(check(&trailers).is_ok());
        assert!(check(&HeaderMap::new()).is_err());
    }
}
