//! The write-ahead log of one member: Raft entries, the vote and the positions that go with them.
//!
//! Step 8 of the path of a write: the local log. `FORMAT.md` beside this crate describes the bytes.
//!
//! What holds:
//! - Everything goes through one ordered queue and one writer, who takes all that is queued, writes once, which syncs,
//!   and answers in order. A single append costs one sync: no timer, no second hop.
//! - One batch is in flight at a time and durable blocks are never written again; recovery tells a torn tail from damage
//!   by that alone ([`recovery::table`]).
//! - A failed write ends the process. Nothing is retried on a descriptor that has failed.
//! - Entries are readable before they are durable.
//!
//! What is not here: no Raft, no tokio, no meaning of payloads, no clock, no compression.

mod buffer;
pub mod disk;
mod error;
pub mod format;
mod log;
mod options;
pub mod recovery;
mod segments;
mod shared;
mod spares;
mod view;
mod writer;

pub use bytes::Bytes;

pub use error::{Damage, OpenError, WriteFailure};
pub use log::Log;
pub use options::{
    BATCH_BYTES_MAX, Environment, FIRST_SEGMENT_BYTES_MAX, Failure, Options, QUEUE_BYTES_MAX, SEGMENT_BYTES_DEFAULT,
    Schedule, TAIL_BYTES_MAX, WriteQueued, Writing,
};
pub use recovery::{Recovered, Statistics, TornTail};

/// Something to be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A log entry. It must follow the last one; the first entry of an empty log may have any index.
    Entry {
        /// Position in the log.
        index: u64,
        /// Term of the leader that proposed it.
        term: u64,
        /// Opaque.
        payload: Bytes,
    },
    /// The vote; the last one counts.
    Vote {
        /// Opaque.
        payload: Bytes,
    },
    /// The committed position; the last one counts.
    Committed {
        /// Position in the log.
        index: u64,
        /// Opaque.
        payload: Bytes,
    },
    /// Entries behind `after` are gone; all of them when it is `None`.
    Truncate {
        /// The last entry to keep.
        after: Option<u64>,
    },
    /// Entries up to and including `upto` are gone. May lie beyond the last entry: then the log is empty and goes on
    /// behind it.
    Purge {
        /// The last entry to drop.
        upto: u64,
        /// Opaque; the id of the last purged entry.
        payload: Bytes,
    },
}
