//! TaintNodesByCondition: a new node takes no pods until it is ready.

use api_machinery::value;
use serde_json::{Value, json};

const NOT_READY: &str = "node.kubernetes.io/not-ready";

pub(super) fn create(node: &mut Value) {
    let tainted = value::items_at(node, &["spec", "taints"])
        .iter()
        .any(|taint| taint["key"] == NOT_READY && taint["effect"] == "NoSchedule");
    if tainted {
        return;
    }
    let taint = json!({"key": NOT_READY, "effect": "NoSchedule"});
    let spec = value::map_mut(node, &["spec"]);
    match spec.entry("taints").or_insert_with(|| json!([])) {
        Value::Array(taints) => taints.push(taint),
        other => *other = json!([taint]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_node_is_tainted_once() {
        let mut node = json!({"metadata": {"name": "a"}});
        create(&mut node);
        create(&mut node);
        assert_eq!(node["spec"]["taints"], json!([{"key": NOT_READY, "effect": "NoSchedule"}]));
    }
}
