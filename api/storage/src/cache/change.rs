//! One change of one object, and what it means to a watcher with a selector.

use crate::item::{EventKind, WatchItem};
use crate::predicate::Predicate;
use crate::stored::Stored;
use std::sync::{Arc, OnceLock};
use tokio::time::Instant;

/// One change. The items made of it are shared by all watchers that get them, so each is encoded once.
pub(crate) struct Change {
    /// When this process learned of it.
    pub(crate) at: Instant,
    previous: Option<Arc<Stored>>,
    /// ADDED, MODIFIED or DELETED as it is for those who see every object.
    natural: Arc<WatchItem>,
    /// ADDED for those to whose selection the object begins to belong.
    begins: OnceLock<Arc<WatchItem>>,
    /// DELETED, with the previous state, for those from whose selection it goes.
    ends: OnceLock<Arc<WatchItem>>,
}

impl Change {
    /// A new state of the object.
    pub(crate) fn put(object: Arc<Stored>, previous: Option<Arc<Stored>>, created: bool, at: Instant) -> Self {
        let kind = if created { EventKind::Added } else { EventKind::Modified };
        Self::new(WatchItem::object_event(kind, object), previous, at)
    }

    /// The end of the object; its last state is delivered at the revision of the deletion.
    pub(crate) fn delete(previous: Arc<Stored>, revision: i64, at: Instant) -> Self {
        let last = previous.at_revision(revision);
        Self::new(WatchItem::object_event(EventKind::Deleted, last), Some(previous), at)
    }

    fn new(natural: Arc<WatchItem>, previous: Option<Arc<Stored>>, at: Instant) -> Self {
        Self { at, previous, natural, begins: OnceLock::new(), ends: OnceLock::new() }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.natural.revision()
    }

    /// The new state; for a deletion the last one.
    pub(crate) fn object(&self) -> &Arc<Stored> {
        self.natural.object().expect("a change is made of an object event")
    }

    pub(crate) fn previous(&self) -> Option<&Arc<Stored>> {
        self.previous.as_ref()
    }

    /// Memory that the change keeps alive, roughly: the new state, its wire form, and the replaced state.
    pub(crate) fn bytes(&self) -> usize {
        let previous = self.previous.as_ref().map_or(0, |previous| previous.envelope().len());
        self.object().envelope().len() * 2 + previous
    }

    /// What a watcher with this predicate gets: an object that begins to match is ADDED, one that matches no longer
    /// is DELETED with its last matching state.
    pub(crate) fn item_for(&self, predicate: &Predicate) -> Option<Arc<WatchItem>> {
        if predicate.matches_all() {
            return Some(Arc::clone(&self.natural));
        }
        let deleted = self.natural.kind() == EventKind::Deleted;
        let now = !deleted && predicate.matches(self.object());
        let before = self.previous.as_ref().is_some_and(|previous| predicate.matches(previous));
        let shared = match (before, now) {
            (false, false) => return None,
            (true, true) => &self.natural,
            (false, true) if self.natural.kind() == EventKind::Added => &self.natural,
            (true, false) if deleted => &self.natural,
            (false, true) => {
                self.begins.get_or_init(|| WatchItem::object_event(EventKind::Added, Arc::clone(self.object())))
            }
            (true, false) => self.ends.get_or_init(|| {
                let previous = self.previous.as_ref().expect("the previous state has matched");
                WatchItem::object_event(EventKind::Deleted, previous.at_revision(self.revision()))
            }),
        };
        Some(Arc::clone(shared))
    }
}
