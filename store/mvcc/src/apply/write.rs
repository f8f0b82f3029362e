//! Puts, deletions and reads of one command; all changes share the next revision.

use crate::change::Change;
use crate::error::{Error, Fatal};
use crate::history::Mark;
use crate::mvcc::Mvcc;
use crate::range::{FetchError, RangePlan};
use crate::revision::Revision;
use crate::values::{Values, find};
use bytes::Bytes;
use store_types::etcdserverpb as pb;
use store_types::mvccpb::event::EventType;
use store_types::{Event, KeyRange, KeyValue};

/// One command at work. The current revision moves when it is through; until then, its changes stand one above.
pub(super) struct Write<'a, V> {
    pub(super) mvcc: &'a mut Mvcc,
    values: &'a V,
    changes: &'a mut Vec<Change>,
}

/// The backend with the changes of the running command over it.
struct View<'a, V> {
    values: &'a V,
    changes: &'a [Change],
    /// Revisions above are the running command's.
    begin: i64,
}

impl<V: Values> Values for View<'_, V> {
    type Error = V::Error;

    fn get(&self, revision: Revision) -> Result<Option<KeyValue>, V::Error> {
        if revision.main > self.begin { Ok(find(self.changes, revision)) } else { self.values.get(revision) }
    }
}

impl<'a, V: Values> Write<'a, V> {
    pub(super) fn new(mvcc: &'a mut Mvcc, values: &'a V, changes: &'a mut Vec<Change>) -> Self {
        Self { mvcc, values, changes }
    }

    /// A put that is a whole command: the lease is looked at first, as etcd does.
    pub(super) fn put_alone(
        &mut self,
        request: &pb::PutRequest,
    ) -> Result<Result<pb::PutResponse, Error>, Fatal<V::Error>> {
        if request.lease != 0 && !self.mvcc.leases.contains(request.lease) {
            return Ok(Err(Error::LeaseNotFound));
        }
        if (request.ignore_value || request.ignore_lease) && self.mvcc.live(&request.key).is_none() {
            return Ok(Err(Error::KeyNotFound));
        }
        self.put(request).map(Ok)
    }

    /// A put whose lease exists, and whose key does if something of it is to be kept.
    pub(super) fn put(&mut self, request: &pb::PutRequest) -> Result<pb::PutResponse, Fatal<V::Error>> {
        let kept = if request.ignore_lease { self.mvcc.live(&request.key) } else { None };
        let lease = kept.map_or(request.lease, |mark| mark.lease);
        let revision = self.next_revision();
        // One descent of the index for all but `ignore_lease`: it records the put and tells what was there.
        let (mark, before) = self.mvcc.index.put(&request.key, revision, lease);
        self.move_lease(&request.key, before.map_or(0, |mark| mark.lease), lease);
        let load = request.prev_kv || request.ignore_value || self.mvcc.load_previous;
        let previous = match before {
            Some(mark) if load => Some(self.value(mark.revision)?),
            _ => None,
        };
        let value = match &previous {
            Some(previous) if request.ignore_value => previous.value.clone(),
            _ => request.value.clone(),
        };
        let kv = KeyValue {
            key: request.key.clone(),
            create_revision: mark.create,
            mod_revision: revision.main,
            version: mark.version,
            value,
            lease,
        };
        let prev_kv = if request.prev_kv { previous.clone() } else { None };
        self.record(EventType::Put, kv, before, previous);
        Ok(pb::PutResponse { header: self.header(), prev_kv })
    }

    pub(super) fn delete_range(
        &mut self,
        request: &pb::DeleteRangeRequest,
    ) -> Result<pb::DeleteRangeResponse, Fatal<V::Error>> {
        let range = KeyRange::new(request.key.clone(), request.range_end.clone());
        let mut prev_kvs = Vec::new();
        let mut deleted = 0;
        if let KeyRange::One(key) = &range {
            deleted += i64::from(self.delete(key.clone(), request.prev_kv.then_some(&mut prev_kvs))?);
        } else {
            let keys: Vec<Bytes> = self.mvcc.index.live(&range, i64::MAX).map(|(key, _)| key.clone()).collect();
            self.changes.reserve(keys.len());
            for key in keys {
                deleted += i64::from(self.delete(key, request.prev_kv.then_some(&mut prev_kvs))?);
            }
        }
        Ok(pb::DeleteRangeResponse { header: self.header(), deleted, prev_kvs })
    }

    /// Deletes one key, if it exists; appends its value to `prev_kvs` where that is wanted.
    pub(super) fn delete(&mut self, key: Bytes, prev_kvs: Option<&mut Vec<KeyValue>>) -> Result<bool, Fatal<V::Error>> {
        let revision = self.next_revision();
        let Some(before) = self.mvcc.index.delete(&key, revision) else { return Ok(false) };
        self.move_lease(&key, before.lease, 0);
        let load = prev_kvs.is_some() || self.mvcc.load_previous;
        let previous = if load { Some(self.value(before.revision)?) } else { None };
        if let (Some(prev_kvs), Some(previous)) = (prev_kvs, &previous) {
            prev_kvs.push(previous.clone());
        }
        let kv = KeyValue { key, mod_revision: revision.main, ..Default::default() };
        self.record(EventType::Delete, kv, Some(before), previous);
        Ok(true)
    }

    /// Reads inside a command; sees the changes that the command has made so far.
    pub(super) fn range(&self, request: &pb::RangeRequest) -> Result<pb::RangeResponse, Fatal<V::Error>> {
        let mut plan = RangePlan::new(request, self.current_revision());
        while !plan
            .choose(self.mvcc, usize::MAX)
            .expect("the command's revisions were checked before its first change, and nothing compacts meanwhile")
        {
        }
        plan.fetch(&self.view()).map_err(|error| match error {
            FetchError::Missing(revision) => Fatal::Missing(revision),
            FetchError::Values(error) => Fatal::Values(error),
        })
    }

    /// The put made at `revision`, which the index says exists.
    pub(super) fn value(&self, revision: Revision) -> Result<KeyValue, Fatal<V::Error>> {
        self.view().get(revision).map_err(Fatal::Values)?.ok_or(Fatal::Missing(revision))
    }

    /// Revision that a reader inside the command sees.
    pub(super) fn current_revision(&self) -> i64 {
        self.mvcc.meta.revision + i64::from(!self.changes.is_empty())
    }

    pub(super) fn header(&self) -> Option<pb::ResponseHeader> {
        Some(pb::ResponseHeader { revision: self.current_revision(), ..Default::default() })
    }

    fn view(&self) -> View<'_, V> {
        View { values: self.values, changes: self.changes, begin: self.mvcc.meta.revision }
    }

    fn next_revision(&self) -> Revision {
        let sub = i64::try_from(self.changes.len()).expect("a command changes fewer keys than fit in memory");
        Revision::new(self.mvcc.meta.revision + 1, sub)
    }

    fn move_lease(&mut self, key: &[u8], old: i64, new: i64) {
        if old == new {
            return;
        }
        if old != 0 {
            self.mvcc.leases.detach(old, key);
        }
        if new != 0 {
            self.mvcc.leases.attach(new, key);
        }
    }

    fn record(&mut self, kind: EventType, kv: KeyValue, before: Option<Mark>, previous: Option<KeyValue>) {
        let revision = self.next_revision();
        let prev_kv = previous.filter(|_| self.mvcc.load_previous);
        let event = Event { r#type: kind as i32, kv: Some(kv), prev_kv };
        self.changes.push(Change { revision, event, previous: before.map(|mark| mark.revision) });
    }
}
