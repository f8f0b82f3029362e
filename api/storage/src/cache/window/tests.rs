use super::*;
use crate::envelope;
use crate::resource::Resource;
use crate::stored::Stored;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

const INDEXED: &[&str] = &["spec.nodeName"];

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

struct Rig {
    window: Window,
    revision: i64,
}

impl Rig {
    fn new() -> Self {
        Self { window: Window::new(10, INDEXED), revision: 10 }
    }

    fn push(&mut self, name: &str, node: &str) -> i64 {
        self.revision += 1;
        self.push_at(name, node, self.revision, 0)
    }

    fn push_at(&mut self, name: &str, node: &str, revision: i64, padding_bytes: usize) -> i64 {
        self.revision = revision;
        let mut wakers = Vec::new();
        self.window
            .push(Change::put(stored(name, node, revision, padding_bytes), None, true, Instant::now()), &mut wakers);
        self.window.trim(Instant::now());
        wakers.into_iter().for_each(Waker::wake);
        revision
    }

    /// Revisions that the cursor gets now; `None` if it is lost.
    fn take(&mut self, cursor: &mut Cursor, waker: &Waker) -> Option<Vec<i64>> {
        let mut revisions = Vec::new();
        loop {
            let mut taken = Taken::new();
            match self.window.take(cursor, &mut taken, waker) {
                Ahead::Changes => revisions.extend(taken.iter().map(|change| change.revision())),
                Ahead::Nothing => return Some(revisions),
                Ahead::Lost => return None,
            }
        }
    }
}

fn stored(name: &str, node: &str, revision: i64, padding_bytes: usize) -> Arc<Stored> {
    let pods = Resource::new("", "v1", "pods", "Pod", true).indexed(INDEXED);
    let value = json!({"metadata": {"name": name}, "padding": "x".repeat(padding_bytes)});
    let envelope = envelope::encode(&value, &[("spec.nodeName", node.to_owned())]).unwrap();
    Stored::new(&pods, pods.prefix().len(), pods.key(Some("default"), name).unwrap(), envelope, revision).unwrap()
}

fn node(name: &str) -> TopicKey {
    TopicKey::Field(0, name.into())
}

#[tokio::test]
async fn a_watcher_is_woken_only_by_what_concerns_it() {
    let mut rig = Rig::new();
    let (wakes, other) = (Arc::new(Wakes::default()), Arc::new(Wakes::default()));
    let (waker, other_waker) = (Waker::from(Arc::clone(&wakes)), Waker::from(Arc::clone(&other)));
    let mut n1 = rig.window.subscribe(&node("n1"), 10).unwrap();
    let mut all = rig.window.subscribe(&TopicKey::All, 10).unwrap();
    assert_eq!(rig.take(&mut n1, &waker), Some(vec![]));
    assert_eq!(rig.take(&mut all, &other_waker), Some(vec![]));
    for _ in 0..10 {
        rig.push("a", "n2");
    }
    assert_eq!(wakes.count(), 0, "other nodes' pods");
    assert_eq!(other.count(), 1, "one wake-up until it looks again");
    rig.push("b", "n1");
    assert_eq!(wakes.count(), 1);
    assert_eq!(rig.take(&mut n1, &waker), Some(vec![21]));
    assert_eq!(rig.take(&mut all, &other_waker), Some((11..=21).collect()));
}

#[tokio::test]
async fn a_watcher_that_is_polled_often_registers_once() {
    let mut rig = Rig::new();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cursor = rig.window.subscribe(&TopicKey::All, 10).unwrap();
    for _ in 0..100 {
        assert_eq!(rig.take(&mut cursor, &waker), Some(vec![]));
    }
    rig.push("a", "");
    assert_eq!(wakes.count(), 1);
    // A watcher that has left is not woken, and its place is used again.
    assert_eq!(rig.take(&mut cursor, &waker), Some(vec![11]));
    let mut second = rig.window.subscribe(&TopicKey::All, 11).unwrap();
    assert_eq!(rig.take(&mut second, &waker), Some(vec![]));
    rig.window.unsubscribe(&cursor);
    rig.push("a", "");
    assert_eq!(wakes.count(), 2);
    rig.window.unsubscribe(&second);
    assert_eq!(rig.window.watchers(), 0);
}

#[tokio::test]
async fn a_late_watcher_gets_the_past_that_nobody_watched() {
    let mut rig = Rig::new();
    let waker = Waker::noop();
    let revisions: Vec<i64> = ["n1", "n2", "n1", "n2", "n1"].iter().map(|node| rig.push("a", node)).collect();
    let mut late = rig.window.subscribe(&node("n1"), 13).unwrap();
    let mut earlier = rig.window.subscribe(&node("n1"), 10).unwrap();
    let mut between = rig.window.subscribe(&node("n1"), 11).unwrap();
    let next = rig.push("a", "n1");
    assert_eq!(rig.take(&mut earlier, waker), Some(vec![revisions[0], revisions[2], revisions[4], next]));
    assert_eq!(rig.take(&mut late, waker), Some(vec![revisions[4], next]));
    assert_eq!(rig.take(&mut between, waker), Some(vec![revisions[2], revisions[4], next]));
    assert!(rig.window.subscribe(&TopicKey::All, 9).is_none(), "the window does not reach back");
}

#[tokio::test]
async fn a_change_of_the_field_reaches_both_sides() {
    let mut rig = Rig::new();
    let waker = Waker::noop();
    let (mut old, mut new) =
        (rig.window.subscribe(&node("n1"), 10).unwrap(), rig.window.subscribe(&node("n2"), 10).unwrap());
    let previous = stored("a", "n1", 10, 0);
    let change = Change::put(stored("a", "n2", 11, 0), Some(previous), false, Instant::now());
    rig.window.push(change, &mut Vec::new());
    assert_eq!(rig.take(&mut old, waker), Some(vec![11]));
    assert_eq!(rig.take(&mut new, waker), Some(vec![11]));
}

#[tokio::test]
async fn the_window_is_bounded_by_bytes_and_drops_whole_revisions() {
    let mut rig = Rig::new();
    let waker = Waker::noop();
    let mut stalled = rig.window.subscribe(&TopicKey::All, 10).unwrap();
    let mut quiet = rig.window.subscribe(&node("n2"), 10).unwrap();
    rig.push_at("a", "n2", 11, 0);
    rig.push_at("b", "n2", 11, 0);
    for revision in 12..40 {
        rig.push_at("a", "n1", revision, 1 << 20);
        assert!(rig.window.bytes <= WINDOW_BYTES_MAX);
    }
    assert!(rig.window.len() < 28);
    assert_eq!(rig.take(&mut stalled, waker), None);
    assert_eq!(rig.take(&mut quiet, waker), None, "its changes have gone too");
    let floor = rig.window.floor;
    assert!(rig.window.subscribe(&TopicKey::All, floor - 1).is_none());
    let mut resumed = rig.window.subscribe(&TopicKey::All, floor).unwrap();
    assert_eq!(rig.take(&mut resumed, waker), Some((floor + 1..40).collect()));
}

#[tokio::test(start_paused = true)]
async fn young_changes_stay_and_old_ones_go() {
    let mut rig = Rig::new();
    for _ in 0..300 {
        rig.push("a", "");
    }
    tokio::time::advance(Duration::from_secs(WINDOW_SECONDS_MIN)).await;
    rig.window.trim(Instant::now());
    assert_eq!(rig.window.len(), 300);
    tokio::time::advance(Duration::from_secs(1)).await;
    rig.window.trim(Instant::now());
    assert_eq!(rig.window.len(), WINDOW_CHANGES_MIN);
}

#[tokio::test]
async fn a_batch_never_splits_a_revision() {
    let mut rig = Rig::new();
    let mut cursor = rig.window.subscribe(&TopicKey::All, 10).unwrap();
    for revision in [11, 12] {
        for _ in 0..TAKE_CHANGES_MAX + 10 {
            rig.push_at("a", "", revision, 0);
        }
    }
    for revision in [11, 12] {
        let mut taken = Taken::new();
        assert_eq!(rig.window.take(&mut cursor, &mut taken, Waker::noop()), Ahead::Changes);
        assert_eq!(taken.len(), TAKE_CHANGES_MAX + 10);
        assert!(taken.iter().all(|change| change.revision() == revision));
    }
}
