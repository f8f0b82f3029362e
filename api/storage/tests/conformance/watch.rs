//! What a watch delivers.

use crate::support::{Fixture, NAMESPACE, assert_silent, by_field, by_label, next, next_text, text};
use api_storage::{Predicate, WatchOptions, WatchStart};
use futures::StreamExt;
use serde_json::{Value, json};
use std::sync::Arc;

fn selecting(namespace: Option<&str>, predicate: Predicate) -> WatchOptions {
    WatchOptions { namespace: namespace.map(str::to_owned), predicate, ..Default::default() }
}

#[tokio::test]
async fn every_change_arrives_once_in_order_with_its_revision() {
    for fixture in Fixture::both() {
        let mut watch = fixture.watch(WatchStart::Unset).await;
        let created = fixture.create("a").await.resource_version();
        let updated = fixture.update("a", |value| value["spec"]["x"] = json!(1)).await.resource_version();
        let deleted = fixture.delete("a").await.resource_version();
        let again = fixture.create("a").await.resource_version();
        assert_eq!(next_text(&mut watch).await, format!("ADDED a@{created}"));
        assert_eq!(next_text(&mut watch).await, format!("MODIFIED a@{updated}"));
        assert_eq!(next_text(&mut watch).await, format!("DELETED a@{deleted}"));
        assert_eq!(next_text(&mut watch).await, format!("ADDED a@{again}"));
        assert_silent(&mut watch).await;
    }
}

#[tokio::test]
async fn the_wire_form_carries_the_object_with_the_events_revision() {
    for fixture in Fixture::both() {
        let mut watch = fixture.watch(WatchStart::Unset).await;
        fixture.create_in(NAMESPACE, "a", "n1", json!({})).await;
        let deleted = fixture.delete("a").await.resource_version();
        next(&mut watch).await;
        let item = next(&mut watch).await;
        let wire = item.wire();
        assert!(wire.ends_with(b"}\n"));
        let wire: Value = serde_json::from_slice(&wire).unwrap();
        assert_eq!(wire["type"], "DELETED");
        assert_eq!(wire["object"]["metadata"]["resourceVersion"], deleted.to_string());
        assert_eq!(wire["object"]["spec"]["nodeName"], "n1");
    }
}

// proves: AM-23
#[tokio::test]
async fn an_object_enters_and_leaves_a_selection_by_its_labels() {
    for fixture in Fixture::both() {
        let mut watch = fixture.watch_with(selecting(None, by_label("app=web"))).await;
        let relabel = |app: &'static str| move |value: &mut Value| value["metadata"]["labels"] = json!({"app": app});
        fixture.create_in(NAMESPACE, "a", "", json!({"app": "db"})).await;
        let entered = fixture.update("a", relabel("web")).await.resource_version();
        let changed = fixture.update("a", |value| value["spec"]["x"] = json!("last")).await.resource_version();
        let left = fixture.update("a", relabel("db")).await.resource_version();
        fixture.update("a", |value| value["spec"]["x"] = json!("unseen")).await;
        fixture.delete("a").await;
        fixture.create_in(NAMESPACE, "b", "", json!({"app": "web"})).await;
        let deleted = fixture.delete("b").await.resource_version();
        assert_eq!(next_text(&mut watch).await, format!("ADDED a@{entered}"));
        assert_eq!(next_text(&mut watch).await, format!("MODIFIED a@{changed}"));
        let gone = next(&mut watch).await;
        assert_eq!(text(&gone), format!("DELETED a@{left}"));
        let last: Value = serde_json::from_slice(&gone.object().unwrap().to_json()).unwrap();
        assert_eq!(last["metadata"]["labels"], json!({"app": "web"}), "the last state that matched");
        assert_eq!(last["spec"]["x"], "last");
        assert_eq!(last["metadata"]["resourceVersion"], left.to_string());
        assert_eq!(next_text(&mut watch).await, format!("ADDED b@{}", deleted - 1));
        assert_eq!(next_text(&mut watch).await, format!("DELETED b@{deleted}"));
        assert_silent(&mut watch).await;
    }
}

// proves: AM-23
#[tokio::test]
async fn an_object_enters_and_leaves_a_selection_by_its_fields() {
    for fixture in Fixture::both() {
        let mut n1 = fixture.watch_with(selecting(None, by_field("spec.nodeName=n1"))).await;
        let mut n2 = fixture.watch_with(selecting(Some(NAMESPACE), by_field("spec.nodeName=n2"))).await;
        let mut unbound = fixture.watch_with(selecting(None, by_field("spec.nodeName="))).await;
        let bind = |node: &'static str| move |value: &mut Value| value["spec"]["nodeName"] = json!(node);
        let created = fixture.create_in(NAMESPACE, "a", "", json!({})).await.resource_version();
        let first = fixture.update("a", bind("n1")).await.resource_version();
        let second = fixture.update("a", bind("n2")).await.resource_version();
        fixture.create_in("other", "b", "n2", json!({})).await;
        let deleted = fixture.delete("a").await.resource_version();
        assert_eq!(next_text(&mut unbound).await, format!("ADDED a@{created}"));
        assert_eq!(next_text(&mut unbound).await, format!("DELETED a@{first}"));
        assert_eq!(next_text(&mut n1).await, format!("ADDED a@{first}"));
        assert_eq!(next_text(&mut n1).await, format!("DELETED a@{second}"));
        assert_eq!(next_text(&mut n2).await, format!("ADDED a@{second}"));
        assert_eq!(next_text(&mut n2).await, format!("DELETED a@{deleted}"));
        for watch in [&mut n1, &mut n2, &mut unbound] {
            assert_silent(watch).await;
        }
    }
}

#[tokio::test]
async fn namespaces_and_names_are_watched_apart() {
    for fixture in Fixture::both() {
        let mut space = fixture.watch_with(selecting(Some("a"), Predicate::everything())).await;
        let mut name = fixture.watch_with(selecting(Some("a"), by_field("metadata.name=x"))).await;
        let mut anywhere = fixture.watch_with(selecting(None, by_field("metadata.name=x"))).await;
        let created = fixture.create_in("ab", "x", "", json!({})).await.resource_version();
        fixture.create_in("a", "y", "", json!({})).await;
        fixture.create_in("a", "x", "", json!({})).await;
        assert_eq!(next_text(&mut space).await, format!("ADDED y@{}", created + 1));
        assert_eq!(next_text(&mut space).await, format!("ADDED x@{}", created + 2));
        assert_eq!(next_text(&mut name).await, format!("ADDED x@{}", created + 2));
        assert_eq!(next_text(&mut anywhere).await, format!("ADDED x@{created}"));
        assert_eq!(next_text(&mut anywhere).await, format!("ADDED x@{}", created + 2));
        for watch in [&mut space, &mut name, &mut anywhere] {
            assert_silent(watch).await;
        }
    }
}

// proves: AM-24
#[tokio::test]
async fn all_watchers_share_one_item_and_one_encoding() {
    let fixture = Fixture::cached();
    let mut watches = Vec::new();
    for _ in 0..10 {
        watches.push(fixture.watch(WatchStart::Unset).await);
    }
    watches.push(fixture.watch_with(selecting(Some(NAMESPACE), Predicate::everything())).await);
    watches.push(fixture.watch_with(selecting(None, by_label("app=web"))).await);
    watches.push(fixture.watch_with(selecting(None, by_field("spec.nodeName=n1"))).await);
    fixture.create_in(NAMESPACE, "a", "n1", json!({"app": "web"})).await;
    let first = next(&mut watches[0]).await;
    for watch in &mut watches[1..] {
        let item = next(watch).await;
        assert!(Arc::ptr_eq(&first, &item));
        assert_eq!(first.wire().as_ptr(), item.wire().as_ptr());
    }
}

// proves: AM-24
#[tokio::test]
async fn watchers_that_see_a_transition_share_it_too() {
    let fixture = Fixture::cached();
    let mut first = fixture.watch_with(selecting(None, by_label("app=web"))).await;
    let mut second = fixture.watch_with(selecting(None, by_label("app in (web)"))).await;
    fixture.create_in(NAMESPACE, "a", "", json!({"app": "web"})).await;
    fixture.update("a", |value| value["metadata"]["labels"] = json!({})).await;
    for _ in 0..2 {
        let (one, other) = (next(&mut first).await, next(&mut second).await);
        assert!(Arc::ptr_eq(&one, &other), "{one:?} {other:?}");
    }
}

#[tokio::test]
async fn a_dropped_watch_leaves_the_others_alone() {
    for fixture in Fixture::both() {
        let mut kept = fixture.watch(WatchStart::Unset).await;
        for round in 0..20 {
            let mut dropped = fixture.watch(WatchStart::Unset).await;
            assert_silent(&mut kept).await;
            futures::future::join(async { drop(futures::poll!(dropped.next())) }, async {}).await;
            drop(dropped);
            fixture.create(&format!("p{round}")).await;
            assert!(next_text(&mut kept).await.starts_with(&format!("ADDED p{round}@")));
        }
    }
}

#[tokio::test]
async fn changes_of_one_revision_arrive_together() {
    use store_client::Store;
    for fixture in Fixture::both() {
        for name in ["a", "b", "c"] {
            fixture.create(name).await;
        }
        let mut watch = fixture.watch(WatchStart::From(fixture.storage.current_revision().await.unwrap())).await;
        let range = store_types::KeyRange::prefix("/registry/pods/".into()).into_pair();
        let request =
            store_types::etcdserverpb::DeleteRangeRequest { key: range.0, range_end: range.1, prev_kv: false };
        fixture.flaky.delete_range(request).await.unwrap();
        let mut items = Vec::new();
        assert!(std::future::poll_fn(|context| watch.poll_batch(context, &mut items)).await);
        let kinds: Vec<_> = items.iter().map(|item| item.kind().as_str()).collect();
        assert_eq!(kinds, ["DELETED"; 3]);
        assert_eq!(items[0].revision(), items[2].revision());
    }
}
