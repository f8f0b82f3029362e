//! The one writer: takes everything that is queued, writes it once, which syncs it, answers in order.
//!
//! One batch is in flight at a time, and durable blocks are never written again. Recovery rests on both: what does not
//! verify behind the last batch was never acknowledged, and what does not verify before it is damage.
//!
//! Rotation: the header of the new segment is durable before the file gets its name, the name is durable before the old
//! segment is sealed, and the seal is durable before the new segment gets a batch. Vote, committed and purged position
//! are repeated at the start of each segment, so any suffix of the segments is a whole log.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::Record;
use crate::buffer::BlockBuffer;
use crate::disk::{Disk, File};
use crate::error::WriteFailure;
use crate::format::{
    BATCH_HEADER_BYTES, BLOCK_BYTES, BatchEncoder, RECORD_HEADER_BYTES, RecordKind, SegmentHeader, record_seed,
};
use crate::options::Failure;
use crate::segments::{Segment, Slot};
use crate::shared::{Append, Shared};
use crate::spares::{Spare, Spares};
use crate::view::Bounds;

/// The values that every segment repeats.
#[derive(Debug, Default, Clone)]
pub(crate) struct Carried {
    pub(crate) purged: Option<(u64, Bytes)>,
    pub(crate) vote: Option<Bytes>,
    pub(crate) committed: Option<(u64, Bytes)>,
}

/// The segment being written.
pub(crate) struct Active {
    pub(crate) file: Arc<dyn File>,
    pub(crate) sequence: u64,
    pub(crate) salt: u64,
    pub(crate) bytes: u64,
    /// Where the next batch goes.
    pub(crate) offset: u64,
}

/// The state of the writer.
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) spares: Arc<Spares>,
    pub(crate) dir: PathBuf,
    pub(crate) log_id: u64,
    pub(crate) active: Active,
    pub(crate) next_batch: u64,
    /// [`crate::BATCH_BYTES_MAX`], or less where segments are small.
    pub(crate) batch_bytes_max: usize,
    pub(crate) carried: Carried,
    /// The log in the order of the disk.
    pub(crate) bounds: Bounds,
    pub(crate) failure: Failure,
    pub(crate) buffer: BlockBuffer,
    pub(crate) failed: bool,
}

impl Writer {
    /// Writes what is queued until the log closes.
    pub(crate) fn run(mut self) {
        while self.shared.wait_for_work() {
            while self.write_queued() {}
        }
        self.close();
    }

    /// Writes one batch. False when nothing was queued.
    pub(crate) fn write_queued(&mut self) -> bool {
        let appends = self.shared.take_queued(self.batch_bytes_max);
        let Some(last) = appends.last().map(|append| append.number) else { return false };
        let written = if self.failed { Err(refused()) } else { self.write(&appends) };
        match written {
            Ok(()) => {
                self.shared.durable(last);
                for append in appends {
                    (append.done)(Ok(()));
                }
            }
            Err(error) => self.fail(appends, error),
        }
        true
    }

    /// Marks a clean end: an empty batch behind the last one proves that the last one had been synced.
    pub(crate) fn close(&mut self) {
        while self.write_queued() {}
        if self.failed || self.is_fresh() || self.free_bytes() < BLOCK_BYTES as u64 {
            return;
        }
        BatchEncoder::new(&mut self.buffer, self.active.salt, self.next_batch, 0).finish();
        if let Err(error) = self.flush() {
            self.fail(Vec::new(), error);
        }
    }

    fn write(&mut self, appends: &[Append]) -> io::Result<()> {
        let mut body: usize = appends.iter().map(|append| append.bytes).sum();
        let mut carried = Vec::new();
        if self.is_fresh() || batch_bytes(body) > self.free_bytes() {
            carried = self.carried.records();
            body += carried.iter().map(Record::bytes).sum::<usize>();
        }
        if batch_bytes(body) > self.free_bytes() {
            self.rotate(batch_bytes(body))?;
        }

        let mut batch = BatchEncoder::new(&mut self.buffer, self.active.salt, self.next_batch, body);
        let mut places = Vec::new();
        for record in carried.iter().chain(appends.iter().flat_map(|append| &append.records)) {
            let (kind, index, term, payload) = record.parts();
            let at = batch.record(kind, index, term, payload);
            if kind == RecordKind::Entry {
                places.push(Slot {
                    offset: u32::try_from(self.active.offset as usize + at).expect("segments are at most 2 GiB"),
                    bytes: (RECORD_HEADER_BYTES + payload.len()) as u32,
                });
            }
        }
        batch.finish();
        self.flush()?;
        self.settle(appends, &places);
        Ok(())
    }

    /// The batch is on disk: note where its entries are and what it dropped.
    fn settle(&mut self, appends: &[Append], places: &[Slot]) {
        let mut places = places.iter();
        let mut segments = self.shared.segments.lock();
        let mut purged = false;
        for record in appends.iter().flat_map(|append| &append.records) {
            self.bounds.apply(record).expect("records are checked before they are queued");
            self.carried.note(record);
            match record {
                Record::Entry { index, .. } => {
                    segments.entry(*index, *places.next().expect("one place for each entry"));
                }
                Record::Truncate { .. } => segments.truncate(self.bounds.next),
                Record::Purge { .. } => purged = true,
                Record::Vote { .. } | Record::Committed { .. } => {}
            }
        }
        if purged {
            let retired = segments.purge(self.bounds.first);
            drop(segments);
            self.spares.retire(retired);
        }
    }

    /// Writes the buffer behind the last batch.
    fn flush(&mut self) -> io::Result<()> {
        self.active.file.write_durable(self.buffer.bytes(), self.active.offset)?;
        self.active.offset += self.buffer.len() as u64;
        self.next_batch += 1;
        Ok(())
    }

    /// Room for batches; the block of the seal is not part of it.
    fn free_bytes(&self) -> u64 {
        (self.active.bytes - self.active.offset).saturating_sub(BLOCK_BYTES as u64)
    }

    /// No batch yet, so vote and positions are not repeated here yet.
    fn is_fresh(&self) -> bool {
        self.active.offset == BLOCK_BYTES as u64
    }

    /// Goes on in a new segment that has room for `need` bytes.
    fn rotate(&mut self, need: u64) -> io::Result<()> {
        let spare = self.spares.take(need + 2 * BLOCK_BYTES as u64)?;
        let header = SegmentHeader {
            log_id: self.log_id,
            sequence: self.active.sequence + 1,
            segment_bytes: spare.bytes,
            // The seal of this segment is a batch too.
            first_batch: self.next_batch + 1,
            next_index: if self.bounds.pristine { 0 } else { self.bounds.next },
            recycled: spare.recycled,
        };
        let (active, segment) = begin_segment(self.disk.as_ref(), &self.dir, header, spare)?;
        let mut seal = BatchEncoder::new(&mut self.buffer, self.active.salt, self.next_batch, RECORD_HEADER_BYTES);
        seal.record(RecordKind::Seal, header.sequence, 0, &[]);
        seal.finish();
        self.flush()?;
        self.active = active;
        self.shared.segments.lock().push(segment);
        Ok(())
    }

    fn fail(&mut self, appends: Vec<Append>, error: io::Error) {
        let text = error.to_string();
        if !self.failed {
            self.failed = true;
            (self.failure)(&WriteFailure { dir: self.dir.clone(), source: error });
        }
        self.shared.fail(&text);
        for append in appends {
            (append.done)(Err(io::Error::other(text.clone())));
        }
    }
}

impl Carried {
    pub(crate) fn note(&mut self, record: &Record) {
        match record {
            Record::Vote { payload } => self.vote = Some(payload.clone()),
            Record::Committed { index, payload } => self.committed = Some((*index, payload.clone())),
            Record::Purge { upto, payload } => {
                if self.purged.as_ref().is_none_or(|(purged, _)| purged <= upto) {
                    self.purged = Some((*upto, payload.clone()));
                }
            }
            Record::Entry { .. } | Record::Truncate { .. } => {}
        }
    }

    fn records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        if let Some((upto, payload)) = self.purged.clone() {
            records.push(Record::Purge { upto, payload });
        }
        if let Some(payload) = self.vote.clone() {
            records.push(Record::Vote { payload });
        }
        if let Some((index, payload)) = self.committed.clone() {
            records.push(Record::Committed { index, payload });
        }
        records
    }
}

/// Turns a spare into the segment that `header` describes: header first, name second.
pub(crate) fn begin_segment(
    disk: &dyn Disk,
    dir: &std::path::Path,
    header: SegmentHeader,
    spare: Spare,
) -> io::Result<(Active, Segment)> {
    let path = dir.join(segment_name(header.sequence));
    let mut block = BlockBuffer::default();
    block.reset(BLOCK_BYTES);
    block.put(&header.encode());
    spare.file.write_durable(block.bytes(), 0)?;
    disk.rename(&spare.path, &path)?;
    disk.sync_dir(dir)?;
    let salt = header.salt();
    let segment = Segment::new(header.sequence, path, Arc::clone(&spare.file), spare.bytes, record_seed(salt));
    let offset = BLOCK_BYTES as u64;
    Ok((Active { file: spare.file, sequence: header.sequence, salt, bytes: spare.bytes, offset }, segment))
}

/// The file name of a segment.
pub(crate) fn segment_name(sequence: u64) -> String {
    format!("{sequence:016x}.wal")
}

fn batch_bytes(body: usize) -> u64 {
    (BATCH_HEADER_BYTES + body).next_multiple_of(BLOCK_BYTES) as u64
}

fn refused() -> io::Error {
    io::Error::other("the log has failed before")
}
