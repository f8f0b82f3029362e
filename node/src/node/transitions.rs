//! Which events a node's new status asks for. Pure.

use k8s_openapi::api::core::v1::Node;
use serde_json::Value;

/// The reasons of upstream's events: by condition, when it is true and when it is false.
const REASONS: [(&str, &str, &str); 4] = [
    ("MemoryPressure", "NodeHasInsufficientMemory", "NodeHasSufficientMemory"),
    ("DiskPressure", "NodeHasDiskPressure", "NodeHasNoDiskPressure"),
    ("PIDPressure", "NodeHasInsufficientPID", "NodeHasSufficientPID"),
    ("Ready", "NodeReady", "NodeNotReady"),
];

/// The reasons of the conditions that are new or have turned.
pub(super) fn transitions(current: Option<&Node>, status: &Value) -> Vec<&'static str> {
    let old = current.and_then(|node| node.status.as_ref()?.conditions.as_ref());
    let turned = |(kind, when_true, when_false): &(&str, &'static str, &'static str)| {
        let mut new = status["conditions"].as_array().into_iter().flatten();
        let new = new.find(|condition| condition["type"] == *kind)?["status"].as_str()?;
        let before = old.and_then(|old| old.iter().find(|condition| condition.type_ == *kind));
        let is_same = before.is_some_and(|before| before.status == new);
        (!is_same).then_some(if new == "True" { *when_true } else { *when_false })
    };
    REASONS.iter().filter_map(turned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_condition_is_told_when_it_is_new_or_turns() {
        let status = |ready: &str, disk: &str| json!({"conditions": [{"type": "DiskPressure", "status": disk}, {"type": "Ready", "status": ready}]});
        let first = status("False", "False");
        assert_eq!(transitions(None, &first), ["NodeHasNoDiskPressure", "NodeNotReady"]);
        let node: Node = serde_json::from_value(json!({"metadata": {"name": "n"}, "status": first})).unwrap();
        assert_eq!(transitions(Some(&node), &status("True", "False")), ["NodeReady"]);
        assert_eq!(transitions(Some(&node), &status("False", "True")), ["NodeHasDiskPressure"]);
        assert!(transitions(Some(&node), &first).is_empty());
    }
}
