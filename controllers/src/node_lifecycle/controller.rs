//! Watches nodes and their leases, writes conditions and taints, evicts.

use super::plan::{self, Eviction};
use crate::Context;
use crate::objects::{ignore_moved_on, is_terminating, name, node_name, uid};
use controllers_runtime::events::Level;
use controllers_runtime::worker::{self, Next};
use controllers_runtime::{Delta, Key, Queue, Recorder};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

const NAME: &str = "node-controller";
/// Under this name pods are told that they are evicted; it has no account of its own.
const EVICTION_NAME: &str = "taint-eviction-controller";
/// Nodes looked at at a time.
const WORKERS: usize = 4;
/// Between two looks at a node that says nothing new (upstream: `--node-monitor-period`).
const MONITOR_PERIOD: Duration = Duration::from_secs(5);

/// A node that has said nothing of itself yet is given this long (upstream: `--node-startup-grace-period`).
const STARTUP_GRACE_PERIOD: Duration = Duration::from_secs(60);

/// Starts the controller.
pub fn start(context: &Context) {
    let controller = Arc::new(Controller {
        client: (context.client_for)(NAME),
        recorder: context.recorder.named(NAME),
        evictions: context.recorder.named(EVICTION_NAME),
        context: context.clone(),
        heard: Mutex::default(),
        lost: Mutex::default(),
        evicted: Mutex::default(),
        waiting: Mutex::default(),
    });
    let queue: Queue<Key> = Queue::new("node-lifecycle");
    let (keys, own) = (queue.clone(), Arc::clone(&controller));
    context.informers.nodes.on_change(move |delta| {
        let key = Key::of(delta.object().as_ref());
        if matches!(delta, Delta::Deleted(_)) {
            own.heard.lock().remove(&key.name);
            own.lost.lock().remove(&key.name);
            own.evicted.lock().remove(&key.name);
            own.waiting.lock().remove(&key.name);
        }
        if let Delta::Applied { old: Some(old), new } = delta
            && plan::has_reported_since(old, new)
        {
            own.heard.lock().insert(key.name.clone(), Instant::now());
        }
        own.tell_membership(delta);
        keys.add(key);
    });
    let own = Arc::clone(&controller);
    context.informers.node_leases.on_change(move |delta| {
        if let Delta::Applied { new, .. } = delta {
            own.heard.lock().insert(name(&new.metadata).to_owned(), Instant::now());
        }
    });
    worker::start(&queue, WORKERS, &context.supervisor, move |key| {
        let controller = Arc::clone(&controller);
        async move { controller.reconcile(&key).await }
    });
}

struct Controller {
    client: Client,
    recorder: Recorder,
    evictions: Recorder,
    context: Context,
    /// When each node's lease, or the heartbeat in its status, was last seen to change, by this process's clock.
    heard: Mutex<HashMap<String, Instant>>,
    /// Nodes that fell silent while they were ready, whose pods have not all been told yet.
    lost: Mutex<HashSet<String>>,
    /// Uids of the pods that have been told to go, by node, until they are gone.
    evicted: Mutex<HashMap<String, HashSet<String>>>,
    /// Uids of the pods that have to go later, by node.
    waiting: Mutex<HashMap<String, HashSet<String>>>,
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<Next, kube::Error> {
        let Some(node) = self.context.informers.nodes.index().get(key) else { return Ok(Next::Wait) };
        let now = Timestamp::now();
        let nodes: Api<Node> = Api::all(self.client.clone());
        // A node that was never heard of since this process leads gets the full grace period.
        let heard = *self.heard.lock().entry(key.name.clone()).or_insert_with(Instant::now);
        let grace = match plan::has_reported(&node) {
            true => self.context.options.node_monitor_grace_period,
            false => STARTUP_GRACE_PERIOD,
        };
        let is_silent = heard.elapsed() > grace;
        if is_silent && let Some(conditions) = plan::unknown_conditions(&node, now) {
            let was_ready = plan::is_ready(&node);
            let patch = Patch::Strategic(json!({ "status": { "conditions": conditions } }));
            let node = nodes.patch_status(&key.name, &PatchParams::default(), &patch).await?;
            if was_ready {
                // A node that says itself that it is not ready tells of it itself, and of its pods.
                let message = format!("Node {} status is now: NodeNotReady", key.name);
                self.recorder.event(&node, Level::Normal, "NodeNotReady", message);
                self.lost.lock().insert(key.name.clone());
                self.mark_pods_unready(&key.name).await?;
            }
            return Ok(Next::After(MONITOR_PERIOD));
        }
        if plan::is_ready(&node) {
            self.lost.lock().remove(&key.name);
        } else if self.lost.lock().contains(&key.name) {
            self.mark_pods_unready(&key.name).await?;
        }
        if let Some(taints) = plan::taints(&node, now) {
            let patch = json!({ "metadata": { "resourceVersion": node.metadata.resource_version }, "spec": { "taints": taints } });
            nodes.patch(&key.name, &PatchParams::default(), &Patch::Merge(patch)).await?;
            return Ok(Next::After(MONITOR_PERIOD));
        }
        let due = self.evict(&node, now).await?;
        Ok(Next::After(due.map_or(MONITOR_PERIOD, |due| due.min(MONITOR_PERIOD))))
    }

    fn tell_membership(&self, delta: &Delta<Node>) {
        let node = delta.object();
        let name = name(&node.metadata);
        let (reason, what) = match delta {
            Delta::Applied { old: None, .. } => ("RegisteredNode", format!("Registered Node {name} in Controller")),
            Delta::Applied { .. } => return,
            Delta::Deleted(_) => ("RemovingNode", format!("Removing Node {name} from Controller")),
        };
        self.recorder.event(node.as_ref(), Level::Normal, reason, format!("Node {name} event: {what}"));
    }

    /// Evicts whose time has come; says when the next one's comes.
    async fn evict(&self, node: &Node, now: Timestamp) -> Result<Option<Duration>, kube::Error> {
        let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
        let own = name(&node.metadata);
        let is_known = |pods: &Mutex<HashMap<String, HashSet<String>>>| pods.lock().contains_key(own);
        // Most nodes drive nobody out, and looking for their pods means looking at all pods.
        if !taints.iter().any(|taint| taint.effect == "NoExecute")
            && !is_known(&self.evicted)
            && !is_known(&self.waiting)
        {
            return Ok(None);
        }
        let pods = self.pods_on(own);
        let uids: HashSet<&str> = pods.iter().map(|pod| uid(&pod.metadata)).collect();
        for known in [&self.evicted, &self.waiting] {
            let mut known = known.lock();
            if let Some(pods) = known.get_mut(own) {
                pods.retain(|uid| uids.contains(uid.as_str()));
                if pods.is_empty() {
                    known.remove(own);
                }
            }
        }
        let mut next = None;
        for pod in pods {
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            match plan::eviction(&pod, taints, now) {
                Eviction::Never => {
                    if self.stop_waiting(node, &pod) && !is_terminating(&pod.metadata) {
                        let message = format!("Cancelling deletion of Pod {namespace}/{}", name(&pod.metadata));
                        self.evictions.event(pod.as_ref(), Level::Normal, "TaintManagerEviction", message);
                    }
                    continue;
                }
                Eviction::In(0) => {}
                Eviction::In(seconds) => {
                    let own = uid(&pod.metadata).to_owned();
                    self.waiting.lock().entry(name(&node.metadata).to_owned()).or_default().insert(own);
                    let due = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
                    next = Some(next.map_or(due, |next: Duration| next.min(due)));
                    continue;
                }
            }
            self.stop_waiting(node, &pod);
            let told = uid(&pod.metadata).to_owned();
            if !self.evicted.lock().entry(name(&node.metadata).to_owned()).or_default().insert(told) {
                continue;
            }
            let message = format!("Marking for deletion Pod {namespace}/{}", name(&pod.metadata));
            self.evictions.event(pod.as_ref(), Level::Normal, "TaintManagerEviction", message);
            if let Err(error) = self.mark_and_delete(&pod, now).await {
                // It is told again when it is tried again.
                self.evicted.lock().entry(name(&node.metadata).to_owned()).or_default().remove(uid(&pod.metadata));
                return Err(error);
            }
        }
        Ok(next)
    }

    /// Says whether the pod was to go later.
    fn stop_waiting(&self, node: &Node, pod: &Pod) -> bool {
        let mut waiting = self.waiting.lock();
        waiting.get_mut(name(&node.metadata)).is_some_and(|waiting| waiting.remove(uid(&pod.metadata)))
    }

    async fn mark_and_delete(&self, pod: &Pod, now: Timestamp) -> Result<(), kube::Error> {
        let condition = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager",
            "message": "Taint manager: deleting due to NoExecute taint", "lastTransitionTime": Time(now),
            "observedGeneration": pod.metadata.generation,
        });
        self.patch_pod_condition(pod, condition).await?;
        let preconditions = Preconditions { uid: pod.metadata.uid.clone(), resource_version: None };
        let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        ignore_moved_on(pods.delete(name(&pod.metadata), &parameters).await)
    }

    /// Services must not send traffic to pods of a node that nobody hears.
    async fn mark_pods_unready(&self, node: &str) -> Result<(), kube::Error> {
        for pod in self.pods_on(node) {
            let Some(ready) = crate::objects::ready_condition(&pod) else { continue };
            let mut condition = json!(ready);
            condition["status"] = json!("False");
            condition["lastTransitionTime"] = json!(Time(Timestamp::now()));
            self.patch_pod_condition(&pod, condition).await?;
            self.recorder.event(pod.as_ref(), Level::Warning, "NodeNotReady", "Node is not ready");
        }
        self.lost.lock().remove(node);
        Ok(())
    }

    async fn patch_pod_condition(&self, pod: &Pod, condition: serde_json::Value) -> Result<(), kube::Error> {
        let patch = json!({ "metadata": { "uid": pod.metadata.uid }, "status": { "conditions": [condition] } });
        let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let patch = Patch::Strategic(patch);
        ignore_moved_on(pods.patch_status(name(&pod.metadata), &PatchParams::default(), &patch).await)
    }

    fn pods_on(&self, node: &str) -> Vec<Arc<Pod>> {
        let on_node = |pod: &Arc<Pod>| node_name(pod) == node;
        self.context.informers.pods.index().list().into_iter().filter(on_node).collect()
    }
}
