//! Raft in this store's words: standard terms (one leader a term), members named by 64-bit ids, and entries that carry
//! a batch of client commands.

use bytes::Bytes;
use openraft::alias;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::{Arc, OnceLock};
use store_client::Error;
use store_types::{Command, CommandResponse};

use super::codec;

/// The types that openraft works with here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeConfig;

impl openraft::RaftTypeConfig for TypeConfig {
    type D = Batch;
    type R = Outcomes;
    type NodeId = u64;
    type Node = Node;
    type Term = u64;
    type LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>;
    type Vote = openraft::Vote<Self::LeaderId>;
    type Payload = Payload;
    type Entry = openraft::Entry<alias::CommittedLeaderIdOf<Self>, Payload>;
    #[allow(deprecated, reason = "the crate that it moved to is not a dependency of ours")]
    type AsyncRuntime = openraft::impls::TokioRuntime;
    type Responder<T>
        = Callback<T>
    where
        T: Send + 'static;
    type Batch<T>
        = openraft::impls::InlineBatch<T>
    where
        T: Send + 'static;
    type ErrorSource = openraft::impls::BoxedErrorSource;
}

pub(crate) type LogId = alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = alias::VoteOf<TypeConfig>;
pub(crate) type Entry = alias::EntryOf<TypeConfig>;
pub(crate) type Payload = openraft::EntryPayload<Batch, u64, Node>;
pub(crate) type Membership = openraft::Membership<u64, Node>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;

/// What one command came to.
pub(crate) type Outcome = Result<CommandResponse, Error>;

/// The outcomes of one entry, in the order of its commands.
pub(crate) struct Outcomes {
    /// One for each command.
    pub(crate) outcomes: Vec<Outcome>,
}

/// How a member is reached; part of the replicated membership.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Name from the configuration.
    pub(crate) name: String,
    /// Where the others reach it.
    pub(crate) peer_urls: Vec<String>,
}

/// The commands of one entry. Encoded once by the leader; a follower passes the bytes on to its log and decodes them when
/// it applies them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Batch {
    inner: Arc<Inner>,
}

struct Inner {
    encoded: Bytes,
    commands: OnceLock<Vec<Command>>,
}

impl Batch {
    /// The leader's way: commands in, encoding made here.
    pub(crate) fn new(commands: Vec<Command>) -> Self {
        let encoded = codec::encode_commands(&commands);
        let cell = OnceLock::new();
        let _ = cell.set(commands);
        Self { inner: Arc::new(Inner { encoded, commands: cell }) }
    }

    /// From the log or from the leader; decoded when needed.
    pub(crate) fn from_encoded(encoded: Bytes) -> Self {
        Self { inner: Arc::new(Inner { encoded, commands: OnceLock::new() }) }
    }

    pub(crate) fn encoded(&self) -> &Bytes {
        &self.inner.encoded
    }

    /// The commands.
    ///
    /// # Errors
    /// The bytes are not a batch that this version can read.
    pub(crate) fn commands(&self) -> Result<&[Command], codec::DecodeError> {
        if let Some(commands) = self.inner.commands.get() {
            return Ok(commands);
        }
        let decoded = codec::decode_commands(&self.inner.encoded)?;
        Ok(self.inner.commands.get_or_init(|| decoded))
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Batch({} bytes)", self.inner.encoded.len())
    }
}

impl fmt::Display for Batch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, formatter)
    }
}

/// A responder that runs a closure where the result is known: the state machine's task answers the clients itself, with
/// no task in between.
pub(crate) struct Callback<T> {
    run: Box<dyn FnOnce(T) + Send>,
}

impl<T> Callback<T> {
    pub(crate) fn new(run: impl FnOnce(T) + Send + 'static) -> Self {
        Self { run: Box::new(run) }
    }
}

impl<T> openraft::raft::responder::Responder<TypeConfig, T> for Callback<T>
where
    T: Send + 'static,
{
    fn on_complete(self, result: T) {
        (self.run)(result);
    }
}
