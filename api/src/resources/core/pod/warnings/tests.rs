//! What upstream 1.37 warns about, case by case.

use super::*;
use serde_json::json;

fn warned(spec: Value, expected: &[&str]) {
    let mut spec = spec;
    if !has(&spec, "containers") {
        spec["containers"] = json!([{"name": "c"}]);
    }
    assert_eq!(of_pod(&json!({"metadata": {"name": "p"}, "spec": spec})), expected, "{spec}");
}

#[test]
fn a_name_that_is_no_host_name_and_old_annotations_are_warned_about() {
    let annotations = json!({"scheduler.alpha.kubernetes.io/critical-pod": "", "security.alpha.kubernetes.io/sysctls": "a",
        "seccomp.security.alpha.kubernetes.io/pod": "runtime/default", "container.apparmor.security.beta.kubernetes.io/c": "x"});
    assert_eq!(
        of_pod(
            &json!({"metadata": {"name": "a.b", "annotations": annotations}, "spec": {"containers": [{"name": "c"}]}})
        ),
        [
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [must not contain dots]",
            "metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the \"priorityClassName\" field instead",
            "metadata.annotations[security.alpha.kubernetes.io/sysctls]: non-functional in v1.11+; use the \"sysctls\" field instead",
            "metadata.annotations[seccomp.security.alpha.kubernetes.io/pod]: non-functional in v1.27+; use the \"seccompProfile\" field instead",
            "metadata.annotations[container.apparmor.security.beta.kubernetes.io/c]: deprecated since v1.30; use the \"appArmorProfile\" field instead",
        ]
    );
}

#[test]
fn old_labels_and_selectors_that_match_nothing_are_warned_about() {
    let expression = json!({"key": "beta.kubernetes.io/os", "operator": "Exists"});
    warned(
        json!({"nodeSelector": {"beta.kubernetes.io/arch": "amd64"}, "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [expression]}]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"preference": {"matchExpressions": [expression]}}]},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "x"}]}},
            "topologySpreadConstraints": [{"topologyKey": "failure-domain.beta.kubernetes.io/zone"}, {"labelSelector": {}}]}),
        &[
            "spec.nodeSelector[beta.kubernetes.io/arch]: deprecated since v1.14; use \"kubernetes.io/arch\" instead",
            "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead",
            "spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].preference.matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead",
            "spec.topologySpreadConstraints[0].topologyKey: failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
            "spec.topologySpreadConstraints[0].labelSelector: a null labelSelector results in matching no pod",
            "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].labelSelector: a null labelSelector results in matching no pod",
        ],
    );
}

#[test]
fn what_is_named_twice_is_warned_about() {
    warned(
        json!({"hostAliases": [{"ip": "1.1.1.1"}, {"ip": "1.1.1.1"}],
            "imagePullSecrets": [{"name": "a"}, {"name": "a"}, {"name": ""}, {}],
            "volumes": [{"name": "g", "gitRepo": {"repository": "x"}}, {"name": "h", "glusterfs": {}}]}),
        &[
            "spec.volumes[0].gitRepo: deprecated in v1.11, and disabled by default in v1.33+",
            "spec.volumes[1].glusterfs: deprecated in v1.25, non-functional in v1.26+",
            "spec.hostAliases[1].ip: duplicate ip \"1.1.1.1\"",
            "spec.imagePullSecrets[1].name: duplicate name \"a\"",
            "spec.imagePullSecrets[3].name: duplicate name \"\"",
            "spec.imagePullSecrets[2].name: invalid empty name \"\"",
            "spec.imagePullSecrets[3].name: invalid empty name \"\"",
        ],
    );
}

#[test]
fn odd_amounts_and_hidden_variables_are_warned_about() {
    let resources = json!({"requests": {"memory": "0.5", "ephemeral-storage": "8Pi"}, "limits": {"memory": "1500m", "ephemeral-storage": "9Pi"}});
    let env = json!([{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}, {"name": "A", "value": "$(A)"},
        {"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}, {"name": "B"}]);
    warned(
        json!({"containers": [{"name": "c", "resources": resources, "env": env}]}),
        &[
            "spec.containers[0].resources.limits[memory]: fractional byte value \"1500m\" is invalid, must be an integer",
            "spec.containers[0].resources.requests[memory]: fractional byte value \"0.5\" is invalid, must be an integer",
            "spec.containers[0].resources.limits[ephemeral-storage]: fractional byte value \"9Pi\" is invalid, must be an integer",
            "spec.containers[0].env[2]: hides previous definition of \"A\", which may be dropped when using apply",
            "spec.containers[0].env[3]: hides previous definition of \"A\", which may be dropped when using apply",
        ],
    );
}

#[test]
fn ports_that_mean_the_same_are_warned_about_across_containers() {
    let port = |extra: Value| {
        let mut port = json!({"containerPort": 80, "protocol": "TCP"});
        port.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        port
    };
    let of = |first: Value, second: Value| {
        let containers = json!([{"name": "c", "ports": [port(second)]}]);
        json!({"initContainers": [{"name": "i", "ports": [port(first)]}], "containers": containers})
    };
    let (one, two) = ("spec.initContainers[0].ports[0]", "spec.containers[0].ports[0]");
    let definition = |how: &str| format!("{two}: {how} port definition with {one}");
    let named = format!(
        "{two}: duplicate port name \"n\" with {one}, services and probes that select ports by name will use {one}"
    );
    let (host, ip) = (json!({"hostPort": 80}), json!({"hostPort": 80, "hostIP": "1.1.1.1"}));
    warned(of(json!({}), json!({})), &[&definition("duplicate")]);
    warned(of(host.clone(), json!({})), &[&definition("overlapping")]);
    warned(of(ip, host.clone()), &[&definition("dangerously ambiguous")]);
    warned(of(host, json!({"hostPort": 81})), &[]);
    warned(of(json!({"name": "n"}), json!({"name": "n", "containerPort": 81})), &[&named]);
    warned(
        json!({"containers": [{"name": "c", "ports": [port(json!({"hostIP": "1.1.1.1"}))]}]}),
        &[
            "spec.containers[0].ports[0]: hostIP set without hostPort: {Name: HostPort:0 ContainerPort:80 Protocol:TCP HostIP:1.1.1.1}",
        ],
    );
}

#[test]
fn a_template_names_its_own_path() {
    let template = json!({"metadata": {"annotations": {"scheduler.alpha.kubernetes.io/critical-pod": ""}},
        "spec": {"terminationGracePeriodSeconds": -1, "hostAliases": [{"ip": "1"}, {"ip": "1"}]}});
    assert_eq!(
        of_template(&template, &Path::of(&["spec", "template"])),
        [
            "spec.template.metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; use the \"priorityClassName\" field instead",
            "spec.template.spec.hostAliases[1].ip: duplicate ip \"1\"",
            "spec.template.spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1",
        ]
    );
}
