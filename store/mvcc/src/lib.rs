//! Deterministic apply of commands to multi-version state.
//!
//! The same commands in the same order give every member the same state and the same answers, refusals included: nothing
//! here does IO, reads a clock or rolls dice. The leader puts time and ids into the command; values live outside, behind
//! [`Values`]; what has to be written comes back as [`Applied`] and the caller stores it in one atomic batch.
//!
//! Invariants:
//! - The current revision is state of its own ([`Meta`]), never derived from the rows that survived a compaction.
//! - A command changes a key at most once, so (key, revision) is unique.
//! - Everything at or above the compacted revision can be read and watched; everything below is refused, whether or not
//!   its rows have been deleted yet.
//! - How far the deletion of compacted rows has come is invisible in every answer.
//!
//! Not here: consensus, disk, watchers, the decision that a lease has expired (see [`lease::Deadlines`] for the sums).

pub mod alarm;
pub mod apply;
mod change;
pub mod check;
mod error;
pub mod history;
mod index;
pub mod lease;
mod mvcc;
pub mod range;
pub mod record;
pub mod restore;
mod revision;
pub mod values;

pub use alarm::Alarms;
pub use apply::{Applied, LeaseWrite};
pub use change::Change;
pub use error::{Error, Fatal};
pub use lease::{Deadlines, LeaseRecord};
pub use mvcc::{Meta, Mvcc};
pub use range::RangePlan;
pub use record::Record;
pub use restore::Restore;
pub use revision::Revision;
pub use values::{Pending, Values};
