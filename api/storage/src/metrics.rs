//! Metrics of the watch cache, under upstream's names where upstream has one.

use crate::resource::Resource;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use std::sync::LazyLock;

const LABELS: &[&str] = &["group", "resource"];

fn counter(name: &str, help: &str) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), LABELS).expect("the name and labels are valid")
}

fn gauge(name: &str, help: &str) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), LABELS).expect("the name and labels are valid")
}

struct Families {
    events_received: IntCounterVec,
    initializations: IntCounterVec,
    history_watches: IntCounterVec,
    expired_watches: IntCounterVec,
    consistent_reads: IntCounterVec,
    read_wait_seconds: HistogramVec,
    resource_version: IntGaugeVec,
    window_changes: IntGaugeVec,
    watchers: IntGaugeVec,
    objects: IntGaugeVec,
}

static FAMILIES: LazyLock<Families> = LazyLock::new(|| Families {
    events_received: counter(
        "apiserver_watch_cache_events_received_total",
        "Events that the watch cache has received from the store.",
    ),
    initializations: counter(
        "apiserver_watch_cache_initializations_total",
        "How often the watch cache has been filled from the store.",
    ),
    history_watches: counter(
        "apiserver_watch_cache_history_watches_total",
        "Watches that went on from the store's history because they were behind the window.",
    ),
    expired_watches: counter(
        "apiserver_terminated_watchers_total",
        "Watches that were ended because the store no longer keeps their revision.",
    ),
    consistent_reads: IntCounterVec::new(
        Opts::new("apiserver_watch_cache_consistent_read_total", "Consistent lists, and who served them."),
        &["group", "resource", "success", "fallback"],
    )
    .expect("the name and labels are valid"),
    read_wait_seconds: HistogramVec::new(
        HistogramOpts::new("apiserver_watch_cache_read_wait_seconds", "Time that reads waited for a fresh cache.")
            .buckets(vec![0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 3.0]),
        LABELS,
    )
    .expect("the name and labels are valid"),
    resource_version: gauge(
        "apiserver_watch_cache_resource_version",
        "Revision up to which the watch cache is complete; 0 while it is being filled.",
    ),
    window_changes: gauge("apiserver_watch_cache_window_events", "Events kept for watches that resume."),
    watchers: gauge("apiserver_watch_cache_watchers", "Watches that read from the window."),
    objects: gauge("apiserver_resource_objects", "Objects in the watch cache."),
});

/// Registers the metrics of this crate; a second registration in the same registry is refused.
pub fn register(registry: &Registry) -> prometheus::Result<()> {
    let families = &*FAMILIES;
    registry.register(Box::new(families.events_received.clone()))?;
    registry.register(Box::new(families.initializations.clone()))?;
    registry.register(Box::new(families.history_watches.clone()))?;
    registry.register(Box::new(families.expired_watches.clone()))?;
    registry.register(Box::new(families.consistent_reads.clone()))?;
    registry.register(Box::new(families.read_wait_seconds.clone()))?;
    registry.register(Box::new(families.resource_version.clone()))?;
    registry.register(Box::new(families.window_changes.clone()))?;
    registry.register(Box::new(families.watchers.clone()))?;
    registry.register(Box::new(families.objects.clone()))
}

/// The series of one resource, looked up once.
pub(crate) struct CacheMetrics {
    pub(crate) events_received: IntCounter,
    pub(crate) initializations: IntCounter,
    pub(crate) history_watches: IntCounter,
    pub(crate) expired_watches: IntCounter,
    pub(crate) consistent_reads: IntCounter,
    pub(crate) consistent_read_fallbacks: IntCounter,
    pub(crate) read_wait_seconds: Histogram,
    pub(crate) resource_version: IntGauge,
    pub(crate) window_changes: IntGauge,
    pub(crate) watchers: IntGauge,
    pub(crate) objects: IntGauge,
}

impl CacheMetrics {
    pub(crate) fn new(resource: &Resource) -> Self {
        let families = &*FAMILIES;
        let labels: [&str; 2] = [&resource.group, &resource.resource];
        Self {
            events_received: families.events_received.with_label_values(&labels),
            initializations: families.initializations.with_label_values(&labels),
            history_watches: families.history_watches.with_label_values(&labels),
            expired_watches: families.expired_watches.with_label_values(&labels),
            consistent_reads: families.consistent_reads.with_label_values(&[labels[0], labels[1], "true", "false"]),
            consistent_read_fallbacks: families
                .consistent_reads
                .with_label_values(&[labels[0], labels[1], "true", "true"]),
            read_wait_seconds: families.read_wait_seconds.with_label_values(&labels),
            resource_version: families.resource_version.with_label_values(&labels),
            window_changes: families.window_changes.with_label_values(&labels),
            watchers: families.watchers.with_label_values(&labels),
            objects: families.objects.with_label_values(&labels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_series_of_a_resource_are_registered_once() {
        let registry = Registry::new();
        register(&registry).unwrap();
        assert!(register(&registry).is_err(), "a second registration is refused");
        let metrics = CacheMetrics::new(&Resource::new("apps", "v1", "deployments", "Deployment", true));
        metrics.events_received.inc();
        let families = registry.gather();
        assert_eq!(families.len(), 10);
        assert!(families.iter().any(|family| family.name() == "apiserver_watch_cache_events_received_total"));
    }
}
