//! What a node's lease and conditions ask for. Pure.

use crate::objects::is_terminating;
use controllers_runtime::taints::tolerates;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, NodeCondition, Pod, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Taint of a node that says it is not ready.
pub const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// Taint of a node that says nothing.
pub const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// Taint of a node that was closed.
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";
/// Conditions that keep new pods away while they hold, with their taints.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
];
/// Conditions of a node that stop being known when it stops answering.
const CONDITIONS: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// The conditions of a node that has not answered, or `None` if they say so already.
pub fn unknown_conditions(node: &Node, now: Timestamp) -> Option<Vec<NodeCondition>> {
    let mut conditions = conditions(node).to_vec();
    let mut changed = false;
    for type_ in CONDITIONS {
        match conditions.iter_mut().find(|condition| condition.type_ == type_) {
            Some(condition) if condition.status == "Unknown" => {}
            Some(condition) => {
                changed = true;
                condition.status = "Unknown".to_owned();
                condition.reason = Some("NodeStatusUnknown".to_owned());
                condition.message = Some("Kubelet stopped posting node status.".to_owned());
                condition.last_transition_time = Some(Time(now));
            }
            None => {
                changed = true;
                conditions.push(NodeCondition {
                    type_: type_.to_owned(),
                    status: "Unknown".to_owned(),
                    reason: Some("NodeStatusNeverUpdated".to_owned()),
                    message: Some("Kubelet never posted node status.".to_owned()),
                    last_heartbeat_time: node.metadata.creation_timestamp.clone(),
                    last_transition_time: Some(Time(now)),
                });
            }
        }
    }
    changed.then_some(conditions)
}

fn conditions(node: &Node) -> &[NodeCondition] {
    node.status.as_ref().and_then(|status| status.conditions.as_deref()).unwrap_or_default()
}

fn ready(node: &Node) -> Option<&NodeCondition> {
    conditions(node).iter().find(|condition| condition.type_ == "Ready")
}

/// Whether the node has ever told how it is.
pub fn has_reported(node: &Node) -> bool {
    ready(node).is_some()
}

/// Whether the node has told how it is between these two states: its own words, not those of [`unknown_conditions`].
pub fn has_reported_since(old: &Node, new: &Node) -> bool {
    let heartbeat = |node| ready(node).and_then(|ready| ready.last_heartbeat_time.as_ref());
    heartbeat(old) != heartbeat(new) && ready(new).is_some_and(|ready| ready.status != "Unknown")
}

/// Whether the node says that it is ready.
pub fn is_ready(node: &Node) -> bool {
    ready(node).is_some_and(|ready| ready.status == "True")
}

/// The taints that the node should have, if they differ from those it has.
pub fn taints(node: &Node, now: Timestamp) -> Option<Vec<Taint>> {
    // A node that has not said anything yet is new: what keeps pods away from it meanwhile goes as well.
    let sick = ready(node).and_then(sickness);
    let key = |condition: &NodeCondition| match condition.type_.as_str() {
        "Ready" => sickness(condition),
        type_ if condition.status == "True" => PRESSURES.iter().find(|(one, _)| *one == type_).map(|(_, key)| *key),
        _ => None,
    };
    // In upstream's order: what keeps new pods away as the conditions come, a closed node, what drives pods out.
    let mut wanted: Vec<(&str, &str)> =
        conditions(node).iter().filter_map(key).map(|key| (key, "NoSchedule")).collect();
    if node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false) {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    wanted.extend(sick.map(|key| (key, "NoExecute")));
    let old = node.spec.as_ref().and_then(|spec| spec.taints.clone()).unwrap_or_default();
    let is_ours = |taint: &Taint| {
        let key = taint.key.as_str();
        [NOT_READY, UNREACHABLE, UNSCHEDULABLE].contains(&key) || PRESSURES.iter().any(|(_, pressure)| *pressure == key)
    };
    let is_wanted = |taint: &Taint| wanted.contains(&(taint.key.as_str(), taint.effect.as_str()));
    let mut new: Vec<Taint> = old.iter().filter(|taint| !is_ours(taint) || is_wanted(taint)).cloned().collect();
    for (key, effect) in wanted {
        if !new.iter().any(|taint| taint.key == key && taint.effect == effect) {
            new.push(Taint {
                key: key.to_owned(),
                effect: effect.to_owned(),
                value: None,
                time_added: Some(Time(now)),
            });
        }
    }
    (new != old).then_some(new)
}

/// The taint of a node whose condition `Ready` says this.
fn sickness(ready: &NodeCondition) -> Option<&'static str> {
    match ready.status.as_str() {
        "True" => None,
        "False" => Some(NOT_READY),
        _ => Some(UNREACHABLE),
    }
}

/// When a pod has to leave its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It may stay.
    Never,
    /// In this many seconds; 0 means now.
    In(i64),
}

/// What the node's `NoExecute` taints mean to a pod.
pub fn eviction(pod: &Pod, taints: &[Taint], now: Timestamp) -> Eviction {
    if is_terminating(&pod.metadata) {
        return Eviction::Never;
    }
    let tolerations = pod.spec.as_ref().and_then(|spec| spec.tolerations.as_deref()).unwrap_or_default();
    let mut soonest = None;
    for taint in taints.iter().filter(|taint| taint.effect == "NoExecute") {
        let matching: Vec<&Toleration> = tolerations.iter().filter(|toleration| tolerates(toleration, taint)).collect();
        if matching.is_empty() {
            return Eviction::In(0);
        }
        let Some(seconds) = matching.iter().filter_map(|toleration| toleration.toleration_seconds).min() else {
            continue;
        };
        let added = taint.time_added.as_ref().map_or(now, |time| time.0);
        let left = (added.as_second() + seconds.max(0) - now.as_second()).max(0);
        soonest = Some(soonest.map_or(left, |soonest: i64| soonest.min(left)));
    }
    soonest.map_or(Eviction::Never, Eviction::In)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-01-01T01:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn node(ready: &str) -> Node {
        serde_json::from_value(json!({"metadata": {"name": "n"}, "spec": {}, "status": {"conditions": [{"type": "Ready", "status": ready}]}})).unwrap()
    }

    // proves: CT-17
    #[test]
    fn a_silent_node_is_unknown_and_tainted_until_it_answers() {
        let mut node = node("True");
        assert_eq!(taints(&node, now()), None);
        let conditions = unknown_conditions(&node, now()).unwrap();
        assert!(conditions.iter().all(|condition| condition.status == "Unknown"));
        assert_eq!(conditions[0].message.as_deref(), Some("Kubelet stopped posting node status."));
        node.status.as_mut().unwrap().conditions = Some(conditions);
        assert_eq!(unknown_conditions(&node, now()), None);
        let tainted = taints(&node, now()).unwrap();
        let keys: Vec<_> = tainted.iter().map(|taint| (taint.key.as_str(), taint.effect.as_str())).collect();
        assert_eq!(keys, [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]);
        node.spec.as_mut().unwrap().taints = Some(tainted);
        node.status = self::node("True").status;
        assert_eq!(taints(&node, now()), Some(Vec::new()));
    }

    #[test]
    fn a_node_under_pressure_takes_no_new_pods() {
        let mut node = node("True");
        let pressure = json!({"type": "DiskPressure", "status": "True"});
        node.status.as_mut().unwrap().conditions.as_mut().unwrap().push(serde_json::from_value(pressure).unwrap());
        let new = taints(&node, now()).unwrap();
        let keys: Vec<_> = new.iter().map(|taint| (taint.key.as_str(), taint.effect.as_str())).collect();
        assert_eq!(keys, [("node.kubernetes.io/disk-pressure", "NoSchedule")]);
        node.spec.as_mut().unwrap().taints = Some(new);
        node.status.as_mut().unwrap().conditions.as_mut().unwrap().pop();
        assert_eq!(taints(&node, now()), Some(Vec::new()), "it goes with the condition");
    }

    #[test]
    fn a_node_that_has_not_said_anything_yet_has_no_taints_for_it() {
        let mut node = node("True");
        node.status = None;
        assert!(!has_reported(&node));
        assert_eq!(taints(&node, now()), None);
        let not_ready = Taint { key: NOT_READY.into(), effect: "NoSchedule".into(), ..Taint::default() };
        node.spec.as_mut().unwrap().taints = Some(vec![not_ready]);
        assert_eq!(taints(&node, now()), Some(Vec::new()), "admission's taint goes");
        let never = unknown_conditions(&node, now()).unwrap();
        assert_eq!(never[0].message.as_deref(), Some("Kubelet never posted node status."));
    }

    #[test]
    fn a_heartbeat_in_the_status_is_heard_and_the_controllers_own_words_are_not() {
        let at = |ready: &str, time: &str| -> Node {
            let condition = json!({"type": "Ready", "status": ready, "lastHeartbeatTime": time});
            serde_json::from_value(json!({"metadata": {"name": "n"}, "status": {"conditions": [condition]}})).unwrap()
        };
        let (first, second) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:10Z");
        assert!(has_reported_since(&at("True", first), &at("True", second)));
        assert!(has_reported_since(&at("Unknown", first), &at("False", second)));
        assert!(!has_reported_since(&at("True", first), &at("True", first)));
        assert!(!has_reported_since(&at("True", first), &at("Unknown", first)));
        let mut new = node("True");
        new.status = None;
        assert!(!has_reported_since(&new, &at("Unknown", first)), "it never said a word");
        assert!(has_reported_since(&new, &at("True", first)));
    }

    #[test]
    fn what_keeps_new_pods_away_comes_before_what_drives_pods_out() {
        let mut node = node("False");
        let pressure = json!({"type": "MemoryPressure", "status": "True"});
        node.status.as_mut().unwrap().conditions.as_mut().unwrap().push(serde_json::from_value(pressure).unwrap());
        node.spec.as_mut().unwrap().unschedulable = Some(true);
        let new = taints(&node, now()).unwrap();
        let keys: Vec<_> = new.iter().map(|taint| (taint.key.as_str(), taint.effect.as_str())).collect();
        let pressure = "node.kubernetes.io/memory-pressure";
        let expected = [
            (NOT_READY, "NoSchedule"),
            (pressure, "NoSchedule"),
            (UNSCHEDULABLE, "NoSchedule"),
            (NOT_READY, "NoExecute"),
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn foreign_taints_stay_and_a_closed_node_has_its_own() {
        let mut node = node("True");
        let foreign = Taint { key: "x".into(), effect: "NoSchedule".into(), ..Taint::default() };
        node.spec.as_mut().unwrap().taints = Some(vec![foreign.clone()]);
        node.spec.as_mut().unwrap().unschedulable = Some(true);
        let new = taints(&node, now()).unwrap();
        assert_eq!((new[0].clone(), new[1].key.as_str()), (foreign, UNSCHEDULABLE));
    }

    #[test]
    fn pods_leave_when_their_tolerance_ends() {
        let pod = |tolerations: serde_json::Value| -> Pod {
            serde_json::from_value(
                json!({"metadata": {"name": "p"}, "spec": {"containers": [], "tolerations": tolerations}}),
            )
            .unwrap()
        };
        let taint = Taint {
            key: UNREACHABLE.into(),
            effect: "NoExecute".into(),
            value: None,
            time_added: Some(Time("2026-01-01T00:59:00Z".parse().unwrap())),
        };
        let decide = |tolerations| eviction(&pod(tolerations), std::slice::from_ref(&taint), now());
        assert_eq!(decide(json!([])), Eviction::In(0));
        assert_eq!(decide(json!([{"operator": "Exists"}])), Eviction::Never);
        let five_minutes =
            json!([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}]);
        assert_eq!(decide(five_minutes), Eviction::In(240));
        assert_eq!(eviction(&pod(json!([])), &[], now()), Eviction::Never);
    }
}
