//! PartialObjectMetadata and its list: the metadata of objects and nothing else.

use super::answer::encode;
use super::list_body;
use api_storage::{EncodingKey, ListPage, StorageError, Stored};
use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

/// Name of the encoding that is kept beside an object.
pub(super) const KEY: EncodingKey = EncodingKey("PartialObjectMetadata");

/// The metadata of one object.
pub(super) fn object(object: &Value) -> BytesMut {
    BytesMut::from(encode(&value(object)))
}

/// As a value, for the rows of tables.
pub(super) fn value(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

/// The metadata of a stored object: made once for each of its versions.
pub(super) fn stored(stored: &Stored) -> Result<Bytes, StorageError> {
    let mut failure = None;
    let bytes = stored.encoded(KEY, |stored| match stored.decode() {
        Ok(object) => encode(&value(&object)),
        Err(error) => {
            failure = Some(error);
            Bytes::new()
        }
    });
    failure.map_or(Ok(bytes), Err)
}

/// A list of metadata.
pub(super) fn list(page: &ListPage) -> Result<BytesMut, StorageError> {
    let mut out = BytesMut::with_capacity(256 + page.items.len() * 512);
    out.put_slice(br#"{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":"#);
    list_body::metadata(page, &mut out);
    out.put_slice(b",\"items\":[");
    for (at, item) in page.items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&stored(item)?);
    }
    out.put_slice(b"]}");
    Ok(out)
}
