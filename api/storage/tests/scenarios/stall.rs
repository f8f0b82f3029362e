//! Watchers that do not read.

use crate::support::{Fixture, NAMESPACE, assert_silent, next, next_text};
use api_storage::{EventKind, WatchStart};
use futures::StreamExt;
use serde_json::json;

/// More than the window keeps, in objects of a mebibyte.
const OBJECTS: usize = 24;

async fn write_a_lot(fixture: &Fixture) -> Vec<i64> {
    let mut revisions = Vec::new();
    for index in 0..OBJECTS {
        let padding = "x".repeat(1 << 20);
        let written = fixture.update("a", |value| value["spec"]["padding"] = json!(format!("{padding}{index}"))).await;
        revisions.push(written.resource_version());
    }
    revisions
}

#[tokio::test]
async fn a_stalled_watcher_costs_nobody_anything_and_still_gets_everything() {
    let fixture = Fixture::cached();
    let created = fixture.create("a").await.resource_version();
    let mut stalled = fixture.watch(WatchStart::From(created)).await;
    let mut lively = fixture.watch(WatchStart::From(created)).await;
    assert_silent(&mut stalled).await;
    let revisions = write_a_lot(&fixture).await;
    for revision in &revisions {
        assert_eq!(next_text(&mut lively).await, format!("MODIFIED a@{revision}"));
    }
    for revision in &revisions {
        assert_eq!(next_text(&mut stalled).await, format!("MODIFIED a@{revision}"));
    }
    assert_silent(&mut stalled).await;
    let last = fixture.delete("a").await.resource_version();
    assert_eq!(next_text(&mut lively).await, format!("DELETED a@{last}"));
    assert_eq!(next_text(&mut stalled).await, format!("DELETED a@{last}"));
}

// proves: AM-18
#[tokio::test]
async fn a_stalled_watcher_whose_place_is_compacted_gets_one_410_and_nothing_more() {
    let fixture = Fixture::cached();
    let created = fixture.create("a").await.resource_version();
    let mut stalled = fixture.watch(WatchStart::From(created)).await;
    let mut lively = fixture.watch(WatchStart::From(created)).await;
    let revisions = write_a_lot(&fixture).await;
    for _ in &revisions {
        next(&mut lively).await;
    }
    fixture.compact(*revisions.last().unwrap()).await;
    let error = next(&mut stalled).await;
    assert_eq!((error.kind(), error.status().unwrap().code), (EventKind::Error, 410));
    assert!(stalled.next().await.is_none());
    let last = fixture.delete("a").await.resource_version();
    assert_eq!(next_text(&mut lively).await, format!("DELETED a@{last}"));
}

#[tokio::test]
async fn initial_events_that_are_read_slowly_are_followed_by_all_that_happened_since() {
    let fixture = Fixture::cached();
    fixture.create("a").await;
    fixture.create("b").await;
    let mut slow = fixture.watch(WatchStart::Unset).await;
    let revisions = write_a_lot(&fixture).await;
    let first = next(&mut slow).await;
    assert_eq!((first.kind(), first.object().unwrap().namespace()), (EventKind::Added, Some(NAMESPACE)));
    assert!(first.revision() < revisions[0], "the state when the watch began");
    assert!(next_text(&mut slow).await.starts_with("ADDED b@"));
    for revision in revisions {
        assert_eq!(next_text(&mut slow).await, format!("MODIFIED a@{revision}"));
    }
}
