//! Step 11 of the path of a write: the watch cache of one resource, a view over the store's feed.
//!
//! One task ([`feed`]) writes; everybody else reads. Objects are in a persistent map, so a list or the initial events
//! of a watch work on a snapshot and block nobody. Changes are in a shared [`window`] that each watcher reads with a
//! cursor of its own.
//!
//! Invariants: `revision` is never ahead of `objects` and the window; the feed is the only source of both; a watcher
//! sees every change of its topic once and in order, whether from the window or from the store's history. The lock is
//! never held across an await or while wakers run.

pub(crate) mod change;
pub(crate) mod feed;
pub(crate) mod objects;
pub(crate) mod topics;
pub(crate) mod window;

use crate::error::StorageError;
use crate::metrics::CacheMetrics;
use crate::resource::Resource;
use crate::stored::Stored;
use change::Change;
use imbl::OrdMap;
use objects::Objects;
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use store_types::Event;
use store_types::mvccpb::event::EventType;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use topics::TopicKey;
use window::{Ahead, Cursor, Taken, Window};

/// Longest wait for a revision; upstream's `blockTimeout`.
pub(crate) const FRESHNESS_WAIT: Duration = Duration::from_secs(3);
/// A progress request that did not lead far enough is repeated after this time: a mark may lie just below a revision
/// that was confirmed while the store was still announcing it. Doubles up to [`PROGRESS_RETRY_MAX`].
const PROGRESS_RETRY_MIN: Duration = Duration::from_millis(1);
/// Longest pause between progress requests.
const PROGRESS_RETRY_MAX: Duration = Duration::from_millis(100);

type ProgressRequester = Arc<dyn Fn() + Send + Sync>;

/// The watch cache of one resource.
pub(crate) struct Cache {
    pub(crate) resource: Arc<Resource>,
    prefix_bytes: usize,
    inner: Mutex<Inner>,
    /// Revision up to which the cache is complete; 0 while it is being filled.
    revision: watch::Sender<i64>,
    progress: Mutex<Option<ProgressRequester>>,
    pub(crate) metrics: CacheMetrics,
}

struct Inner {
    /// Counts the fillings; cursors of an earlier one are void.
    epoch: u64,
    revision: i64,
    /// Revision of the last change: the objects are as they were at any revision between it and `revision`.
    last_change: i64,
    objects: Objects,
    window: Window,
}

/// The objects of a topic at one revision. Costs nothing to take, and no writer waits for it.
pub(crate) struct Snapshot {
    pub(crate) objects: OrdMap<bytes::Bytes, Arc<Stored>>,
    pub(crate) revision: i64,
    pub(crate) last_change: i64,
}

/// A place in the window of one filling.
#[derive(Debug)]
pub(crate) struct Subscription {
    epoch: u64,
    cursor: Cursor,
}

impl Cache {
    pub(crate) fn new(resource: Arc<Resource>) -> Arc<Self> {
        let fields = resource.indexed_fields;
        let inner = Inner {
            epoch: 0,
            revision: 0,
            last_change: 0,
            objects: Objects::new(fields),
            window: Window::new(0, fields),
        };
        Arc::new(Self {
            prefix_bytes: resource.prefix().len(),
            metrics: CacheMetrics::new(&resource),
            resource,
            inner: Mutex::new(inner),
            revision: watch::Sender::new(0),
            progress: Mutex::new(None),
        })
    }

    /// Whether the cache has been filled and follows the store.
    pub(crate) fn is_ready(&self) -> bool {
        *self.revision.borrow() > 0
    }

    /// Revision up to which the cache is complete.
    pub(crate) fn revision(&self) -> i64 {
        *self.revision.borrow()
    }

    /// Waits until the cache is filled.
    pub(crate) async fn wait_ready(&self) -> Result<(), StorageError> {
        self.wait_for(1).await.map_err(|_| StorageError::Initializing)
    }

    /// Waits until the cache is complete up to `revision`, asking the store where it stands.
    pub(crate) async fn wait_for(&self, revision: i64) -> Result<(), StorageError> {
        let mut current = self.revision.subscribe();
        if *current.borrow_and_update() >= revision {
            return Ok(());
        }
        let started = Instant::now();
        let deadline = started + FRESHNESS_WAIT;
        let mut pause = PROGRESS_RETRY_MIN;
        loop {
            self.request_progress();
            let retry = deadline.min(Instant::now() + pause);
            pause = (pause * 2).min(PROGRESS_RETRY_MAX);
            if let Ok(Ok(_)) = timeout_at(retry, current.wait_for(|current| *current >= revision)).await {
                self.metrics.read_wait_seconds.observe(started.elapsed().as_secs_f64());
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(StorageError::TooLargeResourceVersion { requested: revision, current: self.revision() });
            }
        }
    }

    /// Asks the store for a progress mark; it arrives in order with the events.
    pub(crate) fn request_progress(&self) {
        let requester = self.progress.lock().clone();
        if let Some(requester) = requester {
            requester();
        }
    }

    /// The cached state of one object.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Stored>> {
        self.inner.lock().objects.all().get(key).cloned()
    }

    /// The objects of a topic (or a superset, to be cut by key range and selector) as they are now.
    pub(crate) fn snapshot(&self, topic: &TopicKey) -> Snapshot {
        self.inner.lock().snapshot(topic)
    }

    /// A snapshot and the place in the window right behind it.
    pub(crate) fn snapshot_and_subscribe(&self, topic: &TopicKey) -> (Snapshot, Subscription) {
        let mut inner = self.inner.lock();
        let snapshot = inner.snapshot(topic);
        let revision = inner.revision;
        let cursor = inner.window.subscribe(topic, revision).expect("the window reaches its own end");
        (snapshot, Subscription { epoch: inner.epoch, cursor })
    }

    /// The place in the window behind `revision`; `None` if the window does not reach back so far.
    pub(crate) fn subscribe(&self, topic: &TopicKey, revision: i64) -> Option<Subscription> {
        let mut inner = self.inner.lock();
        if inner.revision == 0 {
            return None;
        }
        let cursor = inner.window.subscribe(topic, revision)?;
        Some(Subscription { epoch: inner.epoch, cursor })
    }

    /// Gives a place back.
    pub(crate) fn unsubscribe(&self, subscription: &Subscription) {
        let mut inner = self.inner.lock();
        if inner.epoch == subscription.epoch {
            inner.window.unsubscribe(&subscription.cursor);
        }
    }

    /// Takes the next changes; returns what was there and the revision up to which all is now taken if nothing was.
    pub(crate) fn take(&self, subscription: &mut Subscription, taken: &mut Taken, waker: &Waker) -> (Ahead, i64) {
        let mut inner = self.inner.lock();
        if inner.epoch != subscription.epoch {
            return (Ahead::Lost, 0);
        }
        let revision = inner.revision;
        (inner.window.take(&mut subscription.cursor, taken, waker), revision)
    }

    /// Replaces everything: the first filling, or one after the feed has lost its place in the store's history.
    /// Watchers of the old window go on from the store's history, which tells those it no longer covers so.
    pub(crate) fn fill(&self, objects: Vec<Arc<Stored>>, revision: i64) {
        let mut wakers = Vec::new();
        {
            let mut inner = self.inner.lock();
            inner.restart(revision, self.resource.indexed_fields, &mut wakers);
            for object in objects {
                inner.objects.put(object);
            }
        }
        self.metrics.initializations.inc();
        self.publish(revision, wakers);
    }

    /// The feed has lost the store and its place in it: until [`Self::fill`], readers go to the store themselves, and
    /// so do watchers, who learn there whether they can go on.
    pub(crate) fn suspend(&self) {
        self.disconnect();
        let mut wakers = Vec::new();
        self.inner.lock().restart(0, self.resource.indexed_fields, &mut wakers);
        self.publish(0, wakers);
    }

    /// The feed has lost the store for now.
    pub(crate) fn disconnect(&self) {
        *self.progress.lock() = None;
    }

    /// Whether the store tells on request how far the feed is.
    pub(crate) fn can_catch_up(&self) -> bool {
        self.progress.lock().is_some()
    }

    /// Applies whole revisions of events, in order; all of it becomes visible at once.
    pub(crate) fn apply<'a>(&self, events: impl Iterator<Item = &'a Event>) -> Result<(), StorageError> {
        let _span = tracing::trace_span!("watch_cache", resource = %self.resource.resource).entered();
        let now = Instant::now();
        let mut wakers = Vec::new();
        let mut count = 0;
        // Headers are read before the lock is taken.
        let decoded: Vec<_> = events.map(|event| self.decode(event)).collect::<Result<_, _>>()?;
        let revision = {
            let mut inner = self.inner.lock();
            for event in decoded {
                if event.revision() <= inner.revision {
                    // A store that repeats itself after a reconnect must not repeat it to watchers.
                    continue;
                }
                inner.last_change = event.revision();
                count += 1;
                inner.apply(event, now, &mut wakers);
            }
            inner.revision = inner.revision.max(inner.last_change);
            inner.window.trim(now);
            inner.revision
        };
        self.metrics.events_received.inc_by(count);
        self.publish(revision, wakers);
        Ok(())
    }

    /// The store says that everything up to `revision` has been delivered.
    pub(crate) fn advance(&self, revision: i64) {
        {
            let mut inner = self.inner.lock();
            if revision <= inner.revision {
                return;
            }
            inner.revision = revision;
        }
        self.publish(revision, Vec::new());
    }

    /// Regular housekeeping: forgets old changes, also when no new ones come.
    pub(crate) fn tick(&self) {
        let mut inner = self.inner.lock();
        inner.window.trim(Instant::now());
        self.metrics.window_changes.set(inner.window.len() as i64);
        self.metrics.watchers.set(inner.window.watchers() as i64);
        self.metrics.objects.set(inner.objects.all().len() as i64);
    }

    pub(crate) fn set_progress_requester(&self, requester: ProgressRequester) {
        *self.progress.lock() = Some(requester);
    }

    fn publish(&self, revision: i64, wakers: Vec<Waker>) {
        // Subscribers compare what they need: waking them for a revision they already have is not needed.
        self.revision.send_if_modified(|current| std::mem::replace(current, revision) != revision);
        self.metrics.resource_version.set(revision);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn decode(&self, event: &Event) -> Result<Decoded, StorageError> {
        let kv = event.kv.as_ref().expect("an event of the store has a key");
        if event.r#type() == EventType::Delete {
            return Ok(Decoded::Delete { key: kv.key.clone(), revision: kv.mod_revision });
        }
        Ok(Decoded::Put(Stored::from_store(&self.resource, self.prefix_bytes, kv)?))
    }
}

enum Decoded {
    Put(Arc<Stored>),
    Delete { key: bytes::Bytes, revision: i64 },
}

impl Decoded {
    fn revision(&self) -> i64 {
        match self {
            Self::Put(object) => object.resource_version(),
            Self::Delete { revision, .. } => *revision,
        }
    }
}

impl Inner {
    /// Begins anew, empty at `revision`; cursors of before are void.
    fn restart(&mut self, revision: i64, indexed_fields: &'static [&'static str], wakers: &mut Vec<Waker>) {
        self.window.take_all_wakers(wakers);
        *self = Self {
            epoch: self.epoch + 1,
            revision,
            last_change: revision,
            objects: Objects::new(indexed_fields),
            window: Window::new(revision, indexed_fields),
        };
    }

    fn snapshot(&self, topic: &TopicKey) -> Snapshot {
        let objects = match topic {
            TopicKey::Field(index, value) => self.objects.with_field(*index, value),
            _ => self.objects.all().clone(),
        };
        Snapshot { objects, revision: self.revision, last_change: self.last_change }
    }

    fn apply(&mut self, event: Decoded, now: Instant, wakers: &mut Vec<Waker>) {
        let change = match event {
            Decoded::Put(object) => {
                let previous = self.objects.put(Arc::clone(&object));
                let created = previous.is_none();
                Change::put(object, previous, created, now)
            }
            Decoded::Delete { key, revision } => match self.objects.delete(&key) {
                Some(previous) => Change::delete(previous, revision, now),
                None => return,
            },
        };
        self.window.push(change, wakers);
    }
}
