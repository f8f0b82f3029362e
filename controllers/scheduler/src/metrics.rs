//! Metrics under upstream's names.

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGaugeVec, Opts};
use std::sync::OnceLock;

/// What the scheduler counts.
pub struct Metrics {
    /// `scheduler_schedule_attempts_total` by result.
    pub attempts: IntCounterVec,
    /// `scheduler_pending_pods` by queue.
    pub pending: IntGaugeVec,
    /// `scheduler_scheduling_algorithm_duration_seconds`.
    pub algorithm_seconds: Histogram,
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        const VALID: &str = "the name and labels are literals";
        let attempts = Opts::new("scheduler_schedule_attempts_total", "Attempts to schedule pods, by result");
        let pending = Opts::new("scheduler_pending_pods", "Pending pods, by queue");
        let seconds = HistogramOpts::new("scheduler_scheduling_algorithm_duration_seconds", "Time to pick a node")
            .buckets(prometheus::exponential_buckets(0.000_01, 2.0, 15).expect("positive start, factor above 1"));
        let metrics = Metrics {
            attempts: IntCounterVec::new(attempts, &["result"]).expect(VALID),
            pending: IntGaugeVec::new(pending, &["queue"]).expect(VALID),
            algorithm_seconds: Histogram::with_opts(seconds).expect(VALID),
        };
        let registry = daemon::metrics::registry();
        let collectors: [Box<dyn prometheus::core::Collector>; 3] = [
            Box::new(metrics.attempts.clone()),
            Box::new(metrics.pending.clone()),
            Box::new(metrics.algorithm_seconds.clone()),
        ];
        for collector in collectors {
            if let Err(error) = registry.register(collector) {
                tracing::warn!(%error, "a metric was registered twice");
            }
        }
        metrics
    })
}
