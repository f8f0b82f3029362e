//! Three members of the store behind etcd's wire, the leader killed again and again while keys are put.

use anyhow::{Context, Result, ensure};
use e2e::Members;
use futures::StreamExt;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};
use store_client::{RemoteStore, Store, WatchEvent};
use store_types::etcdserverpb as pb;
use store_types::range::prefix_end;
use tokio::task::JoinSet;

const KILLS: usize = 20;
const WRITERS: u64 = 4;
const VALUE_BYTES: usize = 1024;
/// Beyond this a silence fails the test. An idle machine has a new leader within a tenth of it; what is measured is printed.
const SILENCE_MAX: Duration = Duration::from_secs(20);
/// The goal for a silence.
const SILENCE_GOAL: Duration = Duration::from_secs(3);
/// A request that hangs longer is given up, its outcome unknown.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const RETRY_INTERVAL: Duration = Duration::from_millis(10);
const PREFIX: &[u8] = b"crash/";

#[derive(Debug)]
struct Load {
    started: Instant,
    stop: AtomicBool,
    /// When the newest acknowledged put was sent, in microseconds after the start.
    sent_microseconds: AtomicI64,
}

fn value(writer: u64, turn: u64) -> Vec<u8> {
    let text = format!("{writer}/{turn};");
    text.repeat(VALUE_BYTES / text.len()).into_bytes()
}

/// Puts one of a few keys in every turn. Returns the revision and value of what was acknowledged.
async fn write(writer: u64, store: RemoteStore, load: Arc<Load>) -> Result<Vec<(i64, Vec<u8>)>> {
    let mut acknowledged: Vec<(i64, Vec<u8>)> = Vec::new();
    for turn in 0.. {
        if load.stop.load(Ordering::Relaxed) {
            break;
        }
        let key = [PREFIX, format!("{writer}/{}", turn % 50).as_bytes()].concat();
        let value = value(writer, turn);
        let request = pb::PutRequest { key: key.into(), value: value.clone().into(), ..pb::PutRequest::default() };
        let sent = load.started.elapsed();
        match tokio::time::timeout(REQUEST_TIMEOUT, store.put(request)).await {
            Ok(Ok(answer)) => {
                let revision = answer.header.context("an answer without header")?.revision;
                ensure!(acknowledged.last().is_none_or(|(last, _)| *last < revision), "revision {revision} goes back");
                acknowledged.push((revision, value));
                load.sent_microseconds.fetch_max(sent.as_micros() as i64, Ordering::Relaxed);
            }
            // Not known whether it happened; not sent again.
            Ok(Err(error)) if error.outcome_unknown() || error.retryable() => tokio::time::sleep(RETRY_INTERVAL).await,
            Ok(Err(error)) => return Err(error).context("a put was refused"),
            Err(_) => {}
        }
    }
    Ok(acknowledged)
}

/// One event as far as it is compared: revision, key, value.
type Seen = (i64, Vec<u8>, Vec<u8>);

/// Watches until the given revision, resuming after every break at the revision after the last that was seen.
async fn watch(store: RemoteStore, last: Arc<tokio::sync::OnceCell<i64>>) -> Result<Vec<Seen>> {
    let mut seen: Vec<Seen> = Vec::new();
    let mut position = 0;
    loop {
        let request = pb::WatchCreateRequest {
            key: PREFIX.into(),
            range_end: prefix_end(PREFIX).context("the prefix has an end")?,
            start_revision: position + 1,
            ..pb::WatchCreateRequest::default()
        };
        let Ok(Ok(mut handle)) = tokio::time::timeout(REQUEST_TIMEOUT, store.watch(request)).await else {
            tokio::time::sleep(RETRY_INTERVAL).await;
            continue;
        };
        loop {
            if last.get().is_some_and(|last| position >= *last) {
                return Ok(seen);
            }
            let batch = match tokio::time::timeout(Duration::from_millis(500), handle.next()).await {
                // Silence: the connection may be to a member that is gone, but then the stream ends by itself.
                Err(_) => continue,
                Ok(Some(WatchEvent::Events { events, .. })) => events,
                Ok(Some(WatchEvent::Created { .. } | WatchEvent::Progress { .. })) => continue,
                Ok(Some(WatchEvent::Canceled { compact_revision, reason })) => {
                    ensure!(compact_revision == 0, "the watch was cancelled: {reason:?}");
                    break;
                }
                Ok(None) => break,
            };
            for event in batch.iter() {
                let kv = event.kv.as_ref().context("an event without key")?;
                ensure!(kv.mod_revision > position, "revision {} came after {position}", kv.mod_revision);
                position = kv.mod_revision;
                seen.push((kv.mod_revision, kv.key.to_vec(), kv.value.to_vec()));
            }
        }
    }
}

/// All keys as one member has them, read through the leader.
async fn state(store: &RemoteStore) -> Result<BTreeMap<Vec<u8>, (i64, Vec<u8>)>> {
    let range_end = prefix_end(PREFIX).context("the prefix has an end")?;
    let answer = store.range(pb::RangeRequest { key: PREFIX.into(), range_end, ..pb::RangeRequest::default() }).await?;
    Ok(answer.kvs.into_iter().map(|kv| (kv.key.to_vec(), (kv.mod_revision, kv.value.to_vec()))).collect())
}

/// Waits for the answer to a put that was sent after `moment`, and returns how long after it that answer came.
async fn silence_after(load: &Load, moment: Duration) -> Result<Duration> {
    loop {
        let now = load.started.elapsed();
        if load.sent_microseconds.load(Ordering::Relaxed) > moment.as_micros() as i64 {
            return Ok(now - moment);
        }
        ensure!(now < moment + SILENCE_MAX, "no put was answered for {SILENCE_MAX:?} after the leader was killed");
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_killed_under_load_takes_no_acknowledged_put_with_it() -> Result<()> {
    let mut members = Members::start(3).await?;
    let store = members.client()?;
    let load =
        Arc::new(Load { started: Instant::now(), stop: AtomicBool::new(false), sent_microseconds: AtomicI64::new(0) });
    let last = Arc::new(tokio::sync::OnceCell::new());
    let mut watcher = JoinSet::new();
    watcher.spawn(watch(store.clone(), Arc::clone(&last)));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(write(writer, store.clone(), Arc::clone(&load)));
    }

    let mut silences = Vec::new();
    for _ in 0..KILLS {
        let leader = members.leader().await?;
        let moment = load.started.elapsed();
        members.kill(leader)?;
        silences.push(silence_after(&load, moment).await?);
        members.revive(leader)?;
        members.until_caught_up(leader).await?;
    }
    load.stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Vec::new();
    while let Some(written) = writers.join_next().await {
        acknowledged.extend(written??);
    }

    let stored = state(&store).await?;
    for index in 0..3 {
        ensure!(state(&members.client_of(index)?).await? == stored, "member {index} has another state");
    }
    last.set(stored.values().map(|(revision, _)| *revision).max().context("nothing was put")?)?;
    let seen = tokio::time::timeout(SILENCE_MAX, watcher.join_next()).await.context("the watcher never caught up")?;
    let seen = seen.context("there was a watcher")???;

    // Revisions rise from event to event, checked while watching, so none comes twice.
    let by_revision: BTreeMap<i64, &Vec<u8>> = seen.iter().map(|(revision, _, value)| (*revision, value)).collect();
    for (revision, value) in &acknowledged {
        ensure!(by_revision.get(revision) == Some(&value), "the watch missed revision {revision}, which was answered");
    }
    let replayed: BTreeMap<Vec<u8>, (i64, Vec<u8>)> =
        seen.into_iter().map(|(revision, key, value)| (key, (revision, value))).collect();
    ensure!(replayed == stored, "the events lead to another state than the range");
    silences.sort_unstable();
    println!(
        "{KILLS} leaders killed, {} puts answered in {:?}; silence: median {:?}, longest {:?}, {} above {SILENCE_GOAL:?}",
        acknowledged.len(),
        load.started.elapsed(),
        silences[KILLS / 2],
        silences[KILLS - 1],
        silences.iter().filter(|silence| **silence > SILENCE_GOAL).count(),
    );
    Ok(())
}
