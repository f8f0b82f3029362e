//! NodeAffinity: node selector, required terms, preferred terms.

use super::normalize;
use crate::framework::{ClusterEvent, CycleState, Hint, Plugin, Rejection};
use crate::node_info::NodeInfo;
use crate::pod_info::PodInfo;
use k8s_openapi::api::core::v1::{NodeSelectorRequirement, NodeSelectorTerm};

/// The plugin.
pub struct NodeAffinity;

impl Plugin for NodeAffinity {
    fn name(&self) -> &'static str {
        "NodeAffinity"
    }

    fn filter(&self, _: &CycleState, pod: &PodInfo, node: &NodeInfo) -> Result<(), Rejection> {
        let spec = pod.spec();
        let selected = spec.node_selector.iter().flatten().all(|(key, value)| node.label(key) == Some(value));
        let required =
            affinity(pod).and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
        if selected
            && required.is_none_or(|required| required.node_selector_terms.iter().any(|term| matches(term, node)))
        {
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
        let liked = state.preferred_terms.iter().filter(|term| matches(&term.preference, node));
        liked.map(|term| i64::from(term.weight)).sum()
    }

    fn normalize(&self, scores: &mut [i64]) {
        normalize(scores, false);
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent) -> Hint {
        match event {
            ClusterEvent::Node { old: Some(old), new } if old.metadata.labels == new.metadata.labels => Hint::Skip,
            ClusterEvent::PodGone(_) => Hint::Skip,
            ClusterEvent::Node { .. } | ClusterEvent::Updated => Hint::Queue,
        }
    }
}

fn affinity(pod: &PodInfo) -> Option<&k8s_openapi::api::core::v1::NodeAffinity> {
    pod.spec().affinity.as_ref()?.node_affinity.as_ref()
}

/// A term without requirements matches nothing.
fn matches(term: &NodeSelectorTerm, node: &NodeInfo) -> bool {
    let expressions = term.match_expressions.as_deref().unwrap_or_default();
    let fields = term.match_fields.as_deref().unwrap_or_default();
    let name = |key: &str| Some(node.name()).filter(|_| key == "metadata.name");
    !(expressions.is_empty() && fields.is_empty())
        && expressions.iter().all(|requirement| holds(requirement, node.label(&requirement.key)))
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
