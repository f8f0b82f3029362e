//! The first block of a segment.

use super::{BLOCK_BYTES, FORMAT_VERSION, get_u32, get_u64, put_u32, put_u64};

const MAGIC: [u8; 8] = *b"RFTSMWAL";
const USED_BYTES: usize = 72;

/// What the first block of a segment says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Drawn when the log was created; segments of two logs never mix.
    pub log_id: u64,
    /// Position of the segment in the log, from 1, without gaps.
    pub sequence: u64,
    /// Length of the file.
    pub segment_bytes: u64,
    /// Sequence of the first batch in this segment.
    pub first_batch: u64,
    /// One more than the last entry that lives in earlier segments; 0 when there is none.
    pub next_index: u64,
    /// The file held another segment before: bytes that mean nothing may follow the last batch.
    pub recycled: bool,
}

/// Why a block is no segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// Wrong magic or checksum.
    Damaged,
    /// Another format version.
    Version(u32),
}

impl SegmentHeader {
    /// Seeds every checksum in the segment. It differs for every (log, sequence), so bytes that an earlier use of the
    /// file left behind never verify.
    pub fn salt(&self) -> u64 {
        // The finaliser of splitmix64: a bijection that spreads neighbouring sequences.
        let mut x = self.log_id ^ self.sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }

    /// The block as written.
    pub fn encode(&self) -> [u8; BLOCK_BYTES] {
        let mut block = [0; BLOCK_BYTES];
        block[..8].copy_from_slice(&MAGIC);
        put_u32(&mut block, 8, FORMAT_VERSION);
        put_u64(&mut block, 16, self.log_id);
        put_u64(&mut block, 24, self.sequence);
        put_u64(&mut block, 32, self.segment_bytes);
        put_u64(&mut block, 40, self.first_batch);
        put_u64(&mut block, 48, self.next_index);
        put_u64(&mut block, 56, u64::from(self.recycled));
        let crc = checksum(&block);
        put_u32(&mut block, 12, crc);
        block
    }

    /// Reads a block.
    pub fn decode(block: &[u8]) -> Result<SegmentHeader, HeaderError> {
        if block.len() < USED_BYTES || block[..8] != MAGIC {
            return Err(HeaderError::Damaged);
        }
        // The place and coverage of magic, version and checksum are the same in every version.
        if checksum(block) != get_u32(block, 12) {
            return Err(HeaderError::Damaged);
        }
        match get_u32(block, 8) {
            FORMAT_VERSION => {}
            other => return Err(HeaderError::Version(other)),
        }
        Ok(SegmentHeader {
            log_id: get_u64(block, 16),
            sequence: get_u64(block, 24),
            segment_bytes: get_u64(block, 32),
            first_batch: get_u64(block, 40),
            next_index: get_u64(block, 48),
            recycled: get_u64(block, 56) & 1 == 1,
        })
    }
}

fn checksum(block: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&block[..12]), &block[16..USED_BYTES])
}
