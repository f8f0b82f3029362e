//! Watches in this process: what they deliver, how they resume, and that a slow one holds up nobody.

use crate::support::*;
use store_client::WatchEvent;
use store_types::etcdserverpb as pb;
use store_types::etcdserverpb::watch_create_request::FilterType;
use store_types::mvccpb::event::EventType;

fn prefix(start_revision: i64) -> pb::WatchCreateRequest {
    pb::WatchCreateRequest { key: "a/".into(), range_end: "a0".into(), start_revision, ..Default::default() }
}

// proves: ST-17
#[tokio::test]
async fn a_watch_delivers_its_range_with_previous_values_and_without_filtered_kinds() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let start = put_at(&store, "a/1", "old").await;
    let filtered = pb::WatchCreateRequest { prev_kv: true, filters: vec![FilterType::Noput as i32], ..prefix(start) };
    // One watch reads history from the backend, the other lives through it.
    let mut live = store.watch(filtered.clone()).await.unwrap();
    put_at(&store, "b/1", "elsewhere").await;
    put_at(&store, "a/1", "new").await;
    let deleted = store.delete_range(delete("a/1")).await.unwrap().header.unwrap().revision;
    let mut late = store.watch(filtered).await.unwrap();
    for watch in [&mut live, &mut late] {
        assert!(matches!(next(watch).await, Some(WatchEvent::Created { .. })));
        let Some(WatchEvent::Events { events, .. }) = next(watch).await else { panic!("no events") };
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].r#type, EventType::Delete as i32);
        assert_eq!(events[0].kv.as_ref().unwrap().mod_revision, deleted);
        assert_eq!(events[0].prev_kv.as_ref().unwrap().value.as_ref(), b"new");
    }
    member.shut_down().await;
}

#[tokio::test]
async fn all_changes_of_a_transaction_arrive_together() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let mut watch = store.watch(prefix(0)).await.unwrap();
    assert!(matches!(next(&mut watch).await, Some(WatchEvent::Created { .. })));
    let operation = |key: &str| pb::RequestOp { request: Some(pb::request_op::Request::RequestPut(put(key, "v"))) };
    let success = vec![operation("a/1"), operation("b/1"), operation("a/2")];
    store.txn(pb::TxnRequest { success, ..Default::default() }).await.unwrap();
    let Some(WatchEvent::Events { events, .. }) = next(&mut watch).await else { panic!("no events") };
    let keys: Vec<_> = events.iter().map(|event| event.kv.as_ref().unwrap().key.clone()).collect();
    assert_eq!(keys, ["a/1", "a/2"]);
    member.shut_down().await;
}

// proves: ST-17
#[tokio::test]
async fn a_watch_resumes_where_another_ended_after_a_restart_too() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let mut last = 0;
    for round in 0..10 {
        last = put_at(&store, "a/k", &round.to_string()).await;
    }
    let mut watch = store.watch(prefix(1)).await.unwrap();
    assert_eq!(revisions_until(&mut watch, last).await, (2..=last).collect::<Vec<_>>());
    member.shut_down().await;

    let member = start_single(directory.path()).await;
    let store = member.client();
    let mut watch = store.watch(prefix(6)).await.unwrap();
    let live = put_at(&store, "a/k", "live").await;
    assert_eq!(revisions_until(&mut watch, live).await, (6..=live).collect::<Vec<_>>());
    member.shut_down().await;
}

// proves: ST-18
#[tokio::test]
async fn silent_watches_get_progress_marks_if_they_asked_for_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = single(directory.path());
    config.watch_progress_notify_interval = std::time::Duration::from_millis(50);
    let member = store::start(config, &daemon::Supervisor::new()).await.unwrap();
    let store = member.client();
    let notified = pb::WatchCreateRequest { progress_notify: true, ..prefix(0) };
    let mut watch = store.watch(notified).await.unwrap();
    assert!(matches!(next(&mut watch).await, Some(WatchEvent::Created { .. })));
    let elsewhere = put_at(&store, "b/k", "x").await;
    let marks = async {
        loop {
            match next(&mut watch).await {
                Some(WatchEvent::Progress { revision }) if revision == elsewhere => return,
                Some(WatchEvent::Progress { revision }) => assert!(revision < elsewhere),
                other => panic!("unexpected {other:?}"),
            }
        }
    };
    tokio::time::timeout(LIMIT, marks).await.unwrap();
    member.shut_down().await;
}

// proves: ST-21
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_that_does_not_read_holds_up_nobody_and_misses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let mut stalled = store.watch(watch_all(0)).await.unwrap();
    let mut brisk = store.watch(watch_all(0)).await.unwrap();
    // More than the history that is kept in memory.
    let value = "x".repeat(1 << 20);
    let mut last = 0;
    for round in 0..40 {
        last = put_at(&store, &format!("k{round}"), &value).await;
        assert_eq!(revisions_until(&mut brisk, last).await, [last]);
    }
    assert_eq!(revisions_until(&mut stalled, last).await, (2..=last).collect::<Vec<_>>());
    member.shut_down().await;
}

/// etcd 20655: watches opened in quick succession missed events.
#[tokio::test(flavor = "multi_thread")]
async fn many_watches_opened_during_writes_miss_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    let writer = async {
        let mut last = 0;
        for round in 0..200 {
            last = put_at(&store, "k", &round.to_string()).await;
        }
        last
    };
    let opener = async {
        let mut watches = Vec::new();
        for _ in 0..200 {
            watches.push(store.watch(watch_all(0)).await.unwrap());
            tokio::task::yield_now().await;
        }
        watches
    };
    let (last, watches) = tokio::join!(writer, opener);
    for mut watch in watches {
        let Some(WatchEvent::Created { revision }) = next(&mut watch).await else { panic!("not created") };
        if revision < last {
            assert_eq!(revisions_until(&mut watch, last).await, (revision + 1..=last).collect::<Vec<_>>());
        }
    }
    member.shut_down().await;
}

#[tokio::test]
async fn a_dropped_watch_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let member = start_single(directory.path()).await;
    let store = member.client();
    for request in [prefix(0), watch_all(0), pb::WatchCreateRequest { key: "a/1".into(), ..Default::default() }] {
        let watch = store.watch(request).await.unwrap();
        put_at(&store, "a/1", "x").await;
        drop(watch);
        put_at(&store, "a/1", "y").await;
    }
    member.shut_down().await;
}
