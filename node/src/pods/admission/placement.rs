//! Whether a pod is meant for this node: its system, what it asks of a node's labels, and the taints that it bears.
//!
//! The scheduler asks the same questions of every node; a pod that names its node itself has met no scheduler.

use super::predicate;
use crate::pods::unsupported::Refusal;
use k8s_openapi::api::core::v1::{Node, NodeSelectorRequirement, NodeSelectorTerm, Pod, Taint, Toleration};

const OS_LABEL: &str = "kubernetes.io/os";
const OS: &str = "linux";
/// The only field of a node that a pod can ask for.
const NAME: &str = "metadata.name";
/// The effect that concerns pods which are bound already.
const NO_EXECUTE: &str = "NoExecute";

/// A pod that is labelled as another system's.
pub(super) fn another_system(pod: &Pod) -> Option<Refusal> {
    let label = pod.metadata.labels.as_ref()?.get(OS_LABEL)?;
    (label != OS).then(|| Refusal {
        reason: "PodOSSelectorNodeLabelDoesNotMatch",
        message: "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label".to_owned(),
    })
}

/// A pod that asks for other labels, or for another node.
pub(super) fn not_meant_for(pod: &Pod, node: &Node) -> Option<Refusal> {
    let spec = pod.spec.as_ref()?;
    let has = |(key, value): (&String, &String)| label(node, key) == Some(value);
    let affinity = spec.affinity.as_ref().and_then(|affinity| affinity.node_affinity.as_ref());
    let required = affinity.and_then(|affinity| affinity.required_during_scheduling_ignored_during_execution.as_ref());
    let is_meant = spec.node_selector.iter().flatten().all(has)
        && required.is_none_or(|required| required.node_selector_terms.iter().any(|term| suits(term, node)));
    (!is_meant).then(|| predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector"))
}

/// A pod that would have to go again at once.
pub(super) fn not_tolerated(pod: &Pod, node: &Node) -> Option<Refusal> {
    let tolerations = || pod.spec.iter().flat_map(|spec| spec.tolerations.iter().flatten());
    let mut taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let keeps_away = |taint: &Taint| taint.effect == NO_EXECUTE && !tolerations().any(|one| tolerates(one, taint));
    let is_kept_away = taints.any(keeps_away);
    is_kept_away.then(|| predicate("TaintToleration", "node(s) had taints that the pod didn't tolerate"))
}

fn label<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

/// A term without requirements suits no node.
fn suits(term: &NodeSelectorTerm, node: &Node) -> bool {
    let labels = term.match_expressions.iter().flatten().map(|one| (one, label(node, &one.key)));
    let name = |key: &str| node.metadata.name.as_deref().filter(|_| key == NAME);
    let fields = term.match_fields.iter().flatten().map(|one| (one, name(&one.key)));
    let mut all = labels.chain(fields).peekable();
    all.peek().is_some() && all.all(|(requirement, value)| is_met(requirement, value))
}

fn is_met(requirement: &NodeSelectorRequirement, value: Option<&str>) -> bool {
    let wanted = requirement.values.as_deref().unwrap_or_default();
    let is_wanted = value.is_some_and(|value| wanted.iter().any(|one| one == value));
    match requirement.operator.as_str() {
        "In" => is_wanted,
        "NotIn" => !is_wanted,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        "Gt" => numbers(value, wanted.first()).is_some_and(|(value, bound)| value > bound),
        "Lt" => numbers(value, wanted.first()).is_some_and(|(value, bound)| value < bound),
        _ => false,
    }
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let fits = |own: &Option<String>, other: &str| own.as_deref().is_none_or(|own| own.is_empty() || own == other);
    let (own, value) = (toleration.value.clone().unwrap_or_default(), taint.value.clone().unwrap_or_default());
    fits(&toleration.effect, &taint.effect)
        && fits(&toleration.key, &taint.key)
        && match toleration.operator.as_deref().unwrap_or_default() {
            "" | "Equal" => own == value,
            "Exists" => true,
            "Lt" => numbers(Some(&value), Some(&own)).is_some_and(|(value, bound)| value < bound),
            "Gt" => numbers(Some(&value), Some(&own)).is_some_and(|(value, bound)| value > bound),
            _ => false,
        }
}

fn numbers(value: Option<&str>, bound: Option<&String>) -> Option<(i64, i64)> {
    Some((value?.parse().ok()?, bound?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn node() -> Node {
        serde_json::from_value(json!({
            "metadata": {"name": "n", "labels": {"zone": "a", "size": "5"}},
            "spec": {"taints": [{"key": "old", "effect": "NoSchedule"}, {"key": "gone", "value": "7", "effect": "NoExecute"}]},
        }))
        .unwrap()
    }

    fn pod(spec: Value) -> Pod {
        serde_json::from_value(json!({"spec": spec})).unwrap()
    }

    #[test]
    fn a_pod_for_other_nodes_is_refused() {
        let requires = |terms: Value| {
            let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}});
            json!({"affinity": {"nodeAffinity": required}, "containers": []})
        };
        let of_label = |key: &str, operator: &str, values: Value| {
            requires(json!([{"matchExpressions": [{"key": key, "operator": operator, "values": values}]}]))
        };
        for (spec, is_meant) in [
            (json!({"containers": []}), true),
            (json!({"containers": [], "nodeSelector": {"zone": "a"}}), true),
            (json!({"containers": [], "nodeSelector": {"zone": "b"}}), false),
            (of_label("zone", "In", json!(["a", "b"])), true),
            (of_label("zone", "NotIn", json!(["a"])), false),
            (of_label("none", "DoesNotExist", json!([])), true),
            (of_label("none", "Exists", json!([])), false),
            (of_label("size", "Gt", json!(["4"])), true),
            (of_label("size", "Lt", json!(["4"])), false),
            (requires(json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}])), true),
            (requires(json!([{}])), false),
        ] {
            assert_eq!(not_meant_for(&pod(spec.clone()), &node()).is_none(), is_meant, "{spec}");
        }
        let refused = not_meant_for(&pod(json!({"containers": [], "nodeSelector": {"zone": "b"}})), &node()).unwrap();
        assert_eq!(refused.reason, "NodeAffinity");
        let words = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
        assert_eq!(refused.message, words);
    }

    #[test]
    fn a_pod_that_would_be_evicted_at_once_is_refused() {
        for (tolerations, is_tolerated) in [
            (json!([]), false),
            (json!([{"operator": "Exists"}]), true),
            (json!([{"key": "gone", "value": "7"}]), true),
            (json!([{"key": "gone", "operator": "Gt", "value": "6", "effect": "NoExecute"}]), true),
            (json!([{"key": "gone", "operator": "Lt", "value": "6"}]), false),
            (json!([{"key": "gone", "operator": "Exists", "effect": "NoSchedule"}]), false),
        ] {
            let pod = pod(json!({"containers": [], "tolerations": tolerations}));
            assert_eq!(not_tolerated(&pod, &node()).is_none(), is_tolerated, "{tolerations}");
        }
        assert_eq!(not_tolerated(&pod(json!({"containers": []})), &node()).unwrap().reason, "TaintToleration");
    }

    #[test]
    fn a_pod_that_is_labelled_as_another_systems_is_refused() {
        let labelled = |os: &str| serde_json::from_value(json!({"metadata": {"labels": {OS_LABEL: os}}})).unwrap();
        assert!(another_system(&labelled("linux")).is_none());
        assert_eq!(another_system(&labelled("windows")).unwrap().reason, "PodOSSelectorNodeLabelDoesNotMatch");
    }
}
