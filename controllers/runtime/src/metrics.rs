//! Work-queue and leader-election metrics under upstream's names.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};
use std::sync::OnceLock;

struct Metrics {
    adds: IntCounterVec,
    retries: IntCounterVec,
    events_dropped: IntCounter,
    leader: IntGaugeVec,
}

/// Keys added to the queue of this name (`workqueue_adds_total`).
pub(crate) fn queue_adds(name: &str) -> IntCounter {
    metrics().adds.with_label_values(&[name])
}

/// Keys added again after a failure (`workqueue_retries_total`).
pub(crate) fn queue_retries(name: &str) -> IntCounter {
    metrics().retries.with_label_values(&[name])
}

/// Events that were not posted because the queue of events was full.
pub(crate) fn events_dropped() -> &'static IntCounter {
    &metrics().events_dropped
}

/// 1 while this process leads (`leader_election_master_status`).
pub(crate) fn leader(name: &str) -> IntGauge {
    metrics().leader.with_label_values(&[name])
}

fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        const VALID: &str = "the name and labels are literals";
        let metrics = Metrics {
            adds: IntCounterVec::new(Opts::new("workqueue_adds_total", "Keys added"), &["name"]).expect(VALID),
            retries: IntCounterVec::new(Opts::new("workqueue_retries_total", "Keys added after a failure"), &["name"])
                .expect(VALID),
            events_dropped: IntCounter::new("event_recorder_dropped_total", "Events not posted, queue full")
                .expect(VALID),
            leader: IntGaugeVec::new(Opts::new("leader_election_master_status", "1 while leading"), &["name"])
                .expect(VALID),
        };
        let registry = daemon::metrics::registry();
        let collectors: [Box<dyn prometheus::core::Collector>; 4] = [
            Box::new(metrics.adds.clone()),
            Box::new(metrics.retries.clone()),
            Box::new(metrics.events_dropped.clone()),
            Box::new(metrics.leader.clone()),
        ];
        for collector in collectors {
            if let Err(error) = registry.register(collector) {
                tracing::warn!(%error, "a metric was registered twice");
            }
        }
        metrics
    })
}
