//! Filter: how much a client may send. Handlers read their body through here and nowhere else.

use crate::http::RequestBody;
use crate::http::body::ReadError;
use api_machinery::status::Status;
use bytes::Bytes;

/// The largest request body (upstream's value); more is answered 413.
pub const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Reads the whole body.
///
/// # Errors
/// 413 above [`BODY_BYTES_MAX`]; 400 when the client breaks off.
pub async fn read(body: RequestBody) -> Result<Bytes, Status> {
    body.read(BODY_BYTES_MAX).await.map_err(|error| match error {
        ReadError::TooLarge { .. } => Status::request_entity_too_large(error),
        ReadError::Broken(_) => Status::bad_request(error.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    // proves: OP-02
    #[tokio::test]
    async fn three_mebibytes_are_read_and_one_byte_more_is_refused() {
        let body = |bytes| RequestBody::boxed(Full::new(Bytes::from(vec![b'x'; bytes])));
        assert_eq!(read(body(BODY_BYTES_MAX)).await.expect("fits").len(), BODY_BYTES_MAX);
        let refused = read(body(BODY_BYTES_MAX + 1)).await.expect_err("too large");
        assert_eq!(refused.http_code(), 413);
        assert_eq!(refused.message, "Request entity too large: limit is 3145728");
    }
}
