//! One record: a header of 32 bytes and a payload.

use bytes::Bytes;

use super::{PAYLOAD_BYTES_MAX, get_u32, get_u64, put_u32, put_u64};
use crate::Record;

/// Length of a record header.
pub const RECORD_HEADER_BYTES: usize = 32;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum RecordKind {
    /// A log entry: index, term, payload.
    Entry = 1,
    /// The vote.
    Vote = 2,
    /// The committed position.
    Committed = 3,
    /// Entries from `index` on are gone.
    Truncate = 4,
    /// Entries up to `index` are gone.
    Purge = 5,
    /// Last record of a segment; the log goes on in the segment with sequence `index`.
    Seal = 6,
}

/// A record as found in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawRecord<'a> {
    pub(crate) kind: u8,
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) payload: &'a [u8],
    pub(crate) crc: u32,
}

impl RawRecord<'_> {
    /// Length with header.
    pub(crate) fn bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.payload.len()
    }
}

impl RecordKind {
    pub(crate) fn of(kind: u8) -> Option<RecordKind> {
        use RecordKind::*;
        [Entry, Vote, Committed, Truncate, Purge, Seal].into_iter().find(|known| *known as u8 == kind)
    }
}

/// Start value of the checksums of a segment's records.
pub(crate) fn record_seed(salt: u64) -> u32 {
    crc32c::crc32c(&salt.to_le_bytes())
}

/// The header of a record. Its first four bytes are the checksum.
pub(crate) fn encode_record(
    seed: u32,
    kind: RecordKind,
    index: u64,
    term: u64,
    payload: &[u8],
) -> [u8; RECORD_HEADER_BYTES] {
    let mut header = [0; RECORD_HEADER_BYTES];
    put_u32(&mut header, 4, u32::try_from(payload.len()).expect("payloads are checked when they are appended"));
    header[8] = kind as u8;
    put_u64(&mut header, 16, index);
    put_u64(&mut header, 24, term);
    let crc = crc32c::crc32c_append(crc32c::crc32c_append(seed, &header[4..]), payload);
    put_u32(&mut header, 0, crc);
    header
}

/// The record at the start of `bytes`, or `None` when it does not verify.
pub(crate) fn decode_record(seed: u32, bytes: &[u8]) -> Option<RawRecord<'_>> {
    let header = bytes.get(..RECORD_HEADER_BYTES)?;
    let payload_bytes = get_u32(header, 4) as usize;
    let payload = bytes[RECORD_HEADER_BYTES..].get(..payload_bytes)?;
    let crc = get_u32(header, 0);
    if crc32c::crc32c_append(crc32c::crc32c_append(seed, &header[4..]), payload) != crc {
        return None;
    }
    Some(RawRecord { kind: header[8], index: get_u64(header, 16), term: get_u64(header, 24), payload, crc })
}

static EMPTY: Bytes = Bytes::new();

impl Record {
    /// Kind, index, term and payload as they go to disk.
    pub(crate) fn parts(&self) -> (RecordKind, u64, u64, &Bytes) {
        match self {
            Record::Entry { index, term, payload } => (RecordKind::Entry, *index, *term, payload),
            Record::Vote { payload } => (RecordKind::Vote, 0, 0, payload),
            Record::Committed { index, payload } => (RecordKind::Committed, *index, 0, payload),
            Record::Truncate { after } => (RecordKind::Truncate, after.map_or(0, |after| after + 1), 0, &EMPTY),
            Record::Purge { upto, payload } => (RecordKind::Purge, *upto, 0, payload),
        }
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> usize {
        RECORD_HEADER_BYTES + self.parts().3.len()
    }

    /// Whether the format can hold it.
    pub(crate) fn fits(&self) -> bool {
        let (_, index, _, payload) = self.parts();
        payload.len() <= PAYLOAD_BYTES_MAX && index < u64::MAX
    }
}
