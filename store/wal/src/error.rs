//! Why a log does not open, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why [`crate::Log::open`] refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has this log open.
    #[error("log directory {} is in use by another process", dir.display())]
    Locked {
        /// The directory of the log.
        dir: PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The log is damaged beyond what a crash can do. Nothing was changed.
    #[error("log segment {} is damaged at offset {offset}: {damage}; {}", segment.display(), damage.advice())]
    Damaged {
        /// The segment file.
        segment: PathBuf,
        /// Where in the file, in bytes.
        offset: u64,
        /// What is wrong.
        damage: Damage,
    },
    /// The segment size cannot work.
    #[error("a log segment of {segment_bytes} bytes: it must be a multiple of 4096 from 16384 up to 2 GiB")]
    SegmentBytes {
        /// The size asked for.
        segment_bytes: u64,
    },
}

/// What is wrong with a log that no crash explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The file ends before the length it was created with.
    ShortFile,
    /// The segment header does not verify.
    SegmentHeader,
    /// The segment was written in another format version.
    Version,
    /// The segment belongs to another log.
    ForeignSegment,
    /// Segments before this one are not there.
    MissingSegment,
    /// The segment is complete and says that another follows, which is not there.
    MissingNextSegment,
    /// A batch does not verify, but later ones do, so it had been on disk.
    MiddleBatch,
    /// The last batches of this segment are not there, though a later segment was begun after them.
    LostTail,
    /// A batch verifies but is not the one that belongs here.
    BatchSequence,
    /// Batches follow the end of the segment.
    AfterSeal,
    /// A record verifies but means nothing to this version.
    UnknownRecord,
    /// An entry verifies but does not follow its predecessor.
    EntryOrder,
}

impl Damage {
    /// What to do about it.
    pub fn advice(&self) -> &'static str {
        match self {
            Damage::Version => "run the version that wrote it",
            Damage::ForeignSegment => "move the file out of the directory if it was copied there by mistake",
            Damage::MissingSegment | Damage::MissingNextSegment => {
                "put the missing file back, or restore this member from a backup, or wipe its data and let it rejoin"
            }
            _ => "nothing was changed: restore this member from a backup, or wipe its data and let it rejoin",
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Damage::ShortFile => "the file is shorter than it was created",
            Damage::SegmentHeader => "the segment header does not verify",
            Damage::Version => "the segment has another format version",
            Damage::ForeignSegment => "the segment belongs to another log",
            Damage::MissingSegment => "the segment before it is missing",
            Damage::MissingNextSegment => "the segment after it is missing",
            Damage::MiddleBatch => "a batch that had been written does not verify, later ones do",
            Damage::LostTail => "batches that had been written are gone, a later segment follows them",
            Damage::BatchSequence => "the batch there is not the next one",
            Damage::AfterSeal => "batches follow the end of the segment",
            Damage::UnknownRecord => "the record there has an unknown kind",
            Damage::EntryOrder => "the entry there does not follow its predecessor",
        })
    }
}

/// A write or sync that failed. What is on disk is unknown, so nothing may be written or answered after it.
#[derive(Debug, thiserror::Error)]
#[error("writing the log in {} failed", dir.display())]
pub struct WriteFailure {
    /// The directory of the log.
    pub dir: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

pub(crate) fn io_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |source| OpenError::Io { action, path: path.to_owned(), source }
}
