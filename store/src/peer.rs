//! Exchanges between members: one call, one answer, opaque bytes. Consensus, forwarding and snapshots are built on
//! [`Transport`] and know nothing of gRPC; tests and simulation put their own network in its place.

mod grpc;
mod server;

use async_trait::async_trait;
use bytes::Bytes;
use std::time::Duration;

pub(crate) use grpc::GrpcTransport;
pub(crate) use server::{Answers, PeerService};

#[allow(missing_docs, unreachable_pub, clippy::all)]
pub(crate) mod proto {
    include!(concat!(env!("OUT_DIR"), "/raftsman.peer.v1.rs"));
}

/// Largest message between members: a snapshot chunk or [`crate::raft`]'s largest append, and room for framing.
pub const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// What a call is about. The numbers are part of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Method {
    /// Entries, or none as a heartbeat.
    Append = 1,
    /// Request for a vote.
    Vote = 2,
    /// Would you vote for me?
    PreVote = 3,
    /// Take over the leadership.
    TransferLeader = 4,
    /// Start, piece or end of a snapshot.
    Snapshot = 5,
    /// Commands of clients, for the leader to propose.
    Propose = 6,
    /// Up to which index must I have applied to answer a read?
    ReadIndex = 7,
    /// Renewals and remaining times of leases, which only the leader knows.
    Lease = 8,
    /// Where do you serve clients?
    Describe = 9,
}

impl Method {
    /// Reads the number of the wire.
    pub fn from_number(number: u32) -> Option<Self> {
        [
            Self::Append,
            Self::Vote,
            Self::PreVote,
            Self::TransferLeader,
            Self::Snapshot,
            Self::Propose,
            Self::ReadIndex,
            Self::Lease,
            Self::Describe,
        ]
        .into_iter()
        .find(|method| *method as u32 == number)
    }
}

/// Who is called, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Member id.
    pub id: u64,
    /// Its peer URLs, tried in order.
    pub urls: Vec<String>,
}

/// A call that brought no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing was delivered.
    #[error("unreachable: {0}")]
    Unreachable(String),
    /// No answer in time; it may have been delivered.
    #[error("no answer in time")]
    Timeout,
    /// The member answered with an error.
    #[error("refused: {0}")]
    Refused(String),
}

/// The network between members, seen from one of them.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Calls `target` and waits for the answer, at most `limit`.
    async fn call(&self, target: &Target, method: Method, request: Bytes, limit: Duration) -> Result<Bytes, CallError>;

    /// Tells the transport who answers the calls to this member. gRPC is served by a listener of its own and ignores it.
    fn serve(&self, _member_id: u64, _answers: std::sync::Weak<dyn Handler>) {}
}

/// The member's side of a call.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers one call; the error text goes back as [`CallError::Refused`].
    async fn answer(&self, from: u64, method: Method, request: Bytes) -> Result<Bytes, String>;
}
