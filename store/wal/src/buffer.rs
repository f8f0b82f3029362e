//! A byte buffer that starts at a block boundary in memory, as direct IO wants it, without `unsafe`:
//! it allocates one block more than it needs and begins at the first aligned byte.

use crate::format::BLOCK_BYTES;

/// Capacity kept between batches; a larger buffer, grown for a large batch, is given back after it.
const KEEP_BYTES_MAX: usize = 1024 * 1024;

/// A growable buffer whose first byte is aligned to [`BLOCK_BYTES`].
#[derive(Debug, Default)]
pub(crate) struct BlockBuffer {
    raw: Vec<u8>,
    start: usize,
    filled: usize,
}

impl BlockBuffer {
    /// A buffer of `bytes` zeroes.
    pub(crate) fn zeroed(bytes: usize) -> BlockBuffer {
        let mut buffer = BlockBuffer::default();
        buffer.reset(bytes);
        buffer.filled = bytes;
        buffer
    }

    /// Empties the buffer and makes room for `bytes`.
    pub(crate) fn reset(&mut self, bytes: usize) {
        let keep = self.raw.len() <= KEEP_BYTES_MAX + BLOCK_BYTES;
        if self.raw.len() < bytes + BLOCK_BYTES || !keep {
            self.raw = vec![0; bytes + BLOCK_BYTES];
            self.start = self.raw.as_ptr().align_offset(BLOCK_BYTES);
        }
        self.filled = 0;
    }

    /// Appends bytes. The room was made by [`BlockBuffer::reset`].
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        let at = self.start + self.filled;
        self.raw[at..at + bytes.len()].copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    /// Appends zeroes up to a multiple of the block.
    pub(crate) fn pad_to_block(&mut self) {
        let padded = self.filled.next_multiple_of(BLOCK_BYTES);
        let at = self.start + self.filled;
        self.raw[at..self.start + padded].fill(0);
        self.filled = padded;
    }

    /// How many bytes are in.
    pub(crate) fn len(&self) -> usize {
        self.filled
    }

    /// What was put in.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.raw[self.start..self.start + self.filled]
    }

    /// What was put in, to be patched.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.raw[self.start..self.start + self.filled]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_is_aligned_whatever_the_size() {
        let mut buffer = BlockBuffer::default();
        for bytes in [1, BLOCK_BYTES, 3 * BLOCK_BYTES + 1, 2 * KEEP_BYTES_MAX, 10] {
            buffer.reset(bytes.next_multiple_of(BLOCK_BYTES));
            buffer.put(&vec![7; bytes]);
            buffer.pad_to_block();
            assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK_BYTES), 0);
            assert_eq!(buffer.len(), bytes.next_multiple_of(BLOCK_BYTES));
            assert!(buffer.bytes()[..bytes].iter().all(|byte| *byte == 7));
            assert!(buffer.bytes()[bytes..].iter().all(|byte| *byte == 0));
        }
    }
}
