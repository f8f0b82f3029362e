//! The work queue of upstream's controllers: each key once, never worked on twice at a time, failures delayed
//! exponentially.

use crate::metrics;
use parking_lot::Mutex;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// First delay after a failure (upstream: `DefaultTypedControllerRateLimiter`).
const BACKOFF_MIN: Duration = Duration::from_millis(5);
/// Longest delay after failures (upstream: 1000 s).
const BACKOFF_MAX: Duration = Duration::from_secs(1000);

/// A queue of keys. Bounded by the number of distinct keys, which is that of the objects; cheap to clone.
#[derive(Debug)]
pub struct Queue<T> {
    shared: Arc<Shared<T>>,
}

#[derive(Debug)]
struct Shared<T> {
    name: &'static str,
    state: Mutex<State<T>>,
    changed: Notify,
}

#[derive(Debug)]
struct State<T> {
    ready: VecDeque<T>,
    /// In `ready`, or to be put there when the work on them is done.
    dirty: HashSet<T>,
    working: HashSet<T>,
    failures: HashMap<T, u32>,
    later: BinaryHeap<Reverse<Later<T>>>,
    sequence: u64,
}

#[derive(Debug)]
struct Later<T> {
    at: Instant,
    sequence: u64,
    item: T,
}

impl<T> PartialEq for Later<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}
impl<T> Eq for Later<T> {}
impl<T> PartialOrd for Later<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Later<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T: Clone + Eq + Hash> Queue<T> {
    /// An empty queue; the name labels its metrics.
    pub fn new(name: &'static str) -> Self {
        let state = State {
            ready: VecDeque::new(),
            dirty: HashSet::new(),
            working: HashSet::new(),
            failures: HashMap::new(),
            later: BinaryHeap::new(),
            sequence: 0,
        };
        Self { shared: Arc::new(Shared { name, state: Mutex::new(state), changed: Notify::new() }) }
    }

    /// Adds a key; one that is waiting already stays where it is.
    pub fn add(&self, item: T) {
        if self.shared.state.lock().add(item) {
            metrics::queue_adds(self.shared.name).inc();
            self.shared.changed.notify_one();
        }
    }

    /// Adds a key when the delay is over.
    pub fn add_after(&self, item: T, delay: Duration) {
        if delay.is_zero() {
            return self.add(item);
        }
        let mut state = self.shared.state.lock();
        state.sequence += 1;
        let sequence = state.sequence;
        state.later.push(Reverse(Later { at: Instant::now() + delay, sequence, item }));
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Adds a key after a failure, later each time until [`Self::forget`].
    pub fn add_rate_limited(&self, item: T) {
        let delay = {
            let mut state = self.shared.state.lock();
            let failures = state.failures.entry(item.clone()).or_default();
            *failures = failures.saturating_add(1);
            backoff(*failures)
        };
        metrics::queue_retries(self.shared.name).inc();
        self.add_after(item, delay);
    }

    /// The next failure of this key counts as the first.
    pub fn forget(&self, item: &T) {
        self.shared.state.lock().failures.remove(item);
    }

    /// How often the key failed in a row.
    pub fn failures(&self, item: &T) -> u32 {
        self.shared.state.lock().failures.get(item).copied().unwrap_or(0)
    }

    /// Waits for a key. Whoever gets one must call [`Self::done`] with it.
    pub async fn next(&self) -> T {
        loop {
            let changed = self.shared.changed.notified();
            let due = {
                let mut state = self.shared.state.lock();
                state.take_due(Instant::now());
                if let Some(item) = state.take() {
                    if !state.ready.is_empty() {
                        self.shared.changed.notify_one();
                    }
                    return item;
                }
                state.later.peek().map(|Reverse(later)| later.at)
            };
            match due {
                None => changed.await,
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(at) => {}
                },
            }
        }
    }

    /// The work on a key has ended; if it was added meanwhile, it comes again.
    pub fn done(&self, item: &T) {
        let mut state = self.shared.state.lock();
        state.working.remove(item);
        if state.dirty.contains(item) {
            state.ready.push_back(item.clone());
            drop(state);
            self.shared.changed.notify_one();
        }
    }

    /// Keys that wait for a worker.
    pub fn len(&self) -> usize {
        self.shared.state.lock().ready.len()
    }

    /// Whether no key waits for a worker.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name given at the start.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }
}

impl<T: Clone + Eq + Hash> State<T> {
    /// Whether a worker may now find something to do.
    fn add(&mut self, item: T) -> bool {
        if !self.dirty.insert(item.clone()) || self.working.contains(&item) {
            return false;
        }
        self.ready.push_back(item);
        true
    }

    fn take_due(&mut self, now: Instant) {
        while self.later.peek().is_some_and(|Reverse(later)| later.at <= now) {
            if let Some(Reverse(later)) = self.later.pop() {
                self.add(later.item);
            }
        }
    }

    fn take(&mut self) -> Option<T> {
        let item = self.ready.pop_front()?;
        self.dirty.remove(&item);
        self.working.insert(item.clone());
        Some(item)
    }
}

fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(30);
    BACKOFF_MIN.saturating_mul(1 << doublings).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_key_added_twice_comes_once() {
        let queue = Queue::new("test");
        queue.add("a");
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.done(&"a");
        assert!(queue.is_empty());
    }

    // proves: CT-37
    #[tokio::test]
    async fn a_key_added_during_its_work_comes_again_and_not_before() {
        let queue = Queue::new("test");
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        assert!(queue.is_empty(), "nobody else may work on it");
        queue.done(&"a");
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_double_the_delay_until_forgotten() {
        let queue = Queue::new("test");
        let mut delays = Vec::new();
        for _ in 0..3 {
            let before = Instant::now();
            queue.add_rate_limited("a");
            assert_eq!(queue.next().await, "a");
            queue.done(&"a");
            delays.push(before.elapsed().as_millis());
        }
        assert_eq!(delays, [5, 10, 20]);
        queue.forget(&"a");
        assert_eq!(queue.failures(&"a"), 0);
        assert_eq!(backoff(100), BACKOFF_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_key_waits_and_others_do_not() {
        let queue = Queue::new("test");
        queue.add_after("slow", Duration::from_secs(10));
        queue.add("fast");
        assert_eq!(queue.next().await, "fast");
        let before = Instant::now();
        assert_eq!(queue.next().await, "slow");
        assert_eq!(before.elapsed(), Duration::from_secs(10));
    }
}
