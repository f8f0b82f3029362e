//! One client connection, HTTP/2 or (for the pages) HTTP/1, in one task with all its calls.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::body::Body;

use super::streams::Streams;

/// Streams of one client connection; a further one waits. etcd's default is the largest number there is.
const STREAMS_PER_CONNECTION_MAX: u32 = u32::MAX;
/// HTTP/2 flow-control window of one connection: what a client may have sent before it was read.
const WINDOW_BYTES: u32 = 1 << 20;
/// How often an idle connection is asked whether it is still there, and how long it may take to answer; etcd's values.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2 * 3600);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Any error of a connection.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocols {
    /// gRPC.
    Http2,
    /// gRPC, and pages that browsers and scripts fetch.
    Http1AndHttp2,
}

/// What answers the requests of a listener. Cheap to clone.
pub(super) trait Service: Clone + Send + Sync + 'static {
    /// Answers one request; failures are answers too.
    fn answer(&self, request: Request<Body>) -> impl Future<Output = Response<Body>> + Send + use<Self>;
}

/// Serves a connection to its end. When `stop` is cancelled no further call is taken; running ones finish.
pub(super) async fn serve(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    protocols: Protocols,
    service: impl Service,
    stop: CancellationToken,
) -> Result<(), BoxError> {
    let mut streams = Streams::default();
    let mut builder = auto::Builder::new(streams.starter());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        .keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    if protocols == Protocols::Http2 {
        builder = builder.http2_only();
    }
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = service.answer(request.map(Body::new));
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let mut finishing = false;
    loop {
        tokio::select! {
            biased;
            outcome = poll_fn(|context| streams.poll(connection.as_mut(), context)) => return outcome,
            () = stop.cancelled(), if !finishing => {
                finishing = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
