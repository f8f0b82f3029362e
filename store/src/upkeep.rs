//! What has to be done now and then: flush the state and let the log go, delete what was compacted, compact by age or by number.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use store_types::Operation;
use store_types::etcdserverpb::CompactionRequest;
use tokio::time::{Instant, MissedTickBehavior, interval, interval_at};
use tokio_util::sync::CancellationToken;

use crate::raft::Replica;

/// How often the size of the log is looked at.
const FLUSH_CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// The state is flushed this often even if the log grows slowly, so that a restart has little to replay.
const FLUSH_INTERVAL: Duration = Duration::from_secs(300);
/// Pause between two steps of a sweep: writes and reads go first.
const SWEEP_PAUSE: Duration = Duration::from_millis(2);
/// Samples of (time, revision) in one retention period of the automatic compaction.
const RETENTION_SAMPLES: u32 = 10;
/// Shortest time between two samples.
const SAMPLE_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// Flushes the state when enough log has come together; openraft then purges the log that the flush covers.
pub(crate) async fn flush(replica: Arc<Replica>, log_bytes: u64, stop: CancellationToken) -> Result<(), Infallible> {
    let mut ticks = interval(FLUSH_CHECK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut flushed_bytes, mut flushed_at) = (replica.log().appended_bytes(), Instant::now());
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        replica.state().measure();
        let bytes = replica.log().appended_bytes();
        let due =
            bytes - flushed_bytes >= log_bytes || (bytes > flushed_bytes && flushed_at.elapsed() >= FLUSH_INTERVAL);
        if due {
            (flushed_bytes, flushed_at) = (bytes, Instant::now());
            if let Err(error) = replica.flush().await {
                tracing::warn!(error, "the state was not flushed");
            }
        }
    }
}

/// Deletes the rows that compactions made unreachable, a step at a time.
pub(crate) async fn sweep(replica: Arc<Replica>, stop: CancellationToken) -> std::io::Result<()> {
    let state = replica.state();
    let mut compactions = state.compactions();
    loop {
        let count = *compactions.borrow_and_update();
        loop {
            let stepping = Arc::clone(state);
            let done = tokio::task::spawn_blocking(move || stepping.sweep()).await.map_err(std::io::Error::other)??;
            if done {
                break;
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = tokio::time::sleep(SWEEP_PAUSE) => {}
            }
        }
        state.publish_swept(count);
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = compactions.changed() => if changed.is_err() { return Ok(()) },
        }
    }
}

/// Compacts all but the last `keep` revisions now and then, while this member leads.
pub(crate) async fn compact_by_count(
    replica: Arc<Replica>,
    keep: i64,
    every: Duration,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        if replica.leadership().ready_term().is_some() {
            compact_to(&replica, replica.state().revision().saturating_sub(keep)).await;
        }
    }
}

/// Compacts what is older than `retention`, while this member leads. A new leader keeps a whole period of its own first.
pub(crate) async fn compact(
    replica: Arc<Replica>,
    retention: Duration,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut ticks = interval((retention / RETENTION_SAMPLES).max(SAMPLE_INTERVAL_MIN));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut samples: VecDeque<(Instant, i64)> = VecDeque::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        if replica.leadership().ready_term().is_none() {
            samples.clear();
            continue;
        }
        let (now, revision) = (Instant::now(), replica.state().revision());
        samples.push_back((now, revision));
        let mut due = None;
        while let Some((_, revision)) = samples.pop_front_if(|(at, _)| now.duration_since(*at) >= retention) {
            due = Some(revision);
        }
        if let Some(revision) = due {
            compact_to(&replica, revision).await;
        }
    }
}

/// Compacts, unless that has been done already or is nothing to do.
async fn compact_to(replica: &Replica, revision: i64) {
    if revision <= replica.state().compacted_revision() {
        return;
    }
    let request = CompactionRequest { revision, physical: false };
    match replica.propose_as_leader(Operation::Compact(request)).await {
        Ok(_) => tracing::debug!(revision, "compacted automatically"),
        Err(error) => tracing::debug!(revision, %error, "not compacted automatically"),
    }
}
