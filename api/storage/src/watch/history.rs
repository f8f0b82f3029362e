//! A watch on the store's own history: for what the cache's window no longer holds, and for uncached resources.

use super::Source;
use crate::cache::change::Change;
use crate::error::StorageError;
use crate::hub::Hub;
use crate::item::WatchItem;
use crate::store_ops::watch_request;
use crate::stored::Stored;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use store_client::{WatchEvent, WatchHandle};
use store_types::mvccpb::event::EventType;
use store_types::{Event, KeyRange};
use tokio::time::Instant;

/// Pause before a broken watch is opened again.
const RETRY: Duration = Duration::from_millis(200);
/// Attempts to open a watch; after these the client gets an error and comes back by itself.
const ATTEMPTS_MAX: u32 = 25;

/// A watch on the store that is being opened.
pub(crate) struct Opening(BoxFuture<'static, Result<History, StorageError>>);

impl Opening {
    /// Opens a watch on everything after `revision`.
    pub(crate) fn new(hub: &Hub, range: KeyRange, revision: i64, broken: bool) -> Self {
        let (store, progress) = (Arc::clone(&hub.store), Arc::clone(&hub.progress));
        let open = async move {
            let mut attempts = 0;
            if broken {
                tokio::time::sleep(RETRY).await;
            }
            loop {
                match store.watch(watch_request(range.clone(), revision.saturating_add(1), true)).await {
                    Ok(handle) => {
                        let history = History { handle, marks: progress.is_trusted(&*store).await };
                        // The mark comes behind the history: then the watch has caught up.
                        history.request_progress();
                        return Ok(history);
                    }
                    Err(error) if error.retryable() && attempts < ATTEMPTS_MAX => attempts += 1,
                    Err(error) => return Err(error.into()),
                }
                tokio::time::sleep(RETRY).await;
            }
        };
        Self(open.boxed())
    }

    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<History, StorageError>> {
        self.0.poll_unpin(context)
    }
}

/// An open watch on the store.
pub(crate) struct History {
    handle: WatchHandle,
    /// Whether progress marks may be asked for.
    marks: bool,
}

/// What one poll brought.
pub(crate) enum Step {
    /// Items up to this revision.
    Delivered(i64),
    /// Everything up to this revision has been delivered.
    CaughtUp(i64),
    /// The store broke the watch off; it can be resumed.
    Broken,
}

impl History {
    pub(crate) fn request_progress(&self) {
        if self.marks {
            self.handle.request_progress();
        }
    }

    /// Appends the next items; `delivered` is where the watch stands.
    pub(crate) fn poll(
        &mut self,
        context: &mut Context<'_>,
        source: &Source,
        delivered: i64,
        items: &mut Vec<Arc<WatchItem>>,
    ) -> Poll<Result<Step, StorageError>> {
        let step = match std::task::ready!(self.handle.poll_next_unpin(context)) {
            None => Step::Broken,
            Some(WatchEvent::Created { .. }) => Step::Delivered(delivered),
            Some(WatchEvent::Progress { revision }) => Step::CaughtUp(revision),
            Some(WatchEvent::Canceled { compact_revision, .. }) if compact_revision > 0 => {
                let expired = StorageError::WatchExpired { requested: delivered, oldest: compact_revision };
                return Poll::Ready(Err(expired));
            }
            Some(WatchEvent::Canceled { .. }) => Step::Broken,
            Some(WatchEvent::Events { events, .. }) => {
                let now = Instant::now();
                let mut last = delivered;
                for event in events.iter() {
                    let change = match change(source, event, now) {
                        Ok(change) => change,
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    if let Some(change) = change.filter(|change| change.revision() > delivered) {
                        last = change.revision();
                        items.extend(change.item_for(&source.scope.predicate));
                    }
                }
                Step::Delivered(last)
            }
        };
        Poll::Ready(Ok(step))
    }
}

/// `None` for the deletion of what never was.
fn change(source: &Source, event: &Event, now: Instant) -> Result<Option<Change>, StorageError> {
    let kv = event.kv.as_ref().expect("an event of the store has a key");
    let prefix_bytes = source.resource.prefix().len();
    let previous = event.prev_kv.as_ref().filter(|previous| !previous.key.is_empty());
    let previous = previous.map(|kv| Stored::from_store(&source.resource, prefix_bytes, kv)).transpose()?;
    let deleted = event.r#type() == EventType::Delete;
    let created = kv.create_revision == kv.mod_revision;
    if previous.is_none() && (deleted || !created) {
        // The replaced state is compacted: what this change means to a selector is unknown.
        return Err(StorageError::WatchExpired { requested: kv.mod_revision - 1, oldest: kv.mod_revision });
    }
    if deleted {
        return Ok(previous.map(|previous| Change::delete(previous, kv.mod_revision, now)));
    }
    let object = Stored::from_store(&source.resource, prefix_bytes, kv)?;
    Ok(Some(Change::put(object, previous.filter(|_| !created), created, now)))
}
