use super::*;
use crate::resources::testing::{created, errors_of, messages, row, updated};

fn replica_set() -> Value {
    json!({
        "metadata": {"name": "web-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "tier", "operator": "Exists"}]},
            "template": {
                "metadata": {"labels": {"app": "web", "tier": "front"}},
                "spec": {"containers": [{"name": "a", "image": "nginx:1"}]},
            },
        },
    })
}

// proves: AM-33
#[test]
fn one_replica_unless_told_otherwise() {
    let object = created(&ReplicaSet, replica_set());
    assert_eq!(object["spec"]["replicas"], 1);
    assert_eq!(object["status"], json!({"replicas": 0}));
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(errors_of(&ReplicaSet, replica_set()), [""; 0]);
    let mut none = replica_set();
    none["spec"]["replicas"] = json!(0);
    assert_eq!(created(&ReplicaSet, none)["spec"]["replicas"], 0);
}

// proves: AM-33, AM-35
#[test]
fn the_selector_stays_and_counters_fit_together() {
    let old = created(&ReplicaSet, replica_set());
    let mut new = old.clone();
    new["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
    new["status"]["replicas"] = json!(9);
    let new = updated(&ReplicaSet, new, &old);
    assert_eq!((&new["status"], &new["metadata"]["generation"]), (&old["status"], &json!(2)));
    assert_eq!(
        messages(ReplicaSet.validate_update(&new, &old)),
        ["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"web\"}}: field is immutable"]
    );
    let mut counted = old.clone();
    counted["status"] = json!({"replicas": 1, "readyReplicas": 2, "fullyLabeledReplicas": -1});
    assert_eq!(
        messages(ReplicaSet.validate_status_update(&counted, &old)),
        [
            "status.fullyLabeledReplicas: Invalid value: -1: must be greater than or equal to 0",
            "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        ]
    );
}

// proves: AM-13, AM-30
#[test]
fn a_row_shows_counts_and_template() {
    let mut object = created(&ReplicaSet, replica_set());
    object["status"] = json!({"replicas": 2, "readyReplicas": 1});
    assert_eq!(
        row(&ReplicaSet, &object, "2026-01-01T00:00:03Z"),
        "web-1 | 1 | 2 | 1 | 3s | a | nginx:1 | app=web,tier"
    );
}
