//! The task that keeps a cache equal to the store: list once, then follow.
//!
//! A broken watch resumes behind the last applied revision. Only when the store has compacted that revision away is
//! the cache filled anew; watchers then learn from the store's history whether they have missed anything.

use super::Cache;
use crate::error::StorageError;
use crate::progress::Progress;
use crate::store_ops;
use futures::{FutureExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use store_client::{Store, WatchEvent, WatchHandle};
use store_types::{Event, KeyRange};
use tokio::time::timeout;

/// After this long without news the store is asked how far it is, so that bookmarks of quiet resources move on.
const QUIET: Duration = Duration::from_secs(10);
/// Pause before the first attempt to reach the store again; doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_millis(50);
/// Longest pause between attempts to reach the store.
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Batches that are applied together when the feed has fallen behind: one wake-up for all of them.
const BATCHES_MAX: usize = 64;

/// How following the store ended.
enum End {
    /// Resume behind the last applied revision.
    Broken,
    /// That revision is gone: list again.
    Compacted,
}

/// Runs until it is dropped.
pub(crate) async fn run(cache: Arc<Cache>, store: Arc<dyn Store>, progress: Arc<Progress>) {
    let mut retry = RETRY_MIN;
    let mut filled = false;
    loop {
        let followed = if filled { Ok(()) } else { fill(&cache, &*store).await };
        let followed = match followed {
            Ok(()) => {
                filled = true;
                let before = cache.inner.lock().revision;
                let end = follow(&cache, &*store, &progress).await;
                cache.disconnect();
                if cache.inner.lock().revision > before {
                    retry = RETRY_MIN;
                }
                end
            }
            Err(error) => Err(error),
        };
        match followed {
            Ok(End::Broken) => {}
            Ok(End::Compacted) => {
                tracing::warn!(resource = %cache.resource.qualified_name(), "watch cache lost its place, listing again");
                cache.suspend();
                filled = false;
            }
            Err(error) => {
                tracing::warn!(resource = %cache.resource.qualified_name(), %error, "watch cache cannot follow the store");
                if !matches!(error, StorageError::Store(_)) {
                    cache.suspend();
                    filled = false;
                }
            }
        }
        tokio::time::sleep(retry).await;
        retry = (retry * 2).min(RETRY_MAX);
    }
}

async fn fill(cache: &Cache, store: &dyn Store) -> Result<(), StorageError> {
    let range = KeyRange::prefix(cache.resource.prefix());
    let (objects, revision) = store_ops::list_all(store, &cache.resource, &range).await?;
    cache.fill(objects, revision);
    Ok(())
}

async fn follow(cache: &Cache, store: &dyn Store, progress: &Progress) -> Result<End, StorageError> {
    let trusted = progress.is_trusted(store).await;
    let range = KeyRange::prefix(cache.resource.prefix());
    let start = cache.inner.lock().revision + 1;
    let mut handle = store.watch(store_ops::watch_request(range, start, false)).await?;
    if trusted {
        cache.set_progress_requester(handle.progress_requester());
    }
    loop {
        let event = match timeout(QUIET, handle.next()).await {
            Ok(Some(event)) => event,
            Ok(None) => return Ok(End::Broken),
            Err(_) => {
                cache.tick();
                cache.request_progress();
                continue;
            }
        };
        if let Some(end) = apply_ready(cache, &mut handle, event)? {
            return Ok(end);
        }
        tokio::task::coop::consume_budget().await;
    }
}

/// Applies one event and whatever else has already arrived.
fn apply_ready(cache: &Cache, handle: &mut WatchHandle, first: WatchEvent) -> Result<Option<End>, StorageError> {
    let mut batches: Vec<Arc<[Event]>> = Vec::new();
    let mut progress = 0;
    let mut end = None;
    let mut next = Some(first);
    while let Some(event) = next.take() {
        match event {
            WatchEvent::Created { .. } => {}
            // A mark covers the events before it; later batches carry revisions of their own.
            WatchEvent::Progress { revision } => progress = revision,
            WatchEvent::Events { events, .. } => batches.push(events),
            WatchEvent::Canceled { compact_revision, .. } if compact_revision > 0 => end = Some(End::Compacted),
            WatchEvent::Canceled { reason, .. } => {
                tracing::warn!(reason = %String::from_utf8_lossy(&reason), "the store ended a watch");
                end = Some(End::Broken);
            }
        }
        if end.is_none() && batches.len() < BATCHES_MAX {
            next = match handle.next().now_or_never() {
                Some(Some(event)) => Some(event),
                Some(None) => {
                    end = Some(End::Broken);
                    None
                }
                None => None,
            };
        }
    }
    if !batches.is_empty() {
        cache.apply(batches.iter().flat_map(|batch| batch.iter()))?;
    }
    cache.advance(progress);
    Ok(end)
}
