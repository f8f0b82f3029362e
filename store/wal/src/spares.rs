//! Files for future segments: zero-filled ahead of need, or recycled from purged segments.
//!
//! A housekeeping thread keeps one file ready and retires purged segments, so the writer neither waits for zeroes nor
//! for directory syncs. Segments are retired oldest first, each with its own directory sync: a crash leaves a suffix of
//! the log, never a gap.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Condvar, Mutex};

use crate::disk::{Disk, File};
use crate::segments::Segment;

/// Files prepared ahead of need. One covers the time of zeroing the next.
const READY_MIN: usize = 1;

pub(crate) const SPARE_SUFFIX: &str = ".spare";
const UNFINISHED_SUFFIX: &str = ".new";

/// A file to become a segment.
pub(crate) struct Spare {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) bytes: u64,
    /// It may hold bytes of an earlier use.
    pub(crate) recycled: bool,
}

/// The store of spare files.
pub(crate) struct Spares {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    segment_bytes: u64,
    recycled_max: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: Vec<Spare>,
    /// Bounded by the number of segments in the log.
    retired: VecDeque<Segment>,
    /// Somebody is zeroing a file.
    making: bool,
    /// The last preparation failed; tried again when the writer asks.
    failing: bool,
    made: u64,
    stopping: bool,
}

impl Spares {
    /// Takes stock of the spare files in `dir` and removes unfinished ones.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        names: &[String],
        segment_bytes: u64,
        recycled_max: usize,
    ) -> io::Result<Spares> {
        let mut state = State::default();
        for name in names {
            let path = dir.join(name);
            if name.ends_with(UNFINISHED_SUFFIX) {
                disk.remove(&path)?;
            } else if let Some(stem) = name.strip_suffix(SPARE_SUFFIX) {
                if let Some(number) = stem.strip_prefix("new-").and_then(|hex| u64::from_str_radix(hex, 16).ok()) {
                    state.made = state.made.max(number);
                }
                let file = disk.open(&path)?;
                if file.bytes()? == segment_bytes && state.ready.len() < recycled_max.max(READY_MIN) {
                    state.ready.push(Spare { path, file, bytes: segment_bytes, recycled: true });
                } else {
                    disk.remove(&path)?;
                }
            }
        }
        let state = Mutex::new(state);
        let dir = dir.to_owned();
        Ok(Spares { disk, dir, segment_bytes, recycled_max, state, changed: Condvar::new() })
    }

    /// A file of at least `bytes`.
    pub(crate) fn take(&self, bytes: u64) -> io::Result<Spare> {
        if bytes > self.segment_bytes {
            return self.make(bytes.next_multiple_of(crate::format::BLOCK_BYTES as u64));
        }
        let mut state = self.state.lock();
        loop {
            if let Some(spare) = state.ready.pop() {
                state.failing = false;
                self.changed.notify_all();
                return Ok(spare);
            }
            if !state.making {
                break;
            }
            self.changed.wait(&mut state);
        }
        drop(state);
        self.make(self.segment_bytes)
    }

    /// A file of exactly `bytes`, made now.
    pub(crate) fn make(&self, bytes: u64) -> io::Result<Spare> {
        let number = {
            let mut state = self.state.lock();
            state.made += 1;
            state.made
        };
        let unfinished = self.dir.join(format!("new-{number:016x}{UNFINISHED_SUFFIX}"));
        let path = self.dir.join(format!("new-{number:016x}{SPARE_SUFFIX}"));
        let file = match self.disk.create_zeroed(&unfinished, bytes) {
            Ok(file) => file,
            Err(error) => {
                // Half a file helps nobody, least of all on a full disk. It would go at the next start anyway.
                let _ = self.disk.remove(&unfinished);
                return Err(error);
            }
        };
        self.disk.rename(&unfinished, &path)?;
        Ok(Spare { path, file, bytes, recycled: false })
    }

    /// Hands over segments that are no longer part of the log, oldest first.
    pub(crate) fn retire(&self, segments: Vec<Segment>) {
        if !segments.is_empty() {
            self.state.lock().retired.extend(segments);
            self.changed.notify_all();
        }
    }

    /// Turns one retired segment into a spare, or removes it. False when there was none.
    pub(crate) fn retire_one(&self) -> io::Result<bool> {
        let (segment, keep) = {
            let mut state = self.state.lock();
            let Some(segment) = state.retired.pop_front() else { return Ok(false) };
            let keep = segment.file_bytes == self.segment_bytes && state.ready.len() < self.recycled_max;
            (segment, keep)
        };
        if keep {
            let path = self.dir.join(format!("old-{:016x}{SPARE_SUFFIX}", segment.sequence));
            self.disk.rename(&segment.path, &path)?;
            self.disk.sync_dir(&self.dir)?;
            let spare = Spare { path, file: segment.file, bytes: segment.file_bytes, recycled: true };
            self.state.lock().ready.push(spare);
        } else {
            self.disk.remove(&segment.path)?;
            self.disk.sync_dir(&self.dir)?;
        }
        Ok(true)
    }

    /// Prepares files and retires segments until [`Spares::stop`].
    pub(crate) fn run(&self) {
        loop {
            match self.retire_one() {
                Ok(true) => continue,
                Ok(false) => {}
                // The segment stays until the next start finds it covered by the purge position.
                Err(error) => tracing::warn!(%error, dir = %self.dir.display(), "cannot retire a log segment"),
            }
            let mut state = self.state.lock();
            while !state.stopping && state.retired.is_empty() && (state.ready.len() >= READY_MIN || state.failing) {
                self.changed.wait(&mut state);
            }
            if state.stopping && state.retired.is_empty() {
                return;
            }
            if state.stopping || !state.retired.is_empty() {
                continue;
            }
            state.making = true;
            drop(state);
            let made = self.make(self.segment_bytes);
            let mut state = self.state.lock();
            state.making = false;
            match made {
                Ok(spare) => state.ready.push(spare),
                Err(error) => {
                    state.failing = true;
                    tracing::warn!(%error, dir = %self.dir.display(), "cannot prepare a log segment");
                }
            }
            self.changed.notify_all();
        }
    }

    /// Lets [`Spares::run`] return after what is retired.
    pub(crate) fn stop(&self) {
        self.state.lock().stopping = true;
        self.changed.notify_all();
    }
}
