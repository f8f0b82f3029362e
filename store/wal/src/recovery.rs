//! Opening: look at every segment, decide by the table, replay, then change what has to be changed.
//!
//! Nothing on disk changes before every segment was read and found in order. [`table`] holds the policy, `scan` reads.

mod scan;
pub mod table;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use self::scan::{End, Scanner};
use self::table::{Chain, Decision, Facts, Following, Header, Length, decide};
use crate::buffer::BlockBuffer;
use crate::disk::{Disk, File};
use crate::error::{Damage, OpenError, io_error};
use crate::format::{BLOCK_BYTES, HeaderError, RECORD_HEADER_BYTES, RawRecord, RecordKind, SegmentHeader, record_seed};
use crate::options::{
    BATCH_BYTES_MAX, Environment, FIRST_SEGMENT_BYTES_MAX, Options, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN,
};
use crate::segments::{Segment, Segments, Slot};
use crate::shared::Shared;
use crate::spares::{SPARE_SUFFIX, Spares};
use crate::view::{Bounds, View};
use crate::writer::{Active, Carried, Writer, begin_segment, segment_name};

const LOCK_NAME: &str = "LOCK";
const SEGMENT_SUFFIX: &str = ".wal";

/// What was found when the log opened.
#[derive(Debug, Clone, Default)]
pub struct Recovered {
    /// First live entry.
    pub first_index: Option<u64>,
    /// Index and term of the last live entry.
    pub last: Option<(u64, u64)>,
    /// The last vote.
    pub vote: Option<Bytes>,
    /// The last committed position.
    pub committed: Option<(u64, Bytes)>,
    /// The purge position: entries up to this index are gone.
    pub purged: Option<(u64, Bytes)>,
    /// Counts, and what was cut.
    pub statistics: Statistics,
}

/// What recovery read and did.
#[derive(Debug, Clone, Default)]
pub struct Statistics {
    /// Segments of the log.
    pub segments: usize,
    /// Batches replayed.
    pub batches: u64,
    /// Records replayed.
    pub records: u64,
    /// A batch at the end that was never acknowledged and is gone now.
    pub torn_tail: Option<TornTail>,
    /// A rotation that was cut short and taken back.
    pub rotation_taken_back: bool,
}

/// A batch that a crash tore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// The segment file.
    pub segment: PathBuf,
    /// Where in it.
    pub offset: u64,
    /// How long, as far as its header told.
    pub bytes: u64,
}

pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) recovered: Recovered,
    pub(crate) lock: Box<dyn Send + Sync>,
}

/// Opens the directory: the writer in position, and what was recovered.
pub(crate) fn open(options: &Options, environment: Environment) -> Result<Opened, OpenError> {
    let Options { dir, segment_bytes, recycled_max } = options;
    if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(segment_bytes) || segment_bytes % BLOCK_BYTES as u64 != 0 {
        return Err(OpenError::SegmentBytes { segment_bytes: *segment_bytes });
    }
    let disk = environment.disk.clone();
    disk.create_dir_all(dir).map_err(io_error("create", dir))?;
    let lock_path = dir.join(LOCK_NAME);
    let lock = disk.lock(&lock_path).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => OpenError::Locked { dir: dir.clone() },
        _ => io_error("lock", &lock_path)(error),
    })?;

    let found = find_segments(disk.as_ref(), dir)?;
    let mut replay = Replay::default();
    let end = replay.run(&found)?;
    if let Some(end) = &end {
        repair(disk.as_ref(), dir, &found, end, &mut replay.statistics)?;
    }

    let names = disk.list(dir).map_err(io_error("list", dir))?;
    let spares = Spares::open(disk.clone(), dir, &names, *segment_bytes, *recycled_max)
        .map_err(io_error("prepare spare segments in", dir))?;
    let (active, log_id, next_batch) = match end {
        Some(end) => {
            let segment = &found[end.segment];
            let header = segment.header.expect("recovery ends in a segment with a good header");
            let active = Active {
                file: segment.file.clone(),
                sequence: header.sequence,
                salt: header.salt(),
                bytes: header.segment_bytes,
                offset: end.scanned.offset,
            };
            (active, header.log_id, end.scanned.next_batch)
        }
        None => {
            let (active, segment, log_id) =
                create(disk.as_ref(), dir, &spares, *segment_bytes).map_err(io_error("create a log in", dir))?;
            replay.segments.push(segment);
            (active, log_id, 1)
        }
    };

    let recovered = replay.recovered()?;
    let Bounds { first, next, pristine } = replay.bounds;
    // A segment without a batch does not repeat vote and positions yet: its predecessors still count.
    if active.offset > BLOCK_BYTES as u64 {
        spares.retire(replay.segments.purge(first));
    }
    let shared = Arc::new(Shared::new(View::recovered(first, next, pristine), replay.segments));
    let writer = Writer {
        shared,
        disk,
        spares: Arc::new(spares),
        dir: dir.clone(),
        log_id,
        active,
        next_batch,
        batch_bytes_max: BATCH_BYTES_MAX.min((segment_bytes / 4) as usize),
        carried: replay.carried,
        bounds: replay.bounds,
        failure: environment.failure,
        buffer: BlockBuffer::default(),
        failed: false,
    };
    Ok(Opened { writer, recovered, lock })
}

/// A segment file as found.
struct Found {
    path: PathBuf,
    file: Arc<dyn File>,
    file_bytes: u64,
    length: Length,
    header_fact: Header,
    header: Option<SegmentHeader>,
}

/// Where the log ends, and what the table says about it.
struct LogEnd {
    segment: usize,
    decision: Decision,
    scanned: End,
}

fn find_segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<Found>, OpenError> {
    let mut names = disk.list(dir).map_err(io_error("list", dir))?;
    names.retain(|name| name.ends_with(SEGMENT_SUFFIX));
    names.sort();
    let mut found: Vec<Found> = Vec::with_capacity(names.len());
    for name in names {
        let path = dir.join(&name);
        let file = disk.open(&path).map_err(io_error("open", &path))?;
        let file_bytes = file.bytes().map_err(io_error("measure", &path))?;
        let mut block = vec![0; BLOCK_BYTES.min(file_bytes as usize)];
        file.read_exact_at(&mut block, 0).map_err(io_error("read", &path))?;
        let log_id = found.first().and_then(|first| first.header).map(|header| header.log_id);
        let (header_fact, header) = match SegmentHeader::decode(&block) {
            Err(HeaderError::Damaged) => (Header::Bad, None),
            Err(HeaderError::Version(_)) => (Header::OtherVersion, None),
            Ok(header) if log_id.is_some_and(|id| id != header.log_id) || segment_name(header.sequence) != name => {
                (Header::Foreign, None)
            }
            Ok(header) => (Header::Good, Some(header)),
        };
        let length = match header {
            Some(header) if file_bytes < header.segment_bytes => Length::Short,
            None if file_bytes < BLOCK_BYTES as u64 => Length::Short,
            _ => Length::Full,
        };
        found.push(Found { path, file, file_bytes, length, header_fact, header });
    }
    Ok(found)
}

/// The state that the records add up to.
struct Replay {
    bounds: Bounds,
    carried: Carried,
    /// Entries below this index lived in segments before the first one found, as far as no truncation took them back.
    absent_below: u64,
    segments: Segments,
    statistics: Statistics,
}

impl Default for Replay {
    fn default() -> Replay {
        Replay {
            bounds: Bounds { first: 0, next: 0, pristine: true },
            carried: Carried::default(),
            absent_below: 0,
            segments: Segments::default(),
            statistics: Statistics::default(),
        }
    }
}

impl Replay {
    fn run(&mut self, found: &[Found]) -> Result<Option<LogEnd>, OpenError> {
        let mut previous: Option<(u64, u64)> = None;
        for (number, segment) in found.iter().enumerate() {
            let Some(header) = segment.header.filter(|_| segment.length == Length::Full) else {
                return Err(self.refuse(segment, found, number, Chain::Follows, None));
            };
            let follows = previous.is_none_or(|expected| expected == (header.sequence, header.first_batch));
            let chain = if follows { Chain::Follows } else { Chain::Gap };
            if chain == Chain::Gap {
                return Err(self.refuse(segment, found, number, chain, None));
            }
            let scanned = self.replay_segment(segment, &header, number == 0)?;
            let facts = Facts {
                length: segment.length,
                header: segment.header_fact,
                chain,
                stop: scanned.stop,
                later: scanned.later,
                following: following(&found[number + 1..]).map_err(io_error("read", &segment.path))?,
            };
            match decide(&facts) {
                Decision::Next => previous = Some((header.sequence + 1, scanned.next_batch)),
                Decision::Refuse(damage) => return Err(damaged(segment, scanned.offset, damage)),
                decision => {
                    if self.bounds.first < self.absent_below {
                        return Err(damaged(&found[0], 0, Damage::MissingSegment));
                    }
                    return Ok(Some(LogEnd { segment: number, decision, scanned }));
                }
            }
        }
        Ok(None)
    }

    /// The refusal of a segment whose batches cannot be read.
    fn refuse(&self, segment: &Found, found: &[Found], number: usize, chain: Chain, end: Option<End>) -> OpenError {
        let facts = Facts {
            length: segment.length,
            header: segment.header_fact,
            chain,
            stop: end.map_or(table::Stop::Zero, |end| end.stop),
            later: end.map_or(table::Later::No, |end| end.later),
            following: if number + 1 < found.len() { Following::Batches } else { Following::None },
        };
        match decide(&facts) {
            Decision::Refuse(damage) => damaged(segment, 0, damage),
            other => unreachable!("a segment without a readable header was accepted as {other:?}"),
        }
    }

    fn replay_segment(&mut self, found: &Found, header: &SegmentHeader, first: bool) -> Result<End, OpenError> {
        if first && header.next_index > 0 {
            self.absent_below = header.next_index;
            self.bounds = Bounds { first: 0, next: header.next_index, pristine: false };
        }
        let salt = header.salt();
        self.segments.push(Segment::new(
            header.sequence,
            found.path.clone(),
            found.file.clone(),
            found.file_bytes,
            record_seed(salt),
        ));
        let mut scanner = Scanner::new(found.file.clone(), header.segment_bytes, salt);
        let end = scanner.run(header, |offset, record| {
            self.record(offset, &record).map_err(|damage| Stopped::Damaged(offset, damage))
        });
        let end = end.map_err(|stopped| match stopped {
            Stopped::Io(error) => io_error("read", &found.path)(error),
            Stopped::Damaged(offset, damage) => damaged(found, offset, damage),
        })?;
        self.statistics.segments += 1;
        self.statistics.batches += end.next_batch - header.first_batch;
        Ok(end)
    }

    fn record(&mut self, offset: u64, record: &RawRecord<'_>) -> Result<(), Damage> {
        self.statistics.records += 1;
        let payload = || Bytes::copy_from_slice(record.payload);
        match RecordKind::of(record.kind).ok_or(Damage::UnknownRecord)? {
            RecordKind::Entry => {
                self.bounds.entry(record.index).map_err(|_| Damage::EntryOrder)?;
                let bytes = (RECORD_HEADER_BYTES + record.payload.len()) as u32;
                self.segments.entry(record.index, Slot { offset: offset as u32, bytes });
            }
            RecordKind::Vote => self.carried.vote = Some(payload()),
            RecordKind::Committed => self.carried.committed = Some((record.index, payload())),
            RecordKind::Truncate => {
                self.bounds.truncate(record.index.checked_sub(1)).map_err(|_| Damage::EntryOrder)?;
                self.absent_below = self.absent_below.min(record.index);
                self.segments.truncate(self.bounds.next);
            }
            RecordKind::Purge => {
                self.bounds.purge(record.index);
                if self.carried.purged.as_ref().is_none_or(|(purged, _)| *purged <= record.index) {
                    self.carried.purged = Some((record.index, payload()));
                }
            }
            RecordKind::Seal => {}
        }
        Ok(())
    }

    fn recovered(&self) -> Result<Recovered, OpenError> {
        let Bounds { first, next, .. } = self.bounds;
        let mut last = None;
        if first < next {
            let mut entries = Vec::new();
            if let Some(span) = self.segments.locate(next - 1, next, 0) {
                span.read(&mut entries).map_err(io_error("read the last entry in", Path::new("the log")))?;
            }
            last = entries.pop().map(|(index, term, _)| (index, term));
        }
        Ok(Recovered {
            first_index: (first < next).then_some(first),
            last,
            vote: self.carried.vote.clone(),
            committed: self.carried.committed.clone(),
            purged: self.carried.purged.clone(),
            statistics: self.statistics.clone(),
        })
    }
}

enum Stopped {
    Io(io::Error),
    Damaged(u64, Damage),
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Stopped {
        Stopped::Io(error)
    }
}

fn following(rest: &[Found]) -> io::Result<Following> {
    match rest {
        [] => Ok(Following::None),
        [only] => match only.header {
            Some(header) if only.length == Length::Full => {
                let empty = Scanner::new(only.file.clone(), header.segment_bytes, header.salt()).is_empty()?;
                Ok(if empty { Following::Empty } else { Following::Batches })
            }
            _ => Ok(Following::Batches),
        },
        _ => Ok(Following::Batches),
    }
}

/// Carries out what the table decided about the end of the log.
fn repair(
    disk: &dyn Disk,
    dir: &Path,
    found: &[Found],
    end: &LogEnd,
    statistics: &mut Statistics,
) -> Result<(), OpenError> {
    let segment = &found[end.segment];
    if matches!(end.decision, Decision::EndAndUnrotate | Decision::CutAndUnrotate) {
        for empty in &found[end.segment + 1..] {
            let spare = dir.join(format!("old-taken-back{SPARE_SUFFIX}"));
            disk.rename(&empty.path, &spare).map_err(io_error("set aside", &empty.path))?;
        }
        disk.sync_dir(dir).map_err(io_error("sync", dir))?;
        statistics.rotation_taken_back = true;
    }
    if matches!(end.decision, Decision::Cut | Decision::CutAndUnrotate) {
        let torn =
            TornTail { segment: segment.path.clone(), offset: end.scanned.offset, bytes: end.scanned.torn_bytes };
        tracing::warn!(
            segment = %torn.segment.display(), offset = torn.offset, bytes = torn.bytes,
            "the last write to the log was cut off by a crash before it was acknowledged; it is dropped"
        );
        let zeroes = BlockBuffer::zeroed(BLOCK_BYTES);
        segment.file.write_durable(zeroes.bytes(), torn.offset).map_err(io_error("write", &segment.path))?;
        statistics.torn_tail = Some(torn);
    }
    Ok(())
}

/// The first segment of a new log.
fn create(disk: &dyn Disk, dir: &Path, spares: &Spares, segment_bytes: u64) -> io::Result<(Active, Segment, u64)> {
    let log_id = disk.entropy();
    let spare = spares.make(segment_bytes.min(FIRST_SEGMENT_BYTES_MAX))?;
    let header = SegmentHeader {
        log_id,
        sequence: 1,
        segment_bytes: spare.bytes,
        first_batch: 1,
        next_index: 0,
        recycled: spare.recycled,
    };
    let (active, segment) = begin_segment(disk, dir, header, spare)?;
    Ok((active, segment, log_id))
}

fn damaged(found: &Found, offset: u64, damage: Damage) -> OpenError {
    OpenError::Damaged { segment: found.path.clone(), offset, damage }
}
