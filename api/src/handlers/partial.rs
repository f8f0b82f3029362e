//! PartialObjectMetadata and its list: the metadata of objects, cut out of their bytes without parsing them.

use super::list_body;
use crate::registry::Object;
use api_machinery::partial::{self, MetaVersion};
use api_machinery::{codec, list};
use api_storage::{EncodingKey, ListPage, Stored};
use bytes::{BufMut, Bytes, BytesMut};

const METADATA: &[u8] = b"\"metadata\":{";

/// Name of the encoding that is kept beside an object, and beside an event.
pub(super) const fn key(version: MetaVersion) -> EncodingKey {
    match version {
        MetaVersion::V1 => EncodingKey("PartialObjectMetadata"),
        MetaVersion::V1Beta1 => EncodingKey("PartialObjectMetadata.v1beta1"),
    }
}

/// The metadata of one object.
pub(super) fn object(version: MetaVersion, object: &Object) -> Bytes {
    match object {
        Object::Stored(object) => stored(version, object),
        Object::Imagined(object) => codec::encode(&partial::from_value(version, object)),
    }
}

/// The metadata of a stored object: made once for each of its versions.
pub(super) fn stored(version: MetaVersion, stored: &Stored) -> Bytes {
    stored.encoded(key(version), |stored| {
        let json = stored.to_json();
        // Stored objects begin with kind, apiVersion and metadata, so the first match is the right one.
        let point = memchr::memmem::find(&json, METADATA).map_or(json.len(), |at| at + METADATA.len());
        partial::from_encoded(version, &json, point).0
    })
}

/// A list of metadata.
pub(super) fn list(version: MetaVersion, page: &ListPage) -> BytesMut {
    let (api_version, kind) = (version.api_version(), "PartialObjectMetadataList");
    let mut out = BytesMut::with_capacity(256 + page.items.len() * 512);
    if page.items.is_empty() {
        list::write_null(api_version, kind, &list_body::meta(page), &mut out);
        return out;
    }
    list::write_head(api_version, kind, &list_body::meta(page), &mut out);
    for (at, item) in page.items.iter().enumerate() {
        if at > 0 {
            out.put_u8(b',');
        }
        out.put_slice(&stored(version, item));
    }
    list::write_tail(&mut out);
    out
}
