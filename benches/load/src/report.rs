//! How results look.

use hdrhistogram::Histogram;
use std::time::Duration;

/// Two digits of every latency are exact.
const SIGNIFICANT_DIGITS: u8 = 2;
/// Bytes.
pub(crate) const MEBIBYTE: u64 = 1024 * 1024;
const MICROSECONDS_PER_SECOND: f64 = 1e6;

/// Latencies in microseconds.
pub(crate) struct Latencies(Histogram<u32>);

impl Latencies {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(Histogram::new(SIGNIFICANT_DIGITS).expect("the number of digits is in range"))
    }

    /// Adds one.
    pub(crate) fn record(&mut self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.record(microseconds.max(1)).expect("the histogram grows by itself");
    }

    /// Adds those of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the histogram grows by itself");
    }

    /// How many.
    pub(crate) fn len(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this share was not above, in milliseconds.
    pub(crate) fn milliseconds(&self, quantile: f64) -> f64 {
        self.0.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// Median, 99th percentile and maximum.
    pub(crate) fn summary(&self) -> String {
        format!(
            "p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms ({} samples)",
            self.milliseconds(0.5),
            self.milliseconds(0.99),
            self.milliseconds(1.0),
            self.len()
        )
    }
}

/// `value` against the most it should be; what was not measured meets no bar.
pub(crate) fn against(value: f64, bar: f64) -> String {
    if !value.is_finite() {
        return format!("not measured (bar {bar:.0})");
    }
    format!("{value:.2} (bar {bar:.0}, {})", if value <= bar { "met" } else { "MISSED" })
}

/// Seconds of CPU spread over `count`, in microseconds; no number where there was nothing to spread it over.
pub(crate) fn microseconds_each(cpu_seconds: f64, count: u64) -> f64 {
    if count == 0 { f64::NAN } else { cpu_seconds * MICROSECONDS_PER_SECOND / count as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_latencies_are_those_of_both() {
        let (mut one, mut other) = (Latencies::new(), Latencies::new());
        one.record(Duration::from_millis(1));
        other.record(Duration::from_secs(100));
        one.merge(&other);
        assert_eq!(one.len(), 2);
        assert!((one.milliseconds(0.5) - 1.0).abs() < 0.05);
        assert!((one.milliseconds(1.0) / 100_000.0 - 1.0).abs() < 0.05);
    }

    #[test]
    fn a_bar_that_is_missed_is_called_so() {
        assert!(against(5.0, 5.0).ends_with("met)"));
        assert!(against(5.1, 5.0).ends_with("MISSED)"));
    }

    #[test]
    fn nothing_answered_meets_no_bar() {
        let said = against(microseconds_each(0.0, 0), 5.0);
        assert!(!said.contains("met") && said.contains("not measured"), "{said}");
    }
}
