//! What a member tells Prometheus, under etcd's names, so that dashboards and alerts made for etcd work.
//!
//! Each member has a registry of its own, which its listeners serve; the first member of a process is also in the
//! process's registry. Counters and histograms are kept where things happen; gauges are read from the member when they
//! are asked for.

mod collector;
mod disk;

use collector::Gauges;
use parking_lot::Mutex;
use prometheus::core::Collector;
use prometheus::{Encoder, Histogram, HistogramOpts, IntCounter, IntGauge, Registry, TextEncoder};
use std::sync::{Arc, Weak};

pub(crate) use disk::MeteredDisk;

use crate::raft::Replica;
use crate::rpc::handled::Handled;

/// etcd's buckets for what the disk does: 1 ms, doubled 13 times.
const DISK_BUCKETS: (f64, f64, usize) = (0.001, 2.0, 14);

/// The counters of one member. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Metrics {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    /// What this member put into the process's registry, and has to take out again.
    shared: Mutex<Vec<Box<dyn Collector>>>,
    fsync_seconds: Histogram,
    commit_seconds: Histogram,
    leader_changes: IntCounter,
    proposals_failed: IntCounter,
    proposals_pending: IntGauge,
    watch_streams: IntGauge,
    handled: Handled,
}

/// Counts something for as long as it is there.
pub(crate) struct Counted {
    gauge: IntGauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let disk_buckets = {
            let (start, factor, count) = DISK_BUCKETS;
            prometheus::exponential_buckets(start, factor, count).expect("start and factor are in range")
        };
        let histogram = |name: &str, help: &str| {
            let options = HistogramOpts::new(name, help).buckets(disk_buckets.clone());
            Histogram::with_opts(options).expect("the name is valid")
        };
        let counter = |name: &str, help: &str| IntCounter::new(name, help).expect("the name is valid");
        let inner = Inner {
            registry: Registry::new(),
            shared: Mutex::default(),
            fsync_seconds: histogram(
                "etcd_disk_wal_fsync_duration_seconds",
                "Seconds that one durable write of the log took.",
            ),
            commit_seconds: histogram(
                "etcd_disk_backend_commit_duration_seconds",
                "Seconds that writing one applied entry to the backend took.",
            ),
            leader_changes: counter(
                "etcd_server_leader_changes_seen_total",
                "How often this member saw another leader than before.",
            ),
            proposals_failed: counter(
                "etcd_server_proposals_failed_total",
                "Proposals without an outcome: no leader, a change of leaders, or no answer in time.",
            ),
            proposals_pending: collector::gauge(
                "etcd_server_proposals_pending",
                "Proposals that wait for their outcome.",
            ),
            watch_streams: collector::gauge("etcd_debugging_mvcc_watch_stream_total", "Open watch streams."),
            handled: Handled::new(),
        };
        let metrics = Self { inner: Arc::new(inner) };
        let inner = &metrics.inner;
        metrics.register(&inner.fsync_seconds);
        metrics.register(&inner.commit_seconds);
        metrics.register(&inner.leader_changes);
        metrics.register(&inner.proposals_failed);
        metrics.register(&inner.proposals_pending);
        metrics.register(&inner.watch_streams);
        metrics.register(inner.handled.started());
        metrics.register(inner.handled.handled());
        metrics
    }

    /// Adds what is read from the member itself.
    pub(crate) fn observe(&self, replica: Weak<Replica>) {
        self.register(&Gauges::new(replica));
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: &C) {
        let own = self.inner.registry.register(Box::new(collector.clone()));
        own.expect("the names of one member's metrics differ");
        // Refused where another member of this process has the names already.
        if daemon::metrics::registry().register(Box::new(collector.clone())).is_ok() {
            self.inner.shared.lock().push(Box::new(collector.clone()));
        }
    }

    /// Takes the member out of the process's registry, so that the next one has room there.
    pub(crate) fn withdraw(&self) {
        self.inner.withdraw();
    }

    /// Everything of this member, in Prometheus text format 0.0.4.
    pub(crate) fn render(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.inner.registry.gather(), &mut out) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        out
    }

    pub(crate) fn fsync_seconds(&self) -> &Histogram {
        &self.inner.fsync_seconds
    }

    pub(crate) fn commit_seconds(&self) -> &Histogram {
        &self.inner.commit_seconds
    }

    /// Calls from clients.
    pub(crate) fn handled(&self) -> &Handled {
        &self.inner.handled
    }

    pub(crate) fn leader_changed(&self) {
        self.inner.leader_changes.inc();
    }

    pub(crate) fn proposal_failed(&self) {
        self.inner.proposals_failed.inc();
    }

    /// A proposal, until the guard goes.
    pub(crate) fn proposal(&self) -> Counted {
        Counted::new(&self.inner.proposals_pending)
    }

    /// A watch stream, until the guard goes.
    pub(crate) fn watch_stream(&self) -> Counted {
        Counted::new(&self.inner.watch_streams)
    }
}

impl Inner {
    fn withdraw(&self) {
        for collector in self.shared.lock().drain(..) {
            if let Err(error) = daemon::metrics::registry().unregister(collector) {
                tracing::debug!(%error, "a metric was gone already");
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self { gauge: gauge.clone() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
