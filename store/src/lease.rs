//! Leases as the leader keeps them: deadlines on its own monotonic clock.
//!
//! Granting and revoking go through the log. Expiry is a revocation that the leader proposes, never a local decision, so
//! a leader that has been replaced expires nothing. A new leader starts every lease over from its last checkpoint, or
//! from its full time to live.

mod expiry;

pub(crate) use expiry::run;

use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use store_mvcc::Deadlines;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::state::{LeaseChange, State};

/// Keeps the deadlines while this member leads.
pub(crate) struct Lessor {
    state: Arc<State>,
    origin: Instant,
    inner: Mutex<Option<Primary>>,
    changed: Notify,
}

/// The leader's book.
#[derive(Default)]
struct Primary {
    deadlines: Deadlines,
    /// Revocations under way: no renewal any more, and no second proposal.
    expiring: HashSet<i64>,
    /// Renewed leases whose checkpoint says that less is left.
    reset: HashSet<i64>,
}

impl Lessor {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self { state, origin: Instant::now(), inner: Mutex::new(None), changed: Notify::new() }
    }

    /// This member leads now, and has applied what was committed before.
    pub(crate) fn promote(&self) {
        let now = self.now();
        let mut inner = self.inner.lock();
        let primary = inner.insert(Primary::default());
        // Under the lock: a lease applied meanwhile is noted after it.
        for lease in self.state.mvcc().leases() {
            primary.deadlines.renew(lease.id, now, lease.left_seconds());
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Another member leads.
    pub(crate) fn demote(&self) {
        *self.inner.lock() = None;
    }

    /// Follows what was applied.
    pub(crate) fn note(&self, changes: &[LeaseChange]) {
        if changes.is_empty() {
            return;
        }
        let now = self.now();
        if let Some(primary) = &mut *self.inner.lock() {
            for change in changes {
                match *change {
                    LeaseChange::Granted { id, ttl_seconds } => primary.deadlines.renew(id, now, ttl_seconds),
                    LeaseChange::Revoked { id } => {
                        primary.deadlines.remove(id);
                        primary.expiring.remove(&id);
                        primary.reset.remove(&id);
                    }
                }
            }
        }
        self.changed.notify_one();
    }

    /// Renews a lease and returns its time to live in seconds, 0 if there is no such lease; `None` if this member does
    /// not keep the book.
    pub(crate) fn keep_alive(&self, id: i64) -> Option<i64> {
        let now = self.now();
        let mut inner = self.inner.lock();
        let primary = inner.as_mut()?;
        let lease = self.state.mvcc().lease(id).copied();
        let Some(lease) = lease.filter(|_| !primary.expiring.contains(&id)) else { return Some(0) };
        primary.deadlines.renew(id, now, lease.ttl_seconds);
        if lease.remaining_seconds > 0 {
            primary.reset.insert(id);
        }
        Some(lease.ttl_seconds)
    }

    /// Seconds left, rounded down; `None` if this member does not keep the book, or not of this lease.
    pub(crate) fn remaining_seconds(&self, id: i64) -> Option<i64> {
        let remaining = self.inner.lock().as_ref()?.deadlines.remaining(id, self.now())?;
        Some(remaining.as_secs() as i64)
    }

    /// Whether this member leads and answers for leases.
    pub(crate) fn keeps_the_book(&self) -> bool {
        self.inner.lock().is_some()
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::types::LogId;
    use store_types::etcdserverpb::LeaseGrantRequest;
    use store_types::{Command, Operation};

    fn lessor_with_lease(ttl_seconds: i64) -> (tempfile::TempDir, Lessor) {
        let directory = tempfile::tempdir().unwrap();
        let state = Arc::new(
            State::open(
                directory.path(),
                Duration::from_secs(600),
                crate::metrics::Metrics::new().commit_seconds().clone(),
            )
            .unwrap(),
        );
        let grant = Operation::LeaseGrant(LeaseGrantRequest { ttl: ttl_seconds, id: 7 });
        state.apply(LogId::new_term_index(1, 1), &[Command { time_unix_ms: 0, operation: grant }]).unwrap();
        (directory, Lessor::new(state))
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_leader_starts_leases_over_and_renews_them() {
        let (_directory, lessor) = lessor_with_lease(10);
        assert_eq!(lessor.keep_alive(7), None);
        tokio::time::advance(Duration::from_secs(60)).await;
        lessor.promote();
        assert_eq!(lessor.remaining_seconds(7), Some(10));
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(lessor.remaining_seconds(7), Some(6));
        assert_eq!(lessor.keep_alive(7), Some(10));
        assert_eq!(lessor.remaining_seconds(7), Some(10));
        assert_eq!(lessor.keep_alive(8), Some(0));
        lessor.demote();
        assert_eq!(lessor.remaining_seconds(7), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_being_expired_is_not_renewed() {
        let (_directory, lessor) = lessor_with_lease(10);
        lessor.promote();
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(lessor.take_due(8), [7]);
        assert_eq!(lessor.take_due(8), [0; 0]);
        assert_eq!(lessor.keep_alive(7), Some(0));
        lessor.note(&[LeaseChange::Revoked { id: 7 }]);
        assert_eq!(lessor.take_due(8), [0; 0]);
    }
}
