//! One scheduling cycle: from a pod and a snapshot to a node, or to the reasons why there is none. Pure.

use crate::framework::{CycleState, Profile, Refusal, Rejection, Unschedulable};
use crate::metrics::Point;
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use crate::snapshot::Snapshot;
use std::sync::Arc;

/// Below this many nodes all are looked at (upstream: `minFeasibleNodesToFind`).
const FEASIBLE_NODES_MIN: usize = 100;
/// At least this share of the nodes is looked at, percent (upstream: `minFeasibleNodesPercentageToFind`).
const FEASIBLE_NODES_PERCENT_MIN: usize = 5;

/// Picks nodes; remembers where it stopped looking, so that all nodes get their turn.
#[derive(Clone, Debug, Default)]
pub struct Algorithm {
    next_start: usize,
    ties: u64,
}

impl Algorithm {
    /// Decides about one pod.
    ///
    /// # Errors
    /// No node suits; the value says why.
    pub fn schedule(&mut self, profile: &Profile, snapshot: &Snapshot, pod: &PodInfo) -> Result<String, Unschedulable> {
        if snapshot.nodes().is_empty() {
            return Err(Unschedulable::default());
        }
        let mut state = CycleState::default();
        let feasible = match profile.pre_filter(&mut state, pod, snapshot) {
            Ok(()) => self.filter(profile, &state, snapshot, pod),
            Err(refusal) => Err(refused_as_whole(refusal, snapshot.nodes().len())),
        };
        let feasible = feasible.map_err(|refused| {
            let afterwards = profile.post_filter(&state, pod, snapshot, &refused);
            Unschedulable { afterwards, ..refused }
        })?;
        if let [only] = feasible.as_slice() {
            return Ok(only.name().to_owned());
        }
        let scores = score(profile, &mut state, pod, &feasible);
        Ok(self.pick(&feasible, &scores).name().to_owned())
    }

    fn filter(
        &mut self,
        profile: &Profile,
        state: &CycleState,
        snapshot: &Snapshot,
        pod: &PodInfo,
    ) -> Result<Vec<Arc<NodeInfo>>, Unschedulable> {
        let nodes = snapshot.nodes();
        let wanted = feasible_nodes_max(nodes.len());
        let mut feasible = Vec::with_capacity(wanted.min(nodes.len()));
        let mut refused = Unschedulable { nodes: nodes.len(), ..Unschedulable::default() };
        let mut looked_at = 0;
        let start = self.next_start % nodes.len().max(1);
        let point = Point::start("Filter");
        for node in nodes[start..].iter().chain(&nodes[..start]) {
            looked_at += 1;
            match allowed(state, node).and_then(|()| profile.filter(state, pod, node)) {
                Ok(()) => feasible.push(Arc::clone(node)),
                Err((plugin, rejection)) => {
                    refused.plugins.insert(plugin);
                    refused.nodes_unresolvable += usize::from(rejection.is_final);
                    refused.could_preempt |= !rejection.is_final && has_lower_priority(node, pod);
                    for reason in rejection.reasons {
                        *refused.reasons.entry(reason).or_default() += 1;
                    }
                }
            }
            if feasible.len() == wanted {
                break;
            }
        }
        self.next_start = start + looked_at;
        if feasible.is_empty() {
            point.end("Unschedulable");
            return Err(refused);
        }
        point.end("Success");
        Ok(feasible)
    }

    /// The best; among equals another one each time.
    fn pick<'a>(&mut self, nodes: &'a [Arc<NodeInfo>], scores: &[i64]) -> &'a Arc<NodeInfo> {
        let best = scores.iter().max();
        let ties: Vec<&Arc<NodeInfo>> =
            nodes.iter().zip(scores).filter(|(_, score)| Some(*score) == best).map(|(node, _)| node).collect();
        // A multiplicative step through the ties: spreads like chance, and a replay gives the same.
        self.ties = self.ties.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let place = usize::try_from(self.ties >> 33).unwrap_or(0) % ties.len().max(1);
        ties.get(place).copied().unwrap_or(&nodes[0])
    }
}

fn score(profile: &Profile, state: &mut CycleState, pod: &PodInfo, nodes: &[Arc<NodeInfo>]) -> Vec<i64> {
    let mut totals = vec![0; nodes.len()];
    let mut own = vec![0; nodes.len()];
    let point = Point::start("PreScore");
    let scoring = profile.weighted().iter().filter(|weighted| weighted.weight > 0);
    let scoring: Vec<_> = scoring.filter(|weighted| weighted.plugin.pre_score(state, pod)).collect();
    point.end("Success");
    let point = Point::start("Score");
    for weighted in scoring {
        for (score, node) in own.iter_mut().zip(nodes) {
            *score = weighted.plugin.score(state, pod, node);
        }
        weighted.plugin.normalize(&mut own);
        for (total, score) in totals.iter_mut().zip(&own) {
            *total += score * weighted.weight;
        }
    }
    point.end("Success");
    totals
}

/// Whether the node is among those that the pod is for.
fn allowed(state: &CycleState, node: &NodeInfo) -> Result<(), Refusal> {
    match &state.only_nodes {
        Some((plugin, nodes)) if !nodes.contains(node.name()) => {
            Err((plugin, Rejection::unresolvable(format!("node(s) didn't satisfy plugin(s) [{plugin}]"))))
        }
        _ => Ok(()),
    }
}

/// How many feasible nodes are enough (upstream: `numFeasibleNodesToFind` with the adaptive percentage).
fn feasible_nodes_max(nodes: usize) -> usize {
    if nodes < FEASIBLE_NODES_MIN {
        return nodes.max(1);
    }
    let percent = 50usize.saturating_sub(nodes / 125).max(FEASIBLE_NODES_PERCENT_MIN);
    (nodes * percent / 100).max(FEASIBLE_NODES_MIN)
}

fn has_lower_priority(node: &NodeInfo, pod: &PodInfo) -> bool {
    node.pods.values().any(|running| running.priority() < pod.priority())
}

fn refused_as_whole((plugin, rejection): Refusal, nodes: usize) -> Unschedulable {
    Unschedulable {
        nodes,
        nodes_unresolvable: if rejection.is_final { nodes } else { 0 },
        refused_as_whole: rejection.reasons.join(", "),
        plugins: [plugin].into(),
        ..Unschedulable::default()
    }
}
