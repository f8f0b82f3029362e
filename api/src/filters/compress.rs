//! Filter: large answers shrink on the way, for those who ask for gzip.
//!
//! Compression happens piece by piece while the body is sent: nothing is held twice.

use crate::filters::request_info::Verb;
use crate::http::{Body, BoxError};
use ::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, VARY};
use ::http::{Response, StatusCode};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::Frame;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Smaller answers are sent as they are (upstream's value).
pub const COMPRESSED_BYTES_MIN: u64 = 128 * 1024;
/// zlib's level (upstream's value): fast.
const LEVEL: u32 = 1;
/// A large piece is compressed in steps of this size, so that no answer keeps a thread for long.
const STEP_BYTES: usize = 64 * 1024;

/// Whether a client of these headers takes gzip.
pub fn wanted(request: &HeaderMap) -> bool {
    request.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value.split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("gzip") && !parts.any(|part| part == "q=0" || part == "q=0.0")
        })
    })
}

/// Compresses the answer to a get or list if it is worth it.
pub fn apply(wanted: bool, verb: Verb, response: Response<Body>) -> Response<Body> {
    let long_enough = http_body::Body::size_hint(response.body()).lower() >= COMPRESSED_BYTES_MIN;
    if !wanted
        || !long_enough
        || !matches!(verb, Verb::Get | Verb::List)
        || response.status() != StatusCode::OK
        || response.headers().contains_key(CONTENT_ENCODING)
    {
        return response;
    }
    let (mut head, mut body) = response.into_parts();
    let guard = body.take_guard();
    head.headers.remove(CONTENT_LENGTH);
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    let mut compressed = Body::boxed(Gzip {
        inner: body,
        piece: Bytes::new(),
        encoder: Some(GzEncoder::new(Vec::new(), Compression::new(LEVEL))),
    });
    if let Some(guard) = guard {
        compressed = compressed.guarded(guard);
    }
    Response::from_parts(head, compressed)
}

struct Gzip {
    inner: Body,
    piece: Bytes,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl http_body::Body for Gzip {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        while let Some(encoder) = &mut this.encoder {
            if this.piece.is_empty() {
                match Pin::new(&mut this.inner).poll_frame(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(Some(Ok(frame))) => this.piece = frame.into_data().unwrap_or_default(),
                    Poll::Ready(None) => {
                        let encoder = this.encoder.take().expect("just seen");
                        return Poll::Ready(Some(match encoder.finish() {
                            Ok(rest) => Ok(Frame::data(Bytes::from(rest))),
                            Err(error) => Err(error.into()),
                        }));
                    }
                }
            }
            let step = this.piece.split_to(this.piece.len().min(STEP_BYTES));
            if let Err(error) = encoder.write_all(&step) {
                return Poll::Ready(Some(Err(error.into())));
            }
            let out = encoder.get_mut();
            if !out.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from(std::mem::take(out))))));
            }
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Read;

    fn headers(value: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(value));
        headers
    }

    #[test]
    fn only_those_who_ask_get_gzip() {
        assert!(wanted(&headers("gzip")));
        assert!(wanted(&headers("deflate, gzip;q=0.5")));
        assert!(!wanted(&headers("gzip;q=0")));
        assert!(!wanted(&headers("identity")));
        assert!(!wanted(&HeaderMap::new()));
    }

    // proves: AM-29
    #[tokio::test]
    async fn a_large_answer_is_compressed_and_reads_back_the_same() {
        let text: Vec<u8> = (0..300_000u32).flat_map(|number| number.to_string().into_bytes()).collect();
        let whole = Bytes::from(text);
        let chunks = vec![whole.slice(..100_000), whole.slice(100_000..100_001), whole.slice(100_001..)];
        let response = apply(true, Verb::List, Response::new(Body::chunks(chunks)));
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip");
        let sent = response.into_body().collect().await.expect("in memory").to_bytes();
        assert!(sent.len() < whole.len() / 2);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(&sent[..]).read_to_end(&mut back).expect("gzip");
        assert_eq!(back, whole);
    }

    #[tokio::test]
    async fn small_answers_and_writes_stay_as_they_are() {
        let small = apply(true, Verb::List, Response::new(Body::full(vec![b'x'; 1000])));
        assert!(!small.headers().contains_key(CONTENT_ENCODING));
        let written = apply(true, Verb::Create, Response::new(Body::full(vec![b'x'; 200_000])));
        assert!(!written.headers().contains_key(CONTENT_ENCODING));
    }
}
