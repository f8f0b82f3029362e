//! Which pods go first when there are too many (upstream: `ActivePodsWithRanks`).

use crate::objects::{created, node_name, phase, ready_condition};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use std::cmp::{Ordering, Reverse};
use std::collections::HashMap;
use std::sync::Arc;

/// Annotation that makes a pod cheaper or dearer to delete.
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Sorts so that the pods to delete come first. `related` are the pods of all ReplicaSets with the same owner: a node
/// that runs several of them gives one up first.
pub fn sort_for_deletion(pods: &mut [Arc<Pod>], related: &[Arc<Pod>], now: Timestamp) {
    let mut per_node: HashMap<&str, usize> = HashMap::new();
    for pod in related.iter().filter(|pod| crate::objects::is_active(pod)) {
        *per_node.entry(node_name(pod)).or_default() += 1;
    }
    let crowd = |pod: &Pod| per_node.get(node_name(pod)).copied().unwrap_or(0);
    pods.sort_by(|left, right| {
        assigned(left)
            .cmp(&assigned(right))
            .then_with(|| phase_rank(left).cmp(&phase_rank(right)))
            .then_with(|| ready_condition(left).is_some().cmp(&ready_condition(right).is_some()))
            .then_with(|| deletion_cost(left).cmp(&deletion_cost(right)))
            .then_with(|| Reverse(crowd(left)).cmp(&Reverse(crowd(right))))
            .then_with(|| by_age(ready_since(left), ready_since(right), now))
            .then_with(|| Reverse(restarts(left)).cmp(&Reverse(restarts(right))))
            .then_with(|| by_age(Some(created(&left.metadata)), Some(created(&right.metadata)), now))
    });
}

fn assigned(pod: &Pod) -> bool {
    !node_name(pod).is_empty()
}

fn phase_rank(pod: &Pod) -> u8 {
    match phase(pod) {
        "Pending" => 0,
        "Unknown" => 1,
        "Running" => 2,
        _ => 0,
    }
}

fn deletion_cost(pod: &Pod) -> i32 {
    crate::objects::annotation(&pod.metadata, DELETION_COST).and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

fn ready_since(pod: &Pod) -> Option<Timestamp> {
    ready_condition(pod)?.last_transition_time.as_ref().map(|time| time.0)
}

/// Younger first; ages are compared by order of magnitude, so that a few seconds do not decide.
fn by_age(left: Option<Timestamp>, right: Option<Timestamp>, now: Timestamp) -> Ordering {
    let magnitude = |time: Option<Timestamp>| {
        time.map_or(0, |time| (now.as_second() - time.as_second()).max(0).checked_ilog2().map_or(0, |log| log + 1))
    };
    magnitude(left).cmp(&magnitude(right))
}

fn restarts(pod: &Pod) -> i32 {
    let containers = pod.status.as_ref().and_then(|status| status.container_statuses.as_deref()).unwrap_or_default();
    containers.iter().map(|container| container.restart_count).max().unwrap_or(0)
}
