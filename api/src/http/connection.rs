//! One connection after the handshake: HTTP/2 or HTTP/1.1 by ALPN, until it ends, idles too long or is asked to end.

use crate::http::gather::Gathered;
use crate::http::peer::Peer;
use crate::http::{Body, BoxError, RequestBody};
use ::http::{Request, Response};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// Requests at once on one HTTP/2 connection; more wait in the client (upstream's value).
pub const STREAMS_PER_CONNECTION_MAX: u32 = 100;
/// What a client may send on one HTTP/2 stream before it must wait for the server to read (upstream's value).
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
/// The largest HTTP/2 frame a client may send (upstream's value).
pub const FRAME_BYTES_MAX: u32 = 256 * 1024;
/// What the server holds for one HTTP/2 stream whose client does not read; the handler then waits.
pub const STREAM_SEND_BUFFER_BYTES: usize = 64 * 1024;
/// All headers of a request together; more is refused with 431 (upstream's value).
pub const HEADER_BYTES_MAX: u32 = 1024 * 1024;
/// Streams a client may reset before the server has looked at them; more end the connection (CVE-2023-44487).
pub const RESET_STREAMS_MAX: usize = 100;
/// A connection must show a first request within this; then it is closed (upstream's header timeout).
const FIRST_REQUEST_SECONDS: u64 = 32;
/// A connection without requests is closed after this (upstream's value).
const IDLE_SECONDS: u64 = 90;
/// A peer that answers no HTTP/2 ping for this long is gone (upstream's values: 30 and 15 s).
const PING_INTERVAL_SECONDS: u64 = 30;
const PING_TIMEOUT_SECONDS: u64 = 15;
/// How often the two limits above are looked at.
const CHECK_SECONDS: u64 = 15;

/// Something that answers requests of a peer.
pub trait Service: Send + Sync + 'static {
    /// Answers one request; never fails, failures are answers.
    fn serve(
        self: Arc<Self>,
        peer: Arc<Peer>,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Serves one connection to its end. When `stop` is cancelled no further request is taken; running ones finish.
pub async fn serve<S: Service>(
    stream: TlsStream<TcpStream>,
    peer: Arc<Peer>,
    service: Arc<S>,
    stop: CancellationToken,
) {
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let output = Gathered::new(stream);
    let io = TokioIo::new(output.clone());
    let answer = {
        let peer = Arc::clone(&peer);
        service_fn(move |request: Request<hyper::body::Incoming>| {
            let (service, peer) = (Arc::clone(&service), Arc::clone(&peer));
            // Boxed, so that what answering needs is given back when the answer begins: hyper keeps this future's room for
            // as long as the body lasts, which for a watch is an hour.
            async move { Ok::<_, Infallible>(Box::pin(service.serve(peer, request.map(RequestBody::from))).await) }
        })
    };
    let outcome = if is_http2 {
        let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(STREAM_WINDOW_BYTES * STREAMS_PER_CONNECTION_MAX)
            .max_frame_size(FRAME_BYTES_MAX)
            .max_send_buf_size(STREAM_SEND_BUFFER_BYTES)
            .max_header_list_size(HEADER_BYTES_MAX)
            .max_pending_accept_reset_streams(RESET_STREAMS_MAX)
            .keep_alive_interval(Duration::from_secs(PING_INTERVAL_SECONDS))
            .keep_alive_timeout(Duration::from_secs(PING_TIMEOUT_SECONDS));
        drive(builder.serve_connection(io, answer), &output, &peer, &stop).await
    } else {
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(IDLE_SECONDS))
            .max_buf_size(HEADER_BYTES_MAX as usize);
        drive(builder.serve_connection(io, answer), &output, &peer, &stop).await
    };
    if let Err(error) = outcome {
        tracing::debug!(peer = %peer.address, %error, "connection ended");
    }
}

/// A hyper connection of either version.
trait Drive: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

impl<I, B, S> Drive for hyper::server::conn::http1::Connection<I, S>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, B, S, E> Drive for hyper::server::conn::http2::Connection<I, S, E>
where
    S: hyper::service::HttpService<hyper::body::Incoming, ResBody = B>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    B: http_body::Body + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    E: hyper::rt::bounds::Http2ServerConnExec<S::Future, B>,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn drive(
    connection: impl Drive,
    output: &Gathered<TlsStream<TcpStream>>,
    peer: &Peer,
    stop: &CancellationToken,
) -> Result<(), BoxError> {
    let mut connection = pin!(connection);
    let mut finishing = false;
    let mut has_yielded = false;
    let started = tokio::time::Instant::now();
    loop {
        let turn = std::future::poll_fn(|cx| poll_turn(cx, connection.as_mut(), output, peer, &mut has_yielded));
        tokio::select! {
            biased;
            outcome = turn => return outcome,
            () = stop.cancelled(), if !finishing => {
                finishing = true;
                connection.as_mut().finish();
            }
            () = tokio::time::sleep(Duration::from_secs(CHECK_SECONDS)), if !finishing => {
                let silent = !peer.has_asked() && started.elapsed() >= Duration::from_secs(FIRST_REQUEST_SECONDS);
                if silent {
                    return Ok(());
                }
                if peer.idle().is_some_and(|idle| idle >= Duration::from_secs(IDLE_SECONDS)) {
                    finishing = true;
                    connection.as_mut().finish();
                }
            }
        }
    }
}

/// One turn: hyper does what it can, then what it wrote goes out together.
///
/// Where several requests share the connection, the turn first lets the tasks that are ready run: an event wakes all
/// watches at once, and the first to write would otherwise have the connection send its frame alone.
fn poll_turn(
    cx: &mut Context<'_>,
    connection: Pin<&mut impl Drive>,
    output: &Gathered<TlsStream<TcpStream>>,
    peer: &Peer,
    has_yielded: &mut bool,
) -> Poll<Result<(), BoxError>> {
    let is_shared = peer.running() > 1;
    *has_yielded = !*has_yielded && is_shared;
    if *has_yielded {
        cx.waker().wake_by_ref();
        return Poll::Pending;
    }
    output.set_gathering(is_shared);
    let outcome = connection.poll(cx);
    match output.poll_send(cx) {
        Poll::Ready(Err(error)) if outcome.is_pending() => Poll::Ready(Err(error.into())),
        _ => outcome.map_err(Into::into),
    }
}
