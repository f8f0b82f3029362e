//! One change as a backend stores it. The revision is the row's key and is not repeated in the row.
//!
//! Layout, version 1, integers big endian:
//!
//! | bytes | put | tombstone |
//! |--:|---|---|
//! | 1 | kind 1 | kind 2 |
//! | 8 | create revision | key, to the end |
//! | 8 | version | |
//! | 8 | lease, 0 for none | |
//! | 4 | length of the key | |
//! | n | key | |
//! | rest | value | |
//!
//! A changed layout takes new kinds; kinds are never reused.

use crate::revision::Revision;
use bytes::{BufMut, Bytes};
use store_types::mvccpb::event::EventType;
use store_types::{Event, KeyValue};

const KIND_PUT: u8 = 1;
const KIND_TOMBSTONE: u8 = 2;
/// Kind, create revision, version, lease, key length.
const PUT_HEAD_BYTES: usize = 1 + 8 + 8 + 8 + 4;

/// A stored change.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// The key got this value.
    Put(KeyValue),
    /// The key was deleted.
    Tombstone {
        /// The deleted key.
        key: Bytes,
    },
}

/// What the index needs of a record: everything but the value, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// The changed key.
    pub key: &'a [u8],
    /// Revision that created the key; 0 in a tombstone.
    pub create: i64,
    /// Changes since creation, from 1; 0 in a tombstone.
    pub version: i64,
    /// Attached lease, 0 for none.
    pub lease: i64,
}

/// The bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The row ends inside its head or key.
    #[error("record of {0} bytes is cut short")]
    Short(usize),
    /// Written by a newer version, or damaged.
    #[error("record kind {0} is unknown")]
    Kind(u8),
}

impl Record {
    /// The changed key.
    pub fn key(&self) -> &Bytes {
        match self {
            Self::Put(kv) => &kv.key,
            Self::Tombstone { key } => key,
        }
    }

    /// Reads a row without copying the key and value.
    pub fn decode(revision: Revision, row: &Bytes) -> Result<Self, DecodeError> {
        let head = Head::decode(row)?;
        let key = row.slice_ref(head.key);
        Ok(if row[0] == KIND_TOMBSTONE {
            Self::Tombstone { key }
        } else {
            let value = row.slice(PUT_HEAD_BYTES + head.key.len()..);
            Self::Put(key_value(revision, &head, key, value))
        })
    }

    /// Reads a borrowed row, copying key and value.
    pub fn decode_slice(revision: Revision, row: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(revision, &Bytes::copy_from_slice(row))
    }

    /// The change as a watcher sees it, without the previous value.
    pub fn into_event(self, revision: Revision) -> Event {
        match self {
            Self::Put(kv) => Event { r#type: EventType::Put as i32, kv: Some(kv), prev_kv: None },
            Self::Tombstone { key } => Event {
                r#type: EventType::Delete as i32,
                kv: Some(KeyValue { key, mod_revision: revision.main, ..Default::default() }),
                prev_kv: None,
            },
        }
    }
}

impl<'a> Head<'a> {
    /// Reads the head of a row.
    pub fn decode(row: &'a [u8]) -> Result<Self, DecodeError> {
        let short = DecodeError::Short(row.len());
        match row.first() {
            None => Err(short),
            Some(&KIND_TOMBSTONE) => Ok(Self { key: &row[1..], create: 0, version: 0, lease: 0 }),
            Some(&KIND_PUT) => {
                let integer = |at: usize| Some(i64::from_be_bytes(row.get(at..at + 8)?.try_into().ok()?));
                let head = || {
                    let key_bytes = u32::from_be_bytes(row.get(25..29)?.try_into().ok()?) as usize;
                    let key = row.get(PUT_HEAD_BYTES..PUT_HEAD_BYTES.checked_add(key_bytes)?)?;
                    Some(Self { key, create: integer(1)?, version: integer(9)?, lease: integer(17)? })
                };
                head().ok_or(short)
            }
            Some(&kind) => Err(DecodeError::Kind(kind)),
        }
    }

    /// Whether the change deleted its key.
    pub fn is_tombstone(&self) -> bool {
        self.version == 0
    }
}

/// Appends the row of `event`, which must carry its `kv`, to `row`.
pub fn encode_event(event: &Event, row: &mut Vec<u8>) {
    let Some(kv) = &event.kv else { return };
    if event.r#type == EventType::Delete as i32 {
        row.reserve(1 + kv.key.len());
        row.put_u8(KIND_TOMBSTONE);
        row.put_slice(&kv.key);
        return;
    }
    row.reserve(PUT_HEAD_BYTES + kv.key.len() + kv.value.len());
    row.put_u8(KIND_PUT);
    row.put_i64(kv.create_revision);
    row.put_i64(kv.version);
    row.put_i64(kv.lease);
    row.put_u32(u32::try_from(kv.key.len()).expect("requests, and so keys, are limited to a few MiB"));
    row.put_slice(&kv.key);
    row.put_slice(&kv.value);
}

fn key_value(revision: Revision, head: &Head<'_>, key: Bytes, value: Bytes) -> KeyValue {
    KeyValue {
        key,
        create_revision: head.create,
        mod_revision: revision.main,
        version: head.version,
        value,
        lease: head.lease,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(event: &Event) -> Bytes {
        let mut row = Vec::new();
        encode_event(event, &mut row);
        row.into()
    }

    #[test]
    fn a_put_survives_the_round_trip_without_storing_its_revision() {
        let kv = KeyValue {
            key: "k".into(),
            create_revision: 3,
            mod_revision: 7,
            version: 2,
            value: "value".into(),
            lease: 9,
        };
        let revision = Revision::new(7, 1);
        let bytes = row(&Record::Put(kv.clone()).into_event(revision));
        assert_eq!(Record::decode(revision, &bytes), Ok(Record::Put(kv)));
        assert_eq!(Head::decode(&bytes), Ok(Head { key: b"k", create: 3, version: 2, lease: 9 }));
    }

    #[test]
    fn a_tombstone_keeps_only_its_key() {
        let revision = Revision::new(7, 0);
        let record = Record::Tombstone { key: "gone".into() };
        let bytes = row(&record.clone().into_event(revision));
        assert_eq!(bytes.as_ref(), b"\x02gone");
        assert_eq!(Record::decode(revision, &bytes), Ok(record));
    }

    #[test]
    fn the_layout_of_version_1_is_fixed() {
        let kv =
            KeyValue { key: "ab".into(), create_revision: 2, mod_revision: 5, version: 1, value: "v".into(), lease: 0 };
        let bytes = row(&Record::Put(kv).into_event(Revision::new(5, 0)));
        let expected = b"\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\x02abv";
        assert_eq!(bytes.as_ref(), expected);
    }

    #[test]
    fn damaged_rows_are_refused_by_name() {
        assert_eq!(Head::decode(b""), Err(DecodeError::Short(0)));
        assert_eq!(Head::decode(b"\x01abc"), Err(DecodeError::Short(4)));
        assert_eq!(Head::decode(b"\x09"), Err(DecodeError::Kind(9)));
        let mut cut = vec![0; PUT_HEAD_BYTES];
        cut[0] = KIND_PUT;
        cut[25..29].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(Head::decode(&cut), Err(DecodeError::Short(PUT_HEAD_BYTES)));
    }
}
