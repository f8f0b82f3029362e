//! The state behind a lock. Nothing here waits, so the lock is never held across an await.

use crate::error::{Code, Error, Result};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use store_mvcc::{Deadlines, LeaseWrite, Mvcc, Record, Revision};
use store_types::command::{Command, CommandResponse, Operation};
use store_types::etcdserverpb as pb;
use store_types::mvccpb::event::EventType;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

pub(super) const CLUSTER_ID: u64 = 1;
pub(super) const MEMBER_ID: u64 = 1;
pub(super) const TERM: u64 = 1;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) state: Mutex<State>,
    /// Tells watchers how far the store is. Sent after the state has moved, so a watcher that sees it finds the events.
    pub(super) revision: watch::Sender<i64>,
    /// Wakes the expiry task when the next deadline may be sooner.
    pub(super) deadlines_moved: Notify,
    /// Origin of the deadlines.
    origin: Instant,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) mvcc: Mvcc,
    pub(super) rows: BTreeMap<Revision, Record>,
    pub(super) deadlines: Deadlines,
    next_lease_id: i64,
}

impl Shared {
    pub(super) fn new() -> Self {
        let mut mvcc = Mvcc::new();
        // Watchers look previous values up themselves, and only if they want them.
        mvcc.set_load_previous(false);
        let revision = watch::Sender::new(mvcc.revision());
        let state = State { mvcc, rows: BTreeMap::new(), deadlines: Deadlines::default(), next_lease_id: 1 };
        Self { state: Mutex::new(state), revision, deadlines_moved: Notify::new(), origin: Instant::now() }
    }

    pub(super) fn now(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Applies one operation, stores what it changed, and tells the watchers.
    pub(super) fn commit(&self, operation: Operation) -> Result<CommandResponse> {
        let time_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let command = Command { time_unix_ms: u64::try_from(time_unix_ms).unwrap_or(u64::MAX), operation };
        let mut state = self.state.lock();
        let State { mvcc, rows, deadlines, .. } = &mut *state;
        let applied = mvcc.apply(rows, &command).map_err(|fatal| Error::new(Code::Internal, fatal.to_string()))?;
        for change in applied.changes {
            let record = match change.event.kv {
                Some(kv) if change.event.r#type == EventType::Put as i32 => Record::Put(kv),
                Some(kv) => Record::Tombstone { key: kv.key },
                None => continue,
            };
            rows.insert(change.revision, record);
        }
        for write in &applied.leases {
            match write {
                LeaseWrite::Put(lease) => deadlines.renew(lease.id, self.now(), lease.left_seconds()),
                LeaseWrite::Delete(id) => deadlines.remove(*id),
            }
        }
        while applied.compacted.is_some() {
            let step = mvcc.sweep(usize::MAX);
            for revision in &step.forgotten {
                rows.remove(revision);
            }
            if step.done {
                break;
            }
        }
        drop(state);
        self.revision.send_if_modified(|seen| {
            let moved = applied.revision > *seen;
            *seen = applied.revision.max(*seen);
            moved
        });
        if !applied.leases.is_empty() {
            self.deadlines_moved.notify_one();
        }
        Ok(applied.response?)
    }

    pub(super) fn range(&self, request: &pb::RangeRequest) -> Result<pb::RangeResponse> {
        let state = self.state.lock();
        let mut plan = state.mvcc.plan_range(request)?;
        while !plan.choose(&state.mvcc, usize::MAX)? {}
        let fetched = plan.fetch(&state.rows);
        let mut response = fetched.map_err(|error| Error::new(Code::Internal, error.to_string()))?;
        complete(&mut response.header);
        Ok(response)
    }

    pub(super) fn header(&self) -> Option<pb::ResponseHeader> {
        header(self.state.lock().mvcc.revision())
    }

    /// Renews a lease; one that is overdue counts as gone even if its revocation has not come yet.
    pub(super) fn keep_alive(&self, id: i64) -> pb::LeaseKeepAliveResponse {
        let now = self.now();
        let mut state = self.state.lock();
        let alive = state.deadlines.remaining(id, now).is_some_and(|left| !left.is_zero());
        let ttl = state.mvcc.lease(id).filter(|_| alive).map_or(0, |lease| lease.ttl_seconds);
        if ttl > 0 {
            state.deadlines.renew(id, now, ttl);
        }
        pb::LeaseKeepAliveResponse { header: header(state.mvcc.revision()), id, ttl }
    }

    pub(super) fn time_to_live(&self, request: &pb::LeaseTimeToLiveRequest) -> pb::LeaseTimeToLiveResponse {
        let state = self.state.lock();
        let header = header(state.mvcc.revision());
        let left = state.deadlines.remaining(request.id, self.now());
        let Some((lease, left)) = state.mvcc.lease(request.id).zip(left) else {
            return pb::LeaseTimeToLiveResponse { header, id: request.id, ttl: -1, ..Default::default() };
        };
        let keys = if request.keys { state.mvcc.lease_keys(request.id).cloned().collect() } else { Vec::new() };
        let ttl = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        pb::LeaseTimeToLiveResponse { header, id: request.id, ttl, granted_ttl: lease.ttl_seconds, keys }
    }

    /// All leases, soonest to end first.
    pub(super) fn leases(&self) -> pb::LeaseLeasesResponse {
        let state = self.state.lock();
        let leases = state.deadlines.iter().map(|(id, _)| pb::LeaseStatus { id }).collect();
        pb::LeaseLeasesResponse { header: header(state.mvcc.revision()), leases }
    }
}

impl State {
    pub(super) fn free_lease_id(&mut self) -> i64 {
        while self.mvcc.lease(self.next_lease_id).is_some() {
            self.next_lease_id += 1;
        }
        let id = self.next_lease_id;
        self.next_lease_id += 1;
        id
    }

    pub(super) fn row_bytes(&self) -> i64 {
        let bytes: usize = self.rows.values().map(record_bytes).sum();
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }
}

fn record_bytes(record: &Record) -> usize {
    match record {
        Record::Put(kv) => kv.key.len() + kv.value.len(),
        Record::Tombstone { key } => key.len(),
    }
}

fn header(revision: i64) -> Option<pb::ResponseHeader> {
    Some(pb::ResponseHeader { cluster_id: CLUSTER_ID, member_id: MEMBER_ID, revision, raft_term: TERM })
}

/// Fills in what the state machine does not know.
pub(super) fn complete(revision_only: &mut Option<pb::ResponseHeader>) {
    let revision = revision_only.as_ref().map_or(0, |header| header.revision);
    *revision_only = header(revision);
}
