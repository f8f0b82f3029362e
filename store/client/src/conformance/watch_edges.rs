//! Watches at the two ends of what is kept: the compaction, and the future. Most recorded bugs of etcd's watch live here.

use super::scope::{Scope, seen};
use crate::Error;
use store_types::etcdserverpb as pb;

async fn compact(scope: &Scope, revision: i64) {
    scope.compact(revision).await.expect("the revision exists and was not compacted");
}

pub(super) async fn a_compacted_start_is_canceled_with_the_first_watchable_revision(scope: Scope) {
    let start = scope.put("k", "one").await;
    let kept = scope.put("k", "two").await;
    compact(&scope, kept).await;
    let mut watch = scope.watch_from(start).await;
    assert_eq!(watch.canceled().await, (kept, Error::COMPACTED.to_string()));
    assert_eq!(watch.pending(), 0);
    let mut watch = scope.watch_from(kept).await;
    assert_eq!(watch.events(&scope, 1).await, [seen("put", "k", kept)], "the named revision can be watched");
}

pub(super) async fn the_compaction_revision_itself_can_be_watched(scope: Scope) {
    scope.put("a", "v").await;
    let at = scope.put("b", "v").await;
    let after = scope.put("a", "v").await;
    compact(&scope, at).await;
    let mut watch = scope.watch_from(at).await;
    assert_eq!(watch.events(&scope, 2).await, [seen("put", "b", at), seen("put", "a", after)]);
}

/// etcd bug 18089: the tombstone at the compaction revision was thrown away.
pub(super) async fn a_tombstone_at_the_compaction_is_still_delivered(scope: Scope) {
    scope.put("k", "v").await;
    let gone = scope.delete("k").await;
    compact(&scope, gone).await;
    let mut watch = scope.watch_from(gone).await;
    assert_eq!(watch.events(&scope, 1).await, [seen("delete", "k", gone)]);
    // A further compaction forgets it, and a watch from there has nothing to tell.
    let later = scope.put("other", "v").await;
    compact(&scope, later).await;
    let mut watch = scope.watch_from(later).await;
    assert_eq!(watch.events(&scope, 1).await, [seen("put", "other", later)]);
}

/// etcd bug 19179: the tombstone was lost when its put had been compacted before it.
pub(super) async fn a_tombstone_survives_its_creation(scope: Scope) {
    let created = scope.put("k", "v").await;
    compact(&scope, created).await;
    let between = scope.put("other", "v").await;
    let gone = scope.delete("k").await;
    compact(&scope, between).await;
    let mut watch = scope.watch_from(between).await;
    assert_eq!(watch.events(&scope, 2).await, [seen("put", "other", between), seen("delete", "k", gone)]);
    compact(&scope, gone).await;
    let mut watch = scope.watch_from(gone).await;
    assert_eq!(watch.events(&scope, 1).await, [seen("delete", "k", gone)]);
}

pub(super) async fn the_first_event_after_a_compaction_has_no_previous_value(scope: Scope) {
    scope.put("k", "one").await;
    let at = scope.put("k", "two").await;
    scope.put("k", "three").await;
    compact(&scope, at).await;
    let mut watch = scope.watch(pb::WatchCreateRequest { prev_kv: true, ..scope.watch_request(at) }).await;
    let first = watch.event().await;
    assert_eq!((first.kv.map(|kv| kv.value), first.prev_kv), (Some("two".into()), None));
    let second = watch.event().await;
    assert_eq!(second.prev_kv.map(|kv| kv.value), Some("two".into()), "the compacted revision itself is readable");
}

/// etcd bugs 20221a and b: a watch on the future got marks, or old events.
pub(super) async fn a_future_watch_is_silent_until_its_start(scope: Scope) {
    let now = scope.put("k", "v").await;
    let start = now + 4;
    let mut watch = scope.watch_from(start).await;
    assert_eq!(watch.created, now);
    for _ in now + 1..=start + 1 {
        scope.put("k", "v").await;
    }
    assert_eq!(watch.events(&scope, 2).await, [seen("put", "k", start), seen("put", "k", start + 1)]);
    assert_eq!(watch.progress, 0, "a mark came before the start");
    watch.progress_to(start + 1).await;
}

/// etcd bug 20709: revision -1 passed for a start that is not compacted.
pub(super) async fn a_negative_start_is_refused(scope: Scope) {
    let kept = scope.put("k", "v").await;
    compact(&scope, kept).await;
    for start in [-1, i64::MIN + 1] {
        let mut watch = scope.watch_from(start).await;
        watch.canceled().await;
        assert_eq!(watch.pending(), 0, "events before the refusal");
    }
}

pub(super) async fn an_empty_range_is_refused(scope: Scope) {
    for (from, to) in [("b", "a"), ("a", "a")] {
        let request = pb::WatchCreateRequest { key: scope.key(from), range_end: scope.key(to), ..Default::default() };
        let mut watch = scope.watch(request).await;
        let (compact_revision, reason) = watch.canceled().await;
        assert_eq!((compact_revision, reason.contains("watcher range is empty")), (0, true), "{reason}");
    }
}
