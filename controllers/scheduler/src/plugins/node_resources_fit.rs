//! NodeResourcesFit: what a pod asks for must be left on the node; the strategy says which fit is best.

use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection, SCORE_MAX};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;

/// How nodes that fit compare.
#[derive(Clone, Debug, Default)]
pub enum Strategy {
    /// The emptier, the better.
    #[default]
    LeastAllocated,
    /// The fuller, the better.
    MostAllocated,
    /// Points of a curve: utilisation in percent, score 0 to 10, in order of utilisation.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// The plugin; CPU and memory weigh the same.
#[derive(Clone, Debug, Default)]
pub struct NodeResourcesFit {
    /// How nodes that fit compare.
    pub strategy: Strategy,
}

impl Plugin for NodeResourcesFit {
    fn name(&self) -> &'static str {
        "NodeResourcesFit"
    }

    fn filter(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let short = insufficient(pod, node);
        if short.is_empty() {
            return Ok(());
        }
        Err(Rejection { reasons: short, is_final: cannot_ever_fit(pod, node) })
    }

    fn pre_score(&self, _: &mut CycleState, _: &PodInfo) -> bool {
        true
    }

    fn score(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> i64 {
        let pairs = [
            (node.scored.milli_cpu + pod.scored.milli_cpu, node.allocatable.milli_cpu),
            (node.scored.memory_bytes + pod.scored.memory_bytes, node.allocatable.memory_bytes),
        ];
        let scores: Vec<i64> = pairs
            .iter()
            .filter(|(_, capacity)| *capacity > 0)
            .map(|(used, capacity)| self.rate(*used, *capacity))
            .collect();
        let count = i64::try_from(scores.len()).unwrap_or(1).max(1);
        scores.iter().sum::<i64>() / count
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> Hint {
        match event {
            ClusterEvent::PodGone(gone) => {
                let frees = gone.requests.milli_cpu > 0
                    || gone.requests.memory_bytes > 0
                    || gone.requests.ephemeral_storage_bytes > 0
                    || gone.requests.extended.keys().any(|name| pod.requests.extended.contains_key(name));
                // Even a pod that asks for nothing gives back its place among the pods of the node.
                if frees || pod.requests == crate::pod_info::Resources::default() { Hint::Queue } else { Hint::Skip }
            }
            ClusterEvent::Node { old, new } => {
                let (old, new) = (old.clone().map(empty_node), empty_node(Arc::clone(new)));
                let helps = insufficient(pod, &new).is_empty() && old.is_none_or(|old| offers_more(pod, &old, &new));
                if helps { Hint::Queue } else { Hint::Skip }
            }
            ClusterEvent::Updated => Hint::Queue,
        }
    }
}

impl NodeResourcesFit {
    fn rate(&self, used: i64, capacity: i64) -> i64 {
        match &self.strategy {
            Strategy::LeastAllocated if used > capacity => 0,
            Strategy::LeastAllocated => (capacity - used) * SCORE_MAX / capacity,
            Strategy::MostAllocated => used.min(capacity) * SCORE_MAX / capacity,
            Strategy::RequestedToCapacityRatio(points) => {
                on_curve(points, used.min(capacity) * 100 / capacity) * (SCORE_MAX / 10)
            }
        }
    }
}

/// Upstream's texts for what does not fit.
fn insufficient(pod: &PodInfo, node: &NodeInfo) -> Vec<String> {
    let mut short = Vec::new();
    if i64::try_from(node.pods.len()).unwrap_or(i64::MAX) + 1 > node.pods_max {
        short.push("Too many pods".to_owned());
    }
    let (wanted, taken, offered) = (&pod.requests, &node.requested, &node.allocatable);
    let mut check = |name: &str, wanted: i64, taken: i64, offered: i64| {
        if wanted > 0 && wanted > offered - taken {
            short.push(format!("Insufficient {name}"));
        }
    };
    check("cpu", wanted.milli_cpu, taken.milli_cpu, offered.milli_cpu);
    check("memory", wanted.memory_bytes, taken.memory_bytes, offered.memory_bytes);
    let storage = (wanted.ephemeral_storage_bytes, taken.ephemeral_storage_bytes, offered.ephemeral_storage_bytes);
    check("ephemeral-storage", storage.0, storage.1, storage.2);
    for (name, amount) in &wanted.extended {
        let amount_in = |list: &std::collections::BTreeMap<String, i64>| list.get(name).copied().unwrap_or(0);
        check(name, *amount, amount_in(&taken.extended), amount_in(&offered.extended));
    }
    short
}

fn empty_node(node: Arc<Node>) -> NodeInfo {
    let mut empty = NodeInfo::default();
    empty.set_node(node);
    empty
}

/// Whether there is more of anything that the pod asks for.
fn offers_more(pod: &PodInfo, old: &NodeInfo, new: &NodeInfo) -> bool {
    let (wanted, before, now) = (&pod.requests, &old.allocatable, &new.allocatable);
    let extended = |name: &String| now.extended.get(name).unwrap_or(&0) > before.extended.get(name).unwrap_or(&0);
    new.pods_max > old.pods_max
        || wanted.milli_cpu > 0 && now.milli_cpu > before.milli_cpu
        || wanted.memory_bytes > 0 && now.memory_bytes > before.memory_bytes
        || wanted.ephemeral_storage_bytes > 0 && now.ephemeral_storage_bytes > before.ephemeral_storage_bytes
        || wanted.extended.keys().any(extended)
}

/// Whether even the empty node is too small.
fn cannot_ever_fit(pod: &PodInfo, node: &NodeInfo) -> bool {
    let empty = NodeInfo { allocatable: node.allocatable.clone(), pods_max: node.pods_max, ..NodeInfo::default() };
    !insufficient(pod, &empty).is_empty()
}

fn on_curve(points: &[(i64, i64)], utilisation: i64) -> i64 {
    let Some(next) = points.iter().position(|(at, _)| utilisation <= *at) else {
        return points.last().map_or(0, |(_, score)| *score);
    };
    if next == 0 {
        return points[0].1;
    }
    let ((x0, y0), (x1, y1)) = (points[next - 1], points[next]);
    y0 + (y1 - y0) * (utilisation - x0) / (x1 - x0).max(1)
}
