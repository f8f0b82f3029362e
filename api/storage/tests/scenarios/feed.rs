//! The store goes away and comes back.

use crate::support::{Fixture, NAMESPACE, assert_silent, by_field, next, next_text};
use api_storage::{EventKind, ListOptions, ListRevision, ReadRevision, StorageError, WatchOptions, WatchStart};
use futures::StreamExt;
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn watchers_see_everything_once_when_the_feed_is_cut_and_resumes() {
    for fixture in Fixture::both() {
        let mut watch = fixture.watch(WatchStart::Unset).await;
        for round in 0..10 {
            let name = format!("p{round}");
            let before = fixture.create(&name).await.resource_version();
            fixture.flaky.refuse_watches(true);
            fixture.flaky.cut_watches();
            let during = fixture.update(&name, |value| value["spec"]["x"] = json!(1)).await.resource_version();
            fixture.flaky.refuse_watches(false);
            assert_eq!(next_text(&mut watch).await, format!("ADDED {name}@{before}"));
            assert_eq!(next_text(&mut watch).await, format!("MODIFIED {name}@{during}"));
        }
        assert_silent(&mut watch).await;
    }
}

#[tokio::test(start_paused = true)]
async fn reads_stay_consistent_while_the_feed_is_away() {
    let fixture = Fixture::cached();
    fixture.list(ListOptions::default()).await.unwrap();
    fixture.flaky.refuse_watches(true);
    fixture.flaky.cut_watches();
    let created = fixture.create("a").await.resource_version();
    let listed = fixture.list(ListOptions::default()).await.unwrap();
    assert_eq!((listed.names.join(""), listed.revision), ("a".into(), created), "from the store itself");
    assert!(fixture.pods.get(Some(NAMESPACE), "a", ReadRevision::Consistent).await.is_ok());
    let stale = fixture.list(ListOptions { revision: ListRevision::NotOlderThan(created), ..Default::default() }).await;
    assert!(matches!(stale, Err(StorageError::TooLargeResourceVersion { .. })), "{stale:?}");
}

// proves: AM-18
#[tokio::test(start_paused = true)]
async fn a_cache_that_lost_its_place_is_filled_anew_and_tells_its_watchers() {
    let fixture = Fixture::cached();
    fixture.create("kept").await;
    let gone = fixture.create("gone").await.resource_version();
    let mut watch = fixture.watch(WatchStart::From(gone)).await;
    assert_silent(&mut watch).await;
    fixture.flaky.refuse_watches(true);
    fixture.flaky.cut_watches();
    fixture.delete("gone").await;
    let last = fixture.create("new").await.resource_version();
    fixture.compact(last).await;
    fixture.flaky.refuse_watches(false);
    let error = next(&mut watch).await;
    assert_eq!((error.kind(), error.status().unwrap().code), (EventKind::Error, 410));
    assert!(watch.next().await.is_none());
    let listed = fixture.list(ListOptions::default()).await.unwrap();
    assert_eq!(listed.names, ["kept", "new"]);
    let report = fixture.pods.check_consistency().await.unwrap();
    assert!(report.is_consistent() && report.objects == 2, "{report:?}");
    let mut again = fixture.watch(WatchStart::From(listed.revision)).await;
    let created = fixture.create("z").await.resource_version();
    assert_eq!(next_text(&mut again).await, format!("ADDED z@{created}"));
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_refused_while_the_cache_cannot_be_filled() {
    let fixture = Fixture::cached();
    let key = bytes::Bytes::from_static(b"/registry/pods/default/damaged");
    let value = bytes::Bytes::from_static(b"not an envelope");
    let put = store_types::etcdserverpb::PutRequest { key: key.clone(), value, ..Default::default() };
    store_client::Store::put(&*fixture.flaky, put).await.unwrap();
    let error = fixture.pods.watch(WatchOptions::default()).await.unwrap_err();
    assert_eq!(error, StorageError::Initializing);
    let error = fixture.list(ListOptions::default()).await.unwrap_err();
    assert!(matches!(&error, StorageError::Corrupt { key, .. } if key == "/registry/pods/default/damaged"));
    let delete = store_types::etcdserverpb::DeleteRangeRequest { key, ..Default::default() };
    store_client::Store::delete_range(&*fixture.flaky, delete).await.unwrap();
    fixture.create("a").await;
    let mut watch = fixture.watch(WatchStart::Unset).await;
    assert!(next_text(&mut watch).await.starts_with("ADDED a@"));
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_meets_a_damaged_value_is_told_and_ends() {
    for fixture in Fixture::both() {
        let mut watch = fixture.watch(WatchStart::Unset).await;
        let created = fixture.create("a").await.resource_version();
        let key = bytes::Bytes::from_static(b"/registry/pods/default/damaged");
        let value = bytes::Bytes::from_static(b"{}");
        let put = store_types::etcdserverpb::PutRequest { key, value, ..Default::default() };
        store_client::Store::put(&*fixture.flaky, put).await.unwrap();
        assert_eq!(next_text(&mut watch).await, format!("ADDED a@{created}"));
        let text = next_text(&mut watch).await;
        assert!(text.contains("500") && text.contains("/registry/pods/default/damaged"), "{text}");
        assert!(watch.next().await.is_none());
    }
}

#[tokio::test]
async fn a_cached_object_is_read_without_its_value() {
    let fixture = Fixture::cached();
    fixture.create("a").await;
    fixture.list(ListOptions::default()).await.unwrap();
    let first = fixture.pods.get(Some(NAMESPACE), "a", ReadRevision::Consistent).await.unwrap();
    let second = fixture.pods.get(Some(NAMESPACE), "a", ReadRevision::Consistent).await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&first, &second), "the cached version, with its encodings, is shared");
    // With the feed away the cached version is old, and the store is asked for the value.
    fixture.flaky.refuse_watches(true);
    fixture.flaky.cut_watches();
    let newer = fixture.update("a", |value| value["spec"]["x"] = json!(1)).await.resource_version();
    let read = fixture.pods.get(Some(NAMESPACE), "a", ReadRevision::Consistent).await.unwrap();
    assert_eq!(read.resource_version(), newer);
}

#[tokio::test]
async fn many_consistent_lists_at_once_share_their_confirmations() {
    let fixture = Fixture::cached();
    fixture.create("a").await;
    fixture.list(ListOptions::default()).await.unwrap();
    fixture.flaky.slow_ranges();
    let before = fixture.flaky.ranges();
    let lists = (0..200).map(|_| fixture.list(ListOptions::default()));
    let lists = futures::future::join_all(lists).await;
    assert!(lists.into_iter().all(|list| list.unwrap().names == ["a"]));
    assert_eq!(fixture.flaky.ranges() - before, 2, "the one under way, and one for all who came after it");
}

#[tokio::test]
async fn users_who_know_of_no_index_share_the_cache_with_those_who_do() {
    let fixture = Fixture::cached();
    let plain = || fixture.storage.resource(api_storage::Resource::new("", "v1", "pods", "Pod", true));
    let before = plain();
    fixture.create_in(NAMESPACE, "a", "n1", json!({})).await;
    fixture.create_in(NAMESPACE, "b", "n2", json!({})).await;
    for pods in [before, plain(), fixture.pods.clone()] {
        let predicate = by_field("spec.nodeName=n1");
        let options = ListOptions { predicate: predicate.clone(), ..Default::default() };
        assert_eq!(pods.list(options).await.unwrap().items.len(), 1);
        let mut watch = pods.watch(WatchOptions { predicate, ..Default::default() }).await.unwrap();
        assert!(next_text(&mut watch).await.starts_with("ADDED a@"));
        assert_silent(&mut watch).await;
    }
}
