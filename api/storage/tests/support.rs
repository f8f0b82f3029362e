//! What the tests of this folder share: pods in a memory store, behind a cache or without.
#![allow(dead_code, reason = "each test binary uses a part")]

pub mod flaky;

use api_machinery::selector::{FieldSelector, LabelSelector};
use api_storage::{
    Change, ContinueKey, EventKind, Fields, ListOptions, NewObject, Outcome, Predicate, Preconditions, Resource,
    ResourceStore, Storage, StorageError, Stored, Updated, UpdateError, Watch, WatchItem, WatchOptions, WatchStart,
};
use flaky::Flaky;
use futures::StreamExt;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use store_client::Store;
use store_types::etcdserverpb::CompactionRequest;

pub const NAMESPACE: &str = "default";

/// Storage over a store in memory.
pub struct Fixture {
    pub name: &'static str,
    pub flaky: Arc<Flaky>,
    pub storage: Storage,
    pub pods: ResourceStore,
}

impl Fixture {
    pub fn cached() -> Self {
        Self::over(Arc::default(), "cached")
    }

    pub fn direct() -> Self {
        Self::over(Arc::default(), "direct")
    }

    /// The same exam for the cache and for the store itself.
    pub fn both() -> [Self; 2] {
        [Self::cached(), Self::direct()]
    }

    pub fn over(flaky: Arc<Flaky>, name: &'static str) -> Self {
        let store: Arc<dyn Store> = Arc::clone(&flaky) as _;
        let storage = Storage::new(store, ContinueKey::new(b"test"));
        let pods = Resource::new("", "v1", "pods", "Pod", true).indexed(&["spec.nodeName"]);
        let pods = if name == "direct" { pods.uncached() } else { pods };
        Self { name, flaky, pods: storage.resource(pods), storage }
    }

    /// A second API server over the same store.
    pub fn restarted(&self) -> Self {
        Self::over(Arc::clone(&self.flaky), self.name)
    }

    pub async fn create(&self, name: &str) -> Arc<Stored> {
        self.create_in(NAMESPACE, name, "", json!({})).await
    }

    pub async fn create_in(&self, namespace: &str, name: &str, node: &str, labels: Value) -> Arc<Stored> {
        let value = pod(namespace, name, node, labels);
        let object = NewObject { value: &value, fields: fields(&value) };
        self.pods.create(Some(namespace), name, object, None).await.unwrap()
    }

    pub async fn update(&self, name: &str, change: impl Fn(&mut Value) + Send + Sync) -> Arc<Stored> {
        self.try_update(name, &Preconditions::default(), change).await.unwrap().object
    }

    pub async fn try_update(
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

    pub async fn delete(&self, name: &str) -> Arc<Stored> {
        self.pods.delete(Some(NAMESPACE), name, &Preconditions::default()).await.unwrap()
    }

    pub async fn compact(&self, revision: i64) {
        self.flaky.compact(CompactionRequest { revision, physical: true }).await.unwrap();
    }

    pub async fn list(&self, options: ListOptions) -> Result<Listed, StorageError> {
        let page = self.pods.list(options).await?;
        Ok(Listed {
            names: page.items.iter().map(|object| object.name().to_owned()).collect(),
            revision: page.resource_version,
            token: page.continue_token,
            remaining: page.remaining_item_count,
        })
    }

    pub async fn watch(&self, start: WatchStart) -> Watch {
        self.watch_with(WatchOptions { start, ..Default::default() }).await
    }

    pub async fn watch_with(&self, options: WatchOptions) -> Watch {
        self.pods.watch(options).await.unwrap()
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Listed {
    pub names: Vec<String>,
    pub revision: i64,
    pub token: Option<String>,
    pub remaining: Option<i64>,
}

pub fn pod(namespace: &str, name: &str, node: &str, labels: Value) -> Value {
    let uid = format!("uid-{name}");
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": name, "namespace": namespace, "uid": uid, "labels": labels },
        "spec": { "nodeName": node },
    })
}

pub fn fields(value: &Value) -> Fields {
    let node = value["spec"]["nodeName"].as_str().unwrap_or_default();
    Fields::from_iter([("spec.nodeName", node.to_owned())])
}

pub fn by_label(selector: &str) -> Predicate {
    Predicate::labels(LabelSelector::parse(selector).unwrap())
}

pub fn by_field(selector: &str) -> Predicate {
    Predicate::fields(FieldSelector::parse(selector).unwrap())
}

pub fn page(limit: usize, token: Option<String>) -> ListOptions {
    ListOptions { limit, continue_token: token, ..Default::default() }
}

/// The next item; a watch that stays silent fails the test.
pub async fn next(watch: &mut Watch) -> Arc<WatchItem> {
    tokio::time::timeout(Duration::from_secs(300), watch.next()).await.expect("an item in time").expect("not the end")
}

/// The next item as text: `ADDED a@7`.
pub async fn next_text(watch: &mut Watch) -> String {
    let item = next(watch).await;
    text(&item)
}

pub fn text(item: &WatchItem) -> String {
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
pub async fn assert_silent(watch: &mut Watch) {
    for _ in 0..20 {
        tokio::task::yield_now().await;
        let mut items = Vec::new();
        let polled = futures::poll!(std::future::poll_fn(|context| watch.poll_batch(context, &mut items)));
        assert!(polled.is_pending(), "unexpected: {items:?}");
    }
}

pub async fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..100_000 {
        if condition() {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("{what}: not in time");
}

pub fn is_event(item: &WatchItem) -> bool {
    !matches!(item.kind(), EventKind::Bookmark | EventKind::Error)
}

pub fn written(updated: &Updated) -> bool {
    updated.outcome == Outcome::Written
}
