//! Bodies: what comes in (read whole, under a limit) and what goes out (bytes that are already encoded).

use crate::filters::in_flight::RequestGuard;
use bytes::{Bytes, BytesMut};
use futures::Stream;
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Any error of a body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response body. Whole bodies need no allocation of their own; streams are boxed once.
pub struct Body {
    kind: Kind,
    /// Let go when the last byte has been handed over or the body is dropped.
    guard: Option<RequestGuard>,
}

type BoxedBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>;

enum Kind {
    Empty,
    Full(Bytes),
    Chunks { rest: std::vec::IntoIter<Bytes>, bytes_left: u64 },
    Boxed(BoxedBody),
}

impl Body {
    /// No bytes at all.
    pub const fn empty() -> Self {
        Self { kind: Kind::Empty, guard: None }
    }

    /// All of it at once.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Self { kind: Kind::Full(bytes), guard: None } }
    }

    /// Pieces that are already there; sent one after the other with a Content-Length.
    pub fn chunks(chunks: Vec<Bytes>) -> Self {
        let bytes_left = chunks.iter().map(|chunk| chunk.len() as u64).sum();
        Self { kind: Kind::Chunks { rest: chunks.into_iter(), bytes_left }, guard: None }
    }

    /// Pieces that come into being while they are sent; the length is not known.
    pub fn stream<S, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        use futures::{StreamExt, TryStreamExt};
        Self::boxed(http_body_util::StreamBody::new(stream.map_err(Into::into).map(|item| item.map(Frame::data))))
    }

    /// Any other body.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        Self { kind: Kind::Boxed(Box::pin(body)), guard: None }
    }

    /// Holds on to the request's accounting until the body is done.
    pub(crate) fn guarded(mut self, guard: RequestGuard) -> Self {
        self.guard = Some(guard);
        self
    }

    /// Takes the accounting off, to put it on a body that wraps this one.
    pub(crate) fn take_guard(&mut self) -> Option<RequestGuard> {
        self.guard.take()
    }

    /// Whether every byte is already in memory.
    pub fn is_whole(&self) -> bool {
        !matches!(self.kind, Kind::Boxed(_))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                self.kind = Kind::Empty;
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
            Kind::Chunks { rest, bytes_left } => Poll::Ready(rest.next().map(|chunk| {
                *bytes_left -= chunk.len() as u64;
                Ok(Frame::data(chunk))
            })),
            Kind::Boxed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(_) => false,
            Kind::Chunks { rest, .. } => rest.len() == 0,
            Kind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Chunks { bytes_left, .. } => SizeHint::with_exact(*bytes_left),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

/// What is taken in and forgotten of a body that is too large; of a larger one the connection ends.
pub const DRAINED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A request body that has not been read yet, from a socket or from this process.
pub struct RequestBody(RequestKind);

enum RequestKind {
    Incoming(hyper::body::Incoming),
    Boxed(BoxedBody),
}

/// Why a request body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// More than the limit.
    #[error("limit is {limit}")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The peer went away or broke the protocol.
    #[error("reading the request body: {0}")]
    Broken(BoxError),
}

impl RequestBody {
    /// A body of this process.
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self(RequestKind::Boxed(Box::pin(body.map_err(Into::into))))
    }

    /// Reads everything, at most `bytes_max`. A body of one frame is not copied.
    ///
    /// # Errors
    /// [`ReadError::TooLarge`], keeping nothing of it; [`ReadError::Broken`] when the peer fails.
    pub async fn read(mut self, bytes_max: usize) -> Result<Bytes, ReadError> {
        let announced = http_body::Body::size_hint(&self).lower();
        if announced > bytes_max as u64 {
            if announced <= (bytes_max + DRAINED_BYTES_MAX) as u64 {
                self.drain().await;
            }
            return Err(ReadError::TooLarge { limit: bytes_max });
        }
        let mut first = Bytes::new();
        let mut joined = BytesMut::new();
        while let Some(frame) = self.frame().await {
            let Ok(data) = frame.map_err(ReadError::Broken)?.into_data() else { continue };
            if first.len().max(joined.len()) + data.len() > bytes_max {
                self.drain().await;
                return Err(ReadError::TooLarge { limit: bytes_max });
            }
            if first.is_empty() && joined.is_empty() {
                first = data;
                continue;
            }
            if joined.is_empty() {
                joined.extend_from_slice(&first);
                first = Bytes::new();
            }
            joined.extend_from_slice(&data);
        }
        Ok(if joined.is_empty() { first } else { joined.freeze() })
    }

    /// Takes in what the client is still sending: one that writes all before it reads sees its refusal only so.
    async fn drain(&mut self) {
        let mut left = DRAINED_BYTES_MAX;
        while let Some(Ok(frame)) = self.frame().await {
            let bytes = frame.into_data().map_or(0, |data| data.len());
            if bytes > left {
                return;
            }
            left -= bytes;
        }
    }
}

impl From<hyper::body::Incoming> for RequestBody {
    fn from(body: hyper::body::Incoming) -> Self {
        Self(RequestKind::Incoming(body))
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.0 {
            RequestKind::Incoming(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
            RequestKind::Boxed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            RequestKind::Incoming(body) => body.is_end_stream(),
            RequestKind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            RequestKind::Incoming(body) => body.size_hint(),
            RequestKind::Boxed(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestBody")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::{Full, StreamBody};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn pieces(pieces: &'static [&'static str]) -> RequestBody {
        let frames = pieces.iter().map(|piece| Ok::<_, BoxError>(Frame::data(Bytes::from_static(piece.as_bytes()))));
        RequestBody::boxed(StreamBody::new(futures::stream::iter(frames)))
    }

    #[tokio::test]
    async fn a_body_is_read_whole_and_in_order() {
        assert_eq!(pieces(&["ab", "c", "", "def"]).read(6).await.expect("fits"), "abcdef");
        assert_eq!(RequestBody::boxed(Full::new(Bytes::from("x"))).read(1).await.expect("fits"), "x");
        assert_eq!(pieces(&[]).read(0).await.expect("empty"), "");
    }

    #[tokio::test]
    async fn a_body_above_the_limit_is_refused_whether_or_not_its_length_is_known() {
        let streamed = pieces(&["abc", "def"]).read(5).await;
        assert!(matches!(streamed, Err(ReadError::TooLarge { limit: 5 })), "{streamed:?}");
        let known = RequestBody::boxed(Full::new(Bytes::from("abcdef"))).read(5).await;
        assert!(matches!(known, Err(ReadError::TooLarge { limit: 5 })), "{known:?}");
    }

    #[tokio::test]
    async fn what_a_client_still_sends_of_a_refused_body_is_taken_in_within_limits() {
        const CHUNK_BYTES: usize = 1024 * 1024;
        for (sent, taken_max) in [(5, 5), (100, 2 + DRAINED_BYTES_MAX / CHUNK_BYTES)] {
            let taken = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&taken);
            let chunks = (0..sent).map(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                Ok::<_, BoxError>(Frame::data(Bytes::from(vec![b'x'; CHUNK_BYTES])))
            });
            let body = RequestBody::boxed(StreamBody::new(futures::stream::iter(chunks)));
            assert!(body.read(10).await.is_err());
            assert_eq!(taken.load(Ordering::SeqCst), taken_max);
        }
    }

    #[tokio::test]
    async fn chunks_know_their_length() {
        let body = Body::chunks(vec![Bytes::from("ab"), Bytes::from("c")]);
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(3));
        assert_eq!(body.collect().await.expect("in memory").to_bytes(), "abc");
    }
}
