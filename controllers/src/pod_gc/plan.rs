//! Which pods have to go. Pure.

use crate::objects::{created, is_finished, is_terminating, name, node_name, uid};
use k8s_openapi::api::core::v1::{Node, Pod};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Finished pods that are kept (upstream: `--terminated-pod-gc-threshold`).
pub const FINISHED_PODS_MAX: usize = 12_500;
/// Taint of a node that somebody says will not come back.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A pod to remove.
#[derive(Clone, Debug)]
pub struct Removal {
    /// The pod.
    pub pod: Arc<Pod>,
    /// What its condition `DisruptionTarget` says, if it gets one.
    pub disruption: Option<&'static str>,
}

/// The nodes that pods name and that are not there.
pub fn missing_nodes(pods: &[Arc<Pod>], nodes: &HashMap<String, Arc<Node>>) -> HashSet<String> {
    let named = pods.iter().map(|pod| node_name(pod)).filter(|name| !name.is_empty());
    named.filter(|name| !nodes.contains_key(*name)).map(str::to_owned).collect()
}

/// The pods to remove, in order. `gone` are the nodes that have been missing for long enough.
pub fn removals(pods: &[Arc<Pod>], nodes: &HashMap<String, Arc<Node>>, gone: &HashSet<String>) -> Vec<Removal> {
    let mut removals: Vec<Removal> = Vec::new();
    let mut finished: Vec<&Arc<Pod>> = pods.iter().filter(|pod| is_finished(pod)).collect();
    let surplus = finished.len().saturating_sub(FINISHED_PODS_MAX);
    finished.sort_by_key(|pod| (!is_evicted(pod), created(&pod.metadata), name(&pod.metadata).to_owned()));
    let plain = |pod: &Arc<Pod>| Removal { pod: Arc::clone(pod), disruption: None };
    removals.extend(finished.into_iter().take(surplus).map(plain));
    let leaves_lost_node = |pod: &&Arc<Pod>| {
        is_terminating(&pod.metadata) && nodes.get(node_name(pod)).is_some_and(|node| is_out_of_service(node))
    };
    removals.extend(pods.iter().filter(leaves_lost_node).map(plain));
    let orphans = pods.iter().filter(|pod| gone.contains(node_name(pod)));
    removals
        .extend(orphans.map(|pod| Removal { pod: Arc::clone(pod), disruption: Some("PodGC: node no longer exists") }));
    removals.extend(pods.iter().filter(|pod| is_terminating(&pod.metadata) && node_name(pod).is_empty()).map(plain));
    let mut seen = HashSet::new();
    removals.retain(|removal| seen.insert(uid(&removal.pod.metadata).to_owned()));
    removals
}

fn is_evicted(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.reason.as_deref()) == Some("Evicted")
}

fn is_out_of_service(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_deref()).unwrap_or_default();
    taints.iter().any(|taint| taint.key == OUT_OF_SERVICE) && !crate::node_lifecycle::plan::is_ready(node)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(name: &str, node: &str, phase: &str, terminating: bool) -> Arc<Pod> {
        let mut metadata = json!({"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"});
        if terminating {
            metadata["deletionTimestamp"] = json!("2026-01-01T00:00:10Z");
        }
        let spec = json!({"nodeName": node, "containers": []});
        Arc::new(
            serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": {"phase": phase}})).unwrap(),
        )
    }

    fn node(name: &str, taints: Value, ready: &str) -> (String, Arc<Node>) {
        let status = json!({"conditions": [{"type": "Ready", "status": ready}]});
        let node = json!({"metadata": {"name": name}, "spec": {"taints": taints}, "status": status});
        (name.to_owned(), Arc::new(serde_json::from_value(node).unwrap()))
    }

    fn names(removals: &[Removal]) -> Vec<(&str, bool)> {
        removals.iter().map(|removal| (name(&removal.pod.metadata), removal.disruption.is_some())).collect()
    }

    // proves: CT-20
    #[test]
    fn pods_that_nobody_else_can_end_are_removed() {
        let lost = json!([{"key": OUT_OF_SERVICE, "effect": "NoExecute"}]);
        let nodes = [node("here", json!([]), "True"), node("lost", lost.clone(), "False"), node("back", lost, "True")];
        let nodes: HashMap<String, Arc<Node>> = nodes.into();
        let pods = [
            pod("runs", "here", "Running", false),
            pod("leaves", "here", "Running", true),
            pod("orphan", "gone", "Running", false),
            pod("late", "new", "Running", false),
            pod("waits", "", "Pending", false),
            pod("unborn", "", "Pending", true),
            pod("stuck", "lost", "Running", true),
            pod("stays", "lost", "Running", false),
            pod("answers", "back", "Running", true),
        ];
        let missing = missing_nodes(&pods, &nodes);
        assert_eq!(missing, ["gone".to_owned(), "new".to_owned()].into());
        let removals = removals(&pods, &nodes, &["gone".to_owned()].into());
        assert_eq!(names(&removals), [("stuck", false), ("orphan", true), ("unborn", false)]);
    }

    #[test]
    fn of_too_many_finished_pods_the_evicted_and_the_oldest_go() {
        let mut pods: Vec<Arc<Pod>> =
            (0..=FINISHED_PODS_MAX).map(|number| pod(&format!("p{number}"), "n", "Succeeded", false)).collect();
        let mut evicted = Pod::clone(&pod("evicted", "n", "Failed", false));
        evicted.status.as_mut().unwrap().reason = Some("Evicted".to_owned());
        evicted.metadata.creation_timestamp = serde_json::from_value(json!("2026-02-01T00:00:00Z")).unwrap();
        pods.push(Arc::new(evicted));
        let nodes: HashMap<String, Arc<Node>> = [node("n", json!([]), "True")].into();
        let removed = removals(&pods, &nodes, &HashSet::new());
        assert_eq!(names(&removed), [("evicted", false), ("p0", false)]);
        assert!(removals(&pods[..FINISHED_PODS_MAX], &nodes, &HashSet::new()).is_empty());
    }
}
