//! A put as gRPC carries it, written by hand: five bytes before the message, and the message's two fields.
//!
//! Layout: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md> and `rpc.proto` of etcd's v3 API.

use bytes::{BufMut, Bytes, BytesMut};

/// Fields 1 and 2 of `PutRequest`, both of length-delimited type.
const KEY_TAG: u8 = 1 << 3 | 2;
const VALUE_TAG: u8 = 2 << 3 | 2;
/// Not compressed, and the length of the message.
const PREFIX_BYTES: usize = 5;
/// A tag and the longest length.
const FIELD_HEAD_BYTES_MAX: usize = 6;

/// The body of a put.
pub(super) fn put(key: &[u8], value: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(PREFIX_BYTES + 2 * FIELD_HEAD_BYTES_MAX + key.len() + value.len());
    body.put_bytes(0, PREFIX_BYTES);
    field(&mut body, KEY_TAG, key);
    field(&mut body, VALUE_TAG, value);
    let length = u32::try_from(body.len() - PREFIX_BYTES).expect("values are far below 4 GiB");
    body[1..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
    body.freeze()
}

fn field(body: &mut BytesMut, tag: u8, bytes: &[u8]) {
    body.put_u8(tag);
    let mut length = bytes.len();
    while length >= 0x80 {
        body.put_u8(length as u8 | 0x80);
        length >>= 7;
    }
    body.put_u8(length as u8);
    body.put_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_put_is_what_etcds_client_sends() {
        assert_eq!(put(b"k", b"val").as_ref(), b"\0\0\0\0\x08\x0a\x01k\x12\x03val");
    }

    #[test]
    fn a_long_value_has_its_length_in_groups_of_seven_bits() {
        let body = put(b"k", &[7; 300]);
        assert_eq!(&body[..11], b"\0\0\0\x01\x32\x0a\x01k\x12\xac\x02");
        assert_eq!(body.len(), 11 + 300);
    }
}
