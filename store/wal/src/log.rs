//! The handle: append, read, close.

use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::error::OpenError;
use crate::options::{Environment, Options, QUEUE_BYTES_MAX, Writing};
use crate::recovery;
use crate::shared::{Append, Shared};
use crate::spares::Spares;
use crate::writer::Writer;
use crate::{Record, Recovered};

/// An open log. Clones are handles to the same log; it closes when the last one drops.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    running: Arc<Running>,
}

/// Threads and the lock of the directory.
struct Running {
    shared: Arc<Shared>,
    spares: Arc<Spares>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    writing: Writing,
    manual: Mutex<Option<Writer>>,
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

impl Log {
    /// Opens or creates the log in `options.dir` on the operating system's files.
    pub fn open(options: Options) -> Result<(Log, Recovered), OpenError> {
        Log::open_with(options, Environment::default())
    }

    /// Opens or creates a log in a given environment.
    pub fn open_with(options: Options, environment: Environment) -> Result<(Log, Recovered), OpenError> {
        let writing = environment.writing.clone();
        let opened = recovery::open(&options, environment)?;
        let shared = opened.writer.shared.clone();
        let spares = opened.writer.spares.clone();
        let mut threads = Vec::new();
        let mut manual = None;
        match &writing {
            Writing::Manual | Writing::Scheduled(_) => manual = Some(opened.writer),
            Writing::Thread => {
                let writer = opened.writer;
                threads.push(start("wal-writer", &options, move || writer.run())?);
                let housekeeping = spares.clone();
                threads.push(start("wal-spares", &options, move || housekeeping.run())?);
            }
        }
        let running = Running {
            shared: shared.clone(),
            spares,
            threads: Mutex::new(threads),
            writing,
            manual: Mutex::new(manual),
            lock: Mutex::new(Some(opened.lock)),
        };
        Ok((Log { shared, running: Arc::new(running) }, opened.recovered))
    }

    /// Queues records, which stay together: after a crash either all of them are there or none.
    ///
    /// The entries are readable when this returns. `done` runs on the writer's thread when they are on disk, in the order
    /// of the calls; it must not block, and must not call back into `append` when the queue may be full.
    /// Blocks while [`QUEUE_BYTES_MAX`] bytes are queued. Records that do not fit the log (a gap between entries,
    /// truncation below the purge position) are refused as [`io::ErrorKind::InvalidInput`] and change nothing.
    pub fn append(&self, records: Vec<Record>, done: impl FnOnce(io::Result<()>) + Send + 'static) {
        let bytes = records.iter().map(Record::bytes).sum();
        let mut state = self.shared.state.lock();
        while state.queue_bytes >= QUEUE_BYTES_MAX && state.failed.is_none() {
            if !matches!(self.running.writing, Writing::Thread) {
                drop(state);
                self.write_queued();
                state = self.shared.state.lock();
            } else {
                self.shared.room.wait(&mut state);
            }
        }
        let refusal = match (&state.failed, state.closing) {
            (Some(text), _) => Some(io::Error::other(text.clone())),
            (None, true) => Some(io::Error::new(io::ErrorKind::BrokenPipe, "the log is closed")),
            (None, false) => {
                state.view.check(&records).err().map(|misfit| io::Error::new(io::ErrorKind::InvalidInput, misfit))
            }
        };
        if let Some(error) = refusal {
            drop(state);
            return done(Err(error));
        }
        state.appends += 1;
        let number = state.appends;
        state.view.apply(&records, number);
        state.queue_bytes += bytes;
        let was_empty = state.queue.is_empty();
        state.queue.push_back(Append { number, records, bytes, done: Box::new(done) });
        drop(state);
        match &self.running.writing {
            Writing::Scheduled(schedule) if was_empty => {
                let log = self.clone();
                schedule(Box::new(move || log.write_queued()));
            }
            _ => {
                self.shared.work.notify_one();
            }
        }
    }

    /// Entries (index, term, payload) of `range` that are live, in order. Stops before `bytes_max` bytes of payload are
    /// exceeded, but returns at least one entry when the range holds a live one. Parts of the range that are purged or
    /// beyond the end are left out.
    pub fn read(&self, range: impl RangeBounds<u64>, bytes_max: usize) -> io::Result<Vec<(u64, u64, Bytes)>> {
        let (mut from, to) = bounds_of(range);
        let mut out = Vec::new();
        let mut bytes_left = bytes_max;
        let mut failed_at = None;
        let mut truncations = None;
        loop {
            let disk_to = {
                let state = self.shared.state.lock();
                let Some((first, last)) = state.view.first_last() else { return Ok(out) };
                let to = to.min(last + 1);
                if out.is_empty() {
                    from = from.max(first);
                }
                // Purged or truncated behind the entries already read: what was read is whole and in order, so stop there.
                let truncated = *truncations.get_or_insert(state.view.truncations()) != state.view.truncations();
                if from >= to || from < first || (truncated && !out.is_empty()) {
                    return Ok(out);
                }
                if from >= state.view.low() {
                    state.view.read(from, to, &mut bytes_left, &mut out);
                    return Ok(out);
                }
                to.min(state.view.low())
            };
            let span = self.shared.segments.lock().locate(from, disk_to, bytes_left);
            let read = match span {
                Some(span) if !out.is_empty() && span.payload_bytes() > bytes_left => return Ok(out),
                Some(span) => span.read(&mut out).map(|()| span),
                None => Err(io::Error::new(io::ErrorKind::NotFound, format!("log entry {from} has no place on disk"))),
            };
            match read {
                Ok(span) => {
                    from = span.next();
                    bytes_left = bytes_left.saturating_sub(span.payload_bytes());
                }
                Err(error) if failed_at == Some(from) => return Err(error),
                // A purge or truncation may have overtaken this read; then the range is another one now.
                Err(_) => failed_at = Some(from),
            }
        }
    }

    /// First and last live index; `None` when no entry is live.
    pub fn first_last(&self) -> Option<(u64, u64)> {
        self.shared.state.lock().view.first_last()
    }

    /// How many segment files hold the log.
    pub fn segments(&self) -> usize {
        self.shared.segments.lock().len()
    }

    /// With [`Writing::Manual`] and [`Writing::Scheduled`]: writes one batch of what is queued and runs its callbacks. False when nothing was queued
    /// or a thread writes.
    pub fn write_queued(&self) -> bool {
        let mut manual = self.running.manual.lock();
        let Some(writer) = manual.as_mut() else { return false };
        let wrote = writer.write_queued();
        while matches!(self.running.spares.retire_one(), Ok(true)) {}
        wrote
    }

    /// Writes what is queued, ends the threads and releases the directory. Other handles get errors from then on.
    pub fn close(self) {
        self.running.stop();
    }
}

impl Running {
    fn stop(&self) {
        self.shared.state.lock().closing = true;
        self.shared.work.notify_all();
        if let Some(mut writer) = self.manual.lock().take() {
            writer.close();
            while matches!(self.spares.retire_one(), Ok(true)) {}
        }
        self.spares.stop();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // The last handle may drop inside a callback, on the writer's thread, which ends right after.
            if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a thread of the log panicked");
            }
        }
        self.lock.lock().take();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn start(name: &str, options: &Options, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, OpenError> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|source| OpenError::Io {
        action: "start the writer of",
        path: options.dir.clone(),
        source,
    })
}

fn bounds_of(range: impl RangeBounds<u64>) -> (u64, u64) {
    let from = match range.start_bound() {
        Bound::Included(from) => *from,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let to = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(to) => *to,
        Bound::Unbounded => u64::MAX,
    };
    (from, to)
}
