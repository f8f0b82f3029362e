//! The recent changes of a resource: a log that every watcher reads at its own pace.
//!
//! Cursors in order: `floor <= cursor <= end`. A watcher whose cursor falls below the floor goes on from the store's
//! history; nobody waits for it, and nothing is kept for it.

use super::change::Change;
use super::topics::{Armed, TopicKey, Topics};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use tokio::time::Instant;

/// Changes this young are kept, bytes permitting: upstream's fresh window.
const WINDOW_SECONDS_MIN: u64 = 75;
/// This many changes are kept however old they are.
const WINDOW_CHANGES_MIN: usize = 100;
/// Memory that the window of one resource may keep alive. When it is full the oldest changes go, and watchers that
/// have not read them go on from the store's history.
const WINDOW_BYTES_MAX: usize = 16 << 20;
/// Changes looked at in one go, so that a watcher far behind does not hold the lock for long; a revision is never split.
const TAKE_CHANGES_MAX: usize = 64;

/// A batch of changes on its way to one watcher.
pub(crate) type Taken = SmallVec<[Arc<Change>; 8]>;

/// A watcher's place in one topic's log. Must be given back by [`Window::unsubscribe`].
#[derive(Debug)]
pub(crate) struct Cursor {
    topic: u32,
    next: u64,
    armed: Armed,
}

/// What lies before a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ahead {
    /// Changes were taken.
    Changes,
    /// Nothing yet; the waker is registered.
    Nothing,
    /// The next change has left the window.
    Lost,
}

/// Recent changes, complete above `floor`.
pub(crate) struct Window {
    changes: VecDeque<Arc<Change>>,
    floor: i64,
    bytes: usize,
    topics: Topics,
    indexed_fields: &'static [&'static str],
}

impl Window {
    /// An empty window that is complete from `revision` on.
    pub(crate) fn new(revision: i64, indexed_fields: &'static [&'static str]) -> Self {
        Self {
            changes: VecDeque::new(),
            floor: revision,
            bytes: 0,
            topics: Topics::new(indexed_fields),
            indexed_fields,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.changes.len()
    }

    pub(crate) fn watchers(&self) -> usize {
        self.topics.watchers()
    }

    /// Appends a change. Call [`Self::trim`] once the whole revision is in.
    pub(crate) fn push(&mut self, change: Change, wakers: &mut Vec<Waker>) {
        let change = Arc::new(change);
        self.bytes += change.bytes();
        self.topics.push(&change, wakers);
        self.changes.push_back(change);
    }

    /// Drops what is too old or too much, whole revisions at a time.
    pub(crate) fn trim(&mut self, now: Instant) {
        while let Some(oldest) = self.changes.front() {
            let old = now.duration_since(oldest.at) > Duration::from_secs(WINDOW_SECONDS_MIN);
            if !(self.bytes > WINDOW_BYTES_MAX || (old && self.changes.len() > WINDOW_CHANGES_MIN)) {
                break;
            }
            let revision = oldest.revision();
            while let Some(oldest) = self.changes.pop_front_if(|oldest| oldest.revision() == revision) {
                self.bytes -= oldest.bytes();
                self.topics.drop_oldest(&oldest);
            }
            self.floor = revision;
        }
    }

    /// A cursor before the first change after `revision`; `None` if the window no longer reaches back so far.
    pub(crate) fn subscribe(&mut self, key: &TopicKey, revision: i64) -> Option<Cursor> {
        if revision < self.floor {
            return None;
        }
        let end = self.changes.back().map_or(self.floor, |last| last.revision()).max(self.floor);
        let at = self.topics.join(key, end);
        let topic = self.topics.topic(at);
        // The log is complete from some revision on; what lies between it and `revision` is added at its front.
        if revision < topic.complete_from {
            let from = self.changes.partition_point(|change| change.revision() <= revision);
            let to = self.changes.partition_point(|change| change.revision() <= topic.complete_from);
            for change in self.changes.range(from..to).rev() {
                if key.concerns(change, self.indexed_fields) {
                    topic.log.push_front(Arc::clone(change));
                    topic.base -= 1;
                }
            }
            topic.complete_from = revision;
        }
        let skip = topic.log.partition_point(|change| change.revision() <= revision) as u64;
        Some(Cursor { topic: at, next: topic.base + skip, armed: Armed::default() })
    }

    pub(crate) fn unsubscribe(&mut self, cursor: &Cursor) {
        self.topics.leave(cursor.topic, cursor.armed);
    }

    /// Moves the next changes to `taken`, whole revisions; registers the waker if there are none.
    pub(crate) fn take(&mut self, cursor: &mut Cursor, taken: &mut Taken, waker: &Waker) -> Ahead {
        let topic = self.topics.topic(cursor.topic);
        if cursor.next < topic.base {
            return Ahead::Lost;
        }
        if cursor.next == topic.end() {
            topic.arm(&mut cursor.armed, waker);
            return Ahead::Nothing;
        }
        let skip = (cursor.next - topic.base) as usize;
        let mut last = None;
        for change in topic.log.range(skip..) {
            if taken.len() >= TAKE_CHANGES_MAX && last != Some(change.revision()) {
                break;
            }
            last = Some(change.revision());
            taken.push(Arc::clone(change));
        }
        cursor.next += taken.len() as u64;
        Ahead::Changes
    }

    /// Wakes every watcher: this window is about to be replaced.
    pub(crate) fn take_all_wakers(&mut self, wakers: &mut Vec<Waker>) {
        self.topics.take_all_wakers(wakers);
    }
}

#[cfg(test)]
mod tests;
