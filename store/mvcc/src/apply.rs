//! Path of a write, step 9: one command in, one answer and the changes to store out.
//!
//! A refusal changes nothing and is an answer like any other: every member comes to the same one. All that can refuse a
//! transaction is found out before its first change, so there is nothing to roll back.

mod lease;
mod txn;
mod write;

use crate::change::Change;
use crate::check;
use crate::error::{Error, Fatal};
use crate::lease::LeaseRecord;
use crate::mvcc::{Mvcc, Sweep};
use crate::values::Values;
use store_types::command::{Command, CommandResponse, Operation};
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::{AlarmMember, AlarmType};
use write::Write;

/// The outcome of one command.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The answer; headers carry the revision only.
    pub response: Result<CommandResponse, Error>,
    /// Revision of the store after the command.
    pub revision: i64,
    /// Rows to write and events to announce, in order; all of one revision.
    pub changes: Vec<Change>,
    /// Leases to write.
    pub leases: Vec<LeaseWrite>,
    /// All active alarms, to be stored, if the command was about them.
    pub alarms: Option<Vec<AlarmMember>>,
    /// Set by a compaction: [`Mvcc::sweep`] has work now.
    pub compacted: Option<i64>,
}

/// A lease to store or to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseWrite {
    /// Store this row under the lease's id.
    Put(LeaseRecord),
    /// Delete the row of this id.
    Delete(i64),
}

impl Mvcc {
    /// Applies one command. `values` must show every change that was applied before (see [`crate::Pending`]).
    ///
    /// After a fatal error the state is undefined and the member must stop.
    pub fn apply<V: Values>(&mut self, values: &V, command: &Command) -> Result<Applied, Fatal<V::Error>> {
        let mut applied = Applied {
            response: Ok(CommandResponse::Empty),
            revision: self.meta.revision,
            changes: Vec::new(),
            leases: Vec::new(),
            alarms: None,
            compacted: None,
        };
        let checked = check::operation(&command.operation);
        if let Err(refusal) = checked.and_then(|()| self.alarms.check(&command.operation)) {
            applied.response = Err(refusal);
            return Ok(applied);
        }
        let mut write = Write::new(self, values, &mut applied.changes);
        applied.response = match &command.operation {
            Operation::Put(request) => write.put_alone(request)?.map(CommandResponse::Put),
            Operation::DeleteRange(request) => Ok(CommandResponse::DeleteRange(write.delete_range(request)?)),
            Operation::Txn(request) => write.txn(request)?.map(CommandResponse::Txn),
            Operation::LeaseRevoke(request) => {
                write.lease_revoke(request, &mut applied.leases)?.map(CommandResponse::LeaseRevoke)
            }
            Operation::LeaseGrant(request) => {
                self.lease_grant(request, &mut applied.leases).map(CommandResponse::LeaseGrant)
            }
            Operation::LeaseCheckpoint(remaining) => {
                self.lease_checkpoint(remaining, &mut applied.leases);
                Ok(CommandResponse::Empty)
            }
            Operation::Compact(request) => {
                let response = self.compact(request.revision).map(CommandResponse::Compact);
                applied.compacted = response.is_ok().then_some(self.meta.compacted);
                response
            }
            Operation::Noop => Ok(CommandResponse::Empty),
            Operation::Alarm(request) => {
                let alarms = self.alarms.apply(request);
                applied.alarms = Some(self.alarms.list(AlarmType::None));
                Ok(CommandResponse::Alarm(pb::AlarmResponse { header: self.header(), alarms }))
            }
        };
        if !applied.changes.is_empty() {
            self.meta.revision += 1;
        }
        applied.revision = self.meta.revision;
        Ok(applied)
    }

    fn header(&self) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader { revision: self.meta.revision, ..Default::default() })
    }

    fn compact(&mut self, revision: i64) -> Result<pb::CompactionResponse, Error> {
        if revision > self.meta.revision {
            return Err(Error::FutureRevision);
        }
        // Revision 0 holds nothing; etcd takes a compaction to it as done while nothing was compacted.
        let nothing_yet = revision == 0 && self.meta.compacted == 0;
        if revision <= self.meta.compacted && !nothing_yet {
            return Err(Error::Compacted);
        }
        self.meta.compacted = revision;
        if self.sweep.is_none() {
            self.sweep = Sweep::begin(revision);
        }
        Ok(pb::CompactionResponse { header: self.header() })
    }
}
