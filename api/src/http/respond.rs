//! Answers that are not objects: statuses, plain text, documents that rarely change.

use crate::http::Body;
use ::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use ::http::{HeaderMap, Response, StatusCode};
use api_machinery::status::Status;
use bytes::Bytes;

/// The media type of almost everything.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What Go's `http.Error` sends.
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// A [`Status`] with its code, and Retry-After where it says so.
pub fn status(status: &Status) -> Response<Body> {
    let code = StatusCode::from_u16(status.http_code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(code, status.to_json());
    if let Some(seconds) = status.retry_after_seconds() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// JSON that is already encoded.
pub fn json(code: StatusCode, bytes: Bytes) -> Response<Body> {
    with_type(code, JSON, bytes)
}

/// JSON that comes into being while it is sent.
pub fn with_body(code: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Bytes of any type.
pub fn with_type(code: StatusCode, media_type: HeaderValue, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}

/// Plain text, as Go's `http.Error` sends it.
pub fn text(code: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = with_type(code, TEXT, text.into());
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// A document with an entity tag: 304 without a body to whoever has it already.
pub fn tagged(request: &HeaderMap, etag: &HeaderValue, media_type: HeaderValue, bytes: Bytes) -> Response<Body> {
    let known = request.get(IF_NONE_MATCH).is_some_and(|tags| matches(tags.as_bytes(), etag.as_bytes()));
    let mut response = if known {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        with_type(StatusCode::OK, media_type, bytes)
    };
    response.headers_mut().insert(ETAG, etag.clone());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public"));
    response
}

fn matches(tags: &[u8], etag: &[u8]) -> bool {
    tags.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|tag| {
        let tag = tag.strip_prefix(b"W/").unwrap_or(tag);
        tag == b"*" || tag == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_the_client_has_is_not_sent_again() {
        let etag = HeaderValue::from_static("\"abc\"");
        for (sent, code) in
            [("\"abc\"", 304), ("W/\"abc\"", 304), ("\"x\", \"abc\"", 304), ("*", 304), ("\"abcd\"", 200), ("abc", 200)]
        {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(sent));
            assert_eq!(tagged(&headers, &etag, JSON, Bytes::from_static(b"{}")).status(), code, "{sent}");
        }
    }
}
