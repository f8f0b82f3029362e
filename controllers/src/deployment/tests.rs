//! Tables of the Deployment plan: a Deployment in a line, its sets in a line each, the next step in a line.

use super::plan::{self, Observed, Step};
use super::template::{self, REVISION};
use super::{numbers, progress};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus, ReplicaSet};
use serde_json::{Value, json};
use std::sync::Arc;

const NOW: &str = "2026-01-01T01:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A Deployment from words such as `replicas=3 surge=1 unavailable=0 image=v2 paused recreate history=1`.
fn deployment(text: &str) -> Deployment {
    let mut object = json!({
        "metadata": {"name": "web", "namespace": "a", "uid": "d", "generation": 1},
        "spec": {"replicas": 1, "progressDeadlineSeconds": 600, "revisionHistoryLimit": 10,
                 "selector": {"matchLabels": {"app": "web"}},
                 "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
                 "template": pod_template("v1")},
    });
    for word in text.split_whitespace() {
        match word.split_once('=') {
            Some(("replicas", count)) => object["spec"]["replicas"] = number(count),
            Some(("surge", value)) => object["spec"]["strategy"]["rollingUpdate"]["maxSurge"] = number(value),
            Some(("unavailable", value)) => {
                object["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = number(value)
            }
            Some(("image", image)) => object["spec"]["template"] = pod_template(image),
            Some(("history", limit)) => object["spec"]["revisionHistoryLimit"] = number(limit),
            Some(("revision", revision)) => object["metadata"]["annotations"] = json!({ REVISION: revision }),
            Some(other) => panic!("what is {other:?}"),
            None if word == "paused" => object["spec"]["paused"] = json!(true),
            None if word == "recreate" => object["spec"]["strategy"] = json!({"type": "Recreate"}),
            None => panic!("what is {word:?}"),
        }
    }
    serde_json::from_value(object).unwrap()
}

fn number(text: &str) -> Value {
    text.parse::<i32>().map_or_else(|_| json!(text), |number| json!(number))
}

fn pod_template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

/// A set from words such as `v1 size=3 available=2 revision=1 desired=3 max=4`; its name is the image.
fn set(deployment: &Deployment, text: &str) -> Arc<ReplicaSet> {
    let mut words = text.split_whitespace();
    let image = words.next().unwrap();
    let mut of_image = deployment.clone();
    of_image.spec.template = serde_json::from_value(pod_template(image)).unwrap();
    let mut set = template::new_set(&of_image, 1, 0);
    set.metadata.name = Some(image.to_owned());
    set.metadata.uid = Some(image.to_owned());
    set.metadata.generation = Some(1);
    let mut status = json!({"replicas": 0, "observedGeneration": 1});
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "size" => {
                set.spec.replicas = Some(value.parse().unwrap());
                status["replicas"] = number(value);
            }
            "available" => {
                status["availableReplicas"] = number(value);
                status["readyReplicas"] = number(value);
            }
            "revision" => {
                drop(set.metadata.annotations.as_mut().unwrap().insert(REVISION.to_owned(), value.to_owned()))
            }
            "desired" => {
                let annotations = set.metadata.annotations.as_mut().unwrap();
                annotations.insert(numbers::DESIRED_REPLICAS.to_owned(), value.to_owned());
            }
            "max" => {
                let annotations = set.metadata.annotations.as_mut().unwrap();
                annotations.insert(numbers::MAX_REPLICAS.to_owned(), value.to_owned());
            }
            other => panic!("what is {other:?}"),
        }
    }
    set.status = Some(serde_json::from_value(status).unwrap());
    Arc::new(set)
}

fn observe(text: &str, sets: &[&str]) -> Observed {
    let deployment = deployment(text);
    let sets = sets.iter().map(|text| set(&deployment, text)).collect();
    Observed { deployment: Arc::new(deployment), sets, pods: Vec::new(), now: now() }
}

fn describe(step: &Step) -> String {
    let set_name = |set: &ReplicaSet| set.metadata.name.clone().unwrap();
    match step {
        Step::Condition(condition) => format!("condition {}", condition.reason.clone().unwrap()),
        Step::Create(set) => {
            let revision = template::revision(&set.metadata);
            format!("create size={} revision={revision}", numbers::set_replicas(set))
        }
        Step::Annotate(set, annotations) => format!("annotate {} revision={}", set_name(set), annotations[REVISION]),
        Step::Revision(revision) => format!("revision {revision}"),
        Step::Resize(resizes) => {
            let sizes: Vec<_> = resizes.iter().map(|(set, size)| format!("{}={size}", set_name(set))).collect();
            format!("resize {}", sizes.join(" "))
        }
        Step::CleanUp(sets) => {
            format!("clean up {}", sets.iter().map(|set| set_name(set)).collect::<Vec<_>>().join(" "))
        }
        Step::Rest => "rest".into(),
    }
}

fn check(text: &str, sets: &[&str], expected: &str) {
    let (step, _) = plan::plan(&observe(text, sets));
    assert_eq!(describe(&step), expected, "{text} with {sets:?}");
}

// proves: CT-01
#[test]
fn a_rollout_grows_the_new_set_and_shrinks_the_old_within_its_bounds() {
    check("replicas=3", &[], "create size=3 revision=1");
    check("replicas=3 image=v2", &["v1 size=3 available=3 revision=1"], "create size=1 revision=2");
    check("replicas=4 image=v2 revision=2", &["v1 size=4 available=4", "v2 size=1 revision=2"], "resize v1=3");
    check("replicas=4 image=v2 revision=2", &["v1 size=3 available=3", "v2 size=1 revision=2"], "resize v2=2");
    check("replicas=4 image=v2 revision=2", &["v1 size=3 available=3", "v2 size=2 revision=2"], "rest");
    check(
        "replicas=4 image=v2 revision=2",
        &["v1 size=3 available=3", "v2 size=2 available=2 revision=2"],
        "resize v1=1",
    );
    check("replicas=4 image=v2 revision=2", &["v1 size=0", "v2 size=4 available=4 revision=2"], "rest");
    check("replicas=10 surge=0 unavailable=0 image=v2", &["v1 size=10 available=10"], "create size=0 revision=2");
}

#[test]
fn unhealthy_pods_of_old_sets_go_first() {
    check(
        "replicas=10 surge=0 unavailable=2 image=v3 revision=3",
        &[
            "v1 size=4 available=4 revision=1 max=10",
            "v2 size=6 available=4 revision=2 max=10",
            "v3 size=0 revision=3 max=10",
        ],
        "resize v2=4",
    );
}

#[test]
fn a_template_that_comes_back_gets_the_next_revision_and_keeps_its_history() {
    let sets = ["v1 size=0 revision=1", "v2 size=3 available=3 revision=2"];
    check("replicas=3 image=v1 revision=2", &sets, "annotate v1 revision=3");
    let (step, _) = plan::plan(&observe("replicas=3 image=v1 revision=2", &sets));
    let Step::Annotate(_, annotations) = step else { panic!("an annotation is due") };
    assert_eq!(annotations[template::REVISION_HISTORY], "1");
    check(
        "replicas=3 image=v1 revision=2",
        &["v1 size=0 revision=3", "v2 size=3 available=3 revision=2"],
        "revision 3",
    );
}

#[test]
fn recreate_removes_the_old_before_it_makes_the_new() {
    check("replicas=3 recreate image=v2", &["v1 size=3 available=3 max=3"], "resize v1=0");
    check("replicas=3 recreate image=v2", &["v1 size=0"], "create size=3 revision=2");
    let mut observed = observe("replicas=3 recreate image=v2", &["v1 size=0"]);
    let pod = json!({"metadata": {"name": "p", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "v1", "uid": "v1", "controller": true}]},
        "status": {"phase": "Running"}});
    observed.pods = vec![Arc::new(serde_json::from_value(pod).unwrap())];
    assert_eq!(describe(&plan::plan(&observed).0), "rest", "an old pod still runs");
}

#[test]
fn a_paused_rollout_makes_nothing_new_but_follows_its_size() {
    check("replicas=3 paused image=v2", &["v1 size=3 available=3"], "condition DeploymentPaused");
    let mut observed = observe("replicas=5 paused image=v2", &["v1 size=3 available=3 desired=3"]);
    let mut status = DeploymentStatus::default();
    progress::set_condition(
        &mut status,
        progress::condition("Progressing", "Unknown", progress::reason::PAUSED, "", now()),
    );
    Arc::make_mut(&mut observed.deployment).status = Some(status);
    assert_eq!(describe(&plan::plan(&observed).0), "resize v1=5");
    Arc::make_mut(&mut observed.deployment).spec.paused = Some(false);
    assert_eq!(describe(&plan::plan(&observed).0), "condition DeploymentResumed");
}

#[test]
fn resizing_in_the_middle_of_a_rollout_is_proportional() {
    check(
        "replicas=20 surge=3 unavailable=2 image=v2 revision=2",
        &["v1 size=8 available=8 desired=10 max=13", "v2 size=5 revision=2 desired=10 max=13"],
        "resize v1=14 v2=9",
    );
}

#[test]
fn pods_that_are_about_to_go_are_not_counted_upon() {
    let (old, new) = ("desired=5 max=8", "v2 size=3 revision=2 desired=5 max=8");
    let rolling = "replicas=5 surge=3 unavailable=2 image=v2 revision=2";
    check(rolling, &[&format!("v1 size=5 available=11 {old}"), new], "resize v1=3");
    check(rolling, &[&format!("v1 size=3 available=11 {old}"), new], "resize v2=5");
}

#[test]
fn old_sets_beyond_the_history_limit_are_deleted() {
    check(
        "replicas=1 history=1 image=v4 revision=4",
        &["v1 size=0 revision=1", "v2 size=0 revision=2", "v3 size=0 revision=3", "v4 size=1 available=1 revision=4"],
        "clean up v1 v2",
    );
}

#[test]
fn progress_is_reported_and_expires() {
    let mut observed = observe("replicas=1 revision=1", &["v1 size=1 revision=1"]);
    let started: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut status = DeploymentStatus { replicas: Some(1), updated_replicas: Some(1), ..DeploymentStatus::default() };
    progress::set_condition(
        &mut status,
        progress::condition("Progressing", "True", progress::reason::NEW, "", started),
    );
    Arc::make_mut(&mut observed.deployment).status = Some(status);
    let (_, status) = plan::plan(&observed);
    let condition = progress::find(&status, "Progressing").unwrap();
    assert_eq!(
        (condition.status.as_deref(), condition.reason.as_deref()),
        (Some("False"), Some("ProgressDeadlineExceeded"))
    );
    assert_eq!(condition.message.as_deref(), Some("ReplicaSet \"v1\" has timed out progressing."));

    let (_, status) = plan::plan(&observe("replicas=1 revision=1", &["v1 size=1 available=1 revision=1"]));
    let condition = progress::find(&status, "Progressing").unwrap();
    assert_eq!(condition.message.as_deref(), Some("ReplicaSet \"v1\" has successfully progressed."));
    assert_eq!(progress::find(&status, "Available").unwrap().status.as_deref(), Some("True"));
}

#[test]
fn the_deadline_of_a_rollout_in_motion_brings_it_back() {
    let observed = observe("replicas=1 revision=1", &["v1 size=1 revision=1"]);
    let mut status = DeploymentStatus::default();
    progress::set_condition(&mut status, progress::condition("Progressing", "True", progress::reason::NEW, "", now()));
    assert_eq!(progress::seconds_to_deadline(&observed.deployment, &status, now()), Some(601));
}

#[test]
fn names_of_sets_spell_nothing() {
    let hash = template::hash(&serde_json::from_value(pod_template("v1")).unwrap(), 0);
    assert!(hash.bytes().all(|letter| b"bcdfghjklmnpqrstvwxz2456789".contains(&letter)), "{hash}");
    assert_ne!(hash, template::hash(&serde_json::from_value(pod_template("v1")).unwrap(), 1));
}
