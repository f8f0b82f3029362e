//! One batch: everything that one write took from the queue. It is on disk whole or it does not count.

use super::{BLOCK_BYTES, RecordKind, decode_record, encode_record, get_u32, get_u64, put_u32, put_u64, record_seed};
use crate::buffer::BlockBuffer;

/// Length of a batch header.
pub const BATCH_HEADER_BYTES: usize = 32;

const MAGIC: u32 = u32::from_le_bytes(*b"RBAT");

/// The first bytes of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Position in the log, from 1, without gaps over segments.
    pub sequence: u64,
    /// Length of the records that follow, without padding.
    pub body_bytes: u32,
    /// How many records follow.
    pub records: u32,
    /// CRC32C over the records' checksums in order: binds this header to exactly these records.
    pub body_crc: u32,
}

impl BatchHeader {
    /// Bytes of the whole batch in the segment, padding included.
    pub fn batch_bytes(&self) -> u64 {
        (BATCH_HEADER_BYTES as u64 + u64::from(self.body_bytes)).next_multiple_of(BLOCK_BYTES as u64)
    }

    /// Reads a header that was written under `salt`.
    pub fn decode(salt: u64, bytes: &[u8]) -> Option<BatchHeader> {
        let bytes = bytes.get(..BATCH_HEADER_BYTES)?;
        if get_u32(bytes, 0) != MAGIC || get_u32(bytes, 4) != header_crc(salt, bytes) {
            return None;
        }
        Some(BatchHeader {
            sequence: get_u64(bytes, 8),
            body_bytes: get_u32(bytes, 16),
            records: get_u32(bytes, 20),
            body_crc: get_u32(bytes, 24),
        })
    }

    fn encode(&self, salt: u64, bytes: &mut [u8]) {
        put_u32(bytes, 0, MAGIC);
        put_u64(bytes, 8, self.sequence);
        put_u32(bytes, 16, self.body_bytes);
        put_u32(bytes, 20, self.records);
        put_u32(bytes, 24, self.body_crc);
        put_u32(bytes, 28, 0);
        let crc = header_crc(salt, bytes);
        put_u32(bytes, 4, crc);
    }
}

/// Builds one batch in a block buffer.
pub(crate) struct BatchEncoder<'a> {
    buffer: &'a mut BlockBuffer,
    salt: u64,
    seed: u32,
    header: BatchHeader,
}

impl<'a> BatchEncoder<'a> {
    /// Starts a batch whose records take `body_bytes`.
    pub(crate) fn new(buffer: &'a mut BlockBuffer, salt: u64, sequence: u64, body_bytes: usize) -> BatchEncoder<'a> {
        buffer.reset((BATCH_HEADER_BYTES + body_bytes).next_multiple_of(BLOCK_BYTES));
        buffer.put(&[0; BATCH_HEADER_BYTES]);
        let header = BatchHeader { sequence, body_bytes: 0, records: 0, body_crc: 0 };
        BatchEncoder { buffer, salt, seed: record_seed(salt), header }
    }

    /// Adds a record; its offset from the start of the batch.
    pub(crate) fn record(&mut self, kind: RecordKind, index: u64, term: u64, payload: &[u8]) -> usize {
        let at = self.buffer.len();
        let header = encode_record(self.seed, kind, index, term, payload);
        self.buffer.put(&header);
        self.buffer.put(payload);
        self.header.records += 1;
        self.header.body_crc = crc32c::crc32c_append(self.header.body_crc, &header[..4]);
        at
    }

    /// Writes the header and the padding.
    pub(crate) fn finish(mut self) {
        let body_bytes = self.buffer.len() - BATCH_HEADER_BYTES;
        self.header.body_bytes = u32::try_from(body_bytes).expect("a batch is bounded far below 4 GiB");
        self.buffer.pad_to_block();
        self.header.encode(self.salt, &mut self.buffer.bytes_mut()[..BATCH_HEADER_BYTES]);
    }
}

/// Whether `body` holds exactly the records that the header promises.
pub(crate) fn verify_body(salt: u64, header: &BatchHeader, body: &[u8]) -> bool {
    let seed = record_seed(salt);
    let mut rest = body;
    let mut crc = 0;
    for _ in 0..header.records {
        let Some(record) = decode_record(seed, rest) else { return false };
        crc = crc32c::crc32c_append(crc, &record.crc.to_le_bytes());
        rest = &rest[record.bytes()..];
    }
    rest.is_empty() && crc == header.body_crc
}

fn header_crc(salt: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(record_seed(salt), &bytes[8..BATCH_HEADER_BYTES])
}
