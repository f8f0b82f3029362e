//! What a log is opened with, and its limits.

use std::path::PathBuf;
use std::sync::Arc;

use crate::disk::{Disk, RealDisk};
use crate::error::WriteFailure;
use crate::format::BLOCK_BYTES;

/// Default length of a segment.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Length of the very first segment of a log: a fresh start does not wait until a whole segment is zeroed.
pub const FIRST_SEGMENT_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes of records that may wait for the writer. When they are there, [`crate::Log::append`] blocks until the writer
/// has taken them: the disk is slower than what is proposed, and the proposer must feel it.
pub const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The writer takes no further append into a batch that has this many bytes. One larger append is a batch of its own.
pub const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Durable entries kept in memory for readers. Older ones are read from disk.
pub const TAIL_BYTES_MAX: usize = 16 * 1024 * 1024;

pub(crate) const SEGMENT_BYTES_MIN: u64 = 4 * BLOCK_BYTES as u64;
pub(crate) const SEGMENT_BYTES_MAX: u64 = 2 << 30;

/// Where the log lives and how it uses space.
#[derive(Debug, Clone)]
pub struct Options {
    /// The directory; created when it is not there. Nothing else may live in it.
    pub dir: PathBuf,
    /// Length of a segment, a multiple of 4096.
    pub segment_bytes: u64,
    /// Purged segments kept for reuse; further ones are removed.
    pub recycled_max: usize,
}

impl Options {
    /// The defaults, in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Options {
        Options { dir: dir.into(), segment_bytes: SEGMENT_BYTES_DEFAULT, recycled_max: 2 }
    }
}

/// What runs when a write or sync fails, once, on the thread that wrote. When it returns, the log answers everything
/// with an error.
pub type Failure = Arc<dyn Fn(&WriteFailure) + Send + Sync>;

/// [`crate::Log::write_queued`] of a log.
pub type WriteQueued = Box<dyn Fn() -> bool + Send>;

/// Called by [`crate::Log::append`] when something waits in a queue that was empty; it sees to it that what it is given is
/// called soon. It must not do so itself.
pub type Schedule = Arc<dyn Fn(WriteQueued) + Send + Sync>;

/// Who writes.
#[derive(Clone)]
pub enum Writing {
    /// A thread of the log's own.
    Thread,
    /// Whoever calls [`crate::Log::write_queued`]: for tests, which must own every step.
    Manual,
    /// Whoever this tells to: for simulations, whose disk has a latency on their own clock.
    Scheduled(Schedule),
}

/// What the log stands on.
#[derive(Clone)]
pub struct Environment {
    /// The file system.
    pub disk: Arc<dyn Disk>,
    /// The reaction to a failed write.
    pub failure: Failure,
    /// Who writes.
    pub writing: Writing,
}

impl Default for Environment {
    /// The operating system's files, a writer thread, and the end of the process when a write fails: only recovery can
    /// find out what is on disk.
    fn default() -> Environment {
        Environment { disk: Arc::new(RealDisk::default()), failure: Arc::new(abort), writing: Writing::Thread }
    }
}

fn abort(failure: &WriteFailure) {
    tracing::error!(dir = %failure.dir.display(), error = %failure.source, "writing the log failed, ending the process");
    // The subscriber may not be set up or may buffer; this line must be seen.
    eprintln!("{failure}: {}", failure.source);
    std::process::abort();
}
