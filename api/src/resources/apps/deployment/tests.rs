use super::*;
use crate::resources::testing::{created, errors_of, messages, row, updated, with_cx};

fn deployment(spec: Value) -> Value {
    let mut object = json!({
        "metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "a", "image": "nginx:1"}, {"name": "b", "image": "busybox"}]},
            },
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

// proves: AM-33
#[test]
fn a_deployment_is_filled_in_as_upstream_does() {
    let object = created(&Deployment, deployment(json!({"paused": false})));
    let spec = &object["spec"];
    assert_eq!(object["metadata"]["generation"], 1);
    assert_eq!(object["status"], json!({}));
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["revisionHistoryLimit"], 10);
    assert_eq!(spec["progressDeadlineSeconds"], 600);
    assert_eq!(spec.get("paused"), None);
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
    );
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    assert_eq!(pod["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(pod.get("enableServiceLinks"), None, "only Pods have it by default");
    assert_eq!(errors_of(&Deployment, deployment(json!({}))), [""; 0]);
    let recreated = created(&Deployment, deployment(json!({"strategy": {"type": "Recreate"}})));
    assert_eq!(recreated["spec"]["strategy"], json!({"type": "Recreate"}));
}

// proves: AM-33
#[test]
fn what_a_deployment_may_not_ask_for_is_refused_with_upstreams_words() {
    let template =
        |labels: Value| json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "x"}]}});
    for (spec, want) in [
        (json!({"replicas": -1}), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            json!({"template": template(json!({"app": "other"}))}),
            "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template `labels`",
        ),
        (
            json!({"selector": null}),
            "spec.selector: Required value; spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: `selector` \
             does not match template `labels`",
        ),
        (json!({"selector": {}}), "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
        (
            json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}),
            "spec.selector.matchExpressions[0].operator: Invalid value: \"Like\": not a valid selector operator; \
             spec.selector: Invalid value: {\"matchExpressions\":[{\"key\":\"a\",\"operator\":\"Like\"}]}: invalid label \
             selector",
        ),
        (
            json!({"strategy": {"type": "Recreate", "rollingUpdate": {}}}),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "0%"}}}),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"0%\": may not be 0 when `maxSurge` is 0",
        ),
        (
            json!({"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": -1, "maxUnavailable": "101%"}}}),
            "spec.strategy.rollingUpdate.maxSurge: Invalid value: -1: must be greater than or equal to 0; \
             spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
        ),
        (
            json!({"minReadySeconds": 600}),
            "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
        (
            json!({"template": {"metadata": {"labels": {"app": "web"}},
                "spec": {"restartPolicy": "Never", "activeDeadlineSeconds": 5, "containers": []}}}),
            "spec.template.spec.containers: Required value; spec.template.spec.restartPolicy: Unsupported value: \
             \"Never\": supported values: \"Always\"; spec.template.spec.activeDeadlineSeconds: Forbidden: \
             activeDeadlineSeconds in ReplicaSet is not Supported",
        ),
    ] {
        assert_eq!(errors_of(&Deployment, deployment(spec)).join("; "), want);
    }
}

// proves: AM-33
#[test]
fn the_selector_stays_and_annotations_count_as_a_change() {
    let old = created(&Deployment, deployment(json!({})));
    let generation = |new: Value| updated(&Deployment, new, &old)["metadata"]["generation"].clone();
    let mut new = old.clone();
    assert_eq!(generation(new.clone()), 1);
    new["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(generation(new.clone()), 1);
    new["metadata"]["annotations"] = json!({"a": "b"});
    assert_eq!(generation(new.clone()), 2);
    let mut new = old.clone();
    new["spec"]["selector"] = json!({"matchLabels": {"app": "x"}});
    new["spec"]["template"]["metadata"]["labels"] = json!({"app": "x"});
    assert_eq!(generation(new.clone()), 2);
    assert_eq!(
        messages(Deployment.validate_update(&new, &old)),
        ["spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"x\"}}: field is immutable"]
    );
}

// proves: AM-35
#[test]
fn status_is_written_apart_and_its_counters_fit_together() {
    let mut old = created(&Deployment, deployment(json!({})));
    old["status"]["collisionCount"] = json!(2);
    let mut new = old.clone();
    new["spec"]["replicas"] = json!(7);
    new["metadata"]["labels"] = json!({"a": "b"});
    new["status"] = json!({"replicas": 1, "updatedReplicas": 2, "availableReplicas": 1, "collisionCount": 1});
    with_cx(|cx| Deployment.prepare_for_status_update(cx, &mut new, &old));
    assert_eq!((&new["spec"], new["metadata"].get("labels")), (&old["spec"], None));
    assert_eq!(
        messages(Deployment.validate_status_update(&new, &old)),
        [
            "status.updatedReplicas: Invalid value: 2: cannot be greater than status.replicas",
            "status.availableReplicas: Invalid value: 1: cannot be greater than readyReplicas",
            "status.collisionCount: Invalid value: 1: cannot be decremented",
        ]
    );
}

// proves: AM-30, AM-35
#[test]
fn a_row_and_the_scale_show_what_is_wanted_and_there() {
    let mut object = created(&Deployment, deployment(json!({"replicas": 3})));
    object["status"] = json!({"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1});
    assert_eq!(
        row(&Deployment, &object, "2026-01-01T00:03:20Z"),
        "web | 2/3 | 3 | 1 | 3m20s | a,b | nginx:1,busybox | app=web"
    );
    assert_eq!(Deployment.scale_selector(&object).as_deref(), Some("app=web"));
}

#[test]
fn what_is_odd_about_a_template_is_told_when_what_is_wanted_changes() {
    let odd = json!([{"name": "a", "image": "x", "ports": [{"containerPort": 80}, {"containerPort": 80}]}]);
    let mut wanted = deployment(json!({}));
    wanted["spec"]["template"]["spec"]["containers"] = odd;
    let old = created(&Deployment, wanted);
    assert_eq!(Deployment.warnings(&old, None).len(), 1);
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(Deployment.warnings(&updated(&Deployment, labelled, &old), Some(&old)), [""; 0]);
    let mut scaled = old.clone();
    scaled["spec"]["replicas"] = json!(5);
    assert_eq!(Deployment.warnings(&updated(&Deployment, scaled, &old), Some(&old)).len(), 1);
}
