//! Filter: every answer names its request, by the client's `Audit-ID` or a new one.

use ::http::header::{HeaderMap, HeaderName, HeaderValue};

const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");
/// A client's own id that is longer is replaced by a new one.
const ID_BYTES_MAX: usize = 64;

/// The id of a request with these headers.
pub fn of(request: &HeaderMap) -> HeaderValue {
    match request.get(AUDIT_ID) {
        Some(id) if !id.is_empty() && id.len() <= ID_BYTES_MAX => id.clone(),
        _ => {
            let mut text = uuid::Uuid::encode_buffer();
            let text: &str = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
            HeaderValue::from_str(text).expect("hexadecimal digits and hyphens")
        }
    }
}

/// Puts the id on an answer.
pub fn write(id: HeaderValue, answer: &mut HeaderMap) {
    answer.insert(AUDIT_ID, id);
}
