//! The one decoder and encoder of objects.
//!
//! Everything that turns bytes into a [`Value`] goes through [`decode`], which counts ([`decodes`]), so that a test can
//! prove that reading a stored object parses nothing. Nesting is bounded, what YAML aliases repeat too, what is
//! not UTF-8 in JSON is replaced as Go replaces it, and duplicate fields are reported for strict field validation. Error
//! texts are upstream's where upstream has one: Go's `encoding/json` for syntax, go-yaml for duplicates.
//!
//! Not here: types. A [`Value`] that came out of this module is any JSON; [`crate::schema`] knows what it may be.

mod build;
mod json;
mod order;
mod rename;
mod splice;
mod walk;
mod yaml;

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use serde_json::Value;

pub use order::in_document_order;
pub use rename::rename_into;
pub use splice::{encode_with_splice_point, splice, splice_into, splice_item_into};

/// Deepest nesting of lists and maps. A deeper body is refused; the deepest built-in kind needs about 30.
pub const NESTING_DEPTH_MAX: usize = 120;

/// Longest body that an error message repeats, in bytes.
const SUMMARY_BYTES_MAX: usize = 30;

static DECODES: AtomicU64 = AtomicU64::new(0);

/// How many bodies this process has decoded so far.
pub fn decodes() -> u64 {
    DECODES.load(Ordering::Relaxed)
}

/// Encoding of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
}

impl Format {
    /// The media type to answer with.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::Yaml => "application/yaml",
        }
    }
}

/// A body that could not be decoded. Displays as upstream says it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON.
    #[error("couldn't get version/kind; json parse error: {0}")]
    Json(String),
    /// JSON that does not say what it is.
    #[error("{0}")]
    Kind(String),
    /// Not YAML, or YAML that is refused.
    #[error("yaml: {0}")]
    Yaml(String),
}

/// What a body holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The JSON value; of a duplicate field, the last one.
    pub value: Value,
    /// One complaint for each duplicate field, in the order found, as strict decoding words it.
    pub duplicates: Vec<String>,
}

/// Decodes a body.
pub fn decode(format: Format, body: &[u8]) -> Result<Decoded, DecodeError> {
    DECODES.fetch_add(1, Ordering::Relaxed);
    match format {
        Format::Json => json::decode(body),
        Format::Yaml => yaml::decode(body),
    }
}

/// Decodes JSON whose duplicates do not matter: a stored object, a patch's result.
pub fn decode_json(body: &[u8]) -> Result<Value, DecodeError> {
    decode(Format::Json, body).map(|decoded| decoded.value)
}

/// Encodes a value compactly. Maps are in key order.
pub fn encode(value: &Value) -> Bytes {
    Bytes::from(serde_json::to_vec(value).expect("a JSON value has string keys and finite numbers"))
}

/// Encodes a value.
pub fn encode_as(format: Format, value: &Value) -> Bytes {
    match format {
        Format::Json => encode(value),
        Format::Yaml => yaml::encode(value),
    }
}

/// Turns a JSON body into YAML, for a response whose JSON is at hand.
pub fn json_to_yaml(body: &[u8]) -> Result<Bytes, DecodeError> {
    decode_json(body).map(|value| yaml::encode(&value))
}

/// The 400 of a body that could not be decoded, as upstream words it: nothing is known of it but what was expected.
pub fn unrecognized(expected_kind: &str, error: &DecodeError, body: &[u8]) -> String {
    let shown = &body[..body.len().min(SUMMARY_BYTES_MAX)];
    let more = if body.len() > SUMMARY_BYTES_MAX { " ..." } else { "" };
    let summary = match body.first() {
        None => "<empty>".to_string(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(shown)),
        Some(_) => {
            let hex: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{hex}{more}")
        }
    };
    format!("the object provided is unrecognized (must be of type {expected_kind}): {error} ({summary})")
}

#[cfg(test)]
mod tests;
