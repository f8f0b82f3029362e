//! PartialObjectMetadata: an object's metadata alone.

use bytes::Bytes;
use serde_json::{Value, json};

/// The version of `meta.k8s.io` that a view of objects is written in. Both have the same fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetaVersion {
    /// What clients ask for today.
    V1,
    /// What clients asked for before there was a v1, and ask for beside it.
    V1Beta1,
}

impl MetaVersion {
    /// Group and version as objects name them.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }

    const fn head(self) -> &'static [u8] {
        match self {
            Self::V1 => br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":{"#,
            Self::V1Beta1 => br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1beta1","metadata":{"#,
        }
    }
}

/// The metadata of an object.
pub fn from_value(version: MetaVersion, object: &Value) -> Value {
    let metadata = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    json!({"kind": "PartialObjectMetadata", "apiVersion": version.api_version(), "metadata": metadata})
}

/// The metadata of a stored object, cut out of its bytes without parsing them, and the new splice point.
///
/// `point` is where [`crate::codec::encode_with_splice_point`] said.
pub fn from_encoded(version: MetaVersion, object: &[u8], point: usize) -> (Bytes, usize) {
    let head = version.head();
    let metadata = &object[point..];
    let length = end_of_map(metadata).unwrap_or(metadata.len());
    let mut out = Vec::with_capacity(head.len() + length + 1);
    out.extend_from_slice(head);
    out.extend_from_slice(&metadata[..length]);
    out.push(b'}');
    (Bytes::from(out), head.len())
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
        for version in [MetaVersion::V1, MetaVersion::V1Beta1] {
            let (partial, at) = from_encoded(version, &bytes, point);
            let spliced = splice(&partial, at, 9);
            let mut want = from_value(version, &object);
            assert_eq!(want["apiVersion"], version.api_version());
            want["metadata"]["resourceVersion"] = "9".into();
            assert_eq!(serde_json::from_slice::<Value>(&spliced).unwrap(), want);
        }
        let (bytes, point) = encode_with_splice_point(&json!({"kind": "Pod"}));
        let (partial, at) = from_encoded(MetaVersion::V1, &bytes, point);
        assert_eq!(&splice(&partial, at, 1)[at..], br#""resourceVersion":"1"}}"#);
    }
}
