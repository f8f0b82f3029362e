//! Where a watch begins, how it is resumed, what it says about itself, and how it ends.

use crate::support::{Fixture, NAMESPACE, assert_silent, by_label, next, next_text};
use api_storage::{EventKind, WatchOptions, WatchStart};
use futures::StreamExt;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

// proves: AM-17
#[tokio::test]
async fn a_watch_without_revision_begins_with_the_state_of_now() {
    for fixture in Fixture::both() {
        let first = fixture.create("a").await.resource_version();
        let second = fixture.create("b").await.resource_version();
        let mut watch = fixture.watch(WatchStart::Unset).await;
        assert_eq!(next_text(&mut watch).await, format!("ADDED a@{first}"));
        assert_eq!(next_text(&mut watch).await, format!("ADDED b@{second}"));
        assert_silent(&mut watch).await;
        let changed = fixture.delete("a").await.resource_version();
        assert_eq!(next_text(&mut watch).await, format!("DELETED a@{changed}"));
    }
}

// proves: AM-17
#[tokio::test]
async fn a_watch_from_zero_begins_with_some_state_and_goes_on_from_there() {
    for fixture in Fixture::both() {
        let first = fixture.create("a").await.resource_version();
        fixture.pods.list(Default::default()).await.unwrap();
        let mut watch = fixture.watch(WatchStart::Any).await;
        assert_eq!(next_text(&mut watch).await, format!("ADDED a@{first}"));
        let second = fixture.create("b").await.resource_version();
        assert_eq!(next_text(&mut watch).await, format!("ADDED b@{second}"));
    }
}

// proves: AM-17
#[tokio::test]
async fn a_watch_from_a_revision_begins_behind_it() {
    for fixture in Fixture::both() {
        fixture.pods.list(Default::default()).await.unwrap();
        let first = fixture.create("a").await.resource_version();
        let second = fixture.create("b").await.resource_version();
        let third = fixture.delete("a").await.resource_version();
        for (from, expected) in [
            (first - 1, vec![format!("ADDED a@{first}"), format!("ADDED b@{second}"), format!("DELETED a@{third}")]),
            (first, vec![format!("ADDED b@{second}"), format!("DELETED a@{third}")]),
            (second, vec![format!("DELETED a@{third}")]),
            (third, vec![]),
        ] {
            let mut watch = fixture.watch(WatchStart::From(from)).await;
            for expected in expected {
                assert_eq!(next_text(&mut watch).await, expected);
            }
            assert_silent(&mut watch).await;
        }
    }
}

#[tokio::test]
async fn a_watch_from_the_future_is_silent_until_then() {
    for fixture in Fixture::both() {
        let now = fixture.create("a").await.resource_version();
        let mut watch = fixture.watch(WatchStart::From(now + 2)).await;
        fixture.create("b").await;
        fixture.create("c").await;
        assert_silent(&mut watch).await;
        fixture.create("d").await;
        assert_eq!(next_text(&mut watch).await, format!("ADDED d@{}", now + 3));
    }
}

#[tokio::test]
async fn a_watch_resumes_at_any_kept_revision_after_a_restart() {
    for fixture in Fixture::both() {
        fixture.create_in(NAMESPACE, "a", "", json!({"app": "web"})).await;
        let from = fixture.create("b").await.resource_version();
        let left = fixture.update("a", |value| value["metadata"]["labels"] = json!({})).await.resource_version();
        fixture.delete("b").await;
        let back = fixture.update("a", |value| value["metadata"]["labels"] = json!({"app": "web"})).await;
        let restarted = fixture.restarted();
        restarted.pods.list(Default::default()).await.unwrap();
        let options = WatchOptions { predicate: by_label("app"), start: WatchStart::From(from), ..Default::default() };
        let mut watch = restarted.watch_with(options).await;
        assert_eq!(next_text(&mut watch).await, format!("DELETED a@{left}"));
        assert_eq!(next_text(&mut watch).await, format!("ADDED a@{}", back.resource_version()));
        assert_silent(&mut watch).await;
        let deleted = restarted.delete("a").await.resource_version();
        assert_eq!(next_text(&mut watch).await, format!("DELETED a@{deleted}"));
    }
}

// proves: AM-18
#[tokio::test]
async fn a_watch_from_a_compacted_revision_gets_one_error_and_ends() {
    for fixture in Fixture::both() {
        let first = fixture.create("a").await.resource_version();
        fixture.create("b").await;
        let last = fixture.create("c").await.resource_version();
        fixture.compact(last).await;
        let restarted = fixture.restarted();
        let mut watch = restarted.watch(WatchStart::From(first)).await;
        let error = next(&mut watch).await;
        assert_eq!(error.kind(), EventKind::Error);
        let status = error.status().unwrap();
        assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
        assert_eq!(status.message, format!("too old resource version: {first} ({last})"));
        assert!(watch.next().await.is_none());
        assert!(watch.next().await.is_none(), "an ended watch stays ended");
    }
}

// proves: AM-18
#[tokio::test]
async fn the_last_compacted_revision_itself_can_be_resumed() {
    for fixture in Fixture::both() {
        fixture.create("a").await;
        let last = fixture.create("b").await.resource_version();
        let deleted = fixture.delete("a").await.resource_version();
        fixture.compact(last).await;
        let mut watch = fixture.restarted().watch(WatchStart::From(last)).await;
        assert_eq!(next_text(&mut watch).await, format!("DELETED a@{deleted}"));
    }
}

// proves: AM-20
#[tokio::test(start_paused = true)]
async fn initial_events_end_with_an_annotated_bookmark_at_their_revision() {
    for fixture in Fixture::both() {
        fixture.create_in(NAMESPACE, "a", "", json!({"app": "web"})).await;
        fixture.create("b").await;
        let now = fixture.storage.current_revision().await.unwrap();
        let options = |start| WatchOptions {
            predicate: by_label("app"),
            start,
            bookmarks: true,
            send_initial_events: Some(true),
            ..Default::default()
        };
        for start in [WatchStart::Unset, WatchStart::Any, WatchStart::From(now)] {
            let mut watch = fixture.watch_with(options(start)).await;
            assert!(next_text(&mut watch).await.starts_with("ADDED a@"));
            let end = next(&mut watch).await;
            assert!(end.is_initial_events_end(), "{end:?}");
            assert_eq!(end.revision(), now);
        }
        let mut ahead = fixture.watch_with(options(WatchStart::From(now + 9))).await;
        assert_eq!(next(&mut ahead).await.kind(), EventKind::Error, "upstream has answered 200 before it waits");
        assert!(ahead.next().await.is_none(), "nothing follows");
        let mut none =
            fixture.watch_with(WatchOptions { send_initial_events: Some(false), ..options(WatchStart::Unset) }).await;
        assert_silent(&mut none).await;
        let created = fixture.create_in(NAMESPACE, "z", "", json!({"app": "web"})).await.resource_version();
        assert_eq!(next_text(&mut none).await, format!("ADDED z@{created}"));
        fixture.delete("z").await;
    }
}

// proves: AM-19
#[tokio::test(start_paused = true)]
async fn a_quiet_watch_gets_a_bookmark_about_once_a_minute_that_moves_on() {
    for fixture in Fixture::both() {
        let options = WatchOptions { bookmarks: true, predicate: by_label("app=none"), ..Default::default() };
        let mut watch = fixture.watch_with(options).await;
        let mut before = 0;
        for round in 0..3 {
            let started = Instant::now();
            let created = fixture.create(&format!("p{round}")).await.resource_version();
            let bookmark = next(&mut watch).await;
            assert_eq!(bookmark.kind(), EventKind::Bookmark);
            assert!(!bookmark.is_initial_events_end());
            assert!(started.elapsed() <= Duration::from_secs(61), "{:?}", started.elapsed());
            assert!(started.elapsed() >= Duration::from_secs(45), "{:?}", started.elapsed());
            assert!(bookmark.revision() >= created && bookmark.revision() > before, "{}", fixture.name);
            before = bookmark.revision();
        }
    }
}

// proves: AM-19
#[tokio::test(start_paused = true)]
async fn a_bookmark_follows_the_store_also_when_other_resources_change() {
    let fixture = Fixture::cached();
    let nodes = fixture.storage.resource(api_storage::Resource::new("", "v1", "nodes", "Node", false));
    let mut watch = fixture.watch_with(WatchOptions { bookmarks: true, ..Default::default() }).await;
    let value = json!({"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n1"}});
    let object = api_storage::NewObject { value: &value, fields: Default::default() };
    let other = nodes.create(None, "n1", object, None).await.unwrap().resource_version();
    assert!(next(&mut watch).await.revision() >= other);
}

#[tokio::test(start_paused = true)]
async fn a_watch_ends_at_its_timeout_with_a_last_bookmark() {
    for fixture in Fixture::both() {
        let created = fixture.create("a").await.resource_version();
        let timeout = Some(Duration::from_secs(20));
        let start = WatchStart::From(created);
        let options = WatchOptions { bookmarks: true, timeout, start, ..Default::default() };
        let mut watch = fixture.watch_with(options.clone()).await;
        let started = Instant::now();
        assert_eq!(next_text(&mut watch).await, format!("BOOKMARK @{created}"));
        assert!(watch.next().await.is_none());
        assert_eq!(started.elapsed().as_secs(), 20);
        let mut silent = fixture.watch_with(WatchOptions { bookmarks: false, ..options }).await;
        assert!(silent.next().await.is_none(), "bookmarks only for those who asked");
    }
}
