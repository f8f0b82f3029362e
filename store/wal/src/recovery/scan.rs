//! Reads one segment: its batches in order, and what stands where they stop.

use std::io;
use std::sync::Arc;

use super::table::{Later, Stop};
use crate::disk::File;
use crate::format::{
    BATCH_HEADER_BYTES, BLOCK_BYTES, BatchHeader, RawRecord, RecordKind, SegmentHeader, decode_record, record_seed,
    verify_body,
};

/// Bytes read from a segment at once. A larger batch is read whole.
const WINDOW_BYTES: usize = 1024 * 1024;

/// Where the batches of a segment stop.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) stop: Stop,
    pub(super) later: Later,
    pub(super) offset: u64,
    /// Sequence of the batch that would stand there.
    pub(super) next_batch: u64,
    /// Bytes of the batch that is torn there, where its header says so.
    pub(super) torn_bytes: u64,
}

/// A segment file seen through a window.
pub(super) struct Scanner {
    file: Arc<dyn File>,
    file_bytes: u64,
    salt: u64,
    window: Vec<u8>,
    start: u64,
}

impl Scanner {
    pub(super) fn new(file: Arc<dyn File>, file_bytes: u64, salt: u64) -> Scanner {
        Scanner { file, file_bytes, salt, window: Vec::new(), start: 0 }
    }

    /// Hands every record of every valid batch, with its offset, to `each`, and says where they stop.
    pub(super) fn run<E: From<io::Error>>(
        &mut self,
        header: &SegmentHeader,
        mut each: impl FnMut(u64, RawRecord<'_>) -> Result<(), E>,
    ) -> Result<End, E> {
        let mut offset = BLOCK_BYTES as u64;
        let mut next_batch = header.first_batch;
        loop {
            let mut end = End { stop: Stop::Sealed, later: Later::No, offset, next_batch, torn_bytes: 0 };
            match self.batch(offset)? {
                Place::Batch(batch) if batch.sequence != next_batch => end.stop = Stop::OtherBatch,
                Place::Batch(batch) if !self.body_is_whole(offset, &batch)? => {
                    end.stop = Stop::TornBody;
                    end.torn_bytes = batch.batch_bytes().min(self.file_bytes - offset);
                }
                Place::Batch(batch) => {
                    let sealed = self.records(offset, &batch, &mut each)?;
                    offset += batch.batch_bytes();
                    next_batch += 1;
                    if !sealed {
                        continue;
                    }
                    end = End { offset, next_batch, ..end };
                    end.later = self.later(offset)?;
                    return Ok(end);
                }
                Place::Zero => end.stop = Stop::Zero,
                Place::Other if header.recycled => end.stop = Stop::Stale,
                Place::Other => {
                    end.stop = Stop::TornHeader;
                    end.torn_bytes = BLOCK_BYTES as u64;
                }
            }
            end.later = self.later(offset + BLOCK_BYTES as u64)?;
            return Ok(end);
        }
    }

    /// Whether the segment holds no batch at all.
    pub(super) fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.later(BLOCK_BYTES as u64)? == Later::No)
    }

    /// Whether a batch header of this segment stands at or behind `offset`.
    fn later(&mut self, mut offset: u64) -> io::Result<Later> {
        while offset + BLOCK_BYTES as u64 <= self.file_bytes {
            if let Place::Batch(_) = self.batch(offset)? {
                return Ok(Later::Yes);
            }
            offset += BLOCK_BYTES as u64;
        }
        Ok(Later::No)
    }

    fn batch(&mut self, offset: u64) -> io::Result<Place> {
        if offset + BLOCK_BYTES as u64 > self.file_bytes {
            return Ok(Place::Zero);
        }
        let salt = self.salt;
        let block = self.bytes(offset, BLOCK_BYTES)?;
        Ok(match BatchHeader::decode(salt, block) {
            Some(batch) => Place::Batch(batch),
            None if block.iter().all(|byte| *byte == 0) => Place::Zero,
            None => Place::Other,
        })
    }

    fn body_is_whole(&mut self, offset: u64, batch: &BatchHeader) -> io::Result<bool> {
        if offset + batch.batch_bytes() > self.file_bytes {
            return Ok(false);
        }
        let salt = self.salt;
        let body = self.bytes(offset + BATCH_HEADER_BYTES as u64, batch.body_bytes as usize)?;
        Ok(verify_body(salt, batch, body))
    }

    /// Hands out the records of a verified batch. True when one was the seal.
    fn records<E: From<io::Error>>(
        &mut self,
        offset: u64,
        batch: &BatchHeader,
        each: &mut impl FnMut(u64, RawRecord<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let seed = record_seed(self.salt);
        let start = offset + BATCH_HEADER_BYTES as u64;
        let body = self.bytes(start, batch.body_bytes as usize)?;
        let mut at = 0;
        let mut sealed = false;
        while let Some(record) = body.get(at..).and_then(|rest| decode_record(seed, rest)) {
            sealed |= record.kind == RecordKind::Seal as u8;
            let next = at + record.bytes();
            each(start + at as u64, record)?;
            at = next;
        }
        Ok(sealed)
    }

    fn bytes(&mut self, offset: u64, bytes: usize) -> io::Result<&[u8]> {
        let end = offset + bytes as u64;
        if offset < self.start || end > self.start + self.window.len() as u64 {
            let wanted = (bytes.max(WINDOW_BYTES) as u64).min(self.file_bytes - offset);
            self.window.resize(wanted as usize, 0);
            self.start = offset;
            self.file.read_exact_at(&mut self.window, offset)?;
        }
        let at = (offset - self.start) as usize;
        Ok(&self.window[at..at + bytes])
    }
}

/// What stands at a block boundary.
enum Place {
    Batch(BatchHeader),
    Zero,
    Other,
}
