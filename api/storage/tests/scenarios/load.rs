//! Many writers and watchers at once: whoever follows from some revision on ends with the state that a list shows.

use crate::support::{Fixture, by_field, by_label, fields, is_event, pod};
use api_storage::{Change, EventKind, ListOptions, NewObject, Preconditions, Predicate, WatchOptions, WatchStart};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

const WRITERS: u64 = 4;
const WRITES: usize = 150;
const NAMESPACES: [&str; 2] = ["a", "b"];
const NODES: [&str; 3] = ["", "n1", "n2"];
const APPS: [&str; 2] = ["web", "db"];

async fn write(fixture: Arc<Fixture>, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..WRITES {
        let namespace = NAMESPACES[random.random_range(0..2)];
        let name = format!("p{}", random.random_range(0..8));
        let (node, app) = (NODES[random.random_range(0..3)], APPS[random.random_range(0..2)]);
        let value = pod(namespace, &name, node, json!({"app": app}));
        let none = Preconditions::default();
        if random.random_bool(0.25) {
            let _ = fixture.pods.delete(Some(namespace), &name, &none).await;
        } else {
            let object = NewObject { value: &value, fields: fields(&value) };
            if fixture.pods.create(Some(namespace), &name, object, None).await.is_err() {
                let write = |_: &_, _| Ok::<_, ()>(Change::Write { value: value.clone(), fields: fields(&value) });
                let _ = fixture.pods.guaranteed_update(Some(namespace), &name, &none, None, write).await;
            }
        }
        if random.random_bool(0.2) {
            tokio::task::yield_now().await;
        }
    }
}

/// Follows a selection, reconnecting now and then; returns the state it ends with.
async fn follow(
    fixture: Arc<Fixture>,
    namespace: Option<&'static str>,
    predicate: Predicate,
    seed: u64,
    until: tokio::sync::watch::Receiver<i64>,
) -> BTreeMap<String, i64> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut state = BTreeMap::new();
    let mut revision = 0;
    loop {
        let start = if revision == 0 { WatchStart::Unset } else { WatchStart::From(revision) };
        let namespace = namespace.map(str::to_owned);
        let options = WatchOptions { namespace, predicate: predicate.clone(), start, ..Default::default() };
        let mut watch = fixture.pods.watch(options).await.unwrap();
        let connected_for = random.random_range(1..60);
        let mut initial = revision == 0;
        for _ in 0..connected_for {
            let end = *until.borrow();
            if end > 0 && revision.max(watch.revision()) >= end {
                return state;
            }
            let mut items = Vec::new();
            let batch = std::future::poll_fn(|context| watch.poll_batch(context, &mut items));
            match tokio::time::timeout(Duration::from_millis(20), batch).await {
                Ok(more) => assert!(more, "the watch has no timeout"),
                Err(_) => continue,
            }
            for item in items {
                assert!(is_event(&item), "{item:?}");
                let object = item.object().unwrap();
                let key = format!("{}/{}", object.namespace().unwrap(), object.name());
                if !initial {
                    assert!(item.revision() > revision, "{item:?} behind {revision}");
                    revision = item.revision();
                }
                let known = match item.kind() {
                    EventKind::Deleted => state.remove(&key),
                    _ => state.insert(key, item.revision()),
                };
                assert_eq!(known.is_some(), item.kind() != EventKind::Added, "{item:?} after {known:?}");
            }
            if initial && watch.revision() > 0 {
                // The state has come, and with it everything up to its revision.
                initial = false;
                revision = watch.revision();
            }
            if random.random_bool(0.02) {
                tokio::time::sleep(Duration::from_millis(random.random_range(1..30))).await;
            }
        }
        if initial {
            state.clear();
        } else {
            revision = revision.max(watch.revision());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_follower_ends_with_the_listed_state() {
    for fixture in Fixture::both() {
        let fixture = Arc::new(fixture);
        let (end, until) = tokio::sync::watch::channel(0);
        let mut writers = tokio::task::JoinSet::new();
        for seed in 0..WRITERS {
            writers.spawn(write(Arc::clone(&fixture), seed));
        }
        let selections = [
            (None, Predicate::everything()),
            (Some("a"), Predicate::everything()),
            (None, by_label("app=web")),
            (Some("b"), by_label("app!=web")),
            (None, by_field("spec.nodeName=n1")),
            (Some("a"), by_field("spec.nodeName=")),
            (Some("a"), by_field("metadata.name=p3")),
        ];
        let mut followers = Vec::new();
        for (index, (namespace, predicate)) in selections.iter().cycle().take(21).enumerate() {
            let follower =
                follow(Arc::clone(&fixture), *namespace, predicate.clone(), 100 + index as u64, until.clone());
            followers.push(async move {
                #[allow(clippy::disallowed_methods, reason = "a test")]
                tokio::spawn(follower).await.unwrap()
            });
        }
        let all = async {
            writers.join_all().await;
            end.send_replace(fixture.storage.current_revision().await.unwrap());
        };
        let (states, ()) = futures::future::join(futures::future::join_all(followers), async {
            all.await;
            // Wakes followers whose selection is quiet: a write that everyone's revision passes.
            while Arc::strong_count(&fixture) > 1 {
                fixture.pods.list(ListOptions::default()).await.unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        for ((namespace, predicate), state) in selections.iter().cycle().zip(states) {
            let namespace = namespace.map(str::to_owned);
            let options = ListOptions { namespace, predicate: predicate.clone(), ..Default::default() };
            let listed: BTreeMap<_, _> = fixture
                .pods
                .list(options)
                .await
                .unwrap()
                .items
                .iter()
                .map(|object| (format!("{}/{}", object.namespace().unwrap(), object.name()), object.resource_version()))
                .collect();
            assert_eq!(state, listed, "{} {predicate:?}", fixture.name);
        }
        if fixture.name == "cached" {
            assert!(fixture.pods.check_consistency().await.unwrap().is_consistent());
        }
    }
}
