//! Compaction: what is gone, what stays.

use super::scope::{Scope, header_revision};
use crate::Error;
use store_types::etcdserverpb as pb;

pub(super) async fn below_is_refused_and_the_revision_itself_is_readable(scope: Scope) {
    let one = scope.put("k", "one").await;
    let two = scope.put("k", "two").await;
    let three = scope.put("k", "three").await;
    let compacted = scope.compact(two).await.expect("the revision exists and was not compacted");
    assert_eq!(header_revision(compacted.header), three);
    assert_eq!(scope.get_at("k", one).await, Err(Error::COMPACTED));
    let value = |kv: Option<store_types::KeyValue>| kv.map(|kv| (kv.value, kv.version));
    assert_eq!(scope.get_at("k", two).await.map(value), Ok(Some(("two".into(), 2))));
    assert_eq!(scope.get_at("k", three).await.map(value), Ok(Some(("three".into(), 3))));
    let count = pb::RangeRequest { revision: one, count_only: true, ..scope.list_request() };
    assert_eq!(scope.store.range(count).await, Err(Error::COMPACTED));
}

pub(super) async fn live_values_survive(scope: Scope) {
    for name in ["a", "b", "c", "d"] {
        scope.put(name, "one").await;
    }
    scope.put("b", "two").await;
    scope.delete("c").await;
    scope.delete("d").await;
    scope.put("d", "again").await;
    let expected = scope.range(scope.list_request()).await.kvs;
    let last = scope.put("later", "v").await;
    scope.compact(last).await.expect("the revision exists and was not compacted");
    scope.delete("later").await;
    assert_eq!(scope.range(scope.list_request()).await.kvs, expected);
    let at_compaction = scope.range(pb::RangeRequest { revision: last, ..scope.list_request() }).await;
    assert_eq!(at_compaction.kvs.len(), expected.len() + 1);
    assert_eq!(at_compaction.count, 4);
}

/// etcd bug 17780: the revision was derived from the rows that were left.
pub(super) async fn the_revision_never_falls(scope: Scope) {
    scope.put("k", "v").await;
    let gone = scope.delete("k").await;
    scope.compact(gone).await.expect("the revision exists and was not compacted");
    assert_eq!(scope.revision().await, gone);
    assert_eq!(scope.put("k", "v").await, gone + 1);
}

pub(super) async fn only_the_past_can_be_compacted_and_once(scope: Scope) {
    let first = scope.put("k", "v").await;
    let last = scope.put("k", "v").await;
    assert_eq!(scope.compact(last + 1).await, Err(Error::FUTURE_REVISION));
    assert!(scope.compact(last).await.is_ok());
    assert_eq!(scope.compact(last).await, Err(Error::COMPACTED));
    assert_eq!(scope.compact(first).await, Err(Error::COMPACTED));
    assert_eq!(scope.compact(-1).await, Err(Error::COMPACTED));
}
