//! Looks at all pods now and then, and removes what the plan says.

use super::plan::{self, Removal};
use crate::objects::{ignore_moved_on, is_finished, name};
use crate::{Context, Informers};
use controllers_runtime::Key;
use controllers_runtime::Queue;
use controllers_runtime::worker::{self, Next};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, Error};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const NAME: &str = "pod-garbage-collector";
/// The only key there is.
const ALL: Key = Key { namespace: String::new(), name: String::new() };
/// Between two looks (upstream: `gcCheckPeriod`).
const LOOK_INTERVAL: Duration = Duration::from_secs(20);
/// A node has to be missing for this long: pods may be seen before their node is (upstream: `quarantineTime`).
const QUARANTINE: Duration = Duration::from_secs(40);

/// Starts the controller.
pub fn start(context: &Context) {
    let queue: Queue<Key> = Queue::new("pod-garbage-collector");
    queue.add(ALL);
    let collector = Arc::new(Collector {
        client: (context.client_for)(NAME),
        informers: Arc::clone(&context.informers),
        missing: Mutex::default(),
    });
    worker::start(&queue, 1, &context.supervisor, move |_| {
        let collector = Arc::clone(&collector);
        async move {
            collector.look().await?;
            Ok::<_, Error>(Next::After(LOOK_INTERVAL))
        }
    });
}

struct Collector {
    client: Client,
    informers: Arc<Informers>,
    /// Since when each node that pods name has not been there.
    missing: Mutex<HashMap<String, Instant>>,
}

impl Collector {
    async fn look(&self) -> Result<(), Error> {
        let pods = self.informers.pods.index().list();
        let nodes = self.informers.nodes.index().list();
        let nodes: HashMap<_, _> = nodes.into_iter().map(|node| (name(&node.metadata).to_owned(), node)).collect();
        let gone = self.gone(plan::missing_nodes(&pods, &nodes)).await?;
        for removal in plan::removals(&pods, &nodes, &gone) {
            // One that fails is looked at again soon; the others do not wait for it.
            if let Err(error) = self.remove(&removal).await {
                let meta = &removal.pod.metadata;
                tracing::warn!(namespace = meta.namespace, pod = meta.name, %error, "a pod could not be removed");
            }
        }
        Ok(())
    }

    /// Those of the missing nodes that have been missing for long enough, and that the server does not know either.
    async fn gone(&self, missing: HashSet<String>) -> Result<HashSet<String>, Error> {
        let now = Instant::now();
        let due: Vec<String> = {
            let mut since = self.missing.lock();
            since.retain(|node, _| missing.contains(node));
            let due = |node: &String| now - *since.entry(node.clone()).or_insert(now) >= QUARANTINE;
            missing.into_iter().filter(due).collect()
        };
        let nodes: Api<Node> = Api::all(self.client.clone());
        let mut gone = HashSet::new();
        for node in due {
            if nodes.get_metadata_opt(&node).await?.is_none() {
                gone.insert(node);
            }
        }
        Ok(gone)
    }

    async fn remove(&self, removal: &Removal) -> Result<(), Error> {
        let pod = &removal.pod;
        let pods: Api<Pod> =
            Api::namespaced(self.client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default());
        tracing::info!(
            namespace = pod.metadata.namespace,
            pod = pod.metadata.name,
            "removing a pod that nobody else can"
        );
        if !is_finished(pod) {
            let mut status = json!({ "phase": "Failed" });
            if let Some(message) = removal.disruption {
                status["conditions"] = json!([{
                    "type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC", "message": message,
                    "lastTransitionTime": Time(Timestamp::now()), "observedGeneration": pod.metadata.generation,
                }]);
            }
            let patch = Patch::Strategic(json!({ "metadata": { "uid": pod.metadata.uid }, "status": status }));
            ignore_moved_on(pods.patch_status(name(&pod.metadata), &PatchParams::default(), &patch).await)?;
        }
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        ignore_moved_on(pods.delete(name(&pod.metadata), &parameters).await)
    }
}
