//! The task that proposes the revocation of leases that have ended, and checkpoints of those that live long.

use std::sync::Arc;
use std::time::Duration;
use store_types::Operation;
use store_types::etcdserverpb::LeaseRevokeRequest;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Lessor;
use crate::raft::Replica;

/// Revocations proposed at a time; the next follow when these are done.
const REVOKE_MAX: usize = 256;
/// Checkpoints in one command; the rest waits for the next interval.
const CHECKPOINTS_MAX: usize = 1_000;
/// How often long leases are checkpointed, and how long a lease must be to deserve it.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(300);
/// How long the task waits after a proposal failed.
const RETRY_DELAY: Duration = Duration::from_millis(200);

impl Lessor {
    /// Leases that have ended and are not being revoked yet; they are taken for revoked from now on.
    pub(super) fn take_due(&self, max: usize) -> Vec<i64> {
        let now = self.now();
        let mut inner = self.inner.lock();
        let Some(primary) = inner.as_mut() else { return Vec::new() };
        let wanted = max + primary.expiring.len();
        let mut due = primary.deadlines.due(now, wanted);
        due.retain(|id| !primary.expiring.contains(id));
        due.truncate(max);
        primary.expiring.extend(&due);
        due
    }

    /// A revocation failed: the lease may be proposed again.
    fn give_back(&self, id: i64) {
        if let Some(primary) = &mut *self.inner.lock() {
            primary.expiring.remove(&id);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let inner = self.inner.lock();
        let primary = inner.as_ref()?;
        let next = primary.deadlines.iter().find(|(id, _)| !primary.expiring.contains(id))?;
        Some(self.origin + next.1)
    }

    /// Renewed leases to be reset, and, with `all`, what is left of the long ones.
    fn take_checkpoints(&self, all: bool) -> Vec<(i64, i64)> {
        let now = self.now();
        let mut inner = self.inner.lock();
        let Some(primary) = inner.as_mut() else { return Vec::new() };
        let mut checkpoints: Vec<(i64, i64)> = primary.reset.drain().map(|id| (id, 0)).collect();
        if all {
            let mvcc = self.state.mvcc();
            let long = mvcc.leases().filter(|lease| lease.ttl_seconds > CHECKPOINT_INTERVAL.as_secs() as i64);
            checkpoints.extend(long.take(CHECKPOINTS_MAX).filter_map(|lease| {
                let left = primary.deadlines.remaining(lease.id, now)?.as_secs() as i64;
                (left > 0 && left < lease.ttl_seconds).then_some((lease.id, left))
            }));
        }
        checkpoints
    }
}

/// Runs until `stop`: keeps the book while this member leads.
pub(crate) async fn run(replica: Arc<Replica>, stop: CancellationToken) -> Result<(), std::convert::Infallible> {
    let lessor = Arc::clone(replica.lessor());
    let mut leading = None;
    let mut leadership = replica.leadership();
    let mut next_checkpoint = Instant::now() + CHECKPOINT_INTERVAL;
    loop {
        let term = leadership.ready_term();
        if term != leading {
            leading = term;
            match term {
                Some(_) => lessor.promote(),
                None => lessor.demote(),
            }
            next_checkpoint = Instant::now() + CHECKPOINT_INTERVAL;
        }
        let wake = lessor.next_deadline().unwrap_or(next_checkpoint).min(next_checkpoint);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = leadership.changed() => continue,
            () = lessor.changed.notified(), if leading.is_some() => {}
            () = sleep_until(wake), if leading.is_some() => {}
        }
        if Instant::now() >= next_checkpoint {
            next_checkpoint = Instant::now() + CHECKPOINT_INTERVAL;
            checkpoint(&replica, lessor.take_checkpoints(true)).await;
        }
        revoke_due(&replica, &lessor).await;
    }
}

async fn revoke_due(replica: &Replica, lessor: &Lessor) {
    let due = lessor.take_due(REVOKE_MAX);
    if due.is_empty() {
        return;
    }
    checkpoint(replica, lessor.take_checkpoints(false)).await;
    let revocations =
        due.iter().map(|id| replica.propose_as_leader(Operation::LeaseRevoke(LeaseRevokeRequest { id: *id })));
    let mut failed = false;
    for (id, outcome) in due.iter().zip(futures::future::join_all(revocations).await) {
        match outcome {
            Ok(_) | Err(store_client::Error { code: store_client::Code::NotFound, .. }) => {}
            Err(error) => {
                tracing::debug!(lease = id, %error, "a lease could not be expired, trying again");
                lessor.give_back(*id);
                failed = true;
            }
        }
    }
    if failed {
        tokio::time::sleep(RETRY_DELAY).await;
    }
}

async fn checkpoint(replica: &Replica, checkpoints: Vec<(i64, i64)>) {
    if checkpoints.is_empty() {
        return;
    }
    if let Err(error) = replica.propose_as_leader(Operation::LeaseCheckpoint(checkpoints)).await {
        tracing::debug!(%error, "a lease checkpoint was not written");
    }
}
