//! Recent history and the list of who waits for what.

use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use store_mvcc::Change;
use store_types::KeyRange;
use tokio::sync::Notify;

use super::Changes;

/// Recent history kept in memory while there are watchers. What falls out is read from the backend by those who are
/// further behind.
const HISTORY_BYTES_MAX: usize = 32 << 20;
/// The same bound by count: small changes must not pile up book-keeping.
const HISTORY_REVISIONS_MAX: usize = 65_536;

/// Announces changes to watchers.
#[derive(Default)]
pub(crate) struct Hub {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Everything up to here has been announced.
    announced: i64,
    /// Revisions `announced - history.len() + 1 ..= announced`: each revision has changes, so there are no gaps.
    history: VecDeque<Arc<Changes>>,
    history_bytes: usize,
    next_slot: u64,
    /// Watchers of one key.
    keys: HashMap<Bytes, Vec<Arc<Slot>>>,
    /// Watchers of several keys.
    ranges: HashMap<u64, Arc<Slot>>,
}

/// A watcher as the hub knows it.
pub(super) struct Slot {
    number: u64,
    range: KeyRange,
    /// What the owner calls it.
    tag: i64,
    group: Arc<Group>,
    /// First announced revision that matches and has not been looked at; 0 for none.
    pending: AtomicI64,
}

/// Watchers that one task serves.
#[derive(Default)]
pub(crate) struct Group {
    ready: Mutex<VecDeque<i64>>,
    notify: Notify,
}

impl Group {
    /// The tag of a watcher that has something to read.
    pub(crate) fn pop_ready(&self) -> Option<i64> {
        self.ready.lock().pop_front()
    }

    /// Puts a watcher that is not finished behind the others.
    pub(crate) fn push_ready(&self, tag: i64) {
        self.ready.lock().push_back(tag);
    }

    /// Waits until there is something to do; may return early.
    pub(crate) async fn changed(&self) {
        self.notify.notified().await;
    }

    /// Makes the serving task look again.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }
}

/// Where a cursor finds what it wants.
pub(super) enum Located {
    /// These revisions, whole and in order; the cursor then stands at `next`.
    Recent { changes: Vec<Arc<Changes>>, next: i64 },
    /// Not in memory any more: in the backend, up to this revision.
    Older { upto: i64 },
    /// Nothing: the cursor is at the end.
    AtEnd { announced: i64 },
}

impl Hub {
    /// A hub for a store that stands at `revision`.
    pub(crate) fn new(revision: i64) -> Self {
        Self { inner: Mutex::new(Inner { announced: revision, ..Default::default() }) }
    }

    /// Announces the changes of one or more whole revisions, in order.
    pub(crate) fn announce(&self, changes: Vec<Change>) {
        let Some(last) = changes.last().map(|change| change.revision.main) else { return };
        let span = tracing::trace_span!("announce", revision = last).entered();
        let mut woken: Vec<Arc<Group>> = Vec::new();
        {
            let mut inner = self.inner.lock();
            if inner.keys.is_empty() && inner.ranges.is_empty() {
                inner.forget_all();
                inner.announced = last;
                return;
            }
            for change in &changes {
                inner.mark(change, &mut woken);
            }
            for revision in split_by_revision(changes) {
                inner.remember(Arc::new(revision));
            }
            inner.announced = last;
        }
        drop(span);
        for group in woken {
            group.wake();
        }
    }

    /// The state jumped to `revision` by a snapshot: everybody has to look into the backend from where they are.
    pub(crate) fn jump(&self, revision: i64) {
        let mut inner = self.inner.lock();
        let next = inner.announced + 1;
        inner.forget_all();
        inner.announced = revision;
        for slot in inner.keys.values().flatten().chain(inner.ranges.values()) {
            if slot.mark(next) {
                slot.group.wake();
            }
        }
    }

    /// How many watchers there are, and how many of them have something to read.
    pub(crate) fn watchers(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        let slots = inner.keys.values().flatten().chain(inner.ranges.values());
        slots.fold((0, 0), |(all, slow), slot| (all + 1, slow + usize::from(slot.pending.load(Ordering::Relaxed) != 0)))
    }

    /// Registers a watcher; it is told of matching revisions above the returned one.
    pub(super) fn register(&self, range: KeyRange, tag: i64, group: &Arc<Group>) -> (Arc<Slot>, i64) {
        let mut inner = self.inner.lock();
        inner.next_slot += 1;
        let number = inner.next_slot;
        let slot = Arc::new(Slot { number, range, tag, group: Arc::clone(group), pending: AtomicI64::new(0) });
        match &slot.range {
            KeyRange::One(key) => inner.keys.entry(key.clone()).or_default().push(Arc::clone(&slot)),
            KeyRange::HalfOpen { .. } | KeyRange::From(_) => {
                inner.ranges.insert(number, Arc::clone(&slot));
            }
        }
        (slot, inner.announced)
    }

    pub(super) fn unregister(&self, slot: &Slot) {
        let mut inner = self.inner.lock();
        match &slot.range {
            KeyRange::One(key) => {
                if let Some(slots) = inner.keys.get_mut(key) {
                    slots.retain(|other| other.number != slot.number);
                    if slots.is_empty() {
                        inner.keys.remove(key);
                    }
                }
            }
            KeyRange::HalfOpen { .. } | KeyRange::From(_) => {
                inner.ranges.remove(&slot.number);
            }
        }
    }

    /// What a cursor at `next` can read now: at most `revisions_max` revisions, or the way to the backend.
    pub(super) fn locate(&self, slot: &Slot, next: i64, revisions_max: usize) -> Located {
        let inner = self.inner.lock();
        if next > inner.announced {
            // Whatever is pending lies below `next`, which the cursor has passed.
            slot.pending.store(0, Ordering::Relaxed);
            return Located::AtEnd { announced: inner.announced };
        }
        let first = inner.announced - inner.history.len() as i64 + 1;
        if next < first {
            return Located::Older { upto: inner.announced };
        }
        let changes: Vec<_> = inner.history.range((next - first) as usize..).take(revisions_max).cloned().collect();
        let next = changes.last().map_or(next, |last| last.revision() + 1);
        Located::Recent { changes, next }
    }

    /// The first revision that matched since the last look; 0 for none.
    pub(super) fn take_pending(&self, slot: &Slot) -> i64 {
        slot.pending.swap(0, Ordering::AcqRel)
    }

    /// The announced revision, if none of `slots` has anything pending.
    pub(super) fn idle_at<'a>(&self, slots: impl IntoIterator<Item = &'a Slot>) -> Option<i64> {
        let inner = self.inner.lock();
        slots.into_iter().all(|slot| slot.pending.load(Ordering::Acquire) == 0).then_some(inner.announced)
    }
}

impl Inner {
    fn mark(&self, change: &Change, woken: &mut Vec<Arc<Group>>) {
        let key = &change.kv().key;
        let of_key = self.keys.get(key).into_iter().flatten();
        let of_range = self.ranges.values().filter(|slot| slot.range.contains(key));
        for slot in of_key.chain(of_range) {
            if slot.mark(change.revision.main) {
                woken.push(Arc::clone(&slot.group));
            }
        }
    }

    fn remember(&mut self, changes: Arc<Changes>) {
        self.history_bytes += changes.weight_bytes();
        self.history.push_back(changes);
        while self.history_bytes > HISTORY_BYTES_MAX || self.history.len() > HISTORY_REVISIONS_MAX {
            let Some(oldest) = self.history.pop_front() else { return };
            self.history_bytes -= oldest.weight_bytes();
        }
    }

    fn forget_all(&mut self) {
        self.history.clear();
        self.history_bytes = 0;
    }
}

impl Slot {
    pub(super) fn range(&self) -> &KeyRange {
        &self.range
    }

    /// Notes that `revision` matches; true if the owner has to be woken.
    fn mark(&self, revision: i64) -> bool {
        if self.pending.compare_exchange(0, revision, Ordering::AcqRel, Ordering::Acquire).is_err() {
            return false;
        }
        self.group.push_ready(self.tag);
        true
    }
}

fn split_by_revision(changes: Vec<Change>) -> impl Iterator<Item = Changes> {
    let mut changes = changes.into_iter().peekable();
    std::iter::from_fn(move || {
        let first = changes.next()?;
        let main = first.revision.main;
        let mut together = vec![first];
        while let Some(change) = changes.next_if(|change| change.revision.main == main) {
            together.push(change);
        }
        Some(Changes::new(together))
    })
}
