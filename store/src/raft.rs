//! Consensus: openraft behind the store's own types. Nothing outside this module sees openraft.
//!
//! Invariants:
//! - A command is answered after its entry is on a quorum's disks and applied here; with one member, on its own disk.
//! - Only the leader turns commands into entries, and puts time and ids into them.
//! - A read index is asked for anew for every batch of reads, after the reads arrived.

mod answers;
pub(crate) mod codec;
mod forward;
mod leadership;
mod log_store;
mod network;
mod proposal;
mod proposer;
mod read_index;
mod receiver;
pub(crate) mod records;
mod replica;
mod settings;
pub(crate) mod snapshot;
mod state_machine;
pub(crate) mod types;

pub(crate) use replica::{Replica, Start};
