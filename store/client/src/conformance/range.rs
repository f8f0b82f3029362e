//! Reads of many keys.

use super::scope::Scope;
use bytes::Bytes;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::range_request::{SortOrder, SortTarget};

/// Keys a to e with values falling as keys rise; b has two versions.
async fn five(scope: &Scope) -> i64 {
    let mut first = 0;
    for (at, name) in ["b", "a", "c", "d", "e", "b"].into_iter().enumerate() {
        let value = format!("{}", b'z' - name.as_bytes()[0]);
        let revision = scope.put(name, &value).await;
        first = if at == 0 { revision } else { first };
    }
    first
}

pub(super) async fn ranges_are_half_open_prefix_or_open_ended(scope: Scope) {
    five(&scope).await;
    let to = |from: &str, to: Bytes| pb::RangeRequest { range_end: to, ..scope.get_request(from) };
    assert_eq!(scope.names(to("b", scope.key("d"))).await, ["b", "c"]);
    assert_eq!(scope.names(to("", scope.end())).await, ["a", "b", "c", "d", "e"]);
    assert_eq!(scope.names(to("bb", scope.key("c"))).await, [""; 0]);
    assert_eq!(scope.names(to("d", scope.key("b"))).await, [""; 0]);
    assert_eq!(scope.names(to("b", scope.key("b"))).await, [""; 0]);
    assert_eq!(scope.names(scope.get_request("c")).await, ["c"]);
    let open_ended = scope.range(to("d", Bytes::from_static(&[0]))).await;
    assert!(open_ended.count >= 2 && scope.name(&open_ended.kvs[0]) == "d");
}

pub(super) async fn a_limit_tells_more_and_the_whole_count(scope: Scope) {
    five(&scope).await;
    for (limit, found, more) in [(0, 5, false), (2, 2, true), (4, 4, true), (5, 5, false), (9, 5, false)] {
        let response = scope.range(pb::RangeRequest { limit, ..scope.list_request() }).await;
        assert_eq!((response.kvs.len(), response.more, response.count), (found, more, 5), "limit {limit}");
    }
}

pub(super) async fn pages_at_one_revision_miss_and_repeat_nothing(scope: Scope) {
    five(&scope).await;
    let revision = scope.revision().await;
    let (mut key, mut names) = (scope.key(""), Vec::new());
    loop {
        let page = pb::RangeRequest { key, limit: 2, revision, ..scope.list_request() };
        let page = scope.range(page).await;
        names.extend(page.kvs.iter().map(|kv| scope.name(kv)));
        if !page.more {
            break;
        }
        let mut next = page.kvs[page.kvs.len() - 1].key.to_vec();
        next.push(0);
        key = next.into();
        scope.put("bb", "put between two pages").await;
        scope.delete("e").await;
    }
    assert_eq!(names, ["a", "b", "c", "d", "e"]);
}

pub(super) async fn only_keys_or_only_the_count(scope: Scope) {
    let lease = scope.grant(60).await;
    five(&scope).await;
    let leased = pb::PutRequest { lease, ..scope.put_request("b", "v") };
    scope.store.put(leased).await.expect("the lease exists");
    let full = scope.range(scope.list_request()).await;
    let keys = scope.range(pb::RangeRequest { keys_only: true, ..scope.list_request() }).await;
    let mut without_values = full.kvs.clone();
    without_values.iter_mut().for_each(|kv| kv.value = Bytes::new());
    assert_eq!(keys.kvs, without_values);
    assert_eq!(keys.count, 5);
    let count = scope.range(pb::RangeRequest { count_only: true, limit: 1, ..scope.list_request() }).await;
    assert_eq!((count.kvs.len(), count.count), (0, 5));
    let by_value = pb::RangeRequest {
        keys_only: true,
        sort_target: SortTarget::Value as i32,
        sort_order: SortOrder::Ascend as i32,
        ..scope.list_request()
    };
    let keys = scope.range(by_value).await.kvs;
    assert!(keys.len() == 5 && keys.iter().all(|kv| kv.value.is_empty()));
    scope.revoke(lease).await;
}

pub(super) async fn every_order_and_target_sorts(scope: Scope) {
    five(&scope).await;
    let sorted = |target: SortTarget, order: SortOrder, limit| {
        let (sort_target, sort_order) = (target as i32, order as i32);
        scope.names(pb::RangeRequest { sort_target, sort_order, limit, ..scope.list_request() })
    };
    use SortOrder::{Ascend, Descend, None};
    assert_eq!(sorted(SortTarget::Key, Ascend, 3).await, ["a", "b", "c"]);
    assert_eq!(sorted(SortTarget::Key, Descend, 2).await, ["e", "d"]);
    assert_eq!(sorted(SortTarget::Create, Ascend, 0).await, ["b", "a", "c", "d", "e"]);
    assert_eq!(sorted(SortTarget::Mod, Ascend, 0).await, ["a", "c", "d", "e", "b"]);
    assert_eq!(sorted(SortTarget::Mod, Descend, 2).await, ["b", "e"]);
    assert_eq!(sorted(SortTarget::Version, Descend, 1).await, ["b"]);
    assert_eq!(sorted(SortTarget::Value, Ascend, 2).await, ["e", "d"]);
    assert_eq!(sorted(SortTarget::Value, Descend, 0).await, ["a", "b", "c", "d", "e"]);
    // A target without an order sorts upwards, but only what the limit let through.
    assert_eq!(sorted(SortTarget::Create, None, 0).await, ["b", "a", "c", "d", "e"]);
    assert_eq!(sorted(SortTarget::Mod, None, 1).await, ["a"]);
}

pub(super) async fn revision_filters_apply_before_the_limit(scope: Scope) {
    let first = five(&scope).await;
    let list = || scope.list_request();
    let names = |request| scope.names(request);
    assert_eq!(names(pb::RangeRequest { min_mod_revision: first + 3, ..list() }).await, ["b", "d", "e"]);
    assert_eq!(names(pb::RangeRequest { max_mod_revision: first + 2, ..list() }).await, ["a", "c"]);
    assert_eq!(names(pb::RangeRequest { min_create_revision: first + 4, ..list() }).await, ["e"]);
    assert_eq!(names(pb::RangeRequest { max_create_revision: first, ..list() }).await, ["b"]);
    // Without an order, one more than the limit is fetched and sorted; a filter lets all of them through to the sorting.
    let by_value = pb::RangeRequest { sort_target: SortTarget::Value as i32, limit: 1, ..list() };
    assert_eq!(names(by_value.clone()).await, ["b"]);
    assert_eq!(names(pb::RangeRequest { min_mod_revision: 1, ..by_value }).await, ["e"]);
    let limited = scope.range(pb::RangeRequest { min_mod_revision: first + 3, limit: 2, ..list() }).await;
    assert_eq!((limited.kvs.len(), limited.more, limited.count), (2, true, 5), "the count is not filtered");
}

pub(super) async fn a_serializable_read_answers_too(scope: Scope) {
    scope.put("k", "v").await;
    let before = scope.range(scope.get_request("k")).await;
    let serializable = pb::RangeRequest { serializable: true, ..scope.get_request("k") };
    assert_eq!(
        scope.range(serializable).await.kvs,
        before.kvs,
        "a linearizable read has brought the member up to date"
    );
}
