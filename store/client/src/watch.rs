//! One watch as a stream of [`WatchEvent`]s.

use bytes::Bytes;
use futures::Stream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use store_types::Event;

/// What a watch delivers. Order: `Created`, then batches and progress marks, then at most one `Canceled`, then the end.
#[derive(Clone, Debug, PartialEq)]
pub enum WatchEvent {
    /// The watch stands at this store revision: without a start revision, it delivers everything after it.
    Created {
        /// Revision of the store when the watch was opened.
        revision: i64,
    },
    /// All events of one or more whole revisions, in order. Shared with other watchers of the same range.
    Events {
        /// Revision of the store when the batch was made; at least that of the last event.
        revision: i64,
        /// Never empty.
        events: Arc<[Event]>,
    },
    /// Everything at or below `revision` has been delivered.
    Progress {
        /// The mark.
        revision: i64,
    },
    /// The watch is over.
    Canceled {
        /// Above 0: the start revision was compacted; the first revision that can still be watched.
        compact_revision: i64,
        /// Why.
        reason: Bytes,
    },
}

/// One open watch; dropping it cancels.
pub struct WatchHandle {
    events: Pin<Box<dyn Stream<Item = WatchEvent> + Send>>,
    progress: Arc<dyn Fn() + Send + Sync>,
}

impl WatchHandle {
    /// Wraps a stream. `progress` asks for a progress mark: it must not block, and the mark must go through the same
    /// queue as the events.
    pub fn new(
        events: impl Stream<Item = WatchEvent> + Send + 'static,
        progress: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self { events: Box::pin(events), progress: Arc::new(progress) }
    }

    /// Asks for a progress mark; it arrives in order with the events.
    pub fn request_progress(&self) {
        (self.progress)();
    }

    /// A handle to ask for progress marks while the stream is being polled elsewhere.
    pub fn progress_requester(&self) -> Arc<dyn Fn() + Send + Sync> {
        Arc::clone(&self.progress)
    }
}

impl Stream for WatchHandle {
    type Item = WatchEvent;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(context)
    }
}

impl std::fmt::Debug for WatchHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WatchHandle")
    }
}
