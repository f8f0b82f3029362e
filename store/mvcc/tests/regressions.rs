//! The correctness bugs of etcd's history that live in its state machine, each as a test that would have found it.
//! Numbers are those of etcd's issues.

#![allow(clippy::unwrap_used, reason = "the whole file is a test")]

use bytes::Bytes;
use std::collections::BTreeMap;
use store_mvcc::restore::RestoreError;
use store_mvcc::{Applied, Error, LeaseRecord, LeaseWrite, Meta, Mvcc, Pending, Record, Restore, Revision};
use store_types::command::{Command, CommandResponse, Operation};
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::request_op::Request;

#[derive(Clone, Default)]
struct Member {
    mvcc: Mvcc,
    rows: BTreeMap<Revision, Record>,
    leases: BTreeMap<i64, LeaseRecord>,
}

impl Member {
    fn apply(&mut self, operation: Operation) -> Applied {
        let applied = self.mvcc.apply(&self.rows, &Command { time_unix_ms: 0, operation }).unwrap();
        for change in &applied.changes {
            let mut row = Vec::new();
            change.encode_row(&mut row);
            self.rows.insert(change.revision, Record::decode_slice(change.revision, &row).unwrap());
        }
        for write in &applied.leases {
            match write {
                LeaseWrite::Put(lease) => self.leases.insert(lease.id, *lease),
                LeaseWrite::Delete(id) => self.leases.remove(id),
            };
        }
        applied
    }

    fn put(&mut self, key: &'static str) -> i64 {
        self.apply(put(key, 0)).revision
    }

    fn delete(&mut self, key: &'static str) -> i64 {
        self.apply(Operation::DeleteRange(pb::DeleteRangeRequest { key: key.into(), ..Default::default() })).revision
    }

    fn compact(&mut self, revision: i64) -> Applied {
        self.apply(Operation::Compact(pb::CompactionRequest { revision, physical: false }))
    }

    /// One step of the compaction, stored.
    fn sweep(&mut self, keys_max: usize) -> bool {
        let step = self.mvcc.sweep(keys_max);
        for revision in &step.forgotten {
            self.rows.remove(revision).unwrap();
        }
        step.done
    }

    fn sweep_all(&mut self) {
        while !self.sweep(1) {}
    }

    /// Starts again from what is stored.
    fn restart(&mut self) {
        let mut restore = Restore::new(self.mvcc.meta());
        self.leases.values().for_each(|lease| restore.lease(*lease));
        for (revision, record) in &self.rows {
            let mut row = Vec::new();
            store_mvcc::record::encode_event(&record.clone().into_event(*revision), &mut row);
            restore.row(*revision, &row).unwrap();
        }
        self.mvcc = restore.finish();
    }

    fn get(&self, key: &'static str, revision: i64) -> Result<Option<i64>, Error> {
        let request = pb::RangeRequest { key: key.into(), revision, ..Default::default() };
        let mut plan = self.mvcc.plan_range(&request)?;
        while !plan.choose(&self.mvcc, 1)? {}
        Ok(plan.fetch(&self.rows).unwrap().kvs.first().map(|kv| kv.mod_revision))
    }

    /// What a watch from `revision` on would deliver: deleted or not, and the revision.
    fn history(&self, revision: i64) -> Vec<(bool, i64)> {
        let rows = self.rows.range(Revision::new(revision, 0)..);
        rows.map(|(revision, record)| (matches!(record, Record::Tombstone { .. }), revision.main)).collect()
    }
}

fn put(key: &'static str, lease: i64) -> Operation {
    Operation::Put(pb::PutRequest { key: key.into(), value: "v".into(), lease, ..Default::default() })
}

#[test]
fn bug_17780_the_revision_does_not_fall_when_a_restart_interrupts_a_compaction() {
    let mut member = Member::default();
    for key in ["a", "b", "c"] {
        member.put(key);
    }
    for key in ["a", "b", "c"] {
        member.delete(key);
    }
    let current = member.mvcc.revision();
    member.put("last");
    let last = member.delete("last");
    member.compact(last);
    for _ in 0..2 {
        member.sweep(1);
        member.restart();
        assert_eq!(member.mvcc.revision(), last);
        assert!(last > current);
    }
    member.sweep_all();
    member.compact(last);
    assert_eq!(member.put("next"), last + 1);
}

#[test]
fn bug_18089_a_tombstone_at_the_compaction_revision_stays_watchable() {
    let mut member = Member::default();
    member.put("k");
    let gone = member.delete("k");
    member.compact(gone);
    member.sweep_all();
    assert_eq!(member.history(gone), [(true, gone)]);
    member.restart();
    member.sweep_all();
    assert_eq!(member.history(gone), [(true, gone)], "a restart sweeps again and must come to the same end");
    assert_eq!(member.get("k", gone), Ok(None));
}

#[test]
fn bug_19179_a_tombstone_stays_watchable_when_its_put_was_compacted_before() {
    let mut member = Member::default();
    let created = member.put("k");
    let gone = member.delete("k");
    member.compact(created);
    member.sweep_all();
    member.restart();
    member.compact(gone);
    member.sweep_all();
    member.restart();
    assert_eq!(member.history(gone), [(true, gone)]);
    assert_eq!(member.get("k", gone), Ok(None), "the tombstone without its put does not bring the key back");
    let again = member.put("k");
    member.compact(again);
    member.sweep_all();
    assert_eq!(member.history(0), [(false, again)]);
}

#[test]
fn bug_18667_members_agree_on_a_transaction_that_reads_a_compacted_revision() {
    let mut one = Member::default();
    let past = one.put("k");
    let kept = one.put("k");
    one.compact(kept);
    // The other member has finished the compaction and started again; the first has not begun to delete.
    let mut other = one.clone();
    other.sweep_all();
    other.restart();
    let read = pb::RangeRequest { key: "k".into(), revision: past, ..Default::default() };
    let write = pb::PutRequest { key: "a".into(), ..Default::default() };
    let operations = [Request::RequestPut(write), Request::RequestRange(read)];
    let success = operations.map(|request| pb::RequestOp { request: Some(request) }).to_vec();
    let txn = Operation::Txn(pb::TxnRequest { success, ..Default::default() });
    let applied = one.apply(txn.clone());
    assert_eq!(applied, other.apply(txn));
    assert_eq!((applied.response, applied.revision), (Err(Error::Compacted), kept));
}

#[test]
fn bug_13766_rows_ahead_of_the_stored_revision_are_noticed() {
    let row = b"\x02k";
    let mut restore = Restore::new(Meta { revision: 5, compacted: 0 });
    assert_eq!(restore.row(Revision::new(5, 0), row), Ok(()));
    assert_eq!(
        restore.row(Revision::new(5, 0), row),
        Err(RestoreError::Order(Revision::new(5, 0), Revision::new(5, 0)))
    );
    assert_eq!(restore.row(Revision::new(6, 0), row), Err(RestoreError::Ahead(Revision::new(6, 0), 5)));
    assert!(matches!(restore.row(Revision::new(5, 1), b"\x07"), Err(RestoreError::Row(..))));
}

// proves: ST-14
#[test]
fn how_far_a_compaction_has_come_is_invisible() {
    let mut begun = Member::default();
    for _ in 0..3 {
        for key in ["a", "b", "c", "d"] {
            begun.put(key);
        }
        begun.delete("b");
    }
    let at = begun.mvcc.revision() - 4;
    begun.compact(at);
    let mut done = begun.clone();
    done.sweep_all();
    assert!(done.rows.len() < begun.rows.len());
    for revision in 1..=begun.mvcc.revision() {
        for key in ["a", "b", "c", "d"] {
            assert_eq!(begun.get(key, revision), done.get(key, revision));
            assert_eq!(begun.mvcc.previous(key.as_bytes(), revision), done.mvcc.previous(key.as_bytes(), revision));
        }
        assert_eq!(begun.get("a", revision).is_err(), revision < at);
    }
    assert_eq!(begun.put("b"), done.put("b"));
}

#[test]
fn a_compaction_under_a_read_is_noticed_in_both_steps() {
    let mut member = Member::default();
    let past = member.put("a");
    member.put("b");
    let newest = member.put("a");
    let all = pb::RangeRequest {
        key: "a".into(),
        range_end: Bytes::from_static(b"\0"),
        revision: past,
        ..Default::default()
    };
    let mut choosing = member.mvcc.plan_range(&all).unwrap();
    assert_eq!(choosing.choose(&member.mvcc, 1), Ok(false));
    let mut chosen = member.mvcc.plan_range(&all).unwrap();
    assert_eq!(chosen.choose(&member.mvcc, 9), Ok(true));
    member.compact(newest);
    member.sweep_all();
    assert_eq!(choosing.choose(&member.mvcc, 1), Err(Error::Compacted));
    assert!(chosen.fetch(&member.rows).is_err());
    assert_eq!(member.mvcc.check_revision(past), Err(Error::Compacted));
}

// proves: ST-22
#[test]
fn leases_keep_their_keys_and_what_is_left_of_their_time_over_a_restart() {
    let mut member = Member::default();
    for (id, ttl) in [(7, 60), (8, 60)] {
        member.apply(Operation::LeaseGrant(pb::LeaseGrantRequest { id, ttl }));
    }
    for (key, lease) in [("b", 7), ("a", 7), ("c", 8), ("moved", 7), ("moved", 8), ("freed", 7), ("freed", 0)] {
        member.apply(put(key, lease));
    }
    member.apply(Operation::LeaseCheckpoint(vec![(7, 15), (99, 15)]));
    member.restart();
    let keys = |id| member.mvcc.lease_keys(id).cloned().collect::<Vec<_>>();
    assert_eq!((keys(7), keys(8)), (vec!["a".into(), "b".into()], vec!["c".into(), "moved".into()]));
    assert_eq!(member.mvcc.lease(7).map(LeaseRecord::left_seconds), Some(15));
    assert_eq!(member.mvcc.lease(8).map(LeaseRecord::left_seconds), Some(60));
    let revoked = member.apply(Operation::LeaseRevoke(pb::LeaseRevokeRequest { id: 7 }));
    let deleted: Vec<_> = revoked.changes.iter().map(|change| (change.kv().key.clone(), change.revision.sub)).collect();
    assert_eq!(deleted, [("a".into(), 0), ("b".into(), 1)]);
    assert_eq!(revoked.leases, [LeaseWrite::Delete(7)]);
    assert!(member.mvcc.live(b"freed").is_some());
    member.restart();
    assert_eq!(member.mvcc.leases().map(|lease| lease.id).collect::<Vec<_>>(), [8]);
    assert_eq!(member.apply(put("k", 7)).response, Err(Error::LeaseNotFound));
}

#[test]
fn commands_of_one_batch_see_each_other_before_the_batch_is_stored() {
    let mut mvcc = Mvcc::new();
    let stored = BTreeMap::new();
    let mut pending = Pending::new(&stored);
    for expected in [None, Some(2), Some(3)] {
        let request = pb::PutRequest { key: "k".into(), prev_kv: true, ..Default::default() };
        let command = Command { time_unix_ms: 0, operation: Operation::Put(request) };
        let applied = mvcc.apply(&pending, &command).unwrap();
        let Ok(CommandResponse::Put(response)) = applied.response else { panic!("refused") };
        assert_eq!(response.prev_kv.map(|kv| kv.mod_revision), expected);
        pending.extend(applied.changes);
    }
    assert_eq!(pending.into_changes().len(), 3);
}
