//! The server's own metrics, under upstream's names. No label comes from what a client may choose: paths, verbs and
//! resources that are not served are counted as such.

use crate::filters::request_info::{RequestInfo, Verb};
use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector,
};
use std::sync::OnceLock;
use std::time::Duration;

/// Upstream's buckets of `apiserver_request_duration_seconds`.
const DURATION_BUCKETS: &[f64] = &[
    0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0,
    45.0, 60.0,
];

struct Metrics {
    requests: IntCounterVec,
    durations: HistogramVec,
    in_flight_read: IntGauge,
    in_flight_mutating: IntGauge,
    long_running: IntGaugeVec,
    terminations: IntCounterVec,
    handshake_errors: IntCounter,
    handshakes_refused: IntCounter,
    authentications: IntCounterVec,
    authenticated: IntCounter,
    allowed: IntCounter,
    denied: IntCounter,
}

/// The labels of a request. Empty where the request is for nothing that is served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Labels {
    /// API group.
    pub group: &'static str,
    /// Version in the group.
    pub version: &'static str,
    /// Plural resource.
    pub resource: &'static str,
    /// Subresource, or, of a path that is no resource, its first segment.
    pub subresource: &'static str,
}

fn metrics() -> &'static Metrics {
    static METRICS: OnceLock<Metrics> = OnceLock::new();
    METRICS.get_or_init(|| {
        let registry = daemon::metrics::registry();
        let in_flight = gauges(
            registry,
            "apiserver_current_inflight_requests",
            "Requests being answered, without long-running ones, by kind.",
            &["request_kind"],
        );
        let authentications =
            counters(registry, "authentication_attempts", "Attempts to authenticate, by result.", &["result"]);
        let authorizations = counters(
            registry,
            "apiserver_authorization_decisions_total",
            "Terminal authorization decisions, by authorizer and decision.",
            &["type", "name", "decision"],
        );
        Metrics {
            requests: counters(
                registry,
                "apiserver_request_total",
                "Requests by verb, group, version, resource, subresource, scope and code.",
                &["verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component", "code"],
            ),
            durations: registered(
                registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "apiserver_request_duration_seconds",
                        "Seconds from the request's head to the answer's, without long-running requests.",
                    )
                    .buckets(DURATION_BUCKETS.to_vec()),
                    &["verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component"],
                ),
            ),
            in_flight_read: in_flight.with_label_values(&["readOnly"]),
            in_flight_mutating: in_flight.with_label_values(&["mutating"]),
            long_running: gauges(
                registry,
                "apiserver_longrunning_requests",
                "Long-running requests being answered: watches, logs, tunnels.",
                &["verb", "group", "version", "resource", "subresource", "scope", "component"],
            ),
            terminations: counters(
                registry,
                "apiserver_request_terminations_total",
                "Requests the server gave up on to protect itself, by code.",
                &["code", "component"],
            ),
            handshake_errors: registered(
                registry,
                IntCounter::new("apiserver_tls_handshake_errors_total", "TLS handshakes that failed or took too long."),
            ),
            handshakes_refused: registered(
                registry,
                IntCounter::new(
                    "raftsman_tls_handshakes_refused_total",
                    "Connections closed because their source has too many handshakes in flight.",
                ),
            ),
            authenticated: authentications.with_label_values(&["success"]),
            authentications,
            allowed: authorizations.with_label_values(&["RBAC", "rbac", "allowed"]),
            denied: authorizations.with_label_values(&["RBAC", "rbac", "denied"]),
        }
    })
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: prometheus::Result<C>) -> C {
    let metric = metric.expect("names and labels are constants");
    if let Err(error) = registry.register(Box::new(metric.clone())) {
        tracing::debug!(%error, "metric registered twice");
    }
    metric
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    registered(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(Opts::new(name, help), labels))
}

/// Upstream's spelling: upper case, and WATCH and LIST kept apart.
fn verb_label(verb: Verb) -> &'static str {
    match verb {
        Verb::Get | Verb::Head => "GET",
        Verb::List => "LIST",
        Verb::Watch => "WATCH",
        Verb::Create | Verb::Post => "POST",
        Verb::Update | Verb::Put => "PUT",
        Verb::Patch => "PATCH",
        Verb::Delete => "DELETE",
        Verb::DeleteCollection => "DELETECOLLECTION",
        Verb::Proxy => "PROXY",
        Verb::Options | Verb::Unknown => "OTHER",
    }
}

fn scope_label(info: &RequestInfo) -> &'static str {
    match (info.is_resource(), info.name().is_empty(), info.namespace().is_empty()) {
        (false, ..) => "",
        (true, false, _) => "resource",
        (true, true, false) => "namespace",
        (true, true, true) => "cluster",
    }
}

/// Counts an answered request.
pub fn request(info: &RequestInfo, labels: Labels, code: u16, duration: Duration) {
    let (verb, scope) = (verb_label(info.verb()), scope_label(info));
    let Labels { group, version, resource, subresource } = labels;
    let mut digits = itoa::Buffer::new();
    let code = digits.format(code);
    let all = [verb, "", group, version, resource, subresource, scope, "apiserver", code];
    metrics().requests.with_label_values(&all).inc();
    if !info.is_long_running() {
        metrics().durations.with_label_values(&all[..8]).observe(duration.as_secs_f64());
    }
}

/// The gauge of this kind of long-running request.
pub fn long_running(info: &RequestInfo, labels: Labels) -> IntGauge {
    let Labels { group, version, resource, subresource } = labels;
    let all = [verb_label(info.verb()), group, version, resource, subresource, scope_label(info), "apiserver"];
    metrics().long_running.with_label_values(&all)
}

/// Counts a request that was given up on with this code.
pub fn terminated(code: u16) {
    metrics().terminations.with_label_values(&[itoa::Buffer::new().format(code), "apiserver"]).inc();
}

/// The gauge of requests in flight.
pub fn in_flight(mutating: bool) -> &'static IntGauge {
    if mutating { &metrics().in_flight_mutating } else { &metrics().in_flight_read }
}

/// A TLS handshake failed.
pub fn tls_handshake_error() {
    metrics().handshake_errors.inc();
}

/// A connection was closed before its handshake.
pub fn tls_handshake_refused() {
    metrics().handshakes_refused.inc();
}

/// Somebody proved who they are.
pub fn authenticated() {
    metrics().authenticated.inc();
}

/// An attempt to authenticate that ended in `failure` or `error`.
pub fn unauthenticated(result: &'static str) {
    metrics().authentications.with_label_values(&[result]).inc();
}

/// An authorization decision.
pub fn authorization(allowed: bool) {
    if allowed { metrics().allowed.inc() } else { metrics().denied.inc() }
}
