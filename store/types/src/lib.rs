//! The words that every part of the store speaks: etcd's v3 messages, the replicated command, and key ranges.
//!
//! Operations are etcd's own messages from the wire down to the state machine, so a request is decoded once
//! and never converted. Nothing here does IO, reads a clock or rolls dice.

/// Key-value pairs and events (`mvccpb` of the etcd v3 API).
#[allow(missing_docs, clippy::all)]
pub mod mvccpb {
    include!(concat!(env!("OUT_DIR"), "/mvccpb.rs"));
}

/// Requests and responses (`etcdserverpb` of the etcd v3 API).
#[allow(missing_docs, clippy::all)]
pub mod etcdserverpb {
    include!(concat!(env!("OUT_DIR"), "/etcdserverpb.rs"));
}

pub mod command;
pub mod range;

pub use command::{Command, CommandResponse, Operation};
pub use mvccpb::{Event, KeyValue};
pub use range::KeyRange;
