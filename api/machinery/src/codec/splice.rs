//! Stored JSON lacks its resourceVersion, which is known only after the write; readers splice it in while copying.
//!
//! An object is encoded with `kind`, `apiVersion` and then `metadata` in front, so the place for the resource version
//! is right behind `"metadata":{` and known when the object is encoded.

use bytes::{BufMut, Bytes};
use serde_json::{Map, Value};

const RESOURCE_VERSION: &str = "resourceVersion";

/// Encodes an object without its resourceVersion, and says where [`splice`] puts one. `metadata` must be a map or
/// absent; an absent one is written as an empty map.
pub fn encode_with_splice_point(object: &Value) -> (Bytes, usize) {
    let empty = Map::new();
    let fields = object.as_object().unwrap_or(&empty);
    let mut out = Vec::with_capacity(1024);
    let mut separator = b'{';
    for name in ["kind", "apiVersion"] {
        if let Some(value) = fields.get(name) {
            out.push(separator);
            write_field(&mut out, name, value);
            separator = b',';
        }
    }
    out.push(separator);
    out.extend_from_slice(METADATA);
    let point = out.len();
    let metadata = fields.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
    let mut first = true;
    for (name, value) in metadata.iter().filter(|(name, _)| *name != RESOURCE_VERSION) {
        if !first {
            out.push(b',');
        }
        first = false;
        write_field(&mut out, name, value);
    }
    out.push(b'}');
    for (name, value) in fields {
        if !matches!(name.as_str(), "kind" | "apiVersion" | "metadata") {
            out.push(b',');
            write_field(&mut out, name, value);
        }
    }
    out.push(b'}');
    (Bytes::from(out), point)
}

/// Appends the object with its resource version. `point` is where [`encode_with_splice_point`] said.
pub fn splice_into(object: &[u8], point: usize, resource_version: i64, out: &mut impl BufMut) {
    let (head, tail) = object.split_at(point);
    out.put_slice(head);
    out.put_slice(b"\"resourceVersion\":\"");
    out.put_slice(itoa::Buffer::new().format(resource_version).as_bytes());
    out.put_slice(if tail.first() == Some(&b'}') { b"\"" } else { b"\"," });
    out.put_slice(tail);
}

/// What stands right before the splice point.
const METADATA: &[u8] = b"\"metadata\":{";

/// Appends the object with its resource version but without `kind` and `apiVersion`, which are all that stands before
/// `metadata`: the form of an object in a list of its kind.
pub fn splice_item_into(object: &[u8], point: usize, resource_version: i64, out: &mut impl BufMut) {
    out.put_u8(b'{');
    splice_into(&object[point - METADATA.len()..], METADATA.len(), resource_version, out);
}

/// The object with its resource version, as new bytes.
pub fn splice(object: &[u8], point: usize, resource_version: i64) -> Bytes {
    // The field's name, quotes, colon, comma, and 20 digits.
    const ADDED_BYTES_MAX: usize = 42;
    let mut out = Vec::with_capacity(object.len() + ADDED_BYTES_MAX);
    splice_into(object, point, resource_version, &mut out);
    Bytes::from(out)
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &Value) {
    serde_json::to_writer(&mut *out, name).expect("a string is JSON and a vector takes it");
    out.push(b':');
    serde_json::to_writer(&mut *out, value).expect("a value is JSON and a vector takes it");
}
