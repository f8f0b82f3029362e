//! The replicated command: what the leader proposes and every member applies alike.
//!
//! Time and ids are decided by the leader and travel inside; apply never asks for them.

use crate::etcdserverpb as pb;
use serde::{Deserialize, Serialize};

/// One client command in the log. Many of them share one Raft entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Leader's wall clock when it proposed the command, milliseconds since the Unix epoch.
    pub time_unix_ms: u64,
    /// What to do.
    pub operation: Operation,
}

/// The operations that change state, or that must be ordered with those that do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Operation {
    /// Store a value under a key.
    Put(pb::PutRequest),
    /// Delete a key or range.
    DeleteRange(pb::DeleteRangeRequest),
    /// Compare, then do; one revision.
    Txn(pb::TxnRequest),
    /// Forget history below a revision.
    Compact(pb::CompactionRequest),
    /// Create a lease; the id is never 0 here, the leader has chosen one.
    LeaseGrant(pb::LeaseGrantRequest),
    /// End a lease and delete its keys in one revision.
    LeaseRevoke(pb::LeaseRevokeRequest),
    /// Renewals gathered by the leader: lease id to remaining TTL in seconds, so that a new leader does not start over.
    LeaseCheckpoint(Vec<(i64, i64)>),
    /// Nothing; orders a barrier.
    Noop,
    /// Raise or end an alarm.
    Alarm(pb::AlarmRequest),
}

/// The answer of one applied command. Headers carry the revision; cluster, member and term are filled in by the server
/// that answers.
#[derive(Clone, Debug, PartialEq)]
pub enum CommandResponse {
    /// Answer to [`Operation::Put`].
    Put(pb::PutResponse),
    /// Answer to [`Operation::DeleteRange`].
    DeleteRange(pb::DeleteRangeResponse),
    /// Answer to [`Operation::Txn`].
    Txn(pb::TxnResponse),
    /// Answer to [`Operation::Compact`].
    Compact(pb::CompactionResponse),
    /// Answer to [`Operation::LeaseGrant`].
    LeaseGrant(pb::LeaseGrantResponse),
    /// Answer to [`Operation::LeaseRevoke`].
    LeaseRevoke(pb::LeaseRevokeResponse),
    /// Answer to [`Operation::Alarm`].
    Alarm(pb::AlarmResponse),
    /// Answer to [`Operation::LeaseCheckpoint`] and [`Operation::Noop`].
    Empty,
}

#[cfg(test)]
mod tests {
    use super::*;
    use pb::request_op::Request;

    #[test]
    fn commands_survive_the_encoding_of_the_log() {
        let put = pb::PutRequest { key: "k".into(), value: vec![0, 255].into(), lease: -1, ..Default::default() };
        let nested = pb::TxnRequest {
            compare: vec![pb::Compare { key: "k".into(), ..Default::default() }],
            success: vec![pb::RequestOp { request: Some(Request::RequestPut(put.clone())) }],
            failure: vec![pb::RequestOp { request: None }],
        };
        let success = vec![pb::RequestOp { request: Some(Request::RequestTxn(nested)) }];
        let txn = pb::TxnRequest { success, ..Default::default() };
        for operation in [
            Operation::Put(put),
            Operation::Txn(txn),
            Operation::LeaseGrant(pb::LeaseGrantRequest { id: 7, ttl: 60 }),
            Operation::LeaseCheckpoint(vec![(7, 3)]),
            Operation::Noop,
            Operation::Alarm(pb::AlarmRequest { action: 1, member_id: 7, alarm: 1 }),
        ] {
            let command = Command { time_unix_ms: 5, operation };
            let bytes = bincode::serialize(&command).expect("a command can be encoded");
            assert_eq!(bincode::deserialize::<Command>(&bytes).expect("and decoded"), command);
        }
    }
}
