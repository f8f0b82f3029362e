//! The model: a copy of all keys for every revision, and loops over them.

use bytes::Bytes;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use store_mvcc::{Error, LeaseRecord, check};
use store_types::command::{CommandResponse, Operation};
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::AlarmType;
use store_types::etcdserverpb::compare::TargetUnion;
use store_types::etcdserverpb::request_op::Request;
use store_types::etcdserverpb::response_op::Response;
use store_types::{Event, KeyRange, KeyValue};

type Keys = BTreeMap<Bytes, KeyValue>;

#[derive(Clone)]
pub(crate) struct Model {
    /// `states[r]` is the state at revision r; 0 is unused.
    states: Vec<Keys>,
    events: Vec<Event>,
    leases: BTreeMap<i64, LeaseRecord>,
    alarms: Vec<pb::AlarmMember>,
    pub(crate) compacted: i64,
}

/// A command at work.
struct Work {
    begin: i64,
    keys: Keys,
    events: Vec<Event>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            states: vec![Keys::new(); 2],
            events: Vec::new(),
            leases: BTreeMap::new(),
            alarms: Vec::new(),
            compacted: 0,
        }
    }
}

fn header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { revision, ..Default::default() })
}

impl Model {
    pub(crate) fn revision(&self) -> i64 {
        self.states.len() as i64 - 1
    }

    pub(crate) fn keys_at(&self, revision: i64) -> &Keys {
        &self.states[revision as usize]
    }

    pub(crate) fn events_from(&self, revision: i64) -> Vec<Event> {
        self.events.iter().filter(|event| event.kv.as_ref().unwrap().mod_revision >= revision).cloned().collect()
    }

    pub(crate) fn leases(&self) -> Vec<LeaseRecord> {
        self.leases.values().copied().collect()
    }

    pub(crate) fn lease_keys(&self, id: i64) -> Vec<Bytes> {
        let keys = self.keys_at(self.revision()).values();
        keys.filter(|kv| kv.lease == id).map(|kv| kv.key.clone()).collect()
    }

    pub(crate) fn range(&self, request: &pb::RangeRequest) -> Result<pb::RangeResponse, Error> {
        self.readable(request.revision)?;
        let at = if request.revision > 0 { request.revision } else { self.revision() };
        Ok(select(self.keys_at(at), self.revision(), request))
    }

    fn readable(&self, revision: i64) -> Result<(), Error> {
        match revision {
            revision if revision > self.revision() => Err(Error::FutureRevision),
            revision if revision > 0 && revision < self.compacted => Err(Error::Compacted),
            _ => Ok(()),
        }
    }

    pub(crate) fn apply(&mut self, operation: &Operation) -> (Result<CommandResponse, Error>, Vec<Event>) {
        let begin = self.revision();
        let mut work = Work { begin, keys: self.keys_at(begin).clone(), events: Vec::new() };
        let checked = check::operation(operation).and_then(|()| self.alarmed(operation));
        let response = checked.and_then(|()| self.respond(operation, &mut work));
        let events = if response.is_ok() { work.events } else { Vec::new() };
        if !events.is_empty() {
            self.states.push(work.keys);
            self.events.extend(events.iter().cloned());
        }
        (response, events)
    }

    fn alarmed(&self, operation: &Operation) -> Result<(), Error> {
        let is_active = |kind: AlarmType| self.alarms.iter().any(|alarm| alarm.alarm == kind as i32);
        let adds = match operation {
            Operation::Noop | Operation::Alarm(_) => return Ok(()),
            Operation::Put(_) | Operation::LeaseGrant(_) => true,
            Operation::Txn(_) => format!("{operation:?}").contains("RequestPut"),
            _ => false,
        };
        if is_active(AlarmType::Corrupt) {
            return Err(Error::Corrupt);
        }
        if adds && is_active(AlarmType::Nospace) { Err(Error::NoSpace) } else { Ok(()) }
    }

    fn respond(&mut self, operation: &Operation, work: &mut Work) -> Result<CommandResponse, Error> {
        Ok(match operation {
            Operation::Put(request) => {
                self.lease_exists(request)?;
                key_exists(request, &work.keys)?;
                CommandResponse::Put(work.put(request))
            }
            Operation::DeleteRange(request) => CommandResponse::DeleteRange(work.delete(request)),
            Operation::Txn(request) => {
                let flat = flatten(request, &work.keys);
                for op in &flat {
                    if let Request::RequestPut(put) = op {
                        key_exists(put, &work.keys)?;
                        self.lease_exists(put)?;
                    }
                }
                for op in &flat {
                    if let Request::RequestRange(range) = op {
                        self.readable(range.revision)?;
                    }
                }
                let before = work.keys.clone();
                let mut response = self.run(request, &before, work);
                response.header = header(work.current());
                CommandResponse::Txn(response)
            }
            Operation::Compact(request) => {
                let revision = request.revision;
                if revision > work.begin {
                    return Err(Error::FutureRevision);
                }
                if revision < self.compacted || revision == self.compacted && revision != 0 {
                    return Err(Error::Compacted);
                }
                self.compacted = revision;
                CommandResponse::Compact(pb::CompactionResponse { header: header(work.begin) })
            }
            Operation::LeaseGrant(request) => {
                if request.id == 0 {
                    return Err(Error::LeaseNotFound);
                }
                if self.leases.contains_key(&request.id) {
                    return Err(Error::LeaseExists);
                }
                let ttl_seconds = request.ttl.max(2);
                self.leases.insert(request.id, LeaseRecord { id: request.id, ttl_seconds, remaining_seconds: 0 });
                CommandResponse::LeaseGrant(pb::LeaseGrantResponse {
                    header: header(work.begin),
                    id: request.id,
                    ttl: ttl_seconds,
                    error: String::new(),
                })
            }
            Operation::LeaseRevoke(request) => {
                self.leases.remove(&request.id).ok_or(Error::LeaseNotFound)?;
                let attached = work.keys.values().filter(|kv| kv.lease == request.id);
                let keys: Vec<Bytes> = attached.map(|kv| kv.key.clone()).collect();
                keys.into_iter().for_each(|key| {
                    work.delete(&pb::DeleteRangeRequest { key, ..Default::default() });
                });
                CommandResponse::LeaseRevoke(pb::LeaseRevokeResponse { header: header(work.current()) })
            }
            Operation::LeaseCheckpoint(remaining) => {
                for (id, seconds) in remaining {
                    if let Some(lease) = self.leases.get_mut(id) {
                        lease.remaining_seconds = (*seconds).min(lease.ttl_seconds);
                    }
                }
                CommandResponse::Empty
            }
            Operation::Noop => CommandResponse::Empty,
            Operation::Alarm(request) => {
                let alarm = pb::AlarmMember { member_id: request.member_id, alarm: request.alarm };
                let was_active = self.alarms.contains(&alarm);
                self.alarms.retain(|active| *active != alarm);
                let raised = request.action == 1 && request.alarm != 0;
                if raised {
                    self.alarms.push(alarm);
                }
                let alarms = if raised || was_active { vec![alarm] } else { Vec::new() };
                CommandResponse::Alarm(pb::AlarmResponse { header: header(work.begin), alarms })
            }
        })
    }

    fn lease_exists(&self, request: &pb::PutRequest) -> Result<(), Error> {
        let exists = request.lease == 0 || self.leases.contains_key(&request.lease);
        if exists { Ok(()) } else { Err(Error::LeaseNotFound) }
    }

    fn run(&self, request: &pb::TxnRequest, before: &Keys, work: &mut Work) -> pb::TxnResponse {
        let succeeded = succeeds(request, before);
        let branch = if succeeded { &request.success } else { &request.failure };
        let run = |op: &pb::RequestOp| {
            let response = match op.request.as_ref().unwrap() {
                Request::RequestPut(put) => Response::ResponsePut(work.put(put)),
                Request::RequestDeleteRange(delete) => Response::ResponseDeleteRange(work.delete(delete)),
                Request::RequestTxn(nested) => Response::ResponseTxn(self.run(nested, before, work)),
                Request::RequestRange(range) => {
                    let keys = if range.revision > 0 { self.keys_at(range.revision) } else { &work.keys };
                    Response::ResponseRange(select(keys, work.current(), range))
                }
            };
            pb::ResponseOp { response: Some(response) }
        };
        let responses = branch.iter().map(run).collect();
        pb::TxnResponse { header: Some(pb::ResponseHeader::default()), succeeded, responses }
    }
}

impl Work {
    fn current(&self) -> i64 {
        self.begin + i64::from(!self.events.is_empty())
    }

    fn put(&mut self, request: &pb::PutRequest) -> pb::PutResponse {
        let previous = self.keys.get(&request.key).cloned();
        let old = previous.clone().unwrap_or_default();
        let kv = KeyValue {
            key: request.key.clone(),
            create_revision: if old.version > 0 { old.create_revision } else { self.begin + 1 },
            mod_revision: self.begin + 1,
            version: old.version + 1,
            value: if request.ignore_value { old.value } else { request.value.clone() },
            lease: if request.ignore_lease { old.lease } else { request.lease },
        };
        self.keys.insert(kv.key.clone(), kv.clone());
        self.events.push(Event { r#type: 0, kv: Some(kv), prev_kv: previous.clone() });
        let prev_kv = previous.filter(|_| request.prev_kv);
        pb::PutResponse { header: header(self.current()), prev_kv }
    }

    fn delete(&mut self, request: &pb::DeleteRangeRequest) -> pb::DeleteRangeResponse {
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        let gone: Vec<KeyValue> = self.keys.values().filter(|kv| range.contains(&kv.key)).cloned().collect();
        for kv in &gone {
            self.keys.remove(&kv.key);
            let tombstone = KeyValue { key: kv.key.clone(), mod_revision: self.begin + 1, ..Default::default() };
            self.events.push(Event { r#type: 1, kv: Some(tombstone), prev_kv: Some(kv.clone()) });
        }
        let deleted = gone.len() as i64;
        let prev_kvs = if request.prev_kv { gone } else { Vec::new() };
        pb::DeleteRangeResponse { header: header(self.current()), deleted, prev_kvs }
    }
}

fn key_exists(request: &pb::PutRequest, keys: &Keys) -> Result<(), Error> {
    let needed = request.ignore_value || request.ignore_lease;
    if !needed || keys.contains_key(&request.key) { Ok(()) } else { Err(Error::KeyNotFound) }
}

/// The operations of the chosen path, nested ones in place.
fn flatten(request: &pb::TxnRequest, keys: &Keys) -> Vec<Request> {
    let branch = if succeeds(request, keys) { &request.success } else { &request.failure };
    let mut flat = Vec::new();
    for op in branch {
        match op.request.as_ref().unwrap() {
            Request::RequestTxn(nested) => flat.extend(flatten(nested, keys)),
            other => flat.push(other.clone()),
        }
    }
    flat
}

fn succeeds(request: &pb::TxnRequest, keys: &Keys) -> bool {
    request.compare.iter().all(|compare| {
        let range = KeyRange::new(compare.key.clone(), compare.range_end.clone());
        let found: Vec<&KeyValue> = keys.values().filter(|kv| range.contains(&kv.key)).collect();
        if found.is_empty() {
            return compare.target != 3 && holds(compare, &KeyValue::default());
        }
        found.into_iter().all(|kv| holds(compare, kv))
    })
}

fn holds(compare: &pb::Compare, kv: &KeyValue) -> bool {
    let ordering = match (compare.target, compare.target_union.clone()) {
        (0, Some(TargetUnion::Version(wanted))) => kv.version.cmp(&wanted),
        (0, _) => kv.version.cmp(&0),
        (1, Some(TargetUnion::CreateRevision(wanted))) => kv.create_revision.cmp(&wanted),
        (1, _) => kv.create_revision.cmp(&0),
        (2, Some(TargetUnion::ModRevision(wanted))) => kv.mod_revision.cmp(&wanted),
        (2, _) => kv.mod_revision.cmp(&0),
        (3, Some(TargetUnion::Value(wanted))) => kv.value.cmp(&wanted),
        (3, _) => kv.value.cmp(&Bytes::new()),
        (4, Some(TargetUnion::Lease(wanted))) => kv.lease.cmp(&wanted),
        (_, _) => kv.lease.cmp(&0),
    };
    match compare.result {
        0 => ordering == Ordering::Equal,
        1 => ordering == Ordering::Greater,
        2 => ordering == Ordering::Less,
        _ => ordering != Ordering::Equal,
    }
}

/// etcd's own order of steps: fetch (limited only if nothing follows), filter, sort, limit.
fn select(keys: &Keys, current: i64, request: &pb::RangeRequest) -> pb::RangeResponse {
    let range = KeyRange::new(request.key.clone(), request.range_end.clone());
    let mut kvs: Vec<KeyValue> = keys.values().filter(|kv| range.contains(&kv.key)).cloned().collect();
    let count = kvs.len() as i64;
    if request.count_only {
        return pb::RangeResponse { header: header(current), kvs: Vec::new(), more: false, count };
    }
    let limit = request.limit.max(0) as usize;
    let bounds = [
        (request.min_mod_revision, request.max_mod_revision, (|kv| kv.mod_revision) as fn(&KeyValue) -> i64),
        (request.min_create_revision, request.max_create_revision, |kv| kv.create_revision),
    ];
    let filtered = bounds.iter().any(|(min, max, _)| *min != 0 || *max != 0);
    if limit > 0 && request.sort_order == 0 && !filtered {
        kvs.truncate(limit + 1);
    }
    for (min, max, field) in bounds {
        kvs.retain(|kv| (min == 0 || field(kv) >= min) && (max == 0 || field(kv) <= max));
    }
    let by = |one: &KeyValue, two: &KeyValue| match request.sort_target {
        0 => one.key.cmp(&two.key),
        1 => one.version.cmp(&two.version),
        2 => one.create_revision.cmp(&two.create_revision),
        3 => one.mod_revision.cmp(&two.mod_revision),
        _ => one.value.cmp(&two.value),
    };
    match request.sort_order {
        2 => kvs.sort_by(|one, two| by(two, one)),
        _ => kvs.sort_by(by),
    }
    let more = limit > 0 && kvs.len() > limit;
    if more {
        kvs.truncate(limit);
    }
    if request.keys_only {
        kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
    }
    pb::RangeResponse { header: header(current), kvs, more, count }
}
