//! The bytes on disk. `FORMAT.md` describes them for a reader without the code; the two change together, with the
//! version and the fixtures.
//!
//! Nothing here does IO. Decoding never trusts a length before the checksum over it is right.

mod batch;
mod record;
mod segment_header;

pub use batch::{BATCH_HEADER_BYTES, BatchHeader};
pub(crate) use batch::{BatchEncoder, verify_body};
pub use record::{RECORD_HEADER_BYTES, RecordKind};
pub(crate) use record::{RawRecord, decode_record, encode_record, record_seed};
pub use segment_header::{HeaderError, SegmentHeader};

/// The unit of writing: every batch starts and ends at a multiple of it, so durable bytes are never written again.
pub const BLOCK_BYTES: usize = 4096;

/// The version this code writes, and the only one it reads.
pub const FORMAT_VERSION: u32 = 1;

/// A payload may not be longer: the offsets inside a segment are 32 bits wide.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 30;

fn get_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("a slice of four bytes"))
}

fn get_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("a slice of eight bytes"))
}

fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put_u64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
