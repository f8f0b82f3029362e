//! What the tests of this folder share: pods in a memory store, behind a cache or without.
#![allow(dead_code, reason = "each test binary uses a part")]

pub(crate) mod flaky;

use api_machinery::selector::{FieldSelector, LabelSelector};
use api_storage::{
    Change, ContinueKey, EventKind, Fields, ListOptions, NewObject, Outcome, Preconditions, Predicate, Resource,
    ResourceStore, Storage, StorageError, Stored, UpdateError, Updated, Watch, WatchItem, WatchOptions, WatchStart,
};
use flaky::Flaky;
use futures::StreamExt;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use store_client::Store;
use store_types::etcdserverpb::CompactionRequest;

pub(crate) const NAMESPACE: &str = "default";

/// Storage over a store in memory.
pub(crate) struct Fixture {
    pub(crate) name: &'static str,
    pub(crate) flaky: Arc<Flaky>,
    pub(crate) storage: Storage,
    pub(crate) pods: ResourceStore,
}

impl Fixture {
    pub(crate) fn cached() -> Self {
        Self::over(Arc::default(), "cached")
    }

    pub(crate) fn direct() -> Self {
        Self::over(Arc::default(), "direct")
    }

    /// The same exam for the cache and for the store itself.
    pub(crate) fn both() -> [Self; 2] {
        [Self::cached(), Self::direct()]
    }

    pub(crate) fn over(flaky: Arc<Flaky>, name: &'static str) -> Self {
        let store: Arc<dyn Store> = Arc::clone(&flaky) as _;
        let storage = Storage::new(store, ContinueKey::new(b"test"));
        let pods = Resource::new("", "v1", "pods", "Pod", true).indexed(&["spec.nodeName"]);
        let pods = if name == "direct" { pods.uncached() } else { pods };
        Self { name, flaky, pods: storage.resource(pods), storage }
    }

    /// A second API server over the same store.
    pub(crate) fn restarted(&self) -> Self {
        Self::over(Arc::clone(&self.flaky), self.name)
    }

    pub(crate) async fn create(&self, name: &str) -> Arc<Stored> {
        self.create_in(NAMESPACE, name, "", json!({})).await
    }

    pub(crate) async fn create_in(&self, namespace: &str, name: &str, node: &str, labels: Value) -> Arc<Stored> {
        let value = pod(namespace, name, node, labels);
        let object = NewObject { value: &value, fields: fields(&value) };
        self.pods.create(Some(namespace), name, object, None).await.unwrap()
    }

    pub(crate) async fn update(&self, name: &str, change: impl Fn(&mut Value) + Send + Sync) -> Arc<Stored> {
        self.try_update(name, &Preconditions::default(), change).await.unwrap().object
    }

    pub(crate) async fn try_update(
        &self,
        name: &str,
        preconditions: &Preconditions,
        change: impl Fn(&mut Value) + Send + Sync,
    ) -> Result<Updated, UpdateError<Infallible>> {
        self.pods
            .guaranteed_update(Some(NAMESPACE), name, preconditions, None, |_, mut value| {
                change(&mut value);
                let fields = fields(&value);
                Ok(Change::Write { value, fields })
            })
            .await
    }

    pub(crate) async fn delete(&self, name: &str) -> Arc<Stored> {
        self.pods.delete(Some(NAMESPACE), name, &Preconditions::default()).await.unwrap()
    }

    pub(crate) async fn compact(&self, revision: i64) {
        self.flaky.compact(CompactionRequest { revision, physical: true }).await.unwrap();
    }

    pub(crate) async fn list(&self, options: ListOptions) -> Result<Listed, StorageError> {
        let page = self.pods.list(options).await?;
        Ok(Listed {
            names: page.items.iter().map(|object| object.name().to_owned()).collect(),
            revision: page.resource_version,
            token: page.continue_token,
            remaining: page.remaining_item_count,
        })
    }

    pub(crate) async fn watch(&self, start: WatchStart) -> Watch {
        self.watch_with(WatchOptions { start, ..Default::default() }).await
    }

    pub(crate) async fn watch_with(&self, options: WatchOptions) -> Watch {
        self.pods.watch(options).await.unwrap()
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) names: Vec<String>,
    pub(crate) revision: i64,
    pub(crate) token: Option<String>,
    pub(crate) remaining: Option<i64>,
}

pub(crate) fn pod(namespace: &str, name: &str, node: &str, labels: Value) -> Value {
    let uid = format!("uid-{name}");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "uid": uid, "labels": labels },
        "spec": { "nodeName": node },
    })
}

pub(crate) fn fields(value: &Value) -> Fields {
    let node = value["spec"]["nodeName"].as_str().unwrap_or_default();
    Fields::from_iter([("spec.nodeName", node.to_owned())])
}

pub(crate) fn by_label(selector: &str) -> Predicate {
    Predicate::labels(LabelSelector::parse(selector).unwrap())
}

pub(crate) fn by_field(selector: &str) -> Predicate {
    Predicate::fields(FieldSelector::parse(selector).unwrap())
}

pub(crate) fn page(limit: usize, token: Option<String>) -> ListOptions {
    ListOptions { limit, continue_token: token, ..Default::default() }
}

/// The next item; a watch that stays silent fails the test.
pub(crate) async fn next(watch: &mut Watch) -> Arc<WatchItem> {
    tokio::time::timeout(Duration::from_secs(300), watch.next()).await.expect("an item in time").expect("not the end")
}

/// The next item as text: `ADDED a@7`.
pub(crate) async fn next_text(watch: &mut Watch) -> String {
    let item = next(watch).await;
    text(&item)
}

pub(crate) fn text(item: &WatchItem) -> String {
    let kind = item.kind().as_str();
    match (item.object(), item.status()) {
        (Some(object), _) => {
            assert_eq!(object.resource_version(), item.revision(), "an object has its event's revision");
            format!("{kind} {}@{}", object.name(), item.revision())
        }
        (None, Some(status)) => format!("{kind} {} {}", status.code, status.message),
        (None, None) => format!("{kind} @{}", item.revision()),
    }
}

/// Nothing is ready, however often the watch is asked.
pub(crate) async fn assert_silent(watch: &mut Watch) {
    for _ in 0..20 {
        tokio::task::yield_now().await;
        let mut items = Vec::new();
        let polled = futures::poll!(std::future::poll_fn(|context| watch.poll_batch(context, &mut items)));
        assert!(polled.is_pending(), "unexpected: {items:?}");
    }
}

pub(crate) async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{what}: not in time");
}

pub(crate) fn is_event(item: &WatchItem) -> bool {
    !matches!(item.kind(), EventKind::Bookmark | EventKind::Error)
}

pub(crate) fn written(updated: &Updated) -> bool {
    updated.outcome == Outcome::Written
}
