//! The state machine against a naive model that keeps the whole state of every revision.
//!
//! Random commands, reads, compactions cut into steps, and restarts from encoded rows; after each, answers, events and
//! what can be read must be the model's.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

mod generate;
mod naive;

use bytes::Bytes;
use generate::Step;
use naive::Model;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::convert::Infallible;
use store_mvcc::{Alarms, LeaseRecord, LeaseWrite, Meta, Mvcc, Record, Restore, Revision, Values};
use store_types::command::{Command, Operation};
use store_types::etcdserverpb as pb;
use store_types::{Event, KeyValue};

/// A backend that holds what a disk would: encoded rows and nothing else.
#[derive(Default)]
struct Disk {
    rows: BTreeMap<[u8; Revision::KEY_BYTES], Bytes>,
    leases: BTreeMap<i64, [u8; LeaseRecord::ROW_BYTES]>,
    meta: Option<[u8; Meta::ROW_BYTES]>,
    alarms: Vec<pb::AlarmMember>,
}

impl Values for Disk {
    type Error = Infallible;

    fn get(&self, revision: Revision) -> Result<Option<KeyValue>, Infallible> {
        let record = self.rows.get(&revision.to_key()).map(|row| Record::decode(revision, row).unwrap());
        Ok(match record {
            Some(Record::Put(kv)) => Some(kv),
            Some(Record::Tombstone { .. }) | None => None,
        })
    }
}

impl Disk {
    fn events(&self, from: i64) -> Vec<Event> {
        let rows = self.rows.range(Revision::new(from, 0).to_key()..);
        rows.map(|(key, row)| {
            let revision = Revision::from_key(key).unwrap();
            Record::decode(revision, row).unwrap().into_event(revision)
        })
        .collect()
    }

    fn restore(&self) -> Mvcc {
        let Some(meta) = &self.meta else { return Mvcc::new() };
        let mut restore = Restore::new(Meta::decode(meta).unwrap());
        self.leases.values().for_each(|row| restore.lease(LeaseRecord::decode(row).unwrap()));
        restore.alarms(Alarms::restore(self.alarms.clone()));
        for (key, row) in &self.rows {
            restore.row(Revision::from_key(key).unwrap(), row).unwrap();
        }
        restore.finish()
    }
}

#[derive(Default)]
struct Pair {
    mvcc: Mvcc,
    disk: Disk,
    model: Model,
}

impl Pair {
    fn apply(&mut self, operation: Operation) {
        let applied = self.mvcc.apply(&self.disk, &Command { time_unix_ms: 0, operation: operation.clone() }).unwrap();
        for change in &applied.changes {
            let mut row = Vec::new();
            change.encode_row(&mut row);
            self.disk.rows.insert(change.revision.to_key(), row.into());
        }
        for write in &applied.leases {
            match write {
                LeaseWrite::Put(lease) => self.disk.leases.insert(lease.id, lease.encode()),
                LeaseWrite::Delete(id) => self.disk.leases.remove(id),
            };
        }
        if let Some(alarms) = &applied.alarms {
            self.disk.alarms.clone_from(alarms);
        }
        self.disk.meta = Some(self.mvcc.meta().encode());
        let (response, events) = self.model.apply(&operation);
        assert_eq!(applied.response, response, "{operation:?}");
        assert_eq!(applied.revision, self.model.revision());
        let changed: Vec<Event> = applied.changes.iter().map(|change| change.event.clone()).collect();
        assert_eq!(changed, events);
        for (sub, change) in applied.changes.iter().enumerate() {
            assert_eq!(change.revision, Revision::new(applied.revision, sub as i64));
            let previous = change.event.prev_kv.as_ref().map(|kv| kv.mod_revision);
            assert_eq!(change.previous.map(|revision| revision.main), previous);
        }
    }

    fn range(&self, request: &pb::RangeRequest, keys_per_step: usize) {
        let expected = self.model.range(request);
        let read = || {
            let mut plan = self.mvcc.plan_range(request)?;
            while !plan.choose(&self.mvcc, keys_per_step)? {}
            Ok(plan.fetch(&self.disk).expect("no chosen row is missing"))
        };
        assert_eq!(read(), expected, "{request:?}");
    }

    /// Everything that can be read or watched, at every revision.
    fn check(&self) {
        assert_eq!(self.mvcc.revision(), self.model.revision());
        let compacted = self.mvcc.compacted_revision();
        assert_eq!(compacted, self.model.compacted);
        for revision in 1..=self.model.revision() + 1 {
            let all = pb::RangeRequest { key: "\0".into(), range_end: "\0".into(), revision, ..Default::default() };
            self.range(&all, 2);
        }
        let watchable = self.model.events_from(compacted);
        let without_previous: Vec<Event> =
            watchable.iter().map(|event| Event { prev_kv: None, ..event.clone() }).collect();
        assert_eq!(self.disk.events(compacted), without_previous);
        for event in watchable {
            let kv = event.kv.unwrap();
            let known = kv.mod_revision > compacted;
            let expected = event.prev_kv.filter(|_| known).map(|kv| kv.mod_revision);
            assert_eq!(self.mvcc.previous(&kv.key, kv.mod_revision).map(|revision| revision.main), expected);
        }
        let leases: Vec<LeaseRecord> = self.mvcc.leases().copied().collect();
        assert_eq!(leases, self.model.leases());
        for lease in leases {
            let keys: Vec<Bytes> = self.mvcc.lease_keys(lease.id).cloned().collect();
            assert_eq!(keys, self.model.lease_keys(lease.id));
        }
    }

    fn sweep(&mut self, keys_max: usize) -> bool {
        let step = self.mvcc.sweep(keys_max);
        for revision in &step.forgotten {
            assert!(self.disk.rows.remove(&revision.to_key()).is_some(), "{revision:?} was forgotten twice");
        }
        step.done
    }
}

fn run(steps: Vec<Step>) {
    let mut pair = Pair::default();
    for step in steps {
        match step {
            Step::Apply(operation) => pair.apply(operation),
            Step::CompactBack(back) => {
                let revision = pair.model.revision() - back;
                pair.apply(Operation::Compact(pb::CompactionRequest { revision, physical: false }));
            }
            Step::Range { mut request, back } => {
                request.revision = back.map_or(0, |back| pair.model.revision() - back);
                pair.range(&request, 1);
                pair.range(&request, usize::MAX);
            }
            Step::Sweep(keys_max) => {
                pair.sweep(keys_max);
            }
            Step::Restart => {
                pair.mvcc = pair.disk.restore();
                pair.check();
            }
        }
    }
    pair.check();
    while !pair.sweep(1) {}
    pair.check();
    // What is left after a finished compaction is what a watch or a read can still see, and no more.
    let compacted = pair.model.compacted;
    let live = pair.model.keys_at(compacted);
    let kept = |event: &Event| {
        let kv = event.kv.as_ref().unwrap();
        kv.mod_revision >= compacted || live.get(&kv.key).is_some_and(|live| live.mod_revision == kv.mod_revision)
    };
    assert!(pair.disk.events(0).iter().all(kept), "a compaction left rows behind");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    // proves: ST-08, ST-09, ST-10, ST-11, ST-12, ST-13, ST-14
    #[test]
    fn the_state_machine_behaves_like_the_naive_model(steps in generate::steps()) {
        run(steps);
    }
}
