//! The replicated store server: a member of a Raft cluster that holds a multi-version key-value state and speaks etcd's
//! v3 API.
//!
//! A write, in order: [`client`] checks it, `raft/proposer` makes it part of an entry (step 7), `raft/log_store` and the
//! peers make that durable (step 8), `raft/state_machine` applies it to `state` and `backend` (step 9) and answers, `watch`
//! announces it (step 10).
//!
//! Not here: what a command means (`store-mvcc`), what the log looks like on disk (`store-wal`).

pub mod config;
pub mod error;
pub mod identity;
pub mod member;
pub mod peer;

mod backend;
mod client;
mod data_dir;
mod lease;
mod metrics;
mod raft;
mod rpc;
mod state;
mod upkeep;
mod watch;

pub use client::{COMPATIBLE_VERSION, REQUEST_BYTES_MAX};
pub use config::{Config, Tls};
pub use error::StartError;
pub use member::{Member, Status, start};
