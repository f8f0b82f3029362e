//! DefaultTolerationSeconds: a pod stays five minutes on a node that is gone, unless it says otherwise.

use api_machinery::value;
use serde_json::{Value, json};

/// How long a pod stays on a node that does not answer, unless it says otherwise; upstream's default.
const TOLERATION_SECONDS: i64 = 300;
const TAINTS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];

pub(super) fn set(pod: &mut Value) {
    for taint in TAINTS {
        let tolerated = value::items_at(pod, &["spec", "tolerations"]).iter().any(|toleration| {
            let key = toleration["key"].as_str().unwrap_or_default();
            let effect = toleration["effect"].as_str().unwrap_or_default();
            (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        });
        if tolerated {
            continue;
        }
        let toleration = json!({"key": taint, "operator": "Exists", "effect": "NoExecute",
            "tolerationSeconds": TOLERATION_SECONDS});
        let spec = value::map_mut(pod, &["spec"]);
        match spec.entry("tolerations").or_insert_with(|| json!([])) {
            Value::Array(tolerations) => tolerations.push(toleration),
            other => *other = json!([toleration]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_tolerates_a_lost_node_for_five_minutes_unless_it_says_otherwise() {
        let mut pod =
            json!({"spec": {"tolerations": [{"key": TAINTS[0], "operator": "Exists", "effect": "NoExecute"}]}});
        set(&mut pod);
        let tolerations = pod["spec"]["tolerations"].as_array().expect("a list");
        assert_eq!(tolerations.len(), 2);
        assert_eq!(tolerations[0].get("tolerationSeconds"), None);
        assert_eq!(tolerations[1]["key"], TAINTS[1]);
        let mut all = json!({"spec": {"tolerations": [{"operator": "Exists"}]}});
        set(&mut all);
        assert_eq!(all["spec"]["tolerations"].as_array().map(Vec::len), Some(1));
    }
}
