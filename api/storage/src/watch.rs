//! One open watch: a stream of shared [`WatchItem`]s, polled by whoever writes them out. No task of its own.
//!
//! A watch goes through these states, and back from `Live` to `Opening` when it has fallen behind the window:
//!
//! ```text
//! Initial (a snapshot, ended by a bookmark if asked for) -> Live (a cursor into the cache's window)
//! Opening -> History (the store's own history) -> Live as soon as the window covers what comes next
//! ```
//!
//! Invariants: everything at or below `revision` has been delivered; an item is delivered once and in revision order;
//! a bookmark never names a revision above `revision`; after an ERROR item nothing follows. A watch that is not polled
//! costs its own memory and nothing else: neither the cache nor other watches wait for it.

mod history;
mod initial;
mod timer;

use crate::cache::window::{Ahead, Taken};
use crate::cache::{Cache, Subscription};
use crate::error::StorageError;
use crate::hub::Hub;
use crate::item::WatchItem;
use crate::options::{WatchOptions, WatchStart};
use crate::resource::Resource;
use crate::scope::Scope;
use futures::Stream;
use history::{History, Opening, Step};
use initial::Initial;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use timer::{Due, Timer};

/// Items that one call of [`Watch::poll_batch`] returns, roughly: whole revisions are never split.
const BATCH_ITEMS_MAX: usize = 64;
/// Steps in a row that bring no item, as when a selector passes over a long history; then other tasks get their turn.
const FRUITLESS_STEPS_MAX: usize = 64;

/// An open watch. Dropping it ends it.
pub struct Watch {
    source: Source,
    state: State,
    /// Everything at or below has been delivered.
    revision: i64,
    /// Items on their way out one by one, for the [`Stream`] interface.
    ready: VecDeque<Arc<WatchItem>>,
    timer: Option<Timer>,
    /// A bookmark is to be sent as soon as the watch has caught up.
    bookmark_due: bool,
}

/// What a watch looks at; shared by its states.
struct Source {
    hub: Arc<Hub>,
    resource: Arc<Resource>,
    cache: Option<Arc<Cache>>,
    scope: Scope,
}

enum State {
    /// The initial events; then the subscription takes over.
    Initial(Box<Initial>),
    /// A watch on the store's history is being opened.
    Opening(Opening),
    /// Events come from the store.
    History(Box<History>),
    /// Events come from the cache's window.
    Live(Subscription),
    /// Nothing follows.
    Ended,
}

impl Watch {
    pub(crate) async fn open(
        hub: &Arc<Hub>,
        resource: &Arc<Resource>,
        cache: Option<&Arc<Cache>>,
        options: WatchOptions,
    ) -> Result<Self, StorageError> {
        let source = Source {
            scope: Scope::new(resource, options.namespace.as_deref(), &options.predicate)?,
            hub: Arc::clone(hub),
            resource: Arc::clone(resource),
            cache: cache.cloned(),
        };
        let mut ready = VecDeque::new();
        let (state, revision) = match source.begin(&options).await {
            Ok(begun) => begun,
            // Upstream has answered by the time it waits for a revision to list at, so the watch itself says it.
            Err(error @ StorageError::TooLargeResourceVersion { .. }) if options.send_initial_events == Some(true) => {
                ready.push_back(WatchItem::error(&error, resource));
                (State::Ended, 0)
            }
            Err(error) => return Err(error),
        };
        Ok(Self {
            source,
            state,
            revision,
            ready,
            timer: Timer::new(options.bookmarks, options.timeout),
            bookmark_due: false,
        })
    }

    /// Everything up to this revision has been delivered by [`Self::poll_batch`]; 0 until the initial events are out.
    /// As a [`Stream`], the watch may hold some of it back.
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Appends the items that are ready to `items`; `Ready(false)` when the watch is over. Whoever writes items out
    /// gets all of one wake-up at once here, and should write them in one go.
    pub fn poll_batch(&mut self, context: &mut Context<'_>, items: &mut Vec<Arc<WatchItem>>) -> Poll<bool> {
        if !self.ready.is_empty() {
            items.extend(self.ready.drain(..));
            return Poll::Ready(true);
        }
        let before = items.len();
        let due = self.timer.as_mut().map_or(Due::Nothing, |timer| timer.poll(context));
        match due {
            Due::Nothing => {}
            Due::Bookmark => self.bookmark_is_due(),
            Due::End => {
                self.end_with_bookmark(items);
                return Poll::Ready(items.len() > before);
            }
        }
        for _ in 0..FRUITLESS_STEPS_MAX {
            match self.step(context, items) {
                Poll::Ready(true) if items.len() == before => {}
                Poll::Ready(true) => return Poll::Ready(true),
                Poll::Ready(false) => return Poll::Ready(items.len() > before),
                Poll::Pending => return Poll::Pending,
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// One step of the state machine: `true` is progress, `false` is the end.
    fn step(&mut self, context: &mut Context<'_>, items: &mut Vec<Arc<WatchItem>>) -> Poll<bool> {
        match &mut self.state {
            State::Ended => return Poll::Ready(false),
            State::Initial(initial) => {
                if initial.next_batch(&self.source.scope, BATCH_ITEMS_MAX, items) {
                    return Poll::Ready(true);
                }
                self.revision = initial.revision();
                if initial.ends_with_bookmark() {
                    items.push(WatchItem::bookmark(&self.source.resource, self.revision, true));
                }
                self.state = match initial.take_subscription() {
                    Some(subscription) => State::Live(subscription),
                    None => State::Opening(self.source.open_history(self.revision)),
                };
            }
            State::Opening(opening) => match std::task::ready!(opening.poll(context)) {
                Ok(history) => self.state = State::History(Box::new(history)),
                Err(error) => self.fail(&error, items),
            },
            State::History(_) => return self.step_history(context, items),
            State::Live(_) => return self.step_live(context, items),
        }
        Poll::Ready(true)
    }

    fn step_live(&mut self, context: &mut Context<'_>, items: &mut Vec<Arc<WatchItem>>) -> Poll<bool> {
        let (State::Live(subscription), Some(cache)) = (&mut self.state, &self.source.cache) else {
            return Poll::Ready(true);
        };
        let mut taken = Taken::new();
        let (ahead, revision) = cache.take(subscription, &mut taken, context.waker());
        match ahead {
            Ahead::Changes => {
                // Changes at or below the start come by when the start was ahead of the cache.
                for change in taken.iter().filter(|change| change.revision() > self.revision) {
                    items.extend(change.item_for(&self.source.scope.predicate));
                }
                self.revision = taken.last().map_or(0, |last| last.revision()).max(self.revision);
                Poll::Ready(true)
            }
            Ahead::Nothing => {
                if revision >= self.revision {
                    self.revision = revision;
                    if std::mem::take(&mut self.bookmark_due) {
                        items.push(WatchItem::bookmark(&self.source.resource, revision, false));
                        return Poll::Ready(true);
                    }
                }
                Poll::Pending
            }
            Ahead::Lost => {
                cache.unsubscribe(subscription);
                cache.metrics.history_watches.inc();
                self.state = State::Opening(self.source.open_history(self.revision));
                Poll::Ready(true)
            }
        }
    }

    fn step_history(&mut self, context: &mut Context<'_>, items: &mut Vec<Arc<WatchItem>>) -> Poll<bool> {
        let State::History(history) = &mut self.state else {
            return Poll::Ready(true);
        };
        match std::task::ready!(history.poll(context, &self.source, self.revision, items)) {
            Ok(Step::Delivered(revision)) => self.revision = revision.max(self.revision),
            Ok(Step::CaughtUp(revision)) => {
                self.revision = revision.max(self.revision);
                if std::mem::take(&mut self.bookmark_due) {
                    items.push(WatchItem::bookmark(&self.source.resource, self.revision, false));
                }
            }
            Ok(Step::Broken) => {
                self.state = State::Opening(self.source.reopen_history(self.revision));
                return Poll::Ready(true);
            }
            Err(error) => {
                self.fail(&error, items);
                return Poll::Ready(true);
            }
        }
        let cache = self.source.cache.as_ref();
        if let Some(subscription) = cache.and_then(|cache| cache.subscribe(&self.source.scope.topic, self.revision)) {
            self.state = State::Live(subscription);
        }
        Poll::Ready(true)
    }

    fn bookmark_is_due(&mut self) {
        self.bookmark_due = true;
        if let State::History(history) = &self.state {
            history.request_progress();
        }
    }

    /// The last bookmark saves the client the most: it resumes right where this watch ends.
    fn end_with_bookmark(&mut self, items: &mut Vec<Arc<WatchItem>>) {
        let wanted = self.timer.as_ref().is_some_and(|timer| timer.bookmarks());
        let in_state = matches!(self.state, State::Live(_) | State::History(_));
        if wanted && in_state && self.revision > 0 {
            items.push(WatchItem::bookmark(&self.source.resource, self.revision, false));
        }
        self.end();
    }

    fn fail(&mut self, error: &StorageError, items: &mut Vec<Arc<WatchItem>>) {
        if let (StorageError::WatchExpired { .. }, Some(cache)) = (error, &self.source.cache) {
            cache.metrics.expired_watches.inc();
        }
        items.push(WatchItem::error(error, &self.source.resource));
        self.end();
    }

    fn end(&mut self) {
        let subscription = match &mut self.state {
            State::Live(subscription) => Some(&*subscription),
            State::Initial(initial) => initial.subscription(),
            _ => None,
        };
        if let (Some(subscription), Some(cache)) = (subscription, &self.source.cache) {
            cache.unsubscribe(subscription);
        }
        self.state = State::Ended;
    }
}

impl Source {
    /// First state and the revision up to which nothing is to be delivered.
    async fn begin(&self, options: &WatchOptions) -> Result<(State, i64), StorageError> {
        let with_state = match options.send_initial_events {
            Some(wanted) => wanted,
            None => !matches!(options.start, WatchStart::From(_)),
        };
        let Some(cache) = &self.cache else {
            return self.begin_uncached(options, with_state).await;
        };
        cache.wait_ready().await?;
        let at_least = match options.start {
            // Without marks to wait for, the state at hand has to do, as upstream has it.
            WatchStart::Unset if !self.hub.progress.is_trusted(&*self.hub.store).await => 0,
            WatchStart::Unset => self.hub.confirmer.current_revision().await?,
            WatchStart::From(revision) if with_state => revision,
            WatchStart::From(revision) => return Ok(self.resume(cache, revision)),
            WatchStart::Any => 0,
        };
        cache.wait_for(at_least).await?;
        if with_state {
            let (snapshot, subscription) = cache.snapshot_and_subscribe(&self.scope.topic);
            let ends_with_bookmark = options.bookmarks && options.send_initial_events == Some(true);
            let initial = Initial::of_snapshot(snapshot, subscription, &self.scope, ends_with_bookmark);
            return Ok((State::Initial(Box::new(initial)), 0));
        }
        Ok(self.resume(cache, cache.revision()))
    }

    async fn begin_uncached(&self, options: &WatchOptions, with_state: bool) -> Result<(State, i64), StorageError> {
        match options.start {
            WatchStart::From(revision) if !with_state => {
                return Ok((State::Opening(self.open_history(revision)), revision));
            }
            _ if !with_state => {
                let revision = self.hub.confirmer.current_revision().await?;
                return Ok((State::Opening(self.open_history(revision)), revision));
            }
            _ => {}
        }
        let (objects, current) =
            crate::store_ops::list_all(&*self.hub.store, &self.resource, &self.scope.range).await?;
        match options.start {
            WatchStart::From(requested) if requested > current => {
                Err(StorageError::TooLargeResourceVersion { requested, current })
            }
            _ => {
                let ends_with_bookmark = options.bookmarks && options.send_initial_events == Some(true);
                Ok((State::Initial(Box::new(Initial::of_list(objects, current, ends_with_bookmark))), 0))
            }
        }
    }

    /// From the window if it reaches back to `revision`, else from the store's history.
    fn resume(&self, cache: &Arc<Cache>, revision: i64) -> (State, i64) {
        match cache.subscribe(&self.scope.topic, revision) {
            Some(subscription) => (State::Live(subscription), revision),
            None => {
                cache.metrics.history_watches.inc();
                (State::Opening(self.open_history(revision)), revision)
            }
        }
    }

    fn open_history(&self, revision: i64) -> Opening {
        Opening::new(&self.hub, self.scope.range.clone(), revision, false)
    }

    fn reopen_history(&self, revision: i64) -> Opening {
        Opening::new(&self.hub, self.scope.range.clone(), revision, true)
    }
}

impl Stream for Watch {
    type Item = Arc<WatchItem>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ready.is_empty() {
            let mut items = Vec::new();
            let more = std::task::ready!(self.poll_batch(context, &mut items));
            if !more {
                return Poll::Ready(None);
            }
            self.ready.extend(items);
        }
        Poll::Ready(self.ready.pop_front())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Watch({}@{})", self.source.resource.qualified_name(), self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an idle watch keeps beside what writes it out; the wire budget is 8 KiB with TLS and HTTP.
    const IDLE_WATCH_BYTES_MAX: usize = 1024;

    #[test]
    fn an_idle_watch_is_small() {
        let sleep_bytes = size_of::<tokio::time::Sleep>();
        let bytes = size_of::<Watch>() + sleep_bytes;
        assert!(bytes <= IDLE_WATCH_BYTES_MAX, "{bytes}");
    }
}
