//! Tables over the whole cycle, and the queue's and cache's stories.

mod points;

use crate::algorithm::Algorithm;
use crate::framework::{ClusterEvent, Hint, default_profile};
use crate::queue::SchedulingQueue;
use crate::snapshot::Snapshot;
use crate::testing::{cluster, node, pod};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn schedule(nodes: &[&str], running: &[&str], wanted: &str) -> Result<String, String> {
    let mut snapshot = Snapshot::default();
    cluster(nodes, running).refresh(&mut snapshot);
    let outcome = Algorithm::default().schedule(&default_profile(), &snapshot, &pod(wanted));
    outcome.map_err(|unschedulable| unschedulable.message())
}

fn lands(nodes: &[&str], running: &[&str], wanted: &str, expected: &str) {
    assert_eq!(schedule(nodes, running, wanted).as_deref(), Ok(expected), "{wanted} on {nodes:?} with {running:?}");
}

fn refused(nodes: &[&str], running: &[&str], wanted: &str, expected: &str) {
    let outcome = schedule(nodes, running, wanted);
    assert_eq!(outcome.as_ref().map_err(String::as_str), Err(expected), "{wanted} on {nodes:?} with {running:?}");
}

// proves: SC-04
#[test]
fn a_pod_lands_where_it_fits_best() {
    lands(&["a", "b"], &["r cpu=2 node=a"], "p cpu=1", "b");
    lands(&["a cpu=1", "b cpu=4"], &[], "p cpu=2", "b");
    lands(&["a example.com/gpu=1", "b"], &["r cpu=3 node=a"], "p example.com/gpu=1", "a");
    refused(
        &["a cpu=1", "b cpu=1"],
        &[],
        "p cpu=2",
        "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
    );
    refused(
        &["a cpu=1 memory=1Gi", "b cpu=1"],
        &[],
        "p cpu=2 memory=2Gi",
        "0/2 nodes are available: 1 Insufficient memory, 2 Insufficient cpu. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
    );
    refused(
        &["a pods=1"],
        &["r node=a"],
        "p",
        "0/1 nodes are available: 1 Too many pods. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    );
    refused(&[], &[], "p", "no nodes available to schedule pods");
}

// proves: SC-05
#[test]
fn nodes_are_chosen_by_name_selector_port_and_openness() {
    lands(&["a label=zone:z1", "b label=zone:z2"], &[], "p select=zone:z2", "b");
    lands(&["a label=zone:z1", "b label=zone:z2"], &[], "p prefer=zone:z2", "b");
    lands(&["a", "b"], &["r port=80 node=a"], "p port=80", "b");
    lands(&["a cordoned", "b"], &[], "p", "b");
    refused(
        &["a cordoned"],
        &[],
        "p",
        "0/1 nodes are available: 1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    );
    refused(
        &["a"],
        &["r port=80 node=a"],
        "p port=80",
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.",
    );
    refused(
        &["a cpu=1", "b taint=key:value:NoSchedule", "c taint=key:value:NoSchedule"],
        &["r cpu=1 node=a"],
        "p cpu=1",
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: 0/3 nodes are available: 1 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.",
    );
    refused(
        &["a"],
        &[],
        "p select=zone:z2",
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    );
}

#[test]
fn a_pod_that_names_its_nodes_is_kept_from_the_others_whatever_they_are_like() {
    let named = |name: &str| {
        let field = format!(r#"{{"key":"metadata.name","operator":"In","values":["{name}"]}}"#);
        let term = format!(r#"{{"nodeSelectorTerms":[{{"matchFields":[{field}]}}]}}"#);
        format!(r#"{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":{term}}}}}"#)
    };
    lands(&["a", "b"], &[], &format!(r#"p spec={{"affinity":{}}}"#, named("b")), "b");
    refused(
        &["a cordoned", "b", "c"],
        &[],
        &format!(r#"p spec={{"affinity":{},"nodeSelector":{{"x":"y"}}}}"#, named("b")),
        "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    );
}

// proves: SC-06
#[test]
fn taints_keep_away_whom_they_mean() {
    let tainted = "a taint=key:value:NoSchedule";
    refused(
        &[tainted],
        &[],
        "p",
        "0/1 nodes are available: 1 node(s) had untolerated taint(s). preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
    );
    lands(&[tainted], &[], "p tolerate=key:NoSchedule", "a");
    lands(&["a taint=key:value:PreferNoSchedule", "b"], &["r cpu=1 node=b"], "p", "b");
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (spec, what) in [
        (r#"{"affinity":{"podAntiAffinity":{}}}"#, "inter-pod affinity (spec.affinity.podAffinity, podAntiAffinity)"),
        (
            r#"{"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone","whenUnsatisfiable":"DoNotSchedule"}]}"#,
            "topology spreading (spec.topologySpreadConstraints)",
        ),
        (
            r#"{"volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"c"}}]}"#,
            "persistent volumes (spec.volumes)",
        ),
    ] {
        let expected = format!(
            "0/1 nodes are available: pod asks for {what}, which this scheduler does not support yet. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
        );
        refused(&["a"], &[], &format!("p spec={spec}"), &expected);
    }
    refused(
        &["a cpu=1"],
        &["r cpu=1 priority=1 node=a"],
        "p cpu=1 priority=2",
        "0/1 nodes are available: 1 Insufficient cpu. preemption: not supported by this scheduler yet.",
    );
}

// proves: SC-03
#[test]
fn an_assumed_pod_counts_until_it_is_forgotten() {
    let mut cache = cluster(&["a cpu=1"], &[]);
    let (mut snapshot, mut algorithm, profile) = (Snapshot::default(), Algorithm::default(), default_profile());
    cache.assume(pod("p cpu=1"), "a");
    cache.refresh(&mut snapshot);
    assert!(algorithm.schedule(&profile, &snapshot, &pod("q cpu=1")).is_err());
    cache.forget("p");
    cache.refresh(&mut snapshot);
    assert_eq!(algorithm.schedule(&profile, &snapshot, &pod("q cpu=1")).as_deref(), Ok("a"));
    cache.assume(pod("p cpu=1"), "a");
    cache.confirm(pod("p cpu=1 node=a"));
    cache.forget("p");
    cache.refresh(&mut snapshot);
    assert!(algorithm.schedule(&profile, &snapshot, &pod("q cpu=1")).is_err(), "a confirmed pod is not forgotten");
}

#[test]
fn a_snapshot_shares_what_did_not_change() {
    let mut cache = cluster(&["a", "b", "c"], &[]);
    let mut snapshot = Snapshot::default();
    cache.refresh(&mut snapshot);
    let before = snapshot.clone();
    cache.confirm(pod("p cpu=1 node=b"));
    cache.remove_node("a");
    cache.refresh(&mut snapshot);
    assert!(snapshot.node("a").is_none());
    assert!(Arc::ptr_eq(snapshot.node("c").unwrap(), before.node("c").unwrap()));
    assert_eq!(snapshot.node("b").unwrap().requested.milli_cpu, 1000);
    assert_eq!(before.node("b").unwrap().requested.milli_cpu, 0);
}

#[test]
fn identical_pods_spread_over_identical_nodes() {
    let names: Vec<String> = (0..10).map(|number| format!("n{number}")).collect();
    let mut cache = cluster(&names.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let (mut snapshot, mut algorithm, profile) = (Snapshot::default(), Algorithm::default(), default_profile());
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for number in 0..100 {
        cache.refresh(&mut snapshot);
        let wanted = pod(&format!("p{number} cpu=100m"));
        let chosen = algorithm.schedule(&profile, &snapshot, &wanted).unwrap();
        cache.assume(wanted, &chosen);
        *counts.entry(chosen).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 10), "{counts:?}");
}

fn queue() -> SchedulingQueue {
    SchedulingQueue::new(default_profile())
}

fn pop(queue: &mut SchedulingQueue) -> Option<String> {
    queue.pop(Instant::now()).map(|queued| queued.pod.uid().to_owned())
}

// proves: SC-02
#[tokio::test(start_paused = true)]
async fn the_queue_orders_by_priority_then_arrival() {
    let mut queue = queue();
    for text in ["low", "high priority=10", "late"] {
        queue.put(pod(text), Instant::now());
    }
    assert_eq!(
        [pop(&mut queue), pop(&mut queue), pop(&mut queue), pop(&mut queue)].map(Option::unwrap_or_default),
        ["high", "low", "late", ""]
    );
}

#[tokio::test(start_paused = true)]
async fn a_failed_pod_backs_off_longer_each_time() {
    let mut queue = queue();
    queue.put(pod("p"), Instant::now());
    for seconds in [1, 2, 4, 8, 10, 10] {
        assert_eq!(pop(&mut queue).as_deref(), Some("p"));
        queue.reject("p", BTreeSet::new(), Instant::now());
        assert_eq!(pop(&mut queue), None);
        tokio::time::advance(Duration::from_secs(seconds) - Duration::from_millis(1)).await;
        assert_eq!(pop(&mut queue), None, "still waiting before {seconds} s");
        tokio::time::advance(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_pod_waits_for_an_event_that_can_help() {
    let mut queue = queue();
    queue.put(pod("p cpu=1"), Instant::now());
    pop(&mut queue).unwrap();
    queue.reject("p", ["NodeResourcesFit"].into(), Instant::now());
    tokio::time::advance(Duration::from_secs(60)).await;
    let same = ClusterEvent::Node { old: Some(node("a label=x:1")), new: node("a label=x:2") };
    queue.happened(&same, Instant::now());
    assert_eq!(pop(&mut queue), None, "labels do not make room");
    queue.happened(&ClusterEvent::PodGone(pod("r cpu=1 node=a")), Instant::now());
    assert_eq!(pop(&mut queue).as_deref(), Some("p"));
}

#[test]
fn only_a_change_that_lets_the_pod_in_is_a_reason_to_try_again() {
    let profile = default_profile();
    for (plugin, wanted, old, new, expected) in [
        ("TaintToleration", "p", "a taint=k:v:NoSchedule", "a taint=k:v:NoSchedule cpu=9", Hint::Skip),
        ("TaintToleration", "p", "a taint=k:v:NoSchedule", "a", Hint::Queue),
        ("TaintToleration", "p", "a", "a cpu=9", Hint::Skip),
        ("NodeUnschedulable", "p", "a cordoned", "a", Hint::Queue),
        ("NodeUnschedulable", "p", "a", "a cpu=9", Hint::Skip),
        ("NodeAffinity", "p select=x:1", "a", "a label=x:1", Hint::Queue),
        ("NodeAffinity", "p select=x:1", "a", "a label=x:2", Hint::Skip),
        ("NodeAffinity", "p select=x:1", "a label=x:1", "a label=x:1 cpu=9", Hint::Skip),
        ("NodeResourcesFit", "p cpu=8", "a cpu=4", "a cpu=9", Hint::Queue),
        ("NodeResourcesFit", "p cpu=8", "a cpu=4", "a cpu=5", Hint::Skip),
        ("NodeResourcesFit", "p cpu=8", "a cpu=9", "a cpu=9 memory=99Gi", Hint::Skip),
        ("NodeResourcesFit", "p cpu=8", "a cpu=9 pods=1", "a cpu=9 pods=2", Hint::Queue),
    ] {
        let event = ClusterEvent::Node { old: Some(node(old)), new: node(new) };
        let hint = profile.plugin(plugin).unwrap().hint(&pod(wanted), &event);
        assert_eq!(hint, expected, "{plugin}: {wanted}, {old} to {new}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_pod_is_not_tried_again_for_its_own_status() {
    let mut queue = queue();
    queue.put(pod("p cpu=1"), Instant::now());
    pop(&mut queue).unwrap();
    queue.put(pod("p cpu=1"), Instant::now());
    queue.reject("p", ["NodeResourcesFit"].into(), Instant::now());
    queue.put(pod("p cpu=1"), Instant::now());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(pop(&mut queue), None, "nothing that it asks for changed");
    queue.put(pod("p cpu=500m"), Instant::now());
    assert_eq!(pop(&mut queue).as_deref(), Some("p"));
}

#[tokio::test(start_paused = true)]
async fn an_event_during_the_decision_is_not_missed() {
    let mut queue = queue();
    queue.put(pod("p cpu=1"), Instant::now());
    pop(&mut queue).unwrap();
    queue.happened(&ClusterEvent::Node { old: None, new: node("a") }, Instant::now());
    queue.reject("p", ["NodeResourcesFit"].into(), Instant::now());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(pop(&mut queue).as_deref(), Some("p"));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever() {
    let mut queue = queue();
    queue.put(pod("p cpu=1"), Instant::now());
    pop(&mut queue).unwrap();
    queue.reject("p", ["NodeResourcesFit"].into(), Instant::now());
    assert_eq!(queue.next_due(), Some(Instant::now() + Duration::from_secs(300)));
    tokio::time::advance(Duration::from_secs(300)).await;
    assert_eq!(pop(&mut queue).as_deref(), Some("p"));
}

// proves: SC-11
#[tokio::test(start_paused = true)]
async fn a_gated_pod_waits_until_its_gates_are_gone() {
    let mut queue = queue();
    let reason = queue.put(pod("p gate=example.com/g"), Instant::now());
    assert_eq!(reason.as_deref(), Some("waiting for scheduling gates: [example.com/g]"));
    assert_eq!(pop(&mut queue), None);
    assert_eq!(queue.put(pod("p"), Instant::now()), None);
    assert_eq!(pop(&mut queue).as_deref(), Some("p"));
}

#[test]
fn requests_count_init_containers_and_sidecars() {
    let spec = r#"spec={"initContainers":[{"name":"s","restartPolicy":"Always","resources":{"requests":{"cpu":"1"}}},{"name":"i","resources":{"requests":{"cpu":"3"}}}]}"#;
    assert_eq!(
        pod(&format!("p cpu=2 {spec}")).requests.milli_cpu,
        4000,
        "the init container beside the sidecar is the peak"
    );
    assert_eq!(pod("p cpu=2 memory=1Gi").requests.memory_bytes, 1 << 30);
    assert_eq!((pod("p").scored.milli_cpu, pod("p").requests.milli_cpu), (100, 0));
}
