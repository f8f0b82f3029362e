//! Metrics under upstream's names, with upstream's labels and buckets.

use crate::framework::refusal::Refusal;
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, exponential_buckets};
use std::sync::OnceLock;
use tokio::time::Instant;

/// Label `profile`: the name that pods choose the scheduler by.
pub const PROFILE: &str = "default-scheduler";

/// What the scheduler counts.
pub struct Metrics {
    /// `scheduler_schedule_attempts_total` by result.
    pub attempts: IntCounterVec,
    /// `scheduler_scheduling_attempt_duration_seconds` by result: from the queue to the end of the binding.
    pub attempt_seconds: HistogramVec,
    /// `scheduler_scheduling_algorithm_duration_seconds`.
    pub algorithm_seconds: Histogram,
    /// `scheduler_framework_extension_point_duration_seconds` by point and status.
    pub point_seconds: HistogramVec,
    /// `scheduler_pending_pods` by queue.
    pub pending: IntGaugeVec,
    /// `scheduler_queue_incoming_pods_total` by queue and event.
    pub incoming: IntCounterVec,
    /// `scheduler_pod_scheduling_attempts`: how many it took.
    pub pod_attempts: Histogram,
    /// `scheduler_unschedulable_pods` by the plugin that refused them.
    pub unschedulable: IntGaugeVec,
    /// `scheduler_scheduler_cache_size` by type.
    pub cache_size: IntGaugeVec,
}

impl Metrics {
    /// An attempt that began at `since` has ended.
    pub fn attempt(&self, result: &str, since: Instant) {
        self.attempts.with_label_values(&[PROFILE, result]).inc();
        self.attempt_seconds.with_label_values(&[PROFILE, result]).observe(since.elapsed().as_secs_f64());
    }
}

/// One run of all plugins at an extension point.
pub(crate) struct Point {
    name: &'static str,
    since: Instant,
}

impl Point {
    pub(crate) fn start(name: &'static str) -> Self {
        Self { name, since: Instant::now() }
    }

    pub(crate) fn end(self, status: &str) {
        let seconds = self.since.elapsed().as_secs_f64();
        metrics().point_seconds.with_label_values(&[self.name, PROFILE, status]).observe(seconds);
    }

    /// Ends with the status that the outcome stands for.
    pub(crate) fn settle<T>(self, outcome: Result<T, Refusal>) -> Result<T, Refusal> {
        self.end(match &outcome {
            Ok(_) => "Success",
            Err((_, rejection)) if rejection.is_final => "UnschedulableAndUnresolvable",
            Err(_) => "Unschedulable",
        });
        outcome
    }
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        let metrics = Metrics {
            attempts: IntCounterVec::new(
                options(
                    "schedule_attempts_total",
                    "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
                ),
                &["profile", "result"],
            )
            .expect(VALID),
            attempt_seconds: histograms(
                "scheduling_attempt_duration_seconds",
                "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
                (0.001, 2.0, 15),
                &["profile", "result"],
            ),
            algorithm_seconds: histogram(
                "scheduling_algorithm_duration_seconds",
                "Scheduling algorithm latency in seconds",
                (0.001, 2.0, 15),
            ),
            point_seconds: histograms(
                "framework_extension_point_duration_seconds",
                "Latency for running all plugins of a specific extension point.",
                (0.0001, 2.0, 12),
                &["extension_point", "profile", "status"],
            ),
            pending: IntGaugeVec::new(
                options("pending_pods", "Number of pending pods, by the queue type."),
                &["queue"],
            )
            .expect(VALID),
            incoming: IntCounterVec::new(
                options(
                    "queue_incoming_pods_total",
                    "Number of pods added to scheduling queues by event and queue type.",
                ),
                &["event", "queue"],
            )
            .expect(VALID),
            pod_attempts: histogram(
                "pod_scheduling_attempts",
                "Number of attempts to successfully schedule a pod.",
                (1.0, 2.0, 5),
            ),
            unschedulable: IntGaugeVec::new(
                options("unschedulable_pods", "The number of unschedulable pods broken down by plugin name."),
                &["plugin", "profile"],
            )
            .expect(VALID),
            cache_size: IntGaugeVec::new(
                options("scheduler_cache_size", "Number of nodes, pods, and assumed (bound) pods in the scheduler cache."),
                &["type"],
            )
            .expect(VALID),
        };
        let collectors: [Box<dyn Collector>; 9] = [
            Box::new(metrics.attempts.clone()),
            Box::new(metrics.attempt_seconds.clone()),
            Box::new(metrics.algorithm_seconds.clone()),
            Box::new(metrics.point_seconds.clone()),
            Box::new(metrics.pending.clone()),
            Box::new(metrics.incoming.clone()),
            Box::new(metrics.pod_attempts.clone()),
            Box::new(metrics.unschedulable.clone()),
            Box::new(metrics.cache_size.clone()),
        ];
        for collector in collectors {
            if let Err(error) = daemon::metrics::registry().register(collector) {
                tracing::warn!(%error, "a metric was registered twice");
            }
        }
        metrics
    })
}

const VALID: &str = "the name, labels and buckets are literals";

fn options(name: &str, help: &str) -> Opts {
    Opts::new(format!("scheduler_{name}"), help)
}

/// Buckets: start, factor, count.
fn histogram_options(name: &str, help: &str, (start, factor, count): (f64, f64, usize)) -> HistogramOpts {
    let buckets = exponential_buckets(start, factor, count).expect(VALID);
    HistogramOpts::new(format!("scheduler_{name}"), help).buckets(buckets)
}

fn histogram(name: &str, help: &str, buckets: (f64, f64, usize)) -> Histogram {
    Histogram::with_opts(histogram_options(name, help, buckets)).expect(VALID)
}

fn histograms(name: &str, help: &str, buckets: (f64, f64, usize), labels: &[&str]) -> HistogramVec {
    HistogramVec::new(histogram_options(name, help, buckets), labels).expect(VALID)
}
