//! Tables of the ReplicaSet plan.

use super::plan::{self, Action};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: &str = "2026-01-01T01:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn set(replicas: i32) -> ReplicaSet {
    serde_json::from_value(json!({
        "metadata": {"name": "web", "namespace": "a", "uid": "u", "generation": 3},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}},
                 "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": []}}},
    }))
    .unwrap()
}

/// A pod from a short description, such as `p1 Running ready node=a`.
fn pod(text: &str) -> Arc<Pod> {
    let mut words = text.split(' ');
    let name = words.next().unwrap();
    let mut object = json!({"metadata": {"name": name, "namespace": "a", "labels": {"app": "web"},
        "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"containers": []}, "status": {"phase": "Pending"}});
    for word in words {
        match word.split_once('=') {
            Some(("node", node)) => object["spec"]["nodeName"] = json!(node),
            Some(("cost", cost)) => {
                object["metadata"]["annotations"] = json!({"controller.kubernetes.io/pod-deletion-cost": cost})
            }
            Some(("restarts", count)) => {
                let count: i32 = count.parse().unwrap();
                object["status"]["containerStatuses"] =
                    json!([{"name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": count}]);
            }
            Some(("ready", since)) => ready(&mut object, since),
            Some(other) => panic!("what is {other:?}"),
            None if word == "ready" => ready(&mut object, "2026-01-01T00:00:00Z"),
            None if word == "terminating" => object["metadata"]["deletionTimestamp"] = json!(NOW),
            None => object["status"]["phase"] = json!(word),
        }
    }
    Arc::new(serde_json::from_value(object).unwrap())
}

fn ready(object: &mut Value, since: &str) {
    object["status"]["conditions"] = json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
}

fn describe(action: &Action) -> String {
    match action {
        Action::Nothing => "nothing".into(),
        Action::Create(count) => format!("create {count}"),
        Action::Delete(pods) => {
            let names: Vec<_> = pods.iter().map(|pod| pod.metadata.name.clone().unwrap()).collect();
            format!("delete {}", names.join(" "))
        }
    }
}

fn check(replicas: i32, pods: &[&str], expected: &str) {
    let pods: Vec<_> = pods.iter().map(|text| pod(text)).collect();
    let action = plan::plan(&set(replicas), &pods, &pods, now());
    assert_eq!(describe(&action), expected, "{replicas} wanted of {pods:?}");
}

// proves: CT-02
#[test]
fn the_number_of_pods_follows_the_number_asked_for() {
    check(3, &[], "create 3");
    check(1000, &[], "create 500");
    check(2, &["p1 Running", "p2 Running"], "nothing");
    check(2, &["p1 Running", "p2 Failed", "p3 Running terminating"], "create 1");
    check(0, &["p1 Running ready node=a"], "delete p1");
}

#[test]
fn the_least_useful_pod_goes_first() {
    check(1, &["p1 Running ready node=a", "p2 Pending"], "delete p2");
    check(1, &["p1 Running ready node=a", "p2 Pending node=a"], "delete p2");
    check(1, &["p1 Running ready node=a", "p2 Running node=a"], "delete p2");
    check(1, &["p1 Running ready node=a cost=10", "p2 Running ready node=b cost=-1"], "delete p2");
    check(2, &["p1 Running ready node=a", "p2 Running ready node=b", "p3 Running ready node=b"], "delete p2");
    check(1, &["p1 Running ready node=a restarts=0", "p2 Running ready node=b restarts=5"], "delete p2");
    check(
        1,
        &["p1 Running node=a ready=2026-01-01T00:00:00Z", "p2 Running node=b ready=2026-01-01T00:59:00Z"],
        "delete p2",
    );
}

#[test]
fn status_counts_the_pods_on_their_way_out() {
    let pods = [pod("p1 Running"), pod("p2 Running terminating"), pod("p3 Failed terminating")];
    let status = plan::status(&set(1), &pods, None, now());
    assert_eq!((status.replicas, status.terminating_replicas), (1, Some(1)));
}

#[test]
fn status_counts_what_is_ready_and_available() {
    let mut set = set(3);
    set.spec.min_ready_seconds = Some(30);
    let pods = [
        pod("p1 Running ready=2026-01-01T00:59:00Z"),
        pod("p2 Running ready=2026-01-01T00:59:40Z"),
        pod("p3 Pending"),
        pod("p4 Failed"),
    ];
    let status = plan::status(&set, &pods, None, now());
    assert_eq!(
        (status.replicas, status.ready_replicas, status.available_replicas, status.observed_generation),
        (3, Some(2), Some(1), Some(3))
    );
    assert_eq!(plan::next_available_seconds(&set, &pods, now()), Some(10));
}

#[test]
fn a_failure_becomes_a_condition_and_goes_away() {
    let mut set = set(1);
    let status = plan::status(&set, &[], Some(("FailedCreate", "no".into())), now());
    assert_eq!(status.conditions.as_ref().unwrap()[0].reason.as_deref(), Some("FailedCreate"));
    set.status = Some(status);
    assert_eq!(plan::status(&set, &[], None, now()).conditions, None);
}
