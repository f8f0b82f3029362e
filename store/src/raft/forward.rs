//! What clients ask of a follower and only the leader can do: commands, read indexes, leases.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use store_client::{Code, Error};
use store_types::etcdserverpb as pb;
use store_types::{CommandResponse, Operation};

use super::codec;
use super::proposal::{Answer, Proposal, refuse};
use super::types::Outcome;
use crate::peer::{CallError, Method, Target, Transport};
use crate::state::State;

/// Answer to forwarded commands.
#[derive(Serialize, Deserialize)]
pub(super) struct Forwarded {
    /// The last entry that they went into.
    pub(super) index: u64,
    pub(super) outcomes: Vec<Result<WireResponse, WireError>>,
}

/// [`CommandResponse`] between members.
#[derive(Serialize, Deserialize)]
pub(super) enum WireResponse {
    Put(pb::PutResponse),
    DeleteRange(pb::DeleteRangeResponse),
    Txn(pb::TxnResponse),
    Compact(pb::CompactionResponse),
    LeaseGrant(pb::LeaseGrantResponse),
    LeaseRevoke(pb::LeaseRevokeResponse),
    Empty,
    Alarm(pb::AlarmResponse),
}

/// [`Error`] between members.
#[derive(Serialize, Deserialize)]
pub(super) struct WireError {
    code: i32,
    message: String,
}

/// A question about a lease.
#[derive(Serialize, Deserialize)]
pub(super) enum LeaseQuestion {
    KeepAlive(i64),
    Remaining(i64),
}

/// Sends commands to the leader and answers those who wait, once this member has applied them too: whoever wrote here
/// reads its own write here.
pub(super) async fn send(
    transport: &dyn Transport,
    state: &State,
    leader: Target,
    proposals: Vec<Proposal>,
    limit: Duration,
) {
    let operations: Vec<&Operation> = proposals.iter().map(|proposal| &proposal.operation).collect();
    let request = codec::encode(&operations);
    let forwarded = match transport.call(&leader, Method::Propose, request, limit).await {
        Ok(answer) => codec::decode::<Forwarded>(&answer),
        Err(error) => {
            let error = match error {
                CallError::Refused(reason) => Error::new(Code::Unavailable, format!("etcdserver: {reason}")),
                // Delivered or not: nobody knows.
                CallError::Unreachable(_) | CallError::Timeout => Error::TIMEOUT,
            };
            return refuse(proposals, &error);
        }
    };
    let Ok(Forwarded { index, outcomes }) = forwarded else {
        return refuse(proposals, &Error::new(Code::Internal, "etcdserver: malformed answer of the leader"));
    };
    if tokio::time::timeout(limit, state.wait_applied(index)).await.is_err() {
        tracing::debug!(index, "this member is behind what it answers");
    }
    for (proposal, outcome) in proposals.into_iter().zip(outcomes) {
        let not_taken = outcome.as_ref().is_err_and(WireError::is_not_leader);
        if not_taken && !proposal.as_leader {
            let _ = proposal.answer.send(Answer::Returned(Box::new(proposal.operation)));
            continue;
        }
        let outcome = outcome.map(CommandResponse::from).map_err(Error::from);
        let _ = proposal.answer.send(Answer::Outcome(outcome, index));
    }
}

/// Asks the leader for an index that covers everything that is committed now.
pub(super) async fn ask_read_index(transport: &dyn Transport, leader: &Target, limit: Duration) -> Result<u64, Error> {
    let answer = transport.call(leader, Method::ReadIndex, Bytes::new(), limit).await;
    answer.ok().and_then(|answer| codec::decode(&answer).ok()).ok_or(Error::NO_LEADER)
}

/// Asks the leader about a lease; `None` if it does not know it.
pub(super) async fn ask_lease(
    transport: &dyn Transport,
    leader: &Target,
    question: &LeaseQuestion,
    limit: Duration,
) -> Result<Option<i64>, Error> {
    let answer = transport.call(leader, Method::Lease, codec::encode(question), limit).await;
    let answer = answer.map_err(|_| Error::TIMEOUT)?;
    let answer: Result<Option<i64>, WireError> = codec::decode(&answer).map_err(|_| Error::TIMEOUT)?;
    answer.map_err(Error::from)
}

/// An outcome as it goes back to the member that asked.
pub(super) fn wire(outcome: Outcome) -> Result<WireResponse, WireError> {
    Ok(match outcome? {
        CommandResponse::Put(response) => WireResponse::Put(response),
        CommandResponse::DeleteRange(response) => WireResponse::DeleteRange(response),
        CommandResponse::Txn(response) => WireResponse::Txn(response),
        CommandResponse::Compact(response) => WireResponse::Compact(response),
        CommandResponse::LeaseGrant(response) => WireResponse::LeaseGrant(response),
        CommandResponse::LeaseRevoke(response) => WireResponse::LeaseRevoke(response),
        CommandResponse::Empty => WireResponse::Empty,
        CommandResponse::Alarm(response) => WireResponse::Alarm(response),
    })
}

impl From<WireResponse> for CommandResponse {
    fn from(response: WireResponse) -> Self {
        match response {
            WireResponse::Put(response) => Self::Put(response),
            WireResponse::DeleteRange(response) => Self::DeleteRange(response),
            WireResponse::Txn(response) => Self::Txn(response),
            WireResponse::Compact(response) => Self::Compact(response),
            WireResponse::LeaseGrant(response) => Self::LeaseGrant(response),
            WireResponse::LeaseRevoke(response) => Self::LeaseRevoke(response),
            WireResponse::Empty => Self::Empty,
            WireResponse::Alarm(response) => Self::Alarm(response),
        }
    }
}

impl WireError {
    fn is_not_leader(&self) -> bool {
        self.message == Error::NOT_LEADER.message
    }
}

impl From<Error> for WireError {
    fn from(error: Error) -> Self {
        Self { code: error.code as i32, message: error.message.into_owned() }
    }
}

impl From<WireError> for Error {
    fn from(error: WireError) -> Self {
        Self::new(code(error.code), error.message)
    }
}

fn code(number: i32) -> Code {
    const ALL: [Code; 14] = [
        Code::Canceled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];
    ALL.into_iter().find(|code| *code as i32 == number).unwrap_or(Code::Unknown)
}

/// So that the leader's refusals keep their meaning.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_errors_survive_the_way_between_members() {
        for error in Error::DOCUMENTED {
            let wire: WireError = codec::decode(&codec::encode(&WireError::from(error.clone()))).unwrap();
            assert_eq!(Error::from(wire), *error);
        }
    }
}
