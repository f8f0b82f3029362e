//! PartialObjectMetadata: an object's metadata alone.

use bytes::Bytes;
use serde_json::{Value, json};

const HEAD: &[u8] = br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"#;

/// The metadata of an object.
pub fn from_value(object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata})
}

/// The metadata of a stored object, cut out of its bytes without parsing them, and the new splice point.
///
/// `point` is where [`crate::codec::encode_with_splice_point`] said.
pub fn from_encoded(object: &[u8], point: usize) -> (Bytes, usize) {
    let metadata = &object[point..];
    let length = end_of_map(metadata).unwrap_or(metadata.len());
    let mut out = Vec::with_capacity(HEAD.len() + length + 1);
    out.extend_from_slice(HEAD);
    out.extend_from_slice(&metadata[..length]);
    out.push(b'}');
    (Bytes::from(out), HEAD.len())
}

/// Index behind the brace that closes the map whose inside `bytes` begins with.
fn end_of_map(bytes: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (1_usize, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'"' => at += end_of_string(&bytes[at + 1..])?,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// Length of the text and its closing quote, behind the opening quote.
fn end_of_string(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let next = memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        at += next + 1;
        if bytes[at - 1] == b'"' {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{encode_with_splice_point, splice};

    // proves: AM-30
    #[test]
    fn metadata_is_cut_out_without_parsing() {
        let object = json!({"kind": "Pod", "apiVersion": "v1", "spec": {"x": "}"},
            "metadata": {"name": "a", "annotations": {"q": "{\"a\":\"}\\\\\"}", "e": "\\"}, "finalizers": ["x]"]}});
        let (bytes, point) = encode_with_splice_point(&object);
        let (partial, at) = from_encoded(&bytes, point);
        let spliced = splice(&partial, at, 9);
        let mut want = from_value(&object);
        want["metadata"]["resourceVersion"] = "9".into();
        assert_eq!(serde_json::from_slice::<Value>(&spliced).unwrap(), want);
        let (bytes, point) = encode_with_splice_point(&json!({"kind": "Pod"}));
        let (partial, at) = from_encoded(&bytes, point);
        assert_eq!(&splice(&partial, at, 1)[HEAD.len()..], br#""resourceVersion":"1"}}"#);
    }
}
