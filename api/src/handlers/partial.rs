//! PartialObjectMetadata and its list: the metadata of objects, cut out of their bytes without parsing them.

use super::list_body;
use crate::registry::Object;
use api_machinery::{codec, list, partial};
use api_storage::{EncodingKey, ListPage, Stored};
use bytes::{BufMut, Bytes, BytesMut};

/// Name of the encoding that is kept beside an object, and beside an event.
pub(super) const KEY: EncodingKey = EncodingKey("PartialObjectMetadata");
const METADATA: &[u8] = b"\"metadata\":{";

/// The metadata of one object.
pub(super) fn object(object: &Object) -> Bytes {
    match object {
        Object::Stored(object) => stored(object),
        Object::Imagined(object) => codec::encode(&partial::from_value(object)),
    }
}

/// The metadata of a stored object: made once for each of its versions.
pub(super) fn stored(stored: &Stored) -> Bytes {
    stored.encoded(KEY, |stored| {
        let json = stored.to_json();
        // Stored objects begin with kind, apiVersion and metadata, so the first match is the right one.
        let point = memchr::memmem::find(&json, METADATA).map_or(json.len(), |at| at + METADATA.len());
        partial::from_encoded(&json, point).0
    })
}

/// A list of metadata.
pub(super) fn list(page: &ListPage) -> BytesMut {
    const LIST: (&str, &str) = ("meta.k8s.io/v1", "PartialObjectMetadataList");
    let mut out = BytesMut::with_capacity(256 + page.items.len() * 512);
    if page.items.is_empty() {
        list::write_null(LIST.0, LIST.1, &list_body::meta(page), &mut out);
        return out;
    }
    list::write_head(LIST.0, LIST.1, &list_body::meta(page), &mut out);
    for (at, item) in page.items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&stored(item));
    }
    list::write_tail(&mut out);
    out
}
