//! When each lease ends, as the leader sees it. Not replicated: a new leader starts over from what is left.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// Deadlines on a clock of the caller's: durations since an origin that the caller chose and keeps.
#[derive(Clone, Debug, Default)]
pub struct Deadlines {
    by_lease: HashMap<i64, Duration>,
    order: BTreeSet<(Duration, i64)>,
}

impl Deadlines {
    /// Sets or moves the end of a lease.
    pub fn set(&mut self, id: i64, end: Duration) {
        if let Some(old) = self.by_lease.insert(id, end) {
            self.order.remove(&(old, id));
        }
        self.order.insert((end, id));
    }

    /// Sets the end of a lease to `ttl_seconds` after `now`.
    pub fn renew(&mut self, id: i64, now: Duration, ttl_seconds: i64) {
        self.set(id, now.saturating_add(Duration::from_secs(ttl_seconds.max(0).unsigned_abs())));
    }

    /// Forgets a lease.
    pub fn remove(&mut self, id: i64) {
        if let Some(end) = self.by_lease.remove(&id) {
            self.order.remove(&(end, id));
        }
    }

    /// At most `max` leases that have ended at `now`, longest overdue first.
    pub fn due(&self, now: Duration, max: usize) -> Vec<i64> {
        self.order.iter().take_while(|(end, _)| *end <= now).take(max).map(|(_, id)| *id).collect()
    }

    /// Time left at `now`, zero if overdue; `None` for an unknown lease.
    pub fn remaining(&self, id: i64, now: Duration) -> Option<Duration> {
        self.by_lease.get(&id).map(|end| end.saturating_sub(now))
    }

    /// The earliest end.
    pub fn next(&self) -> Option<Duration> {
        self.order.first().map(|(end, _)| *end)
    }

    /// All leases, soonest to end first.
    pub fn iter(&self) -> impl Iterator<Item = (i64, Duration)> {
        self.order.iter().map(|(end, id)| (*id, *end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn leases_fall_due_in_the_order_of_their_ends() {
        let mut deadlines = Deadlines::default();
        for (id, ttl) in [(1, 30), (2, 10), (3, 20)] {
            deadlines.renew(id, at(100), ttl);
        }
        assert_eq!(deadlines.due(at(109), 9), [0; 0]);
        assert_eq!(deadlines.due(at(120), 9), [2, 3]);
        assert_eq!(deadlines.due(at(120), 1), [2]);
        assert_eq!(deadlines.next(), Some(at(110)));
    }

    #[test]
    fn a_renewal_moves_the_end_and_a_removal_forgets_it() {
        let mut deadlines = Deadlines::default();
        deadlines.renew(1, at(0), 10);
        deadlines.renew(1, at(5), 10);
        assert_eq!(deadlines.due(at(10), 9), [0; 0]);
        assert_eq!(deadlines.remaining(1, at(10)), Some(at(5)));
        assert_eq!(deadlines.remaining(1, at(99)), Some(at(0)));
        deadlines.remove(1);
        assert_eq!((deadlines.next(), deadlines.remaining(1, at(10))), (None, None));
    }
}
