//! Gauges that are read from the member when somebody asks for them.

use prometheus::core::{Collector, Desc};
use prometheus::{IntGauge, proto};
use std::sync::Weak;

use crate::raft::Replica;

/// A gauge and where its value comes from.
type Reading = (IntGauge, fn(&Replica) -> i64);

/// All gauges of a member; without values once it is gone.
#[derive(Clone)]
pub(super) struct Gauges {
    replica: Weak<Replica>,
    readings: Vec<Reading>,
}

impl Gauges {
    pub(super) fn new(replica: Weak<Replica>) -> Self {
        let readings: Vec<Reading> = vec![
            (gauge("etcd_server_has_leader", "1 if a leader is known."), |replica| {
                i64::from(replica.term_and_leader().1 != 0)
            }),
            (gauge("etcd_server_is_leader", "1 if this member leads."), |replica| {
                i64::from(replica.term_and_leader().1 == replica.identity().member_id)
            }),
            (gauge("etcd_server_proposals_committed_total", "Index of the last committed entry."), |replica| {
                signed(replica.committed_index())
            }),
            (gauge("etcd_server_proposals_applied_total", "Index of the last applied entry."), |replica| {
                signed(replica.state().applied_index())
            }),
            (gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes of the state on disk."), |replica| {
                signed(replica.state().generation().disk_bytes())
            }),
            (gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the state that are in use."), |replica| {
                signed(replica.state().generation().live_bytes())
            }),
            (gauge("etcd_debugging_mvcc_keys_total", "Keys, deleted ones too until they are compacted."), |replica| {
                replica.state().mvcc().key_count() as i64
            }),
            (gauge("etcd_debugging_mvcc_current_revision", "Current revision."), |replica| replica.state().revision()),
            (gauge("etcd_debugging_mvcc_compact_revision", "Revision of the last compaction."), |replica| {
                replica.state().compacted_revision()
            }),
            (gauge("etcd_debugging_mvcc_watcher_total", "Watchers."), |replica| {
                replica.state().hub().watchers().0 as i64
            }),
            (gauge("etcd_debugging_mvcc_slow_watcher_total", "Watchers that have events to read."), |replica| {
                replica.state().hub().watchers().1 as i64
            }),
        ];
        Self { replica, readings }
    }
}

impl Collector for Gauges {
    fn desc(&self) -> Vec<&Desc> {
        self.readings.iter().flat_map(|(gauge, _)| gauge.desc()).collect()
    }

    fn collect(&self) -> Vec<proto::MetricFamily> {
        let Some(replica) = self.replica.upgrade() else { return Vec::new() };
        let read = |(gauge, value): &Reading| {
            gauge.set(value(&replica));
            gauge.collect()
        };
        self.readings.iter().flat_map(read).collect()
    }
}

pub(super) fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect("the name is valid")
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
