//! NodeAffinity: node selector, required terms, preferred terms.

use super::normalize;
use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use crate::snapshot::Snapshot;
use k8s_openapi::api::core::v1::{Node, NodeSelector, NodeSelectorRequirement, NodeSelectorTerm};
use std::collections::BTreeSet;

/// The only field that terms can ask for.
const NAME: &str = "metadata.name";

/// The plugin.
pub struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    /// Where every term names nodes, no other nodes are looked at.
    fn pre_filter(&self, state: &mut CycleState, pod: &PodInfo, _: &Snapshot) -> Result<(), Rejection> {
        let Some(required) = required(pod) else { return Ok(()) };
        let named: Option<Vec<BTreeSet<&str>>> = required.node_selector_terms.iter().map(named_nodes).collect();
        let Some(named) = named.filter(|named| !named.is_empty()) else { return Ok(()) };
        let nodes: BTreeSet<String> = named.into_iter().flatten().map(str::to_owned).collect();
        if nodes.is_empty() {
            return Err(Rejection::unresolvable("pod affinity terms conflict"));
        }
        state.only_nodes = Some((self.name(), nodes));
        Ok(())
    }

    fn filter(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        if node.node.as_ref().is_some_and(|node| suits(pod, node)) {
            return Ok(());
        }
        Err(Rejection::unresolvable("node(s) didn't match Pod's node affinity/selector"))
    }

    fn pre_score(&self, state: &mut CycleState, pod: &PodInfo) -> bool {
        let preferred =
            affinity(pod).and_then(|affinity| affinity.preferred_during_scheduling_ignored_during_execution.clone());
        state.preferred_terms = preferred.unwrap_or_default();
        !state.preferred_terms.is_empty()
    }

    fn score(&self, state: &CycleState, _: &PodInfo, node: &NodeInfo) -> i64 {
        let liked = state
            .preferred_terms
            .iter()
            .filter(|term| node.node.as_ref().is_some_and(|node| matches(&term.preference, node)));
        liked.map(|term| i64::from(term.weight)).sum()
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, false);
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent) -> Hint {
        match event {
            ClusterEvent::Node { old, new } => {
                let suited = old.as_ref().is_some_and(|old| suits(pod, old));
                if suits(pod, new) && !suited { Hint::Queue } else { Hint::Skip }
            }
            ClusterEvent::PodGone(_) => Hint::Skip,
            ClusterEvent::Updated => Hint::Queue,
        }
    }
}

fn affinity(pod: &PodInfo) -> Option<&k8s_openapi::api::core::v1::NodeAffinity> {
    pod.spec().affinity.as_ref()?.node_affinity.as_ref()
}

fn required(pod: &PodInfo) -> Option<&NodeSelector> {
    affinity(pod)?.required_during_scheduling_ignored_during_execution.as_ref()
}

/// The nodes that a term names, or `None` if it asks for something else.
fn named_nodes(term: &NodeSelectorTerm) -> Option<BTreeSet<&str>> {
    let names = term.match_fields.iter().flatten().filter(|field| field.key == NAME && field.operator == "In");
    let names = names.map(|field| field.values.iter().flatten().map(String::as_str).collect::<BTreeSet<&str>>());
    names.reduce(|left, right| left.intersection(&right).copied().collect())
}

/// Whether the node has what the pod's selector and its required terms ask for.
fn suits(pod: &PodInfo, node: &Node) -> bool {
    let mut selected = pod.spec().node_selector.iter().flatten();
    selected.all(|(key, value)| label(node, key) == Some(value))
        && required(pod).is_none_or(|required| required.node_selector_terms.iter().any(|term| matches(term, node)))
}

fn label<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// A term without requirements matches nothing.
fn matches(term: &NodeSelectorTerm, node: &Node) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let name = |key: &str| node.metadata.name.as_deref().filter(|_| key == NAME);
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|requirement| holds(requirement, label(node, &requirement.key)))
        && fields.iter().all(|requirement| holds(requirement, name(&requirement.key)))
}

fn holds(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let values = requirement.values.as_deref().unwrap_or_default();
    let listed = |value: &str| values.iter().any(|wanted| wanted == value);
    let numbers = || Some((value?.parse::<i64>().ok()?, values.first()?.parse::<i64>().ok()?));
    match requirement.operator.as_str() {
        "In" => value.is_some_and(listed),
        "NotIn" => !value.is_some_and(listed),
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers().is_some_and(|(value, bound)| value > bound),
        "Lt" => numbers().is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}
