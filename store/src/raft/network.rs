//! openraft's messages over [`Transport`]. Each is encoded by `codec`; a follower keeps the leader's bytes of an entry as
//! they are.

use bytes::Bytes;
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Timeout, Unreachable};
use openraft::network::{RPCOption, v2::RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RPCTypes, RaftNetworkFactory};
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::codec::{self, DecodeError};
use super::records::{AppendHead, AppendMessage, EntryRecord, LogIdRecord, VoteRecord};
use super::snapshot::{self, Snapshot, SnapshotData};
use super::types::{Node, TypeConfig, Vote};
use crate::peer::{CallError, Method, Target, Transport};

/// Replication may wait longer than a heartbeat interval: the answer comes after the follower's sync.
const APPEND_TIMEOUT_MIN: Duration = Duration::from_secs(2);

type RpcResult<T> = Result<T, RPCError<TypeConfig>>;

/// Makes connections to members.
pub(crate) struct Network {
    pub(crate) member_id: u64,
    pub(crate) transport: Arc<dyn Transport>,
}

/// The way to one member.
pub(crate) struct Connection {
    member_id: u64,
    target: Target,
    transport: Arc<dyn Transport>,
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, node: &Node) -> Connection {
        Connection {
            member_id: self.member_id,
            target: Target { id: target, urls: node.peer_urls.clone() },
            transport: Arc::clone(&self.transport),
        }
    }
}

impl Connection {
    async fn call(&self, action: RPCTypes, method: Method, request: Bytes, limit: Duration) -> RpcResult<Bytes> {
        self.transport.call(&self.target, method, request, limit).await.map_err(|error| match error {
            CallError::Unreachable(_) => RPCError::Unreachable(Unreachable::new(&error)),
            CallError::Timeout => {
                RPCError::Timeout(Timeout { action, id: self.member_id, target: self.target.id, timeout: limit })
            }
            CallError::Refused(_) => RPCError::Network(NetworkError::new(&error)),
        })
    }
}

impl RaftNetworkV2<TypeConfig> for Connection {
    type SnapshotData = SnapshotData;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<AppendEntriesResponse<TypeConfig>> {
        let limit = match request.entries.is_empty() {
            true => option.hard_ttl(),
            false => option.hard_ttl().max(APPEND_TIMEOUT_MIN),
        };
        let answer = self.call(RPCTypes::AppendEntries, Method::Append, encode_append(&request), limit).await?;
        let answer: AppendAnswer = codec::decode(&answer).map_err(malformed)?;
        Ok(answer.into())
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let request = codec::encode(&VoteMessage::from(&request));
        let answer = self.call(RPCTypes::Vote, Method::Vote, request, option.hard_ttl()).await?;
        Ok(codec::decode::<VoteAnswer>(&answer).map_err(malformed)?.into())
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<VoteResponse<TypeConfig>> {
        let request = codec::encode(&VoteMessage::from(&request));
        let answer = self.call(RPCTypes::Vote, Method::PreVote, request, option.hard_ttl()).await?;
        Ok(codec::decode::<VoteAnswer>(&answer).map_err(malformed)?.into())
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let send = snapshot::send(&*self.transport, &self.target, VoteRecord::from(&vote), snapshot);
        tokio::select! {
            closed = cancel => Err(StreamingError::Closed(closed)),
            sent = tokio::time::timeout(option.hard_ttl(), send) => match sent {
                Ok(Ok(vote)) => Ok(SnapshotResponse::new(vote.into())),
                Ok(Err(error)) => Err(StreamingError::Network(NetworkError::new(&error))),
                Err(_) => Err(StreamingError::Timeout(Timeout {
                    action: RPCTypes::InstallSnapshot,
                    id: self.member_id,
                    target: self.target.id,
                    timeout: option.hard_ttl(),
                })),
            },
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        option: RPCOption,
    ) -> RpcResult<TransferLeaderResponse<TypeConfig>> {
        let message = TransferMessage {
            from: request.from_leader().into(),
            to: *request.to_node_id(),
            last: request.last_log_id().copied().map(Into::into),
        };
        let request = codec::encode(&message);
        let answer = self.call(RPCTypes::TransferLeader, Method::TransferLeader, request, option.hard_ttl()).await?;
        Ok(codec::decode::<TransferAnswer>(&answer).map_err(malformed)?.into())
    }
}

fn malformed(error: DecodeError) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::new(&error))
}

fn encode_append(request: &AppendEntriesRequest<TypeConfig>) -> Bytes {
    let entries: Vec<EntryRecord> = request.entries.iter().map(EntryRecord::from).collect();
    let head = AppendHead {
        vote: (&request.vote).into(),
        previous: request.prev_log_id.map(Into::into),
        committed: request.leader_commit.map(Into::into),
        entries: entries.iter().map(|entry| (entry.id.term, entry.id.index, entry.payload.len() as u32)).collect(),
    };
    AppendMessage { head, entries }.encode()
}

pub(crate) fn decode_append(message: &Bytes) -> Result<AppendEntriesRequest<TypeConfig>, DecodeError> {
    let AppendMessage { head, entries } = AppendMessage::decode(message)?;
    Ok(AppendEntriesRequest {
        vote: head.vote.into(),
        prev_log_id: head.previous.map(Into::into),
        entries: entries.into_iter().map(EntryRecord::into_entry).collect::<Result<_, _>>()?,
        leader_commit: head.committed.map(Into::into),
    })
}

/// Answer to an append.
#[derive(Serialize, Deserialize)]
pub(crate) enum AppendAnswer {
    Success,
    Partial(Option<LogIdRecord>),
    Conflict,
    HigherVote(VoteRecord),
}

impl From<AppendEntriesResponse<TypeConfig>> for AppendAnswer {
    fn from(response: AppendEntriesResponse<TypeConfig>) -> Self {
        match response {
            AppendEntriesResponse::Success => Self::Success,
            AppendEntriesResponse::PartialSuccess(upto) => Self::Partial(upto.map(Into::into)),
            AppendEntriesResponse::Conflict => Self::Conflict,
            AppendEntriesResponse::HigherVote(vote) => Self::HigherVote((&vote).into()),
        }
    }
}

impl From<AppendAnswer> for AppendEntriesResponse<TypeConfig> {
    fn from(answer: AppendAnswer) -> Self {
        match answer {
            AppendAnswer::Success => Self::Success,
            AppendAnswer::Partial(upto) => Self::PartialSuccess(upto.map(Into::into)),
            AppendAnswer::Conflict => Self::Conflict,
            AppendAnswer::HigherVote(vote) => Self::HigherVote(vote.into()),
        }
    }
}

/// Request for a vote or a pre-vote.
#[derive(Serialize, Deserialize)]
pub(crate) struct VoteMessage {
    vote: VoteRecord,
    last: Option<LogIdRecord>,
    leadership_transfer: bool,
}

impl From<&VoteRequest<TypeConfig>> for VoteMessage {
    fn from(request: &VoteRequest<TypeConfig>) -> Self {
        Self {
            vote: (&request.vote).into(),
            last: request.last_log_id.map(Into::into),
            leadership_transfer: request.leadership_transfer,
        }
    }
}

impl From<VoteMessage> for VoteRequest<TypeConfig> {
    fn from(message: VoteMessage) -> Self {
        let mut request = Self::new(message.vote.into(), message.last.map(Into::into));
        request.leadership_transfer = message.leadership_transfer;
        request
    }
}

/// Answer to a request for a vote.
#[derive(Serialize, Deserialize)]
pub(crate) struct VoteAnswer {
    vote: VoteRecord,
    granted: bool,
    last: Option<LogIdRecord>,
}

impl From<&VoteResponse<TypeConfig>> for VoteAnswer {
    fn from(response: &VoteResponse<TypeConfig>) -> Self {
        Self {
            vote: (&response.vote).into(),
            granted: response.vote_granted,
            last: response.last_log_id.map(Into::into),
        }
    }
}

impl From<VoteAnswer> for VoteResponse<TypeConfig> {
    fn from(answer: VoteAnswer) -> Self {
        Self { vote: answer.vote.into(), vote_granted: answer.granted, last_log_id: answer.last.map(Into::into) }
    }
}

/// Request to take over.
#[derive(Serialize, Deserialize)]
pub(crate) struct TransferMessage {
    from: VoteRecord,
    to: u64,
    last: Option<LogIdRecord>,
}

impl From<TransferMessage> for TransferLeaderRequest<TypeConfig> {
    fn from(message: TransferMessage) -> Self {
        Self::new(message.from.into(), message.to, message.last.map(Into::into))
    }
}

/// Answer to a request to take over.
#[derive(Serialize, Deserialize)]
pub(crate) enum TransferAnswer {
    Accepted,
    VoteChanged { expected: VoteRecord, actual: VoteRecord },
    LogNotFlushed { expected: Option<LogIdRecord>, actual: Option<LogIdRecord> },
}

impl From<TransferLeaderResponse<TypeConfig>> for TransferAnswer {
    fn from(response: TransferLeaderResponse<TypeConfig>) -> Self {
        match response {
            Ok(()) => Self::Accepted,
            Err(TransferLeaderError::VoteChanged { expected, actual }) => {
                Self::VoteChanged { expected: (&expected).into(), actual: (&actual).into() }
            }
            Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
                Self::LogNotFlushed { expected: expected.map(Into::into), actual: actual.map(Into::into) }
            }
        }
    }
}

impl From<TransferAnswer> for TransferLeaderResponse<TypeConfig> {
    fn from(answer: TransferAnswer) -> Self {
        match answer {
            TransferAnswer::Accepted => Ok(()),
            TransferAnswer::VoteChanged { expected, actual } => {
                Err(TransferLeaderError::VoteChanged { expected: expected.into(), actual: actual.into() })
            }
            TransferAnswer::LogNotFlushed { expected, actual } => Err(TransferLeaderError::LogNotFlushed {
                expected: expected.map(Into::into),
                actual: actual.map(Into::into),
            }),
        }
    }
}
