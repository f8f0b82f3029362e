//! Create, get, update, delete.

use crate::support::{Fixture, NAMESPACE, fields, pod, written};
use api_storage::{Change, ListOptions, NewObject, Outcome, Preconditions, ReadRevision, StorageError, UpdateError};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

async fn get(fixture: &Fixture, name: &str) -> Result<Arc<api_storage::Stored>, StorageError> {
    fixture.pods.get(Some(NAMESPACE), name, ReadRevision::Consistent).await
}

#[tokio::test]
async fn what_was_created_can_be_read_with_its_revision() {
    for fixture in Fixture::both() {
        fixture.pods.list(ListOptions::default()).await.unwrap();
        let created = fixture.create_in(NAMESPACE, "a", "n1", json!({"app": "web"})).await;
        let read = get(&fixture, "a").await.unwrap();
        assert_eq!(read.resource_version(), created.resource_version());
        let mut expected = pod(NAMESPACE, "a", "n1", json!({"app": "web"}));
        expected["metadata"]["resourceVersion"] = json!(created.resource_version().to_string());
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&read.to_json()).unwrap(), expected);
        assert_eq!(read.decode().unwrap(), expected);
        assert_eq!(read.uid(), "uid-a");
        assert_eq!(read.label("app"), Some("web"));
        assert_eq!(read.field("spec.nodeName"), Some("n1"));
    }
}

#[tokio::test]
async fn a_second_create_is_refused_and_changes_nothing() {
    for fixture in Fixture::both() {
        let first = fixture.create("a").await;
        let value = pod(NAMESPACE, "a", "other", json!({}));
        let again = NewObject { value: &value, fields: fields(&value) };
        let error = fixture.pods.create(Some(NAMESPACE), "a", again, None).await.unwrap_err();
        assert_eq!(error, StorageError::AlreadyExists { key: "/registry/pods/default/a".into() });
        assert_eq!(get(&fixture, "a").await.unwrap().resource_version(), first.resource_version());
    }
}

#[tokio::test]
async fn a_get_sees_every_acknowledged_write() {
    for fixture in Fixture::both() {
        fixture.pods.list(ListOptions::default()).await.unwrap();
        fixture.create("a").await;
        for round in 0..50 {
            let written = fixture.update("a", |value| value["spec"]["round"] = json!(round)).await;
            assert_eq!(get(&fixture, "a").await.unwrap().resource_version(), written.resource_version());
        }
        fixture.delete("a").await;
        assert!(matches!(get(&fixture, "a").await, Err(StorageError::NotFound { .. })), "{}", fixture.name);
    }
}

// proves: AM-15
#[tokio::test(start_paused = true)]
async fn a_get_not_older_than_the_future_waits_and_gives_up() {
    for fixture in Fixture::both() {
        fixture.pods.list(ListOptions::default()).await.unwrap();
        let created = fixture.create("a").await.resource_version();
        let not_older = |revision| fixture.pods.get(Some(NAMESPACE), "a", ReadRevision::NotOlderThan(revision));
        assert_eq!(not_older(created).await.unwrap().resource_version(), created);
        assert_eq!(
            not_older(created + 5).await.unwrap_err(),
            StorageError::TooLargeResourceVersion { requested: created + 5, current: created }
        );
    }
}

// proves: AM-03
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_updates_all_take_effect() {
    for fixture in Fixture::both() {
        let fixture = Arc::new(fixture);
        fixture.pods.list(ListOptions::default()).await.unwrap();
        fixture.create("a").await;
        let mut writers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let fixture = Arc::clone(&fixture);
            writers.spawn(async move {
                for _ in 0..10 {
                    fixture
                        .update("a", |value| {
                            let count = value["spec"]["count"].as_i64().unwrap_or(0);
                            value["spec"]["count"] = json!(count + 1);
                        })
                        .await;
                }
            });
        }
        writers.join_all().await;
        assert_eq!(get(&fixture, "a").await.unwrap().decode().unwrap()["spec"]["count"], 80);
    }
}

// proves: AM-03
#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    for fixture in Fixture::both() {
        fixture.pods.list(ListOptions::default()).await.unwrap();
        let created = fixture.create("a").await;
        let updated = fixture.try_update("a", &Preconditions::default(), |_| ()).await.unwrap();
        assert_eq!(updated.outcome, Outcome::Unchanged);
        assert_eq!(updated.object.resource_version(), created.resource_version());
        assert_eq!(fixture.storage.current_revision().await.unwrap(), created.resource_version());
    }
}

// proves: AM-03
#[tokio::test]
async fn preconditions_are_checked_against_the_current_state() {
    for fixture in Fixture::both() {
        fixture.pods.list(ListOptions::default()).await.unwrap();
        let created = fixture.create("a").await;
        let touch = |value: &mut serde_json::Value| value["spec"]["touched"] = json!(true);
        let uid = Preconditions { uid: Some("other".into()), ..Default::default() };
        let refused = UpdateError::Storage(StorageError::InvalidObject {
            key: "/registry/pods/default/a".into(),
            message: "Precondition failed: UID in precondition: other, UID in object meta: uid-a".into(),
        });
        assert_eq!(fixture.try_update("a", &uid, touch).await.unwrap_err(), refused);
        let current = Preconditions { resource_version: Some(created.resource_version()), ..Default::default() };
        assert!(written(&fixture.try_update("a", &current, touch).await.unwrap()));
        let message = format!(
            "Precondition failed: ResourceVersion in precondition: {}, ResourceVersion in object meta: {}",
            created.resource_version(),
            created.resource_version() + 1
        );
        let key = "/registry/pods/default/a".to_owned();
        let refused = StorageError::InvalidObject { key, message };
        assert_eq!(fixture.try_update("a", &current, touch).await.unwrap_err(), UpdateError::Storage(refused.clone()));
        assert_eq!(fixture.pods.delete(Some(NAMESPACE), "a", &current).await.unwrap_err(), refused);
    }
}

#[tokio::test]
async fn an_update_can_refuse_or_turn_into_a_deletion() {
    for fixture in Fixture::both() {
        fixture.create("a").await;
        let none = Preconditions::default();
        let refused = fixture
            .pods
            .guaranteed_update(Some(NAMESPACE), "a", &none, None, |_, _| Err::<Change, _>("no"))
            .await
            .unwrap_err();
        assert_eq!(refused, UpdateError::Refused("no"));
        let deleted = fixture
            .pods
            .guaranteed_update(Some(NAMESPACE), "a", &none, None, |_, _| Ok::<_, &str>(Change::Delete))
            .await
            .unwrap();
        assert_eq!(deleted.outcome, Outcome::Deleted);
        assert_eq!(deleted.object.resource_version(), fixture.storage.current_revision().await.unwrap());
        assert!(matches!(get(&fixture, "a").await, Err(StorageError::NotFound { .. })));
        let gone = fixture.try_update("a", &none, |_| ()).await.unwrap_err();
        assert!(matches!(gone, UpdateError::Storage(StorageError::NotFound { .. })));
    }
}

#[tokio::test]
async fn a_refusal_of_an_old_state_is_not_final() {
    let fixture = Fixture::cached();
    fixture.pods.list(ListOptions::default()).await.unwrap();
    let created = fixture.create("a").await;
    fixture.pods.list(ListOptions::default()).await.unwrap();
    // The cache no longer hears of changes, and keeps the old state.
    fixture.flaky.refuse_watches(true);
    fixture.flaky.cut_watches();
    let other = fixture.restarted();
    let newer = other.update("a", |value| value["spec"]["open"] = json!(true)).await;
    let mut seen = Vec::new();
    let updated = fixture
        .pods
        .guaranteed_update(Some(NAMESPACE), "a", &Preconditions::default(), None, |stored, value| {
            seen.push(stored.resource_version());
            if value["spec"]["open"] == json!(true) { Ok(Change::Nothing) } else { Err("closed") }
        })
        .await
        .unwrap();
    assert_eq!(updated.object.resource_version(), newer.resource_version());
    assert_eq!(seen, [created.resource_version(), newer.resource_version()]);
}

#[tokio::test]
async fn a_deletion_returns_the_last_state_at_its_own_revision() {
    for fixture in Fixture::both() {
        fixture.create_in(NAMESPACE, "a", "n1", json!({})).await;
        let deleted = fixture.delete("a").await;
        assert_eq!(deleted.field("spec.nodeName"), Some("n1"));
        assert_eq!(deleted.resource_version(), fixture.storage.current_revision().await.unwrap());
        let none = Preconditions::default();
        let again = fixture.pods.delete(Some(NAMESPACE), "a", &none).await.unwrap_err();
        assert_eq!(again, StorageError::NotFound { key: "/registry/pods/default/a".into() });
    }
}

#[tokio::test]
async fn a_deletion_can_be_refused_by_the_state_it_would_delete() {
    for fixture in Fixture::both() {
        fixture.create("a").await;
        let none = Preconditions::default();
        let refused =
            fixture.pods.delete_validated(Some(NAMESPACE), "a", &none, |stored| Err(stored.uid().to_owned())).await;
        assert_eq!(refused.unwrap_err(), UpdateError::Refused("uid-a".to_owned()));
        assert!(get(&fixture, "a").await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_with_a_ttl_vanishes_and_watchers_see_it() {
    for fixture in Fixture::both() {
        let mut watch = fixture.watch(api_storage::WatchStart::Unset).await;
        let value = pod(NAMESPACE, "a", "", json!({}));
        let object = NewObject { value: &value, fields: fields(&value) };
        fixture.pods.create(Some(NAMESPACE), "a", object, Some(Duration::from_secs(3600))).await.unwrap();
        assert!(crate::support::next_text(&mut watch).await.starts_with("ADDED a@"));
        tokio::time::advance(Duration::from_secs(3500)).await;
        assert!(get(&fixture, "a").await.is_ok());
        assert!(crate::support::next_text(&mut watch).await.starts_with("DELETED a@"));
        assert!(get(&fixture, "a").await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn objects_that_expire_share_a_lease_for_a_minute_or_a_thousand_of_them() {
    use store_client::Store;
    let fixture = Fixture::direct();
    let leases = async || fixture.flaky.lease_leases(Default::default()).await.unwrap().leases.len();
    let create = async |name: String| {
        let value = pod(NAMESPACE, &name, "", json!({}));
        let object = NewObject { value: &value, fields: fields(&value) };
        fixture.pods.create(Some(NAMESPACE), &name, object, Some(Duration::from_secs(3600))).await.unwrap();
    };
    for index in 0..1_000 {
        create(format!("a{index}")).await;
    }
    assert_eq!(leases().await, 1);
    create("b".into()).await;
    assert_eq!(leases().await, 2);
    tokio::time::advance(Duration::from_secs(61)).await;
    create("c".into()).await;
    assert_eq!(leases().await, 3);
}

#[tokio::test]
async fn absurd_limits_and_revisions_are_answered() {
    for fixture in Fixture::both() {
        fixture.create("a").await;
        let all = ListOptions { limit: usize::MAX, ..Default::default() };
        assert_eq!(fixture.list(all).await.unwrap().names, ["a"]);
        let far = ListOptions { revision: api_storage::ListRevision::Exact(i64::MAX), ..Default::default() };
        assert!(matches!(fixture.list(far).await, Err(StorageError::TooLargeResourceVersion { .. })));
        let mut watch = fixture.watch(api_storage::WatchStart::From(i64::MAX)).await;
        crate::support::assert_silent(&mut watch).await;
    }
}
