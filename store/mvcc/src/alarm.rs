//! Alarms: what the cluster has been told is wrong, and what it refuses until it is told that all is well again.

use crate::error::Error;
use std::collections::BTreeSet;
use store_types::command::Operation;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::alarm_request::AlarmAction;
use store_types::etcdserverpb::request_op::Request;
use store_types::etcdserverpb::{AlarmMember, AlarmType};

/// What a put is taken to cost beside key and value, as in etcd.
const PUT_OVERHEAD_BYTES: u64 = 256;
/// What a lease is taken to cost, as in etcd.
const LEASE_BYTES: u64 = 64;

/// The active alarms: kind and member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarms {
    active: BTreeSet<(i32, u64)>,
}

impl Alarms {
    /// Those that were stored.
    pub fn restore(active: impl IntoIterator<Item = AlarmMember>) -> Self {
        Self { active: active.into_iter().map(|alarm| (alarm.alarm, alarm.member_id)).collect() }
    }

    /// All, or all of one kind.
    pub fn list(&self, kind: AlarmType) -> Vec<AlarmMember> {
        let wanted = |alarm: &i32| kind == AlarmType::None || *alarm == kind as i32;
        let active = self.active.iter().filter(|(alarm, _)| wanted(alarm));
        active.map(|(alarm, member_id)| AlarmMember { member_id: *member_id, alarm: *alarm }).collect()
    }

    /// Whether this member has raised this alarm.
    pub fn is_active(&self, kind: AlarmType, member_id: u64) -> bool {
        self.active.contains(&(kind as i32, member_id))
    }

    /// Raises or ends an alarm; the answer names what was asked for, or what ended.
    pub(crate) fn apply(&mut self, request: &pb::AlarmRequest) -> Vec<AlarmMember> {
        let alarm = (request.alarm, request.member_id);
        let named = match AlarmAction::try_from(request.action) {
            Ok(AlarmAction::Get) => return self.list(request.alarm()),
            Ok(AlarmAction::Activate) if request.alarm != AlarmType::None as i32 => {
                self.active.insert(alarm);
                true
            }
            Ok(AlarmAction::Deactivate) => self.active.remove(&alarm),
            Ok(AlarmAction::Activate) | Err(_) => false,
        };
        let member = AlarmMember { member_id: request.member_id, alarm: request.alarm };
        if named { vec![member] } else { Vec::new() }
    }

    /// Without space nothing new is stored, but things can be deleted; what is corrupt is not touched at all.
    pub(crate) fn check(&self, operation: &Operation) -> Result<(), Error> {
        if self.active.is_empty() || matches!(operation, Operation::Noop | Operation::Alarm(_)) {
            return Ok(());
        }
        if self.active.iter().any(|(alarm, _)| *alarm == AlarmType::Corrupt as i32) {
            return Err(Error::Corrupt);
        }
        let full = self.active.iter().any(|(alarm, _)| *alarm == AlarmType::Nospace as i32);
        if full && cost_bytes(operation) > 0 { Err(Error::NoSpace) } else { Ok(()) }
    }
}

/// What the operation may add to the state, about.
pub fn cost_bytes(operation: &Operation) -> u64 {
    match operation {
        Operation::Put(request) => put_bytes(request),
        Operation::Txn(request) => txn_bytes(request),
        Operation::LeaseGrant(_) => LEASE_BYTES,
        Operation::DeleteRange(_)
        | Operation::Compact(_)
        | Operation::LeaseRevoke(_)
        | Operation::LeaseCheckpoint(_)
        | Operation::Noop
        | Operation::Alarm(_) => 0,
    }
}

fn put_bytes(request: &pb::PutRequest) -> u64 {
    PUT_OVERHEAD_BYTES + (request.key.len() + request.value.len()) as u64
}

/// The costlier branch.
fn txn_bytes(request: &pb::TxnRequest) -> u64 {
    let branch = |operations: &[pb::RequestOp]| -> u64 {
        let cost = |operation: &pb::RequestOp| match &operation.request {
            Some(Request::RequestPut(request)) => put_bytes(request),
            Some(Request::RequestTxn(request)) => txn_bytes(request),
            Some(Request::RequestRange(_) | Request::RequestDeleteRange(_)) | None => 0,
        };
        operations.iter().map(cost).sum()
    };
    branch(&request.success).max(branch(&request.failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(action: AlarmAction, member_id: u64, alarm: AlarmType) -> pb::AlarmRequest {
        pb::AlarmRequest { action: action as i32, member_id, alarm: alarm as i32 }
    }

    fn txn(success: Request) -> pb::TxnRequest {
        pb::TxnRequest { success: vec![pb::RequestOp { request: Some(success) }], ..Default::default() }
    }

    #[test]
    fn an_alarm_ends_only_for_the_member_that_it_was_raised_for() {
        let mut alarms = Alarms::default();
        let member = |member_id, alarm: AlarmType| vec![AlarmMember { member_id, alarm: alarm as i32 }];
        let raised = alarms.apply(&request(AlarmAction::Activate, 5, AlarmType::Nospace));
        assert_eq!(raised, member(5, AlarmType::Nospace));
        assert_eq!(alarms.apply(&request(AlarmAction::Activate, 5, AlarmType::None)), []);
        assert_eq!(alarms.apply(&request(AlarmAction::Get, 0, AlarmType::Corrupt)), []);
        assert_eq!(alarms.apply(&request(AlarmAction::Get, 0, AlarmType::None)), member(5, AlarmType::Nospace));
        assert_eq!(alarms.apply(&request(AlarmAction::Deactivate, 6, AlarmType::Nospace)), []);
        assert!(alarms.is_active(AlarmType::Nospace, 5));
        alarms.apply(&request(AlarmAction::Deactivate, 5, AlarmType::Nospace));
        assert_eq!(alarms, Alarms::default());
    }

    #[test]
    fn without_space_nothing_is_stored_and_what_is_corrupt_is_not_touched() {
        let put = pb::PutRequest { key: "k".into(), ..Default::default() };
        let delete = pb::DeleteRangeRequest { key: "k".into(), ..Default::default() };
        let nested = txn(Request::RequestTxn(txn(Request::RequestPut(put.clone()))));
        let mut alarms = Alarms::default();
        assert_eq!(alarms.check(&Operation::Put(put.clone())), Ok(()));
        alarms.apply(&request(AlarmAction::Activate, 5, AlarmType::Nospace));
        for refused in [
            Operation::Put(put.clone()),
            Operation::Txn(txn(Request::RequestPut(put))),
            Operation::Txn(nested),
            Operation::LeaseGrant(Default::default()),
        ] {
            assert_eq!(alarms.check(&refused), Err(Error::NoSpace), "{refused:?}");
        }
        let deletions =
            [Operation::DeleteRange(delete.clone()), Operation::Txn(txn(Request::RequestDeleteRange(delete)))];
        for allowed in &deletions {
            assert_eq!(alarms.check(allowed), Ok(()));
        }
        alarms.apply(&request(AlarmAction::Activate, 6, AlarmType::Corrupt));
        for refused in &deletions {
            assert_eq!(alarms.check(refused), Err(Error::Corrupt));
        }
    }
}
