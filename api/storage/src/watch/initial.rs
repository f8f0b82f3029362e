//! The initial events of a watch: the state at one revision as ADDED events.

use crate::cache::{Snapshot, Subscription};
use crate::item::{EventKind, WatchItem};
use crate::scope::Scope;
use crate::store_ops::{after, bounds};
use crate::stored::Stored;
use bytes::Bytes;
use imbl::OrdMap;
use std::sync::Arc;
use store_types::KeyRange;

pub(crate) struct Initial {
    objects: Objects,
    revision: i64,
    ends_with_bookmark: bool,
    /// Where to go on; `None` for resources without a cache.
    subscription: Option<Subscription>,
}

enum Objects {
    /// A snapshot of the cache and what is left of it.
    Snapshot(OrdMap<Bytes, Arc<Stored>>, Option<KeyRange>),
    /// A list from the store.
    List(std::vec::IntoIter<Arc<Stored>>),
}

impl Initial {
    pub(crate) fn of_snapshot(
        snapshot: Snapshot,
        subscription: Subscription,
        scope: &Scope,
        ends_with_bookmark: bool,
    ) -> Self {
        let objects = Objects::Snapshot(snapshot.objects, Some(scope.range.clone()));
        Self { objects, revision: snapshot.revision, ends_with_bookmark, subscription: Some(subscription) }
    }

    pub(crate) fn of_list(objects: Vec<Arc<Stored>>, revision: i64, ends_with_bookmark: bool) -> Self {
        Self { objects: Objects::List(objects.into_iter()), revision, ends_with_bookmark, subscription: None }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.revision
    }

    pub(crate) fn ends_with_bookmark(&self) -> bool {
        self.ends_with_bookmark
    }

    pub(crate) fn subscription(&self) -> Option<&Subscription> {
        self.subscription.as_ref()
    }

    pub(crate) fn take_subscription(&mut self) -> Option<Subscription> {
        self.subscription.take()
    }

    /// Appends up to `limit` ADDED items; `false` once all have been delivered.
    pub(crate) fn next_batch(&mut self, scope: &Scope, limit: usize, items: &mut Vec<Arc<WatchItem>>) -> bool {
        let added = |object: &Arc<Stored>| WatchItem::object_event(EventKind::Added, Arc::clone(object));
        let until = items.len() + limit;
        match &mut self.objects {
            Objects::List(objects) => {
                for object in objects.filter(|object| scope.predicate.matches(object)) {
                    items.push(added(&object));
                    if items.len() == until {
                        return true;
                    }
                }
                false
            }
            Objects::Snapshot(objects, rest) => {
                let Some(range) = rest.take() else {
                    return false;
                };
                for (key, object) in objects.range::<_, [u8]>(bounds(&range)) {
                    if !scope.predicate.matches(object) {
                        continue;
                    }
                    items.push(added(object));
                    if items.len() == until {
                        *rest = match range {
                            KeyRange::One(_) => None,
                            range => Some(after(&range, key)),
                        };
                        return true;
                    }
                }
                false
            }
        }
    }
}
