//! Where every durable live entry is: eight bytes an entry, per segment.
//!
//! The writer changes it after a batch is on disk, in the order of the disk; the view of readers (`view`) runs ahead of
//! it. A reader comes here only for entries that have left the tail, and those are settled.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::disk::File;
use crate::format::{RECORD_HEADER_BYTES, RecordKind, decode_record};

/// One segment file that is part of the log.
pub(crate) struct Segment {
    pub(crate) sequence: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) file_bytes: u64,
    pub(crate) seed: u32,
    first: u64,
    slots: Vec<Slot>,
}

/// Place of one record in its segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    pub(crate) offset: u32,
    pub(crate) bytes: u32,
}

impl Segment {
    pub(crate) fn new(sequence: u64, path: PathBuf, file: Arc<dyn File>, file_bytes: u64, seed: u32) -> Segment {
        Segment { sequence, path, file, file_bytes, seed, first: 0, slots: Vec::new() }
    }

    fn next(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    fn holds(&self, index: u64) -> bool {
        self.first <= index && index < self.next()
    }
}

/// All segments of the log, oldest first; the last one is being written.
#[derive(Default)]
pub(crate) struct Segments {
    list: VecDeque<Segment>,
}

/// Neighbouring entries that one read fetches.
pub(crate) struct Span {
    file: Arc<dyn File>,
    path: PathBuf,
    seed: u32,
    offset: u64,
    bytes: usize,
    first: u64,
    slots: Vec<Slot>,
}

impl Segments {
    pub(crate) fn push(&mut self, segment: Segment) {
        self.list.push_back(segment);
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Notes an entry in the last segment.
    pub(crate) fn entry(&mut self, index: u64, slot: Slot) {
        let segment = self.list.back_mut().expect("the segment that was written is in the table");
        if segment.next() != index {
            // The first entry of the segment, or the first after a purge beyond the end.
            segment.slots.clear();
            segment.first = index;
        }
        segment.slots.push(slot);
    }

    /// Forgets entries from `next` on.
    pub(crate) fn truncate(&mut self, next: u64) {
        for segment in self.list.iter_mut().rev() {
            if segment.slots.is_empty() || segment.next() <= next {
                continue;
            }
            segment.slots.truncate(next.saturating_sub(segment.first) as usize);
        }
    }

    /// Takes out the oldest segments that hold nothing from `first` on; never the last one.
    pub(crate) fn purge(&mut self, first: u64) -> Vec<Segment> {
        let mut dropped = Vec::new();
        while self.list.len() > 1 && self.list.front().is_some_and(|oldest| oldest.next() <= first) {
            dropped.extend(self.list.pop_front());
        }
        dropped
    }

    /// Entries from `from` on, before `to`, that lie in one segment and together need at most `bytes_max` payload bytes;
    /// at least one.
    pub(crate) fn locate(&self, from: u64, to: u64, bytes_max: usize) -> Option<Span> {
        let segment = self.list.iter().rev().find(|segment| segment.holds(from))?;
        let start = (from - segment.first) as usize;
        let end = (to.min(segment.next()) - segment.first) as usize;
        let mut payload_bytes = 0;
        let mut slots = Vec::new();
        for slot in &segment.slots[start..end] {
            payload_bytes += slot.bytes as usize - RECORD_HEADER_BYTES;
            if !slots.is_empty() && payload_bytes > bytes_max {
                break;
            }
            slots.push(*slot);
        }
        let (first_slot, last_slot) = (slots.first()?, slots.last()?);
        Some(Span {
            file: Arc::clone(&segment.file),
            path: segment.path.clone(),
            seed: segment.seed,
            offset: u64::from(first_slot.offset),
            bytes: (last_slot.offset + last_slot.bytes - first_slot.offset) as usize,
            first: from,
            slots,
        })
    }
}

impl Span {
    /// Bytes of payload in the span.
    pub(crate) fn payload_bytes(&self) -> usize {
        self.slots.iter().map(|slot| slot.bytes as usize - RECORD_HEADER_BYTES).sum()
    }

    /// Index after the last entry of the span.
    pub(crate) fn next(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Reads and verifies the entries.
    pub(crate) fn read(&self, out: &mut Vec<(u64, u64, Bytes)>) -> io::Result<()> {
        let mut bytes = vec![0; self.bytes];
        self.file.read_exact_at(&mut bytes, self.offset)?;
        let bytes = Bytes::from(bytes);
        let keep = out.len();
        for (index, slot) in (self.first..).zip(&self.slots) {
            let at = (u64::from(slot.offset) - self.offset) as usize;
            let record = bytes.slice(at..at + slot.bytes as usize);
            match decode_record(self.seed, &record) {
                Some(raw) if raw.kind == RecordKind::Entry as u8 && raw.index == index => {
                    out.push((index, raw.term, record.slice(RECORD_HEADER_BYTES..)));
                }
                _ => {
                    out.truncate(keep);
                    return Err(io::Error::new(
                        io::ErrorKind::InvalidData,
                        format!("entry {index} in {} at offset {} does not verify", self.path.display(), slot.offset),
                    ));
                }
            }
        }
        Ok(())
    }
}
