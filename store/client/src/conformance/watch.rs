//! Watches: ordered, unique, reliable, atomic, resumable, bookmarkable. [`super::scope`] verifies the first four and the
//! marks with every batch of every check.

use super::scope::{Scope, seen, within};
use futures::StreamExt;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::request_op::Request;
use store_types::etcdserverpb::watch_create_request::FilterType;

/// More events than fit in one batch or buffer of any implementation that is known.
const MANY: i64 = 3_000;
/// Puts under way at once where order does not matter.
const PUTS_AT_ONCE: usize = 16;

pub(super) async fn from_now_on_without_a_start(scope: Scope) {
    let before = scope.put("k", "before").await;
    let mut watch = scope.watch_from(0).await;
    assert_eq!(watch.created, before);
    let put = scope.put("k", "after").await;
    let gone = scope.delete("k").await;
    assert_eq!(watch.events(&scope, 2).await, [seen("put", "k", put), seen("delete", "k", gone)]);
}

pub(super) async fn from_a_start_revision_on(scope: Scope) {
    scope.put("k", "too early").await;
    let start = scope.put("k", "first").await;
    scope.put("k", "second").await;
    let mut watch = scope.watch_from(start).await;
    assert_eq!(watch.created, start + 1);
    let last = scope.put("k", "third").await;
    let expected: Vec<_> = (start..=last).map(|revision| seen("put", "k", revision)).collect();
    assert_eq!(watch.events(&scope, 3).await, expected);
}

pub(super) async fn a_revision_is_delivered_whole(scope: Scope) {
    let mut live = scope.watch_from(0).await;
    let names: Vec<String> = (0..100).map(|number| format!("{number:03}")).collect();
    let success =
        names.iter().map(|name| pb::RequestOp { request: Some(Request::RequestPut(scope.put_request(name, "v"))) });
    let request = pb::TxnRequest { success: success.collect(), ..Default::default() };
    scope.store.txn(request).await.expect("the transaction is well formed");
    let revision = scope.revision().await;
    let expected: Vec<_> = names.iter().map(|name| seen("put", name, revision)).collect();
    let mut late = scope.watch_from(revision).await;
    for watch in [&mut live, &mut late] {
        watch.event().await;
        assert_eq!(watch.pending(), 99, "the revision came in pieces");
        assert_eq!(watch.events(&scope, 99).await, expected[1..], "events are in the order of the operations");
    }
}

pub(super) async fn a_deletion_has_the_key_and_its_revision(scope: Scope) {
    scope.put("k", "v").await;
    let mut watch = scope.watch_from(0).await;
    let gone = scope.delete("k").await;
    let event = watch.event().await;
    let expected = store_types::KeyValue { key: scope.key("k"), mod_revision: gone, ..Default::default() };
    assert_eq!((event.kv, event.prev_kv), (Some(expected), None));
}

pub(super) async fn previous_values_belong_to_the_event(scope: Scope) {
    let start = scope.put("k", "one").await;
    let request = |start| pb::WatchCreateRequest { prev_kv: true, ..scope.watch_request(start) };
    let mut live = scope.watch(request(start)).await;
    scope.put("k", "two").await;
    scope.delete("k").await;
    scope.put("k", "three").await;
    let mut late = scope.watch(request(start)).await;
    for watch in [&mut live, &mut late] {
        for previous in [None, Some("one"), Some("two"), None] {
            let prev_kv = watch.event().await.prev_kv;
            assert_eq!(prev_kv.map(|kv| kv.value), previous.map(Into::into));
        }
    }
}

pub(super) async fn filters_leave_events_out(scope: Scope) {
    let start = scope.revision().await + 1;
    let filtered =
        |filter: FilterType| pb::WatchCreateRequest { filters: vec![filter as i32], ..scope.watch_request(start) };
    let mut no_puts = scope.watch(filtered(FilterType::Noput)).await;
    let mut no_deletes = scope.watch(filtered(FilterType::Nodelete)).await;
    scope.put("a", "v").await;
    scope.delete("a").await;
    scope.put("b", "v").await;
    scope.delete("b").await;
    assert_eq!(no_puts.events(&scope, 2).await, [seen("delete", "a", start + 1), seen("delete", "b", start + 3)]);
    assert_eq!(no_deletes.events(&scope, 2).await, [seen("put", "a", start), seen("put", "b", start + 2)]);
    let mut late = scope.watch(filtered(FilterType::Noput)).await;
    assert_eq!(late.events(&scope, 1).await, [seen("delete", "a", start + 1)]);
}

pub(super) async fn a_range_is_watched_as_it_is_read(scope: Scope) {
    let start = scope.revision().await + 1;
    let watch = |key: &str, range_end: bytes::Bytes| pb::WatchCreateRequest {
        key: scope.key(key),
        range_end,
        ..scope.watch_request(start)
    };
    let mut one = scope.watch(watch("b", bytes::Bytes::new())).await;
    let mut half_open = scope.watch(watch("b", scope.key("d"))).await;
    let mut open_ended = scope.watch(watch("c", bytes::Bytes::from_static(&[0]))).await;
    for name in ["a", "bb", "b", "d", "c", "b"] {
        scope.put(name, "v").await;
    }
    let put = |name, after| seen("put", name, start + after);
    assert_eq!(one.events(&scope, 2).await, [put("b", 2), put("b", 5)]);
    assert_eq!(half_open.events(&scope, 4).await, [put("bb", 1), put("b", 2), put("c", 4), put("b", 5)]);
    assert_eq!(open_ended.events(&scope, 2).await, [put("d", 3), put("c", 4)]);
}

pub(super) async fn a_lost_watch_is_resumed_after_its_last_revision(scope: Scope) {
    let start = scope.revision().await + 1;
    let (mut seen_in_all, mut next) = (Vec::new(), start);
    for round in 0..5 {
        for number in 0..4 {
            scope.put(&format!("{round}/{number}"), "v").await;
        }
        let mut watch = scope.watch_from(next).await;
        // Three of four: the next watch finds the rest.
        for event in watch.events(&scope, 3).await {
            next = event.2 + 1;
            seen_in_all.push(event.2);
        }
    }
    let expected: Vec<i64> = (start..start + 15).collect();
    assert_eq!(seen_in_all, expected);
}

/// etcd bug 15220: a mark was sent beside the queue of the events.
pub(super) async fn progress_never_overtakes_events(scope: Scope) {
    let mut watch = scope.watch_from(0).await;
    for round in 0..20 {
        let mut last = 0;
        for number in 0..10 {
            last = scope.put(&format!("{round}/{number}"), "v").await;
        }
        watch.progress_to(last).await;
        assert_eq!(watch.pending(), 10, "a mark stands for events that had not come");
        watch.events(&scope, 10).await;
    }
}

pub(super) async fn an_idle_watch_answers_every_progress_request(scope: Scope) {
    let mut watch = scope.watch(pb::WatchCreateRequest { key: scope.key("quiet"), ..Default::default() }).await;
    for _ in 0..3 {
        let revision = scope.put("elsewhere", "v").await;
        watch.progress_to(revision).await;
        assert_eq!(watch.pending(), 0);
    }
}

/// etcd bug 20655: events were dropped while watches were opened quickly.
pub(super) async fn many_watches_opened_during_writes_miss_nothing(scope: Scope) {
    const WATCHES: usize = 100;
    const WRITES: i64 = 200;
    let start = scope.revision().await + 1;
    let writing = async {
        for _ in 0..WRITES {
            scope.put("k", "v").await;
        }
    };
    let opening = futures::stream::iter(0..WATCHES).map(|_| scope.watch_from(start)).buffer_unordered(10);
    let ((), watches) = futures::join!(writing, opening.collect::<Vec<_>>());
    for mut watch in watches {
        for revision in start..start + WRITES {
            assert_eq!(watch.events(&scope, 1).await, [seen("put", "k", revision)]);
        }
    }
}

pub(super) async fn a_reader_that_stalls_loses_nothing(scope: Scope) {
    let start = scope.revision().await + 1;
    let mut stalled = scope.watch_from(start).await;
    let mut reading = scope.watch_from(start).await;
    let value = "v".repeat(1024);
    let writing = async {
        // Side by side, so that a slow disk under the store is not what takes the time.
        let puts = futures::stream::iter(0..MANY).map(|_| scope.put("k", &value));
        puts.buffer_unordered(PUTS_AT_ONCE).for_each(|_| futures::future::ready(())).await;
    };
    let following = within("the reader beside the stalled one", reading.events(&scope, MANY as usize));
    let ((), followed) = futures::join!(writing, following);
    assert_eq!(followed.last(), Some(&seen("put", "k", start + MANY - 1)));
    for revision in start..start + MANY {
        assert_eq!(stalled.events(&scope, 1).await, [seen("put", "k", revision)]);
    }
}
